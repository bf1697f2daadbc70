//! Personal nodes over XMPP: XEP-0060, XEP-0084, XEP-0115, XEP-0163, XEP-0398.

use base64::Engine;
use serde_json::json;

use crate::support::{House, RawXmpp, Web};

const PUBSUB: &str = "http://jabber.org/protocol/pubsub";

/// Alice and Bob, who see each other's presence.
async fn friends() -> (House, RawXmpp, RawXmpp) {
    let house = House::with_accounts(&["alice", "bob", "carol"]).await;
    let [alice, bob] = [Web::log_in(&house, "alice").await, Web::log_in(&house, "bob").await];
    for (one, other) in [(&alice, "bob"), (&bob, "alice")] {
        one.post(&format!("/api/roster/{other}@localhost/grant"), &json!({})).await.expect(204);
        one.post(&format!("/api/roster/{other}@localhost/subscribe"), &json!({})).await.expect(204);
    }
    let port = house.xmpp_plain();
    let alice = RawXmpp::online("alice", "one", port).await;
    let bob = RawXmpp::online("bob", "two", port).await;
    (house, alice, bob)
}

/// The client says that it follows `node`, and explains what its features are.
async fn follow(client: &mut RawXmpp, version: &str, node: &str) {
    client
        .send(&format!(
            "<presence><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='n' ver='{version}'/></presence>"
        ))
        .await;
    let question = client.stanza("http://jabber.org/protocol/disco#info").await;
    assert!(question.contains(&format!("node='n#{version}'")), "{question}");
    let id = question.split("id='").nth(1).and_then(|rest| rest.split('\'').next()).unwrap();
    client
        .send(&format!(
            "<iq type='result' id='{id}' to='localhost'><query xmlns='http://jabber.org/protocol/disco#info'>\
             <identity category='client' type='pc'/><feature var='{node}+notify'/></query></iq>"
        ))
        .await;
}

