//! What many sessions publish becomes one document.

use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;
use proptest::prelude::*;

use super::{
    super::{schema, tree::tree_of},
    NOW, at, print_snapshot, publications,
    publications::Said,
    snapshot, state,
};
use crate::{
    formats::{
        pidf::*,
        xml::{Limits, XML},
    },
    signal::{Activity, Availability, Native, Presence, ResourceState, Snapshot, Text, Timestamp},
};

pub(super) const ENTITY: &str = "sip:bob@example.org";

/// A session that published this.
pub(super) fn publisher(resource: &str, body: &str) -> ResourceState {
    let mut presence = Document::parse(body.as_bytes(), &Limits::default()).unwrap().presence(NOW);
    presence.native = Native::Mime {
        content_type: MEDIA_TYPE.into(),
        headers: Vec::new(),
        body: Bytes::copy_from_slice(body.as_bytes()),
    };
    state(resource, presence)
}

pub(super) fn body(inside: &str) -> String {
    format!(
        "<presence xmlns='urn:ietf:params:xml:ns:pidf' xmlns:r='urn:ietf:params:xml:ns:pidf:rpid' \
         xmlns:dm='urn:ietf:params:xml:ns:pidf:data-model' xmlns:a='urn:ag-projects:xml:ns:pidf' \
         xmlns:c='urn:ietf:params:xml:ns:pidf:cipid' xmlns:x='urn:x' entity='sip:a@b'>{inside}</presence>"
    )
}

/// The document of sessions whose strongest speaks for the person.
pub(super) fn composed(sessions: Vec<ResourceState>) -> Document {
    compose(&snapshot(strongest(&sessions), sessions), ENTITY)
}

fn strongest(sessions: &[ResourceState]) -> Presence {
    let said = sessions.iter().map(|state| &*state.presence);
    let strongest = said.max_by_key(|presence| (presence.availability, presence.since)).cloned();
    Presence { native: Native::None, ..strongest.unwrap_or_else(|| Presence::offline(NOW)) }
}

fn session(index: usize, said: &Said) -> ResourceState {
    let name = format!("r{index}");
    if let Some(document) = &said.document {
        return publisher(&name, document);
    }
    let availability = [
        Availability::Offline,
        Availability::ExtendedAway,
        Availability::Away,
        Availability::Online,
        Availability::Busy,
    ];
    let mut presence = at(availability[said.state]);
    presence.since = Timestamp(NOW.0 - said.since * 1000);
    presence.notes.extend(said.note.as_deref().map(Text::plain));
    if said.is_on_the_phone {
        presence.availability = Availability::Busy;
        presence.activities.push(Activity::OnThePhone);
    }
    ResourceState { contact: said.contact.as_deref().map(Into::into), ..state(&name, presence) }
}

/// What is wrong with a document, by the schemas: `None` where nothing is.
pub(super) fn fault(document: &Document) -> Option<String> {
    let tree = tree_of(document, "urn:ietf:params:xml:ns:pidf");
    let mut ids = HashSet::new();
    let mut stack = vec![&tree];
    while let Some(element) = stack.pop() {
        let is_part =
            element.is(PIDF, "tuple") || ["person", "device"].iter().any(|name| element.is(DATA_MODEL, name));
        let is_known = is_part || element.namespace == RPID;
        for attribute in &element.attributes {
            let is_typed = is_known && attribute.namespace.is_empty() || attribute.namespace == XML;
            let is_id = attribute.name == "id" && is_typed;
            if is_id && !(schema::is_name(&attribute.value) && ids.insert(&attribute.value)) {
                return Some(format!("id {}", attribute.value));
            }
        }
        stack.extend(element.children());
    }
    let tuples = document.tuples.iter().flat_map(|tuple| [&tuple.status.extensions, &tuple.extensions]);
    let persons = document.persons.iter().map(|person| &person.extensions);
    let devices = document.devices.iter().map(|device| &device.extensions);
    let mut all = tuples.chain(persons).chain(devices).chain([&document.extensions]).flatten();
    all.find(|element| element.namespace.is_empty() || !schema::is_valid(element))
        .map(|element| format!("{element:?}"))
}

