//! `pres-rules` and `org.openmobilealliance.pres-rules`: who may watch, and see what (RFC 5025; OMA's
//! conditions). Both are one policy and so one document, whichever of its names a client knows.
//!
//! Only what is written by the name of OMA has to keep OMA's rules.

use super::{
    Application, Conflict, Context, Names, Origin, Readers,
    common_policy::{self, COMMON_POLICY, OMA_COMMON_POLICY},
    unconstrained,
};
use crate::documents::{
    schema::{
        AttributeUse, Content, Declaration, EMPTY, Kind, Namespace, Others, Particle, Schema, Simple, Term,
        XML,
    },
    tree::Element,
};

/// The application of RFC 5025 §9.
pub(super) static APPLICATION: Application = Application {
    auid: "pres-rules",
    media_type: "application/auth-policy+xml",
    default_namespace: PRES_RULES,
    namespaces: &[PRES_RULES, COMMON_POLICY, OMA_COMMON_POLICY],
    names: NAMES,
    stored_as: "pres-rules",
    readers: Readers::Owner,
    origin: Origin::Stored,
    schema: &SCHEMA,
    root: &common_policy::ROOT,
    constraints: unconstrained,
};

/// OMA's application.
pub(super) static OMA_APPLICATION: Application = Application {
    auid: "org.openmobilealliance.pres-rules",
    constraints: check_oma,
    media_type: "application/auth-policy+xml",
    default_namespace: PRES_RULES,
    namespaces: &[PRES_RULES, COMMON_POLICY, OMA_COMMON_POLICY],
    names: NAMES,
    stored_as: "pres-rules",
    readers: Readers::Owner,
    origin: Origin::Stored,
    schema: &SCHEMA,
    root: &common_policy::ROOT,
};

/// Blink's name, OMA's, and that of SER's presence module.
const NAMES: Names = Names::One { name: "index", aliases: &["pres-rules", "presence-rules.xml"] };

static SCHEMA: Schema =
    Schema { namespaces: &[&common_policy::NAMESPACE, &common_policy::OMA, &NAMESPACE, &XML] };

static NAMESPACE: Namespace = Namespace {
    name: PRES_RULES,
    elements: &[
        SUB_HANDLING,
        SERVICE_URI_SCHEME,
        CLASS,
        OCCURRENCE_ID,
        SERVICE_URI,
        DEVICE_ID,
        element("provide-services", &PROVIDE_SERVICES),
        element("provide-devices", &PROVIDE_DEVICES),
        element("provide-persons", &PROVIDE_PERSONS),
        element("provide-activities", &BOOLEAN),
        element("provide-class", &BOOLEAN),
        element("provide-deviceID", &BOOLEAN),
        element("provide-mood", &BOOLEAN),
        element("provide-place-is", &BOOLEAN),
        element("provide-place-type", &BOOLEAN),
        element("provide-privacy", &BOOLEAN),
        element("provide-relationship", &BOOLEAN),
        element("provide-status-icon", &BOOLEAN),
        element("provide-sphere", &BOOLEAN),
        element("provide-time-offset", &BOOLEAN),
        element("provide-user-input", &PROVIDE_USER_INPUT),
        element("provide-note", &BOOLEAN),
        element("provide-unknown-attribute", &PROVIDE_UNKNOWN_ATTRIBUTE),
        element("provide-all-attributes", &EMPTY),
    ],
    attributes: &[],
};

const SUB_HANDLING: Declaration = element("sub-handling", &SUB_HANDLING_KIND);
static SUB_HANDLING_KIND: Kind = Kind::text(HANDLINGS);
pub(super) const HANDLINGS: Simple = Simple::OneOf(&["block", "confirm", "polite-block", "allow"]);

const SERVICE_URI_SCHEME: Declaration = element("service-uri-scheme", &TOKEN);
const CLASS: Declaration = element("class", &TOKEN);
const OCCURRENCE_ID: Declaration = element("occurrence-id", &TOKEN);
const SERVICE_URI: Declaration = element("service-uri", &URI);
const DEVICE_ID: Declaration = element("deviceID", &URI);

