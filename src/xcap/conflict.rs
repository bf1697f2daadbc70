//! `application/xcap-error+xml` (RFC 4825 §11).

use crate::{documents::Conflict, formats::xml};

/// The document that says why.
pub(super) fn print(conflict: &Conflict) -> String {
    let mut out = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<xcap-error xmlns=\"{NAMESPACE}\">");
    let name = element_of(conflict);
    out.push('<');
    out.push_str(name);
    xml::push_attribute(&mut out, "phrase", &conflict.to_string());
    out.push('>');
    match conflict {
        Conflict::NoParent { ancestor: Some(ancestor) } => xml::push_element(&mut out, "ancestor", ancestor),
        Conflict::Uniqueness(doubles) => {
            for double in doubles {
                out.push_str("<exists");
                xml::push_attribute(&mut out, "field", &double.field);
                out.push('>');
                for free in &double.alternatives {
                    xml::push_element(&mut out, "alt-value", free);
                }
                out.push_str("</exists>");
            }
        }
        _ => {}
    }
    out.push_str("</");
    out.push_str(name);
    out.push_str("></xcap-error>\n");
    out
}

fn element_of(conflict: &Conflict) -> &'static str {
    match conflict {
        Conflict::NotWellFormed(_) => "not-well-formed",
        Conflict::NotXmlFragment(_) => "not-xml-frag",
        Conflict::NoParent { .. } => "no-parent",
        Conflict::SchemaValidation(_) => "schema-validation-error",
        Conflict::NotAttributeValue(_) => "not-xml-att-value",
        Conflict::CannotInsert(_) => "cannot-insert",
        Conflict::CannotDelete(_) => "cannot-delete",
        Conflict::Uniqueness(_) => "uniqueness-failure",
        Conflict::Constraint(_) => "constraint-failure",
        Conflict::NotUtf8 => "not-utf-8",
    }
}

pub(super) const MEDIA_TYPE: &str = "application/xcap-error+xml";
const NAMESPACE: &str = "urn:ietf:params:xml:ns:xcap-error";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::Exists;

    #[test]
    fn errors_have_their_elements() {
        let exists = Exists { field: "a/b[1]/@uri".into(), alternatives: vec!["sip:<x>".into()] };
        for (conflict, expected) in [
            (
                Conflict::Uniqueness(vec![exists]),
                "<exists field=\"a/b[1]/@uri\"><alt-value>sip:&lt;x&gt;</alt-value></exists></uniqueness-failure>",
            ),
            (
                Conflict::NoParent { ancestor: Some("https://h/x?a&b".into()) },
                "<ancestor>https://h/x?a&amp;b</ancestor></no-parent>",
            ),
            (Conflict::NotUtf8, "<not-utf-8 phrase=\"document is not in utf-8\"></not-utf-8>"),
        ] {
            let text = print(&conflict);
            assert!(text.contains(expected), "{text}");
            let document = xml::parse(text.as_bytes(), &xml::Limits::default()).unwrap();
            assert!(document.root_element().has_tag_name((NAMESPACE, "xcap-error")));
        }
    }
}
