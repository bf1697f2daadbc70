//! Whole sessions of a client that behaves as Blink does, over TLS: first and later starts, several
//! devices, watchers, a server that was restarted in between. Whatever Blink would stumble over fails
//! the test.

use std::net::{SocketAddr, TcpListener};

use serde_json::{Value, json};

use crate::support::{Blink, House, PASSWORD, SipPhone, Slixmpp};

/// The device that a client has when none is chosen, and a second one.
const FIRST: &str = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
const OTHER: &str = "0b5d3a6e-4f6c-4d5e-9a7b-3c2d1e0f9a8b";

/// The tuple of a device.
fn tuple_of(instance: &str) -> String {
    format!("SID-{instance}")
}

/// A house that serves TLS at the same port each time that it is started.
async fn house_at_one_port(accounts: &[&str]) -> (House, SocketAddr) {
    let tls = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let house = House::start_with(|config| config.sip.tls = vec![tls]).await;
    for account in accounts {
        house.add_account(account).await;
    }
    (house, tls)
}

#[tokio::test(flavor = "multi_thread")]
async fn first_start_registers_and_publishes_and_nothing_else() {
    let house = House::with_accounts(&["alice"]).await;
    let mut alice = Blink::start_as("alice", house.sip_tls(), json!({"first": true})).await;
    let published = alice.published("initial", 200).await;
    assert_eq!(published["expires"], 600);
    let registered = alice.event("registered", |event| event["status"] == 200).await;
    assert_eq!(registered["expires"], 600);
    assert!(registered["gruu"].as_str().is_some_and(|gruu| gruu.contains(FIRST)), "{registered}");
    assert!(registered["temporary"].is_string(), "{registered}");
    // Once more, with the GRUU as its contact.
    alice.published("modify", 200).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn own_presence_comes_back_as_it_was_published() {
    let house = House::with_accounts(&["alice"]).await;
    let start = json!({"note": "in a <meeting>"});
    let mut alice = Blink::start_as("alice", house.sip_tls(), start).await;
    let id = tuple_of(FIRST);
    let is_gruu = |service: &Value| service["contact"].as_str().is_some_and(|uri| uri.contains(";gr="));
    let own = alice.service("self", &id, is_gruu).await;
    assert_eq!((&own["basic"], &own["extended"]), (&json!("open"), &json!("available")));
    assert_eq!(own["notes"], json!(["in a <meeting>"]));
    assert_eq!((&own["display_name"], &own["user_input"]), (&json!("Alice"), &json!("active")));
    let info =
        json!({"id": FIRST, "description": "host of Alice", "user_agent": "Blink Qt", "time_offset": "0.0"});
    assert_eq!((&own["device"], &own["device_info"]), (&json!(FIRST), &info));
    for capability in ["audio", "message", "file-transfer", "screen-sharing-client"] {
        assert_eq!(own["capabilities"][capability], "true", "{capability}");
    }
    alice.act(json!({"do": "state", "extended": "busy"})).await;
    let busy = alice.service("self", &id, |service| service["extended"] == "busy").await;
    assert_eq!(busy["notes"], json!([]));
    alice.act(json!({"do": "unpublish"})).await;
    // The device is still registered, and says nothing of itself any more.
    alice.shows("alice@localhost", &[""]).await;
    assert!(alice.all_events("adopted").is_empty(), "{:?}", alice.all_events("adopted"));
}

#[tokio::test(flavor = "multi_thread")]
async fn phones_that_come_and_go_change_nothing_of_what_was_said() {
    let house = House::with_accounts(&["alice"]).await;
    let mut alice = Blink::start_as("alice", house.sip_tls(), json!({"state": "busy"})).await;
    alice.shows("alice@localhost", &["busy"]).await;
    let mut phone = SipPhone::registered("alice", house.sip_udp(), "").await;
    alice.shows("alice@localhost", &["busy", ""]).await;
    phone.register(0, "").await;
    alice.shows("alice@localhost", &["busy"]).await;
    assert!(alice.all_events("adopted").is_empty(), "{:?}", alice.all_events("adopted"));
    // What was said elsewhere is another thing.
    let mut chat = Slixmpp::start("slixmpp of alice");
    chat.login("alice@localhost", PASSWORD, house.xmpp(), json!({})).await;
    chat.act(json!({"do": "presence", "show": "away", "status": "tea"})).await;
    alice.event("adopted", |event| event["extended"] == "away" && event["note"] == "tea").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_devices_of_one_account_follow_each_other() {
    let house = House::with_accounts(&["alice"]).await;
    let mut desk = Blink::start_as("alice", house.sip_tls(), json!({})).await;
    desk.shows("alice@localhost", &["available"]).await;
    let mut lap = Blink::start_as("alice", house.sip_tls(), json!({"instance": OTHER})).await;
    for device in [&mut desk, &mut lap] {
        let seen = device.shows("alice@localhost", &["available", "available"]).await;
        for id in [tuple_of(FIRST), tuple_of(OTHER)] {
            assert!(seen["body"].as_str().unwrap().contains(&id), "{id}: {seen:#}");
        }
        assert_eq!(seen["devices"].as_array().map(Vec::len), Some(2));
        assert_eq!(seen["persons"].as_array().map(Vec::len), Some(1));
    }
    lap.act(json!({"do": "state", "extended": "away", "note": "lunch"})).await;
    let adopted = desk.event("adopted", |event| event["extended"] == "away").await;
    assert_eq!((&adopted["note"], &adopted["from"]), (&json!("lunch"), &json!(tuple_of(OTHER))));
    lap.shows("alice@localhost", &["away", "away"]).await;
    lap.act(json!({"do": "stop"})).await;
    desk.shows("alice@localhost", &["away"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn device_that_is_gone_without_a_word_is_gone_at_once() {
    let house = House::with_accounts(&["alice"]).await;
    let mut desk = Blink::start_as("alice", house.sip_tls(), json!({})).await;
    let mut lap = Blink::start_as("alice", house.sip_tls(), json!({"instance": OTHER})).await;
    desk.shows("alice@localhost", &["available", "available"]).await;
    lap.act(json!({"do": "cut"})).await;
    desk.shows("alice@localhost", &["available"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn watcher_asks_is_approved_and_sees() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut alice = Blink::start_as("alice", house.sip_tls(), json!({})).await;
    let first = alice.event("watchers", |_| true).await;
    assert_eq!((&first["version"], &first["full"]), (&json!(0), &json!(true)));
    let others = |watcher: &&Value| watcher["uri"] != "sip:alice@localhost";
    assert_eq!(first["all"].as_array().unwrap().iter().find(others), None);
    let mut bob = Blink::start_as("bob", house.sip_tls(), json!({})).await;
    bob.act(json!({"do": "subscribe", "to": "alice@localhost"})).await;
    let asked = alice.event("request", |_| true).await;
    assert_eq!((&asked["from"], &asked["status"]), (&json!("sip:bob@localhost"), &json!("pending")));
    let is_alice = |event: &Value| event["uri"] == "sip:alice@localhost";
    let waits = bob.event("self", |event| is_alice(event) && event["state"] == "pending").await;
    assert!(waits["services"].as_array().is_none_or(Vec::is_empty), "nothing is told: {waits:#}");

    let mut chat = Slixmpp::online("alice@localhost", PASSWORD, house.xmpp()).await;
    chat.act(json!({"do": "subscribed", "to": "bob@localhost"})).await;
    let sees = |event: &Value| is_alice(event) && event["state"] == "active";
    let seen = bob.event("self", |event| sees(event) && event["body"].to_string().contains(FIRST)).await;
    let name = "<c:display-name>Alice</c:display-name>";
    assert!(seen["body"].as_str().unwrap().contains(name), "{seen:#}");
    let is_approved = |watcher: &Value| {
        watcher["uri"] == "sip:bob@localhost"
            && watcher["status"] == "active"
            && watcher["event"] == "approved"
    };
    let has_approved =
        |event: &Value| event["changed"].as_array().is_some_and(|all| all.iter().any(is_approved));
    alice.event("watchers", has_approved).await;

    chat.act(json!({"do": "unsubscribed", "to": "bob@localhost"})).await;
    let ended = bob.event("terminated", is_alice).await;
    assert_eq!(ended["reason"], "rejected");
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_document_is_a_state_of_its_own() {
    let house = House::with_accounts(&["alice"]).await;
    let mut desk = Blink::start_as("alice", house.sip_tls(), json!({})).await;
    desk.shows("alice@localhost", &["available"]).await;
    let mut lap = Blink::start_as("alice", house.sip_tls(), json!({"instance": OTHER})).await;
    lap.shows("alice@localhost", &["available", "available"]).await;
    lap.act(json!({"do": "state", "extended": null})).await;
    desk.shows("alice@localhost", &["available", "offline"]).await;
    lap.act(json!({"do": "state", "extended": "busy"})).await;
    desk.event("adopted", |event| event["extended"] == "busy").await;
    lap.shows("alice@localhost", &["busy", "busy"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn publication_and_dialogs_go_on_after_the_server_was_restarted() {
    let (mut house, tls) = house_at_one_port(&["alice"]).await;
    let mut alice = Blink::start_as("alice", tls, json!({"state": "busy", "note": "at work"})).await;
    alice.published("initial", 200).await;
    alice.published("modify", 200).await;
    house.restart().await;
    alice.event("back", |_| true).await;
    alice.act(json!({"do": "refresh", "what": "publication"})).await;
    alice.published("refresh", 200).await;
    for kind in ["self", "watchers"] {
        alice.act(json!({"do": "refresh", "what": kind})).await;
        let goes_on = |event: &Value| event["kind"] == kind && event["refresh"] == true;
        assert_eq!(alice.event("subscribed", goes_on).await["status"], 200, "{kind}");
    }
    let mut lap = Blink::start_as("alice", tls, json!({"instance": OTHER, "state": "busy"})).await;
    let desk = lap.service("self", &tuple_of(FIRST), |_| true).await;
    assert_eq!((&desk["extended"], &desk["notes"]), (&json!("busy"), &json!(["at work"])));
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_are_one_list_that_grows_and_changes() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut alice = Blink::start_as("alice", house.sip_tls(), json!({})).await;
    let first = alice.event("contacts", |_| true).await;
    assert_eq!((&first["version"], &first["full"], &first["all"]), (&json!(0), &json!(true), &json!([])));
    // Added by another client of hers; he lets her in by a client of his.
    let mut chat = Slixmpp::online("alice@localhost", PASSWORD, house.xmpp()).await;
    chat.act(json!({"do": "subscribe", "to": "bob@localhost"})).await;
    let state_is = |wanted: &'static str| {
        move |event: &Value| {
            let all = event["all"].as_array().into_iter().flatten();
            all.into_iter().any(|one| one["uri"] == "sip:bob@localhost" && one["state"] == wanted)
        }
    };
    alice.event("contacts", state_is("pending")).await;
    let mut his = Slixmpp::online("bob@localhost", PASSWORD, house.xmpp()).await;
    his.act(json!({"do": "subscribed", "to": "alice@localhost"})).await;
    alice.event("contacts", state_is("active")).await;
    his.act(json!({"do": "presence", "show": "away", "status": "tea"})).await;
    let shows_away = |event: &Value| {
        let all = event["all"].as_array().into_iter().flatten();
        all.into_iter().any(|one| one["shown"] == "away" && one["services"].to_string().contains("tea"))
    };
    alice.event("contacts", shows_away).await;
    let mut bob = Blink::start_as("bob", house.sip_tls(), json!({"state": "busy"})).await;
    bob.published("initial", 200).await;
    let has_published = |event: &Value| event["all"].to_string().contains(FIRST);
    alice.event("contacts", has_published).await;
    chat.act(json!({"do": "remove", "jid": "bob@localhost"})).await;
    // Told once; the next full list is without him.
    alice.event("contacts", state_is("terminated")).await;
    alice.act(json!({"do": "refresh", "what": "contacts"})).await;
    alice.event("contacts", |event| event["full"] == true && event["all"] == json!([])).await;
}
