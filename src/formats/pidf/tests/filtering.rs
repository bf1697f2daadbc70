//! RFC 5025 §3.3: what is granted is seen, and nothing else.

use std::collections::BTreeSet;

use super::{
    composition::{ENTITY, body, composed, fault, publisher},
    publications,
};
use crate::{
    formats::pidf::*,
    signal::{Attribute, Attributes, Granted, Selector, UserInput, View},
};
use proptest::prelude::*;

fn document() -> Document {
    let one = body(
        "<tuple id='desk'><status><basic>open</basic><a:extended>busy</a:extended></status><r:class>work</r:class>\
         <r:privacy><r:audio/></r:privacy><r:relationship><r:self/></r:relationship>\
         <r:service-class><r:electronic/></r:service-class>\
         <r:user-input idle-threshold='600' last-input='2026-11-20T11:00:00Z'>idle</r:user-input>\
         <dm:deviceID>urn:uuid:1</dm:deviceID><x:y/><contact>sip:Bob@Example.org</contact><note>hi</note></tuple>\
         <dm:person id='p1'><r:class>work</r:class><r:activities><r:meeting/></r:activities><r:mood><r:sad/></r:mood>\
         <dm:timestamp>2026-11-20T11:00:00Z</dm:timestamp></dm:person>\
         <dm:device id='d1'><r:class>work</r:class><dm:deviceID>urn:uuid:1</dm:deviceID><dm:note>box</dm:note></dm:device>",
    );
    let other = body(
        "<tuple id='desk'><status><basic>open</basic></status><contact>mailto:bob@example.org</contact></tuple>\
         <dm:person id='p2'><r:class>home</r:class><r:mood><r:happy/></r:mood><r:place-is><r:audio><r:ok/></r:audio></r:place-is>\
         <dm:note>free</dm:note><dm:timestamp>2026-11-20T11:30:00Z</dm:timestamp></dm:person>\
         <dm:device id='d2'><dm:deviceID>urn:uuid:2</dm:deviceID></dm:device>",
    );
    composed(vec![publisher("a", &one), publisher("b", &other)])
}

fn services(selector: Selector) -> View {
    View { services: Granted::Some([selector].into()), ..View::everything() }
}

#[test]
fn services_are_named_in_every_way() {
    for (selector, expected) in [
        (Selector::Class("work".into()), &["desk"][..]),
        (Selector::Class("Work".into()), &[]),
        // As it was published, though one of them had to be given another id.
        (Selector::Occurrence("desk".into()), &["desk", "ID-b.desk"]),
        (Selector::Occurrence("ID-b.desk".into()), &["ID-b.desk"]),
        (Selector::ServiceUri("SIP:Bob@example.ORG".into()), &["desk"]),
        (Selector::ServiceUri("sip:bob@example.org".into()), &[]),
        (Selector::ServiceScheme("mailto".into()), &["ID-b.desk"]),
        (Selector::DeviceId("urn:uuid:1".into()), &[]),
    ] {
        let seen = filter(&document(), &services(selector.clone()));
        let ids: Vec<_> = seen.tuples.iter().map(|tuple| tuple.id.as_str()).collect();
        assert_eq!(ids, expected, "{selector:?}");
        assert_eq!((seen.persons.len(), seen.devices.len()), (1, 2));
    }
}

#[test]
fn devices_are_named_in_every_way() {
    for (selector, expected) in [
        (Selector::Class("work".into()), &["d1"][..]),
        (Selector::Occurrence("d2".into()), &["d2"]),
        (Selector::DeviceId("URN:UUID:2".into()), &["d2"]),
        (Selector::ServiceScheme("urn".into()), &[]),
    ] {
        let view = View { devices: Granted::Some([selector.clone()].into()), ..View::everything() };
        let seen = filter(&document(), &view);
        let ids: Vec<_> = seen.devices.iter().map(|device| device.id.as_str()).collect();
        assert_eq!(ids, expected, "{selector:?}");
    }
}

#[test]
fn a_person_is_made_of_those_that_may_be_seen() {
    let whole = Format::Pidf.print(&document());
    assert!(whole.contains("happy") && whole.contains("meeting") && whole.contains("place-is"));
    for (selector, shown, hidden) in [
        (Selector::Class("work".into()), &["sad", "meeting"][..], &["happy", "place-is", "free"][..]),
        (Selector::Occurrence("p2".into()), &["happy", "place-is", "free"], &["meeting", "sad"]),
        (Selector::Occurrence("PERSON".into()), &["happy", "meeting"], &["sad"]),
        (Selector::Occurrence("p3".into()), &[], &["happy", "meeting", "sad", "dm:person"]),
    ] {
        let view = View { persons: Granted::Some([selector.clone()].into()), ..View::everything() };
        let seen = filter(&document(), &view);
        let text = Format::Pidf.print(&seen);
        assert!(shown.iter().all(|word| text.contains(word)), "{selector:?} {text}");
        assert!(!hidden.iter().any(|word| text.contains(word)), "{selector:?} {text}");
        assert_eq!(fault(&seen), None);
    }
}

