//! Writes presence documents.
//!
//! The order is the schema's, which some clients enforce: tuples, then notes, then the person, devices and
//! what is of other namespaces; within a tuple status, extensions, contact, notes, timestamp (RFC 3863
//! §4.1, §4.2). Only a composed document is sure to be valid.

use std::fmt::Write as _;

use compact_str::{CompactString, format_compact};

use super::{
    AG_PROJECTS, CAPS, CLIENT, CPIM_PIDF, DATA_MODEL, KNOWN_NAMESPACES, PIDF, PIDF_DIFF, RPID, compose,
    element::{Element, Namespace, Node},
    model::{Basic, Contact, Device, Document, Moment, Person, Tuple},
};
use crate::{
    formats::xml::{XML, is_language, push_element, push_element_with, push_text},
    signal::{Snapshot, Text},
};

/// The document of everything in `snapshot` for `entity`, the account's URI.
#[must_use]
pub fn print_snapshot(snapshot: &Snapshot, entity: &str) -> String {
    print(&compose(snapshot, entity), Root::Pidf)
}

/// The document of somebody who is not there, and of somebody who pretends: nothing in it changes.
#[must_use]
pub fn print_offline(entity: &str) -> String {
    print(&Document::offline(entity), Root::Pidf)
}

/// The root element, which is what the formats that are written here differ in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Root {
    Pidf,
    CpimPidf,
    /// `pidf-full` of a partial notification (RFC 5262 §3).
    Full {
        version: u32,
    },
}

/// The text of a document.
pub(super) fn print(document: &Document, root: Root) -> String {
    let namespace = if root == Root::CpimPidf { CPIM_PIDF } else { PIDF };
    let prefixes = Prefixes::of(document, namespace);
    let mut out = String::with_capacity(1024 + 1024 * document.tuples.len());
    out.push_str(PROLOG);
    let name = if matches!(root, Root::Full { .. }) { "p:pidf-full" } else { "presence" };
    let _ = write!(out, "<{name}");
    prefixes.declare(&mut out);
    if let Root::Full { version } = root {
        let _ = write!(out, " xmlns:p=\"{PIDF_DIFF}\" version=\"{version}\"");
    }
    out.push_str(" entity=\"");
    push_text(&mut out, &document.entity);
    out.push_str("\">");
    let mut writer = Writer { out, prefixes };
    for part in parts(document) {
        writer.push_part(part);
    }
    let _ = write!(writer.out, "</{name}>");
    writer.out
}