fn without_ids(tuple: &Tuple) -> String {
    let mut text = format!("{:?} {:?}", tuple.status.basic, tuple.extended());
    text.push_str(&format!("{:?}{:?}{:?}", tuple.contact, tuple.notes, tuple.timestamp));
    text
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sessions_make_a_valid_document_with_the_state_of_the_account(
        said in publications::sessions(), turn in 0..5_usize
    ) {
        let sessions: Vec<_> = said.iter().enumerate().map(|(index, said)| session(index, said)).collect();
        let aggregate = strongest(&sessions);
        let document = composed(sessions.clone());
        prop_assert_eq!(fault(&document), None);
        for format in Format::ALL {
            prop_assert!(!format.print(&document).is_empty());
        }
        let printed = Format::Pidf.print(&document);
        let heard = Document::parse(printed.as_bytes(), &Limits { bytes: 1 << 20, nodes: 65536, depth: 32 }).unwrap();
        prop_assert_eq!(heard.tuples.len(), document.tuples.len());
        if sessions.is_empty() {
            prop_assert_eq!(document, Document::offline(ENTITY));
            return Ok(());
        }
        prop_assert_eq!(document.persons.len(), 1);
        let done: Vec<_> = neutral::activities_of(&document.persons[0].extensions).collect();
        for activity in &aggregate.activities {
            // A name that RPID does not have is written as words.
            let is_known = activity::is_known(activity::name_of(activity));
            prop_assert!(!is_known || done.contains(activity), "{:?}", done);
        }
        let mut turned = sessions;
        turned.rotate_left(turn % said.len().max(1));
        let other = compose(&snapshot(aggregate, turned), ENTITY);
        prop_assert_eq!(&other.notes, &document.notes);
        prop_assert_eq!(other.devices.len(), document.devices.len());
        let all = |document: &Document| {
            let mut all: Vec<_> = document.tuples.iter().map(without_ids).collect();
            all.sort();
            all
        };
        prop_assert_eq!(all(&other), all(&document));
        let names = |document: &Document| {
            let elements = document.persons[0].extensions.iter();
            elements.map(|element| (element.name.clone(), element.text())).collect::<Vec<_>>()
        };
        prop_assert_eq!(names(&other), names(&document));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_mutilated_document_is_refused_or_makes_a_valid_one(
        bytes in publications::mutilated()
    ) {
        let Ok(read) = Document::parse(&bytes, &Limits::default()) else { return Ok(()) };
        let mut presence = read.presence(NOW);
        let body = bytes.into();
        presence.native = Native::Mime { content_type: MEDIA_TYPE.into(), headers: Vec::new(), body };
        let document = composed(vec![state("a", presence)]);
        prop_assert_eq!(fault(&document), None);
        prop_assert!(Document::parse(Format::Pidf.print(&document).as_bytes(), &Limits::default()).is_ok());
    }
}

fn tuple(id: &str, inside: &str) -> String {
    format!("<tuple id='{id}'><status><basic>open</basic></status>{inside}</tuple>")
}

#[test]
fn a_publication_is_shown_as_it_was_published() {
    let document = composed(vec![publisher("desk", super::BLINK)]);
    assert_eq!(fault(&document), None);
    let published = Document::parse(super::BLINK.as_bytes(), &Limits::default()).unwrap();
    let (shown, said) = (&document.tuples[0], &published.tuples[0]);
    assert_eq!((&shown.id, &shown.published_id), (&said.id, &None));
    assert_eq!(
        (&shown.timestamp, &shown.contact, &shown.notes),
        (&said.timestamp, &said.contact, &said.notes)
    );
    assert_eq!((&shown.extensions, &shown.status), (&said.extensions, &said.status));
    assert_eq!(document.devices, published.devices);
    let text = Format::Pidf.print(&document);
    assert!(text.contains("<timestamp>2026-11-20T12:13:39.184449+00:00</timestamp></tuple>"), "{text}");
    assert!(text.contains("<agp-caps:file-transfer>true</agp-caps:file-transfer>"), "{text}");
    // Its person says in words what the account is: away.
    assert!(text.contains("<rpid:other>away</rpid:other>"), "{text}");
}

#[test]
fn ids_are_changed_only_where_two_are_the_same() {
    let first = publisher("one", &body(&tuple("t", "")));
    let second = publisher("two", &body(&(tuple("t", "") + &tuple("u v", ""))));
    let document = composed(vec![first, second]);
    let ids: Vec<_> =
        document.tuples.iter().map(|tuple| (tuple.id.as_str(), tuple.published_id.as_deref())).collect();
    assert_eq!(ids, [("t", None), ("ID-two.t", Some("t")), ("ID-u_20v", Some("u v"))]);
}

#[test]
fn the_newer_person_wins_and_the_older_adds() {
    let person = |at: &str, inside: &str| {
        body(&format!(
            "{}<dm:person id='p'>{inside}<dm:timestamp>2026-11-20T1{at}:00:00Z</dm:timestamp></dm:person>",
            tuple("t", "")
        ))
    };
    let older = person(
        "0",
        "<r:mood id='m'><r:sad/></r:mood><r:place-type><r:other>home</r:other></r:place-type>\
         <c:map>http://example.org/map</c:map>",
    );
    let newer = person("1", "<r:mood id='m'><r:happy/></r:mood><r:sphere><r:work/></r:sphere><x:y/>");
    for sessions in [
        vec![publisher("a", &older), publisher("b", &newer)],
        vec![publisher("b", &newer), publisher("a", &older)],
    ] {
        let document = composed(sessions);
        let text = Format::Pidf.print(&document);
        assert!(text.contains("<rpid:happy/>") && !text.contains("<rpid:sad/>"), "{text}");
        for kept in ["<rpid:work/>", "<rpid:other>home</rpid:other>", "<c:map>http://example.org/map</c:map>"]
        {
            assert!(text.contains(kept), "{text}");
        }
        assert_eq!(document.persons.len(), 1);
        assert_eq!(document.persons[0].timestamp.as_ref().unwrap().at(), Timestamp(NOW.0));
        assert!(text.contains("<rpid:mood id=\"PERSON.m"), "{text}");
    }
}

#[test]
fn a_clock_that_is_ahead_does_not_win_for_ever() {
    let person = |mood: &str, at: &str| {
        body(&format!(
            "<tuple id='t'><status/><timestamp>{at}</timestamp></tuple><dm:person id='p'><r:mood><r:{mood}/></r:mood>\
             <dm:timestamp>{at}</dm:timestamp></dm:person>"
        ))
    };
    let mut ahead = publisher("ahead", &person("sad", "2099-01-01T00:00:00Z"));
    let mut before = Presence::clone(&ahead.presence);
    before.since = Timestamp(NOW.0 - 60_000);
    ahead.presence = Arc::new(before);
    let right = publisher("right", &person("happy", &NOW.to_string()));
    let text = Format::Pidf.print(&composed(vec![right, ahead]));
    assert!(text.contains("<rpid:happy/>") && !text.contains("<rpid:sad/>"), "{text}");
}

#[test]
fn each_device_is_there_once_as_it_was_last_said() {
    let device = |id: &str, at: &str, note: &str| {
        body(&format!(
            "{}<dm:device id='{id}'><dm:deviceID>urn:uuid:A</dm:deviceID><dm:note>{note}</dm:note>\
             <dm:timestamp>{at}</dm:timestamp></dm:device>",
            tuple(id, "")
        ))
    };
    let document = composed(vec![
        publisher("a", &device("one", "2026-11-20T10:00:00Z", "old")),
        publisher("b", &device("two", "2026-11-20T11:00:00Z", "new").replace("uuid:A", "uuid:a")),
    ]);
    let notes: Vec<_> = document.devices.iter().map(|device| device.notes[0].text.as_str()).collect();
    assert_eq!(notes, ["new"]);
    // A tuple has the id already.
    assert_eq!(document.devices[0].published_id.as_deref(), Some("two"));
}

#[test]
fn a_call_makes_busy_who_does_not_say_it_himself_and_the_person_on_the_phone() {
    let mut called = at(Availability::Busy);
    called.activities.push(Activity::OnThePhone);
    let closed = "<tuple id='c'><status><basic>closed</basic></status></tuple>";
    let plain =
        "<tuple id='t'><status><basic>open</basic><show xmlns='jabber:client'>chat</show></status></tuple>";
    let other =
        "<tuple id='o'><status><basic>open</basic><a:extended>available</a:extended></status></tuple>";
    let person = "<dm:person id='p'><r:activities><r:other>available</r:other><r:other>reading</r:other></r:activities></dm:person>";
    let document = composed(vec![
        publisher("desk", &body(&format!("{plain}{closed}{person}"))),
        publisher("lap", &body(other)),
        state("phone", called),
    ]);
    let shown: Vec<_> = document.tuples.iter().map(Tuple::extended).collect();
    let busy = Some(Extended::Busy);
    assert_eq!(shown, [busy, Some(Extended::Offline), Some(Extended::Available), busy]);
    assert_eq!(document.tuples[0].show(), Some((Availability::Busy, false)));
    // It must not become the state of the person's other devices.
    assert_eq!(document.tuples[3].timestamp, None);
    let text = Format::Pidf.print(&document);
    assert!(
        text.contains(
            "<rpid:activities><rpid:on-the-phone/><rpid:other>reading</rpid:other></rpid:activities>"
        ),
        "{text}"
    );
}

#[test]
fn that_somebody_is_there_or_not_is_no_state_that_other_devices_take_over() {
    let mut chat = at(Availability::Online);
    chat.native = Native::Elements { payload: "<priority/>".into(), lang: None };
    let document = composed(vec![state("phone", at(Availability::Online)), state("chat", chat)]);
    let shown: Vec<_> = document.tuples.iter().map(Tuple::extended).collect();
    assert_eq!(shown, [None, Some(Extended::Available)]);
    assert_eq!(Document::offline(ENTITY).tuples[0].extended(), None);
}

#[test]
fn a_phone_that_knows_no_extended_is_given_the_word() {
    let document = composed(vec![publisher("phone", super::BARESIP)]);
    assert_eq!(document.tuples[0].extended(), Some(Extended::Busy));
    assert_eq!(fault(&document), None);
}

#[test]
fn a_phone_with_a_gruu_is_a_device() {
    for (contact, expected) in [
        ("sip:bob@example.org;gr=urn:uuid:1", Some("urn:uuid:1")),
        ("sip:bob@example.org;gr=abc", None),
        ("sip:bob@example.org", None),
    ] {
        let phone =
            ResourceState { contact: Some(contact.into()), ..state("phone", at(Availability::Online)) };
        let document = composed(vec![phone]);
        let found = element::find(&document.tuples[0].extensions, DATA_MODEL, "deviceID").map(Element::text);
        assert_eq!(found.as_deref(), expected, "{contact}");
    }
}

#[test]
fn what_the_schemas_refuse_is_left_out_and_the_rest_stays() {
    let person = "<dm:person><r:mood><r:cheesy/></r:mood><c:icon>::</c:icon><r:sphere> <r:work> </r:work></r:sphere></dm:person>";
    let document = composed(vec![publisher(
        "a",
        &body(&(tuple("t", "<y xmlns=''/><x:z/><r:class>a</r:class>") + person)),
    )]);
    let names = |elements: &[Element]| elements.iter().map(|one| one.name.to_string()).collect::<Vec<_>>();
    assert_eq!(names(&document.tuples[0].extensions), ["z", "class"]);
    assert_eq!(names(&document.persons[0].extensions), ["sphere"]);
    assert_eq!(fault(&document), None);
}

#[test]
fn hard_state_is_shown_while_nobody_is_there() {
    let offline = body(
        "<tuple id='SID-1'><status><basic>closed</basic><a:extended>offline</a:extended></status>\
         <c:icon>https%3A//example.org/i%23b</c:icon><note>back on Monday</note></tuple>\
         <dm:person id='p'><r:activities><r:vacation/></r:activities></dm:person>",
    );
    let native = Native::Mime {
        content_type: "Application/PIDF+xml; charset=utf-8".into(),
        headers: Vec::new(),
        body: offline.into(),
    };
    let aggregate = Presence { native, ..Presence::offline(NOW) };
    let text = print_snapshot(&snapshot(aggregate.clone(), Vec::new()), ENTITY);
    for part in [
        "entity=\"sip:bob@example.org\"",
        "<tuple id=\"SID-1\"><status><basic>closed</basic><agp-pidf:extended>offline</agp-pidf:extended></status>",
        "<c:icon>https://example.org/i#b</c:icon>",
        "<note>back on Monday</note>",
        "<rpid:vacation/>",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let online = snapshot(
        Presence { availability: Availability::Online, ..aggregate },
        vec![state("desk", at(Availability::Online))],
    );
    assert!(!print_snapshot(&online, ENTITY).contains("Monday"));
}

#[test]
fn the_polite_and_the_offline_document_are_one() {
    let nobody = Snapshot { resources: Vec::new(), ..snapshot(Presence::offline(NOW), Vec::new()) };
    assert_eq!(compose(&nobody, ENTITY), Document::offline(ENTITY));
    assert_eq!(fault(&Document::offline(ENTITY)), None);
}
