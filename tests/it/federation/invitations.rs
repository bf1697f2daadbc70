//! Invitations across domains (XEP-0379): a token that one server made, brought by somebody of another.

use serde_json::{Value, json};

use super::{
    Prosody, Town,
    town::{is_presence, online},
};
use crate::support::Slixmpp;

const ALICE: &str = "alice@ours.example";
const CAROL: &str = "carol@theirs.example";

/// The token of a new invitation of somebody's by his server of ours.
async fn token_of(host: &mut Slixmpp, domain: &str) -> String {
    let invite = json!({"do": "command", "to": domain, "node": "urn:xmpp:invite#invite", "values": {}});
    let made = host.act(invite).await;
    let xml = made["xml"].as_str().unwrap();
    let (_, rest) = xml.split_once("preauth=").unwrap_or_else(|| panic!("{xml}"));
    rest.split([';', '<']).next().unwrap().to_owned()
}

/// Asks somebody with a token.
async fn bring(guest: &mut Slixmpp, host: &str, token: &str) {
    let preauth = format!("<preauth xmlns='urn:xmpp:pars:0' token='{token}'/>");
    let ask = format!("<presence to='{host}' type='subscribe'>{preauth}</presence>");
    guest.act(json!({"do": "raw", "xml": ask})).await;
}

fn shows_himself(jid: &str) -> impl Fn(&Value) -> bool {
    move |event| is_presence(event, &format!("{jid}/"), "available")
}

#[tokio::test(flavor = "multi_thread")]
async fn guest_of_prosody_is_let_in_with_a_token_and_once() {
    let town = Town::new().await;
    let house = town.rollcall(1, "ours.example", &["alice"]).await;
    let prosody = Prosody::start(&town, 2, "theirs.example", &["carol", "dave"], "").await;
    let mut alice = online(ALICE, house.xmpp()).await;
    let mut carol = online(CAROL, prosody.clients).await;
    let token = token_of(&mut alice, "ours.example").await;

    bring(&mut carol, ALICE, &token).await;
    carol.event("presence", shows_himself(ALICE)).await;
    // She is asked in turn.
    carol.event("presence", |event| is_presence(event, ALICE, "subscribe")).await;
    carol.act(json!({"do": "subscribed", "to": ALICE})).await;
    alice.event("presence", shows_himself(CAROL)).await;
    assert!(!alice.has_heard(|event| is_presence(event, CAROL, "subscribe")), "nobody was asked");

    let mut dave = online("dave@theirs.example", prosody.clients).await;
    bring(&mut dave, ALICE, &token).await;
    alice.event("presence", |event| is_presence(event, "dave@theirs.example", "subscribe")).await;

    // A token of another server's is for that server to look at.
    alice
        .act(json!({"do": "raw", "xml": "<presence to='dave@theirs.example' type='subscribe'>\
        <preauth xmlns='urn:xmpp:pars:0' token='theirs'/></presence>"}))
        .await;
    let is_theirs = |event: &Value| event["xml"].as_str().is_some_and(|xml| xml.contains("theirs\""));
    let asked =
        dave.event("presence", |event| is_presence(event, ALICE, "subscribe") && is_theirs(event)).await;
    assert!(asked["xml"].as_str().unwrap().contains("token=\"theirs\""), "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn token_of_another_server_makes_contacts_of_both() {
    let town = Town::new().await;
    let ours = town.rollcall(1, "ours.example", &["alice"]).await;
    let theirs = town.rollcall(2, "theirs.example", &["carol"]).await;
    let mut alice = online(ALICE, ours.xmpp()).await;
    let mut carol = online(CAROL, theirs.xmpp()).await;
    let token = token_of(&mut carol, "theirs.example").await;

    // She says yes before she is asked.
    alice.act(json!({"do": "subscribed", "to": CAROL})).await;
    bring(&mut alice, CAROL, &token).await;
    alice.event("presence", shows_himself(CAROL)).await;
    carol.event("presence", shows_himself(ALICE)).await;
    for (client, other) in [(&mut alice, CAROL), (&mut carol, ALICE)] {
        let roster = client.act(json!({"do": "roster"})).await;
        let contact = &roster["contacts"][0];
        assert_eq!((&contact["jid"], &contact["subscription"]), (&json!(other), &json!("both")), "{roster}");
        assert!(!client.has_heard(|event| is_presence(event, other, "subscribe")), "nobody was asked");
    }
}