/// A child of the root.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part<'a> {
    Tuple(&'a Tuple),
    Note(&'a Text),
    Person(&'a Person),
    Device(&'a Device),
    Extension(&'a Element),
}

/// The children of the root in the order of the schema.
pub(super) fn parts(document: &Document) -> impl Iterator<Item = Part<'_>> {
    let tuples = document.tuples.iter().map(Part::Tuple);
    let notes = document.notes.iter().map(Part::Note);
    let persons = document.persons.iter().map(Part::Person);
    let devices = document.devices.iter().map(Part::Device);
    let extensions = document.extensions.iter().map(Part::Extension);
    tuples.chain(notes).chain(persons).chain(devices).chain(extensions)
}

/// Which prefix stands for which namespace in one text.
#[derive(Debug)]
pub(super) struct Prefixes {
    /// The namespace of names without prefix.
    default: &'static str,
    others: Vec<(Namespace, CompactString)>,
}

impl Prefixes {
    /// Those that a document needs, and always those that most need: what is written often is alike.
    pub(super) fn of(document: &Document, default: &'static str) -> Self {
        let mut prefixes = Self { default, others: Vec::new() };
        for namespace in [DATA_MODEL, RPID, CAPS, AG_PROJECTS] {
            prefixes.add(&Namespace::Borrowed(namespace));
        }
        prefixes.add_document(document);
        prefixes
    }

    /// And those of another document.
    pub(super) fn add_document(&mut self, document: &Document) {
        let tuples = document.tuples.iter().flat_map(|tuple| [&tuple.status.extensions, &tuple.extensions]);
        let persons = document.persons.iter().map(|person| &person.extensions);
        let devices = document.devices.iter().map(|device| &device.extensions);
        let all = tuples.chain(persons).chain(devices).chain([&document.extensions]);
        for element in all.flatten() {
            self.add_element(element);
        }
    }

    fn add_element(&mut self, element: &Element) {
        if !self.is_local(&element.namespace) {
            self.add(&element.namespace);
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

    /// Whether elements of this namespace declare it themselves, as default namespace.
    fn is_local(&self, namespace: &str) -> bool {
        namespace.is_empty() || namespace == CLIENT || namespace == self.default
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

    /// Appends the declarations.
    pub(super) fn declare(&self, out: &mut String) {
        let _ = write!(out, " xmlns=\"{}\"", self.default);
        for (namespace, prefix) in &self.others {
            let _ = write!(out, " xmlns:{prefix}=\"");
            push_text(out, namespace);
            out.push('"');
        }
    }

    /// The name of an element with its prefix; `None` where it declares its namespace itself.
    pub(super) fn name(&self, namespace: &str, name: &str) -> Option<CompactString> {
        if namespace == self.default {
            return Some(name.into());
        }
        let (_, prefix) = self.others.iter().find(|(known, _)| known == namespace)?;
        Some(format_compact!("{prefix}:{name}"))
    }

    /// The name of an attribute with its prefix.
    pub(super) fn attribute_name(&self, namespace: &str, name: &str) -> CompactString {
        if namespace.is_empty() {
            return name.into();
        }
        if namespace == XML {
            return format_compact!("xml:{name}");
        }
        let found = self.others.iter().find(|(known, _)| known == namespace);
        found.map_or_else(|| name.into(), |(_, prefix)| format_compact!("{prefix}:{name}"))
    }
}

/// A text that grows.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) out: String,
    pub(super) prefixes: Prefixes,
}

impl Writer {
    pub(super) fn push_part(&mut self, part: Part<'_>) {
        match part {
            Part::Tuple(tuple) => self.push_tuple(tuple),
            Part::Note(note) => self.push_note("note", note),
            Part::Person(person) => self.push_person(person),
            Part::Device(device) => self.push_device(device),
            Part::Extension(element) => self.push_element(element),
        }
    }

    fn push_tuple(&mut self, tuple: &Tuple) {
        self.push_start("tuple", &tuple.id);
        self.out.push_str("<status>");
        match tuple.status.basic {
            Some(Basic::Open) => push_element(&mut self.out, "basic", "open"),
            Some(Basic::Closed) => push_element(&mut self.out, "basic", "closed"),
            None => {}
        }
        self.push_elements(&tuple.status.extensions);
        self.out.push_str("</status>");
        self.push_elements(&tuple.extensions);
        if let Some(contact) = &tuple.contact {
            self.push_contact(contact);
        }
        for note in &tuple.notes {
            self.push_note("note", note);
        }
        self.push_time("timestamp", tuple.timestamp.as_ref());
        self.out.push_str("</tuple>");
    }

    pub(super) fn push_contact(&mut self, contact: &Contact) {
        match contact.priority {
            Some(priority) => {
                let priority = print_quality(priority);
                push_element_with(&mut self.out, "contact", &[("priority", &priority)], &contact.uri);
            }
            None => push_element(&mut self.out, "contact", &contact.uri),
        }
    }

    fn push_person(&mut self, person: &Person) {
        self.push_start("dm:person", &person.id);
        self.push_elements(&person.extensions);
        for note in &person.notes {
            self.push_note("dm:note", note);
        }
        self.push_time("dm:timestamp", person.timestamp.as_ref());
        self.out.push_str("</dm:person>");
    }

    fn push_device(&mut self, device: &Device) {
        self.push_start("dm:device", &device.id);
        self.push_elements(&device.extensions);
        push_element(&mut self.out, "dm:deviceID", &device.device_id);
        for note in &device.notes {
            self.push_note("dm:note", note);
        }
        self.push_time("dm:timestamp", device.timestamp.as_ref());
        self.out.push_str("</dm:device>");
    }

    fn push_start(&mut self, name: &str, id: &str) {
        let _ = write!(self.out, "<{name} id=\"");
        push_text(&mut self.out, id);
        self.out.push_str("\">");
    }

    pub(super) fn push_note(&mut self, name: &str, note: &Text) {
        match note.lang.as_deref().filter(|lang| is_language(lang)) {
            Some(lang) => push_element_with(&mut self.out, name, &[("xml:lang", lang)], &note.text),
            None => push_element(&mut self.out, name, &note.text),
        }
    }

    pub(super) fn push_time(&mut self, name: &str, moment: Option<&Moment>) {
        if let Some(moment) = moment {
            push_element(&mut self.out, name, moment.as_str());
        }
    }

    fn push_elements(&mut self, elements: &[Element]) {
        for element in elements {
            self.push_element(element);
        }
    }

    pub(super) fn push_element(&mut self, element: &Element) {
        let default = self.prefixes.default;
        self.push_element_within(element, default);
    }

    /// `within` is the default namespace where the element stands.
    fn push_element_within(&mut self, element: &Element, within: &str) {
        let prefixed = self.prefixes.name(&element.namespace, &element.name);
        let is_plain = prefixed.as_ref().is_none_or(|name| !name.contains(':'));
        let name = prefixed.unwrap_or_else(|| element.name.clone());
        self.out.push('<');
        self.out.push_str(&name);
        let default: &str = if is_plain { &element.namespace } else { within };
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

/// Thousandths as a qvalue of two digits, three where there are three.
pub(super) fn print_quality(thousandths: u16) -> CompactString {
    let (whole, rest) = (thousandths / 1000, thousandths % 1000);
    if rest % 10 == 0 {
        format_compact!("{whole}.{:02}", rest / 10)
    } else {
        format_compact!("{whole}.{rest:03}")
    }
}

pub(super) const PROLOG: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
