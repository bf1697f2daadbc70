//! Invitations made in a chat client (XEP-0401), and contacts made by one (XEP-0379).

use rollcall::account::Inviters;
use serde_json::{Value, json};

use crate::support::{Browser, House, PASSWORD, RawXmpp, Slixmpp, Web, address};

async fn online(house: &House, local: &str) -> Slixmpp {
    Slixmpp::online(&format!("{local}@localhost"), PASSWORD, house.xmpp()).await
}

fn command(node: &str, values: Value) -> Value {
    json!({"do": "command", "to": "localhost", "node": format!("urn:xmpp:invite#{node}"), "values": values})
}

/// A field of what a command told.
fn told(answer: &Value, name: &str) -> Option<String> {
    let document = roxmltree::Document::parse(answer["xml"].as_str().unwrap()).unwrap();
    let field = document.descendants().find(|node| node.attribute("var") == Some(name))?;
    Some(field.children().find_map(|value| value.text()).unwrap_or_default().to_owned())
}

fn token_of(uri: &str) -> String {
    let (_, rest) = uri.split_once("preauth=").unwrap_or_else(|| panic!("{uri}"));
    rest.split(';').next().unwrap().to_owned()
}

/// Asks to see Alice with what the invitation says, and lets her see him.
async fn bring(client: &mut Slixmpp, token: &str) {
    let preauth = format!("<preauth xmlns='urn:xmpp:pars:0' token='{token}'/>");
    let stanza = format!("<presence to='alice@localhost' type='subscribe'>{preauth}</presence>");
    client.act(json!({"do": "raw", "xml": stanza})).await;
    client.act(json!({"do": "raw", "xml": "<presence to='alice@localhost' type='subscribed'/>"})).await;
}

fn asks(event: &Value, local: &str) -> bool {
    event["type"] == "subscribe" && event["from"] == format!("{local}@localhost")
}

