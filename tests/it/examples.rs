//! The examples of RFC 4745, RFC 4826, RFC 5025 and RFC 5875 with the results that they print. Those of RFC 4825
//! and RFC 4827 are beside the other exchanges of XCAP.
//!
//! Where an example is wrong, the test says what is wrong with it, and what becomes of it as it is printed.

mod changes;
mod documents;
mod rules;

use std::fmt::Write as _;

use roxmltree::{Document, Node, NodeType};

/// A document as it means: without prefixes, in one order of attributes; white space between elements, comments
/// and the declaration are left out.
fn meaning(text: &str) -> String {
    let document = Document::parse(text).unwrap_or_else(|fault| panic!("{fault}: {text}"));
    let mut out = String::new();
    push(&mut out, document.root_element());
    out
}

fn push(out: &mut String, element: Node<'_, '_>) {
    let name = element.tag_name();
    let mut attributes: Vec<_> =
        element.attributes().map(|one| format!(" {}={:?}", one.name(), one.value())).collect();
    attributes.sort();
    let _ =
        write!(out, "<{{{}}}{}{}>", name.namespace().unwrap_or_default(), name.name(), attributes.concat());
    for child in element.children() {
        match child.node_type() {
            NodeType::Element => push(out, child),
            NodeType::Text => out.push_str(child.text().unwrap_or_default().trim()),
            _ => {}
        }
    }
    out.push_str("</>");
}
