//! Messages between XMPP clients (RFC 6121 §8, XEP-0160, XEP-0198, XEP-0280).

use rollcall::{account::AcceptedSenders, net::Rate};

use crate::support::{House, RawXmpp};

async fn two() -> (House, RawXmpp, RawXmpp) {
    let server = House::with_accounts(&["alice", "bob"]).await;
    let port = server.xmpp_plain();
    let alice = RawXmpp::online("alice", "one", port).await;
    let bob = RawXmpp::online("bob", "two", port).await;
    (server, alice, bob)
}

#[tokio::test(flavor = "multi_thread")]
async fn content_arrives_byte_by_byte_as_it_was_sent() {
    let (_server, mut alice, mut bob) = two().await;
    let content = "<body>a &lt; b &#x26; ü<![CDATA[<c>]]></body>\n  <x xmlns='urn:unknown' a=\"1\"><y/></x>\
                   <encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'/></encrypted>";
    alice.send(&format!("<message id=\"m&apos;1\" type='chat' to='Bob@localhost'>{content}</message>")).await;
    let arrived = bob.stanza("<message").await;
    let head = "<message from='alice@localhost/one' to='bob@localhost' id='m&apos;1' type='chat'>";
    let expect = format!("{head}{content}<stanza-id xmlns='urn:xmpp:sid:0' id='");
    assert!(
        arrived.starts_with(&expect) && arrived.ends_with("' by='bob@localhost'/></message>"),
        "{arrived}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_of_the_stream_header_is_declared_anew() {
    let (server, _, mut bob) = two().await;
    let mut alice = RawXmpp::connect("alice", server.xmpp_plain()).await;
    drop(alice);
    alice = RawXmpp::online("alice", "three", server.xmpp_plain()).await;
    alice.send("<message xmlns:p='urn:p' to='bob@localhost'><p:x/><body>hi</body></message>").await;
    let arrived = bob.stanza("<message").await;
    assert!(arrived.contains("'urn:p'") && arrived.contains("hi"), "{arrived}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_full_address_reaches_one_session_and_the_bare_address_all() {
    let (server, mut alice, mut two) = two().await;
    let mut three = RawXmpp::online("bob", "three", server.xmpp_plain()).await;
    alice.send("<message type='chat' to='bob@localhost'><body>both</body></message>").await;
    two.stanza("both").await;
    three.stanza("both").await;
    alice.send("<message type='chat' to='bob@localhost/three'><body>one</body></message>").await;
    three.stanza("one<").await;
    two.has_not("one<").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_to_nobody_or_elsewhere_comes_back() {
    let (_server, mut alice, _bob) = two().await;
    for (to, condition) in [
        ("nobody@localhost", "service-unavailable"),
        ("nobody@example.com", "remote-server-not-found"),
        ("bob@localhost/gone", "service-unavailable"),
        ("a@b@c", "jid-malformed"),
    ] {
        let message = format!("<message id='m' to='{to}'><body>hi</body></message>");
        let error = alice.ask(&message, "m").await;
        assert!(
            error.starts_with(&format!("<message from='{to}' to='alice@localhost/one' id='m' type='error'"))
        );
        assert!(error.contains(condition), "{to}: {error}");
    }
    alice.send("<message id='e' type='error' to='nobody@localhost'><error/></message>").await;
    alice.has_not("id='e'").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_comes_at_login_in_order_with_its_time() {
    let server = House::with_accounts(&["alice", "bob"]).await;
    let port = server.xmpp_plain();
    let mut alice = RawXmpp::online("alice", "one", port).await;
    for number in 1..=3 {
        alice
            .send(&format!("<message id='{number}' to='bob@localhost'><body>m{number}</body></message>"))
            .await;
    }
    let typing = "<message type='chat' to='bob@localhost'><composing \
                  xmlns='http://jabber.org/protocol/chatstates'/></message>";
    alice.send(typing).await;
    alice.has_not("type='error'").await;
    let mut bob = RawXmpp::online("bob", "two", port).await;
    for number in 1..=3 {
        let message = bob.stanza("<message").await;
        assert!(message.contains(&format!("<body>m{number}</body>")), "{message}");
        assert!(message.contains("<delay xmlns='urn:xmpp:delay' from='localhost' stamp='20"), "{message}");
    }
    bob.has_not("composing").await;
    drop(bob);
    let mut again = RawXmpp::online("bob", "two", port).await;
    again.has_not("<message").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_survives_a_restart() {
    let mut server = House::with_accounts(&["alice", "bob"]).await;
    let mut alice = RawXmpp::online("alice", "one", server.xmpp_plain()).await;
    alice.send("<message to='bob@localhost'><body>later</body></message>").await;
    alice.has_not("type='error'").await;
    server.restart().await;
    let mut bob = RawXmpp::online("bob", "two", server.xmpp_plain()).await;
    bob.stanza("<body>later</body>").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_offline_storage_the_sender_is_told() {
    let server = House::with_accounts(&["alice", "bob"]).await;
    server.prefer("bob", |preferences| preferences.offline_storage = false).await;
    let mut alice = RawXmpp::online("alice", "one", server.xmpp_plain()).await;
    let error = alice.ask("<message id='m' to='bob@localhost'><body>hi</body></message>", "m").await;
    assert!(error.contains("<error type='cancel'><service-unavailable"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unwanted_senders_are_refused_and_buddies_pass() {
    let (server, mut alice, mut bob) = two().await;
    server.prefer("bob", |preferences| preferences.accepted_senders = AcceptedSenders::Nobody).await;
    let error = alice.ask("<message id='m' to='bob@localhost'><body>hi</body></message>", "m").await;
    assert!(error.contains("<error type='auth'><forbidden"), "{error}");
    let add =
        "<iq type='set' id='add'><query xmlns='jabber:iq:roster'><item jid='alice@localhost'/></query></iq>";
    bob.ask(add, "add").await;
    alice.send("<message to='bob@localhost'><body>buddy</body></message>").await;
    bob.stanza("buddy").await;
    bob.has_not("<body>hi</body>").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_go_to_the_other_sessions_that_want_them() {
    let (server, mut alice, mut bob) = two().await;
    let port = server.xmpp_plain();
    let mut other = RawXmpp::online("alice", "other", port).await;
    let mut silent = RawXmpp::online("alice", "silent", port).await;
    other.ask("<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>", "c").await;
    alice.send("<message type='chat' id='s' to='bob@localhost'><body>out</body></message>").await;
    let sent = other.stanza("<sent").await;
    assert!(
        sent.starts_with("<message from='alice@localhost' to='alice@localhost/other' type='chat'><sent ")
    );
    assert!(sent.contains(
        "<message xmlns='jabber:client' from='alice@localhost/one' to='bob@localhost' id='s' type='chat'>\
         <body>out</body><stanza-id xmlns='urn:xmpp:sid:0' id='"
    ));
    bob.send("<message type='chat' to='alice@localhost/one'><body>in</body></message>").await;
    alice.stanza("<body>in</body>").await;
    other.stanza("<received").await;
    alice
        .send("<message type='chat' to='bob@localhost'><body>hush</body><private xmlns='urn:xmpp:carbons:2'/></message>")
        .await;
    bob.stanza("hush").await;
    other.has_not("hush").await;
    silent.has_not("urn:xmpp:carbons:2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledgements_promise_what_the_account_has_promised() {
    let (_server, mut alice, mut bob) = two().await;
    alice.send("<enable xmlns='urn:xmpp:sm:3'/>").await;
    alice.stanza("<enabled").await;
    alice.send("<message id='1' to='bob@localhost'><body>a</body></message><presence/><r xmlns='urn:xmpp:sm:3'/>").await;
    bob.stanza("<body>a</body>").await;
    alice.stanza("<a xmlns='urn:xmpp:sm:3' h='2'/>").await;
    alice
        .send("<message id='2' to='nobody@localhost'><body>a</body></message><r xmlns='urn:xmpp:sm:3'/>")
        .await;
    alice.stanza("service-unavailable").await;
    alice.stanza("h='3'").await;
    alice.stanza("<r xmlns='urn:xmpp:sm:3'/>").await;
}

/// What is read at once is handled before any answer of the account: so its own acknowledgement comes after.
#[tokio::test(flavor = "multi_thread")]
async fn changes_are_acknowledged_with_their_answers() {
    let (_server, mut alice, mut bob) = two().await;
    alice.send("<enable xmlns='urn:xmpp:sm:3'/>").await;
    alice.stanza("<enabled").await;
    let ask = "<r xmlns='urn:xmpp:sm:3'/>";
    alice.send(&format!("<presence type='subscribe' to='bob@localhost'/>{ask}")).await;
    assert!(alice.stanza("<a ").await.contains("h='0'"));
    assert!(alice.stanza("<a ").await.contains("h='1'"));
    bob.stanza("type='subscribe'").await;
    let set = "<query xmlns='jabber:iq:roster'><item jid='bob@localhost' name='Bob'/></query>";
    alice.send(&format!("<iq type='set' id='s'>{set}</iq>{ask}")).await;
    assert!(alice.stanza("<a ").await.contains("h='1'"));
    assert!(alice.stanza("<a ").await.contains("h='2'"));
    assert!(alice.stanza("id='s'").await.contains("type='result'"));
    // What only asks holds nobody up.
    alice.send(&format!("<iq type='get' id='g'><query xmlns='jabber:iq:roster'/></iq>{ask}")).await;
    assert!(alice.stanza("<a ").await.contains("h='3'"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_acknowledged_is_delivered_again() {
    let (server, mut alice, mut bob) = two().await;
    bob.send("<enable xmlns='urn:xmpp:sm:3'/>").await;
    bob.stanza("<enabled").await;
    for text in ["seen", "unseen"] {
        alice.send(&format!("<message to='bob@localhost'><body>{text}</body></message>")).await;
        bob.stanza(&format!(">{text}<")).await;
        if text == "seen" {
            bob.stanza("<r ").await;
            bob.send("<a xmlns='urn:xmpp:sm:3' h='1'/>").await;
            bob.has_not("error").await;
        }
    }
    drop(bob);
    let mut again = RawXmpp::online("bob", "again", server.xmpp_plain()).await;
    again.stanza("<body>unseen</body>").await;
    again.has_not("<body>seen</body>").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_wants_nothing_unasked_gets_nothing() {
    let (server, mut alice, mut two) = two().await;
    let mut quiet = RawXmpp::online("bob", "quiet", server.xmpp_plain()).await;
    quiet.send("<presence><priority>-1</priority></presence>").await;
    quiet.has_not("error").await;
    alice.send("<message to='bob@localhost'><body>hi</body></message>").await;
    two.stanza("<body>hi</body>").await;
    alice.send("<message to='bob@localhost/quiet'><body>you</body></message>").await;
    quiet.stanza("<body>you</body>").await;
    quiet.has_not("<body>hi</body>").await;
}

/// With a queue this short, every few messages would be too many.
#[tokio::test(flavor = "multi_thread")]
async fn who_sends_faster_than_the_disk_writes_waits_and_loses_nothing() {
    let server = House::start_with(|config| {
        (config.storage.queue, config.storage.group) = (256, 4);
        config.limits.messages = Rate::new(1_000_000, 1_000_000);
    })
    .await;
    server.add_account("alice").await;
    server.add_account("bob").await;
    let mut alice = RawXmpp::online("alice", "one", server.xmpp_plain()).await;
    let mut bob = RawXmpp::online("bob", "two", server.xmpp_plain()).await;
    let all: String = (0..MANY)
        .map(|number| format!("<message id='{number}' to='bob@localhost'><body>m{number}</body></message>"))
        .collect();
    alice.send(&all).await;
    for number in 0..MANY {
        let message = bob.stanza("<message").await;
        assert!(message.contains(&format!("<body>m{number}</body>")), "{message}");
    }
    alice.has_not("type='error'").await;
}

const MANY: usize = 600;
