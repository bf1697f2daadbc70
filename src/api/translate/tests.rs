//! Messages and frames in both directions, as JSON text.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::{
    account::{Copy, Event, Request},
    signal::{
        Activity, Availability, Content, Keep, Message, MessageId, MessageKind, Native, Party, Presence,
        PresenceNotice, Reason, Reject, Text, Timestamp,
    },
};

fn party(text: &str) -> Party {
    Party::parse(text).unwrap()
}

/// A message from bob's phone that says nothing yet.
fn empty() -> Message {
    Message {
        id: MessageId(7),
        from: party("bob@localhost/phone"),
        to: party("alice@localhost"),
        kind: MessageKind::Chat,
        sent: Timestamp(0),
        origin_id: None,
        content: Content::default(),
        native: Native::None,
        keep: Keep::ALL,
    }
}

fn shown(message: &Message) -> Value {
    serde_json::from_str(&print_message(message, Copy::Original)).unwrap()
}

/// What a frame of alice's page wants.
fn wish(frame: &str) -> Result<Wish, Reject> {
    let alice = party("alice@localhost/web");
    parse_frame(frame, &Sender { party: &alice, now: Timestamp(5), message: MessageId(9) }).1
}

fn sent(frame: &str) -> Message {
    match wish(frame) {
        Ok(Wish::Ask(Request::Send(message))) => Message::clone(&message),
        other => panic!("{other:?}"),
    }
}

#[test]
fn message_without_a_body_keeps_its_keys() {
    assert_eq!(
        shown(&empty()),
        json!({
            "type": "message", "id": "00000000000000000000000007", "from": "bob@localhost/phone",
            "to": "alice@localhost", "kind": "chat", "sent": "1970-01-01T00:00:00.000Z", "body": null,
            "subject": null, "lang": null, "thread": null, "originId": null, "copy": "original",
        })
    );
}

#[test]
fn content_without_words_is_named_by_its_type() {
    let picture =
        Native::Mime { content_type: "image/png".into(), headers: Vec::new(), body: bytes::Bytes::new() };
    let secret = Native::Elements { payload: bytes::Bytes::from_static(b"<x xmlns='e'/>"), lang: None };
    let words = Content { bodies: [Text::plain("a fallback")].into_iter().collect(), ..Content::default() };
    for (native, content, expect) in [
        (picture, Content::default(), json!("image/png")),
        (secret.clone(), Content::default(), json!("application/xml")),
        (secret, words, Value::Null),
        (Native::None, Content::default(), Value::Null),
    ] {
        let message = Message { native, content, ..empty() };
        assert_eq!(shown(&message)["unsupported"], expect);
    }
}

#[test]
fn failed_message_says_why() {
    let content =
        Content { error: Some(Reject::with_text(Reason::NoSession, "nobody")), ..Content::default() };
    let message = Message { kind: MessageKind::Error, content, origin_id: Some("o1".into()), ..empty() };
    let json = shown(&message);
    assert_eq!(json["error"], json!({ "reason": "no-session", "text": "nobody" }));
    assert_eq!((&json["kind"], &json["originId"]), (&json!("error"), &json!("o1")));
}

#[test]
fn presence_shows_the_session_and_the_whole() {
    let presence = Presence {
        availability: Availability::Busy,
        activities: [Activity::OnThePhone, Activity::Named("meeting".into())].into_iter().collect(),
        ..Presence::default()
    };
    let aggregate = Some(Arc::new(Presence::online(Timestamp(0))));
    let notice = PresenceNotice::new(party("bob@localhost/phone"), Arc::new(presence), aggregate);
    let text = print_event(&Event::Presence(Arc::new(notice))).unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&text).unwrap(),
        json!({
            "type": "presence", "from": "bob@localhost", "resource": "phone", "availability": "busy",
            "note": null, "activities": ["on-the-phone", "meeting"],
            "aggregate": { "availability": "online", "note": null, "activities": [] },
        })
    );
}

#[test]
fn message_is_from_the_session_and_goes_by_the_servers_id() {
    let message = sent(r#"{"type":"message","to":"bob@localhost/phone","body":"Hello"}"#);
    assert_eq!((message.id, message.sent, message.keep), (MessageId(9), Timestamp(5), Keep::ALL));
    assert_eq!(message.from, party("alice@localhost/web"));
    assert_eq!(message.to, party("bob@localhost/phone"));
    assert_eq!(message.origin_id.as_deref(), Some("00000000000000000000000009"));
    assert_eq!(message.content.body(), Some("Hello"));
}

#[test]
fn what_is_worth_keeping_is_kept() {
    for (frame, keep) in [
        (r#"{"type":"message","to":"b@c","body":"x","kind":"normal"}"#, Keep::ALL),
        (r#"{"type":"message","to":"b@c","body":"x","kind":"headline"}"#, Keep::PASSING),
        (r#"{"type":"typing","to":"b@c","state":"paused"}"#, Keep::PASSING),
        (
            r#"{"type":"receipt","to":"b@c","kind":"delivered","of":"o"}"#,
            Keep { archive: false, ..Keep::ALL },
        ),
    ] {
        assert_eq!(sent(frame).keep, keep, "{frame}");
    }
}

#[test]
fn characters_that_xml_cannot_carry_are_left_out() {
    let message = sent("{\"type\":\"message\",\"to\":\"b@c\",\"body\":\"a\\u0000b\\u000b\\tc\\uffffd\\n\"}");
    assert_eq!(message.content.body(), Some("ab\tcd\n"));
}

#[test]
fn long_words_are_refused_and_not_repeated() {
    let long = "x".repeat(5000);
    for frame in [
        json!({ "type": "presence", "availability": long }),
        json!({ "type": "presence", "availability": "away", "note": long }),
        json!({ "type": "message", "to": long, "body": "x" }),
        json!({ "type": "message", "to": "b@c", "body": "x", "originId": long }),
        json!({ "type": "message", "to": "b@c", "body": "x", "thread": "" }),
        json!({ "type": long }),
    ] {
        let reject = wish(&frame.to_string()).unwrap_err();
        assert!(reject.text.unwrap().len() < 400, "{}", &frame.to_string()[..60]);
    }
}

#[test]
fn new_contact_can_be_asked_at_once() {
    let frame = r#"{"type":"setContact","address":"b@c","groups":["A"],"subscribe":true}"#;
    assert!(matches!(wish(frame), Ok(Wish::AskBoth(Request::SetContact { .. }, Request::Contact { .. }))));
    let frame = r#"{"type":"setContact","address":"b@c"}"#;
    assert!(matches!(wish(frame), Ok(Wish::Ask(Request::SetContact { .. }))));
}
