//! Programs with domains of their own (XEP-0114), with slixmpp on both sides and in raw text. What they have to do
//! with other servers is in `federation::services`.

use rollcall::account::AcceptedSenders;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

use crate::support::{
    Component, House, PASSWORD, RawXmpp, Slixmpp,
    component::{SECRET, connect, service},
};

const PARROT: &str = "parrot@echo.localhost";

fn begins(jid: &Value, with: &str) -> bool {
    jid.as_str().is_some_and(|jid| jid.starts_with(with))
}

/// A server that knows `echo.localhost` and `other.localhost`, both with the secret `sesame`.
async fn house(accounts: &[&str]) -> House {
    let house = House::start_with(|config| {
        config.components.listen = vec!["127.0.0.1:0".parse().unwrap()];
        config.components.services =
            vec![service("echo.localhost", Some("Echo & Co")), service("other.localhost", None)];
        config.components.ping_seconds = 1;
    })
    .await;
    for local in accounts {
        house.add_account(local).await;
    }
    house
}

async fn online(house: &House, local: &str) -> Slixmpp {
    Slixmpp::online(&format!("{local}@localhost"), PASSWORD, house.xmpp()).await
}

async fn services(client: &mut Slixmpp) -> String {
    let items = "<query xmlns='http://jabber.org/protocol/disco#items'/>";
    let answer = client.act(json!({"do": "iq", "to": "localhost", "type": "get", "xml": items})).await;
    answer["xml"].as_str().unwrap().to_owned()
}

