//! What becomes of a question to be a contact that another server does not take (RFC 6121 §3.1.2).

use serde_json::{Value, json};

use super::{
    Prosody, Town,
    town::{is_presence, online},
};
use crate::support::{Slixmpp, Socket, Web};

const ALICE: &str = "alice@ours.example";

/// Every session of Alice's hears that somebody cannot be asked, and nobody waits for an answer of his.
async fn is_refused(alice: &mut Slixmpp, page: &mut Socket, somebody: &str, condition: &str, reason: &str) {
    let told = alice.event("presence", |event| is_presence(event, somebody, "error")).await;
    let xml = told["xml"].as_str().unwrap();
    assert!(xml.contains(condition), "{xml}");
    let told = page.expect_that("failed", |event| event["contact"] == somebody).await;
    assert_eq!(told["error"]["reason"], reason, "{told}");
    let is_asked = |ask: bool| {
        move |event: &Value| event["contact"]["address"] == somebody && event["contact"]["ask"] == ask
    };
    page.expect_that("roster", is_asked(true)).await;
    page.expect_that("roster", is_asked(false)).await;
    let roster = alice.act(json!({"do": "roster"})).await;
    let contacts = roster["contacts"].as_array().unwrap();
    let contact = contacts.iter().find(|contact| contact["jid"] == somebody).unwrap();
    assert_eq!((&contact["subscription"], &contact["ask"]), (&json!("none"), &json!("")), "{contact}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_be_asked_is_named_to_every_session() {
    let town = Town::new().await;
    let house = town.rollcall(1, "ours.example", &["alice"]).await;
    // A service that Prosody knows and that is not there: Prosody answers for it.
    let gate = town.certificate("gate.theirs.example");
    town.names().add_host("gate.theirs.example", town.address(2));
    let ssl = format!(
        "ssl = {{ certificate = '{}', key = '{}', cafile = '{}', capath = false }}",
        gate.certificate.display(),
        gate.key.display(),
        town.root().display()
    );
    let more = format!("Component 'gate.theirs.example'\ncomponent_secret = 'unused'\n{ssl}");
    let _prosody = Prosody::start(&town, 2, "theirs.example", &[], &more).await;
    let mut alice = online(ALICE, house.xmpp()).await;
    let web = Web::log_in_as(house.http(), ALICE).await;
    let mut page = web.open().await;

    let somebody = "x@gate.theirs.example";
    alice.act(json!({"do": "subscribe", "to": somebody})).await;
    is_refused(&mut alice, &mut page, somebody, "not-connected", "remote-timeout").await;

    let somebody = "dave@nowhere.example";
    web.post("/api/roster/dave%40nowhere.example/subscribe", &json!({})).await.expect(204);
    is_refused(&mut alice, &mut page, somebody, "remote-server-not-found", "remote-not-found").await;
}
