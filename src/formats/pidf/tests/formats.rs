//! What each format makes of a document, and of the examples of the specifications.

use super::{
    at,
    composition::{ENTITY, body, composed, fault, publisher},
    read, snapshot, state,
};
use crate::{
    formats::{pidf::*, xml::Limits},
    signal::{Activity, Availability, Presence, Timestamp},
};

/// The presence documents that the specifications print as examples.
const EXAMPLES: &[(&str, &str)] = &[
    ("rfc3863-1", include_str!("../../../../tests/data/presence/rfc3863-1.xml")),
    ("rfc3863-2", include_str!("../../../../tests/data/presence/rfc3863-2.xml")),
    ("rfc3863-3", include_str!("../../../../tests/data/presence/rfc3863-3.xml")),
    ("rfc3863-4", include_str!("../../../../tests/data/presence/rfc3863-4.xml")),
    ("rfc3863-5", include_str!("../../../../tests/data/presence/rfc3863-5.xml")),
    ("rfc3863-6", include_str!("../../../../tests/data/presence/rfc3863-6.xml")),
    ("rfc4480-1", include_str!("../../../../tests/data/presence/rfc4480-1.xml")),
    ("rfc4482-1", include_str!("../../../../tests/data/presence/rfc4482-1.xml")),
    ("rfc4482-2", include_str!("../../../../tests/data/presence/rfc4482-2.xml")),
    ("rfc5196-1", include_str!("../../../../tests/data/presence/rfc5196-1.xml")),
];

fn parse(text: &str) -> Document {
    Document::parse(text.as_bytes(), &Limits::default()).unwrap()
}

/// The names of all elements, sorted.
fn names(document: &Document) -> Vec<String> {
    let tree = tree::tree_of(document, PIDF);
    let mut names = Vec::new();
    let mut stack = vec![&tree];
    while let Some(element) = stack.pop() {
        names.push(format!("{} {}", element.namespace, element.name));
        stack.extend(element.children());
    }
    names.sort();
    names
}

#[test]
fn examples_are_read_and_written_without_loss() {
    for (name, text) in EXAMPLES {
        let document = parse(text);
        assert_eq!(parse(&Format::Pidf.print(&document)), document, "{name}");
        assert_eq!(parse(&Format::CpimPidf.print(&document)), document, "{name}");
    }
}

#[test]
fn examples_are_composed_without_loss() {
    for (name, text) in EXAMPLES {
        let document = composed(vec![publisher("desk", text)]);
        assert_eq!(fault(&document), None, "{name}");
        let (was, is) = (names(&parse(text)), names(&document));
        let lost: Vec<_> = was.iter().filter(|name| !is.contains(name)).collect();
        match *name {
            // Its sphere is a text, which its own schema does not allow.
            "rfc4480-1" => assert_eq!(lost, [&format!("{RPID} sphere")]),
            _ => assert!(lost.is_empty(), "{name} {lost:?}"),
        }
    }
}

#[test]
fn capabilities_in_another_order_are_put_right() {
    let full = include_str!("../../../../tests/data/presence/rfc5263-1.xml");
    let text = full.replace("p:pidf-full", "presence").replace("version=\"1\"", "");
    let document = composed(vec![publisher("desk", &text)]);
    let printed = Format::Pidf.print(&document);
    assert!(
        printed.contains(
            "<caps:servcaps><caps:audio>true</caps:audio><caps:message>true</caps:message>\
             <caps:video>false</caps:video></caps:servcaps>"
        ),
        "{printed}"
    );
}

#[test]
fn older_pidf_is_the_same_in_its_own_namespace() {
    let document = composed(vec![publisher("desk", super::BLINK)]);
    let text = Format::CpimPidf.print(&document);
    assert!(text.contains("<presence xmlns=\"urn:ietf:params:xml:ns:cpim-pidf\""), "{text}");
    assert_eq!(parse(&text), parse(&Format::Pidf.print(&document)));
    assert_eq!(read(&text), read(&Format::Pidf.print(&document)));
}

