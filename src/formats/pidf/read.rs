//! Reads a published document. The order of the parts does not matter: phones put the person before
//! the tuples, others after them. What is not understood is kept.
//!
//! Refused is what leaves a tuple without identity or state (RFC 3863 §4.1); what the schemas refuse
//! beyond that is left out when a document is composed of it.

use std::collections::HashSet;

use compact_str::CompactString;
use roxmltree::Node;

use super::{
    CPIM_PIDF, DATA_MODEL, PIDF,
    element::Element,
    model::{Basic, Contact, Device, Document, Moment, Person, PidfError, Status, Tuple},
    unescape_uri,
};
use crate::{
    formats::xml::{self, Limits},
    signal::Text,
};

impl Document {
    /// Reads a document of `application/pidf+xml` or `application/cpim-pidf+xml`.
    ///
    /// # Errors
    /// Not XML within the limits, not PIDF, or one whose tuples cannot be told apart.
    pub fn parse(body: &[u8], limits: &Limits) -> Result<Self, PidfError> {
        let document = xml::parse(body, limits)?;
        let root = document.root_element();
        let namespace = match root.tag_name().namespace() {
            Some(PIDF) => PIDF,
            Some(CPIM_PIDF) => CPIM_PIDF,
            _ => return Err(PidfError::Root),
        };
        if root.tag_name().name() != "presence" {
            return Err(PidfError::Root);
        }
        check_counts(root)?;
        let entity = root.attribute("entity").map(|entity| unescape_uri(entity.trim()));
        let entity = entity.filter(|entity| (1..=1024).contains(&entity.len())).ok_or(PidfError::Entity)?;
        let mut read = Self { entity, ..Self::default() };
        for child in root.children().filter(Node::is_element) {
            read.add(child, namespace)?;
        }
        Ok(read)
    }

    fn add(&mut self, child: Node<'_, '_>, namespace: &'static str) -> Result<(), PidfError> {
        let tag = child.tag_name();
        match (tag.namespace().unwrap_or_default(), tag.name()) {
            (found, "tuple") if found == namespace => {
                let tuple = parse_tuple(child, namespace)?;
                if self.tuples.iter().any(|known| known.id == tuple.id) {
                    return Err(PidfError::RepeatedId);
                }
                self.tuples.push(tuple);
            }
            (found, "note") if found == namespace => self.notes.extend(parse_note(child)),
            (DATA_MODEL, "person") => self.persons.push(parse_person(child)),
            (DATA_MODEL, "device") => self.devices.push(parse_device(child)),
            _ => self.extensions.push(Element::read(child)),
        }
        Ok(())
    }
}

/// What is kept is looked through again and again: so much of it, and no more.
fn check_counts(root: Node<'_, '_>) -> Result<(), PidfError> {
    let mut namespaces = HashSet::new();
    for element in root.descendants().filter(Node::is_element) {
        namespaces.extend(element.tag_name().namespace());
        namespaces.extend(element.attributes().filter_map(|attribute| attribute.namespace()));
        if element.children().filter(Node::is_element).take(SIBLINGS + 1).count() > SIBLINGS {
            return Err(PidfError::TooMany);
        }
    }
    if namespaces.len() > NAMESPACES { Err(PidfError::TooMany) } else { Ok(()) }
}

fn parse_tuple(tuple: Node<'_, '_>, namespace: &'static str) -> Result<Tuple, PidfError> {
    let id = tuple.attribute("id").map(str::trim).filter(|id| (1..=255).contains(&id.len()));
    let mut read = Tuple { id: id.ok_or(PidfError::TupleId)?.into(), ..Tuple::default() };
    let (mut statuses, mut contacts, mut timestamps) = (0, 0, 0);
    for child in tuple.children().filter(Node::is_element) {
        if child.tag_name().namespace() != Some(namespace) {
            read.extensions.push(Element::read(child));
            continue;
        }
        match child.tag_name().name() {
            "status" => {
                statuses += 1;
                read.status = parse_status(child, namespace)?;
            }
            "contact" => {
                contacts += 1;
                read.contact = parse_contact(child);
            }
            "note" => read.notes.extend(parse_note(child)),
            "timestamp" => {
                timestamps += 1;
                read.timestamp = Moment::parse(&xml::text_of(child));
            }
            // The schema has no other; what means nothing is nothing to keep.
            _ => {}
        }
    }
    if statuses.max(contacts).max(timestamps) > 1 {
        return Err(PidfError::RepeatedPart);
    }
    Ok(read)
}

