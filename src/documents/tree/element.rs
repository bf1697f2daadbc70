//! Looking into a tree: elements, attributes and what is between them.

use std::{borrow::Cow, ops::Range};

use super::{
    Tree,
    arena::{AttributeData, ElementData, Kind, Namespace, NodeData},
    escape::{escape_attribute, fold_line_ends, unescape_attribute, unescape_text},
    scan::CDATA,
};
use crate::formats::xml::XML;

/// An element of a tree.
#[derive(Debug, Clone, Copy)]
pub struct Element<'a> {
    pub(super) tree: &'a Tree,
    pub(super) id: u32,
}

impl PartialEq for Element<'_> {
    /// Whether it is the same element of the same tree, not one that looks like it.
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && std::ptr::eq(self.tree, other.tree)
    }
}

impl Eq for Element<'_> {}

/// Something within an element.
#[derive(Debug, Clone)]
pub enum Node<'a> {
    Element(Element<'a>),
    /// What text or a CDATA section means.
    Text(Cow<'a, str>),
    /// A comment, with its markup.
    Comment(&'a str),
    /// A processing instruction, with its markup.
    Instruction(&'a str),
}

/// An attribute of an element; a namespace declaration is none.
#[derive(Debug, Clone, Copy)]
pub struct Attribute<'a> {
    pub(super) tree: &'a Tree,
    pub(super) data: &'a AttributeData,
}

impl<'a> Element<'a> {
    /// The name without prefix.
    #[must_use]
    pub fn name(self) -> &'a str {
        self.data().map_or("", |data| data.name.local().of(self.tree.as_str()))
    }

    /// The prefix as it is written.
    #[must_use]
    pub fn prefix(self) -> Option<&'a str> {
        self.data()?.name.prefix().map(|prefix| prefix.of(self.tree.as_str()))
    }

    /// The name with its prefix, as it is written.
    #[must_use]
    pub fn qualified_name(self) -> &'a str {
        self.data().map_or("", |data| data.name.whole.of(self.tree.as_str()))
    }

    /// The namespace that the name is in.
    #[must_use]
    pub fn namespace(self) -> Option<&'a str> {
        self.tree.uri(self.data()?.namespace)
    }

    /// Whether it has this name in this namespace.
    #[must_use]
    pub fn is(self, namespace: &str, name: &str) -> bool {
        self.name() == name && self.namespace() == Some(namespace)
    }

    /// The attributes, in the order of the document.
    pub fn attributes(self) -> impl Iterator<Item = Attribute<'a>> {
        let (first, last) = self.data().map_or((0, 0), |data| data.attributes);
        let own = self.tree.attributes.get(first as usize..last as usize).unwrap_or_default();
        own.iter().map(move |data| Attribute { tree: self.tree, data })
    }

    /// What the attribute of this name, in no namespace, says.
    #[must_use]
    pub fn attribute(self, name: &str) -> Option<Cow<'a, str>> {
        self.find_attribute(None, name).map(Attribute::value)
    }

    /// The attribute of this name and namespace.
    #[must_use]
    pub fn find_attribute(self, namespace: Option<&str>, name: &str) -> Option<Attribute<'a>> {
        self.attributes().find(|found| found.name() == name && found.namespace() == namespace)
    }

    /// Everything directly within, in the order of the document.
    pub fn children(self) -> impl Iterator<Item = Node<'a>> {
        let tree = self.tree;
        self.child_ids().filter_map(move |id| tree.view(id))
    }

    /// The elements directly within, in the order of the document.
    pub fn elements(self) -> impl Iterator<Item = Self> {
        let tree = self.tree;
        self.child_ids().filter(move |id| tree.element_data(*id).is_some()).map(move |id| Self { tree, id })
    }

    /// The elements directly within of this name and namespace.
    pub fn elements_named<'b>(
        self,
        namespace: &'b str,
        name: &'b str,
    ) -> impl Iterator<Item = Self> + use<'a, 'b> {
        self.elements().filter(move |element| element.is(namespace, name))
    }

    /// The first element directly within of this name and namespace.
    #[must_use]
    pub fn element(self, namespace: &str, name: &str) -> Option<Self> {
        self.elements_named(namespace, name).next()
    }

    /// This element and all elements below it, in the order of the document.
    pub fn descendants(self) -> impl Iterator<Item = Self> {
        let tree = self.tree;
        let end = tree.nodes.get(self.id as usize).map_or(self.id, |node| node.end);
        (self.id..end).filter(move |id| tree.element_data(*id).is_some()).map(move |id| Self { tree, id })
    }

    /// The text directly within, that of inner elements left out.
    #[must_use]
    pub fn text(self) -> Cow<'a, str> {
        let mut texts = self.children().filter_map(|child| match child {
            Node::Text(text) => Some(text),
            _ => None,
        });
        let first = texts.next().unwrap_or_default();
        texts.fold(first, |all, text| Cow::Owned(all.into_owned() + &text))
    }

    /// The element around it; none for the root.
    #[must_use]
    pub fn parent(self) -> Option<Self> {
        let parent = self.tree.nodes.get(self.id as usize)?.parent;
        (parent != self.id).then_some(Self { tree: self.tree, id: parent })
    }

    /// How many elements it stands within, itself counted: 1 for the root.
    #[must_use]
    pub fn depth(self) -> usize {
        std::iter::successors(Some(self), |element| element.parent()).count()
    }

    /// Its place in the bytes of the document, from `<` to the `>` of its end.
    #[must_use]
    pub fn span(self) -> Range<usize> {
        self.tree.nodes.get(self.id as usize).map_or(0..0, |node| node.span.range())
    }

    /// Its bytes as they were written, tags included.
    #[must_use]
    pub fn source(self) -> &'a str {
        self.tree.as_str().get(self.span()).unwrap_or_default()
    }

    /// The place of what is between its tags; empty for an empty-element tag.
    #[must_use]
    pub fn content_span(self) -> Range<usize> {
        self.data().map_or(0..0, |data| data.content.range())
    }

    /// The prefixes that its own tag declares and what they mean; an empty prefix is the default namespace.
    pub fn declarations(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let (first, last) = self.data().map_or((0, 0), |data| data.declarations);
        let text = self.tree.as_str();
        let own = self.tree.declarations.get(first as usize..last as usize).unwrap_or_default();
        own.iter().map(move |declared| (declared.prefix.of(text), declared.uri.of(text)))
    }

    /// All prefixes that mean something here, innermost first, each once; what takes the default namespace
    /// away is left out. The prefix `xml` needs no declaration and is not among them.
    #[must_use]
    pub fn bindings(self) -> Vec<(&'a str, &'a str)> {
        let mut found: Vec<(&str, &str)> = Vec::new();
        for element in std::iter::successors(Some(self), |element| element.parent()) {
            for (prefix, uri) in element.declarations() {
                if !found.iter().any(|(known, _)| *known == prefix) {
                    found.push((prefix, uri));
                }
            }
        }
        found.retain(|(_, uri)| !uri.is_empty());
        found
    }

    /// The bindings as RFC 4825 §10 has them: an empty element of the same name that declares them all.
    #[must_use]
    pub fn print_bindings(self) -> String {
        let mut out = format!("<{}", self.qualified_name());
        let mut bindings = self.bindings();
        bindings.sort_unstable();
        for (prefix, uri) in bindings {
            let colon = if prefix.is_empty() { "" } else { ":" };
            out.push_str(&format!(" xmlns{colon}{prefix}=\"{}\"", escape_attribute(uri)));
        }
        out.push_str("/>");
        out
    }

    pub(super) fn data(self) -> Option<&'a ElementData> {
        self.tree.element_data(self.id)
    }

    fn child_ids(self) -> impl Iterator<Item = u32> {
        let tree = self.tree;
        let end = tree.nodes.get(self.id as usize).map_or(0, |node| node.end);
        let within = move |id: u32| (id < end).then_some(id);
        std::iter::successors(within(self.id + 1), move |id| {
            tree.nodes.get(*id as usize).and_then(|node| within(node.end))
        })
    }
}

