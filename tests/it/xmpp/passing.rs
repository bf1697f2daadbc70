//! Extensions between clients, which the server passes on byte by byte: what one client says of them, in a message, a
//! question or its presence, is what the other one reads. Where SIP has a word for it, phones read that.

use crate::support::{House, RawXmpp, SipPhone, body};

/// Two sessions whose accounts are contacts of each other.
async fn friends() -> (House, RawXmpp, RawXmpp) {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut alice = RawXmpp::online("alice", "one", house.xmpp_plain()).await;
    let mut bob = RawXmpp::online("bob", "two", house.xmpp_plain()).await;
    for (one, other, of) in [(&mut alice, "bob", "one"), (&mut bob, "alice", "two")] {
        for kind in ["subscribed", "subscribe"] {
            one.send(&format!("<presence to='{other}@localhost' type='{kind}'/>")).await;
        }
        one.has_not(&format!("<presence from='{of}@localhost' type='error'")).await;
    }
    alice.stanza("<presence from='bob@localhost/two'").await;
    bob.stanza("<presence from='alice@localhost/one'").await;
    (house, alice, bob)
}

/// Each with the number of its specification, as its examples have it, with white space and quotes that a printer of
/// XML would change.
const MESSAGES: &[(&str, &str)] = &[
    (
        "0131",
        "<body>Neither, fair saint</body><headers xmlns='http://jabber.org/protocol/shim'>\
         <header name=\"In-Reply-To\">123456789@capulet.com</header>\n\
         <header name='Keywords'>shakespeare,&lt;xmpp/&gt;</header><header name='TTL'>1</header></headers>",
    ),
    (
        "0249",
        "<x xmlns='jabber:x:conference' jid='darkcave@macbeth.shakespeare.lit' continue='true'\n \
         password='cauldronburn' reason='Hey Hecate, this is the place for all good witches!' thread='e0ffe42b'/>",
    ),
    (
        "0297",
        "<body>A most courteous exposition!</body><forwarded xmlns='urn:xmpp:forward:0'>\
         <delay xmlns='urn:xmpp:delay' stamp='2010-07-10T23:08:25Z'/><message from='juliet@capulet.lit/orchard' \
         id='0202197' to='romeo@montague.lit' type='chat' xmlns='jabber:client'><body>Yet I should kill thee</body>\
         <mood xmlns='http://jabber.org/protocol/mood'><amorous/></mood></message></forwarded>",
    ),
    (
        "0317",
        "<body>hello</body><hats xmlns='urn:xmpp:hats:0'><hat title='Host' hue='327.255249' xml:lang='en-us' \
         uri='http://schemas.example.com/hats#host'><badge xmlns=\"urn:example:badges\" level=\"3\"/></hat></hats>",
    ),
    (
        "0353",
        "<propose xmlns='urn:xmpp:jingle-message:0' id='a73sjjvkla37jfea'><description \
         xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'/></propose><store xmlns='urn:xmpp:hints'/>",
    ),
];

const QUESTIONS: &[(&str, &str)] = &[
    (
        "0166 and 0320, initiate",
        "<jingle xmlns='urn:xmpp:jingle:1' action='session-initiate' initiator='alice@localhost/one' sid=\"a73s\">\n\
         <content creator='initiator' name='voice'><description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'>\
         <payload-type id='96' name='speex' clockrate='16000'/></description>\
         <transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' pwd='asd88fgpdd777uzjYhagZg' ufrag='8hhy'>\
         <fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256' setup='actpass'>\n  \
         02:1A:CC:54:27:AB:EB:9C:53:3F:3E:4B:65:2E:7D:46:3F:54:42:CD:54:F1:7A:03:A2:7D:F9:B0:7F:46:19:B2\n\
         </fingerprint><candidate component='1' foundation='1' generation='0' id='el0747fg11' ip='10.0.1.1' \
         network='1' port='8998' priority='2130706431' protocol='udp' type='host'/></transport></content></jingle>",
    ),
    (
        "0166, terminate",
        "<jingle xmlns='urn:xmpp:jingle:1' action='session-terminate' sid='a73s'><reason><success/><text>&apos;Sorry, \
         gotta go!&apos;</text></reason></jingle>",
    ),
    (
        "0131 of a question",
        "<headers xmlns='http://jabber.org/protocol/shim'><header name='Urgency'>high</header></headers>",
    ),
];

