mod composition;
mod filtering;
mod formats;
mod partial;
mod publications;

use std::sync::Arc;

use super::*;
use crate::{
    formats::xml::Limits,
    signal::{Activity, Address, Presence, Resource, ResourceState, Snapshot, Text, Timestamp},
};

const NOW: Timestamp = Timestamp(1_795_176_000_000);

/// The document of everything in `snapshot` for `entity`, as `application/pidf+xml`.
fn print_snapshot(snapshot: &Snapshot, entity: &str) -> String {
    write::print_pidf(&compose(snapshot, entity))
}

fn read(body: &str) -> Presence {
    Document::parse(body.as_bytes(), &Limits::default()).unwrap().presence(NOW)
}

fn tuple(inside: &str, after: &str) -> String {
    format!(
        "<presence xmlns='urn:ietf:params:xml:ns:pidf' xmlns:r='urn:ietf:params:xml:ns:pidf:rpid' \
         xmlns:dm='urn:ietf:params:xml:ns:pidf:data-model' xmlns:a='urn:ag-projects:xml:ns:pidf' \
         entity='sip:a@b'><tuple id='t'>{inside}</tuple>{after}</presence>"
    )
}

/// As Blink publishes: every URI escaped, `extended` beside `basic`.
const BLINK: &str = r##"<?xml version='1.0' encoding='UTF-8'?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:agp-pidf="urn:ag-projects:xml:ns:pidf" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" xmlns:caps="urn:ietf:params:xml:ns:pidf:caps" xmlns:agp-caps="urn:ag-projects:xml:ns:pidf:caps" xmlns:c="urn:ietf:params:xml:ns:pidf:cipid" entity="sip%3Aalice%40example.com"><tuple id="SID-f81d4fae-7dec-11d0-a765-00a0c91e6bf6"><status><basic>open</basic><agp-pidf:extended>away</agp-pidf:extended></status><caps:servcaps><caps:audio>true</caps:audio><caps:message>true</caps:message><caps:text>false</caps:text><agp-caps:file-transfer>true</agp-caps:file-transfer></caps:servcaps><c:display-name>Alice</c:display-name><agp-pidf:device-info id="f81d4fae-7dec-11d0-a765-00a0c91e6bf6"><agp-pidf:description>host1</agp-pidf:description><agp-pidf:user-agent>Blink Qt</agp-pidf:user-agent><agp-pidf:time-offset>0.0</agp-pidf:time-offset></agp-pidf:device-info><rpid:user-input idle-threshold="600">active</rpid:user-input><dm:deviceID>f81d4fae-7dec-11d0-a765-00a0c91e6bf6</dm:deviceID><contact>sip%3Aalice%40example.com%3Bgr%3Durn%3Auuid%3Af81d4fae-7dec-11d0-a765-00a0c91e6bf6</contact><note>in a meeting</note><timestamp>2026-11-20T12:13:39.184449+00:00</timestamp></tuple><dm:person id="PID-d41d8cd98f"><rpid:activities><rpid:other>away</rpid:other></rpid:activities><dm:timestamp>2026-11-20T12:13:39.184449+00:00</dm:timestamp></dm:person><dm:device id="DID-f81d4fae-7dec-11d0-a765-00a0c91e6bf6"><dm:deviceID>f81d4fae-7dec-11d0-a765-00a0c91e6bf6</dm:deviceID><dm:note>Blink at host1</dm:note><dm:timestamp>2026-11-20T12:13:39.184449+00:00</dm:timestamp></dm:device></presence>"##;

/// As baresip publishes: the person before the tuple.
const BARESIP: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf"
    xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model"
    xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid"
    entity="sip:bob@example.org">
  <dm:person id="p4159"><rpid:activities><rpid:busy/></rpid:activities></dm:person>
  <tuple id="t4109">
    <status>
      <basic>open</basic>
    </status>
    <contact>sip:bob@example.org</contact>
  </tuple>
</presence>
"#;