async fn echo(client: &mut Slixmpp, text: &str) {
    client.act(json!({"do": "message", "to": PARROT, "body": text})).await;
    let said = client.read(&format!("echo: {text}")).await;
    assert_eq!(said["from"], PARROT);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_and_a_service_talk_and_see_each_other() {
    let house = house(&["alice"]).await;
    let mut parrot = Component::connected(&house, "echo.localhost").await;
    let mut alice = online(&house, "alice").await;

    let listed = services(&mut alice).await;
    assert!(listed.contains("echo.localhost") && listed.contains("Echo &amp; Co"), "{listed}");
    assert!(!listed.contains("other.localhost"), "{listed}");
    let features = alice.act(json!({"do": "disco", "to": "echo.localhost"})).await;
    assert!(features.to_string().contains("urn:xmpp:ping"), "{features}");
    alice.act(json!({"do": "ping", "to": "echo.localhost"})).await;
    echo(&mut alice, "pieces of eight").await;

    alice.act(json!({"do": "subscribe", "to": PARROT})).await;
    parrot.presence("alice@localhost", "subscribe").await;
    for kind in [json!("subscribed"), Value::Null, json!("subscribe")] {
        let presence = json!({"do": "presence", "from": PARROT, "to": "alice@localhost", "type": kind});
        parrot.0.ask(presence).await;
    }
    alice.event("presence", |event| begins(&event["from"], PARROT) && event["type"] == "available").await;
    alice.event("presence", |event| begins(&event["from"], PARROT) && event["type"] == "subscribe").await;
    alice.act(json!({"do": "subscribed", "to": PARROT})).await;
    let seen = parrot.presence("alice@localhost/", "available").await;
    let roster = alice.act(json!({"do": "roster"})).await;
    assert_eq!(roster["contacts"][0]["subscription"], "both", "{roster}");

    let session = seen["from"].as_str().unwrap();
    parrot.0.ask(json!({"do": "ping", "from": PARROT, "to": session})).await;
    parrot.0.ask(json!({"do": "ping", "from": "echo.localhost", "to": "localhost"})).await;
    let features = parrot.0.ask(json!({"do": "disco", "from": PARROT, "to": "alice@localhost"})).await;
    assert!(features.to_string().contains("http://jabber.org/protocol/pubsub"), "{features}");
    let archive = json!({"do": "login", "jid": "alice@localhost", "password": PASSWORD,
        "host": house.xmpp().ip().to_string(), "port": house.xmpp().port(), "plugins": ["xep_0313"]});
    let mut second = Slixmpp::start("alice's second client");
    second.act(archive).await;
    let page = second.act(json!({"do": "archive", "with": PARROT})).await;
    assert_eq!(page["bodies"], json!(["pieces of eight", "echo: pieces of eight"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_writes_to_a_service_that_is_gone_is_told_until_it_is_back() {
    let mut house = house(&["alice"]).await;
    let mut parrot = Component::connected(&house, "echo.localhost").await;
    let mut alice = online(&house, "alice").await;
    alice.act(json!({"do": "subscribe", "to": PARROT})).await;
    parrot.presence("alice@localhost", "subscribe").await;
    for kind in [json!("subscribed"), Value::Null] {
        let presence = json!({"do": "presence", "from": PARROT, "to": "alice@localhost", "type": kind});
        parrot.0.ask(presence).await;
    }
    alice.event("presence", |event| begins(&event["from"], PARROT) && event["type"] == "available").await;

    parrot.0.ask(json!({"do": "cut"})).await;
    alice.event("presence", |event| begins(&event["from"], PARROT) && event["type"] == "unavailable").await;
    alice.act(json!({"do": "message", "to": PARROT, "body": "hello?", "id": "m1"})).await;
    let told = alice.event("message", |event| event["type"] == "error" && event["id"] == "m1").await;
    assert!(told["xml"].as_str().unwrap().contains("remote-server-timeout"), "{told}");
    let ping = alice.attempt(&json!({"do": "ping", "to": "other.localhost"})).await;
    assert_eq!(ping["ok"], false, "{ping}");
    assert!(!services(&mut alice).await.contains("echo.localhost"));

    // Who is back is asked how he is.
    let mut back = Component::connected(&house, "echo.localhost").await;
    back.presence("alice@localhost", "probe").await;
    echo(&mut alice, "you again").await;

    house.restart().await;
    back.0.event("disconnected", |_| true).await;
    let mut alice = online(&house, "alice").await;
    back.0.ask(connect(&house, "echo.localhost", SECRET)).await;
    echo(&mut alice, "a new day").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn services_are_under_the_policy_of_those_to_whom_they_write() {
    let house = house(&["alice", "bob", "carol"]).await;
    let mut parrot = Component::connected(&house, "echo.localhost").await;
    let (mut alice, mut carol) = (online(&house, "alice").await, online(&house, "carol").await);
    let mut bob = Slixmpp::start("bob");
    bob.login("bob@localhost", PASSWORD, house.xmpp(), json!({"plugins": ["xep_0191"]})).await;
    bob.act(json!({"do": "presence"})).await;
    house.prefer("alice", |it| it.accepted_senders = AcceptedSenders::SameDomain).await;
    bob.act(json!({"do": "block", "jid": "echo.localhost"})).await;
    for (to, id) in [("alice", "a"), ("bob", "b"), ("nobody", "n"), ("carol", "c")] {
        let to = format!("{to}@localhost");
        parrot.0.ask(json!({"do": "message", "from": PARROT, "to": to, "body": "spam", "id": id})).await;
    }
    carol.read("spam").await;
    for id in ["a", "b", "n"] {
        let refused = parrot.0.event("message", |event| event["type"] == "error" && event["id"] == id).await;
        assert!(refused["condition"].is_string(), "{refused}");
    }
    assert!(!alice.has_heard(|event| event["body"] == "spam"));
    assert!(!bob.has_heard(|event| event["body"] == "spam"));
}

#[tokio::test(flavor = "multi_thread")]
async fn services_talk_to_each_other_and_to_nobody_elsewhere() {
    let house = house(&[]).await;
    let mut parrot = Component::connected(&house, "echo.localhost").await;
    let message =
        |to: &str, id: &str| json!({"do": "message", "from": PARROT, "to": to, "body": "ahoy", "id": id});
    parrot.0.ask(message("someone@other.localhost", "m1")).await;
    let told = parrot.0.event("message", |event| event["id"] == "m1").await;
    assert_eq!(told["condition"], "remote-server-timeout", "{told}");
    let mut other = Component::connected(&house, "other.localhost").await;
    parrot.0.ask(message("someone@other.localhost", "m2")).await;
    let heard = other.0.event("message", |event| event["id"] == "m2").await;
    assert_eq!((heard["from"].as_str(), heard["body"].as_str()), (Some(PARROT), Some("ahoy")));
    parrot.0.ask(json!({"do": "ping", "from": PARROT, "to": "other.localhost"})).await;
    parrot.0.ask(message("someone@elsewhere.test", "m3")).await;
    let told = parrot.0.event("message", |event| event["id"] == "m3").await;
    assert_eq!(told["condition"], "remote-server-not-found", "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_what_he_says_is_cut_off() {
    let house = house(&["alice"]).await;
    let mut alice = online(&house, "alice").await;
    for (domain, secret, condition) in [
        ("echo.localhost", "mellon", "not-authorized"),
        ("echo.localhost", "", "not-authorized"),
        ("unknown.localhost", SECRET, "host-unknown"),
        ("localhost", SECRET, "host-unknown"),
    ] {
        let mut stranger = Component::start(condition);
        let answer = stranger.0.try_ask(&connect(&house, domain, secret)).await;
        assert!(answer["error"].to_string().contains(condition), "{domain}, {secret}: {answer}");
    }
    let mut parrot = Component::connected(&house, "echo.localhost").await;
    let mut twin = Component::start("twin");
    let answer = twin.0.try_ask(&connect(&house, "echo.localhost", SECRET)).await;
    assert!(answer["error"].to_string().contains("conflict"), "{answer}");
    echo(&mut alice, "still the first").await;
    let forged = json!({"do": "message", "from": "bob@localhost", "to": "alice@localhost", "body": "forged"});
    parrot.0.ask(forged).await;
    parrot.0.event("failed", |event| event["error"] == "invalid-from").await;
    assert!(!alice.has_heard(|event| event["body"] == "forged"));
}

fn header(namespace: &str) -> String {
    format!(
        "<stream:stream xmlns='{namespace}' xmlns:stream='http://etherx.jabber.org/streams' to='echo.localhost'>"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_are_none_of_a_component_end() {
    let house = house(&[]).await;
    let place = house.server().component_addresses()[0];
    for (said, condition) in [
        (header("jabber:client"), "invalid-namespace"),
        (format!("{}<handshake>00</handshake>", header("jabber:component:accept")), "not-authorized"),
        (format!("{}<message/>", header("jabber:component:accept")), "not-authorized"),
        ("<nothing/>".to_owned(), "bad-format"),
        (format!("{}<a>{}", header("jabber:component:accept"), "x".repeat(20_000)), "policy-violation"),
    ] {
        let mut peer = RawXmpp::connect("peer", place).await;
        peer.send(&said).await;
        let end = peer.stanza("stream:error").await;
        assert!(end.contains(condition), "{said:.200}: {end}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_service_is_asked_whether_it_is_there() {
    let house = house(&[]).await;
    let mut peer = RawXmpp::connect("peer", house.server().component_addresses()[0]).await;
    peer.send(&header("jabber:component:accept")).await;
    let id = peer.stream_id().await;
    let proof = rollcall::formats::hex::print(&Sha1::digest(format!("{id}sesame")));
    peer.send(&format!("<handshake>{proof}</handshake>")).await;
    peer.stanza("<handshake").await;
    for _ in 0..2 {
        let question = peer.stanza("urn:xmpp:ping").await;
        let (_, rest) = question.split_once("id='").unwrap();
        let (id, _) = rest.split_once('\'').unwrap();
        let answer = format!("<iq type='result' id='{id}' from='echo.localhost' to='localhost'/>");
        peer.send(&answer).await;
    }
}