const PRESENCES: &[(&str, &str)] = &[
    (
        "0317",
        "<hats xmlns='urn:xmpp:hats:0'><hat title='Host' uri='http://schemas.example.com/hats#host'>\n\
         <badge xmlns=\"urn:example:badges\" level=\"3\"/></hat></hats>",
    ),
    ("0319", "<show>away</show>\n  <idle xmlns='urn:xmpp:idle:1' since=\"1969-07-21T02:56:15Z\"/>"),
    (
        "0131",
        "<headers xmlns='http://jabber.org/protocol/shim'><header name='Distribute'>false</header></headers>",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_read_as_they_were_written() {
    let (_house, mut alice, mut bob) = friends().await;
    for (number, content) in MESSAGES {
        alice
            .send(&format!("<message id='m{number}' type='chat' to='bob@localhost'>{content}</message>"))
            .await;
        let read = bob.stanza(&format!("id='m{number}'")).await;
        let head = "<message from='alice@localhost/one' to='bob@localhost' ";
        assert!(
            read.starts_with(head) && read.contains(&format!(" type='chat'>{content}")),
            "{number}: {read}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_between_sessions_and_their_answers_are_read_as_they_were_written() {
    let (_house, mut alice, mut bob) = friends().await;
    for (number, content) in QUESTIONS {
        alice.send(&format!("<iq id='q' type='set' to='bob@localhost/two'>{content}</iq>")).await;
        let head = |from: &str, to: &str, kind: &str| {
            format!("<iq from='{from}' to='{to}' id='q' type='{kind}'>{content}</iq>")
        };
        let read = bob.stanza("id='q'").await;
        assert_eq!(read, head("alice@localhost/one", "bob@localhost/two", "set"), "{number}");
        bob.send(&format!("<iq id='q' type='result' to='alice@localhost/one'>{content}</iq>")).await;
        let read = alice.stanza("id='q'").await;
        assert_eq!(read, head("bob@localhost/two", "alice@localhost/one", "result"), "{number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn presence_is_read_as_it_was_written_and_again_when_it_is_asked_for() {
    let (_house, mut alice, mut bob) = friends().await;
    for (number, content) in PRESENCES {
        alice.send(&format!("<presence>{content}</presence>")).await;
        let expected =
            format!("<presence from='alice@localhost/one' to='bob@localhost'>{content}</presence>");
        let read = bob.stanza("<presence from='alice@localhost/one'").await;
        assert_eq!(read, expected, "{number}");
        // A client that looks at a contact may ask how she is (XEP-0318).
        bob.send("<presence to='alice@localhost' type='probe'/>").await;
        let told = bob.stanza("<presence from='alice@localhost/one'").await;
        assert!(told.contains(content), "{number}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn phones_are_told_since_when_nobody_touched_the_device() {
    let (house, mut alice, _bob) = friends().await;
    alice
        .send("<presence><idle xmlns='urn:xmpp:idle:1' since='2026-01-02T04:04:05+01:00'/></presence>")
        .await;
    alice.has_not("error").await;
    let mut phone = SipPhone::registered("bob", house.sip_udp(), "").await;
    let headers = format!(
        "Contact: <sip:bob@{}>\r\nEvent: presence\r\nAccept: application/pidf+xml\r\nExpires: 0\r\n",
        phone.address()
    );
    let answer = phone.ask("SUBSCRIBE", "sip:alice@localhost", "alice", &headers, "").await;
    assert_eq!(answer.status(), Some(200), "{answer:?}");
    let told = body(&phone.serve(200).await);
    let document = roxmltree::Document::parse(&told).unwrap();
    let input = |node: &roxmltree::Node<'_, '_>| {
        node.has_tag_name(("urn:ietf:params:xml:ns:pidf:rpid", "user-input"))
    };
    let found: Vec<_> = document.descendants().filter(input).collect();
    assert!(!found.is_empty(), "{told}");
    for input in found {
        assert_eq!(input.text(), Some("idle"), "{told}");
        let since: jiff::Timestamp =
            input.attribute("last-input").unwrap_or_else(|| panic!("{told}")).parse().unwrap();
        assert_eq!(since.to_string(), "2026-01-02T03:04:05Z");
    }
}
