//! An account made from a chat client, by an invitation (XEP-0445) or where everybody may (XEP-0077).

use serde_json::json;

use crate::support::{House, PASSWORD, RawXmpp, Slixmpp, Web, address};
use rollcall::config::Config;

async fn guest(house: &House) -> (RawXmpp, String) {
    let mut guest = RawXmpp::connect("guest", house.xmpp_plain()).await;
    guest.open().await;
    let features = guest.stanza("stream:features").await;
    (guest, features)
}

fn preauth(token: &str) -> String {
    format!("<iq type='set' id='p' to='localhost'><preauth xmlns='urn:xmpp:pars:0' token='{token}'/></iq>")
}

fn newcomer(name: &str, password: &str) -> String {
    format!(
        "<iq type='set' id='r' to='localhost'><query xmlns='jabber:iq:register'><username>{name}</username>\
         <password>{password}</password></query></iq>"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_invited_makes_an_account_and_has_a_contact() {
    let house = House::with_accounts(&["root"]).await;
    house.server().authenticator().set_admin(&address("root"), true).await.unwrap();
    let root = Web::log_in(&house, "root").await;
    let made = root.post("/api/admin/invitations", &json!({ "address": null })).await.expect(201).json();
    let token = made["token"].as_str().unwrap();

    let (mut guest, features) = guest(&house).await;
    assert!(features.contains("<register xmlns='urn:xmpp:ibr-token:0'/>"), "{features}");
    let form = "<iq type='get' id='g' to='localhost'><query xmlns='jabber:iq:register'/></iq>";
    assert!(guest.ask(form, "g").await.contains("not-allowed"));
    assert!(guest.ask(&newcomer("carol", PASSWORD), "r").await.contains("not-allowed"));
    assert!(guest.ask(&preauth("guess"), "p").await.contains("item-not-found"));
    assert!(guest.ask(&preauth(token), "p").await.contains("type='result'"));
    assert!(guest.ask(form, "g").await.contains("<username></username><password/>"));
    assert!(guest.ask(&newcomer("root", PASSWORD), "r").await.contains("conflict"));
    assert!(guest.ask(&newcomer("carol", ""), "r").await.contains("not-acceptable"));
    let answer = guest.ask(&newcomer("carol", PASSWORD), "r").await;
    assert!(answer.starts_with("<iq type='result' from='localhost' id='r'>"), "{answer}");
    assert!(guest.ask(&newcomer("dave", PASSWORD), "r").await.contains("not-allowed"));
    assert!(guest.ask(&preauth(token), "p").await.contains("item-not-found"));

    let mut carol = Slixmpp::online("carol@localhost", PASSWORD, house.xmpp()).await;
    let roster = carol.act(json!({"do": "roster"})).await;
    assert_eq!(roster["contacts"][0]["jid"], "root@localhost", "{roster}");
    assert_eq!(roster["contacts"][0]["subscription"], "both", "{roster}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_to_one_account_makes_no_other() {
    let house = House::with_accounts(&["root"]).await;
    house.server().authenticator().set_admin(&address("root"), true).await.unwrap();
    let root = Web::log_in(&house, "root").await;
    let made = root.post("/api/admin/invitations", &json!({ "address": "carol" })).await.expect(201).json();
    let (mut guest, _) = guest(&house).await;
    guest.ask(&preauth(made["token"].as_str().unwrap()), "p").await;
    let form = "<iq type='get' id='g' to='localhost'><query xmlns='jabber:iq:register'/></iq>";
    assert!(guest.ask(form, "g").await.contains("<username>carol</username>"));
    assert!(guest.ask(&newcomer("dave", PASSWORD), "r").await.contains("not-allowed"));
    assert!(guest.ask(&newcomer("carol", PASSWORD), "r").await.contains("type='result'"));
}

fn with_registration(value: &str) -> impl FnOnce(&mut Config) {
    let value = serde_json::from_value(json!(value)).unwrap();
    move |config| config.xmpp.registration = value
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_makes_an_account_where_that_is_wanted_and_nobody_where_it_is_not() {
    let house = House::start_with(with_registration("open")).await;
    let (mut first, _) = guest(&house).await;
    assert!(first.ask(&newcomer("alice", PASSWORD), "r").await.contains("type='result'"));
    Slixmpp::online("alice@localhost", PASSWORD, house.xmpp()).await;
    // Whoever asks: ten at once.
    for number in 0..9 {
        let (mut another, _) = guest(&house).await;
        let answer = another.ask(&newcomer(&format!("user{number}"), PASSWORD), "r").await;
        assert!(answer.contains("type='result'"), "{answer}");
    }
    let (mut another, _) = guest(&house).await;
    assert!(another.ask(&newcomer("late", PASSWORD), "r").await.contains("resource-constraint"));

    let house = House::start_with(with_registration("closed")).await;
    let (mut stranger, features) = guest(&house).await;
    assert!(!features.contains("<register"), "{features}");
    stranger.send(&newcomer("alice", PASSWORD)).await;
    stranger.stanza("not-authorized").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_refused_too_often_has_to_come_again() {
    let house = House::with_accounts(&[]).await;
    let (mut stranger, _) = guest(&house).await;
    for _ in 0..9 {
        stranger.ask(&preauth("guess"), "p").await;
    }
    stranger.send(&preauth("guess")).await;
    stranger.stanza("policy-violation").await;
}
