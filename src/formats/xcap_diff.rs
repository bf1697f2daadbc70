//! Documents about what XCAP keeps and how it changed (RFC 5874): `application/xcap-diff+xml`.
//!
//! What somebody follows is a list of [`Resource`]s under the names that he gave them. A full document lists what
//! is there, a partial one what is there anew, is another thing, or is gone. How a document changed is made by
//! whoever can read it, as the patch operations of RFC 5261; what versions it had in between is told where it is
//! known.

use std::fmt::Write as _;

use bytes::Bytes;
use compact_str::{CompactString, format_compact};
use rustc_hash::FxHashMap;

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
        /// What it says, where changes of it are told.
        content: Content,
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

/// A change of a document: what it was, without quotes, and what it is; at least one is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub before: Option<CompactString>,
    pub after: Option<Version>,
}

/// What a document is at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Without quotes.
    pub tag: CompactString,
    pub content: Content,
}

/// How changes of documents are told.
pub struct Ways<H, P> {
    /// Every version from the one of a tag to that of another, without a gap; no tag where the document was not
    /// there, or is not. Where it gives nothing there was one change.
    pub history: H,
    /// How one document became another, in operations whose elements have this prefix: none of them where both mean
    /// the same. Where it gives nothing the reader fetches the document.
    pub patch: P,
}

/// What somebody follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Document,
    Element,
    Attribute,
}

/// The bytes of a document, or none of them. No part of its state: the tag tells documents apart, all of these are
/// equal.
#[derive(Debug, Clone, Default)]
pub struct Content(pub Option<Bytes>);

impl PartialEq for Content {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Content {}

impl Resources {
    /// The entity tags of the documents.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        self.resources.iter().filter_map(|resource| resource.state.tag())
    }
}

impl Step {
    /// The entity tag that the document has now.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.after.as_ref().map(|version| version.tag.as_str())
    }
}

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
            Self::Document { content, .. } => content.0.as_ref(),
            _ => None,
        }
    }
}

/// Writes everything that is there.
#[must_use]
pub fn print_full(now: &Resources) -> String {
    let prefix = prefix_for(&now.resources, &[]);
    let mut out = begin(&now.root, &prefix);
    for resource in &now.resources {
        match &resource.state {
            State::Document { tag, .. } => {
                push_document(&mut out, &prefix, &resource.selector, (None, Some(tag)), None);
            }
            _ => push_component(&mut out, &prefix, resource),
        }
    }
    end(out, &prefix)
}

/// Writes what has to be told to a reader who was told `before`; `None` where that is nothing.
#[must_use]
pub fn print_changes<H, P>(before: &Resources, now: &Resources, ways: &Ways<H, P>) -> Option<String>
where
    H: Fn(Option<&str>, Option<&str>) -> Option<Vec<Step>>,
    P: Fn(&Bytes, &Bytes, &str) -> Option<String>,
{
    let gone = |told: &Resource| {
        Some(Resource { selector: told.selector.clone(), state: State::Gone(told.state.kind()) })
    };
    let key = |resource: &'_ Resource| resource.selector.clone();
    let changed = changes(&before.resources, &now.resources, key, PartialEq::eq, gone);
    if changed.is_empty() {
        return None;
    }
    let known: FxHashMap<&str, &State> =
        before.resources.iter().map(|told| (told.selector.as_str(), &told.state)).collect();
    let told = |resource: &Resource| {
        let told = known.get(resource.selector.as_str()).copied();
        told.filter(|state| state.kind() == resource.state.kind())
    };
    let changed: Vec<_> = changed.iter().map(|resource| (resource, told(resource))).collect();
    let steps: Vec<_> =
        changed.iter().map(|(resource, told)| steps(resource, *told, &ways.history)).collect();
    let prefix = prefix_for(changed.iter().map(|(resource, _)| *resource), steps.iter().flatten());
    let mut out = begin(&now.root, &prefix);
    for ((resource, told), steps) in changed.into_iter().zip(&steps) {
        if resource.state.kind() != Kind::Document {
            push_component(&mut out, &prefix, resource);
            continue;
        }
        let start = out.len();
        push_steps(&mut out, &prefix, (resource, told, steps), &ways.patch);
        if steps.len() > 1 && out.len() - start > LARGEST_HISTORY {
            out.truncate(start);
            let tags = (told.and_then(State::tag), resource.state.tag());
            push_document(&mut out, &prefix, &resource.selector, tags, None);
        }
    }
    Some(end(out, &prefix))
}

