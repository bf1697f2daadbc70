//! profanity, an XMPP client for terminals, with another client that nobody here wrote.

use serde_json::json;

use crate::support::{House, PASSWORD, Profanity, Slixmpp};

const SETTINGS: &str = "[ui]\nsplash=false\n[logging]\nchlog=false";

#[tokio::test(flavor = "multi_thread")]
async fn people_at_a_terminal_have_contacts_presence_messages_copies_and_an_archive() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut bob = Slixmpp::online("bob@localhost", PASSWORD, house.xmpp()).await;
    let alice = Profanity::start("alice", house.xmpp(), SETTINGS).await;
    alice.sees("alice@localhost/profanity logged in successfully").await;
    alice.sees("[TLS]").await;
    alice.types("/carbons on").await;

    alice.types("/roster add bob@localhost Robert").await;
    alice.sees("Roster item added: bob@localhost (Robert)").await;
    alice.types("/sub request bob@localhost").await;
    bob.event("presence", |event| event["type"] == "subscribe").await;
    bob.act(json!({"do": "subscribed", "to": "alice@localhost"})).await;
    alice.sees("is online").await;
    bob.act(json!({"do": "subscribe", "to": "alice@localhost"})).await;
    alice.sees("Received authorization request from bob@localhost").await;
    alice.types("/sub allow bob@localhost").await;
    let is_alice = |event: &serde_json::Value| {
        event["type"] == "available" && event["from"] == "alice@localhost/profanity"
    };
    bob.event("presence", is_alice).await;
    bob.act(json!({"do": "presence", "show": "dnd", "status": "writing"})).await;
    alice.sees("is dnd").await;

    alice.types("/msg bob@localhost hello from the terminal").await;
    let heard = bob.read("hello from the terminal").await;
    bob.act(json!({"do": "message", "to": heard["from"], "body": "hello to the terminal"})).await;
    alice.sees(": hello to the terminal").await;
    // What she writes elsewhere is copied to the terminal.
    let mut elsewhere = Slixmpp::online("alice@localhost", PASSWORD, house.xmpp()).await;
    elsewhere.act(json!({"do": "message", "to": "bob@localhost", "body": "said elsewhere"})).await;
    alice.sees("said elsewhere").await;
    alice.types("/disconnect").await;
    bob.event("presence", |event| {
        event["type"] == "unavailable" && event["from"] == "alice@localhost/profanity"
    })
    .await;

    // At another terminal, which kept nothing, the archive has it.
    let again = Profanity::start("alice", house.xmpp(), SETTINGS).await;
    again.sees("logged in successfully").await;
    again.types("/mam on").await;
    again.types("/msg bob@localhost").await;
    for text in ["hello to the terminal", "said elsewhere"] {
        again.sees(text).await;
    }
}
