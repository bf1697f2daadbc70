//! One stanza: its bytes, and where its envelope is.
//!
//! Children stay the bytes they came in. A tree is built only on demand, for stanzas that the server itself
//! answers, and only after the depth cap.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use minidom::Element;
use smallvec::SmallVec;

use super::namespace::{Namespace, StreamNamespaces};
use super::tag::{Attribute, StartTag};
use super::text::{self, Span, Value};
use super::{CLIENT, Limits, tag};

/// Which of the three stanza kinds it is, if any (RFC 6120 §8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    Message,
    Presence,
    Iq,
    /// A first-level element outside `jabber:client`, or unknown inside it.
    #[default]
    Other,
}

impl Kind {
    /// The element name, empty for [`Kind::Other`].
    pub fn name(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Presence => "presence",
            Self::Iq => "iq",
            Self::Other => "",
        }
    }
}

/// One complete, well-formed first-level element.
#[derive(Clone, Debug)]
pub struct Stanza {
    bytes: Bytes,
    stream: Arc<StreamNamespaces>,
    draft: Box<Draft>,
}

/// A direct child of a stanza, by position.
#[derive(Clone, Copy, Debug)]
pub(super) struct Child {
    local: Span,
    namespace: Namespace,
    whole: Span,
    content: Span,
}

impl Child {
    pub(super) fn begin(start: usize, parsed: &StartTag, namespace: Namespace) -> Self {
        Self {
            local: parsed.name.local,
            namespace,
            whole: Span::new(start, parsed.end),
            content: Span::new(parsed.end, parsed.end),
        }
    }

    pub(super) fn finish(&mut self, content_end: usize, end: usize) {
        self.whole = Span::new(self.whole.start(), end);
        self.content = Span::new(self.content.start(), content_end.max(self.content.start()));
    }
}

/// The envelope while the stanza is still being read.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    kind: Kind,
    local: Span,
    namespace: Namespace,
    to: Option<Value>,
    from: Option<Value>,
    id: Option<Value>,
    stanza_type: Option<Value>,
    language: Option<Value>,
    content: Span,
    pub(super) children: SmallVec<[Child; 4]>,
    /// Something inside relies on a declaration outside of it that is not simply `jabber:client` as default.
    pub(super) uses_outer_namespace: bool,
}

impl Draft {
    pub(super) fn begin(
        bytes: &[u8],
        parsed: &StartTag,
        namespace: Namespace,
        is_client: bool,
        attributes: &[Attribute],
    ) -> Self {
        let kind = match (is_client, parsed.name.local.bytes(bytes)) {
            (true, b"message") => Kind::Message,
            (true, b"presence") => Kind::Presence,
            (true, b"iq") => Kind::Iq,
            _ => Kind::Other,
        };
        let mut draft = Self {
            kind,
            local: parsed.name.local,
            namespace,
            content: Span::new(parsed.end, parsed.end),
            ..Self::default()
        };
        for attribute in attributes {
            match attribute.name.whole.bytes(bytes) {
                b"to" => draft.to = Some(attribute.value),
                b"from" => draft.from = Some(attribute.value),
                b"id" => draft.id = Some(attribute.value),
                b"type" => draft.stanza_type = Some(attribute.value),
                b"xml:lang" => draft.language = Some(attribute.value),
                _ => {}
            }
        }
        draft
    }

    pub(super) fn content_end(&mut self, end: usize) {
        self.content = Span::new(self.content.start(), end.max(self.content.start()));
    }
}

impl Stanza {
    pub(super) fn new(bytes: Bytes, stream: Arc<StreamNamespaces>, draft: Box<Draft>) -> Self {
        Self { bytes, stream, draft }
    }

    /// Which kind of stanza it is.
    pub fn kind(&self) -> Kind {
        self.draft.kind
    }

    /// The local name of the element.
    pub fn name(&self) -> &str {
        self.draft.local.text(&self.bytes)
    }