fn publish(id: &str, node: &str, item: &str, more: &str) -> String {
    format!(
        "<iq type='set' id='{id}'><pubsub xmlns='{PUBSUB}'><publish node='{node}'>{item}</publish>{more}</pubsub></iq>"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_is_told_to_followers_and_read_by_contacts() {
    let (house, mut alice, mut bob) = friends().await;
    follow(&mut bob, "v1", "urn:n").await;
    let item = "<item id='1'><p xmlns='urn:p' a='&lt;'>x</p></item>";
    let answer = alice.ask(&publish("p", "urn:n", item, ""), "p").await;
    assert!(answer.contains("<publish node='urn:n'><item id='1'/></publish>"), "{answer}");
    let news = bob.stanza("pubsub#event").await;
    let start = "<message from='alice@localhost' to='bob@localhost/two' type='headline'>\
                 <event xmlns='http://jabber.org/protocol/pubsub#event'><items node='urn:n'><item id='1'>";
    assert!(news.starts_with(start) && news.contains("urn:p") && news.contains("&lt;"), "{news}");
    let read = format!(
        "<iq type='get' id='r' to='alice@localhost'><pubsub xmlns='{PUBSUB}'><items node='urn:n'/></pubsub></iq>"
    );
    let found = bob.ask(&read, "r").await;
    assert!(found.contains("type='result'") && found.contains("<item id='1'><p xmlns="), "{found}");
    let mut carol = RawXmpp::online("carol", "c", house.xmpp_plain()).await;
    let refused = carol.ask(&read, "r").await;
    assert!(
        refused.contains("not-authorized") && refused.contains("presence-subscription-required"),
        "{refused}"
    );
    let gone = carol.ask(&read.replace("alice@", "nobody@").replace("'r'", "'g'"), "g").await;
    assert!(gone.contains("item-not-found"), "{gone}");
    // A session that comes later is told of the last item.
    let mut later = RawXmpp::online("bob", "later", house.xmpp_plain()).await;
    follow(&mut later, "v1", "urn:n").await;
    later.stanza("<item id='1'>").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_are_configured_listed_and_deleted() {
    let (_house, mut alice, mut bob) = friends().await;
    let options = "<publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>\
        <value>http://jabber.org/protocol/pubsub#publish-options</value></field><field var='pubsub#persist_items'>\
        <value>true</value></field><field var='pubsub#max_items'><value>max</value></field>\
        <field var='pubsub#access_model'><value>whitelist</value></field></x></publish-options>";
    for number in 1..=3 {
        let item = format!("<item id='{number}'><p xmlns='urn:p'/></item>");
        let answer =
            alice.ask(&publish(&format!("p{number}"), "urn:x", &item, options), &format!("p{number}")).await;
        assert!(answer.contains("type='result'"), "{answer}");
    }
    let open = options.replace("whitelist", "open");
    let refused = alice.ask(&publish("q", "urn:x", "<item><p xmlns='urn:p'/></item>", &open), "q").await;
    assert!(refused.contains("<conflict") && refused.contains("precondition-not-met"), "{refused}");
    let owner = "http://jabber.org/protocol/pubsub#owner";
    let configure =
        format!("<iq type='get' id='c'><pubsub xmlns='{owner}'><configure node='urn:x'/></pubsub></iq>");
    let form = alice.ask(&configure, "c").await;
    assert!(form.contains("<value>whitelist</value>") && form.contains("<value>1000</value>"), "{form}");
    let items =
        "<iq type='get' id='i'><query xmlns='http://jabber.org/protocol/disco#items' node='urn:x'/></iq>";
    let listed = alice.ask(items, "i").await;
    assert_eq!(listed.matches("<item jid='alice@localhost' name=").count(), 3, "{listed}");
    let others = "<iq type='get' id='o' to='alice@localhost'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>";
    let seen = bob.ask(others, "o").await;
    assert!(seen.contains("type='result'") && !seen.contains("urn:x"), "{seen}");
    let closed = format!(
        "<iq type='get' id='z' to='alice@localhost'><pubsub xmlns='{PUBSUB}'><items node='urn:x'/></pubsub></iq>"
    );
    let closed = bob.ask(&closed, "z").await;
    assert!(closed.contains("closed-node"), "{closed}");
    let theirs = publish("t", "urn:x", "<item id='1'><p xmlns='urn:p'/></item>", "")
        .replace("<iq ", "<iq to='alice@localhost' ");
    let theirs = bob.ask(&theirs, "t").await;
    assert!(theirs.contains("forbidden"), "{theirs}");
    let retract = format!(
        "<iq type='set' id='d'><pubsub xmlns='{PUBSUB}'><retract node='urn:x'><item id='2'/></retract></pubsub></iq>"
    );
    assert!(alice.ask(&retract, "d").await.contains("type='result'"));
    let delete =
        format!("<iq type='set' id='e'><pubsub xmlns='{owner}'><delete node='urn:x'/></pubsub></iq>");
    assert!(alice.ask(&delete, "e").await.contains("type='result'"));
    assert!(alice.ask(&configure.replace("'c'", "'f'"), "f").await.contains("item-not-found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_avatar_published_is_the_one_of_the_web_and_of_presence() {
    let (mut house, mut alice, mut bob) = friends().await;
    follow(&mut bob, "a1", "urn:xmpp:avatar:metadata").await;
    let picture = b"GIF89a\x08\0\x04\0!";
    let hash = "b37bd7fb6ca37303e7523b6737f66dd33b777880";
    let data = base64::engine::general_purpose::STANDARD.encode(picture);
    let wrong = format!(
        "<item id='{}'><data xmlns='urn:xmpp:avatar:data'>{data}</data></item>",
        hash.replace('b', "c")
    );
    let refused = alice.ask(&publish("w", "urn:xmpp:avatar:data", &wrong, ""), "w").await;
    assert!(refused.contains("not-acceptable"), "{refused}");
    let item = format!("<item id='{hash}'><data xmlns='urn:xmpp:avatar:data'>{data}</data></item>");
    assert!(alice.ask(&publish("d", "urn:xmpp:avatar:data", &item, ""), "d").await.contains("type='result'"));
    let item = format!(
        "<item id='{hash}'><metadata xmlns='urn:xmpp:avatar:metadata'>\
         <info id='{hash}' bytes='11' type='image/gif'/></metadata></item>"
    );
    assert!(
        alice.ask(&publish("m", "urn:xmpp:avatar:metadata", &item, ""), "m").await.contains("type='result'")
    );
    let news = bob.stanza("pubsub#event").await;
    assert!(
        news.contains(&format!("<info id='{hash}' bytes='11' type='image/gif' width='8' height='4'/>")),
        "{news}"
    );
    bob.stanza(&format!("<photo>{hash}</photo>")).await;
    house.restart().await;
    let mut bob = RawXmpp::online("bob", "two", house.xmpp_plain()).await;
    let read = format!(
        "<iq type='get' id='r' to='alice@localhost'><pubsub xmlns='{PUBSUB}'>\
         <items node='urn:xmpp:avatar:data'><item id='{hash}'/></items></pubsub></iq>"
    );
    assert!(bob.ask(&read, "r").await.contains(&data));
    let shown = Web::log_in(&house, "bob").await.get("/api/avatar/alice%40localhost").await.expect(200);
    assert_eq!(shown.header("content-type"), Some("image/gif"));
    follow(&mut bob, "a2", "urn:xmpp:avatar:metadata").await;
    bob.stanza(hash).await;
    Web::log_in(&house, "alice").await.delete("/api/avatar").await.expect(204);
    bob.stanza("<metadata xmlns='urn:xmpp:avatar:metadata'/>").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn features_that_prove_true_are_asked_once_for_all() {
    let (house, mut alice, _bob) = friends().await;
    // The hash of the features that `follow` explains, for the node `urn:n`.
    let version = "nSfRPAauqqFS54FvYvBIw7CjDpw=";
    follow(&mut alice, version, "urn:n").await;
    assert!(
        alice
            .ask(&publish("p", "urn:n", "<item id='1'><p xmlns='urn:p'/></item>", ""), "p")
            .await
            .contains("result")
    );
    alice.stanza("pubsub#event").await;
    let mut second = RawXmpp::online("alice", "second", house.xmpp_plain()).await;
    second
        .send(&format!(
            "<presence><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='n' ver='{version}'/></presence>"
        ))
        .await;
    second.stanza("pubsub#event").await;
    second.has_not("disco#info").await;
}
