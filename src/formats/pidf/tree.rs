//! The parts of a document in the order of the schemas, which some clients enforce: tuples, then notes,
//! then the person, devices and what is of other namespaces; within a tuple status, extensions, contact,
//! notes, timestamp (RFC 3863 §4.1, §4.2).

use compact_str::{CompactString, format_compact};

use super::{
    DATA_MODEL,
    element::{Attribute, Element, Namespace, Node},
    model::{Basic, Contact, Device, Document, Moment, Person, Tuple},
};
use crate::{
    formats::xml::{XML, is_language},
    signal::Text,
};

/// What takes the parts as they come: a text that is written, or a tree.
pub(super) trait Sink {
    /// An element begins; `attribute` is the one it has: its namespace, name and value.
    fn start(&mut self, namespace: &'static str, name: &str, attribute: Option<(&'static str, &str, &str)>);
    /// The text of the element that began last.
    fn text(&mut self, text: &str);
    /// A whole element.
    fn element(&mut self, element: &Element);
    /// The element that began last, and has not ended, ends.
    fn end(&mut self, namespace: &'static str, name: &str);
}

/// Gives the children of the root to `sink`, with `space` as the namespace of what is PIDF's own.
pub(super) fn walk(document: &Document, space: &'static str, sink: &mut impl Sink) {
    for tuple in &document.tuples {
        walk_tuple(tuple, space, sink);
    }
    walk_notes(&document.notes, space, sink);
    for person in &document.persons {
        walk_person(person, sink);
    }
    for device in &document.devices {
        walk_device(device, sink);
    }
    walk_elements(&document.extensions, sink);
}

/// The tree of a document, with `space` as the namespace of what is PIDF's own.
pub(super) fn tree_of(document: &Document, space: &'static str) -> Element {
    let mut tree = Tree(vec![Element::new(space, "presence").with("entity", &document.entity)]);
    walk(document, space, &mut tree);
    tree.0.pop().unwrap_or_else(|| Element::new(space, "presence"))
}

fn walk_tuple(tuple: &Tuple, space: &'static str, sink: &mut impl Sink) {
    sink.start(space, "tuple", Some(("", "id", &tuple.id)));
    sink.start(space, "status", None);
    match tuple.status.basic {
        Some(Basic::Open) => walk_text(space, "basic", "open", sink),
        Some(Basic::Closed) => walk_text(space, "basic", "closed", sink),
        None => {}
    }
    walk_elements(&tuple.status.extensions, sink);
    sink.end(space, "status");
    walk_elements(&tuple.extensions, sink);
    if let Some(Contact { uri, priority }) = &tuple.contact {
        let priority = priority.map(print_quality);
        let priority = priority.as_ref().map(|priority| ("", "priority", priority.as_str()));
        walk_text_with(space, "contact", priority, uri, sink);
    }
    walk_notes(&tuple.notes, space, sink);
    walk_time(tuple.timestamp.as_ref(), space, sink);
    sink.end(space, "tuple");
}

fn walk_person(person: &Person, sink: &mut impl Sink) {
    sink.start(DATA_MODEL, "person", Some(("", "id", &person.id)));
    walk_elements(&person.extensions, sink);
    walk_notes(&person.notes, DATA_MODEL, sink);
    walk_time(person.timestamp.as_ref(), DATA_MODEL, sink);
    sink.end(DATA_MODEL, "person");
}

fn walk_device(device: &Device, sink: &mut impl Sink) {
    sink.start(DATA_MODEL, "device", Some(("", "id", &device.id)));
    walk_elements(&device.extensions, sink);
    walk_text(DATA_MODEL, "deviceID", &device.device_id, sink);
    walk_notes(&device.notes, DATA_MODEL, sink);
    walk_time(device.timestamp.as_ref(), DATA_MODEL, sink);
    sink.end(DATA_MODEL, "device");
}

fn walk_elements(elements: &[Element], sink: &mut impl Sink) {
    for element in elements {
        sink.element(element);
    }
}

fn walk_notes(notes: &[Text], space: &'static str, sink: &mut impl Sink) {
    for note in notes {
        let lang = note.lang.as_deref().filter(|lang| is_language(lang));
        walk_text_with(space, "note", lang.map(|lang| (XML, "lang", lang)), &note.text, sink);
    }
}

fn walk_time(moment: Option<&Moment>, space: &'static str, sink: &mut impl Sink) {
    if let Some(moment) = moment {
        walk_text(space, "timestamp", moment.as_str(), sink);
    }
}

fn walk_text(space: &'static str, name: &str, text: &str, sink: &mut impl Sink) {
    walk_text_with(space, name, None, text, sink);
}

fn walk_text_with(
    space: &'static str,
    name: &str,
    attribute: Option<(&'static str, &str, &str)>,
    text: &str,
    sink: &mut impl Sink,
) {
    sink.start(space, name, attribute);
    sink.text(text);
    sink.end(space, name);
}

/// The elements that have begun, each within the one before.
struct Tree(Vec<Element>);

impl Tree {
    fn push(&mut self, node: Node) {
        if let Some(last) = self.0.last_mut() {
            last.nodes.push(node);
        }
    }
}

impl Sink for Tree {
    fn start(&mut self, namespace: &'static str, name: &str, attribute: Option<(&'static str, &str, &str)>) {
        let mut element = Element::new(namespace, name);
        element.attributes.extend(attribute.map(|(space, name, value)| Attribute {
            namespace: Namespace::Borrowed(space),
            name: name.into(),
            value: value.into(),
        }));
        self.0.push(element);
    }

    fn text(&mut self, text: &str) {
        if !text.is_empty() {
            self.push(Node::Text(text.into()));
        }
    }

    fn element(&mut self, element: &Element) {
        self.push(Node::Element(element.clone()));
    }

    fn end(&mut self, _: &'static str, _: &str) {
        if let Some(element) = self.0.pop() {
            self.push(Node::Element(element));
        }
    }
}

/// Thousandths as a qvalue of two digits, three where there are three.
pub(super) fn print_quality(thousandths: u16) -> CompactString {
    let (whole, rest) = (thousandths / 1000, thousandths % 1000);
    match rest % 10 {
        0 => format_compact!("{whole}.{:02}", rest / 10),
        _ => format_compact!("{whole}.{rest:03}"),
    }
}