/// Sessions in this state, with a contact and a priority each.
fn sessions(said: Presence) -> Document {
    let mut phone = state("phone", Presence { priority: 102, ..said.clone() });
    phone.contact = Some("sip:1@192.0.2.1".into());
    compose(&snapshot(said.clone(), vec![phone, state("desk", Presence { priority: -1, ..said })]), ENTITY)
}

#[test]
fn lpidf_lists_the_addresses_that_are_there() {
    assert_eq!(
        Format::Lpidf.print(&sessions(at(Availability::Online))),
        "To: <sip:bob@example.org>\r\nContact: <sip:1@192.0.2.1>;q=0.80\r\nContact: <sip:bob@example.org>\r\n"
    );
    assert_eq!(Format::Lpidf.print(&Document::offline(ENTITY)), "To: <sip:bob@example.org>\r\n");
}

#[test]
fn xpidf_has_an_atom_for_each_address() {
    assert_eq!(
        Format::Xpidf.print(&sessions(at(Availability::Online))),
        "<?xml version=\"1.0\"?>\n\
         <!DOCTYPE presence PUBLIC \"-//IETF//DTD RFCxxxx XPIDF 1.0//EN\" \"xpidf.dtd\">\n\
         <presence><presentity uri=\"sip:bob@example.org;method=SUBSCRIBE\"></presentity>\
         <atom id=\"ID-phone\"><address uri=\"sip:1@192.0.2.1\" priority=\"0.80\"><status status=\"open\"></status>\
         <msnsubstatus substatus=\"online\"></msnsubstatus></address></atom>\
         <atom id=\"ID-desk\"><address uri=\"sip:bob@example.org\"><status status=\"open\"></status>\
         <msnsubstatus substatus=\"online\"></msnsubstatus></address></atom></presence>"
    );
    for document in [Document::offline(ENTITY), Document { entity: ENTITY.into(), ..Document::default() }] {
        let text = Format::Xpidf.print(&document);
        assert!(text.contains("<status status=\"closed\"></status></address></atom>"), "{text}");
        assert_eq!(text.matches("<atom").count(), 1);
    }
}

#[test]
fn messenger_is_told_what_the_person_does() {
    let doing = |availability, name: &str| {
        let mut said = at(availability);
        said.activities.extend((!name.is_empty()).then(|| activity::from_name(name)));
        said
    };
    let idle = |availability| Presence { idle_since: Some(Timestamp(0)), ..at(availability) };
    for (said, expected) in [
        (at(Availability::Online), "online"),
        (at(Availability::Away), "away"),
        (at(Availability::ExtendedAway), "away"),
        (at(Availability::Busy), "busy"),
        (doing(Availability::Busy, "on-the-phone"), "onthephone"),
        (doing(Availability::Busy, "meeting"), "busy"),
        (doing(Availability::Away, "meal"), "outtolunch"),
        (idle(Availability::Away), "idle"),
        (idle(Availability::Busy), "busy"),
    ] {
        let text = Format::Xpidf.print(&sessions(said));
        assert!(text.contains(&format!("substatus=\"{expected}\"")), "{expected} {text}");
    }
    assert_eq!(activity::from_name("on-the-phone"), Activity::OnThePhone);
}

#[test]
fn what_people_write_stays_text_in_every_format() {
    let hostile = body(
        "<tuple id='t'><status><basic>open</basic></status><contact>sip:&lt;a&gt;&quot;&#13;&#10;X: y@b</contact>\
         <note>&lt;/presence&gt;</note></tuple>",
    );
    let document = composed(vec![publisher("desk", &hostile)]);
    for format in Format::ALL {
        let text = format.print(&document);
        assert!(!text.contains("<a>") && !text.contains("\nX:"), "{text}");
        assert_eq!(text.matches("</presence>").count(), usize::from(text.contains("<presence")), "{text}");
    }
}
