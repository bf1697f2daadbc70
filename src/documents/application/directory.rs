//! `org.openmobilealliance.xcap-directory`: which documents an account has (OMA XDM 1.1, §6.1.2).

use super::{Application, Names, Origin, Readers, unconstrained};
use crate::{
    documents::schema::{
        AttributeUse, Content, Declaration, Kind, Namespace, Others, Particle, Schema, Simple, Term, XML,
    },
    formats::xml,
    signal::Timestamp,
};

/// The application.
pub(super) static APPLICATION: Application = Application {
    auid: "org.openmobilealliance.xcap-directory",
    media_type: "application/vnd.oma.xcap-directory+xml",
    default_namespace: XCAP_DIRECTORY,
    namespaces: &[XCAP_DIRECTORY],
    names: Names::One { name: "directory.xml", aliases: &["index"] },
    stored_as: "org.openmobilealliance.xcap-directory",
    readers: Readers::Owner,
    origin: Origin::Computed,
    schema: &SCHEMA,
    root: &ROOT,
    constraints: unconstrained,
};

static SCHEMA: Schema = Schema { namespaces: &[&NAMESPACE, &XML] };
static NAMESPACE: Namespace = Namespace { name: XCAP_DIRECTORY, elements: &[ROOT], attributes: &[] };

const ROOT: Declaration = element("xcap-directory", &ROOT_KIND);
static ROOT_KIND: Kind = Kind::of(Particle::many(Term::Element(&element("folder", &FOLDER))));

static FOLDER: Kind = Kind {
    attributes: &[AttributeUse::required("auid", Simple::String)],
    others: Others::Nothing,
    content: Content::Elements(Particle::one(Term::Choice(&[
        Particle::many(Term::Element(&element("entry", &ENTRY))),
        Particle::one(Term::Element(&element("error-code", &ERROR_CODE))),
    ]))),
};

static ENTRY: Kind = Kind {
    attributes: &[
        AttributeUse::required("uri", Simple::Uri),
        AttributeUse::required("etag", Simple::String),
        AttributeUse::optional("last-modified", Simple::DateTime),
        AttributeUse::optional("size", Simple::NonNegative),
    ],
    others: Others::Anything,
    content: Content::Empty,
};
static ERROR_CODE: Kind = Kind::text(Simple::String);

const fn element(name: &'static str, kind: &'static Kind) -> Declaration {
    Declaration { namespace: XCAP_DIRECTORY, name, kind }
}

/// A document of the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryEntry {
    pub auid: String,
    /// Where it is, escaped.
    pub uri: String,
    /// As the document has it, quotes included.
    pub etag: String,
    pub changed: Timestamp,
    /// In bytes.
    pub size: u64,
}

/// The directory of these documents, those of one application together.
#[must_use]
pub fn print(entries: &[DirectoryEntry]) -> String {
    let mut out =
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<xcap-directory xmlns=\"{XCAP_DIRECTORY}\">");
    let mut auids: Vec<&str> = entries.iter().map(|entry| entry.auid.as_str()).collect();
    auids.sort_unstable();
    auids.dedup();
    for auid in auids {
        out.push_str("\n  <folder");
        xml::push_attribute(&mut out, "auid", auid);
        out.push('>');
        for entry in entries.iter().filter(|entry| entry.auid == auid) {
            out.push_str("\n    <entry");
            xml::push_attribute(&mut out, "uri", &entry.uri);
            xml::push_attribute(&mut out, "etag", &entry.etag);
            xml::push_attribute(&mut out, "last-modified", &entry.changed.to_string());
            xml::push_attribute(&mut out, "size", &entry.size.to_string());
            out.push_str("/>");
        }
        out.push_str("\n  </folder>");
    }
    out.push_str("\n</xcap-directory>\n");
    out
}

const XCAP_DIRECTORY: &str = "urn:oma:xml:xdm:xcap-directory";