#[test]
fn document_of_blink_is_read() {
    let document = Document::parse(BLINK.as_bytes(), &Limits::default()).unwrap();
    assert_eq!(document.entity, "sip:alice@example.com");
    let tuple = document.principal().unwrap();
    assert_eq!(
        tuple.contact.as_ref().map(|contact| contact.uri.as_str()),
        Some("sip:alice@example.com;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6")
    );
    let presence = document.presence(NOW.plus_seconds(3600));
    assert_eq!(presence.availability, Availability::Away);
    assert_eq!(presence.notes[0], Text::plain("in a meeting"));
    assert_eq!(presence.since.to_string(), "2026-11-20T12:13:39.184Z");
    assert_eq!((presence.idle_since, presence.activities.len()), (None, 0));
}

#[test]
fn document_of_baresip_is_read_though_the_person_comes_first() {
    let presence = read(BARESIP);
    assert_eq!(presence.availability, Availability::Busy);
    assert_eq!(presence.activities[..], [Activity::Named("busy".into())]);
    assert_eq!(presence.since, NOW);
}

#[test]
fn state_is_read_from_what_means_it() {
    let person =
        |activity: &str| format!("<dm:person id='p'><r:activities>{activity}</r:activities></dm:person>");
    let open = "<status><basic>open</basic></status>";
    let closed = "<status><basic>closed</basic></status>";
    let show =
        |show: &str| format!("<status><basic>open</basic><show xmlns='jabber:client'>{show}</show></status>");
    let extended =
        |word: &str| format!("<status><basic>open</basic><a:extended>{word}</a:extended></status>");
    for (inside, after, expected) in [
        (open.to_owned(), String::new(), Availability::Online),
        (closed.to_owned(), person("<r:busy/>"), Availability::Offline),
        (String::new(), String::new(), Availability::Online),
        ("<status><basic>unknown</basic></status>".to_owned(), String::new(), Availability::Online),
        (open.to_owned(), person("<r:away/>"), Availability::Away),
        (open.to_owned(), person("<r:lunch/>"), Availability::Away),
        (open.to_owned(), person("<r:away/><r:vacation/>"), Availability::ExtendedAway),
        (open.to_owned(), person("<r:vacation/><r:meeting/>"), Availability::Busy),
        (open.to_owned(), person("<r:on-the-phone/>"), Availability::Busy),
        (open.to_owned(), person("<r:tv/>"), Availability::Online),
        (open.to_owned(), person("<r:other>busy</r:other>"), Availability::Online),
        (show("xa"), person("<r:away/>"), Availability::ExtendedAway),
        (show("dnd"), String::new(), Availability::Busy),
        (show("chat"), String::new(), Availability::Online),
        (show("nonsense"), person("<r:away/>"), Availability::Away),
        (extended("busy"), String::new(), Availability::Busy),
        (extended("available"), person("<r:meeting/>"), Availability::Busy),
        (extended("offline"), String::new(), Availability::Offline),
        (format!("{open}<note>busy, do not disturb</note>"), String::new(), Availability::Online),
    ] {
        let presence = read(&tuple(&inside, &after));
        assert_eq!(presence.availability, expected, "{inside} {after}");
    }
    assert!(read(&tuple(&show("chat"), "")).eager);
}

#[test]
fn notes_priority_and_idle_time_are_read() {
    let presence = read(&tuple(
        "<status><basic>open</basic></status><r:user-input last-input='2026-11-20T11:00:00z'>idle</r:user-input>\
         <contact priority='0.5'>sip:x@y</contact><note xml:lang='de'>da</note><note>here</note>",
        "<note>not this</note>",
    ));
    let notes: Vec<_> =
        presence.notes.iter().map(|note| (note.lang.as_deref(), note.text.as_str())).collect();
    assert_eq!(notes, [(Some("de"), "da"), (None, "here")]);
    assert_eq!(presence.priority, 64);
    assert_eq!(presence.idle_since.unwrap().to_string(), "2026-11-20T11:00:00.000Z");
}

