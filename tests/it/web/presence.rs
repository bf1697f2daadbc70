//! Rules, watchers and the offline status over the web.

use serde_json::{Value, json};

use crate::support::{House, Web};

const RULES: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<cp:ruleset xmlns:cp="urn:ietf:params:xml:ns:common-policy" xmlns:pr="urn:ietf:params:xml:ns:pres-rules">
<cp:rule id="friends"><cp:conditions><cp:identity><cp:one id="bob%40localhost"/></cp:identity></cp:conditions>
<cp:actions><pr:sub-handling>allow</pr:sub-handling></cp:actions></cp:rule></cp:ruleset>"#;

async fn statuses(web: &Web) -> Vec<(String, String)> {
    let list = web.get("/api/watchers").await.expect(200).json();
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let watchers = list["watchers"].as_array().unwrap();
    watchers.iter().map(|watcher| (word(&watcher["address"]), word(&watcher["status"]))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_answer_who_asks_and_survive_a_round_trip() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let [alice, bob] = [Web::log_in(&house, "alice").await, Web::log_in(&house, "bob").await];
    bob.post("/api/roster/alice@localhost/subscribe", &json!({})).await.expect(204);
    let of_bob = |status: &str| ("bob@localhost".to_owned(), status.to_owned());
    assert_eq!(statuses(&alice).await, [of_bob("pending")]);

    let xml = alice.with("Content-Type", "application/auth-policy+xml");
    xml.request("PUT", "/api/presence-rules", Some(RULES)).await.expect(204);
    assert_eq!(statuses(&alice).await, [of_bob("active")]);
    let roster = bob.get("/api/roster").await.expect(200).json();
    assert_eq!(roster["contacts"][0]["to"], true);

    let shown = alice.get("/api/presence-rules").await.expect(200);
    assert_eq!(shown.header("content-type"), Some("application/auth-policy+xml"));
    assert_eq!(shown.body, RULES);
    xml.request("PUT", "/api/presence-rules", Some(&shown.body)).await.expect(204);
    alice.delete("/api/presence-rules").await.expect(204);
    let shown = alice.get("/api/presence-rules").await.expect(200);
    assert!(!shown.body.contains("bob"), "{}", shown.body);

    let broken = RULES.replace("allow", "perhaps");
    let answer = xml.request("PUT", "/api/presence-rules", Some(&broken)).await.expect(400);
    assert_eq!(answer.reason(), "malformed");
    let answer = alice.put("/api/presence-rules", &json!({})).await.expect(415);
    assert_eq!(answer.reason(), "unsupported-media");
    Web::stranger(&house).get("/api/presence-rules").await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn offline_status_is_set_shown_and_removed() {
    let house = House::with_accounts(&["alice"]).await;
    let alice = Web::log_in(&house, "alice").await;
    let none = json!({ "availability": null, "note": null });
    assert_eq!(alice.get("/api/offline-status").await.expect(200).json(), none);
    alice.put("/api/offline-status", &json!({ "note": "on holiday" })).await.expect(204);
    let set = json!({ "availability": "offline", "note": "on holiday" });
    assert_eq!(alice.get("/api/offline-status").await.expect(200).json(), set);
    assert_eq!(alice.get("/api/me").await.expect(200).json()["aggregate"]["note"], "on holiday");
    alice.put("/api/offline-status", &json!({ "availability": "asleep" })).await.expect(400);
    alice.put("/api/offline-status", &json!({ "note": "x".repeat(5000) })).await.expect(400);
    alice.delete("/api/offline-status").await.expect(204);
    assert_eq!(alice.get("/api/offline-status").await.expect(200).json(), none);
}