impl<'a> Attribute<'a> {
    /// The name without prefix.
    #[must_use]
    pub fn name(self) -> &'a str {
        self.data.name.local().of(self.tree.as_str())
    }

    /// The namespace; none for a name without prefix.
    #[must_use]
    pub fn namespace(self) -> Option<&'a str> {
        self.tree.uri(self.data.namespace)
    }

    /// What it says, references resolved.
    #[must_use]
    pub fn value(self) -> Cow<'a, str> {
        let raw = self.data.value.of(self.tree.as_str());
        if self.data.is_escaped { unescape_attribute(raw) } else { Cow::Borrowed(raw) }
    }

    /// Its value as it was written, quotes included.
    #[must_use]
    pub fn quoted(self) -> &'a str {
        self.tree.as_str().get(self.quoted_span()).unwrap_or_default()
    }

    /// The place of `name="value"`.
    pub(super) fn span(self) -> Range<usize> {
        self.data.name.whole.start()..self.data.value.end() + 1
    }

    /// The place of the value with its quotes.
    pub(super) fn quoted_span(self) -> Range<usize> {
        self.data.value.start() - 1..self.data.value.end() + 1
    }
}

impl Tree {
    pub(super) fn element_data(&self, id: u32) -> Option<&ElementData> {
        match self.nodes.get(id as usize) {
            Some(NodeData { kind: Kind::Element(data), .. }) => Some(data),
            _ => None,
        }
    }

    fn uri(&self, namespace: Namespace) -> Option<&str> {
        match namespace {
            Namespace::None => None,
            Namespace::Xml => Some(XML),
            Namespace::Declared(index) => {
                self.declarations.get(index as usize).map(|declared| declared.uri.of(self.as_str()))
            }
        }
    }

    fn view(&self, id: u32) -> Option<Node<'_>> {
        let node = self.nodes.get(id as usize)?;
        let source = node.span.of(self.as_str());
        Some(match node.kind {
            Kind::Element(_) => Node::Element(Element { tree: self, id }),
            Kind::Text => Node::Text(unescape_text(source)),
            Kind::CharacterData => {
                let inside = source.strip_prefix(CDATA).and_then(|rest| rest.strip_suffix("]]>"));
                Node::Text(fold_line_ends(inside.unwrap_or_default()))
            }
            Kind::Comment => Node::Comment(source),
            Kind::Instruction => Node::Instruction(source),
        })
    }
}