    /// The namespace of the element.
    pub fn namespace(&self) -> Cow<'_, str> {
        self.draft.namespace.read(&self.bytes, &self.stream)
    }

    /// Whether the element has this name and namespace.
    pub fn is(&self, name: &str, namespace: &str) -> bool {
        self.draft.local.bytes(&self.bytes) == name.as_bytes()
            && self.draft.namespace.is(&self.bytes, &self.stream, namespace)
    }

    /// The attribute `to`.
    pub fn to(&self) -> Option<Cow<'_, str>> {
        self.read(self.draft.to)
    }

    /// The attribute `from`.
    pub fn from(&self) -> Option<Cow<'_, str>> {
        self.read(self.draft.from)
    }

    /// The attribute `id`.
    pub fn id(&self) -> Option<Cow<'_, str>> {
        self.read(self.draft.id)
    }

    /// The attribute `type`.
    pub fn stanza_type(&self) -> Option<Cow<'_, str>> {
        self.read(self.draft.stanza_type)
    }

    /// The attribute `xml:lang`.
    pub fn language(&self) -> Option<Cow<'_, str>> {
        self.read(self.draft.language)
    }

    /// The attribute of this name, prefix included. For those of the envelope there are functions that
    /// read nothing again.
    pub fn attribute(&self, name: &str) -> Option<Cow<'_, str>> {
        attribute(&self.bytes, 0, name)
    }

    fn read(&self, value: Option<Value>) -> Option<Cow<'_, str>> {
        value.map(|value| value.read(&self.bytes))
    }

    /// The whole element as it came.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The direct children, in order.
    pub fn children(&self) -> impl Iterator<Item = ChildView<'_>> {
        self.draft.children.iter().map(|child| ChildView { stanza: self, child })
    }

    /// The first direct child of this name and namespace.
    pub fn child(&self, name: &str, namespace: &str) -> Option<ChildView<'_>> {
        self.children().find(|child| child.is(name, namespace))
    }

    /// The text of the first direct child of this name in `jabber:client`, such as a `<body/>`.
    pub fn text_of(&self, name: &str) -> Option<Cow<'_, str>> {
        self.child(name, CLIENT).map(|child| child.text())
    }

    /// The text directly inside the element, as SASL elements carry it.
    pub fn text(&self) -> Cow<'_, str> {
        text::unescape(self.draft.content.text(&self.bytes))
    }

    /// Everything between start tag and end tag, fit to stand in any stanza whose default namespace is
    /// `jabber:client`: shared bytes as a rule, written anew when the sender's namespace declarations stand
    /// outside. `None` when that is impossible, which no scanned stanza should cause.
    pub fn payload(&self) -> Option<Bytes> {
        if !self.draft.uses_outer_namespace {
            let content = self.draft.content;
            let range = content.start().min(self.bytes.len())..content.end().min(self.bytes.len());
            return Some(self.bytes.slice(range));
        }
        let element = self.to_element()?;
        let mut written = Vec::new();
        for child in element.children() {
            child.write_to(&mut written).ok()?;
        }
        Some(Bytes::from(written))
    }

    /// As [`Stanza::payload`], without the children that are `unwanted`.
    pub fn payload_without(&self, unwanted: impl Fn(&ChildView<'_>) -> bool) -> Option<Bytes> {
        if !self.children().any(|child| unwanted(&child)) {
            return self.payload();
        }
        let mut kept = Vec::new();
        if self.is_self_contained() {
            let mut at = self.draft.content.start();
            for child in self.children().filter(&unwanted) {
                kept.extend_from_slice(self.bytes.get(at..child.child.whole.start())?);
                at = child.child.whole.end();
            }
            kept.extend_from_slice(self.bytes.get(at..self.draft.content.end())?);
        } else {
            let element = self.to_element()?;
            for (tree, _) in element.children().zip(self.children()).filter(|(_, child)| !unwanted(child)) {
                tree.write_to(&mut kept).ok()?;
            }
        }
        Some(Bytes::from(kept))
    }

    /// Whether [`Stanza::payload`] shares the bytes that came in.
    pub fn is_self_contained(&self) -> bool {
        !self.draft.uses_outer_namespace
    }

    /// The tree, for the cold path. The depth was capped by the scanner.
    pub fn to_element(&self) -> Option<Element> {
        let mut prefixes = std::collections::BTreeMap::new();
        for (prefix, uri) in self.stream.iter() {
            let prefix = (!prefix.is_empty()).then(|| prefix.to_owned());
            prefixes.insert(prefix, uri.to_owned());
        }
        prefixes.entry(None).or_default();
        Element::from_reader_with_prefixes(&self.bytes[..], prefixes).ok()
    }
}

/// A direct child together with its stanza.
#[derive(Clone, Copy, Debug)]
pub struct ChildView<'a> {
    stanza: &'a Stanza,
    child: &'a Child,
}

impl<'a> ChildView<'a> {
    /// The local name.
    pub fn name(&self) -> &'a str {
        self.child.local.text(&self.stanza.bytes)
    }

    /// The namespace.
    pub fn namespace(&self) -> Cow<'a, str> {
        self.child.namespace.read(&self.stanza.bytes, &self.stanza.stream)
    }

    /// Whether the child has this name and namespace.
    pub fn is(&self, name: &str, namespace: &str) -> bool {
        self.child.local.bytes(&self.stanza.bytes) == name.as_bytes()
            && self.child.namespace.is(&self.stanza.bytes, &self.stanza.stream, namespace)
    }

    /// The text directly inside.
    pub fn text(&self) -> Cow<'a, str> {
        text::unescape(self.child.content.text(&self.stanza.bytes))
    }

    /// The attribute `xml:lang` of the child itself.
    pub fn language(&self) -> Option<Cow<'a, str>> {
        self.attribute("xml:lang")
    }

    /// The attribute of this name, prefix included.
    pub fn attribute(&self, name: &str) -> Option<Cow<'a, str>> {
        attribute(&self.stanza.bytes, self.child.whole.start(), name)
    }

    /// The element from `<` to `>`, as it came.
    pub fn bytes(&self) -> Bytes {
        let whole = self.child.whole;
        self.stanza
            .bytes
            .slice(whole.start().min(self.stanza.bytes.len())..whole.end().min(self.stanza.bytes.len()))
    }

    /// The tree of this child alone.
    pub fn to_element(&self) -> Option<Element> {
        let name = self.name();
        let element = self.stanza.to_element()?;
        let place = self.stanza.children().position(|other| other.child.whole == self.child.whole)?;
        element.children().nth(place).filter(|child| child.name() == name).cloned()
    }
}

/// The attribute of this name of the start tag at `start`, which was scanned before.
fn attribute<'a>(bytes: &'a [u8], start: usize, name: &str) -> Option<Cow<'a, str>> {
    let mut attributes = Vec::new();
    let limits = Limits { attributes: usize::MAX, ..Limits::default() };
    tag::parse_start_tag(bytes, start, &limits, &mut attributes).ok()??;
    let found = attributes.iter().find(|one| one.name.whole.bytes(bytes) == name.as_bytes());
    found.map(|attribute| attribute.value.read(bytes))
}
