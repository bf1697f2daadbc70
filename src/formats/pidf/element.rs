//! Extension elements, owned: what a document says beyond what is read of it goes on to the watchers as
//! it came. Comments, processing instructions and white space between elements are not kept.
//!
//! Size and depth are those of the text it was read from, which [`xml::Limits`] bounds.

use std::borrow::Cow;

use compact_str::CompactString;
use roxmltree::Node as Read;

use super::KNOWN_NAMESPACES;
use crate::formats::xml::{self, XML};

/// A namespace name; empty for none.
pub type Namespace = Cow<'static, str>;

/// One element with all that is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    pub namespace: Namespace,
    /// Without prefix.
    pub name: CompactString,
    pub attributes: Vec<Attribute>,
    pub nodes: Vec<Node>,
}

/// One attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    pub namespace: Namespace,
    /// Without prefix.
    pub name: CompactString,
    pub value: CompactString,
}

/// What stands within an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    Element(Element),
    Text(CompactString),
}

impl Element {
    /// An element without anything in it.
    #[must_use]
    pub fn new(namespace: &'static str, name: &str) -> Self {
        Self {
            namespace: Cow::Borrowed(namespace),
            name: name.into(),
            attributes: Vec::new(),
            nodes: Vec::new(),
        }
    }

    /// An element with a text.
    #[must_use]
    pub fn with_text(namespace: &'static str, name: &str, text: &str) -> Self {
        Self::new(namespace, name).holding(Node::Text(text.into()))
    }

    /// The element with one more node at its end.
    #[must_use]
    pub fn holding(mut self, node: Node) -> Self {
        self.nodes.push(node);
        self
    }

    /// The element with an attribute of no namespace.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.attributes.push(Attribute {
            namespace: Cow::Borrowed(""),
            name: name.into(),
            value: value.into(),
        });
        self
    }

    pub(super) fn read(read: Read<'_, '_>) -> Self {
        let is_blank = |node: &Read<'_, '_>| node.text().is_none_or(|text| text.trim().is_empty());
        let has_elements = read.children().any(|child| child.is_element());
        let mut nodes: Vec<Node> = Vec::new();
        for child in read.children() {
            if child.is_element() {
                nodes.push(Node::Element(Self::read(child)));
            } else if child.is_text() && !(has_elements && is_blank(&child)) {
                push_text(&mut nodes, child.text().unwrap_or_default());
            }
        }
        let attributes = read.attributes().map(|attribute| Attribute {
            namespace: namespace(attribute.namespace()),
            name: attribute.name().into(),
            value: attribute.value().into(),
        });
        Self {
            namespace: namespace(read.tag_name().namespace()),
            name: read.tag_name().name().into(),
            attributes: attributes.collect(),
            nodes,
        }
    }

    /// Whether it has this name.
    #[must_use]
    pub fn is(&self, namespace: &str, name: &str) -> bool {
        self.name == name && self.namespace == namespace
    }

    /// The value of an attribute of no namespace.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attribute_of("", name)
    }

    fn attribute_of(&self, namespace: &str, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|found| found.name == name && found.namespace == namespace);
        found.map(|found| found.value.as_str())
    }

    /// `xml:lang`, where it is a language tag.
    #[must_use]
    pub fn lang(&self) -> Option<&str> {
        self.attribute_of(XML, "lang").filter(|lang| xml::is_language(lang))
    }

    /// The child elements.
    pub fn children(&self) -> impl Iterator<Item = &Self> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// All text directly within, white space around it cut off.
    #[must_use]
    pub fn text(&self) -> CompactString {
        let mut text = CompactString::default();
        for node in &self.nodes {
            if let Node::Text(more) = node {
                text.push_str(more);
            }
        }
        match text.trim() {
            trimmed if trimmed.len() == text.len() => text,
            trimmed => trimmed.into(),
        }
    }
}

/// Text in several pieces, around comments and sections of character data, is one text.
fn push_text(nodes: &mut Vec<Node>, text: &str) {
    match nodes.last_mut() {
        Some(Node::Text(before)) => before.push_str(text),
        _ => nodes.push(Node::Text(text.into())),
    }
}

fn namespace(name: Option<&str>) -> Namespace {
    let name = name.unwrap_or_default();
    match KNOWN_NAMESPACES.iter().find(|(_, known)| *known == name) {
        Some((_, known)) => Cow::Borrowed(known),
        None if name.is_empty() => Cow::Borrowed(""),
        None => Cow::Owned(name.to_owned()),
    }
}

/// The first element of this name.
pub(super) fn find<'a>(elements: &'a [Element], namespace: &str, name: &str) -> Option<&'a Element> {
    elements.iter().find(|element| element.is(namespace, name))
}
