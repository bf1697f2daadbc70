//! How people and elements are written in documents.

use std::fmt::Write as _;

use compact_str::CompactString;
use sha2::{Digest, Sha256};

use super::RESOURCE_LISTS;
use crate::{
    documents::tree::{Edits, Element, escape_attribute, escape_text},
    formats::rules::read_entity,
    signal::{Address, Entity},
};

/// Whom a URI names, however it is escaped and with or without scheme; `None` for the owner, whom no document
/// can make a contact of herself, and for what is no account.
pub(in crate::documents) fn address_of(uri: &str, owner: &Address) -> Option<Address> {
    match read_entity(uri) {
        Entity::Account(address) if address != *owner && !address.is_domain() => Some(address),
        _ => None,
    }
}

/// Somebody as Blink writes him: without scheme, every delimiter escaped.
pub(super) fn escaped(address: &Address) -> String {
    let mut out = String::with_capacity(address.as_str().len() + 8);
    for byte in address.with_ascii_domain().bytes() {
        if byte.is_ascii_alphanumeric() || b"_.-~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// How the entries of a document name people.
#[derive(Debug, Clone, Copy)]
pub(super) struct UriStyle {
    has_scheme: bool,
}

impl UriStyle {
    /// As the first entry below an element is written.
    pub(super) fn of(others: Element<'_>) -> Self {
        let is_entry = |element: &Element<'_>| element.is(RESOURCE_LISTS, "entry");
        let mut uris = others.descendants().filter(is_entry).filter_map(|entry| entry.attribute("uri"));
        Self { has_scheme: uris.next().is_some_and(|uri| uri.contains(':')) }
    }

    /// Somebody, written so.
    pub(super) fn print(self, address: &Address) -> String {
        if self.has_scheme { format!("sip:{}", percent_free(address)) } else { escaped(address) }
    }
}

/// In a URI with its delimiters, only what no URI may have is escaped.
fn percent_free(address: &Address) -> String {
    escaped(address).replace("%40", "@")
}

/// An id for something about this address: always the same, and a name that XML allows.
pub(super) fn id_of(kind: char, address: &Address, is_taken: impl Fn(&str) -> bool) -> String {
    let digest = Sha256::digest(address.as_str().as_bytes());
    let hash = digest.iter().take(8).fold(0_u64, |hash, byte| hash << 8 | u64::from(*byte));
    let first = format!("{kind}{hash:016x}");
    if !is_taken(&first) {
        return first;
    }
    let mut others = (1_u32..).map(|number| format!("{first}-{number}"));
    others.find(|id| !is_taken(id)).unwrap_or(first)
}

/// Names of elements of one namespace, as they are written within one element.
pub(super) struct Names {
    prefix: String,
    /// The declaration that the outermost element needs.
    declaration: String,
}

impl Names {
    /// As `scope` has the namespace bound; else with a declaration of its own.
    pub(super) fn within(scope: Element<'_>, namespace: &str) -> Self {
        let bound = scope.bindings().into_iter().find(|(_, uri)| *uri == namespace);
        match bound {
            Some(("", _)) => Self { prefix: String::new(), declaration: String::new() },
            Some((prefix, _)) => Self { prefix: format!("{prefix}:"), declaration: String::new() },
            None => {
                let declaration = format!(" xmlns=\"{}\"", escape_attribute(namespace));
                Self { prefix: String::new(), declaration }
            }
        }
    }

    /// The outermost element, with attributes and what is in it.
    pub(super) fn outer(&self, name: &str, attributes: &[(&str, &str)], inside: &str) -> String {
        self.print(name, &self.declaration, attributes, inside)
    }

    /// An element within.
    pub(super) fn inner(&self, name: &str, attributes: &[(&str, &str)], inside: &str) -> String {
        self.print(name, "", attributes, inside)
    }

    /// An element within that holds text.
    pub(super) fn text(&self, name: &str, text: &str) -> String {
        self.inner(name, &[], &escape_text(text))
    }

    fn print(&self, name: &str, declaration: &str, attributes: &[(&str, &str)], inside: &str) -> String {
        let prefix = &self.prefix;
        let mut out = format!("<{prefix}{name}{declaration}");
        for (attribute, value) in attributes {
            // Writing to a string does not fail.
            let _ = write!(out, " {attribute}=\"{}\"", escape_attribute(value));
        }
        if inside.is_empty() {
            out.push_str("/>");
        } else {
            // As above.
            let _ = write!(out, ">{inside}</{prefix}{name}>");
        }
        out
    }
}

/// Puts a member into a list where the schema wants it: behind the other members, before what is of other
/// namespaces (RFC 4826 §3.2).
pub(super) fn add_member<'a>(list: Element<'a>, markup: &str, edits: &mut Edits<'a>) {
    let own = list.elements().filter(|element| element.namespace() == Some(RESOURCE_LISTS)).last();
    match (own, list.elements().next()) {
        (Some(last), _) => edits.insert_after(last, markup),
        (None, Some(foreign)) => edits.insert_before(foreign, markup),
        (None, None) => edits.append(list, markup),
    };
}

/// The text of an element, without white space around it.
pub(super) fn trimmed(text: &str) -> CompactString {
    text.trim().into()
}
