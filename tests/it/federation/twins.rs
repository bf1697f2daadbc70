//! Two of our servers: how they prove who they are, how they are found, and what happens when that fails.

use std::net::SocketAddr;

use rollcall::{
    config::Config,
    xmpp::{FederationEntrance, Route},
};
use serde_json::{Value, json};

use super::{
    Town,
    town::{PORT, befriend, is_presence, online, online_with},
};
use crate::support::{House, SipPhone, Slixmpp, Web, Xcap, body};

const ALICE: &str = "alice@ours.example";
const CAROL: &str = "carol@theirs.example";

/// Two servers with the same change of their configurations.
async fn twins(town: &Town, change: impl Fn(&mut Config)) -> (House, House) {
    let ours = town.rollcall_with(1, "ours.example", &["alice"], &change).await;
    let theirs = town.rollcall_with(2, "theirs.example", &["carol"], &change).await;
    (ours, theirs)
}

async fn clients(ours: &House, theirs: &House) -> (Slixmpp, Slixmpp) {
    (online(ALICE, ours.xmpp()).await, online(CAROL, theirs.xmpp()).await)
}

async fn greet(alice: &mut Slixmpp, carol: &mut Slixmpp) {
    alice.act(json!({"do": "message", "to": CAROL, "body": "hello over there"})).await;
    carol.read("hello over there").await;
    carol.act(json!({"do": "message", "to": ALICE, "body": "hello yourself"})).await;
    alice.read("hello yourself").await;
}