/// What became of a resource since it was told, if it is a document.
fn steps<H>(resource: &Resource, told: Option<&State>, history: &H) -> Vec<Step>
where
    H: Fn(Option<&str>, Option<&str>) -> Option<Vec<Step>>,
{
    if resource.state.kind() != Kind::Document {
        return Vec::new();
    }
    let (before, now) = (told.and_then(State::tag), resource.state.tag());
    history(before, now).unwrap_or_else(|| {
        let content = Content(resource.state.content().cloned());
        let after = now.map(|tag| Version { tag: tag.into(), content });
        vec![Step { before: before.map(Into::into), after }]
    })
}

fn push_steps(
    out: &mut String,
    prefix: &str,
    (resource, told, steps): (&Resource, Option<&State>, &[Step]),
    patch: &impl Fn(&Bytes, &Bytes, &str) -> Option<String>,
) {
    let mut content = told.and_then(State::content);
    for step in steps {
        let next = step.after.as_ref().and_then(|version| version.content.0.as_ref());
        let operations = step.before.as_ref().and_then(|_| patch(content?, next?, prefix));
        let tags = (step.before.as_deref(), step.tag());
        push_document(out, prefix, &resource.selector, tags, operations.as_deref());
        content = next;
    }
}

/// A prefix for the elements of the format that no content has: what the content has is its own.
fn prefix_for<'a>(
    resources: impl IntoIterator<Item = &'a Resource>,
    steps: impl IntoIterator<Item = &'a Step>,
) -> CompactString {
    let mut bound: Vec<&str> = Vec::new();
    let mut contents: Vec<&Bytes> = Vec::new();
    for resource in resources {
        match &resource.state {
            State::Element { bindings, .. } => {
                bound.extend(bindings.iter().map(|(prefix, _)| prefix.as_str()))
            }
            // Of what patches have nothing is known yet.
            state => contents.extend(state.content()),
        }
    }
    contents.extend(steps.into_iter().filter_map(|step| step.after.as_ref()?.content.0.as_ref()));
    let is_taken = |prefix: &str| {
        let declaration = format!("xmlns:{prefix}=");
        bound.contains(&prefix)
            || contents.iter().any(|content| memchr::memmem::find(content, declaration.as_bytes()).is_some())
    };
    let most = bound.len() + contents.len();
    let mut prefixes = std::iter::once(CompactString::const_new("d"))
        .chain((0..=most).map(|number| format_compact!("d{number}")));
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

/// A document that has the second entity tag and had the first; with the operations that made it so.
fn push_document(
    out: &mut String,
    prefix: &str,
    selector: &str,
    (previous, tag): (Option<&str>, Option<&str>),
    operations: Option<&str>,
) {
    let _ = write!(out, "<{prefix}:document");
    if let Some(previous) = previous {
        push_attribute(out, "previous-etag", previous);
    }
    push_attribute(out, "sel", selector);
    if let Some(tag) = tag {
        push_attribute(out, "new-etag", tag);
    }
    out.push('>');
    match operations {
        // It is written otherwise and means the same (RFC 5874 §3).
        Some("") => {
            let _ = write!(out, "<{prefix}:body-not-changed/>");
        }
        operations => out.push_str(operations.unwrap_or_default()),
    }
    let _ = write!(out, "</{prefix}:document>");
}

/// An element or an attribute.
fn push_component(out: &mut String, prefix: &str, resource: &Resource) {
    let name = if resource.state.kind() == Kind::Attribute { "attribute" } else { "element" };
    let _ = write!(out, "<{prefix}:{name}");
    push_attribute(out, "sel", &resource.selector);
    match &resource.state {
        State::Element { bindings, source } => {
            push_bindings(out, bindings);
            out.push('>');
            out.push_str(source.as_deref().unwrap_or_default());
        }
        State::Attribute(value) => {
            out.push('>');
            push_text(out, value);
        }
        State::Document { .. } | State::Gone(_) => out.push_str(" exists=\"0\">"),
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

/// Most bytes that tell of one document how it came step by step (RFC 5875 §4.7: a body that is impractically
/// large); where it is more, its reader fetches it.
const LARGEST_HISTORY: usize = 128 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn document(selector: &str, tag: &str) -> Resource {
        let content = Content(Some(Bytes::copy_from_slice(tag.as_bytes())));
        Resource { selector: selector.into(), state: State::Document { tag: tag.into(), content } }
    }

    fn without_content(selector: &str, tag: &str) -> Resource {
        let state = State::Document { tag: tag.into(), content: Content::default() };
        Resource { selector: selector.into(), state }
    }

    fn resources(resources: &[Resource]) -> Resources {
        Resources { root: "http://xcap.example.com/".into(), resources: resources.to_vec() }
    }

    const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<d:xcap-diff \
        xmlns:d=\"urn:ietf:params:xml:ns:xcap-diff\" xcap-root=\"http://xcap.example.com/\">";

    fn told(before: &[Resource], now: &[Resource]) -> Option<String> {
        told_with(before, now, |_, _| None)
    }

    fn told_with(
        before: &[Resource],
        now: &[Resource],
        history: impl Fn(Option<&str>, Option<&str>) -> Option<Vec<Step>>,
    ) -> Option<String> {
        let patch = |_: &Bytes, new: &Bytes, prefix: &str| match &new[..] {
            b"same" => Some(String::new()),
            b"other" => None,
            _ => Some(format!("<{prefix}:remove sel=\"*/*[1]\"/>")),
        };
        let text = print_changes(&resources(before), &resources(now), &Ways { history, patch })?;
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
            // Whether changes are told as changes is another thing than the state.
            (vec![without_content("a", "1")], vec![old.clone()], None),
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

    /// RFC 5874 §3 and the second example of §A.2.
    #[test]
    fn histories_are_told_step_by_step() {
        let step = |before: Option<&str>, after: Option<&str>| Step {
            before: before.map(Into::into),
            after: after.map(|tag| Version {
                tag: tag.into(),
                content: Content(Some(Bytes::copy_from_slice(tag.as_bytes()))),
            }),
        };
        let patched = |before: &str, after: &str, content: &str| {
            format!(
                "<d:document previous-etag=\"{before}\" sel=\"a\" new-etag=\"{after}\">{content}</d:document>"
            )
        };
        let remove = "<d:remove sel=\"*/*[1]\"/>";
        let (first, last) = (&[document("a", "1")], &[document("a", "3")]);
        let all = [
            step(Some("1"), Some("same")),
            step(Some("same"), Some("other")),
            step(Some("other"), Some("3")),
        ];
        let told = told_with(first, last, |_, _| Some(all.to_vec())).unwrap();
        let expect = patched("1", "same", "<d:body-not-changed/>") + &patched("same", "other", "");
        assert_eq!(told, expect + &patched("other", "3", remove));

        // It was taken away and is there again.
        let again = [step(Some("1"), None), step(None, Some("2")), step(Some("2"), Some("3"))];
        let told = told_with(first, last, |_, _| Some(again.to_vec())).unwrap();
        let gone = "<d:document previous-etag=\"1\" sel=\"a\"></d:document>";
        let there = "<d:document sel=\"a\" new-etag=\"2\"></d:document>";
        assert_eq!(told, [gone, there, &patched("2", "3", remove)].concat());

        let many: Vec<Step> = (0..3000).map(|tag| step(Some("1"), Some(&tag.to_string()))).collect();
        let told = told_with(first, last, |_, _| Some(many.clone())).unwrap();
        assert_eq!(told, patched("1", "3", ""), "too much");
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
