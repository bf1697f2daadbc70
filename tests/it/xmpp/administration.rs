//! What an account's owner does with it, and an administrator with the accounts of others, from a chat client
//! (XEP-0050, XEP-0077, XEP-0133, XEP-0202), with slixmpp.

use serde_json::{Value, json};

use crate::support::{House, PASSWORD, RawXmpp, Slixmpp, address};

const ADMIN: &str = "http://jabber.org/protocol/admin";

async fn online(house: &House, local: &str) -> Slixmpp {
    Slixmpp::online(&format!("{local}@localhost"), PASSWORD, house.xmpp()).await
}

async fn with_administrator() -> (House, Slixmpp) {
    let house = House::with_accounts(&["root", "alice", "bob"]).await;
    house.server().authenticator().set_admin(&address("root"), true).await.unwrap();
    let root = online(&house, "root").await;
    (house, root)
}

fn command(name: &str, values: Value) -> Value {
    json!({"do": "command", "to": "localhost", "node": format!("{ADMIN}#{name}"), "values": values})
}

#[tokio::test(flavor = "multi_thread")]
async fn owner_changes_her_password_and_takes_her_account_back() {
    let house = House::with_accounts(&["alice"]).await;
    let mut alice = online(&house, "alice").await;
    alice.act(json!({"do": "password", "new": "something else 9"})).await;
    let mut stranger = Slixmpp::start("alice with the old password");
    let server = house.xmpp();
    let old = json!({
        "do": "login", "jid": "alice@localhost", "password": PASSWORD,
        "host": server.ip().to_string(), "port": server.port(),
    });
    assert_eq!(stranger.attempt(&old).await["ok"], false);
    let mut again = Slixmpp::online("alice@localhost", "something else 9", house.xmpp()).await;
    again.act(json!({"do": "leave"})).await;
    let mut gone = Slixmpp::start("alice without an account");
    let new = json!({
        "do": "login", "jid": "alice@localhost", "password": "something else 9",
        "host": server.ip().to_string(), "port": server.port(),
    });
    assert_eq!(gone.attempt(&new).await["ok"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_registers_for_others_or_badly() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut alice = RawXmpp::online("alice", "one", house.xmpp_plain()).await;
    for (content, condition) in [
        ("<username>bob</username><password>stolen</password>", "not-allowed"),
        ("<username>alice</username>", "bad-request"),
        ("<username>alice</username><password></password>", "not-acceptable"),
        ("<remove/><username>alice</username>", "bad-request"),
    ] {
        let set = format!(
            "<iq type='set' id='r' to='localhost'><query xmlns='jabber:iq:register'>{content}</query></iq>"
        );
        let answer = alice.ask(&set, "r").await;
        assert!(answer.contains("type='error'") && answer.contains(condition), "{content}: {answer}");
    }
    let form = "<iq type='get' id='g' to='localhost'><query xmlns='jabber:iq:register'/></iq>";
    assert!(alice.ask(form, "g").await.contains("<registered/><username>alice</username>"));
    RawXmpp::online("bob", "two", house.xmpp_plain()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn administrator_does_with_accounts_what_is_to_be_done() {
    let (house, mut root) = with_administrator().await;
    let nodes = root.act(json!({"do": "commands", "to": "localhost"})).await["nodes"].clone();
    assert!(nodes.as_array().is_some_and(|nodes| nodes.contains(&json!(format!("{ADMIN}#add-user")))));

    let carol = json!({"accountjid": "carol@localhost", "password": PASSWORD, "password-verify": PASSWORD});
    assert_eq!(root.act(command("add-user", carol.clone())).await["status"], "completed");
    let again = root.attempt(&command("add-user", carol)).await;
    assert_eq!(again["error"], "conflict", "{again}");
    let mut carol = online(&house, "carol").await;

    let counted = root.act(command("get-online-users-num", json!({}))).await["xml"].to_string();
    assert!(counted.contains("<value>2</value>"), "{counted}");
    let listed = root.act(command("get-registered-users-list", json!({}))).await["xml"].to_string();
    for name in ["alice", "bob", "carol", "root"] {
        assert!(listed.contains(&format!("{name}@localhost")), "{listed}");
    }

    root.act(command("announce", json!({"announcement": "Tea & cake", "subject": "Now"}))).await;
    let heard = carol.read("Tea & cake").await;
    assert_eq!(
        (heard["from"].as_str(), heard["type"].as_str(), heard["subject"].as_str()),
        (Some("localhost"), Some("headline"), Some("Now"))
    );

    root.act(command("end-user-session", json!({"accountjids": ["carol@localhost"]}))).await;
    carol.event("failed", |event| event["error"].to_string().contains("policy-violation")).await;

    let disabled = json!({"accountjids": ["alice@localhost", "bob@localhost"]});
    root.act(command("disable-user", disabled.clone())).await;
    let listed = root.act(command("get-disabled-users-list", json!({}))).await["xml"].to_string();
    assert!(listed.contains("alice@localhost") && listed.contains("bob@localhost"), "{listed}");
    root.act(command("reenable-user", disabled)).await;
    let counted = root.act(command("get-disabled-users-num", json!({}))).await["xml"].to_string();
    assert!(counted.contains("<value>0</value>"), "{counted}");

    let new = json!({"accountjid": "alice@localhost", "password": "another 77"});
    root.act(command("change-user-password", new)).await;
    let mut alice = Slixmpp::online("alice@localhost", "another 77", house.xmpp()).await;
    alice.act(json!({"do": "contact", "jid": "bob@localhost", "name": "Bob"})).await;
    let roster = root.act(command("get-user-roster", json!({"accountjid": "alice@localhost"}))).await;
    assert!(roster["xml"].to_string().contains("bob@localhost"), "{roster}");
    let figures = root.act(command("user-stats", json!({"accountjid": "alice@localhost"}))).await;
    assert!(figures["xml"].to_string().contains("rostersize"), "{figures}");

    root.act(command("delete-user", json!({"accountjids": ["bob@localhost"]}))).await;
    let gone = root.attempt(&command("delete-user", json!({"accountjids": ["bob@localhost"]}))).await;
    assert_eq!(gone["error"], "item-not-found", "{gone}");
}

#[tokio::test(flavor = "multi_thread")]
async fn others_see_no_commands_and_can_use_none() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut alice = online(&house, "alice").await;
    let nodes = alice.act(json!({"do": "commands", "to": "localhost"})).await;
    assert_eq!(nodes["nodes"], json!(["urn:xmpp:invite#invite"]), "what everybody may");
    let refused = alice.attempt(&command("delete-user", json!({"accountjids": ["bob@localhost"]}))).await;
    assert_eq!(refused["error"], "forbidden", "{refused}");
    online(&house, "bob").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_refuse_what_makes_no_sense() {
    let house = House::with_accounts(&["root"]).await;
    house.server().authenticator().set_admin(&address("root"), true).await.unwrap();
    let mut root = RawXmpp::online("root", "one", house.xmpp_plain()).await;
    let form = "<x xmlns='jabber:x:data' type='submit'></x>";
    for (attributes, content, expected) in [
        (format!("node='{ADMIN}#nothing'"), "", "item-not-found"),
        (format!("node='{ADMIN}#announce' action='prev'"), "", "<bad-action"),
        (format!("node='{ADMIN}#announce' action='cancel' sessionid='s'"), "", "status='canceled'"),
        (format!("node='{ADMIN}#announce' sessionid='s'"), form, "not-acceptable"),
        (format!("node='{ADMIN}#announce'"), "", "status='executing'"),
    ] {
        let set = format!(
            "<iq type='set' id='c' to='localhost'><command xmlns='http://jabber.org/protocol/commands' {attributes}>{content}</command></iq>"
        );
        let answer = root.ask(&set, "c").await;
        assert!(answer.contains(expected), "{attributes}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn server_tells_the_time() {
    let house = House::with_accounts(&["alice"]).await;
    let mut alice = online(&house, "alice").await;
    // By hand: slixmpp's own reader of this answer puts a second Z behind the time.
    let question =
        json!({"do": "iq", "to": "localhost", "type": "get", "xml": "<time xmlns='urn:xmpp:time'/>"});
    let told = alice.act(question).await["xml"].as_str().unwrap_or_default().to_owned();
    let time = told.split_once("utc>").and_then(|(_, rest)| rest.split_once('<')).map(|(time, _)| time);
    let time: jiff::Timestamp = time.unwrap_or_default().parse().unwrap();
    assert!(time.duration_until(jiff::Timestamp::now()).abs().as_secs() < 60, "{told}");
    assert!(told.contains("tzo>+00:00<"), "{told}");
}
