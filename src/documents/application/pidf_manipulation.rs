//! `pidf-manipulation`: what the owner shows while no session says otherwise (RFC 4827). Presence documents
//! (RFC 3863 §4.4) with the data model (RFC 4479 §5.1).
//!
//! Other extensions pass as they are: what is shown of them is decided where presence is composed.

use super::{Application, Names, Origin, Readers, unconstrained};
use crate::documents::schema::{
    AttributeUse, Content, Declaration, Kind, Namespace, Others, Particle, Schema, Simple,
    TEXT_IN_A_LANGUAGE, Term, XML,
};

/// The application.
pub(super) static APPLICATION: Application = Application {
    auid: "pidf-manipulation",
    media_type: "application/pidf+xml",
    default_namespace: PIDF,
    namespaces: &[PIDF, DATA_MODEL],
    names: Names::One { name: "index", aliases: &[] },
    stored_as: "pidf-manipulation",
    readers: Readers::Owner,
    origin: Origin::Stored,
    schema: &SCHEMA,
    root: &PRESENCE,
    constraints: unconstrained,
};

static SCHEMA: Schema = Schema { namespaces: &[&NAMESPACE, &MODEL, &XML] };

static NAMESPACE: Namespace = Namespace {
    name: PIDF,
    elements: &[PRESENCE],
    attributes: &[AttributeUse {
        namespace: PIDF,
        ..AttributeUse::optional("mustUnderstand", Simple::Boolean)
    }],
};

const PRESENCE: Declaration = pidf("presence", &PRESENCE_KIND);
static PRESENCE_KIND: Kind = Kind {
    attributes: &[AttributeUse::required("entity", Simple::Uri)],
    others: Others::Nothing,
    content: Content::Elements(Particle::one(Term::Sequence(&[
        Particle::many(Term::Element(&pidf("tuple", &TUPLE))),
        Particle::many(Term::Element(&NOTE)),
        Particle::many(Term::Any(OTHERS)),
    ]))),
};

static TUPLE: Kind = Kind {
    attributes: &[AttributeUse::required("id", Simple::Id)],
    others: Others::Nothing,
    content: Content::Elements(Particle::one(Term::Sequence(&[
        Particle::one(Term::Element(&pidf("status", &STATUS))),
        Particle::many(Term::Any(OTHERS)),
        Particle::maybe(Term::Element(&pidf("contact", &CONTACT))),
        Particle::many(Term::Element(&NOTE)),
        Particle::maybe(Term::Element(&pidf("timestamp", &TIME))),
    ]))),
};

static STATUS: Kind = Kind::of(Particle::one(Term::Sequence(&[
    Particle::maybe(Term::Element(&pidf("basic", &BASIC))),
    Particle::many(Term::Any(OTHERS)),
])));

static BASIC: Kind = Kind::text(Simple::Exactly(&["open", "closed"]));

static CONTACT: Kind = Kind {
    attributes: &[AttributeUse::optional("priority", Simple::Quality)],
    others: Others::Nothing,
    content: Content::Text(Simple::Uri),
};

static NOTE: Declaration = pidf("note", &TEXT_IN_A_LANGUAGE);
static TIME: Kind = Kind::text(Simple::DateTime);

static MODEL: Namespace = Namespace {
    name: DATA_MODEL,
    elements: &[DEVICE_ID, model("device", &DEVICE), model("person", &PERSON)],
    attributes: &[],
};

const DEVICE_ID: Declaration = model("deviceID", &URI);
static URI: Kind = Kind::text(Simple::Uri);

static DEVICE: Kind = identified(Particle::one(Term::Sequence(&[
    Particle::many(Term::Any(NOT_OF_MODEL)),
    Particle::one(Term::Element(&DEVICE_ID)),
    Particle::many(Term::Element(&MODEL_NOTE)),
    Particle::maybe(Term::Element(&model("timestamp", &TIME))),
])));

static PERSON: Kind = identified(Particle::one(Term::Sequence(&[
    Particle::many(Term::Any(NOT_OF_MODEL)),
    Particle::many(Term::Element(&MODEL_NOTE)),
    Particle::maybe(Term::Element(&model("timestamp", &TIME))),
])));

static MODEL_NOTE: Declaration = model("note", &TEXT_IN_A_LANGUAGE);

const fn identified(content: Particle) -> Kind {
    const ID: &[AttributeUse] = &[AttributeUse::required("id", Simple::Id)];
    Kind { attributes: ID, others: Others::Nothing, content: Content::Elements(content) }
}

const fn pidf(name: &'static str, kind: &'static Kind) -> Declaration {
    Declaration { namespace: PIDF, name, kind }
}

const fn model(name: &'static str, kind: &'static Kind) -> Declaration {
    Declaration { namespace: DATA_MODEL, name, kind }
}

const OTHERS: Others = Others::NotOf(PIDF);
const NOT_OF_MODEL: Others = Others::NotOf(DATA_MODEL);

const PIDF: &str = "urn:ietf:params:xml:ns:pidf";
const DATA_MODEL: &str = "urn:ietf:params:xml:ns:pidf:data-model";
