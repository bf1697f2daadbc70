//! Programs that are told: a Python server on this machine, allowed by the configuration.

use serde_json::{Value, json};

use super::automate;
use crate::support::{House, PASSWORD, Program, SipPhone, Slixmpp, Web};

/// The program, and where it listens.
pub(super) async fn receiver() -> (Program, u64) {
    let mut program = Program::python("the web hook's receiver", "tests/interop/webhook_receiver.py", &[]);
    let port = program.event("listening", |_| true).await["port"].as_u64().unwrap();
    (program, port)
}

pub(super) async fn posted(program: &mut Program, path: &'static str) -> Value {
    program.event("posted", move |event| event["path"] == path).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_told_of_messages_and_calls_and_can_prove_by_whom() {
    let house = House::start_with(|config| {
        config.webhooks.allow_private = true;
        config.webhooks.pause_seconds = 1;
    })
    .await;
    for local in ["alice", "bob"] {
        house.add_account(local).await;
    }
    let (mut program, port) = receiver().await;
    let hook = |path: &str, text: bool| {
        let url = format!("http://127.0.0.1:{port}{path}");
        json!({ "webhook": { "url": url, "secret": "secret", "text": text } })
    };
    let web = Web::log_in(&house, "bob").await;
    automate(&web, json!([{ "id": "told", "then": [hook("/all?x=y", true)] }])).await;
    let mut alice = Slixmpp::online("alice@localhost", PASSWORD, house.xmpp()).await;
    alice.act(json!({"do": "message", "to": "bob@localhost", "body": "Grüße"})).await;
    let event = posted(&mut program, "/all?x=y").await;
    let body = &event["body"];
    assert_eq!((&event["genuine"], &event["type"]), (&json!(true), &json!("application/json")));
    assert_eq!(body["rule"], json!({ "scope": "account", "id": "told" }));
    assert_eq!((&body["account"], &body["from"]), (&json!("bob@localhost"), &json!("alice@localhost")));
    assert_eq!((&body["kind"], &body["text"]), (&json!("message"), &json!("Grüße")));
    let id = body["message"].clone();

    automate(&web, json!([{ "id": "told", "then": [hook("/calls", false)] }])).await;
    let mut phone = SipPhone::registered("alice", house.sip_udp(), "").await;
    let contact = format!("Contact: <sip:alice@{}>\r\n", phone.address());
    assert_eq!(phone.ask("INVITE", "sip:bob@localhost", "bob", &contact, "").await.status(), Some(480));
    let event = posted(&mut program, "/calls").await;
    assert_eq!((&event["body"]["kind"], event["body"].get("text")), (&json!("call"), None));

    // Once refused is refused for good; what breaks is tried again.
    automate(&web, json!([{ "id": "told", "then": [hook("/refuse", false), hook("/fail", false)] }])).await;
    alice.act(json!({"do": "message", "to": "bob@localhost", "body": "again"})).await;
    for _ in 0..3 {
        posted(&mut program, "/fail").await;
    }
    posted(&mut program, "/refuse").await;
    let archive = web.get("/api/archive").await.expect(200).json();
    assert_eq!(archive["messages"][0]["id"], id);
    assert!(!program.has_heard(|line| line.contains("/refuse")));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reaches_this_machine_through_the_server() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let (mut program, port) = receiver().await;
    let web = Web::log_in(&house, "bob").await;
    let hooks: Vec<_> = ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"]
        .iter()
        .map(|host| json!({ "webhook": { "url": format!("http://{host}:{port}/") } }))
        .collect();
    automate(&web, json!([{ "id": "r", "then": hooks }])).await;
    let mut alice = Slixmpp::online("alice@localhost", PASSWORD, house.xmpp()).await;
    let mut page = web.open().await;
    alice.act(json!({"do": "message", "to": "bob@localhost", "body": "hi"})).await;
    page.take_message().await;
    drop((alice, page));
    // Nothing is under way any more once the server has stopped.
    let mut house = house;
    house.stop().await;
    assert!(!program.has_heard(|line| line.contains("posted")));
}
