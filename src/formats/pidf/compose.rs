//! Many publications and sessions to one document (RFC 4479, composition): a tuple for each service, one
//! person, each device once.
//!
//! A session that published is shown by its own tuples; any other by one tuple of what it said in its
//! protocol's words. While somebody is there, hard state (RFC 4827) is not shown.

use compact_str::CompactString;

use super::{
    AG_PROJECTS, CAPS, CLIENT, CPIM_MEDIA_TYPE, DATA_MODEL, MEDIA_TYPE, PIDF,
    element::{Element, Node},
    identity::{self, Identities},
    merge,
    model::{Basic, Contact, Device, Document, Extended, Moment, Person, Status, Tuple},
    schema::tidy,
    show_of, uri,
};
use crate::{
    formats::xml,
    signal::{Activity, Availability, Native, Presence, ResourceState, Snapshot, Text, Timestamp},
};

/// The document of an account for `entity`, its URI. What `snapshot` holds is all there is to see: rules
/// for single watchers are applied to the document.
#[must_use]
pub fn compose(snapshot: &Snapshot, entity: &str) -> Document {
    if snapshot.resources.is_empty() {
        return compose_offline(&snapshot.aggregate, entity);
    }
    let aggregate = &snapshot.aggregate;
    let newest = snapshot.resources.iter().map(|state| state.presence.since).max().unwrap_or_default();
    let mut composition = Composition::new(aggregate, newest.max(aggregate.since), entity);
    for state in &snapshot.resources {
        match published(&state.presence.native) {
            Some(document) if !document.tuples.is_empty() => {
                composition.add(document, &tuple_id(state.resource.as_str()), &state.presence);
            }
            // It tells of the person alone: what her device can do is known all the same.
            Some(document) if !document.persons.is_empty() => {
                composition.say(state);
                composition.document.tuples.last_mut().into_iter().for_each(|tuple| tuple.notes.clear());
                composition.add(document, &tuple_id(state.resource.as_str()), &state.presence);
            }
            _ => composition.say(state),
        }
    }
    composition.finish(|id, occurrences| Some(merge::merge_person(id, aggregate, occurrences)))
}

/// The tuple id of a session, from its name. No two names share one.
#[must_use]
pub fn tuple_id(resource: &str) -> String {
    identity::to_name(resource).into()
}

impl Document {
    /// The document of somebody who is not there, and of somebody who pretends: nothing in it changes.
    /// Closed is enough. COMPAT(Blink): an `extended` that somebody else said becomes the state of all
    /// devices of the account, so that one that starts would make itself invisible.
    #[must_use]
    pub fn offline(entity: &str) -> Self {
        let status = Status { basic: Some(Basic::Closed), extensions: Vec::new() };
        let tuple = Tuple { id: "ID-".into(), status, ..Tuple::default() };
        Self { entity: entity.into(), tuples: vec![tuple], ..Self::default() }
    }
}

/// Nobody is there: what the account says for that case is all, and stays as it was written.
fn compose_offline(aggregate: &Presence, entity: &str) -> Document {
    let Some(mut document) = published(&aggregate.native) else { return Document::offline(entity) };
    if document.tuples.is_empty() {
        document.tuples = Document::offline(entity).tuples;
    }
    let mut composition = Composition::new(aggregate, aggregate.since, entity);
    composition.add(document, "ID", aggregate);
    composition.finish(merge::merge_published)
}

/// The document that a session or an account published.
fn published(native: &Native) -> Option<Document> {
    let Native::Mime { content_type, body, .. } = native else { return None };
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    let is_presence =
        [MEDIA_TYPE, CPIM_MEDIA_TYPE].iter().any(|known| media_type.eq_ignore_ascii_case(known));
    // It was read once before it was taken: an error here is none that somebody could be told.
    is_presence.then(|| Document::parse(body, &xml::Limits::default()).ok()).flatten()
}

/// How far a statement is believed: its time, but not a time that is yet to come, then when it reached
/// us, then a name, so that the order of the sessions does not matter.
type Rank = (Timestamp, Timestamp, CompactString);

