//! Streams that go on after their connection broke (XEP-0198 §5).

use std::net::SocketAddr;

use crate::support::{House, RawXmpp};

const SM: &str = "xmlns='urn:xmpp:sm:3'";

/// Enables resumption; the id to resume by.
async fn enable(client: &mut RawXmpp) -> String {
    client.send(&format!("<enable {SM} resume='true'/>")).await;
    let enabled = client.stanza("<enabled").await;
    assert!(enabled.contains("resume='true'") && enabled.contains("max='600'"), "{enabled}");
    let (_, id) = enabled.split_once(" id='").unwrap();
    id.split('\'').next().unwrap().to_owned()
}

/// A new connection of `name` that goes on with the stream `id`; and the server's answer.
async fn resume(name: &str, id: &str, handled: u32, port: SocketAddr) -> (RawXmpp, String) {
    let mut client = RawXmpp::authenticated(name, port).await;
    client.send(&format!("<resume {SM} h='{handled}' previd='{id}'/>")).await;
    let answer = client.stanza(SM).await;
    (client, answer)
}

async fn friends(server: &House) -> (RawXmpp, RawXmpp) {
    let port = server.xmpp_plain();
    let mut alice = RawXmpp::online("alice", "one", port).await;
    let mut bob = RawXmpp::online("bob", "two", port).await;
    bob.send("<presence type='subscribe' to='alice@localhost'/>").await;
    alice.stanza("type='subscribe'").await;
    alice
        .send(
            "<presence type='subscribed' to='bob@localhost'/><presence type='subscribe' to='bob@localhost'/>",
        )
        .await;
    bob.stanza("type='subscribe'").await;
    bob.send("<presence type='subscribed' to='alice@localhost'/>").await;
    alice.stanza("from='bob@localhost/two'").await;
    bob.stanza("from='alice@localhost/one'").await;
    bob.has_not("error").await;
    alice.has_not("error").await;
    (alice, bob)
}

