use std::sync::Arc;

use super::message::Envelope;
use super::*;
use crate::account::Copy;
use crate::signal::{
    Activity, Availability, Content, Keep, Memo, Message, MessageId, MessageKind, Party, Presence,
    PresenceNotice, Reason, Receipt, ReceiptKind, Reject, Text, Timestamp, Typing,
};
use crate::xmpp::stanza::{Event, Limits, Scanner};
use crate::xmpp::xep::caps;

fn stanza(text: &str) -> Stanza {
    let mut scanner = Scanner::new(Limits::default());
    scanner.feed(b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>");
    scanner.feed(text.as_bytes());
    let _ = scanner.next_event();
    match scanner.next_event() {
        Ok(Some(Event::Stanza(stanza))) => stanza,
        other => panic!("{text}: {other:?}"),
    }
}

fn party(text: &str) -> Party {
    Party::parse(text).expect("a party")
}

fn message(text: &str) -> Message {
    let envelope = Envelope {
        id: MessageId(7),
        from: party("alice@x/a"),
        to: party("bob@x"),
        language: None,
        now: Timestamp(1_767_323_045_678),
    };
    parse_message(&stanza(text), envelope)
}

#[test]
fn content_is_read() {
    let message = message(
        "<message type='chat' id='1' xml:lang='de'><subject>S</subject><body>a&amp;b</body><body xml:lang='en'>c</body>\
         <thread>t</thread><active xmlns='http://jabber.org/protocol/chatstates'/>\
         <request xmlns='urn:xmpp:receipts'/><markable xmlns='urn:xmpp:chat-markers:0'/></message>",
    );
    let expected = Content {
        bodies: vec![
            Text { lang: Some("de".into()), text: "a&b".into() },
            Text { lang: Some("en".into()), text: "c".into() },
        ]
        .into(),
        subjects: vec![Text { lang: Some("de".into()), text: "S".into() }].into(),
        thread: Some("t".into()),
        typing: Some(Typing::Active),
        wants_delivered: true,
        wants_displayed: true,
        ..Content::default()
    };
    assert_eq!((message.kind, message.origin_id.as_deref()), (MessageKind::Chat, Some("1")));
    assert_eq!(message.content, expected);
}

#[test]
fn receipts_and_errors_are_read() {
    let receipt = |text: &str| message(&format!("<message>{text}</message>")).content.receipt;
    let of = |kind| Some(Receipt { kind, of: "m'1".into() });
    assert_eq!(receipt("<received xmlns='urn:xmpp:receipts' id='m&apos;1'/>"), of(ReceiptKind::Delivered));
    assert_eq!(receipt("<received xmlns='urn:xmpp:chat-markers:0' id=\"m'1\"/>"), of(ReceiptKind::Delivered));
    assert_eq!(
        receipt("<displayed xmlns='urn:xmpp:chat-markers:0' id=\"m'1\"/>"),
        of(ReceiptKind::Displayed)
    );
    let error = message(
        "<message type='error'><body>x</body><error type='cancel'><item-not-found \
         xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>",
    );
    assert_eq!(error.content.error, Some(Reject::from(Reason::NotFound)));
}

#[test]
fn copies_follow_kind_content_and_hints() {
    let none = Keep::NONE;
    let storing = Keep { carbons: false, ..Keep::ALL };
    for (attributes, content, expected) in [
        ("type='chat'", "<body>a</body>", Keep::ALL),
        ("", "<body>a</body>", Keep::ALL),
        ("type='chat'", "<composing xmlns='http://jabber.org/protocol/chatstates'/>", Keep::PASSING),
        ("type='chat'", "<received xmlns='urn:xmpp:receipts' id='1'/>", Keep { archive: false, ..Keep::ALL }),
        ("type='chat'", "<encrypted xmlns='urn:xmpp:omemo:2'/>", Keep::ALL),
        (
            "type='chat'",
            "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>",
            Keep { archive: false, ..Keep::ALL },
        ),
        (
            "type='chat'",
            "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/><store xmlns='urn:xmpp:hints'/>",
            Keep::ALL,
        ),
        ("type='chat'", "<retract xmlns='urn:xmpp:message-retract:1' id='1'/>", Keep::ALL),
        ("type='chat'", "<reactions xmlns='urn:xmpp:reactions:0' id='1'/>", Keep::ALL),
        ("type='chat'", "<propose xmlns='urn:xmpp:jingle-message:0' id='1'/>", Keep::ALL),
        ("", "<x xmlns='jabber:x:conference' jid='room@x'/>", storing),
        ("", "<x xmlns='jabber:x:oob'/>", storing),
        ("type='headline'", "<body>a</body>", none),
        ("type='groupchat'", "<body>a</body>", none),
        ("type='error'", "<body>a</body><error/>", none),
        ("type='chat'", "<body>a</body><no-store xmlns='urn:xmpp:hints'/>", Keep::PASSING),
        (
            "type='chat'",
            "<body>a</body><no-permanent-store xmlns='urn:xmpp:hints'/>",
            Keep { archive: false, ..Keep::ALL },
        ),
        ("type='chat'", "<body>a</body><no-copy xmlns='urn:xmpp:hints'/>", storing),
        ("type='chat'", "<body>a</body><private xmlns='urn:xmpp:carbons:2'/>", storing),
        (
            "type='chat'",
            "<active xmlns='http://jabber.org/protocol/chatstates'/><store xmlns='urn:xmpp:hints'/>",
            Keep::ALL,
        ),
    ] {
        let text = format!("<message {attributes}>{content}</message>");
        assert_eq!(message(&text).keep, expected, "{text}");
    }
}

/// The message as somebody gets it who has no archive.
fn printed(message: &Message, copy: Copy) -> String {
    let message = Message { keep: Keep::NONE, ..message.clone() };
    let mut out = Vec::new();
    print_message(&message, copy, &party("bob@x/b"), &mut out);
    String::from_utf8(out.to_vec()).expect("utf-8")
}

#[test]
fn a_message_from_elsewhere_is_written_from_its_neutral_form() {
    let mut message = message("<message/>");
    message.native = Native::None;
    message.kind = MessageKind::Chat;
    message.content = Content {
        bodies: vec![Text::plain("a<b"), Text::plain("again")].into(),
        subjects: vec![Text { lang: Some("en".into()), text: "S".into() }].into(),
        typing: Some(Typing::Composing),
        wants_delivered: true,
        ..Content::default()
    };
    let id = message.id.to_string();
    let expected = format!(
        "<message from='alice@x/a' to='bob@x' id='{id}' type='chat'><subject xml:lang='en'>S</subject>\
         <body>a&lt;b</body><composing xmlns='http://jabber.org/protocol/chatstates'/>\
         <request xmlns='urn:xmpp:receipts'/></message>"
    );
    assert_eq!(printed(&message, Copy::Original), expected);
}

#[test]
fn what_is_archived_carries_its_id_and_no_other_of_ours() {
    let forged = "<stanza-id xmlns='urn:xmpp:sid:0' id='f' by='BOB@x'/>";
    let theirs = "<stanza-id xmlns='urn:xmpp:sid:0' id='t' by='room@y'/>";
    let message = message(&format!("<message id='1'><body>a</body>{forged}{theirs}</message>"));
    let mut out = Vec::new();
    print_message(&message, Copy::Original, &party("bob@x/b"), &mut out);
    let own = format!("<stanza-id xmlns='urn:xmpp:sid:0' id='{}' by='bob@x'/>", message.id);
    let expected =
        format!("<message from='alice@x/a' to='bob@x' id='1'><body>a</body>{theirs}{own}</message>");
    assert_eq!(String::from_utf8(out).expect("utf-8"), expected);
}

#[test]
fn offline_messages_carry_their_time() {
    let message = message("<message id='1'><body>a</body></message>");
    assert_eq!(
        printed(&message, Copy::Offline),
        "<message from='alice@x/a' to='bob@x' id='1'><body>a</body>\
         <delay xmlns='urn:xmpp:delay' from='x' stamp='2026-01-02T03:04:05.678Z'/></message>"
    );
}

#[test]
fn what_is_written_is_read_again_as_the_same() {
    for text in [
        "<message from='alice@x/a' to='bob@x' id='1' type='chat' xml:lang='de'><body>ü</body></message>",
        "<message from='alice@x/a' to='bob@x' id='&apos;&lt;'/>",
    ] {
        assert_eq!(printed(&message(text), Copy::Original), text);
    }
}

fn presence(text: &str) -> Presence {
    parse_presence(&stanza(text), None, Timestamp(5))
}

#[test]
fn presence_is_read() {
    for (show, availability, eager) in [
        ("", Availability::Online, false),
        ("<show>chat</show>", Availability::Online, true),
        ("<show>away</show>", Availability::Away, false),
        ("<show>xa</show>", Availability::ExtendedAway, false),
        ("<show>dnd</show>", Availability::Busy, false),
    ] {
        let presence = presence(&format!("<presence>{show}</presence>"));
        assert_eq!((presence.availability, presence.eager), (availability, eager), "{show}");
    }
    let full = presence(
        "<presence xml:lang='de'><status>da</status><status xml:lang='en'>here</status><priority> -7 </priority>\
         <idle xmlns='urn:xmpp:idle:1' since='2026-01-02T03:04:05Z'/>\
         <delay xmlns='urn:xmpp:delay' stamp='2026-01-02T03:04:06Z'/></presence>",
    );
    assert_eq!(full.priority, -7);
    assert_eq!(full.notes.len(), 2);
    assert_eq!(full.idle_since, Some(Timestamp(1_767_323_045_000)));
    assert_eq!(full.since, Timestamp(1_767_323_046_000));
    assert!(!presence("<presence type='unavailable'><show>chat</show></presence>").is_available());
    assert_eq!(presence("<presence><priority>900</priority></presence>").priority, 0);
}

#[test]
fn presence_from_elsewhere_is_written_from_its_neutral_form() {
    let presence = Presence {
        availability: Availability::Busy,
        activities: vec![Activity::OnThePhone],
        priority: 5,
        ..Presence::default()
    };
    let notice = PresenceNotice::new(party("alice@x/phone"), Arc::new(presence), None);
    // A chat client that is on the phone can what it can; for a phone the server answers.
    for (is_spoken_for, caps) in [(false, ""), (true, caps::print_session())] {
        let notice = PresenceNotice { is_spoken_for, printed: Memo::default(), ..notice.clone() };
        let mut out = Vec::new();
        print_notice(&notice, &party("bob@x/b"), &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            format!(
                "<presence from='alice@x/phone' to='bob@x'><show>dnd</show>\
                 <status xml:lang='en'>On the phone</status><priority>5</priority>{caps}</presence>"
            )
        );
    }
}

/// RFC 6121 §4.3.2: of what happened long ago is told when.
#[test]
fn answer_to_a_probe_says_when_it_happened() {
    let presence = Arc::new(Presence::offline(Timestamp(5)));
    let notice = PresenceNotice::new(party("alice@x"), presence, None);
    let notice = PresenceNotice { happened: Some(Timestamp(1_767_323_045_000)), ..notice };
    let mut out = Vec::new();
    print_notice(&notice, &party("bob@x/b"), &mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "<presence from='alice@x' to='bob@x' type='unavailable'><delay xmlns='urn:xmpp:delay' from='x' \
         stamp='2026-01-02T03:04:05.000Z'/></presence>"
    );
}
