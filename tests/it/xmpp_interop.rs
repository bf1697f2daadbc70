//! A third-party XMPP client (slixmpp) against the whole server.

use serde_json::{Value, json};

use crate::support::{House, PASSWORD, Slixmpp, Web, address};

/// A client of `LOCAL@localhost`, logged in and available.
async fn online(house: &House, local: &str) -> Slixmpp {
    Slixmpp::online(&format!("{local}@localhost"), PASSWORD, house.xmpp()).await
}

/// Makes two clients contacts of each other.
async fn befriend(alice: &mut Slixmpp, bob: &mut Slixmpp) {
    alice.act(json!({"do": "subscribe", "to": "bob@localhost"})).await;
    bob.event("presence", |event| event["type"] == "subscribe").await;
    bob.act(json!({"do": "subscribed", "to": "alice@localhost"})).await;
    bob.act(json!({"do": "subscribe", "to": "alice@localhost"})).await;
    alice.event("presence", |event| event["type"] == "subscribe").await;
    alice.act(json!({"do": "subscribed", "to": "bob@localhost"})).await;
    bob.event("presence", |event| is_available(event, "alice@localhost")).await;
    alice.event("presence", |event| is_available(event, "bob@localhost")).await;
}

fn is_available(event: &Value, from: &str) -> bool {
    event["type"] == "available" && event["from"].as_str().is_some_and(|jid| jid.starts_with(from))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_log_in_is_taken() {
    let house = House::with_accounts(&["alice"]).await;
    for (mechanism, direct_tls) in [
        (None, false),
        (None, true),
        (Some("SCRAM-SHA-1"), false),
        (Some("SCRAM-SHA-256"), false),
        (Some("SCRAM-SHA-512"), true),
        (Some("PLAIN"), false),
    ] {
        let mut alice = Slixmpp::start(&format!("slixmpp by {mechanism:?}, direct TLS {direct_tls}"));
        let address = if direct_tls { house.xmpp_direct_tls() } else { house.xmpp() };
        let more = json!({"mechanism": mechanism, "direct_tls": direct_tls, "resource": "desk"});
        let login = alice.login("alice@localhost", PASSWORD, address, more).await;
        assert_eq!(login["jid"], "alice@localhost/desk");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn self_signed_certificate_can_be_trusted_by_its_file() {
    let house = House::with_accounts(&["alice"]).await;
    let certificate = house.folder().join("certificate.pem");
    let mut alice = Slixmpp::start("slixmpp that checks the certificate");
    let more = json!({"ca": certificate.to_str()});
    alice.login("alice@localhost", PASSWORD, house.xmpp(), more).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_password_is_refused() {
    let house = House::with_accounts(&["alice"]).await;
    let mut stranger = Slixmpp::start("slixmpp with a wrong password");
    let answer = stranger
        .attempt(&json!({
            "do": "login", "jid": "alice@localhost", "password": "wrong",
            "host": "127.0.0.1", "port": house.xmpp().port(), "mechanism": "SCRAM-SHA-256",
        }))
        .await;
    assert!(answer["error"].as_str().is_some_and(|error| error.contains("not authorized")), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn friends_see_each_other_and_talk() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut alice = online(&house, "alice").await;
    let mut bob = online(&house, "bob").await;
    befriend(&mut alice, &mut bob).await;

    let roster = alice.act(json!({"do": "roster"})).await;
    assert_eq!(roster["contacts"][0]["jid"], "bob@localhost");
    assert_eq!(roster["contacts"][0]["subscription"], "both");

    alice.act(json!({"do": "message", "to": "bob@localhost", "body": "hello, bob", "lang": "en"})).await;
    let heard = bob.read("hello, bob").await;
    assert!(heard["from"].as_str().is_some_and(|from| from.starts_with("alice@localhost/")), "{heard}");
    bob.act(json!({"do": "message", "to": heard["from"], "body": "hello, alice"})).await;
    alice.read("hello, alice").await;

    bob.act(json!({"do": "presence", "show": "dnd", "status": "in a meeting"})).await;
    let seen = alice.event("presence", |event| event["show"] == "dnd").await;
    assert_eq!(seen["status"], "in a meeting");
    bob.act(json!({"do": "logout"})).await;
    alice.event("presence", |event| event["type"] == "unavailable").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_and_names_are_pushed_to_every_session() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut desk = online(&house, "alice").await;
    let mut phone = online(&house, "alice").await;
    desk.act(json!({"do": "roster"})).await;
    phone.act(json!({"do": "roster"})).await;
    desk.act(json!({"do": "contact", "jid": "bob@localhost", "name": "Bob", "groups": ["Friends", "Work"]}))
        .await;
    let push = phone.event("roster", |push| push["contacts"][0]["jid"] == "bob@localhost").await;
    assert_eq!(push["contacts"][0]["name"], "Bob");
    assert_eq!(push["contacts"][0]["groups"], json!(["Friends", "Work"]));
    phone.act(json!({"do": "remove", "jid": "bob@localhost"})).await;
    desk.event("roster", |push| push["contacts"][0]["subscription"] == "remove").await;
    assert_eq!(desk.act(json!({"do": "roster"})).await["contacts"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn message_waits_for_who_is_away_even_over_a_restart() {
    let mut house = House::with_accounts(&["alice", "bob"]).await;
    let mut alice = online(&house, "alice").await;
    let mut bob = online(&house, "bob").await;
    befriend(&mut alice, &mut bob).await;
    bob.act(json!({"do": "logout"})).await;
    alice.event("presence", |event| event["type"] == "unavailable").await;
    for text in ["first", "second"] {
        alice.act(json!({"do": "message", "to": "bob@localhost", "body": text})).await;
    }
    alice.act(json!({"do": "ping"})).await;
    house.restart().await;

    let mut bob = online(&house, "bob").await;
    for text in ["first", "second"] {
        let heard = bob.read(text).await;
        assert!(heard["delay"].is_string(), "{heard}");
    }
    bob.act(json!({"do": "logout"})).await;
    bob.event("disconnected", |_| true).await;
    let mut again = online(&house, "bob").await;
    again.act(json!({"do": "ping"})).await;
    assert!(!again.has_heard(|event| event["event"] == "message"));
}

#[tokio::test(flavor = "multi_thread")]
async fn own_other_sessions_get_carbons() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut desk = online(&house, "alice").await;
    let mut phone = online(&house, "alice").await;
    let mut bob = online(&house, "bob").await;
    phone.act(json!({"do": "carbons"})).await;
    befriend(&mut desk, &mut bob).await;
    desk.act(json!({"do": "message", "to": "bob@localhost", "body": "seen everywhere"})).await;
    let copy = phone.event("message", |event| event["carbon"] == "sent").await;
    assert_eq!(copy["body"], "seen everywhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_content_arrives_untouched() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut alice = online(&house, "alice").await;
    let mut bob = online(&house, "bob").await;
    befriend(&mut alice, &mut bob).await;
    let content =
        "<payload xmlns='urn:example:1' a='&lt;&#x1F600;'><b xmlns='urn:example:2'>ä</b> tail</payload>";
    alice.act(json!({"do": "message", "to": "bob@localhost", "body": "sealed", "xml": content})).await;
    let heard = bob.read("sealed").await;
    let xml = heard["xml"].as_str().unwrap();
    for part in ["urn:example:1", "&lt;\u{1F600}", "urn:example:2", ">ä<", " tail<"] {
        assert!(xml.contains(part), "{part}: {xml}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn server_tells_what_it_can() {
    let house = House::with_accounts(&["alice"]).await;
    let mut alice = online(&house, "alice").await;
    alice.act(json!({"do": "ping"})).await;
    let found = alice.act(json!({"do": "disco", "to": "localhost"})).await;
    let features = found["features"].as_array().unwrap();
    for feature in ["http://jabber.org/protocol/disco#info", "urn:xmpp:ping", "urn:xmpp:carbons:2"] {
        assert!(features.iter().any(|has| has == feature), "{feature}: {features:?}");
    }
}

/// As [`online`], with what clients that keep things with the account use.
async fn keeper(house: &House, local: &str, interests: &[&str]) -> Slixmpp {
    let plugins =
        ["xep_0004", "xep_0059", "xep_0060", "xep_0084", "xep_0115", "xep_0163", "xep_0191", "xep_0313"];
    let mut client = Slixmpp::start(&format!("slixmpp of {local} that keeps things"));
    let more = json!({"plugins": plugins, "interests": interests});
    client.login(&format!("{local}@localhost"), PASSWORD, house.xmpp(), more).await;
    client.act(json!({"do": "presence"})).await;
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_and_nodes_reach_contacts_that_follow_them() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut alice = keeper(&house, "alice", &[]).await;
    let mut bob = keeper(&house, "bob", &["urn:xmpp:avatar:metadata", "urn:n"]).await;
    befriend(&mut alice, &mut bob).await;
    // A GIF of 8 by 4.
    let worn = alice.act(json!({"do": "wear", "data": "R0lGODlhCAAEACE=", "type": "image/gif"})).await;
    let hash = worn["hash"].as_str().expect("a hash").to_owned();
    bob.event("message", |event| {
        event["xml"]
            .as_str()
            .is_some_and(|xml| xml.contains("urn:xmpp:avatar:metadata") && xml.contains(&hash))
    })
    .await;
    bob.event("presence", |event| event["xml"].as_str().is_some_and(|xml| xml.contains(&hash))).await;
    let card = bob.act(json!({"do": "vcard", "to": "alice@localhost"})).await;
    assert!(card["xml"].as_str().is_some_and(|xml| xml.contains("R0lGODlhCAAEACE=")), "{card}");
    let published =
        alice.act(json!({"do": "publish", "node": "urn:n", "id": "1", "xml": "<p xmlns='urn:p'/>"})).await;
    assert_eq!(published["id"], "1");
    bob.event("message", |event| event["xml"].as_str().is_some_and(|xml| xml.contains("urn:p"))).await;
    let items = bob.act(json!({"do": "items", "to": "alice@localhost", "node": "urn:n"})).await;
    assert_eq!(items["items"][0]["id"], "1", "{items}");
    // Whoever comes later hears of what there is.
    let mut later = keeper(&house, "bob", &["urn:n"]).await;
    later.event("message", |event| event["xml"].as_str().is_some_and(|xml| xml.contains("urn:p"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn profile_bookmarks_archive_and_blocks_are_kept() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut alice = keeper(&house, "alice", &[]).await;
    let mut bob = keeper(&house, "bob", &[]).await;
    let card = "<vCard xmlns='vcard-temp'><FN>Alice</FN><TEL><CELL/><NUMBER>+49</NUMBER></TEL></vCard>";
    alice.act(json!({"do": "vcard", "xml": card})).await;
    let seen = bob.act(json!({"do": "vcard", "to": "alice@localhost"})).await;
    assert!(seen["xml"].as_str().is_some_and(|xml| xml.contains("Alice") && xml.contains("+49")), "{seen}");
    let node = bob.act(json!({"do": "items", "to": "alice@localhost", "node": "urn:xmpp:vcard4"})).await;
    assert!(node["items"][0]["xml"].as_str().is_some_and(|xml| xml.contains("tel:+49")), "{node}");

    let room = "<conference jid='room@muc.localhost' name='R' autojoin='true'><nick>a</nick></conference>";
    let storage = format!("<storage xmlns='storage:bookmarks'>{room}</storage>");
    alice.act(json!({"do": "keep", "xml": storage})).await;
    let node =
        alice.act(json!({"do": "items", "to": "alice@localhost", "node": "urn:xmpp:bookmarks:1"})).await;
    assert_eq!(node["items"][0]["id"], "room@muc.localhost", "{node}");
    let kept = alice.act(json!({"do": "kept", "xml": "<storage xmlns='storage:bookmarks'/>"})).await;
    assert!(
        kept["xml"].as_str().is_some_and(|xml| xml.contains("room@muc.localhost") && xml.contains(">a<")),
        "{kept}"
    );
    alice.act(json!({"do": "keep", "xml": "<storage xmlns='storage:bookmarks'/>"})).await;
    let node =
        alice.act(json!({"do": "items", "to": "alice@localhost", "node": "urn:xmpp:bookmarks:1"})).await;
    assert_eq!(node["items"], json!([]));
    alice.act(json!({"do": "keep", "xml": "<notes xmlns='storage:notes'><n>x</n></notes>"})).await;
    let kept = alice.act(json!({"do": "kept", "xml": "<notes xmlns='storage:notes'/>"})).await;
    assert!(kept["xml"].as_str().is_some_and(|xml| xml.contains(">x<")), "{kept}");

    for number in 1..=3 {
        alice.act(json!({"do": "message", "to": "bob@localhost", "body": format!("m{number}")})).await;
    }
    bob.read("m3").await;
    let page = bob.act(json!({"do": "archive", "with": "alice@localhost", "most": 2})).await;
    assert_eq!((&page["bodies"], &page["complete"]), (&json!(["m1", "m2"]), &json!(false)));
    bob.act(json!({"do": "block", "jid": "alice@localhost"})).await;
    assert_eq!(bob.act(json!({"do": "blocked"})).await["blocked"], json!(["alice@localhost"]));
    bob.act(json!({"do": "unblock", "jid": "alice@localhost"})).await;
    assert_eq!(bob.act(json!({"do": "blocked"})).await["blocked"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_reported_with_a_block_reaches_the_operator() {
    let mut house = House::with_accounts(&["alice", "bob", "root"]).await;
    house.server().authenticator().set_admin(&address("root"), true).await.unwrap();
    let mut alice = keeper(&house, "alice", &[]).await;
    let features = alice.act(json!({"do": "disco", "to": "localhost"})).await;
    assert!(features.to_string().contains("urn:xmpp:reporting:1"), "{features}");
    alice.act(json!({"do": "report", "jid": "bob@localhost", "reason": "abuse"})).await;
    let block = "<block xmlns='urn:xmpp:blocking'><item jid='spam.example'>\
                 <report xmlns='urn:xmpp:reporting:1' reason='urn:xmpp:reporting:spam'>\
                 <stanza-id xmlns='urn:xmpp:sid:0' by='alice@localhost' id='4711'/>\
                 <text xml:lang='en'>Buy &lt;this&gt;!</text><third-party/></report></item></block>";
    alice.act(json!({"do": "iq", "to": null, "type": "set", "xml": block})).await;
    let blocked = alice.act(json!({"do": "blocked"})).await;
    assert_eq!(blocked["blocked"], json!(["bob@localhost", "spam.example"]));
    // Nobody blocks herself, and what cannot be blocked is not reported.
    let herself = json!({"do": "report", "jid": "alice@localhost", "reason": "spam"});
    assert_eq!(alice.attempt(&herself).await["ok"], false);

    house.restart().await;
    let web = Web::log_in(&house, "alice").await;
    web.get("/api/admin/reports").await.expect(403);
    let root = Web::log_in(&house, "root").await;
    let all = root.get("/api/admin/reports").await.expect(200).json();
    let [spam, abuse] = all["reports"].as_array().unwrap().as_slice() else { panic!("{all}") };
    assert_eq!((&abuse["about"], &abuse["reason"]), (&json!("bob@localhost"), &json!("abuse")));
    assert_eq!((&spam["from"], &spam["about"]), (&json!("alice@localhost"), &json!("spam.example")));
    assert_eq!((&spam["reason"], &spam["text"]), (&json!("spam"), &json!("Buy <this>!")));
    assert_eq!((&spam["messages"], &spam["mayTellOrigin"]), (&json!(["4711"]), &json!(false)));
    assert_eq!(spam["mayTellOthers"], true);
    let path = format!("/api/admin/reports/{}", spam["id"]);
    root.delete(&path).await.expect(204);
    root.delete(&path).await.expect(404);
    let all = root.get("/api/admin/reports").await.expect(200).json();
    assert_eq!(all["reports"].as_array().unwrap().len(), 1, "{all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_see_somebody_learns_when_he_was_last_there() {
    let mut house = House::with_accounts(&["alice", "bob", "eve"]).await;
    let mut alice = online(&house, "alice").await;
    let mut bob = Slixmpp::start("slixmpp of bob, who is idle");
    let more = json!({"resource": "desk"});
    bob.login("bob@localhost", PASSWORD, house.xmpp(), more).await;
    bob.act(json!({"do": "presence"})).await;
    befriend(&mut alice, &mut bob).await;
    let last = |jid: &str| json!({"do": "last", "jid": jid});
    assert!(alice.act(last("localhost")).await["seconds"].as_u64().unwrap() < 600);
    assert_eq!(alice.act(last("bob@localhost")).await["seconds"], 0);
    bob.act(json!({"do": "idle", "seconds": 4000})).await;
    let idle = alice.act(last("bob@localhost/desk")).await["seconds"].as_u64().unwrap();
    assert!((4000..4600).contains(&idle), "{idle}");
    let features = alice.act(json!({"do": "disco", "to": "localhost"})).await;
    assert!(features.to_string().contains("jabber:iq:last"), "{features}");

    let mut eve = online(&house, "eve").await;
    for jid in ["bob@localhost", "nobody@localhost"] {
        assert_eq!(eve.attempt(&last(jid)).await["error"], "forbidden");
    }
    assert_eq!(eve.attempt(&last("bob@localhost/desk")).await["ok"], false);

    bob.act(json!({"do": "logout"})).await;
    alice.event("presence", |event| event["type"] == "unavailable").await;
    assert!(alice.act(last("bob@localhost")).await["seconds"].as_u64().unwrap() < 600);
    alice.act(json!({"do": "logout"})).await;
    house.restart().await;
    let mut alice = online(&house, "alice").await;
    assert!(alice.act(last("bob@localhost")).await["seconds"].as_u64().unwrap() < 600);
}
