//! A document as one tree of elements, in the order of the schemas, which some clients enforce: tuples,
//! then notes, then the person, devices and what is of other namespaces; within a tuple status,
//! extensions, contact, notes, timestamp (RFC 3863 §4.1, §4.2).

use compact_str::{CompactString, format_compact};

use super::{
    DATA_MODEL,
    element::{Attribute, Element, Namespace, Node},
    model::{Basic, Device, Document, Moment, Person, Tuple},
};
use crate::{
    formats::xml::{XML, is_language},
    signal::Text,
};

/// The tree of a document, with `space` as the namespace of what is PIDF's own.
pub(super) fn tree_of(document: &Document, space: &'static str) -> Element {
    let root = Element::new(space, "presence").with("entity", &document.entity);
    let root = root.holding_all(document.tuples.iter().map(|one| tuple(one, space)));
    let root = root.holding_all(document.notes.iter().map(|one| note(one, space)));
    let root = root.holding_all(document.persons.iter().map(person));
    let root = root.holding_all(document.devices.iter().map(device));
    root.holding_all(document.extensions.iter().cloned())
}

fn tuple(tuple: &Tuple, space: &'static str) -> Element {
    let word = tuple.status.basic.map(|basic| match basic {
        Basic::Open => "open",
        Basic::Closed => "closed",
    });
    let status = Element::new(space, "status")
        .holding_all(word.map(|word| Element::with_text(space, "basic", word)))
        .holding_all(tuple.status.extensions.iter().cloned());
    let contact = tuple.contact.as_ref().map(|contact| {
        let element = Element::with_text(space, "contact", &contact.uri);
        match contact.priority {
            Some(priority) => element.with("priority", &print_quality(priority)),
            None => element,
        }
    });
    Element::new(space, "tuple")
        .with("id", &tuple.id)
        .holding_all([status])
        .holding_all(tuple.extensions.iter().cloned())
        .holding_all(contact)
        .holding_all(tuple.notes.iter().map(|one| note(one, space)))
        .holding_all(timestamp(tuple.timestamp.as_ref(), space))
}

fn person(person: &Person) -> Element {
    Element::new(DATA_MODEL, "person")
        .with("id", &person.id)
        .holding_all(person.extensions.iter().cloned())
        .holding_all(person.notes.iter().map(|one| note(one, DATA_MODEL)))
        .holding_all(timestamp(person.timestamp.as_ref(), DATA_MODEL))
}

fn device(device: &Device) -> Element {
    Element::new(DATA_MODEL, "device")
        .with("id", &device.id)
        .holding_all(device.extensions.iter().cloned())
        .holding_all([Element::with_text(DATA_MODEL, "deviceID", &device.device_id)])
        .holding_all(device.notes.iter().map(|one| note(one, DATA_MODEL)))
        .holding_all(timestamp(device.timestamp.as_ref(), DATA_MODEL))
}

fn note(note: &Text, space: &'static str) -> Element {
    let mut element = Element::with_text(space, "note", &note.text);
    if let Some(lang) = note.lang.as_ref().filter(|lang| is_language(lang)) {
        let attribute =
            Attribute { namespace: Namespace::Borrowed(XML), name: "lang".into(), value: lang.clone() };
        element.attributes.push(attribute);
    }
    element
}

fn timestamp(moment: Option<&Moment>, space: &'static str) -> Option<Element> {
    moment.map(|moment| Element::with_text(space, "timestamp", moment.as_str()))
}

impl Element {
    fn holding_all(mut self, elements: impl IntoIterator<Item = Self>) -> Self {
        self.nodes.extend(elements.into_iter().map(Node::Element));
        self
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
