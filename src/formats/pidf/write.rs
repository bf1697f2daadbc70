//! Writes presence documents and pieces of them. Only a composed document is sure to be valid.

use std::fmt::Write as _;

use compact_str::{CompactString, format_compact};

use super::{
    AG_PROJECTS, CAPS, CLIENT, CPIM_PIDF, DATA_MODEL, KNOWN_NAMESPACES, PIDF, PIDF_DIFF, RPID,
    element::{Element, Namespace, Node},
    model::Document,
    tree::{Sink, walk},
};
use crate::formats::xml::{XML, push_text};

/// As `application/pidf+xml`.
pub(super) fn print_pidf(document: &Document) -> String {
    print(document, "presence", PIDF, Prefixes::new(PIDF), None)
}

/// As `application/cpim-pidf+xml`.
pub(super) fn print_cpim(document: &Document) -> String {
    print(document, "presence", CPIM_PIDF, Prefixes::new(CPIM_PIDF), None)
}

/// As the whole state of `application/pidf-diff+xml` (RFC 5262 §3).
pub(super) fn print_full(document: &Document, version: u32) -> String {
    print(document, "p:pidf-full", PIDF, Prefixes::new(PIDF).with("p", PIDF_DIFF), Some(version))
}

fn print(
    document: &Document,
    name: &str,
    space: &'static str,
    prefixes: Prefixes,
    version: Option<u32>,
) -> String {
    let prefixes = prefixes.knowing_all(document);
    let mut writer = Writer { out: String::with_capacity(1024 + 1024 * document.tuples.len()), prefixes };
    writer.out.push_str(PROLOG);
    let _ = write!(writer.out, "<{name}");
    writer.push_declarations();
    if let Some(version) = version {
        let _ = write!(writer.out, " version=\"{version}\"");
    }
    writer.push_attribute("entity", &document.entity);
    writer.out.push('>');
    walk(document, space, &mut writer);
    let _ = write!(writer.out, "</{name}>");
    writer.out
}

/// Which prefix stands for which namespace in one text.
#[derive(Debug)]
pub(super) struct Prefixes {
    /// The namespace of names without prefix.
    default: &'static str,
    /// A namespace whose elements declare it themselves; clients expect it of [`CLIENT`].
    local: Option<&'static str>,
    others: Vec<(Namespace, CompactString)>,
}

impl Prefixes {
    /// Those that most documents need: what is written often is alike.
    pub(super) fn new(default: &'static str) -> Self {
        let mut prefixes = Self { default, local: Some(CLIENT), others: Vec::new() };
        for namespace in [DATA_MODEL, RPID, CAPS, AG_PROJECTS] {
            prefixes.add(&Namespace::Borrowed(namespace));
        }
        prefixes
    }

    /// With a prefix for every namespace there is.
    pub(super) fn without_local(mut self) -> Self {
        self.local = None;
        self
    }

    /// With this prefix for this namespace.
    pub(super) fn with(mut self, prefix: &'static str, namespace: &'static str) -> Self {
        self.others.push((Namespace::Borrowed(namespace), CompactString::const_new(prefix)));
        self
    }

    /// With those that an element needs.
    pub(super) fn knowing(mut self, element: &Element) -> Self {
        self.add_element(element);
        self
    }

    /// With those that the extensions of a document need.
    fn knowing_all(mut self, document: &Document) -> Self {
        let tuples = document.tuples.iter().flat_map(|tuple| [&tuple.status.extensions, &tuple.extensions]);
        let persons = document.persons.iter().map(|person| &person.extensions);
        let devices = document.devices.iter().map(|device| &device.extensions);
        for element in tuples.chain(persons).chain(devices).chain([&document.extensions]).flatten() {
            self.add_element(element);
        }
        self
    }

    fn add_element(&mut self, element: &Element) {
        let space = &element.namespace;
        if !space.is_empty() && *space != self.default && Some(&**space) != self.local {
            self.add(space);
        }
        for attribute in &element.attributes {
            if !attribute.namespace.is_empty() && attribute.namespace != XML {
                self.add(&attribute.namespace);
            }
        }
        for child in element.children() {
            self.add_element(child);
        }
    }

    fn add(&mut self, namespace: &Namespace) {
        if self.others.iter().any(|(known, _)| known == namespace) {
            return;
        }
        let fixed = KNOWN_NAMESPACES.iter().find(|(prefix, known)| known == namespace && !prefix.is_empty());
        let prefix = match fixed {
            Some((prefix, _)) => (*prefix).into(),
            None => format_compact!("n{}", self.others.len()),
        };
        self.others.push((namespace.clone(), prefix));
    }

