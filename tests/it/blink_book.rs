//! Whole sessions of a client that keeps its address book as Blink does, over XCAP: first and later starts,
//! people added, blocked and removed on either side, two devices at once, hundreds of contacts, icons.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::support::{House, PASSWORD, Program, Web};

/// One device of a user at `localhost`.
struct Book {
    client: Program,
}

impl Book {
    /// Starts it; the answer tells what it fetched and what it put.
    async fn start(house: &House, user: &str) -> (Self, Value) {
        let mut client = Program::python(&format!("book of {user}"), "tests/interop/blink_book.py", &[]);
        let start = json!({
            "do": "start", "root": root(house), "user": user, "domain": "localhost", "password": PASSWORD,
        });
        let started = client.ask(start).await;
        (Self { client }, started)
    }

    async fn act(&mut self, deed: Value) -> Value {
        self.client.ask(deed).await
    }

    /// As at a later start.
    async fn again(&mut self) -> Value {
        self.act(json!({"do": "again"})).await
    }

    async fn add(&mut self, name: &str, address: &str) -> Value {
        self.act(json!({"do": "add", "contacts": [[name, address, "allow", true]]})).await
    }

    async fn contacts(&mut self) -> Value {
        self.act(json!({"do": "book"})).await["contacts"].clone()
    }
}

fn root(house: &House) -> String {
    format!("http://{}/xcap-root", house.http())
}

