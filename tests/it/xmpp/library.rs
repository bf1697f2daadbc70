//! @xmpp/client, which nobody here wrote, logs in by XEP-0388 with Bind 2, FAST and stream management inside.

use serde_json::{Value, json};

use crate::support::{House, PASSWORD, Program, RawXmpp, address};

/// How the library logged in last: the mechanism, and what it wanted with it.
async fn way(client: &mut Program) -> (String, Vec<String>) {
    let event = client.event("authenticate", |_| true).await;
    assert_eq!(event["name"], "authenticate", "{event}");
    let wishes = event["wishes"].as_array().unwrap().iter().filter_map(Value::as_str).map(str::to_owned);
    (event["mechanism"].as_str().unwrap().to_owned(), wishes.collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_library_logs_in_by_password_then_by_token_and_goes_on_with_its_stream() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut bob = RawXmpp::online("bob", "one", house.xmpp_plain()).await;
    let mut alice = Program::node("xmpp.js over TCP", &["tests/interop/web/fast.mjs"]);
    let service = format!("xmpps://127.0.0.1:{}", house.xmpp_direct_tls().port());
    let login = json!({
        "do": "login", "service": service, "domain": "localhost", "username": "alice", "password": PASSWORD,
    });
    let jid = alice.ask(login).await["jid"].as_str().unwrap().to_owned();
    assert!(jid.starts_with("alice@localhost/tested/"), "{jid}");
    let (mechanism, wishes) = way(&mut alice).await;
    assert!(mechanism.starts_with("SCRAM-") || mechanism == "PLAIN", "{mechanism}");
    assert!(wishes.iter().any(|wish| wish == "request-token") && wishes.iter().any(|wish| wish == "bind"));
    let success = alice.event("success", |_| true).await["text"].as_str().unwrap().to_owned();
    for part in [
        "<bound xmlns=\"urn:xmpp:bind:0\">",
        "<enabled xmlns=\"urn:xmpp:sm:3\"",
        "<token xmlns=\"urn:xmpp:fast:0\"",
    ] {
        assert!(success.contains(part), "{part} in {success}");
    }
    // It leaves and comes back with its token, by the same name.
    assert_eq!(alice.ask(json!({"do": "again"})).await["jid"], jid.as_str());
    let (mechanism, wishes) = way(&mut alice).await;
    assert_eq!(mechanism, "HT-SHA-256-NONE");
    assert!(wishes.iter().any(|wish| wish == "fast"), "{wishes:?}");
    // Its connection breaks: within the next login it goes on with its stream and misses nothing.
    alice.ask(json!({"do": "break"})).await;
    bob.send(&format!("<message to='{jid}' type='chat'><body>meanwhile</body></message>")).await;
    alice.event("resumed", |_| true).await;
    alice.event("message", |event| event["body"] == "meanwhile").await;
    let (mechanism, wishes) = way(&mut alice).await;
    assert_eq!(mechanism, "HT-SHA-256-NONE");
    assert!(wishes.iter().any(|wish| wish == "resume"), "{wishes:?}");
    // A new password ends the token; the library falls back to what it was told, which is wrong by now.
    house.server().authenticator().set_password(&address("alice"), "other").await.unwrap();
    alice
        .event("error", |event| event["text"].as_str().is_some_and(|text| text.contains("not-authorized")))
        .await;
}