struct Composition<'a> {
    aggregate: &'a Presence,
    /// No statement is newer than the newest session.
    newest: Timestamp,
    document: Document,
    identities: Identities,
    persons: Vec<(Rank, Person)>,
    devices: Vec<(Rank, Device)>,
    /// The notes and extensions of documents themselves.
    rest: Vec<(Rank, Vec<Text>, Vec<Element>)>,
}

impl<'a> Composition<'a> {
    fn new(aggregate: &'a Presence, newest: Timestamp, entity: &str) -> Self {
        Self {
            aggregate,
            newest,
            document: Document { entity: entity.into(), ..Document::default() },
            identities: Identities::default(),
            persons: Vec::new(),
            devices: Vec::new(),
            rest: Vec::new(),
        }
    }

    /// A session that said something in words that every protocol has.
    fn say(&mut self, state: &ResourceState) {
        let id = self.identities.claim(&tuple_id(state.resource.as_str()), "ID");
        let presence = &state.presence;
        let mut status = Status { basic: Some(basic(presence.is_available())), extensions: Vec::new() };
        if let Some(show) = show_of(presence.availability, presence.eager) {
            status.extensions.push(Element::with_text(CLIENT, "show", show));
        }
        // COMPAT(Blink): the newest tuple that has `extended` becomes the state of all devices of the
        // account. That a phone registered does not count, and a call is told without a time.
        let is_said = is_said(presence);
        if is_said || presence.availability != Availability::Online {
            status.extensions.push(extended(Extended::from_availability(presence.availability)));
        }
        let mut extensions = vec![capabilities(state)];
        extensions.extend(presence.idle_since.map(merge::idle_input));
        let uri = state.contact.as_deref().and_then(uri::to_uri).map(CompactString::from);
        extensions.extend(uri.as_deref().and_then(device_of));
        self.document.tuples.push(Tuple {
            id,
            published_id: None,
            status,
            extensions,
            contact: Some(Contact {
                uri: uri.unwrap_or_else(|| self.document.entity.clone()),
                priority: thousandths(presence.priority),
            }),
            notes: presence.notes.clone(),
            timestamp: (is_said || !is_called(presence)).then(|| presence.since.into()),
        });
    }

    /// A session that published, or the account's hard state.
    fn add(&mut self, published: Document, owner: &str, said: &Presence) {
        let rank = |moment: Option<&Moment>| {
            let at = moment.map_or(said.since, Moment::at);
            (at.min(self.newest), said.since, CompactString::from(owner))
        };
        self.rest.push((rank(None), published.notes, published.extensions));
        for person in published.persons {
            let extensions = tidy_all(person.extensions, DATA_MODEL);
            self.persons.push((rank(person.timestamp.as_ref()), Person { extensions, ..person }));
        }
        for device in published.devices {
            self.devices.push((rank(device.timestamp.as_ref()), device));
        }
        for tuple in published.tuples {
            let tuple = self.tuple(tuple, owner, said);
            self.document.tuples.push(tuple);
        }
    }

    fn tuple(&mut self, published: Tuple, owner: &str, said: &Presence) -> Tuple {
        let id = self.identities.claim(&published.id, owner);
        let is_open = published.is_open();
        let own = published.extended();
        // Who knows the word says it himself when he takes a call, and takes it back.
        let is_called = own.is_none() && (is_called(said) || is_called(self.aggregate));
        let word = match own {
            _ if !is_open => Extended::Offline,
            _ if is_called => Extended::Busy,
            Some(word) => word,
            None if said.is_available() => Extended::from_availability(said.availability),
            None => Extended::Available,
        };
        let mut extensions = tidy_all(published.status.extensions, PIDF);
        extensions.retain(|element| !element.is(AG_PROJECTS, "extended"));
        for show in extensions.iter_mut().filter(|element| is_called && element.is(CLIENT, "show")) {
            show.nodes = vec![Node::Text("dnd".into())];
        }
        extensions.push(extended(word));
        let contact = published.contact.and_then(|contact| {
            Some(Contact { uri: uri::to_uri(&contact.uri)?.into(), priority: contact.priority })
        });
        Tuple {
            published_id: (id != published.id).then_some(published.id),
            id,
            status: Status { basic: published.status.basic.or_else(|| Some(basic(is_open))), extensions },
            extensions: tidy_all(published.extensions, PIDF),
            contact,
            notes: published.notes,
            timestamp: published.timestamp.or_else(|| Some(said.since.into())),
        }
    }