static TOKEN: Kind = Kind::text(Simple::Token);
static URI: Kind = Kind::text(Simple::Uri);
static BOOLEAN: Kind = Kind::text(Simple::Boolean);

static PROVIDE_SERVICES: Kind = Kind::of(Particle::one(Term::Choice(&[
    Particle::one(Term::Element(&element("all-services", &EMPTY))),
    Particle::many(Term::Choice(&[
        Particle::one(Term::Element(&SERVICE_URI)),
        Particle::one(Term::Element(&SERVICE_URI_SCHEME)),
        Particle::one(Term::Element(&OCCURRENCE_ID)),
        Particle::one(Term::Element(&CLASS)),
        Particle::one(Term::Any(OTHERS)),
    ])),
])));

static PROVIDE_DEVICES: Kind = Kind::of(Particle::one(Term::Choice(&[
    Particle::one(Term::Element(&element("all-devices", &EMPTY))),
    Particle::many(Term::Choice(&[
        Particle::one(Term::Element(&DEVICE_ID)),
        Particle::one(Term::Element(&OCCURRENCE_ID)),
        Particle::one(Term::Element(&CLASS)),
        Particle::one(Term::Any(OTHERS)),
    ])),
])));

static PROVIDE_PERSONS: Kind = Kind::of(Particle::one(Term::Choice(&[
    Particle::one(Term::Element(&element("all-persons", &EMPTY))),
    Particle::many(Term::Choice(&[
        Particle::one(Term::Element(&OCCURRENCE_ID)),
        Particle::one(Term::Element(&CLASS)),
        Particle::one(Term::Any(OTHERS)),
    ])),
])));

static PROVIDE_USER_INPUT: Kind = Kind::text(Simple::Exactly(&["false", "bare", "thresholds", "full"]));

static PROVIDE_UNKNOWN_ATTRIBUTE: Kind = Kind {
    attributes: &[
        AttributeUse::required("name", Simple::String),
        AttributeUse::required("ns", Simple::String),
    ],
    others: Others::Nothing,
    content: Content::Text(Simple::Boolean),
};

const OTHERS: Others = Others::NotOf(PRES_RULES);

const fn element(name: &'static str, kind: &'static Kind) -> Declaration {
    Declaration { namespace: PRES_RULES, name, kind }
}

/// A rule says once whom it is about, and grants only with what it allows.
fn check_oma(root: Element<'_>, _: &Context<'_>) -> Result<(), Conflict> {
    for rule in root.elements() {
        let conditions = rule.element(COMMON_POLICY, "conditions");
        let doubled = |(namespace, name): &&(&str, &str)| {
            conditions.is_some_and(|conditions| conditions.elements_named(namespace, name).count() > 1)
        };
        if let Some((_, name)) = IDENTITIES.iter().find(doubled) {
            return Err(Conflict::Constraint(format!("a rule has the condition {name} twice")));
        }
        let actions = rule.element(COMMON_POLICY, "actions");
        let handling = actions.and_then(|actions| actions.element(PRES_RULES, "sub-handling"));
        let transformations = rule.element(COMMON_POLICY, "transformations");
        let grants = transformations.is_some_and(|all| all.elements().next().is_some());
        let is_allowed = handling.is_none_or(|handling| handling.text().trim() == "allow");
        if grants && !is_allowed {
            let phrase = "a rule that does not allow has transformations";
            return Err(Conflict::Constraint(phrase.into()));
        }
    }
    Ok(())
}

/// The conditions that say whom a rule is about.
const IDENTITIES: &[(&str, &str)] = &[
    (COMMON_POLICY, "identity"),
    (OMA_COMMON_POLICY, "external-list"),
    (OMA_COMMON_POLICY, "other-identity"),
    (OMA_COMMON_POLICY, "anonymous-request"),
];

const PRES_RULES: &str = "urn:ietf:params:xml:ns:pres-rules";