/// The roster as the web shows it: addresses with their names.
async fn roster(web: &Web) -> Vec<(String, String)> {
    let roster = web.get("/api/roster").await.expect(200).json();
    let contacts = roster["contacts"].as_array().unwrap_or_else(|| panic!("{roster}"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    contacts.iter().map(|contact| (text(&contact["address"]), text(&contact["name"]))).collect()
}

async fn blocked(web: &Web) -> Value {
    web.get("/api/blocked").await.expect(200).json()["blocked"].clone()
}

fn pair(address: &str, name: &str) -> (String, String) {
    (address.to_owned(), name.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn first_start_puts_its_documents_and_later_ones_find_them() {
    let mut house = House::with_accounts(&["alice"]).await;
    let (mut alice, started) = Book::start(&house, "alice").await;
    let nothing = json!({"lists": 404, "services": 404, "rules": 404, "offline": 404, "icon": 404});
    let made = json!({"lists": 201, "services": 201, "rules": 201});
    assert_eq!((&started["fetched"], &started["put"]), (&nothing, &made));
    assert_eq!(alice.act(json!({"do": "offline", "note": "on holiday"})).await["status"], 201);
    let all = json!({"lists": 304, "services": 304, "rules": 304, "offline": 304, "icon": 404});
    let again = alice.again().await;
    assert_eq!((&again["fetched"], &again["put"]), (&all, &json!({})));
    house.restart().await;
    let again = alice.act(json!({"do": "again", "root": root(&house)})).await;
    assert_eq!((&again["fetched"], &again["put"]), (&all, &json!({})));
    // Another device has nothing to put in order.
    let (_, started) = Book::start(&house, "alice").await;
    let all = json!({"lists": 200, "services": 200, "rules": 200, "offline": 200, "icon": 404});
    assert_eq!((&started["fetched"], &started["put"]), (&all, &json!({})));
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_of_the_book_are_those_of_the_account() {
    let house = House::with_accounts(&["alice", "bob", "carol"]).await;
    let web = Web::log_in(&house, "alice").await;
    let (mut alice, _) = Book::start(&house, "alice").await;
    alice.add("Bob B", "bob@localhost").await;
    assert_eq!(roster(&web).await, [pair("bob@localhost", "Bob B")]);
    web.put("/api/roster/carol@localhost", &json!({"name": "Carol", "subscribe": true})).await.expect(204);
    let again = alice.again().await;
    assert_eq!((&again["fetched"]["lists"], &again["conflicts"]), (&json!(200), &json!(0)), "{again}");
    let contacts = alice.contacts().await;
    assert_eq!(contacts["carol@localhost"]["name"], "Carol", "{contacts}");
    assert_eq!(contacts["carol@localhost"]["follows"], true, "{contacts}");
    assert_eq!(contacts["bob@localhost"]["policy"], "allow", "{contacts}");
    alice.act(json!({"do": "remove", "address": "bob@localhost"})).await;
    assert_eq!(roster(&web).await, [pair("carol@localhost", "Carol")]);
    web.delete("/api/roster/carol@localhost").await.expect(204);
    alice.again().await;
    assert_eq!(alice.contacts().await, json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_blocked_on_either_side_is_blocked_on_both() {
    let house = House::with_accounts(&["alice", "bob", "mallory"]).await;
    let web = Web::log_in(&house, "alice").await;
    let (mut alice, _) = Book::start(&house, "alice").await;
    alice.act(json!({"do": "policy", "address": "mallory@localhost", "policy": "block"})).await;
    assert_eq!(blocked(&web).await, json!(["mallory@localhost"]));
    web.put("/api/blocked/bob@localhost", &json!({})).await.expect(204);
    alice.again().await;
    let book = alice.act(json!({"do": "book"})).await;
    let both = json!({"mallory@localhost": "block", "bob@localhost": "block"});
    assert_eq!(book["policies"], both, "{book}");
    alice.act(json!({"do": "policy", "address": "mallory@localhost", "policy": "default"})).await;
    assert_eq!(blocked(&web).await, json!(["bob@localhost"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_devices_at_once_lose_nothing_of_each_other() {
    let house = House::with_accounts(&["alice"]).await;
    let web = Web::log_in(&house, "alice").await;
    let (mut desk, _) = Book::start(&house, "alice").await;
    let (mut phone, _) = Book::start(&house, "alice").await;
    desk.add("Bob", "bob@localhost").await;
    // What the phone knows is old.
    assert_eq!(phone.add("Carol", "carol@localhost").await["conflicts"], 1);
    let many = async |book: &mut Book, name: &str| {
        for number in 0..10 {
            book.add(name, &format!("{name}{number}@localhost")).await;
        }
    };
    tokio::join!(many(&mut desk, "desk"), many(&mut phone, "phone"));
    desk.again().await;
    phone.again().await;
    let contacts = desk.contacts().await;
    assert_eq!(phone.contacts().await, contacts);
    assert_eq!(contacts.as_object().unwrap().len(), 22, "{contacts}");
    assert_eq!(roster(&web).await.len(), 22);
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_contacts_are_kept_and_outlive_a_restart() {
    let mut house = House::with_accounts(&["alice"]).await;
    let (mut alice, _) = Book::start(&house, "alice").await;
    let contact = |number: usize| {
        json!([format!("Friend {number}"), format!("friend{number}@localhost"), "allow", true])
    };
    let contacts: Vec<_> = (0..400).map(contact).collect();
    assert_eq!(alice.act(json!({"do": "add", "contacts": contacts})).await["put"], json!({"lists": 200}));
    house.restart().await;
    let again = alice.act(json!({"do": "again", "root": root(&house)})).await;
    assert_eq!((&again["fetched"]["lists"], &again["put"]), (&json!(304), &json!({})));
    let web = Web::log_in(&house, "alice").await;
    assert_eq!(roster(&web).await.len(), 400);
    web.put("/api/roster/friend7@localhost", &json!({"name": "Seven"})).await.expect(204);
    alice.again().await;
    let contacts = alice.contacts().await;
    assert_eq!(contacts["friend7@localhost"]["name"], "Seven");
    assert_eq!(contacts.as_object().unwrap().len(), 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_icon_is_the_picture_of_the_account_and_open_to_everybody() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let web = Web::log_in(&house, "alice").await;
    let (mut alice, _) = Book::start(&house, "alice").await;
    let picture = |last: u8| [b"GIF89a\x08\0\x04\0".as_slice(), &[last]].concat();
    let fetch = json!({"do": "fetch_icon", "of": "alice", "domain": "localhost"});
    assert_eq!(alice.act(fetch.clone()).await["data"], Value::Null);
    let first = STANDARD.encode(picture(1));
    let put = alice.act(json!({"do": "icon", "type": "image/gif", "data": first})).await;
    assert_eq!(put["status"], 201);
    let shown = web.get("/api/avatar").await.expect(200);
    assert_eq!(
        (shown.header("content-type"), shown.body.as_bytes()),
        (Some("image/gif"), picture(1).as_slice())
    );
    let (mut bob, _) = Book::start(&house, "bob").await;
    let found = bob.act(fetch.clone()).await;
    assert_eq!((&found["data"], &found["type"]), (&json!(first), &json!("image/gif")));
    let second = String::from_utf8(picture(2)).unwrap();
    web.request("PUT", "/api/avatar", Some(&second)).await.expect(200);
    assert_eq!(bob.act(fetch.clone()).await["data"], STANDARD.encode(&second));
    assert_eq!(alice.again().await["fetched"]["icon"], 200);
    assert_eq!(alice.act(json!({"do": "icon", "type": null, "data": null})).await["status"], 200);
    assert_eq!(bob.act(fetch).await["data"], Value::Null);
    web.get("/api/avatar").await.expect(204);
}
