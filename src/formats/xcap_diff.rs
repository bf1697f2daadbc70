//! Documents about what XCAP keeps and how it changed (RFC 5874): `application/xcap-diff+xml`.
//!
//! What somebody follows is a list of [`Resource`]s under the names that he gave them. A full document lists what
//! is there, a partial one what is there anew, is another thing, or is gone. How a document changed is made by
//! whoever can read it, as the patch operations of RFC 5261.

use std::fmt::Write as _;

use bytes::Bytes;
use compact_str::{CompactString, format_compact};

use super::{
    changes::changes,
    xml::{push_attribute, push_text},
};

/// The media type of what is written here.
pub const MEDIA_TYPE: &str = "application/xcap-diff+xml";

/// Everything that somebody follows and that is there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resources {
    /// The URI to which selectors are relative.
    pub root: CompactString,
    /// In the order in which they were asked for, each once.
    pub resources: Vec<Resource>,
}

/// A document, or an element or attribute of one, that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// As the one who follows it named it, byte for byte (RFC 5875 §4.6).
    pub selector: CompactString,
    pub state: State,
}

/// How something is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    Document {
        /// Without quotes.
        tag: CompactString,
        /// What it says, where changes of it are told; no part of the state.
        content: Option<Content>,
    },
    Element {
        /// The namespaces that it inherits, by prefix; without one: the default.
        bindings: Vec<(CompactString, CompactString)>,
        /// As it is written in its document; `None` where that is too much to tell.
        source: Option<CompactString>,
    },
    Attribute(CompactString),
    /// It was there and is not: only ever in changes.
    Gone(Kind),
}

/// What somebody follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Document,
    Element,
    Attribute,
}

/// The bytes of a document. All are equal: the tag tells documents apart.
#[derive(Debug, Clone)]
pub struct Content(pub Bytes);

impl PartialEq for Content {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Content {}

impl State {
    fn kind(&self) -> Kind {
        match self {
            Self::Document { .. } => Kind::Document,
            Self::Element { .. } => Kind::Element,
            Self::Attribute(_) => Kind::Attribute,
            Self::Gone(kind) => *kind,
        }
    }

    fn tag(&self) -> Option<&str> {
        match self {
            Self::Document { tag, .. } => Some(tag),
            _ => None,
        }
    }

