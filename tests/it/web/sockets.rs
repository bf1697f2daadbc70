//! The WebSocket as a session of the account.

use serde_json::{Value, json};

use crate::support::{House, Socket, Web, address};

fn message(to: &str, body: &str) -> Value {
    json!({ "type": "message", "to": to, "body": body })
}

async fn page(house: &House, local: &str) -> Socket {
    Web::log_in(house, local).await.open().await
}

#[tokio::test(flavor = "multi_thread")]
async fn message_is_delivered_when_it_is_acknowledged() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let (mut alice, mut bob) = (page(&house, "alice").await, page(&house, "bob").await);
    let mut sent = message("bob@localhost", "Hello, Bob");
    for (key, value) in
        [("id", "1"), ("lang", "en"), ("subject", "A greeting"), ("thread", "t"), ("originId", "o1")]
    {
        sent[key] = json!(value);
    }
    sent["wantsDelivered"] = json!(true);
    alice.send(&sent).await;
    let got = bob.expect("message").await;
    for (key, value) in [
        ("to", "bob@localhost"),
        ("kind", "chat"),
        ("body", "Hello, Bob"),
        ("subject", "A greeting"),
        ("lang", "en"),
        ("thread", "t"),
        ("originId", "o1"),
        ("copy", "original"),
    ] {
        assert_eq!(got[key], value, "{got}");
    }
    assert_eq!(got["from"], format!("alice@localhost/{}", alice.resource));
    assert_eq!(got["wantsDelivered"], true);
    // A second request overtakes the first one, whose message nobody has acknowledged.
    assert_eq!(alice.ask(json!({ "type": "ping" })).await["ok"], true);
    bob.send(&json!({ "type": "ack", "id": got["id"] })).await;
    let reply = alice.expect_that("reply", |reply| reply["id"] == "1").await;
    assert_eq!((&reply["ok"], &reply["sent"]), (&json!(true), &json!("delivered")));
    assert_eq!(reply["message"]["id"], got["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn unacknowledged_message_comes_again_at_the_next_login() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let (mut alice, mut bob) = (page(&house, "alice").await, page(&house, "bob").await);
    alice.send(&message("bob@localhost", "Are you there?")).await;
    let lost = bob.expect("message").await;
    drop(bob);
    let mut bob = page(&house, "bob").await;
    let again = bob.take_message().await;
    assert_eq!((&again["id"], &again["sent"]), (&lost["id"], &lost["sent"]));
    assert!(["offline", "original"].contains(&again["copy"].as_str().unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn offline_messages_wait_in_order() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut alice = page(&house, "alice").await;
    for n in 1..=3 {
        assert_eq!(alice.ask(message("bob@localhost", &format!("{n}"))).await["sent"], "stored");
    }
    let mut bob = page(&house, "bob").await;
    for n in 1..=3 {
        let message = bob.take_message().await;
        assert_eq!((&message["body"], &message["copy"]), (&json!(n.to_string()), &json!("offline")));
    }
    // Once acknowledged, it is gone.
    assert_eq!(bob.ask(json!({ "type": "ping" })).await["ok"], true);
    drop(bob);
    let mut bob = page(&house, "bob").await;
    alice.send(&message("bob@localhost", "4")).await;
    assert_eq!(bob.take_message().await["body"], "4");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_pages_get_copies() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let (mut here, mut there) = (page(&house, "alice").await, page(&house, "alice").await);
    let _bob = page(&house, "bob").await;
    here.send(&message("bob@localhost", "Hello")).await;
    let copy = there.expect("message").await;
    assert_eq!((&copy["copy"], &copy["body"]), (&json!("sent"), &json!("Hello")));
}

#[tokio::test(flavor = "multi_thread")]
async fn typing_and_receipts_pass() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let (mut alice, mut bob) = (page(&house, "alice").await, page(&house, "bob").await);
    let typing = json!({ "type": "typing", "to": "bob@localhost", "state": "composing" });
    alice.send(&typing).await;
    let got = bob.expect("message").await;
    assert_eq!((&got["typing"], &got["body"]), (&json!("composing"), &Value::Null));
    let receipt = json!({ "type": "receipt", "to": "alice@localhost", "kind": "displayed", "of": "o1" });
    bob.send(&receipt).await;
    assert_eq!(alice.expect("message").await["receipt"], json!({ "kind": "displayed", "of": "o1" }));
    let archive = Web::log_in(&house, "alice").await.get("/api/archive").await.json();
    assert_eq!(archive["messages"], json!([]), "passing notes are not kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_see_each_other() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let (mut alice, mut bob) = (page(&house, "alice").await, page(&house, "bob").await);
    let add = json!({ "type": "setContact", "address": "bob@localhost", "name": "Bob", "subscribe": true });
    assert_eq!(alice.ask(add).await["ok"], true);
    assert_eq!(bob.expect("request").await["from"], "alice@localhost");
    assert_eq!(bob.ask(json!({ "type": "grant", "to": "alice@localhost" })).await["ok"], true);
    let settled = bob.expect("settled").await;
    assert_eq!((&settled["from"], &settled["granted"]), (&json!("alice@localhost"), &json!(true)));
    let change = alice.expect_that("roster", |change| change["contact"]["to"] == true).await;
    assert_eq!(change["contact"]["name"], "Bob");
    let seen = alice.expect_that("presence", |seen| seen["from"] == "bob@localhost").await;
    assert_eq!(
        (&seen["availability"], &seen["aggregate"]["availability"]),
        (&json!("online"), &json!("online"))
    );
    assert_eq!(seen["resource"], bob.resource);

    let busy = json!({ "type": "presence", "availability": "busy", "note": "In a meeting" });
    assert_eq!(bob.ask(busy).await["ok"], true);
    let seen = alice.expect_that("presence", |seen| seen["availability"] == "busy").await;
    assert_eq!(seen["note"], "In a meeting");
    drop(bob);
    let gone = alice.expect_that("presence", |seen| seen["availability"] == "offline").await;
    assert_eq!(gone["aggregate"]["availability"], "offline");
    assert_eq!(alice.ask(json!({ "type": "removeContact", "address": "bob@localhost" })).await["ok"], true);
    assert_eq!(
        alice.expect_that("roster", |change| change["removed"] == true).await["contact"]["address"],
        "bob@localhost"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_message_is_reported() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut alice = page(&house, "alice").await;
    house
        .prefer("bob", |preferences| {
            preferences.accepted_senders = rollcall::account::AcceptedSenders::Nobody
        })
        .await;
    let reply = alice.ask(message("bob@localhost", "Hello")).await;
    assert_eq!((&reply["ok"], &reply["error"]["reason"]), (&json!(false), &json!("forbidden")));
    let reply = alice.ask(message("nobody@localhost", "Hello")).await;
    assert_eq!(reply["error"]["reason"], "not-found");
    let reply = alice.ask(message("bob@elsewhere.example", "Hello")).await;
    assert_eq!(reply["error"]["reason"], "remote-not-found");
    // Failures are told even to who asked for no reply.
    alice.send(&message("nobody@localhost", "Hello")).await;
    let reply = alice.expect_that("reply", |reply| reply["id"].is_null()).await;
    assert_eq!((&reply["ok"], &reply["message"]["body"]), (&json!(false), &json!("Hello")));
}

#[tokio::test(flavor = "multi_thread")]
async fn preferences_change_on_every_page() {
    let house = House::with_accounts(&["alice"]).await;
    let alice = Web::log_in(&house, "alice").await;
    let mut socket = alice.open().await;
    alice.put("/api/preferences", &json!({ "deviceCopies": false })).await.expect(200);
    assert_eq!(socket.expect("preferences").await["preferences"]["deviceCopies"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn ready_page_knows_its_account() {
    let house = House::with_accounts(&["alice"]).await;
    let alice = Web::log_in(&house, "alice").await;
    let mut socket = alice.try_open().await.unwrap();
    let ready = socket.expect("ready").await;
    assert_eq!(ready["address"], "alice@localhost");
    let session = &ready["me"]["sessions"][0];
    assert_eq!((&session["kind"], &session["current"]), (&json!("page"), &json!(true)));
    assert_eq!((&session["resource"], &session["availability"]), (&ready["resource"], &json!("online")));
    assert_eq!(ready["me"]["aggregate"]["availability"], "online");
}

#[tokio::test(flavor = "multi_thread")]
async fn socket_ends_with_what_it_rests_on() {
    let house = House::with_accounts(&["alice"]).await;
    let mut socket = page(&house, "alice").await;
    house.server().authenticator().set_password(&address("alice"), "another horse").await.unwrap();
    let last = socket.until_closed().await.pop().unwrap();
    assert_eq!(last, json!({ "type": "closed", "reason": "credentials-changed" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_server_says_goodbye() {
    let mut house = House::with_accounts(&["alice"]).await;
    let mut socket = page(&house, "alice").await;
    let (frames, ()) = tokio::join!(socket.until_closed(), house.stop());
    assert_eq!(frames.last(), Some(&json!({ "type": "closed", "reason": "shutdown" })));
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_pages_are_turned_away() {
    let house = House::start_with(|config| config.account.sessions = 1).await;
    house.add_account("alice").await;
    let alice = Web::log_in(&house, "alice").await;
    let _first = alice.open().await;
    let mut second = alice.try_open().await.unwrap();
    assert_eq!(second.until_closed().await, [json!({ "type": "closed", "reason": "too-many" })]);
}

#[tokio::test(flavor = "multi_thread")]
async fn page_that_acknowledges_nothing_is_closed_and_nothing_is_lost() {
    let house = House::start_with(|config| {
        config.api.ack_seconds = 1;
        config.api.unacknowledged = 2;
    })
    .await;
    house.add_account("alice").await;
    house.add_account("bob").await;
    let (mut alice, mut bob) = (page(&house, "alice").await, page(&house, "bob").await);
    for n in 1..=4 {
        alice.send(&message("bob@localhost", &format!("{n}"))).await;
    }
    let frames = bob.until_closed().await;
    assert_eq!(frames.iter().filter(|frame| frame["type"] == "message").count(), 2, "the window is full");
    assert_eq!(frames.last(), Some(&json!({ "type": "closed", "reason": "too-slow" })));
    let mut bob = page(&house, "bob").await;
    let mut bodies = Vec::new();
    for _ in 1..=4 {
        bodies.push(bob.take_message().await["body"].as_str().unwrap().to_owned());
    }
    bodies.sort();
    assert_eq!(bodies, ["1", "2", "3", "4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn session_ends_at_once_even_with_a_full_window() {
    let house = House::start_with(|config| config.api.unacknowledged = 1).await;
    house.add_account("alice").await;
    let mut socket = page(&house, "alice").await;
    for n in 1..=2 {
        socket.send(&message("alice@localhost", &format!("note {n} to myself"))).await;
    }
    socket.expect("message").await;
    house.server().authenticator().set_password(&address("alice"), "another horse").await.unwrap();
    let last = socket.until_closed().await.pop().unwrap();
    assert_eq!(last["reason"], "credentials-changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_page_is_closed() {
    let house = House::start_with(|config| config.api.ping_seconds = 1).await;
    house.add_account("alice").await;
    let socket = page(&house, "alice").await;
    // Nobody reads, so nobody answers the ping.
    let alice = address("alice");
    let accounts = house.server().accounts();
    crate::support::soon("the session's end", async {
        loop {
            let reply = accounts.ask(&alice, rollcall::account::Request::Summary).await.unwrap();
            let rollcall::account::Reply::Summary(summary) = reply else { panic!("{reply:?}") };
            if summary.sessions.is_empty() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await;
    drop(socket);
}
