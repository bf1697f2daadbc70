//! The ids of a composed document: each once, and each a name (`xs:ID`).

use std::{collections::HashSet, fmt::Write as _};

use compact_str::{CompactString, format_compact};

use super::{
    RPID,
    element::{Element, Node},
    model::Document,
    schema::is_name,
};
use crate::formats::xml::XML;

/// The ids in use.
#[derive(Debug, Default)]
pub(super) struct Identities(HashSet<CompactString>);

impl Identities {
    /// The id under which `wanted` goes: itself where it is a name and free, else with `owner` before it.
    pub(super) fn claim(&mut self, wanted: &str, owner: &str) -> CompactString {
        let name: CompactString = if is_name(wanted) { wanted.into() } else { to_name(wanted) };
        if self.0.insert(name.clone()) {
            return name;
        }
        let prefixed = format_compact!("{owner}.{name}");
        let mut candidate = prefixed.clone();
        let mut count = 1_u32;
        while !self.0.insert(candidate.clone()) {
            count += 1;
            candidate = format_compact!("{prefixed}.{count}");
        }
        candidate
    }

    /// Gives the elements within tuples and devices ids of their own: that of what they are in
    /// stands before them, so that it does not matter what others publish.
    pub(super) fn settle_nested(&mut self, document: &mut Document) {
        for tuple in &mut document.tuples {
            self.settle(&mut tuple.status.extensions, &tuple.id);
            self.settle(&mut tuple.extensions, &tuple.id);
        }
        for device in &mut document.devices {
            self.settle(&mut device.extensions, &device.id);
        }
        self.settle(&mut document.extensions, "ID");
    }

    /// Elements that are given new ids within `owner`.
    pub(super) fn settle(&mut self, elements: &mut [Element], owner: &str) {
        for element in elements {
            let is_rpid = element.namespace == RPID;
            for attribute in &mut element.attributes {
                let is_typed = is_rpid && attribute.namespace.is_empty() || attribute.namespace == XML;
                if attribute.name == "id" && is_typed {
                    attribute.value = self.claim(&format_compact!("{owner}.{}", attribute.value), owner);
                }
            }
            for node in &mut element.nodes {
                if let Node::Element(child) = node {
                    self.settle(std::slice::from_mut(child), owner);
                }
            }
        }
    }
}

/// A name for any text: letters, digits, `.` and `-` stand for themselves, other bytes are `_` and two
/// hexadecimal digits. No two texts share one.
pub(super) fn to_name(text: &str) -> CompactString {
    let mut id = CompactString::with_capacity(text.len() + 3);
    id.push_str("ID-");
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-') {
            id.push(char::from(byte));
        } else {
            // Writing to memory has no error of its own.
            let _ = write!(id, "_{byte:02X}");
        }
    }
    id
}