#[test]
fn a_sphere_is_read_where_the_persons_agree() {
    let person = |sphere: &str| format!("<dm:person id='p'><r:sphere>{sphere}</r:sphere></dm:person>");
    for (persons, expected) in [
        (String::new(), None),
        (person("<r:work/>"), Some("work")),
        (person("Bowling League"), Some("bowling league")),
        (person("<r:work/>") + &person("<r:work/>"), Some("work")),
        (person("<r:work/>") + &person("<r:home/>"), None),
        (person("<r:unknown/>") + &person(""), None),
    ] {
        assert_eq!(read(&tuple("<status/>", &persons)).sphere.as_deref(), expected, "{persons}");
    }
}

#[test]
fn a_clock_that_is_ahead_is_not_believed() {
    let presence = read(&tuple("<status/><timestamp>2099-01-01T00:00:00Z</timestamp>", ""));
    assert_eq!(presence.since, NOW);
}

#[test]
fn an_open_tuple_speaks_before_a_closed_one_and_the_newer_before_the_older() {
    let document = |tuples: &str| {
        let text =
            format!("<presence xmlns='urn:ietf:params:xml:ns:pidf' entity='sip:a@b'>{tuples}</presence>");
        Document::parse(text.as_bytes(), &Limits::default()).unwrap()
    };
    let one = |id: &str, basic: &str, at: &str| {
        format!(
            "<tuple id='{id}'><status><basic>{basic}</basic></status><timestamp>2026-01-0{at}T00:00:00Z</timestamp></tuple>"
        )
    };
    for (tuples, expected) in [
        (one("a", "closed", "3") + &one("b", "open", "1"), Some("b")),
        (one("a", "open", "1") + &one("b", "open", "2"), Some("b")),
        (one("a", "open", "1") + &one("b", "open", "1"), Some("a")),
        (String::new(), None),
    ] {
        let document = document(&tuples);
        assert_eq!(document.principal().map(|tuple| tuple.id.as_str()), expected, "{tuples}");
    }
}

#[test]
fn what_is_no_presence_document_is_refused() {
    let body = |inside: &str| tuple("<status/>", "").replace("<status/>", inside);
    let namespaces: String = (0..64).map(|at| format!("<x xmlns='urn:{at}'/>")).collect();
    for (text, expected) in [
        ("<presence/>".to_owned(), PidfError::Root),
        ("<presence xmlns='urn:ietf:params:xml:ns:pidf'/>".to_owned(), PidfError::Entity),
        (body("<status><basic>ajar</basic></status>"), PidfError::Basic),
        (body("<status/><status/>"), PidfError::RepeatedPart),
        (body("<contact>sip:a@b</contact><contact>sip:c@d</contact>"), PidfError::RepeatedPart),
        ("<list xmlns='urn:ietf:params:xml:ns:pidf'/>".to_owned(), PidfError::Root),
        (tuple("", "<tuple id='t'/>"), PidfError::RepeatedId),
        (tuple("", "<tuple/>"), PidfError::TupleId),
        (tuple("", &"<x xmlns='urn:x'/>".repeat(128)), PidfError::TooMany),
        (tuple("", &namespaces), PidfError::TooMany),
    ] {
        assert_eq!(Document::parse(text.as_bytes(), &Limits::default()), Err(expected), "{text}");
    }
    assert!(matches!(Document::parse(b"hello", &Limits::default()), Err(PidfError::Xml(_))));
}

fn state(resource: &str, presence: Presence) -> ResourceState {
    ResourceState {
        resource: Resource::new(resource).unwrap(),
        contact: None,
        takes_messages: true,
        takes_calls: false,
        presence: Arc::new(presence),
    }
}

fn snapshot(aggregate: Presence, resources: Vec<ResourceState>) -> Snapshot {
    let of = Address::parse("bob@example.org").unwrap();
    Snapshot { of, aggregate: Arc::new(aggregate), resources, picture: None }
}

fn at(availability: Availability) -> Presence {
    Presence { availability, since: NOW, ..Presence::default() }
}

