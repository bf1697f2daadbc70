//! `xcap-caps`: what this server serves (RFC 4825 §12).
//!
//! Blink's schema has no document without `extensions`, where the RFC's has: the element is always there.

use super::{APPLICATIONS, Application, Names, Origin, Readers, unconstrained};
use crate::{
    documents::schema::{Content, Declaration, Kind, Namespace, Others, Particle, Schema, Simple, Term, XML},
    formats::xml,
};

/// The application.
pub(super) static APPLICATION: Application = Application {
    auid: "xcap-caps",
    media_type: "application/xcap-caps+xml",
    default_namespace: XCAP_CAPS,
    namespaces: &[XCAP_CAPS],
    names: Names::One { name: "index", aliases: &[] },
    stored_as: "xcap-caps",
    readers: Readers::Everybody,
    origin: Origin::Global,
    schema: &SCHEMA,
    root: &ROOT,
    constraints: unconstrained,
};

static SCHEMA: Schema = Schema { namespaces: &[&NAMESPACE, &XML] };
static NAMESPACE: Namespace = Namespace { name: XCAP_CAPS, elements: &[ROOT], attributes: &[] };

const ROOT: Declaration = element("xcap-caps", &ROOT_KIND);
static ROOT_KIND: Kind = Kind {
    attributes: &[],
    others: Others::Nothing,
    content: Content::Elements(Particle::one(Term::Sequence(&[
        Particle::one(Term::Element(&element("auids", &AUIDS))),
        Particle::maybe(Term::Element(&element("extensions", &EXTENSIONS))),
        Particle::one(Term::Element(&element("namespaces", &NAMESPACES))),
        Particle::many(Term::Any(Others::NotOf(XCAP_CAPS))),
    ]))),
};

static AUIDS: Kind = Kind::of(Particle::many(Term::Element(&element("auid", &TEXT))));
static EXTENSIONS: Kind = Kind::of(Particle::many(Term::Element(&element("extension", &TEXT))));
static NAMESPACES: Kind = Kind::of(Particle::many(Term::Element(&element("namespace", &URI))));
static TEXT: Kind = Kind::text(Simple::String);
static URI: Kind = Kind::text(Simple::Uri);

const fn element(name: &'static str, kind: &'static Kind) -> Declaration {
    Declaration { namespace: XCAP_CAPS, name, kind }
}

/// The one document: `xcap-caps/global/index`.
#[must_use]
pub fn print() -> String {
    let mut out =
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<xcap-caps xmlns=\"{XCAP_CAPS}\">\n  <auids>");
    for application in APPLICATIONS {
        out.push_str("\n    ");
        xml::push_element(&mut out, "auid", application.auid);
    }
    out.push_str("\n  </auids>\n  <extensions/>\n  <namespaces>");
    let mut namespaces: Vec<&str> = Vec::new();
    for namespace in APPLICATIONS.iter().flat_map(|application| application.namespaces) {
        if !namespaces.contains(namespace) {
            namespaces.push(namespace);
        }
    }
    for namespace in namespaces {
        out.push_str("\n    ");
        xml::push_element(&mut out, "namespace", namespace);
    }
    out.push_str("\n  </namespaces>\n</xcap-caps>\n");
    out
}

const XCAP_CAPS: &str = "urn:ietf:params:xml:ns:xcap-caps";