fn parse_status(status: Node<'_, '_>, namespace: &'static str) -> Result<Status, PidfError> {
    let basic = match xml::child(status, namespace, "basic").map(xml::text_of).as_deref() {
        Some("open") => Some(Basic::Open),
        Some("closed") => Some(Basic::Closed),
        // COMPAT(baresip 1.0): it publishes `unknown` until its user has said something.
        None | Some("unknown") => None,
        Some(_) => return Err(PidfError::Basic),
    };
    let foreign =
        |child: &Node<'_, '_>| child.is_element() && child.tag_name().namespace() != Some(namespace);
    Ok(Status { basic, extensions: status.children().filter(foreign).map(Element::read).collect() })
}

fn parse_contact(contact: Node<'_, '_>) -> Option<Contact> {
    let uri = unescape_uri(&xml::text_of(contact));
    let priority = contact.attribute("priority").and_then(parse_quality);
    (1..=1024).contains(&uri.len()).then_some(Contact { uri, priority })
}

fn parse_person(person: Node<'_, '_>) -> Person {
    let parts = parse_parts(person);
    Person {
        id: id_of(person),
        extensions: parts.extensions,
        notes: parts.notes,
        timestamp: parts.timestamp,
        occurrences: Vec::new(),
    }
}

fn parse_device(device: Node<'_, '_>) -> Device {
    let parts = parse_parts(device);
    Device {
        id: id_of(device),
        published_id: None,
        device_id: xml::child(device, DATA_MODEL, "deviceID").map(xml::text_of).unwrap_or_default().into(),
        extensions: parts.extensions,
        notes: parts.notes,
        timestamp: parts.timestamp,
    }
}

/// What persons and devices have in common.
#[derive(Default)]
struct Parts {
    extensions: Vec<Element>,
    notes: Vec<Text>,
    timestamp: Option<Moment>,
}

fn parse_parts(of: Node<'_, '_>) -> Parts {
    let mut parts = Parts::default();
    for child in of.children().filter(Node::is_element) {
        let tag = child.tag_name();
        match (tag.namespace().unwrap_or_default(), tag.name()) {
            (DATA_MODEL, "note") => parts.notes.extend(parse_note(child)),
            (DATA_MODEL, "timestamp") => parts.timestamp = Moment::parse(&xml::text_of(child)),
            (DATA_MODEL, _) => {}
            _ => parts.extensions.push(Element::read(child)),
        }
    }
    parts
}

/// The id, or nothing where it is none: other than a tuple's it is no reason to refuse a document.
fn id_of(of: Node<'_, '_>) -> CompactString {
    of.attribute("id").map(str::trim).filter(|id| id.len() <= 255).unwrap_or_default().into()
}

fn parse_note(note: Node<'_, '_>) -> Option<Text> {
    let text = xml::text_of(note);
    let lang = xml::lang_of(note).map(CompactString::from);
    (!text.is_empty()).then(|| Text { lang, text: text.into() })
}

/// A qvalue, in thousandths.
fn parse_quality(text: &str) -> Option<u16> {
    let value: f32 = text.trim().parse().ok().filter(|value| (0.0..=1.0).contains(value))?;
    // In range: checked just above.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1000")]
    Some((value * 1000.0).round() as u16)
}

/// Most namespaces in a document.
const NAMESPACES: usize = 64;
/// Most elements side by side.
const SIBLINGS: usize = 128;
