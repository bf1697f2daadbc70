//! The archive over XMPP: XEP-0313, XEP-0359, XEP-0059.

use crate::support::{House, RawXmpp, Web};

async fn ask(client: &mut RawXmpp, id: &str, query: &str) -> String {
    client
        .ask(&format!("<iq type='set' id='{id}'><query xmlns='urn:xmpp:mam:2'>{query}</query></iq>"), id)
        .await
}

fn form(fields: &str) -> String {
    format!(
        "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field>{fields}</x>"
    )
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    text.split(start)
        .nth(1)
        .and_then(|rest| rest.split(end).next())
        .unwrap_or_else(|| panic!("{start} in {text}"))
}

/// The bodies of the results that came before the answer.
async fn bodies(client: &mut RawXmpp, id: &str, query: &str) -> (Vec<String>, String) {
    let fin = ask(client, id, query).await;
    let mut bodies = Vec::new();
    let results = client.take_kept("<result xmlns='urn:xmpp:mam:2'");
    for result in &results {
        bodies.push(between(result, "<body>", "</body>").to_owned());
    }
    (bodies, fin)
}

async fn conversation() -> (House, RawXmpp, RawXmpp) {
    let house = House::with_accounts(&["alice", "bob", "carol"]).await;
    let port = house.xmpp_plain();
    let mut alice = RawXmpp::online("alice", "one", port).await;
    let mut bob = RawXmpp::online("bob", "two", port).await;
    for number in 1..=5 {
        alice
            .send(&format!("<message to='bob@localhost' type='chat'><body>m{number}</body></message>"))
            .await;
        bob.stanza(&format!("m{number}")).await;
    }
    (house, alice, bob)
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_go_both_ways() {
    let (_house, mut alice, _bob) = conversation().await;
    let set = |inner: &str| format!("<set xmlns='http://jabber.org/protocol/rsm'>{inner}</set>");
    let (found, fin) = bodies(&mut alice, "1", &set("<max>2</max>")).await;
    assert_eq!(found, ["m1", "m2"]);
    assert!(!fin.contains("complete"), "{fin}");
    let last = between(&fin, "<last>", "</last>");
    let (found, fin) = bodies(&mut alice, "2", &set(&format!("<max>10</max><after>{last}</after>"))).await;
    assert_eq!(found, ["m3", "m4", "m5"]);
    assert!(fin.contains("complete='true'"), "{fin}");
    let (found, fin) = bodies(&mut alice, "3", &set("<max>2</max><before/>")).await;
    assert_eq!(found, ["m4", "m5"]);
    let first = between(&fin, "<first>", "</first>");
    let query = format!("{}<flip-page/>", set(&format!("<max>2</max><before>{first}</before>")));
    let (found, _) = bodies(&mut alice, "4", &query).await;
    assert_eq!(found, ["m3", "m2"]);
    let (found, fin) = bodies(&mut alice, "5", &set("<max>0</max>")).await;
    assert!(found.is_empty() && !fin.contains("complete"), "{fin}");
    let unknown = ask(&mut alice, "6", &set("<after>00000000000000000000000000</after>")).await;
    assert!(unknown.contains("item-not-found"), "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wanted_is_told_by_a_form() {
    let (_house, mut alice, mut bob) = conversation().await;
    bob.send("<message to='alice@localhost/one' type='chat'><body>back</body></message>").await;
    alice.stanza("back").await;
    alice.send("<message to='carol@localhost' type='chat'><body>other</body></message>").await;
    let field = |name: &str, value: &str| format!("<field var='{name}'><value>{value}</value></field>");
    let (found, _) = bodies(&mut alice, "1", &form(&field("with", "carol@localhost"))).await;
    assert_eq!(found, ["other"]);
    let (found, _) = bodies(&mut alice, "2", &form(&field("with", "bob@localhost/two"))).await;
    assert_eq!(found, ["back"]);
    let (found, _) = bodies(&mut alice, "3", &form(&field("start", "2100-01-01T00:00:00Z"))).await;
    assert_eq!(found, Vec::<String>::new());
    let (found, _) = bodies(&mut alice, "4", &form(&field("end", "2100-01-01T00:00:00Z"))).await;
    assert_eq!(found.len(), 7);
    let result = alice.ask("<iq type='get' id='5'><metadata xmlns='urn:xmpp:mam:2'/></iq>", "5").await;
    let (first, last) =
        (between(&result, "<start id='", "'").to_owned(), between(&result, "<end id='", "'").to_owned());
    let ids = format!("<field var='ids'><value>{last}</value><value>{first}</value></field>");
    assert_eq!(bodies(&mut alice, "6", &form(&ids)).await.0, ["m1", "other"]);
    let inner = form(&format!("{}{}", field("after-id", &first), field("before-id", &last)));
    assert_eq!(bodies(&mut alice, "7", &inner).await.0, ["m2", "m3", "m4", "m5", "back"]);
    let fields = alice.ask("<iq type='get' id='8'><query xmlns='urn:xmpp:mam:2'/></iq>", "8").await;
    assert!(fields.contains("var='with'") && fields.contains("var='before-id'"), "{fields}");
    let refused =
        bob.ask("<iq type='set' id='9' to='alice@localhost'><query xmlns='urn:xmpp:mam:2'/></iq>", "9").await;
    assert!(refused.contains("service-unavailable"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_has_the_id_of_the_archive_however_it_comes() {
    let (house, mut alice, _) = conversation().await;
    let mut bob = RawXmpp::online("bob", "two", house.xmpp_plain()).await;
    let forged = "<stanza-id xmlns='urn:xmpp:sid:0' id='forged' by='bob@localhost'/>";
    alice.send(&format!("<message to='bob@localhost' type='chat'><body>live</body>{forged}</message>")).await;
    let live = bob.stanza("live").await;
    assert!(!live.contains("forged"), "{live}");
    let id = between(&live, "<stanza-id xmlns='urn:xmpp:sid:0' id='", "'").to_owned();
    assert!(live.contains(&format!("id='{id}' by='bob@localhost'")), "{live}");
    drop(bob);
    alice.send("<message to='carol@localhost' type='chat'><body>waits</body></message>").await;
    let mut carol = RawXmpp::online("carol", "c", house.xmpp_plain()).await;
    let waited = carol.stanza("waits").await;
    let waited = between(&waited, "<stanza-id xmlns='urn:xmpp:sid:0' id='", "'").to_owned();
    ask(&mut carol, "1", "").await;
    assert!(carol.stanza("<result xmlns='urn:xmpp:mam:2'").await.contains(&format!("id='{waited}'")));
    let mut bob = RawXmpp::online("bob", "again", house.xmpp_plain()).await;
    ask(&mut bob, "1", "<set xmlns='http://jabber.org/protocol/rsm'><before/><max>1</max></set>").await;
    assert!(bob.stanza("<result xmlns='urn:xmpp:mam:2'").await.contains(&id));
    alice.send("<message to='bob@localhost' type='chat'><body>no</body><no-store xmlns='urn:xmpp:hints'/></message>").await;
    assert!(!bob.stanza("<body>no</body>").await.contains("stanza-id"));
}

#[tokio::test(flavor = "multi_thread")]
async fn preferences_decide_what_is_kept() {
    let (_house, mut alice, mut bob) = conversation().await;
    let shown = alice.ask("<iq type='get' id='1'><prefs xmlns='urn:xmpp:mam:2'/></iq>", "1").await;
    assert!(shown.contains("default='always'"), "{shown}");
    let prefs = "<prefs xmlns='urn:xmpp:mam:2' default='always'><always/><never><jid>bob@localhost</jid></never></prefs>";
    let set = alice.ask(&format!("<iq type='set' id='2'>{prefs}</iq>"), "2").await;
    assert!(set.contains("<never><jid>bob@localhost</jid></never>"), "{set}");
    bob.send("<message to='alice@localhost' type='chat'><body>secret</body></message>").await;
    assert!(!alice.stanza("secret").await.contains("stanza-id"));
    assert_eq!(bodies(&mut alice, "3", "").await.0, ["m1", "m2", "m3", "m4", "m5"]);
    assert_eq!(bodies(&mut bob, "4", "").await.0.last().map(String::as_str), Some("secret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn words_are_found_in_whatever_case_and_order() {
    let (_house, mut alice, mut bob) = conversation().await;
    for text in ["Tea and Cake", "Über den Wolken", "more tea"] {
        bob.send(&format!("<message to='alice@localhost' type='chat'><body>{text}</body></message>")).await;
        alice.stanza(text).await;
    }
    let words = |words: &str| {
        form(&format!("<field var='{{urn:xmpp:fulltext:0}}fulltext'><value>{words}</value></field>"))
    };
    for (id, text, expected) in [
        ("1", "cake TEA", vec!["Tea and Cake"]),
        ("2", "tea", vec!["Tea and Cake", "more tea"]),
        ("3", "über", vec!["Über den Wolken"]),
        ("4", "coffee", vec![]),
    ] {
        let (found, fin) = bodies(&mut alice, id, &words(text)).await;
        assert_eq!(found, expected, "{text}");
        assert!(fin.contains("complete='true'"), "{fin}");
    }
    let page =
        format!("{}<set xmlns='http://jabber.org/protocol/rsm'><max>1</max><before/></set>", words("tea"));
    let (found, fin) = bodies(&mut alice, "5", &page).await;
    assert_eq!(found, ["more tea"]);
    assert!(!fin.contains("complete"), "{fin}");
    let long = words(&"word ".repeat(17));
    assert!(ask(&mut alice, "6", &long).await.contains("not-acceptable"));
    let info = "<iq type='get' id='d' to='alice@localhost'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>";
    assert!(alice.ask(info, "d").await.contains("'urn:xmpp:fulltext:0'"));
}

/// XEP-0424 §5: what its author took back leaves the archives of both, and is found by its words no more.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_retracted_is_a_tombstone_in_both_archives() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let port = house.xmpp_plain();
    let mut alice = RawXmpp::online("alice", "one", port).await;
    let mut bob = RawXmpp::online("bob", "two", port).await;
    let say = |id: &str, body: &str| {
        format!(
            "<message to='bob@localhost' type='chat' id='{id}'><body>{body}</body><subject>also {body}</subject></message>"
        )
    };
    for (id, body) in [("m1", "a secret"), ("m2", "no matter")] {
        alice.send(&say(id, body)).await;
        bob.stanza(body).await;
    }
    let retract = |to: &str, id: &str, of: &str| {
        format!(
            "<message to='{to}@localhost' type='chat' id='{id}'><retract id='{of}' xmlns='urn:xmpp:message-retract:1'/>\
             <body>gone {id}</body></message>"
        )
    };
    // What he did not write is not his to take back.
    bob.send(&retract("alice", "r0", "m2")).await;
    alice.stanza("gone r0").await;
    alice.send(&retract("bob", "r1", "m1")).await;
    let live = bob.stanza("gone r1").await;
    assert!(live.contains("<retract id='m1' xmlns='urn:xmpp:message-retract:1'/>"), "{live}");

    let words = |words: &str| {
        form(&format!("<field var='{{urn:xmpp:fulltext:0}}fulltext'><value>{words}</value></field>"))
    };
    for client in [&mut alice, &mut bob] {
        ask(client, "1", "").await;
        let results = client.take_kept("<result xmlns='urn:xmpp:mam:2'");
        assert_eq!(results.len(), 4, "{results:?}");
        let tombstone = &results[0];
        let id = between(tombstone, "<result xmlns='urn:xmpp:mam:2' id='", "'");
        assert!(tombstone.contains("<retracted stamp='2") && tombstone.contains("id='r1'"), "{tombstone}");
        assert!(tombstone.contains("id='m1'") && tombstone.contains("<delay "), "{tombstone}");
        assert!(!tombstone.contains("secret") && !id.is_empty(), "{tombstone}");
        assert!(results[1].contains("no matter") && results[3].contains("<retract id='m1'"), "{results:?}");
        ask(client, "2", &words("secret")).await;
        assert!(client.take_kept("<result xmlns='urn:xmpp:mam:2'").is_empty());
        ask(client, "3", &words("matter")).await;
        assert_eq!(client.take_kept("<result xmlns='urn:xmpp:mam:2'").len(), 1);
    }
    let features = alice
        .ask("<iq type='get' id='4'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>", "4")
        .await;
    assert!(features.contains("'urn:xmpp:message-retract:1#tombstone'"), "{features}");
    let web = Web::log_in(&house, "alice").await;
    let page = web.get("/api/archive?with=bob@localhost").await.expect(200).json();
    assert_eq!(page["messages"][0]["retracted"], true, "{page}");
    assert_eq!(page["messages"][0]["body"], serde_json::Value::Null, "{page}");
    assert_eq!(page["messages"][3]["retracts"], "m1", "{page}");
}