    fn prefix(&self, namespace: &str) -> Option<&str> {
        let (_, prefix) = self.others.iter().find(|(known, _)| known == namespace)?;
        Some(prefix)
    }

    /// The name of an element with its prefix; `None` where it has to declare its namespace itself.
    pub(super) fn element_name(&self, element: &Element) -> Option<CompactString> {
        if element.namespace == self.default {
            return Some(element.name.clone());
        }
        if Some(&*element.namespace) == self.local {
            return None;
        }
        Some(format_compact!("{}:{}", self.prefix(&element.namespace)?, element.name))
    }

    /// The name of an attribute with its prefix.
    pub(super) fn attribute_name(&self, namespace: &str, name: &str) -> CompactString {
        match self.prefix(namespace) {
            _ if namespace == XML => format_compact!("xml:{name}"),
            Some(prefix) => format_compact!("{prefix}:{name}"),
            None => name.into(),
        }
    }
}

/// A text that grows.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) out: String,
    pub(super) prefixes: Prefixes,
}

impl Writer {
    /// Declares the namespaces.
    pub(super) fn push_declarations(&mut self) {
        let others = std::mem::take(&mut self.prefixes.others);
        self.push_attribute("xmlns", self.prefixes.default);
        for (namespace, prefix) in &others {
            self.push_attribute(&format_compact!("xmlns:{prefix}"), namespace);
        }
        self.prefixes.others = others;
    }

    fn push_name(&mut self, namespace: &str, name: &str) {
        if namespace != self.prefixes.default
            && let Some(prefix) = self.prefixes.prefix(namespace)
        {
            self.out.push_str(prefix);
            self.out.push(':');
        }
        self.out.push_str(name);
    }

    /// An element where the default namespace is that of the root.
    pub(super) fn push_element(&mut self, element: &Element) {
        let default = self.prefixes.default;
        self.push_element_within(element, default);
    }

    /// `within` is the default namespace where the element stands.
    fn push_element_within(&mut self, element: &Element, within: &str) {
        let prefixed = self.prefixes.element_name(element);
        let is_prefixed = prefixed.as_ref().is_some_and(|name| name.contains(':'));
        let name = prefixed.unwrap_or_else(|| element.name.clone());
        self.out.push('<');
        self.out.push_str(&name);
        let default: &str = if is_prefixed { within } else { &element.namespace };
        if default != within {
            self.push_attribute("xmlns", default);
        }
        for attribute in &element.attributes {
            let name = self.prefixes.attribute_name(&attribute.namespace, &attribute.name);
            self.push_attribute(&name, &attribute.value);
        }
        if element.nodes.is_empty() {
            self.out.push_str("/>");
            return;
        }
        self.out.push('>');
        for node in &element.nodes {
            match node {
                Node::Element(child) => self.push_element_within(child, default),
                Node::Text(text) => push_text(&mut self.out, text),
            }
        }
        let _ = write!(self.out, "</{name}>");
    }

    pub(super) fn push_attribute(&mut self, name: &str, value: &str) {
        let _ = write!(self.out, " {name}=\"");
        // White space as it stands would be read as a blank.
        for piece in value.split_inclusive(['\n', '\t']) {
            let text = piece.trim_end_matches(['\n', '\t']);
            push_text(&mut self.out, text);
            match piece.strip_prefix(text) {
                Some("\n") => self.out.push_str("&#10;"),
                Some("\t") => self.out.push_str("&#9;"),
                _ => {}
            }
        }
        self.out.push('"');
    }
}

impl Sink for Writer {
    fn start(&mut self, namespace: &'static str, name: &str, attribute: Option<(&'static str, &str, &str)>) {
        self.out.push('<');
        self.push_name(namespace, name);
        if let Some((space, name, value)) = attribute {
            let name = self.prefixes.attribute_name(space, name);
            self.push_attribute(&name, value);
        }
        self.out.push('>');
    }

    fn text(&mut self, text: &str) {
        push_text(&mut self.out, text);
    }

    fn element(&mut self, element: &Element) {
        self.push_element(element);
    }

    fn end(&mut self, namespace: &'static str, name: &str) {
        self.out.push_str("</");
        self.push_name(namespace, name);
        self.out.push('>');
    }
}

pub(super) const PROLOG: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