#[test]
fn tuples_come_before_the_person_and_their_parts_in_order() {
    let mut away = at(Availability::ExtendedAway);
    away.notes.push(Text { lang: Some("en".into()), text: "gone <fishing> & \"more\"".into() });
    away.idle_since = Some(Timestamp(0));
    away.priority = 64;
    let mut phone = state("my phone", away.clone());
    phone.contact = Some("sip:1@192.0.2.1:5060;transport=tcp".into());
    let text = print_snapshot(&snapshot(away, vec![phone]), "sip:bob@example.org");
    let (_, body) = text.split_once("entity=").unwrap();
    assert_eq!(
        body,
        "\"sip:bob@example.org\"><tuple id=\"ID-my_20phone\"><status><basic>open</basic>\
         <show xmlns=\"jabber:client\">xa</show><agp-pidf:extended>away</agp-pidf:extended></status>\
         <caps:servcaps><caps:audio>false</caps:audio><caps:message>true</caps:message></caps:servcaps>\
         <rpid:user-input last-input=\"1970-01-01T00:00:00.000Z\">idle</rpid:user-input>\
         <contact priority=\"0.50\">sip:1@192.0.2.1:5060;transport=tcp</contact>\
         <note xml:lang=\"en\">gone &lt;fishing&gt; &amp; &quot;more&quot;</note>\
         <timestamp>2026-11-20T12:00:00.000Z</timestamp></tuple>\
         <dm:person id=\"PERSON\"><rpid:activities><rpid:away/></rpid:activities>\
         <rpid:user-input last-input=\"1970-01-01T00:00:00.000Z\">idle</rpid:user-input>\
         <dm:note xml:lang=\"en\">gone &lt;fishing&gt; &amp; &quot;more&quot;</dm:note>\
         <dm:timestamp>2026-11-20T12:00:00.000Z</dm:timestamp></dm:person></presence>"
    );
}

#[test]
fn what_was_written_means_the_same_when_read() {
    for availability in
        [Availability::Online, Availability::Away, Availability::ExtendedAway, Availability::Busy]
    {
        for eager in [false, true] {
            let mut said = at(availability);
            said.eager = eager && availability == Availability::Online;
            said.priority = 127;
            let text = print_snapshot(
                &snapshot(said.clone(), vec![state("x", said.clone())]),
                "sip:bob@example.org",
            );
            let heard = read(&text);
            assert_eq!(
                (heard.availability, heard.eager, heard.since, heard.priority),
                (said.availability, said.eager, said.since, said.priority),
                "{text}"
            );
        }
    }
}

#[test]
fn a_person_in_a_call_is_on_the_phone_and_unknown_activities_are_words() {
    let mut said = at(Availability::Busy);
    said.activities.push(Activity::OnThePhone);
    said.activities.push(Activity::Named("juggling <balls>".into()));
    let text = print_snapshot(&snapshot(said.clone(), vec![state("x", said)]), "sip:bob@example.org");
    assert!(text.contains(
        "<rpid:activities><rpid:on-the-phone/><rpid:other>juggling &lt;balls&gt;</rpid:other></rpid:activities>"
    ));
}

#[test]
fn nobody_there_is_one_closed_tuple_and_no_person() {
    let text = print_snapshot(&snapshot(Presence::offline(NOW), Vec::new()), "sip:bob@example.org");
    assert_eq!(text, write::print_pidf(&Document::offline("sip:bob@example.org")));
    assert_eq!(text.matches("<tuple").count(), 1);
    assert!(!text.contains("dm:person") && !text.contains("timestamp"));
    assert_eq!(read(&text).availability, Availability::Offline);
}

#[test]
fn names_of_sessions_become_distinct_ids() {
    for (resource, id) in [
        ("phone", "ID-phone"),
        ("a b", "ID-a_20b"),
        ("a_20b", "ID-a_5F20b"),
        ("ü", "ID-_C3_BC"),
        ("1", "ID-1"),
    ] {
        assert_eq!(tuple_id(resource), id);
    }
}
