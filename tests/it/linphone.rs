//! linphone as publisher and watcher: what one says the other shows, and clients of XMPP as well.

use serde_json::json;

use crate::support::{House, Linphonec, PASSWORD, SipPhone, Slixmpp, body};

/// An XMPP client that lets `watcher` see its presence.
async fn willing(house: &House, local: &str, watcher: &str) -> Slixmpp {
    let mut client = Slixmpp::online(&format!("{local}@localhost"), PASSWORD, house.xmpp()).await;
    client.act(json!({"do": "subscribed", "to": format!("{watcher}@localhost")})).await;
    // The answer to this comes after that was heard.
    client.act(json!({"do": "roster"})).await;
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn linphone_sees_that_linphone_comes_and_goes() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    drop(willing(&house, "bob", "alice").await);
    let mut alice = Linphonec::registered("alice", house.sip_tcp(), &["bob"]).await;
    alice.sees("bob", "Offline").await;
    let bob = Linphonec::registered("bob", house.sip_tcp(), &["alice"]).await;
    alice.sees("bob", "Online").await;
    bob.quit().await;
    alice.sees("bob", "Offline").await;
    alice.quit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn linphone_sees_chat_clients_and_they_see_it() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut bob = willing(&house, "bob", "alice").await;
    drop(willing(&house, "alice", "bob").await);
    let mut alice = Linphonec::registered("alice", house.sip_tcp(), &["bob"]).await;
    alice.sees("bob", "Online").await;
    bob.act(json!({"do": "presence", "show": "dnd"})).await;
    alice.sees("bob", "Busy").await;
    bob.act(json!({"do": "presence", "show": "away"})).await;
    alice.sees("bob", "Away").await;
    bob.act(json!({"do": "subscribe", "to": "alice@localhost"})).await;
    let from_alice = |event: &serde_json::Value| {
        event["type"] == "available" && event["from"].to_string().contains("alice@localhost/")
    };
    bob.event("presence", from_alice).await;
    // She is seen by phones with the contact that she published.
    let mut phone = SipPhone::registered("bob", house.sip_udp(), "").await;
    let contact = format!("Contact: <sip:bob@{}>\r\nEvent: presence\r\n", phone.address());
    let accepted = phone.ask("SUBSCRIBE", "sip:alice@localhost", "alice", &contact, "").await;
    assert_eq!(accepted.status(), Some(200));
    loop {
        let request = phone.serve(200).await;
        if body(&request).contains(">sip:alice@localhost</contact>") {
            break;
        }
    }
    alice.quit().await;
    bob.event("presence", |event| event["type"] == "unavailable").await;
}
