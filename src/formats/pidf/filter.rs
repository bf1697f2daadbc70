//! What of a composed document one watcher sees (RFC 5025 §3.3): occurrences first, then the attributes of
//! those that are left.
//!
//! Always shown are contact, service class, basic status and times, and a device's own id. An attribute
//! without a permission of its own is shown where it is granted by name.

use super::{
    DATA_MODEL, RPID,
    element::{self, Element},
    merge,
    model::{Device, Document, Person, Tuple},
    uri,
};
use crate::signal::{Attribute, Attributes, Granted, Selector, UserInput, View};

/// What somebody who may see `view` sees of `document`.
#[must_use]
pub fn filter(document: &Document, view: &View) -> Document {
    let attributes = &view.attributes;
    let tuples = document.tuples.iter().filter(|tuple| grants_tuple(&view.services, tuple));
    let devices = document.devices.iter().filter(|device| grants_device(&view.devices, device));
    let persons = document.persons.iter().filter_map(|person| granted_person(&view.persons, person));
    let mut seen = Document {
        entity: document.entity.clone(),
        tuples: tuples.cloned().collect(),
        notes: document.notes.clone(),
        persons: persons.collect(),
        devices: devices.cloned().collect(),
        extensions: document.extensions.clone(),
    };
    if *attributes != Attributes::All {
        reduce(&mut seen, attributes);
    }
    seen
}

/// A service is named by its class, by its id as it was published or is shown, or by its contact.
fn grants_tuple(granted: &Granted, tuple: &Tuple) -> bool {
    let uri = tuple.contact.as_ref().map_or("", |contact| &contact.uri);
    granted.to(|selector| match selector {
        Selector::Class(class) => has_class(&tuple.extensions, class),
        Selector::Occurrence(id) => *id == tuple.id || tuple.published_id.as_ref() == Some(id),
        Selector::ServiceUri(wanted) => !uri.is_empty() && uri::is_same(wanted, uri),
        Selector::ServiceScheme(scheme) => uri::scheme(uri).is_some_and(|found| found == *scheme),
        Selector::DeviceId(_) => false,
    })
}

fn grants_device(granted: &Granted, device: &Device) -> bool {
    granted.to(|selector| match selector {
        Selector::Class(class) => has_class(&device.extensions, class),
        Selector::Occurrence(id) => *id == device.id || device.published_id.as_ref() == Some(id),
        Selector::DeviceId(wanted) => uri::is_same(wanted, &device.device_id),
        Selector::ServiceUri(_) | Selector::ServiceScheme(_) => false,
    })
}

/// Where only some of the published persons may be seen, the person is made of these alone.
fn granted_person(granted: &Granted, person: &Person) -> Option<Person> {
    let is_granted = |person: &Person| {
        granted.to(|selector| match selector {
            Selector::Class(class) => has_class(&person.extensions, class),
            Selector::Occurrence(id) => *id == person.id,
            _ => false,
        })
    };
    let is_whole = match granted {
        Granted::All => true,
        Granted::Some(selectors) => selectors.contains(&Selector::Occurrence(person.id.clone())),
    };
    let seen = if is_whole || person.occurrences.is_empty() && is_granted(person) {
        Some(person.clone())
    } else {
        let occurrences = person.occurrences.iter().filter(|one| is_granted(one)).cloned().collect();
        merge::merge_published(&person.id, occurrences)
    };
    seen.map(|seen| Person { occurrences: Vec::new(), ..seen })
}

fn has_class(extensions: &[Element], class: &str) -> bool {
    element::find(extensions, RPID, "class").is_some_and(|found| found.text() == class)
}

impl Granted {
    fn to(&self, names: impl Fn(&Selector) -> bool) -> bool {
        match self {
            Self::All => true,
            Self::Some(selectors) => selectors.iter().any(names),
        }
    }
}

/// Takes away what is not granted.
fn reduce(document: &mut Document, attributes: &Attributes) {
    let noted = attributes.has(Attribute::Note);
    for tuple in &mut document.tuples {
        retain(&mut tuple.status.extensions, attributes);
        retain(&mut tuple.extensions, attributes);
        tuple.notes.retain(|_| noted);
    }
    for person in &mut document.persons {
        retain(&mut person.extensions, attributes);
        person.notes.retain(|_| noted);
    }
    for device in &mut document.devices {
        retain(&mut device.extensions, attributes);
        device.notes.retain(|_| noted);
    }
    retain(&mut document.extensions, attributes);
    document.notes.retain(|_| noted);
}

fn retain(elements: &mut Vec<Element>, attributes: &Attributes) {
    elements.retain_mut(|element| {
        if element.is(RPID, "user-input") {
            return reduce_input(element, attributes.user_input());
        }
        let name = element.name.as_str();
        match (&*element.namespace, permission(element)) {
            (_, Some(attribute)) => attributes.has(attribute),
            // RPID has permissions of its own for all but this one, which is always shown.
            (RPID, None) => name == "service-class",
            (space, None) => attributes.has_unknown(space, name),
        }
    });
}

/// Leaves as much of the idle state as may be seen, and tells whether that is anything.
fn reduce_input(input: &mut Element, granted: UserInput) -> bool {
    input.attributes.retain(|attribute| match granted {
        UserInput::False => false,
        UserInput::Bare => !matches!(attribute.name.as_str(), "idle-threshold" | "last-input" | "since"),
        UserInput::Thresholds => attribute.name == "idle-threshold",
        UserInput::Full => true,
    });
    granted != UserInput::False
}

/// The permission that an element has of its own (RFC 5025 §3.3.2).
fn permission(element: &Element) -> Option<Attribute> {
    if element.is(DATA_MODEL, "deviceID") {
        return Some(Attribute::DeviceId);
    }
    if element.namespace != RPID {
        return None;
    }
    Some(match element.name.as_str() {
        "activities" => Attribute::Activities,
        "class" => Attribute::Class,
        "mood" => Attribute::Mood,
        "place-is" => Attribute::PlaceIs,
        "place-type" => Attribute::PlaceType,
        "privacy" => Attribute::Privacy,
        "relationship" => Attribute::Relationship,
        "sphere" => Attribute::Sphere,
        "status-icon" => Attribute::StatusIcon,
        "time-offset" => Attribute::TimeOffset,
        _ => return None,
    })
}