    /// The whole document. `person` makes one of the published ones, newest first.
    fn finish(mut self, person: impl FnOnce(&str, Vec<Person>) -> Option<Person>) -> Document {
        self.persons.sort_by(|(one, _), (other, _)| other.cmp(one));
        self.devices.sort_by(|(one, _), (other, _)| other.cmp(one));
        self.rest.sort_by(|(one, ..), (other, ..)| other.cmp(one));
        let id = self.identities.claim("PERSON", "ID");
        let mut occurrences: Vec<Person> = self.persons.into_iter().map(|(_, person)| person).collect();
        for person in &mut occurrences {
            self.identities.settle(&mut person.extensions, &id);
        }
        self.document.persons.extend(person(&id, occurrences));
        for (_, device) in self.devices {
            add_device(&mut self.document, &mut self.identities, device);
        }
        let said = self.document.persons.first().map(|person| person.notes.clone()).unwrap_or_default();
        let mut notes = self.rest.iter().map(|(_, notes, _)| notes).filter(|notes| !notes.is_empty());
        let notes = notes.next().into_iter().flatten().filter(|note| !said.contains(note));
        self.document.notes = notes.cloned().collect();
        let extensions: Vec<_> = self.rest.into_iter().map(|(_, _, found)| tidy_all(found, PIDF)).collect();
        self.document.extensions = merge::merge_elements(extensions.iter().map(Vec::as_slice));
        self.identities.settle_nested(&mut self.document);
        self.document
    }
}

/// A device that is not there yet: newer statements about it came before.
fn add_device(document: &mut Document, identities: &mut Identities, device: Device) {
    let Some(device_id) = uri::to_uri(&device.device_id).filter(|id| !id.is_empty()) else { return };
    if document.devices.iter().any(|known| uri::is_same(&known.device_id, &device_id)) {
        return;
    }
    let wanted = if device.id.is_empty() { "DEVICE" } else { &device.id };
    let id = identities.claim(wanted, "ID");
    document.devices.push(Device {
        published_id: (id != device.id).then_some(device.id),
        id,
        extensions: tidy_all(device.extensions, DATA_MODEL),
        device_id: device_id.into(),
        notes: device.notes,
        timestamp: device.timestamp,
    });
}

fn tidy_all(elements: Vec<Element>, room: &str) -> Vec<Element> {
    elements.into_iter().filter_map(|element| tidy(element, room)).collect()
}

/// Whether somebody said this, rather than that a device is known to be there or in a call.
fn is_said(presence: &Presence) -> bool {
    let is_known = matches!(presence.availability, Availability::Online | Availability::Busy)
        && presence.activities.iter().all(|activity| *activity == Activity::OnThePhone)
        && (presence.availability == Availability::Online || is_called(presence));
    presence.native != Native::None || presence.eager || !presence.notes.is_empty() || !is_known
}

fn is_called(presence: &Presence) -> bool {
    presence.activities.contains(&Activity::OnThePhone)
}

fn basic(is_open: bool) -> Basic {
    if is_open { Basic::Open } else { Basic::Closed }
}

fn extended(word: Extended) -> Element {
    Element::with_text(AG_PROJECTS, "extended", word.word())
}

fn capabilities(state: &ResourceState) -> Element {
    let says = |name, takes: bool| {
        Node::Element(Element::with_text(CAPS, name, if takes { "true" } else { "false" }))
    };
    Element::new(CAPS, "servcaps")
        .holding(says("audio", state.takes_calls))
        .holding(says("message", state.takes_messages))
}

/// The device that a GRUU is about (RFC 5627 §3.1.1): where it is a URN, that is its id.
fn device_of(uri: &str) -> Option<Element> {
    let urn = uri.split(';').find_map(|parameter| parameter.strip_prefix("gr="))?;
    (urn.starts_with("urn:") && uri::is_uri(urn)).then(|| Element::with_text(DATA_MODEL, "deviceID", urn))
}

/// A priority of 0 to 127 as a qvalue of two digits; a negative one has none (RFC 3863 §4.1.3).
fn thousandths(priority: i8) -> Option<u16> {
    let priority = u16::try_from(priority).ok()?;
    Some((priority * 100 + 63) / 127 * 10)
}
