//! A client that behaves as Blink does, whole: telephony, presence, messages and the address book in one program,
//! in Blink's order. Sessions with hundreds of contacts, the server and the client started again in between; and
//! two of its devices, an XMPP client (slixmpp) and the web that change one account at once.

use std::{collections::BTreeSet, net::TcpListener, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::support::{Blink, House, PASSWORD, Slixmpp, Web};

/// A second device.
const OTHER: &str = "0b5d3a6e-4f6c-4d5e-9a7b-3c2d1e0f9a8b";
/// Contacts of whom nobody has an account, beside those who have.
const MANY: usize = 398;

/// A house that is found at the same ports each time that it is started.
async fn house(accounts: &[&str]) -> House {
    let port = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (tls, http) = (port(), port());
    let house = House::start_with(|config| {
        config.sip.tls = vec![tls];
        config.api.http = vec![http];
        config.sip.notify_interval_ms = 0;
    })
    .await;
    for account in accounts {
        house.add_account(account).await;
    }
    house
}

fn contact(name: &str) -> Value {
    json!([name, format!("{name}@localhost"), "allow", true])
}

/// What a whole list of contacts shows of somebody.
fn shows(event: &Value, uri: &str, state: &str) -> bool {
    let mut all = event["all"].as_array().into_iter().flatten();
    all.any(|one| one["uri"] == uri && one["state"] == "active" && one["shown"] == state)
}

fn count(event: &Value) -> usize {
    event["all"].as_array().map_or(0, Vec::len)
}

async fn start(user: &str, house: &House, folder: &Path) -> (Blink, Value) {
    Blink::whole(user, house, folder, json!({})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_sessions_with_hundreds_of_contacts_and_restarts_between() {
    let mut house = house(&["alice", "bob", "carol"]).await;
    let folder = tempfile::tempdir().unwrap();
    let (mut alice, started) = start("alice", &house, folder.path()).await;
    assert_eq!(started["put"], json!({"lists": 201, "services": 201, "rules": 201}));
    // Nothing was subscribed to before the server's capabilities were seen.
    let whole = alice.event("contacts", |event| event["version"] == 0).await;
    assert_eq!((&whole["full"], count(&whole)), (&json!(true), 0));
    let first = alice.event("documents", |event| event["first"] == true).await;
    assert_eq!(first["changes"].as_array().map(Vec::len), Some(3), "{first}");
    let synced = alice.event("synced", |_| true).await;
    assert_eq!((&synced["fetched"]["lists"], &synced["put"]), (&json!(304), &json!({})));

    let mut contacts: Vec<_> = (0..MANY).map(|number| contact(&format!("friend{number}"))).collect();
    contacts.extend([contact("bob"), contact("carol")]);
    let added = alice.act(json!({"do": "add", "contacts": contacts})).await;
    assert_eq!((&added["put"], &added["conflicts"]), (&json!({"lists": 200}), &json!(0)));
    alice.event("contacts", |event| count(event) == MANY + 2).await;

    // Bob is asked, and lets her in by his own address book.
    let (mut bob, _) = start("bob", &house, folder.path()).await;
    bob.event("request", |event| event["from"] == "sip:alice@localhost").await;
    bob.act(json!({"do": "add", "contacts": [contact("alice")]})).await;
    alice.event("contacts", |event| shows(event, "sip:bob@localhost", "available")).await;
    bob.event("contacts", |event| shows(event, "sip:alice@localhost", "available")).await;
    bob.act(json!({"do": "state", "extended": "busy", "note": "at work"})).await;
    alice.event("contacts", |event| shows(event, "sip:bob@localhost", "busy")).await;
    let picture = STANDARD.encode(b"GIF89a\x08\0\x04\0!");
    bob.act(json!({"do": "icon", "type": "image/gif", "data": picture})).await;
    let seen = alice.event("icon", |event| event["of"] == "sip:bob@localhost").await;
    assert_eq!((&seen["data"], &seen["fits"]), (&json!(picture), &json!(true)));
    exchange(&mut alice, "alice@localhost", &mut bob, "bob@localhost").await;

    let offline = alice.act(json!({"do": "offline", "note": "on holiday"})).await;
    assert_eq!(offline["status"], 201, "{offline}");
    alice.act(json!({"do": "stop"})).await;
    let is_away = |event: &Value| {
        shows(event, "sip:alice@localhost", "offline") && event["all"].to_string().contains("on holiday")
    };
    bob.event("contacts", is_away).await;
    drop(alice);
    house.restart().await;
    bob.event("back", |_| true).await;

    let (mut alice, started) = start("alice", &house, folder.path()).await;
    assert_eq!((&started["first"], &started["put"]), (&json!(false), &json!({})), "{started}");
    for kind in ["lists", "services", "rules", "offline"] {
        assert_eq!(started["fetched"][kind], 304, "{started}");
    }
    let whole = alice.event("contacts", |event| event["version"] == 0).await;
    assert_eq!(count(&whole), MANY + 2);
    if !shows(&whole, "sip:bob@localhost", "busy") {
        alice.event("contacts", |event| shows(event, "sip:bob@localhost", "busy")).await;
    }
    bob.event("contacts", |event| shows(event, "sip:alice@localhost", "available")).await;
    exchange(&mut bob, "bob@localhost", &mut alice, "alice@localhost").await;

    // One contact of hundreds goes, and is told once.
    let removed = alice.act(json!({"do": "remove", "address": "friend7@localhost"})).await;
    assert_eq!(removed["put"], json!({"lists": 200}));
    let is_gone = |one: &Value| one["uri"] == "sip:friend7@localhost" && one["state"] == "terminated";
    alice
        .event("contacts", |event| event["changed"].as_array().is_some_and(|all| all.iter().any(is_gone)))
        .await;
    let web = Web::log_in(&house, "alice").await;
    let roster = web.get("/api/roster").await.expect(200).json();
    assert_eq!(roster["contacts"].as_array().map(Vec::len), Some(MANY + 1));
}

/// A message each way, and the receipts.
async fn exchange(one: &mut Blink, first: &str, other: &mut Blink, second: &str) {
    let sent = one.act(json!({"do": "message", "to": second, "text": "are you there?"})).await;
    assert!(matches!(sent["status"].as_u64(), Some(200 | 202)), "{sent}");
    other.event("message", |event| event["from"] == first && event["text"] == "are you there?").await;
    let receipt = one.event("receipt", |event| event["id"] == sent["id"]).await;
    assert_eq!((&receipt["status"], &receipt["from"]), (&json!("delivered"), &json!(second)));
    other.act(json!({"do": "message", "to": first, "text": "yes <3 & you?"})).await;
    one.event("message", |event| event["text"] == "yes <3 & you?").await;
}

/// What everybody who looks at the account sees of it in the end.
#[derive(Debug, PartialEq, Eq)]
struct Account {
    contacts: BTreeSet<String>,
    blocked: BTreeSet<String>,
}

fn texts(all: &Value, pick: impl Fn(&Value) -> Option<String>) -> BTreeSet<String> {
    all.as_array().into_iter().flatten().filter_map(pick).collect()
}

fn by_chat(roster: &Value, blocked: &Value) -> Account {
    Account {
        contacts: texts(&roster["contacts"], |one| Some(one["jid"].as_str()?.to_owned())),
        blocked: texts(&blocked["blocked"], |one| Some(one.as_str()?.to_owned())),
    }
}

fn by_book(book: &Value) -> Account {
    let keys = |all: &Value, keep: &dyn Fn(&Value) -> bool| {
        let all = all.as_object().into_iter().flatten().filter(|(_, one)| keep(one));
        all.map(|(address, _)| address.clone()).collect::<BTreeSet<_>>()
    };
    let mut blocked = keys(&book["policies"], &|policy| policy == "block");
    blocked.extend(keys(&book["contacts"], &|contact| contact["policy"] == "block"));
    Account { contacts: keys(&book["contacts"], &|_| true), blocked }
}

async fn by_web(web: &Web) -> Account {
    let roster = web.get("/api/roster").await.expect(200).json();
    let blocked = web.get("/api/blocked").await.expect(200).json();
    Account {
        contacts: texts(&roster["contacts"], |one| Some(one["address"].as_str()?.to_owned())),
        blocked: texts(&blocked["blocked"], |one| Some(one.as_str()?.to_owned())),
    }
}

/// What each of the four does: adds people of its own, blocks one, and removes one who was there before.
const EACH: usize = 8;

async fn edit_by_book(device: &mut Blink, name: &str) {
    for number in 0..EACH {
        let added = device.act(json!({"do": "add", "contacts": [contact(&format!("{name}{number}"))]})).await;
        assert!(added["conflicts"].is_number(), "{added}");
    }
    device.act(json!({"do": "policy", "address": format!("no-{name}@localhost"), "policy": "block"})).await;
    device.act(json!({"do": "remove", "address": format!("old-{name}@localhost")})).await;
}

async fn edit_by_chat(chat: &mut Slixmpp) {
    for number in 0..EACH {
        let jid = format!("chat{number}@localhost");
        chat.act(json!({"do": "contact", "jid": jid, "name": "Chat", "groups": ["Work"]})).await;
        chat.act(json!({"do": "subscribed", "to": jid})).await;
    }
    chat.act(json!({"do": "block", "jid": "no-chat@localhost"})).await;
    chat.act(json!({"do": "remove", "jid": "old-chat@localhost"})).await;
}

async fn edit_by_web(web: &Web) {
    for number in 0..EACH {
        let path = format!("/api/roster/web{number}@localhost");
        web.put(&path, &json!({"name": "Web", "groups": ["Friends"], "subscribe": true})).await.expect(204);
    }
    web.put("/api/blocked/no-web@localhost", &json!({})).await.expect(204);
    web.delete("/api/roster/old-web@localhost").await.expect(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_devices_chat_and_web_at_once_lose_nothing_and_end_alike() {
    let house = house(&["alice"]).await;
    let folder = tempfile::tempdir().unwrap();
    let (mut desk, _) = start("alice", &house, folder.path()).await;
    let old = ["desk", "lap", "chat", "web"].map(|name| contact(&format!("old-{name}")));
    desk.act(json!({"do": "add", "contacts": old})).await;
    let (mut lap, _) = Blink::whole("alice", &house, folder.path(), json!({"instance": OTHER})).await;
    let mut chat = Slixmpp::start("slixmpp of alice that blocks");
    let more = json!({"plugins": ["xep_0191"]});
    chat.login("alice@localhost", PASSWORD, house.xmpp(), more).await;
    chat.act(json!({"do": "presence"})).await;
    let web = Web::log_in(&house, "alice").await;

    tokio::join!(
        edit_by_book(&mut desk, "desk"),
        edit_by_book(&mut lap, "lap"),
        edit_by_chat(&mut chat),
        edit_by_web(&web),
    );

    let names = ["desk", "lap", "chat", "web"];
    let people =
        names.iter().flat_map(|name| (0..EACH).map(move |number| format!("{name}{number}@localhost")));
    let expected = Account {
        contacts: people.collect(),
        blocked: names.iter().map(|name| format!("no-{name}@localhost")).collect(),
    };
    assert_eq!(by_web(&web).await, expected);
    let roster = chat.act(json!({"do": "roster"})).await;
    let blocked = chat.act(json!({"do": "blocked"})).await;
    assert_eq!(by_chat(&roster, &blocked), expected);
    let mut documents = Vec::new();
    for device in [&mut desk, &mut lap] {
        device.act(json!({"do": "settle"})).await;
        let book = device.act(json!({"do": "book"})).await;
        assert_eq!(by_book(&book), expected);
        assert_eq!(book["contacts"]["chat0@localhost"]["policy"], "allow", "{book}");
        assert_eq!(book["contacts"]["web0@localhost"]["follows"], true, "{book}");
        documents.push(device.act(json!({"do": "documents"})).await["documents"].clone());
    }
    // The second one had nothing to put in order that the first one knew otherwise.
    assert_eq!(documents[0], documents[1]);
    assert!(documents[0]["rules"]["tag"].is_string(), "{}", documents[0]);
}
