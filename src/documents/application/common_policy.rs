//! Common policy (RFC 4745 §13) with OMA's conditions, the frame of every rules document.
//!
//! Wider than the printed schema in one place: an identity may have the elements of the drafts that SER's
//! presence module reads (`id`, `domain`, and `except` beside them).

use crate::documents::schema::{
    AttributeUse, Content, Declaration, EMPTY, Kind, Namespace, Others, Particle, Simple, Term,
};

pub(super) static NAMESPACE: Namespace =
    Namespace { name: COMMON_POLICY, elements: &[ROOT], attributes: &[] };

/// OMA's conditions (XDM 1.1, common policy).
pub(super) static OMA: Namespace = Namespace {
    name: OMA_COMMON_POLICY,
    elements: &[
        oma("other-identity", &EMPTY),
        oma("anonymous-request", &EMPTY),
        oma("external-list", &EXTERNAL_LIST_KIND),
    ],
    attributes: &[],
};

pub(super) const ROOT: Declaration = policy("ruleset", &RULESET_KIND);

static RULESET_KIND: Kind = Kind::of(Particle::many(Term::Element(&RULE)));

static RULE: Declaration = policy("rule", &RULE_KIND);
static RULE_KIND: Kind = Kind {
    attributes: &[AttributeUse::required("id", Simple::Id)],
    others: Others::Nothing,
    content: Content::Elements(Particle::one(Term::Sequence(&[
        Particle::maybe(Term::Element(&CONDITIONS)),
        Particle::maybe(Term::Element(&ACTIONS)),
        Particle::maybe(Term::Element(&TRANSFORMATIONS)),
    ]))),
};

static CONDITIONS: Declaration = policy("conditions", &CONDITIONS_KIND);
static CONDITIONS_KIND: Kind = Kind::of(Particle::many(Term::Choice(&[
    Particle::one(Term::Element(&IDENTITY)),
    Particle::one(Term::Element(&SPHERE)),
    Particle::one(Term::Element(&VALIDITY)),
    Particle::one(Term::Any(OTHERS)),
])));

static ACTIONS: Declaration = policy("actions", &EXTENSIBLE_KIND);
static TRANSFORMATIONS: Declaration = policy("transformations", &EXTENSIBLE_KIND);
static EXTENSIBLE_KIND: Kind = Kind::of(Particle::many(Term::Any(OTHERS)));

static IDENTITY: Declaration = policy("identity", &IDENTITY_KIND);
static IDENTITY_KIND: Kind = Kind::of(Particle::some(Term::Choice(&[
    Particle::one(Term::Element(&ONE)),
    Particle::one(Term::Element(&MANY)),
    Particle::one(Term::Element(&OLD_ID)),
    Particle::one(Term::Element(&OLD_DOMAIN)),
    Particle::one(Term::Element(&OLD_EXCEPT)),
    Particle::one(Term::Any(OTHERS)),
])));

static ONE: Declaration = policy("one", &ONE_KIND);
static ONE_KIND: Kind = Kind {
    attributes: &[AttributeUse::required("id", Simple::Uri)],
    others: Others::Nothing,
    content: Content::Elements(Particle::maybe(Term::Any(OTHERS))),
};

static MANY: Declaration = policy("many", &MANY_KIND);
static MANY_KIND: Kind = Kind {
    attributes: &[AttributeUse::optional("domain", Simple::String)],
    others: Others::Nothing,
    content: Content::Elements(Particle::many(Term::Choice(&[
        Particle::one(Term::Element(&EXCEPT)),
        Particle::one(Term::Any(OTHERS)),
    ]))),
};

static EXCEPT: Declaration = policy("except", &EXCEPT_KIND);
static EXCEPT_KIND: Kind =
    empty(&[AttributeUse::optional("domain", Simple::String), AttributeUse::optional("id", Simple::Uri)]);

static SPHERE: Declaration = policy("sphere", &SPHERE_KIND);
static SPHERE_KIND: Kind = empty(&[AttributeUse::required("value", Simple::String)]);

static VALIDITY: Declaration = policy("validity", &VALIDITY_KIND);
static VALIDITY_KIND: Kind = Kind::of(Particle::some(Term::Sequence(&[
    Particle::one(Term::Element(&FROM)),
    Particle::one(Term::Element(&UNTIL)),
])));
static FROM: Declaration = policy("from", &TIME_KIND);
static UNTIL: Declaration = policy("until", &TIME_KIND);
static TIME_KIND: Kind = Kind::text(Simple::DateTime);

static OLD_ID: Declaration = policy("id", &OLD_ID_KIND);
static OLD_ID_KIND: Kind = Kind::text(Simple::Uri);
static OLD_DOMAIN: Declaration = policy("domain", &OLD_DOMAIN_KIND);
static OLD_DOMAIN_KIND: Kind = empty(&[AttributeUse::required("domain", Simple::String)]);
static OLD_EXCEPT: Declaration = policy("except", &OLD_EXCEPT_KIND);
static OLD_EXCEPT_KIND: Kind = empty(&[
    AttributeUse::optional("domain", Simple::String),
    AttributeUse::optional("id", Simple::Uri),
    AttributeUse::optional("entity", Simple::Uri),
]);

static EXTERNAL_LIST_KIND: Kind = Kind::of(Particle::many(Term::Element(&EXTERNAL_ENTRY)));
static EXTERNAL_ENTRY: Declaration = oma("entry", &EXTERNAL_ENTRY_KIND);
static EXTERNAL_ENTRY_KIND: Kind = Kind {
    attributes: &[AttributeUse::optional("anc", Simple::Uri)],
    others: Others::Anything,
    content: Content::Empty,
};

const OTHERS: Others = Others::NotOf(COMMON_POLICY);

const fn empty(attributes: &'static [AttributeUse]) -> Kind {
    Kind { attributes, others: Others::Nothing, content: Content::Empty }
}

const fn policy(name: &'static str, kind: &'static Kind) -> Declaration {
    Declaration { namespace: COMMON_POLICY, name, kind }
}

const fn oma(name: &'static str, kind: &'static Kind) -> Declaration {
    Declaration { namespace: OMA_COMMON_POLICY, name, kind }
}

pub(super) const COMMON_POLICY: &str = "urn:ietf:params:xml:ns:common-policy";
pub(super) const OMA_COMMON_POLICY: &str = "urn:oma:xml:xdm:common-policy";