#[tokio::test(flavor = "multi_thread")]
async fn who_brings_an_invitation_is_a_contact_without_a_question_and_once() {
    let house = House::with_accounts(&["alice", "bob", "carol", "dave"]).await;
    let mut alice = online(&house, "alice").await;
    let nodes = alice.act(json!({"do": "commands", "to": "localhost"})).await;
    assert_eq!(nodes["nodes"], json!(["urn:xmpp:invite#invite"]));
    let made = alice.act(command("invite", json!({}))).await;
    assert_eq!(made["status"], "completed");
    let uri = told(&made, "uri").unwrap();
    assert!(uri.starts_with("xmpp:alice@localhost?roster;preauth=") && !uri.contains("ibr"), "{uri}");
    let expires: jiff::Timestamp = told(&made, "expire").unwrap().parse().unwrap();
    assert!(expires > jiff::Timestamp::now());
    let token = token_of(&uri);
    assert!(told(&made, "landing-url").unwrap().ends_with(&format!("/join?token={token}")));
    let shown = Web::stranger(&house).get(&format!("/api/invitation?token={token}")).await.expect(200).json();
    assert_eq!((&shown["from"], &shown["makesAccount"]), (&json!("alice@localhost"), &json!(false)));
    assert_eq!((&shown["uri"], &shown["address"]), (&json!(uri), &Value::Null), "it makes no account");
    let join = json!({"token": token, "address": "eve", "password": PASSWORD});
    Web::stranger(&house).post("/api/invitation", &join).await.expect(404);

    let mut bob = online(&house, "bob").await;
    bring(&mut bob, &token).await;
    let is_alice = |event: &Value| {
        event["type"] == "available" && event["from"].as_str().is_some_and(|from| from.starts_with("alice@"))
    };
    bob.event("presence", is_alice).await;
    alice
        .event("presence", |event| {
            event["from"].as_str().is_some_and(|from| from.starts_with("bob@localhost/"))
        })
        .await;
    for (client, other) in [(&mut alice, "bob@localhost"), (&mut bob, "alice@localhost")] {
        let roster = client.act(json!({"do": "roster"})).await;
        assert_eq!(roster["contacts"][0]["jid"], other, "{roster}");
        assert_eq!(roster["contacts"][0]["subscription"], "both", "{roster}");
    }
    assert!(!alice.has_heard(|event| asks(event, "bob")), "nobody was asked");

    // It is used up; and what never was one is none: she is asked as ever.
    let mut carol = online(&house, "carol").await;
    bring(&mut carol, &token).await;
    alice.event("presence", |event| asks(event, "carol")).await;
    let mut dave = online(&house, "dave").await;
    bring(&mut dave, "guess").await;
    alice.event("presence", |event| asks(event, "dave")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_is_good_for_who_made_it_only_and_makes_no_account_but_an_administrators() {
    let house = House::with_accounts(&["alice", "bob", "root"]).await;
    house.server().authenticator().set_admin(&address("root"), true).await.unwrap();
    let mut alice = online(&house, "alice").await;
    let mut bob = online(&house, "bob").await;
    let of_bob = bob.act(command("invite", json!({}))).await;
    let of_bob = token_of(&told(&of_bob, "uri").unwrap());
    let mut root = online(&house, "root").await;
    bring(&mut root, &of_bob).await;
    alice.event("presence", |event| asks(event, "root")).await;
    let mut guest = RawXmpp::connect("guest", house.xmpp_plain()).await;
    guest.open().await;
    let preauth = |token: &str| {
        format!(
            "<iq type='set' id='p' to='localhost'><preauth xmlns='urn:xmpp:pars:0' token='{token}'/></iq>"
        )
    };
    assert!(guest.ask(&preauth(&of_bob), "p").await.contains("item-not-found"));
    let refused = alice.attempt(&command("create-account", json!({}))).await;
    assert_eq!(refused["error"], "forbidden", "{refused}");

    let of_root = root.act(command("invite", json!({}))).await;
    let uri = told(&of_root, "uri").unwrap();
    assert!(uri.starts_with("xmpp:root@localhost?roster;preauth=") && uri.ends_with(";ibr=y"), "{uri}");
    let link = told(&of_root, "landing-url").unwrap();
    assert!(
        link.starts_with("https://localhost:") && link.ends_with(&format!("/join?token={}", token_of(&uri))),
        "{link}"
    );
    assert!(guest.ask(&preauth(&token_of(&uri)), "p").await.contains("type='result'"));

    let made =
        root.act(command("create-account", json!({"username": "dave", "roster-subscription": "1"}))).await;
    let uri = told(&made, "uri").unwrap();
    assert!(uri.starts_with("xmpp:dave@localhost?register;preauth="), "{uri}");
    let token = token_of(&uri);
    let shown = Web::stranger(&house).get(&format!("/api/invitation?token={token}")).await.expect(200).json();
    assert_eq!((&shown["address"], &shown["from"]), (&json!("dave@localhost"), &json!("root@localhost")));
    let any = root.act(command("create-account", json!({}))).await;
    let uri = told(&any, "uri").unwrap();
    assert!(uri.starts_with("xmpp:localhost?register;preauth="), "{uri}");
    let taken = root.attempt(&command("create-account", json!({"username": "alice"}))).await;
    assert_eq!(taken["error"], "conflict", "{taken}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_chat_clients_make_no_accounts_no_invitation_promises_one() {
    let house = House::start_with(|config| {
        config.xmpp.registration = serde_json::from_value(json!("closed")).unwrap();
    })
    .await;
    house.add_account("root").await;
    house.server().authenticator().set_admin(&address("root"), true).await.unwrap();
    let mut root = online(&house, "root").await;
    let uri = told(&root.act(command("invite", json!({}))).await, "uri").unwrap();
    assert!(!uri.contains("ibr"), "{uri}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_invited_at_the_page_comes_with_his_chat_client() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut page = Browser::start("Chromium of alice").await;
    page.open(&format!("http://{}/#/invitations", house.http())).await;
    page.fill("Address", "alice@localhost").await;
    page.fill("Password", PASSWORD).await;
    page.click("Log in").await;
    page.see("Open invitations").await;
    page.click("Make an invitation").await;
    page.see("To become a contact").await;
    let shown = page.act(json!({"do": "text", "selector": "code:has-text('xmpp:')"})).await;
    let uri = shown["text"].as_str().unwrap();
    assert!(uri.starts_with("xmpp:alice@localhost?roster;preauth="), "{uri}");

    let mut bob = online(&house, "bob").await;
    bring(&mut bob, &token_of(uri)).await;
    bob.event("presence", |event| {
        event["type"] == "available" && event["from"].as_str().is_some_and(|from| from.starts_with("alice@"))
    })
    .await;
    page.act(json!({"do": "see", "role": "link", "name": "bob Online"})).await;
    let roster = bob.act(json!({"do": "roster"})).await;
    assert_eq!(roster["contacts"][0]["subscription"], "both", "{roster}");
    page.open(&format!("http://{}/?again#/invitations", house.http())).await;
    page.see("None.").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_everybody_invites_newcomers_a_contacts_invitation_makes_an_account() {
    let house = House::start_with(|config| config.account.inviters = Inviters::Everybody).await;
    house.add_account("alice").await;
    let mut alice = online(&house, "alice").await;
    let made = alice.act(command("invite", json!({}))).await;
    let uri = told(&made, "uri").unwrap();
    assert!(uri.starts_with("xmpp:alice@localhost?roster;preauth=") && uri.ends_with(";ibr=y"), "{uri}");
    let refused = alice.attempt(&command("create-account", json!({}))).await;
    assert_eq!(refused["error"], "forbidden", "{refused}");
    let join = json!({"token": token_of(&uri), "address": "bob", "password": PASSWORD});
    // Who is shut out invites nobody.
    house.server().authenticator().set_disabled(&address("alice"), true).await.unwrap();
    Web::stranger(&house).post("/api/invitation", &join).await.expect(404);
    house.server().authenticator().set_disabled(&address("alice"), false).await.unwrap();
    Web::stranger(&house).post("/api/invitation", &join).await.expect(200);
}