/// The words of the document that a watcher sees who may see these attributes.
fn words(named: &[Attribute], user_input: UserInput, unknown: &[(&str, &str)]) -> Vec<&'static str> {
    let unknown = unknown.iter().map(|(space, name)| ((*space).into(), (*name).into())).collect();
    let attributes = Attributes::Some { named: named.iter().copied().collect(), user_input, unknown };
    let text = Format::Pidf.print(&filter(&document(), &View { attributes, ..View::everything() }));
    for always in [
        "<basic>open",
        "rpid:service-class",
        "<contact",
        "<timestamp",
        "dm:timestamp",
        "<dm:deviceID>urn:uuid:2",
    ] {
        assert!(text.contains(always), "{always}: {text}");
    }
    let all = [
        "rpid:activities",
        "rpid:class",
        "rpid:mood",
        "note>",
        "rpid:place-is",
        "rpid:privacy",
        "rpid:relationship",
        "agp-pidf:extended>",
        ":y/>",
        "idle<",
        "idle-threshold",
        "last-input",
    ];
    let mut found: Vec<_> = all.into_iter().filter(|word| text.contains(word)).collect();
    if text.matches("<dm:deviceID>").count() == 3 {
        found.push("deviceID");
    }
    found
}

#[test]
fn attributes_are_seen_where_they_are_granted() {
    use Attribute as A;
    for (attribute, expected) in [
        (A::Activities, &["rpid:activities"][..]),
        (A::Class, &["rpid:class"]),
        (A::DeviceId, &["deviceID"]),
        (A::Mood, &["rpid:mood"]),
        (A::Note, &["note>"]),
        (A::PlaceIs, &["rpid:place-is"]),
        (A::PlaceType, &[]),
        (A::Privacy, &["rpid:privacy"]),
        (A::Relationship, &["rpid:relationship"]),
        (A::Sphere, &[]),
        (A::StatusIcon, &[]),
        (A::TimeOffset, &[]),
    ] {
        assert_eq!(words(&[attribute], UserInput::False, &[]), expected, "{attribute:?}");
    }
    for (input, expected) in [
        (UserInput::False, &[][..]),
        (UserInput::Bare, &["idle<"]),
        (UserInput::Thresholds, &["idle<", "idle-threshold"]),
        (UserInput::Full, &["idle<", "idle-threshold", "last-input"]),
    ] {
        assert_eq!(words(&[], input, &[]), expected, "{input:?}");
    }
    assert_eq!(words(&[], UserInput::False, &[("urn:x", "y")]), [":y/>"]);
    assert_eq!(
        words(&[], UserInput::False, &[("urn:y", "y"), ("urn:ietf:params:xml:ns:pidf:rpid", "mood")]),
        [""; 0]
    );
    assert_eq!(
        words(&[], UserInput::False, &[("urn:ag-projects:xml:ns:pidf", "extended")]),
        ["agp-pidf:extended>"]
    );
}

#[test]
fn everything_is_everything_and_nothing_nothing() {
    let mut whole = document();
    let seen = filter(&whole, &View::everything());
    whole.persons[0].occurrences.clear();
    assert_eq!(seen, whole);
    assert_eq!(filter(&whole, &View::nothing()), Document { entity: ENTITY.into(), ..Document::default() });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_left_is_valid_and_was_there(
        text in publications::document(), other in publications::document(), class in proptest::bool::ANY
    ) {
        let document = composed(vec![publisher("a", &text), publisher("b", &other)]);
        let selector = if class { Selector::Class("work".into()) } else { Selector::Occurrence("t1".into()) };
        let some = || Granted::Some([selector.clone()].into());
        let attributes = Attributes::Some {
            named: [Attribute::Mood, Attribute::Activities].into(),
            user_input: UserInput::Bare,
            unknown: BTreeSet::new(),
        };
        let view = View { services: some(), persons: some(), devices: some(), attributes };
        let seen = filter(&document, &view);
        prop_assert_eq!(fault(&seen), None);
        let printed = Format::Pidf.print(&seen);
        prop_assert!(!printed.contains("<note") && !printed.contains("servcaps") && !printed.contains("last-input"));
        prop_assert!(seen.tuples.iter().all(|tuple| document.tuples.iter().any(|whole| whole.id == tuple.id)));
    }
}