fn say(text: &str) -> String {
    format!("<message type='chat' to='bob@localhost'><body>{text}</body></message>")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_connection_costs_nothing_but_time() {
    let server = House::with_accounts(&["alice", "bob"]).await;
    let (mut alice, mut bob) = friends(&server).await;
    let id = enable(&mut bob).await;
    bob.send(&format!("<message to='alice@localhost'><body>from bob</body></message><r {SM}/>")).await;
    bob.stanza("<a ").await;
    for text in ["seen", "unseen"] {
        alice.send(&say(text)).await;
        bob.stanza(text).await;
    }
    drop(bob);
    // It reaches the offline file as soon as the server sees that the connection is gone.
    alice.send(&say("meanwhile")).await;
    alice.send("<presence><status>busy</status></presence>").await;
    alice.has_not("unavailable").await;
    let (mut bob, answer) = resume("bob", &id, 1, server.xmpp_plain()).await;
    assert_eq!(answer, format!("<resumed {SM} h='1' previd='{id}'/>"));
    for text in [">unseen<", ">meanwhile<", ">busy<"] {
        bob.stanza(text).await;
    }
    bob.has_not("<message").await;
    bob.has_not(">seen<").await;
    alice.has_not("unavailable").await;
    // One from before, three just now, and two answers to what `has_not` asks. Until then what follows waits
    // behind the messages that are in the offline file as well.
    bob.send(&format!("<a {SM} h='6'/>")).await;
    alice.send(&say("afterwards")).await;
    bob.stanza("afterwards").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_meanwhile_wait_on_the_disk_and_come_once() {
    let server = House::with_accounts(&["alice", "bob"]).await;
    let (mut alice, mut bob) = friends(&server).await;
    let id = enable(&mut bob).await;
    drop(bob);
    alice.send(&format!("<enable {SM}/>")).await;
    alice.stanza("<enabled").await;
    let texts: Vec<_> = (0..20).map(|number| format!("number {number}!")).collect();
    for text in &texts {
        alice.send(&say(text)).await;
    }
    // Acknowledged, and so stored: not held up by somebody who may never come back.
    alice.send(&format!("<r {SM}/>")).await;
    alice.stanza("<a xmlns='urn:xmpp:sm:3' h='20'/>").await;
    let (mut bob, _) = resume("bob", &id, 0, server.xmpp_plain()).await;
    for text in &texts {
        let message = bob.stanza("<message").await;
        assert!(message.contains(text.as_str()) && message.contains("urn:xmpp:delay"), "{message}");
    }
    // Once acknowledged they are gone from the file, too.
    bob.send(&format!("<a {SM} h='20'/>")).await;
    bob.has_not("<message").await;
    let mut other = RawXmpp::online("bob", "other", server.xmpp_plain()).await;
    other.has_not("<message").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_changes_the_network_takes_the_session_along() {
    let server = House::with_accounts(&["alice", "bob"]).await;
    let (mut alice, mut old) = friends(&server).await;
    let id = enable(&mut old).await;
    let (mut new, answer) = resume("bob", &id, 0, server.xmpp_plain()).await;
    assert!(answer.starts_with("<resumed "), "{answer}");
    let end = old.end().await;
    assert!(end.iter().any(|stanza| stanza.contains("<conflict ")), "{end:?}");
    alice.send(&say("hello")).await;
    new.stanza("hello").await;
    alice.has_not("unavailable").await;
    // And once more, with the same id.
    drop(new);
    let (mut third, answer) = resume("bob", &id, 1, server.xmpp_plain()).await;
    assert!(answer.starts_with("<resumed "), "{answer}");
    third.has_not("<message").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_nobody_resumes_ends() {
    let server = House::start_with(|config| config.xmpp.resume_seconds = 1).await;
    for name in ["alice", "bob"] {
        server.add_account(name).await;
    }
    let (mut alice, mut bob) = friends(&server).await;
    bob.send(&format!("<enable {SM} resume='1'/>")).await;
    bob.stanza("max='1'").await;
    alice.send(&say("lost?")).await;
    bob.stanza("lost?").await;
    drop(bob);
    alice.stanza("type='unavailable'").await;
    let mut bob = RawXmpp::online("bob", "again", server.xmpp_plain()).await;
    bob.stanza("lost?").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_resumed_is_refused_and_a_resource_can_be_bound() {
    let server = House::with_accounts(&["alice", "bob"]).await;
    let (_alice, mut bob) = friends(&server).await;
    let id = enable(&mut bob).await;
    drop(bob);
    for (name, id) in [("alice", id.as_str()), ("bob", "nothing")] {
        let (mut client, answer) = resume(name, id, 0, server.xmpp_plain()).await;
        assert!(answer.contains("<failed ") && answer.contains("item-not-found"), "{answer}");
        let bind = "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>";
        client.ask(bind, "bind").await;
    }
    let mut liar = RawXmpp::authenticated("bob", server.xmpp_plain()).await;
    liar.send(&format!("<resume {SM} h='7' previd='{id}'/>")).await;
    let end = liar.end().await;
    assert!(end.iter().any(|stanza| stanza.contains("handled-count-too-high")), "{end:?}");
    let (_, answer) = resume("bob", &id, 0, server.xmpp_plain()).await;
    assert!(answer.contains("item-not-found"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_says_goodbye_is_gone() {
    let server = House::with_accounts(&["alice", "bob"]).await;
    let (mut alice, mut bob) = friends(&server).await;
    let id = enable(&mut bob).await;
    bob.send("</stream:stream>").await;
    alice.stanza("type='unavailable'").await;
    let (_, answer) = resume("bob", &id, 0, server.xmpp_plain()).await;
    assert!(answer.contains("item-not-found"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_restarted_goes_on_with_its_clients() {
    let mut server = House::with_accounts(&["alice", "bob", "carol"]).await;
    let (mut alice, mut bob) = friends(&server).await;
    bob.ask("<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>", "c").await;
    let (id_of_alice, id_of_bob) = (enable(&mut alice).await, enable(&mut bob).await);
    bob.ask("<iq type='get' id='p' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>", "p").await;
    alice.send(&say("before")).await;
    bob.stanza("before").await;
    server.restart().await;
    for client in [&mut alice, &mut bob] {
        let end = client.end().await;
        assert!(end.iter().any(|stanza| stanza.contains("<system-shutdown ")), "{end:?}");
    }
    let port = server.xmpp_plain();
    let mut carol = RawXmpp::online("carol", "desk", port).await;
    carol.send(&say("meanwhile")).await;
    carol.has_not("error").await;
    // Bob has had the answer to his ping, and nothing else.
    let (mut bob, answer) = resume("bob", &id_of_bob, 1, port).await;
    assert_eq!(answer, format!("<resumed {SM} h='1' previd='{id_of_bob}'/>"));
    for text in ["before", "meanwhile"] {
        bob.stanza(text).await;
    }
    bob.has_not("<message").await;
    let (mut alice, answer) = resume("alice", &id_of_alice, 0, port).await;
    assert!(answer.starts_with("<resumed "), "{answer}");
    bob.send("<presence><status>back</status></presence>").await;
    alice.stanza(">back<").await;
    let mut other = RawXmpp::online("bob", "other", port).await;
    other.send("<message type='chat' to='alice@localhost'><body>copied</body></message>").await;
    alice.stanza("copied").await;
    assert!(bob.stanza("copied").await.contains("<sent "));
    let roster = "<query xmlns='jabber:iq:roster'><item jid='x@localhost'/></query>";
    other.ask(&format!("<iq type='set' id='r'>{roster}</iq>"), "r").await;
    bob.stanza("x@localhost").await;
}