/// Writes to somebody who cannot be reached; the condition that the sender is told.
async fn refusal(alice: &mut Slixmpp, to: &str, id: &str) -> String {
    alice.act(json!({"do": "message", "to": to, "body": "anybody there?", "id": id})).await;
    let told = alice.event("message", |event| event["type"] == "error" && event["id"] == id).await;
    let xml = told["xml"].as_str().unwrap();
    let known = ["remote-server-not-found", "remote-server-timeout", "service-unavailable"];
    known.iter().find(|name| xml.contains(**name)).unwrap_or_else(|| panic!("{xml}")).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_alone_are_enough() {
    let town = Town::new().await;
    let (ours, theirs) = twins(&town, |config| config.federation.dialback = false).await;
    let (mut alice, mut carol) = clients(&ours, &theirs).await;
    greet(&mut alice, &mut carol).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dialback_alone_is_enough_where_the_operator_wants_that() {
    let town = Town::new().await;
    let (ours, theirs) = twins(&town, |config| {
        config.federation.require_certificates = false;
        config.federation.trusted = "/dev/null".into();
    })
    .await;
    let (mut alice, mut carol) = clients(&ours, &theirs).await;
    greet(&mut alice, &mut carol).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn server_is_found_by_its_service_and_its_port_and_every_candidate_is_tried() {
    let town = Town::new().await;
    let house = |number, config: &mut Config| {
        config.federation.starttls = Vec::new();
        config.federation.direct_tls = vec![SocketAddr::new(town.address(number), 15270)];
    };
    let ours = town.rollcall_with(1, "ours.example", &["alice"], |config| house(1, config)).await;
    let theirs = town.rollcall_with(2, "theirs.example", &["carol"], |config| house(2, config)).await;
    for (domain, number) in [("ours.example", 1), ("theirs.example", 2)] {
        let host = format!("chat.{domain}");
        town.names().add_host(&host, town.address(number));
        let names = town.names();
        names.add_service(&format!("_xmpp-server._tcp.{domain}"), 1, PORT, &host);
        names.add_service(&format!("_xmpps-server._tcp.{domain}"), 5, 15270, &host);
    }
    let (mut alice, mut carol) = clients(&ours, &theirs).await;
    greet(&mut alice, &mut carol).await;
    assert!(town.names().was_asked("_xmpps-server._tcp.theirs.example"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_who_he_should_be_is_not_spoken_to() {
    let town = Town::new().await;
    let (ours, mut theirs) = twins(&town, |_| {}).await;
    theirs.stop().await;
    let _thief = town
        .rollcall_with(2, "theirs.example", &["carol"], |config| {
            config.tls.certificates = vec![town.self_signed("theirs.example")];
        })
        .await;
    let mut alice = online(ALICE, ours.xmpp()).await;
    assert_eq!(refusal(&mut alice, CAROL, "m1").await, "remote-server-not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn sender_is_told_what_became_of_his_message() {
    let town = Town::new().await;
    let (ours, mut theirs) =
        twins(&town, |config| config.federation.deny = vec!["denied.example".parse().unwrap()]).await;
    let (mut alice, mut carol) = clients(&ours, &theirs).await;
    assert_eq!(refusal(&mut alice, "dave@nowhere.example", "m1").await, "remote-server-not-found");
    assert_eq!(refusal(&mut alice, "dave@denied.example", "m2").await, "remote-server-not-found");
    assert_eq!(refusal(&mut alice, "nobody@theirs.example", "m3").await, "service-unavailable");
    alice.act(json!({"do": "subscribe", "to": "dave@nowhere.example"})).await;
    let told = alice.event("presence", |event| is_presence(event, "dave@nowhere.example", "error")).await;
    assert!(told["xml"].as_str().unwrap().contains("remote-server-not-found"), "{told}");
    befriend(&mut alice, ALICE, &mut carol, CAROL).await;

    theirs.stop().await;
    assert_eq!(refusal(&mut alice, CAROL, "m4").await, "remote-server-timeout");
    alice.event("presence", |event| is_presence(event, &format!("{CAROL}/"), "unavailable")).await;

    // It comes back, and what is for it goes there again.
    theirs.start_again().await;
    let mut carol = online(CAROL, theirs.xmpp()).await;
    carol.act(json!({"do": "message", "to": ALICE, "body": "back again"})).await;
    alice.read("back again").await;
    alice.event("presence", |event| is_presence(event, &format!("{CAROL}/"), "available")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn phone_and_page_see_and_hear_people_of_other_domains() {
    let town = Town::new().await;
    // The helpers for phones and pages know one domain.
    let ours =
        town.rollcall_with(1, "localhost", &["alice"], |config| config.sip.notify_interval_ms = 0).await;
    let place = SocketAddr::new(town.address(1), PORT);
    let theirs = town
        .rollcall_with(2, "theirs.example", &["carol"], |config| {
            let domain = "localhost".parse().unwrap();
            let route = Route { domain, server: place.to_string(), direct_tls: false };
            config.federation.routes = vec![route];
        })
        .await;
    let mut alice = online("alice@localhost", ours.xmpp()).await;
    let mut carol = online_with(CAROL, theirs.xmpp(), json!({"plugins": ["xep_0084"]})).await;
    befriend(&mut alice, "alice@localhost", &mut carol, CAROL).await;

    let web = Web::log_in(&ours, "alice").await;
    let mut page = web.open().await;
    let mut phone = SipPhone::connected("alice", ours.sip_tcp()).await;
    assert_eq!(phone.register(600, "").await.status(), Some(200));
    let contact = format!(
        "Contact: <sip:alice@{}>\r\nEvent: presence\r\nSupported: eventlist\r\n\
         Accept: multipart/related, application/rlmi+xml, application/pidf+xml\r\n",
        phone.address()
    );
    let list = "sip:alice+presence@localhost";
    let accepted = phone.ask("SUBSCRIBE", list, &format!("<{list}>"), &contact, "").await;
    assert_eq!(accepted.status(), Some(200), "{accepted:?}");

    // The beginning of a GIF, all ASCII.
    let dot = "R0lGODlhAQABAA==";
    let worn = carol.act(json!({"do": "wear", "data": dot, "type": "image/gif"})).await;
    page.expect_that("avatar", |event| event["from"] == CAROL && event["hash"] == worn["hash"]).await;
    let face = web.get("/api/avatar/carol%40theirs.example").await.expect(200);
    assert_eq!(face.header("content-type"), Some("image/gif"));
    web.get("/api/avatar/nobody%40theirs.example").await.expect(204);
    let icon = "/org.openmobilealliance.pres-content/users/sip:carol@theirs.example/oma_status-icon/index";
    let root = format!("http://{}/xcap-root", ours.http());
    let shown = Xcap::start(&root, "alice", "localhost").await.get(icon).await.expect(200);
    assert!(shown.body.contains(dot) && shown.body.contains("image/gif"), "{}", shown.body);
    Xcap::start_with(&root, "", "", "none").await.get(icon).await.expect(401);
    let named = format!("#blink-icon{}", worn["hash"].as_str().unwrap());
    carol.act(json!({"do": "presence", "show": "dnd", "status": "in a meeting"})).await;
    let is_busy = |event: &Value| event["aggregate"]["availability"] == "busy";
    let seen = page.expect_that("presence", is_busy).await;
    assert!(seen["from"].as_str().is_some_and(|from| from.starts_with(CAROL)), "{seen}");
    loop {
        let told = body(&phone.serve(200).await);
        assert!(told.contains("sip:carol@theirs.example"), "{told}");
        if told.contains("in a meeting") {
            assert!(told.contains(icon) && told.contains(&named), "{told}");
            break;
        }
    }
    let uri = format!("sip:{CAROL}");
    let sent =
        phone.ask("MESSAGE", &uri, &format!("<{uri}>"), "Content-Type: text/plain\r\n", "from a phone").await;
    assert!(matches!(sent.status(), Some(200 | 202)), "{sent:?}");
    carol.read("from a phone").await;
    carol.act(json!({"do": "message", "to": "alice@localhost", "body": "to all of you"})).await;
    alice.read("to all of you").await;
    assert_eq!(body(&phone.serve(200).await), "to all of you");
    page.take_message().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_listener_has_its_address() {
    let town = Town::new().await;
    let house = town.rollcall(1, "ours.example", &[]).await;
    let place = SocketAddr::new(town.address(1), PORT);
    assert_eq!(house.server().federation_addresses(), [(FederationEntrance::StartTls, place)]);
}
