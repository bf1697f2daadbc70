//! People of a domain look for each other (XEP-0055), with slixmpp, in raw text and as the page does.

use serde_json::{Value, json};

use crate::support::{House, PASSWORD, RawXmpp, Slixmpp, Web};

async fn house() -> House {
    let house = House::start_with(|config| config.account.directory = true).await;
    for local in ["alice", "bob", "carol"] {
        house.add_account(local).await;
    }
    house
}

async fn describe(house: &House, local: &str, card: &str) {
    let mut client = RawXmpp::online(local, "card", house.xmpp_plain()).await;
    let set = format!("<iq type='set' id='card'><vCard xmlns='vcard-temp'>{card}</vCard></iq>");
    assert!(client.ask(&set, "card").await.contains("type='result'"));
}

fn people(found: &Value) -> Vec<&str> {
    found["people"].as_array().unwrap().iter().map(|person| person["jid"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_to_be_found_is_found() {
    let house = house().await;
    let bob = "<FN>Robert Builder</FN><N><FAMILY>Builder</FAMILY><GIVEN>Robert</GIVEN></N><NICKNAME>Bobby</NICKNAME>";
    describe(&house, "bob", bob).await;
    describe(&house, "carol", "<FN>Carol Builder</FN>").await;
    house.prefer("bob", |it| it.listed = true).await;
    let mut alice = Slixmpp::online("alice@localhost", PASSWORD, house.xmpp()).await;
    let features = alice.act(json!({"do": "disco", "to": "localhost"})).await;
    assert!(features.to_string().contains("jabber:iq:search"), "{features}");
    for (values, expect) in [
        (json!({"last": "build"}), &["bob@localhost"][..]),
        (json!({"nick": "BOBBY", "first": "rob*"}), &["bob@localhost"]),
        (json!({"x-name": "robert build"}), &["bob@localhost"]),
        (json!({"x-address": "bob"}), &["bob@localhost"]),
        (json!({"email": "bob@"}), &["bob@localhost"]),
        (json!({"nick": "bobby", "first": "carol"}), &[]),
        (json!({"x-name": "carol"}), &[]),
    ] {
        let found = alice.act(json!({"do": "search", "to": "localhost", "values": values})).await;
        assert_eq!(people(&found), expect, "{values}: {found}");
    }
    let nothing = alice.attempt(&json!({"do": "search", "to": "localhost"})).await;
    assert_eq!(nothing["error"], "not-acceptable", "{nothing}");

    house.prefer("carol", |it| it.listed = true).await;
    let both = alice.act(json!({"do": "search", "to": "localhost", "values": {"x-name": "builder"}})).await;
    assert_eq!(people(&both), ["bob@localhost", "carol@localhost"]);
    house.prefer("bob", |it| it.listed = false).await;
    let one = alice.act(json!({"do": "search", "to": "localhost", "values": {"x-name": "builder"}})).await;
    assert_eq!(people(&one), ["carol@localhost"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn search_without_forms_has_pages() {
    let house = house().await;
    for local in ["alice", "bob", "carol"] {
        house.prefer(local, |it| it.listed = true).await;
    }
    let mut alice = RawXmpp::online("alice", "one", house.xmpp_plain()).await;
    let form = "<iq type='get' id='f' to='localhost'><query xmlns='jabber:iq:search'/></iq>";
    let form = alice.ask(form, "f").await;
    assert!(form.contains("<nick/>") && form.contains("var='x-address'"), "{form}");
    let ask = |after: &str| {
        format!(
            "<iq type='set' id='s' to='localhost'><query xmlns='jabber:iq:search'><email>@localhost</email>\
             <set xmlns='http://jabber.org/protocol/rsm'><max>2</max>{after}</set></query></iq>"
        )
    };
    let first = alice.ask(&ask(""), "s").await;
    assert!(
        first.contains("jid='alice@localhost'") && first.contains("<last>bob@localhost</last>"),
        "{first}"
    );
    let second = alice.ask(&ask("<after>bob@localhost</after>"), "s").await;
    assert!(!second.contains("jid='bob@") && second.contains("jid='carol@localhost'"), "{second}");
    let elsewhere = "<iq type='set' id='o' to='bob@localhost'><query xmlns='jabber:iq:search'><nick>a</nick></query></iq>";
    assert!(alice.ask(elsewhere, "o").await.contains("service-unavailable"));
}

#[tokio::test(flavor = "multi_thread")]
async fn page_finds_people_too() {
    let house = house().await;
    describe(&house, "bob", "<FN>Robert Builder</FN>").await;
    let (alice, bob) = (Web::log_in(&house, "alice").await, Web::log_in(&house, "bob").await);
    assert_eq!(alice.get("/api/me").await.expect(200).json()["hasDirectory"], true);
    let search = "/api/directory?search=builder%20rob";
    assert_eq!(alice.get(search).await.expect(200).json()["people"], json!([]));
    bob.put("/api/preferences", &json!({"listed": true})).await.expect(200);
    let expected = json!({"address": "bob@localhost", "name": "Robert Builder", "nickname": ""});
    assert_eq!(alice.get(search).await.expect(200).json(), json!({"people": [expected], "more": false}));
    alice.get("/api/directory?search=").await.expect(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_directory_nobody_searches() {
    let house = House::with_accounts(&["alice"]).await;
    house.prefer("alice", |it| it.listed = true).await;
    let mut alice = Slixmpp::online("alice@localhost", PASSWORD, house.xmpp()).await;
    let features = alice.act(json!({"do": "disco", "to": "localhost"})).await;
    assert!(!features.to_string().contains("jabber:iq:search"), "{features}");
    let refused = alice.attempt(&json!({"do": "search", "to": "localhost", "values": {"nick": "a"}})).await;
    assert_eq!(refused["error"], "service-unavailable", "{refused}");
    let page = Web::log_in(&house, "alice").await;
    page.get("/api/directory?search=alice").await.expect(501);
    assert_eq!(page.get("/api/me").await.json()["hasDirectory"], false);
}
