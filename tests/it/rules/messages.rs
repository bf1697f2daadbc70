//! Automated rules on messages and contact requests, across protocols.

use serde_json::{Value, json};

use super::automate;
use crate::support::{House, PASSWORD, SipPhone, Slixmpp, Web, soon};

const TEXT: &str = "Content-Type: text/plain\r\n";

async fn write(phone: &mut SipPhone, to: &str, text: &str) -> u16 {
    let response = phone.ask("MESSAGE", &format!("sip:{to}@localhost"), to, TEXT, text).await;
    response.status().unwrap()
}

fn is_error(event: &Value) -> bool {
    event["kind"] == "error" || event["type"] == "error"
}

#[tokio::test(flavor = "multi_thread")]
async fn vacation_is_told_once_to_each_sender_on_every_protocol() {
    let mut house = House::with_accounts(&["alice", "bob", "carol"]).await;
    let alice = Web::log_in(&house, "alice").await;
    let reply =
        json!([{ "id": "holiday", "stage": "offline", "then": [{ "reply": { "text": "on holiday" } }] }]);
    automate(&alice, reply).await;

    let mut bob = Slixmpp::online("bob@localhost", PASSWORD, house.xmpp()).await;
    bob.act(json!({"do": "message", "to": "alice@localhost", "body": "one"})).await;
    let told = bob.read("on holiday").await;
    assert_eq!(told["from"], "alice@localhost", "{told}");
    let mut carol = SipPhone::registered("carol", house.sip_udp(), "").await;
    assert_eq!(write(&mut carol, "alice", "two").await, 202);
    let told = carol.serve(200).await;
    assert_eq!(crate::support::body(&told), "on holiday");

    // Neither hears it again, also after a restart; both messages wait for alice.
    house.restart().await;
    let mut bob = Slixmpp::online("bob@localhost", PASSWORD, house.xmpp()).await;
    bob.act(json!({"do": "message", "to": "alice@localhost", "body": "three"})).await;
    bob.act(json!({"do": "message", "to": "bob@localhost", "body": "last"})).await;
    bob.read("last").await;
    assert!(!bob.has_heard(|event| event["body"] == "on holiday"));
    let alice = Web::log_in(&house, "alice").await;
    let mut page = alice.open().await;
    for text in ["one", "two", "three"] {
        assert_eq!(page.take_message().await["body"], text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn message_of_a_phone_is_redirected_to_a_chat_client() {
    let house = House::with_accounts(&["alice", "bob", "carol"]).await;
    automate(
        &Web::log_in(&house, "bob").await,
        json!([{ "id": "r", "then": [{ "redirect": "carol@localhost" }] }]),
    )
    .await;
    let mut carol = Slixmpp::online("carol@localhost", PASSWORD, house.xmpp()).await;
    let mut bob = Slixmpp::online("bob@localhost", PASSWORD, house.xmpp()).await;
    let mut alice = SipPhone::registered("alice", house.sip_udp(), "").await;
    assert_eq!(write(&mut alice, "bob", "for whoever is there").await, 200);
    let got = carol.read("for whoever is there").await;
    assert!(got["from"].as_str().unwrap().starts_with("alice@localhost"), "{got}");
    assert!(!bob.has_heard(|event| event["body"] == "for whoever is there"));
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_have_each_protocols_own_words_and_discarding_has_none() {
    let house = House::with_accounts(&["alice", "bob", "carol"]).await;
    let web = Web::log_in(&house, "bob").await;
    let mut phone = SipPhone::registered("alice", house.sip_udp(), "").await;
    let mut client = Slixmpp::online("carol@localhost", PASSWORD, house.xmpp()).await;
    for (reason, status, condition) in [
        ("forbidden", 403, "forbidden"),
        ("unavailable", 480, "service-unavailable"),
        ("busy", 486, "recipient-unavailable"),
        ("declined", 603, "recipient-unavailable"),
        ("not-found", 404, "service-unavailable"),
        ("gone", 410, "gone"),
    ] {
        automate(&web, json!([{ "id": "r", "then": [{ "reject": { "reason": reason, "text": "no" } }] }]))
            .await;
        assert_eq!(write(&mut phone, "bob", "hi").await, status, "{reason}");
        client.act(json!({"do": "message", "to": "bob@localhost", "body": reason, "id": reason})).await;
        let error = client.event("message", |event| is_error(event) && event["id"] == reason).await;
        assert!(error.to_string().contains(condition), "{reason}: {error}");
    }
    automate(&web, json!([{ "id": "r", "when": [{ "text": ["lottery"] }], "then": ["discard"] }])).await;
    let mut page = web.open().await;
    assert_eq!(write(&mut phone, "bob", "You won the LOTTERY").await, 200);
    let (status, got) = tokio::join!(write(&mut phone, "bob", "hello"), page.take_message());
    assert_eq!((status, got["body"].as_str()), (200, Some("hello")), "nothing came before");
    let refusals = web.get("/api/refusals").await.expect(200).json();
    let newest = &refusals["refusals"][0];
    assert_eq!(newest["reason"], json!({ "by": "rule", "scope": "account", "id": "r" }), "{refusals}");
}

#[tokio::test(flavor = "multi_thread")]
async fn quiet_messages_reach_no_phone_and_labels_stay_with_the_archive() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let web = Web::log_in(&house, "bob").await;
    let then = json!(["quiet", { "mark": "newsletter" }]);
    automate(&web, json!([{ "id": "r", "when": [{ "text": ["news"] }], "then": then }])).await;
    let mut phone = SipPhone::registered("bob", house.sip_udp(), "").await;
    let mut page = web.open().await;
    let mut alice = Slixmpp::online("alice@localhost", PASSWORD, house.xmpp()).await;
    alice.act(json!({"do": "message", "to": "bob@localhost", "body": "the news"})).await;
    let marked = page.expect("marked").await;
    assert_eq!((&marked["marks"], &marked["quiet"]), (&json!(["newsletter"]), &json!(true)));
    assert_eq!(page.take_message().await["id"], marked["message"]);
    alice.act(json!({"do": "message", "to": "bob@localhost", "body": "hello"})).await;
    let (request, got) = tokio::join!(phone.serve(200), page.take_message());
    assert_eq!((crate::support::body(&request), &got["body"]), ("hello".to_owned(), &json!("hello")));
    // What is delivered may reach the archive a little later, and labels after it.
    let both = async {
        loop {
            let archive = web.get("/api/archive?with=alice@localhost").await.expect(200).json();
            let lines = archive["messages"].as_array().unwrap();
            if lines.len() == 2 && !lines[0]["marks"].is_null() {
                break lines.iter().map(|line| line["marks"].clone()).collect::<Vec<_>>();
            }
        }
    };
    let marks = soon("both messages in the archive", both).await;
    assert_eq!(marks, [json!(["newsletter"]), Value::Null]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_rule_asks_somebody_else_when_the_owner_does_not_answer() {
    let house = House::with_accounts(&["alice", "bob", "carol"]).await;
    let then = json!([{ "fork": "carol@localhost" }]);
    automate(
        &Web::log_in(&house, "bob").await,
        json!([{ "id": "r", "stage": { "after": 1 }, "then": then }]),
    )
    .await;
    let mut bob = Slixmpp::online("bob@localhost", PASSWORD, house.xmpp()).await;
    let mut carol = Slixmpp::online("carol@localhost", PASSWORD, house.xmpp()).await;
    let mut alice = Slixmpp::online("alice@localhost", PASSWORD, house.xmpp()).await;
    alice.act(json!({"do": "message", "to": "bob@localhost", "body": "is anybody there?"})).await;
    bob.read("is anybody there?").await;
    carol.read("is anybody there?").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn contact_requests_are_granted_by_a_rule() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let web = Web::log_in(&house, "bob").await;
    let when = json!([{ "kind": ["contact"] }, { "relation": ["same-domain"] }]);
    automate(&web, json!([{ "id": "r", "when": when, "then": ["accept"] }])).await;
    let alice = Web::log_in(&house, "alice").await;
    alice.post("/api/roster/bob@localhost/subscribe", &json!({})).await.expect(204);
    let roster = alice.get("/api/roster").await.expect(200).json();
    assert_eq!(roster["contacts"][0]["to"], true, "{roster}");
    let roster = web.get("/api/roster").await.expect(200).json();
    assert_eq!((&roster["contacts"][0]["from"], &roster["requests"]), (&json!(true), &json!([])));
}
