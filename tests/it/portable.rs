//! Accounts move from one server to another (XEP-0227), with the real program and slixmpp.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::json;

use crate::support::{House, PASSWORD, Slixmpp, Web, repository};

/// Runs `rollcall account …` on a data folder whose server stands still.
fn account(folder: &Path, arguments: &[&str]) -> Output {
    let config = folder.join("by-hand.toml");
    fs::write(&config, format!("server.data_dir = '{}'\n", folder.display())).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_rollcall"));
    command.arg("account").args(arguments).arg("--config").arg(&config).output().unwrap()
}

fn succeeds(folder: &Path, arguments: &[&str]) -> String {
    let output = account(folder, arguments);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

async fn online(house: &House, local: &str) -> Slixmpp {
    let mut client = Slixmpp::start(&format!("slixmpp of {local}"));
    let more = json!({"plugins": ["xep_0004", "xep_0059", "xep_0060", "xep_0191", "xep_0313"], "mechanism": "SCRAM-SHA-256"});
    client.login(&format!("{local}@localhost"), PASSWORD, house.xmpp(), more).await;
    client
}

const CARD: &str = "<vCard xmlns='vcard-temp'><FN>Alice &amp; Co</FN></vCard>";
const KEPT: &str = "<a xmlns='urn:x-test:kept'><b>1 &lt; 2</b></a>";
const NOTE: &str = "<note xmlns='urn:x-test:note'>n</note>";

/// Alice has something of every kind.
async fn furnish(house: &House) {
    let (mut alice, mut bob, mut carol) =
        (online(house, "alice").await, online(house, "bob").await, online(house, "carol").await);
    for client in [&mut alice, &mut bob, &mut carol] {
        client.act(json!({"do": "roster"})).await;
        client.act(json!({"do": "presence"})).await;
    }
    alice
        .act(json!({"do": "contact", "jid": "bob@localhost", "name": "Bob", "groups": ["Work", "A & B"]}))
        .await;
    alice.act(json!({"do": "subscribe", "to": "bob@localhost"})).await;
    bob.event("presence", |event| event["type"] == "subscribe").await;
    bob.act(json!({"do": "subscribed", "to": "alice@localhost"})).await;
    alice.event("presence", |event| event["from"].as_str().unwrap().starts_with("bob@localhost/")).await;
    carol.act(json!({"do": "subscribe", "to": "alice@localhost"})).await;
    alice.event("presence", |event| event["type"] == "subscribe").await;
    alice.act(json!({"do": "message", "to": "bob@localhost", "body": "remember me"})).await;
    bob.read("remember me").await;
    alice.act(json!({"do": "vcard", "xml": CARD})).await;
    alice.act(json!({"do": "keep", "xml": KEPT})).await;
    alice.act(json!({"do": "publish", "node": "urn:x-test:note", "xml": NOTE, "id": "i"})).await;
    alice.act(json!({"do": "block", "jid": "eve@localhost"})).await;
    alice.act(json!({"do": "logout"})).await;
    alice.event("disconnected", |_| true).await;
    bob.act(json!({"do": "message", "to": "alice@localhost", "body": "while you were away"})).await;
    bob.act(json!({"do": "ping"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn account_moves_with_all_that_it_has() {
    let mut old = House::with_accounts(&["alice", "bob", "carol"]).await;
    furnish(&old).await;
    let refused = account(old.folder(), &["export", "alice@localhost"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("stop the server first"));
    old.stop().await;
    let written = succeeds(old.folder(), &["export", "alice@localhost"]);
    assert!(!written.contains(PASSWORD) && written.contains("SCRAM-SHA-256"), "{written}");
    roxmltree::Document::parse(&written).unwrap();

    let mut new = House::with_accounts(&["bob"]).await;
    new.stop().await;
    let file = new.folder().join("alice.xml");
    fs::write(&file, &written).unwrap();
    let file = file.to_str().unwrap();
    let said = succeeds(new.folder(), &["import", file]);
    for expect in [
        "1 contacts",
        "1 contact requests",
        "1 waiting messages",
        "2 archived messages",
        "1 blocks",
        "profile",
    ] {
        assert!(said.contains(expect), "{expect}: {said}");
    }
    assert!(!said.contains("not taken over"), "{said}");
    assert!(succeeds(new.folder(), &["import", file]).contains("exists already"));
    // Nothing is there twice.
    succeeds(new.folder(), &["import", file, "--into-existing"]);

    new.start_again().await;
    let mut alice = online(&new, "alice").await;
    let roster = alice.act(json!({"do": "roster"})).await;
    let bob = &roster["contacts"][0];
    assert_eq!(
        (&bob["jid"], &bob["name"], &bob["subscription"]),
        (&json!("bob@localhost"), &json!("Bob"), &json!("to"))
    );
    assert_eq!(bob["groups"], json!(["A & B", "Work"]));
    alice.act(json!({"do": "presence"})).await;
    let asked = alice.event("presence", |event| event["type"] == "subscribe").await;
    assert_eq!(asked["from"], "carol@localhost");
    assert!(!alice.read("while you were away").await["delay"].is_null());
    alice.act(json!({"do": "ping"})).await;
    let waited = alice.all_events("message");
    assert_eq!(waited.iter().filter(|event| event["body"] == "while you were away").count(), 1);
    let page = alice.act(json!({"do": "archive"})).await;
    assert_eq!(page["bodies"], json!(["remember me", "while you were away"]));
    assert_eq!(alice.act(json!({"do": "blocked"})).await["blocked"], json!(["eve@localhost"]));
    let card = alice.act(json!({"do": "vcard", "to": "alice@localhost"})).await;
    assert!(card["xml"].to_string().contains("Alice &amp; Co"), "{card}");
    let kept = alice.act(json!({"do": "kept", "xml": "<a xmlns='urn:x-test:kept'/>"})).await;
    assert!(kept["xml"].to_string().contains("1 &lt; 2"), "{kept}");
    let note = alice.act(json!({"do": "items", "to": "alice@localhost", "node": "urn:x-test:note"})).await;
    assert_eq!(note["items"][0]["id"], "i", "{note}");
    // The password itself completes what SCRAM's verifiers leave open: other hashes, plain logins, digest.
    Web::log_in(&new, "alice").await;
    let mut other = Slixmpp::start("alice by another hash");
    let server = new.xmpp();
    other.login("alice@localhost", PASSWORD, server, json!({"mechanism": "SCRAM-SHA-512"})).await;
}

/// What ejabberd 23.01 of Debian 12 wrote (`ejabberdctl export_piefxis`), domain and all.
#[tokio::test(flavor = "multi_thread")]
async fn accounts_come_from_ejabberd() {
    let mut house = House::start().await;
    house.stop().await;
    let file = repository("tests/data/ejabberd/export.xml");
    let said = succeeds(house.folder(), &["import", file.to_str().unwrap()]);
    assert!(said.contains("2 accounts imported"), "{said}");
    assert!(
        said.contains("alice@localhost: 1 blocks, 1 contacts") && said.contains("1 waiting messages"),
        "{said}"
    );
    house.start_again().await;
    let mut alice = Slixmpp::start("alice from ejabberd");
    let more = json!({"mechanism": "SCRAM-SHA-1"});
    alice.login("alice@localhost", "sesame 42", house.xmpp(), more).await;
    let roster = alice.act(json!({"do": "roster"})).await;
    assert_eq!(roster["contacts"][0]["jid"], "bob@localhost", "{roster}");
    assert_eq!(roster["contacts"][0]["groups"], json!(["Friends"]));
    alice.act(json!({"do": "presence"})).await;
    alice.read("hello from ejabberd").await;
    let kept = alice.act(json!({"do": "kept", "xml": "<a xmlns='urn:x-test:kept'/>"})).await;
    assert!(kept["xml"].to_string().contains("kept there"), "{kept}");
    let card = alice.act(json!({"do": "vcard", "to": "alice@localhost"})).await;
    assert!(card["xml"].to_string().contains("Alice of ejabberd"), "{card}");
}
