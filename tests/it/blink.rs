//! Whole sessions of a client that behaves as Blink does, over TLS: first and later starts, several
//! devices, a server that was restarted in between. Whatever Blink would stumble over fails the test.

use serde_json::json;

use crate::support::{Blink, House};

#[tokio::test(flavor = "multi_thread")]
async fn first_start_registers_and_publishes_and_nothing_else() {
    let house = House::with_accounts(&["alice"]).await;
    let mut alice = Blink::start_as("alice", house.sip_tls(), json!({"first": true})).await;
    let published = alice.published("initial", 200).await;
    assert_eq!(published["expires"], 600);
    let registered = alice.event("registered", |event| event["status"] == 200).await;
    assert_eq!(registered["expires"], 600);
    alice.act(json!({"do": "refresh", "what": "publication"})).await;
    alice.published("refresh", 200).await;
    alice.act(json!({"do": "stop"})).await;
    alice.published("remove", 200).await;
    assert!(alice.all_events("subscribed").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn publication_is_refreshed_taken_back_and_made_anew() {
    let house = House::start_with(|config| config.sip.publish_min_seconds = 1).await;
    house.add_account("alice").await;
    let start = json!({"first": true, "publish_expires": 1, "transport": "tcp"});
    let mut alice = Blink::start_as("alice", house.sip_tcp(), start).await;
    alice.published("initial", 200).await;
    alice.published("refresh", 200).await;
    alice.act(json!({"do": "unpublish"})).await;
    alice.published("remove", 200).await;
    alice.act(json!({"do": "state", "extended": "away"})).await;
    alice.published("initial", 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn interval_that_is_too_brief_is_lengthened() {
    let house = House::with_accounts(&["alice"]).await;
    let start = json!({"first": true, "publish_expires": 5});
    let mut alice = Blink::start_as("alice", house.sip_tls(), start).await;
    alice.published("initial", 423).await;
    let published = alice.published("initial", 200).await;
    assert_eq!(published["expires"], 60);
}