    fn content(&self) -> Option<&Bytes> {
        match self {
            Self::Document { content, .. } => content.as_ref().map(|content| &content.0),
            _ => None,
        }
    }
}

/// Writes everything that is there.
#[must_use]
pub fn print_full(now: &Resources) -> String {
    let prefix = prefix_for(&now.resources);
    let mut out = begin(&now.root, &prefix);
    for resource in &now.resources {
        push_resource(&mut out, &prefix, resource, None, None);
    }
    end(out, &prefix)
}

/// Writes what has to be told to a reader who was told `before`; `None` where that is nothing. `patch` tells how
/// one document became another in operations whose elements have the prefix that it is given; where it gives
/// nothing the reader fetches the document.
#[must_use]
pub fn print_changes(
    before: &Resources,
    now: &Resources,
    patch: impl Fn(&Bytes, &Bytes, &str) -> Option<String>,
) -> Option<String> {
    let gone = |told: &Resource| {
        Some(Resource { selector: told.selector.clone(), state: State::Gone(told.state.kind()) })
    };
    let key = |resource: &'_ Resource| resource.selector.clone();
    let changed = changes(&before.resources, &now.resources, key, PartialEq::eq, gone);
    if changed.is_empty() {
        return None;
    }
    let prefix = prefix_for(&changed);
    let mut out = begin(&now.root, &prefix);
    for resource in &changed {
        let told = before.resources.iter().find(|told| told.selector == resource.selector);
        let told = told.map(|told| &told.state).filter(|told| told.kind() == resource.state.kind());
        let operations = told.and_then(State::content).zip(resource.state.content());
        let operations = operations.and_then(|(old, new)| patch(old, new, &prefix));
        push_resource(&mut out, &prefix, resource, told.and_then(State::tag), operations.as_deref());
    }
    Some(end(out, &prefix))
}

/// A prefix for the elements of the format that no content has: what the content has is its own.
fn prefix_for(resources: &[Resource]) -> CompactString {
    let is_taken = |prefix: &str| {
        resources.iter().any(|resource| match &resource.state {
            State::Element { bindings, .. } => bindings.iter().any(|(known, _)| known == prefix),
            // Of what patches have nothing is known yet.
            State::Document { content, .. } => content.as_ref().is_some_and(|content| {
                memchr::memmem::find(&content.0, format!("xmlns:{prefix}=").as_bytes()).is_some()
            }),
            _ => false,
        })
    };
    let mut prefixes = std::iter::once(CompactString::const_new("d"))
        .chain((0..=resources.len()).map(|number| format_compact!("d{number}")));
    prefixes.find(|prefix| !is_taken(prefix)).unwrap_or_else(|| CompactString::const_new("xcapdiff"))
}

fn begin(root: &str, prefix: &str) -> String {
    let mut out = String::with_capacity(512);
    // Writing to memory has no error of its own.
    let _ = write!(
        out,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{prefix}:xcap-diff xmlns:{prefix}=\"urn:ietf:params:xml:ns:xcap-diff\""
    );
    push_attribute(&mut out, "xcap-root", root);
    out.push('>');
    out
}

fn end(mut out: String, prefix: &str) -> String {
    let _ = write!(out, "</{prefix}:xcap-diff>");
    out
}

fn push_resource(
    out: &mut String,
    prefix: &str,
    resource: &Resource,
    previous: Option<&str>,
    operations: Option<&str>,
) {
    let name = match resource.state.kind() {
        Kind::Document => "document",
        Kind::Element => "element",
        Kind::Attribute => "attribute",
    };
    let _ = write!(out, "<{prefix}:{name}");
    if let Some(previous) = previous {
        push_attribute(out, "previous-etag", previous);
    }
    push_attribute(out, "sel", &resource.selector);
    match &resource.state {
        State::Document { tag, .. } => {
            push_attribute(out, "new-etag", tag);
            out.push('>');
            out.push_str(operations.unwrap_or_default());
        }
        State::Element { bindings, source } => {
            push_bindings(out, bindings);
            out.push('>');
            out.push_str(source.as_deref().unwrap_or_default());
        }
        State::Attribute(value) => {
            out.push('>');
            push_text(out, value);
        }
        State::Gone(Kind::Document) => out.push('>'),
        State::Gone(Kind::Element | Kind::Attribute) => out.push_str(" exists=\"0\">"),
    }
    let _ = write!(out, "</{prefix}:{name}>");
}

/// Writes namespace declarations.
pub fn push_bindings(out: &mut String, bindings: &[(CompactString, CompactString)]) {
    for (prefix, namespace) in bindings {
        match prefix.as_str() {
            "" => push_attribute(out, "xmlns", namespace),
            prefix => push_attribute(out, &format!("xmlns:{prefix}"), namespace),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(selector: &str, tag: &str) -> Resource {
        let content = Some(Content(Bytes::copy_from_slice(tag.as_bytes())));
        Resource { selector: selector.into(), state: State::Document { tag: tag.into(), content } }
    }

    fn resources(resources: &[Resource]) -> Resources {
        Resources { root: "http://xcap.example.com/".into(), resources: resources.to_vec() }
    }

    const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<d:xcap-diff \
        xmlns:d=\"urn:ietf:params:xml:ns:xcap-diff\" xcap-root=\"http://xcap.example.com/\">";

    fn told(before: &[Resource], now: &[Resource]) -> Option<String> {
        let patch = |_: &Bytes, _: &Bytes, prefix: &str| Some(format!("<{prefix}:remove sel=\"*/*[1]\"/>"));
        let text = print_changes(&resources(before), &resources(now), patch)?;
        let inside = text.strip_prefix(HEAD).and_then(|text| text.strip_suffix("</d:xcap-diff>"));
        Some(inside.expect("the frame").to_owned())
    }

    /// RFC 5875 §5: the first document.
    #[test]
    fn everything_that_is_there_is_listed_first() {
        let service = "<s:service uri=\"sip:marketing@example.com\"><rl:entry/></s:service>";
        let element = Resource {
            selector: "rls-services/users/sip:joe@example.com/index/~~/*/service%5b@uri='x'%5d".into(),
            state: State::Element {
                bindings: vec![
                    ("rl".into(), "urn:ietf:params:xml:ns:resource-lists".into()),
                    ("".into(), "urn:x".into()),
                ],
                source: Some(service.into()),
            },
        };
        let all = [document("resource-lists/users/sip:joe@example.com/index", "7ahggs"), element];
        assert_eq!(
            print_full(&resources(&all)),
            format!(
                "{HEAD}<d:document sel=\"resource-lists/users/sip:joe@example.com/index\" new-etag=\"7ahggs\">\
                 </d:document><d:element sel=\"rls-services/users/sip:joe@example.com/index/~~/*/service%5b@uri=\
                 'x'%5d\" xmlns:rl=\"urn:ietf:params:xml:ns:resource-lists\" xmlns=\"urn:x\">{service}\
                 </d:element></d:xcap-diff>"
            )
        );
        assert_eq!(print_full(&resources(&[])), format!("{HEAD}</d:xcap-diff>"), "nothing is there");
    }

    /// RFC 5874 §3, figure 1, and the examples of RFC 5875, appendix A.
    #[test]
    fn changes_say_what_was_and_what_is() {
        let (old, new) = (document("a", "1"), document("a", "2"));
        let attribute =
            |value: &str| Resource { selector: "a/~~/doc/@id".into(), state: State::Attribute(value.into()) };
        for (before, now, expect) in [
            (vec![old.clone()], vec![old.clone()], None),
            (vec![], vec![old.clone()], Some("<d:document sel=\"a\" new-etag=\"1\"></d:document>")),
            (vec![old.clone()], vec![], Some("<d:document previous-etag=\"1\" sel=\"a\"></d:document>")),
            (
                vec![old.clone()],
                vec![new],
                Some(
                    "<d:document previous-etag=\"1\" sel=\"a\" new-etag=\"2\"><d:remove sel=\"*/*[1]\"/></d:document>",
                ),
            ),
            (vec![], vec![attribute("bar")], Some("<d:attribute sel=\"a/~~/doc/@id\">bar</d:attribute>")),
            (
                vec![attribute("bar")],
                vec![],
                Some("<d:attribute sel=\"a/~~/doc/@id\" exists=\"0\"></d:attribute>"),
            ),
        ] {
            assert_eq!(told(&before, &now).as_deref(), expect);
        }
    }

    #[test]
    fn prefix_is_one_that_no_content_has() {
        let element = |prefix: &str| Resource {
            selector: prefix.into(),
            state: State::Element { bindings: vec![(prefix.into(), "urn:x".into())], source: None },
        };
        assert!(
            print_full(&resources(&[element("d"), element("d0")])).contains("<d1:element sel=\"d\" xmlns:d=")
        );
    }
}
