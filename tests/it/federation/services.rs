//! Programs with domains of their own (XEP-0114), and people of other servers, who are at Prosody.

use serde_json::{Value, json};

use super::{
    Prosody, Town,
    town::{is_presence, online},
};
use crate::support::{Component, House, component::service};

const CAROL: &str = "carol@theirs.example";
const ECHO: &str = "echo.ours.example";
const PARROT: &str = "parrot@echo.ours.example";

/// Our server with a service, and Prosody with one person.
async fn meeting(town: &Town, federated: bool) -> (House, Prosody) {
    town.names().add_host(ECHO, town.address(1));
    let certificate = town.certificate(ECHO);
    let house = town.rollcall_with(1, "ours.example", &[], |config| {
        config.tls.certificates.push(certificate);
        config.components.listen = vec!["127.0.0.1:0".parse().unwrap()];
        config.components.services = vec![rollcall::xmpp::Service { federated, ..service(ECHO, None) }];
    });
    (house.await, Prosody::start(town, 2, "theirs.example", &["carol"], "").await)
}

fn is_error<'a>(id: &'a str, condition: &'a str) -> impl Fn(&Value) -> bool + 'a {
    move |event| {
        let told = event["condition"] == condition
            || event["xml"].as_str().is_some_and(|xml| xml.contains(condition));
        event["type"] == "error" && event["id"] == id && told
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_of_another_server_and_a_service_reach_each_other() {
    let town = Town::new().await;
    let (house, prosody) = meeting(&town, true).await;
    let mut parrot = Component::connected(&house, ECHO).await;
    let mut carol = online(CAROL, prosody.clients).await;

    carol.act(json!({"do": "message", "to": PARROT, "body": "pieces of eight"})).await;
    assert_eq!(carol.read("echo: pieces of eight").await["from"], PARROT);
    let features = carol.act(json!({"do": "disco", "to": ECHO})).await;
    assert!(features.to_string().contains("urn:xmpp:ping"), "{features}");

    carol.act(json!({"do": "subscribe", "to": PARROT})).await;
    parrot.presence(CAROL, "subscribe").await;
    for kind in [json!("subscribed"), Value::Null, json!("subscribe")] {
        parrot.0.ask(json!({"do": "presence", "from": PARROT, "to": CAROL, "type": kind})).await;
    }
    carol.event("presence", |event| is_presence(event, PARROT, "available")).await;
    carol.event("presence", |event| is_presence(event, PARROT, "subscribe")).await;
    carol.act(json!({"do": "subscribed", "to": PARROT})).await;
    let session = parrot.presence(&format!("{CAROL}/"), "available").await["from"].clone();
    parrot.0.ask(json!({"do": "ping", "from": PARROT, "to": session})).await;

    // Who finds no way is told, on either side.
    let lost = json!({"do": "message", "from": PARROT, "to": "x@nowhere.example", "body": "?", "id": "lost"});
    parrot.0.ask(lost).await;
    parrot.0.event("message", is_error("lost", "remote-server-not-found")).await;
    parrot.0.ask(json!({"do": "cut"})).await;
    // What was written to it in that moment is lost with it.
    while carol.attempt(&json!({"do": "ping", "to": ECHO})).await["ok"] == true {}
    carol.act(json!({"do": "message", "to": PARROT, "body": "hello?", "id": "gone"})).await;
    carol.event("message", is_error("gone", "remote-server-timeout")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn service_is_kept_from_other_servers_where_the_operator_said_so() {
    let town = Town::new().await;
    let (house, prosody) = meeting(&town, false).await;
    let mut parrot = Component::connected(&house, ECHO).await;
    let mut carol = online(CAROL, prosody.clients).await;
    carol.act(json!({"do": "message", "to": PARROT, "body": "pieces of eight", "id": "in"})).await;
    // What Prosody makes of the stream error.
    carol.event("message", is_error("in", "host-unknown")).await;
    parrot.0.ask(json!({"do": "message", "from": PARROT, "to": CAROL, "body": "?", "id": "out"})).await;
    parrot.0.event("message", is_error("out", "remote-server-not-found")).await;
}
