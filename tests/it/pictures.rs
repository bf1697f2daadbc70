//! One picture: set in an XMPP client (slixmpp) or on the web, it is named in the presence that phones are told
//! (RFC 4482), and found there by a client on Python's HTTP library, by whoever may see it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rollcall::signal::AvatarHash;
use serde_json::{Value, json};

use crate::support::{Blink, House, PASSWORD, Slixmpp, Web, Xcap};

fn picture(last: u8) -> Vec<u8> {
    [b"GIF89a\x08\0\x04\0".as_slice(), &[last]].concat()
}

/// The URL by which a picture is named, without the key in it.
fn url(picture: &[u8]) -> String {
    let path = "org.openmobilealliance.pres-content/users/sip:alice@localhost/oma_status-icon/index";
    format!("https://localhost/xcap-root/{path}#blink-icon{}", AvatarHash::of(picture))
}

/// What is told of a place without the key to it.
fn without_key(url: &str) -> String {
    let Some((place, rest)) = url.split_once("?key=") else { return url.to_owned() };
    format!("{place}#{}", rest.split_once('#').unwrap().1)
}

/// The path and key of the picture that a presence document names with its person.
fn named(document: &str) -> String {
    let (_, person) = document.split_once("<dm:person").unwrap();
    let (_, url) = person.split_once("<c:icon>").unwrap();
    path_of(url.split("</c:icon>").next().unwrap())
}

/// Below the root.
fn path_of(url: &str) -> String {
    url.strip_prefix("https://localhost/xcap-root").unwrap().split('#').next().unwrap().to_owned()
}

async fn fetcher(house: &House, user: Option<&str>) -> Xcap {
    let root = format!("http://{}/xcap-root", house.http());
    match user {
        Some(user) => Xcap::start(&root, user, "localhost").await,
        None => Xcap::start_with(&root, "", "", "none").await,
    }
}

/// The picture in a document of it.
fn data(document: &str) -> Vec<u8> {
    let (_, data) = document.split_once("<data>").unwrap();
    STANDARD.decode(data.split("</data>").next().unwrap()).unwrap()
}

async fn wear(chat: &mut Slixmpp, picture: &[u8]) {
    chat.act(json!({"do": "wear", "data": STANDARD.encode(picture), "type": "image/gif"})).await;
}

/// Alice by XMPP, and Bob's phone, which she lets see her.
async fn watched(house: &House) -> (Slixmpp, Blink) {
    let mut alice = Slixmpp::start("slixmpp of alice with pictures");
    let more = json!({"plugins": ["xep_0060", "xep_0084"]});
    alice.login("alice@localhost", PASSWORD, house.xmpp(), more).await;
    alice.act(json!({"do": "presence"})).await;
    alice.act(json!({"do": "subscribed", "to": "bob@localhost"})).await;
    let mut bob = Blink::start_as("bob", house.sip_tls(), json!({})).await;
    bob.act(json!({"do": "subscribe", "to": "alice@localhost"})).await;
    (alice, bob)
}

/// Waits until every open service of Alice's shows this picture, or none does; the document.
async fn shown(bob: &mut Blink, url: Option<String>) -> String {
    let url = url.map_or(Value::Null, Value::String);
    let fits = |event: &Value| {
        let services = event["services"].as_array().map_or(&[][..], Vec::as_slice);
        event["uri"] == "sip:alice@localhost"
            && services.iter().any(|service| service["basic"] == "open")
            && services.iter().all(|service| match service["icon"].as_str() {
                Some(icon) => url == without_key(icon).as_str(),
                None => url.is_null(),
            })
    };
    bob.event("self", fits).await["body"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_of_chat_or_web_is_named_to_phones_and_found_there() {
    let house = House::start_with(|config| config.sip.notify_interval_ms = 0).await;
    for name in ["alice", "bob"] {
        house.add_account(name).await;
    }
    let (mut alice, mut bob) = watched(&house).await;
    let document = shown(&mut bob, None).await;
    assert!(!document.contains("icon"), "{document}");

    wear(&mut alice, &picture(1)).await;
    let document = shown(&mut bob, Some(url(&picture(1)))).await;
    let mut anybody = fetcher(&house, None).await;
    let found = anybody.get(&named(&document)).await.expect(200);
    assert_eq!(found.header("content-type"), Some("application/vnd.oma.pres-content+xml"));
    assert_eq!(data(&found.body), picture(1));

    let web = Web::log_in(&house, "alice").await;
    let second = String::from_utf8(picture(2)).unwrap();
    web.request("PUT", "/api/avatar", Some(&second)).await.expect(200);
    let document = shown(&mut bob, Some(url(&picture(2)))).await;
    assert!(!document.contains(&AvatarHash::of(&picture(1)).to_string()), "{document}");
    let known = [("If-None-Match", found.tag())];
    let known: Vec<_> = known.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let changed = anybody.send("GET", &path_of(&url(&picture(2))), &known, None).await.expect(200);
    assert_eq!(data(&changed.body), picture(2));

    web.delete("/api/avatar").await.expect(204);
    shown(&mut bob, None).await;
    anybody.get(&path_of(&url(&picture(2)))).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_for_contacts_alone_is_given_to_those_who_may_watch() {
    let house = House::with_accounts(&["alice", "bob", "carol"]).await;
    let (mut alice, mut bob) = watched(&house).await;
    wear(&mut alice, &picture(1)).await;
    let path = path_of(&url(&picture(1)));
    let mut anybody = fetcher(&house, None).await;
    anybody.get(&path).await.expect(200);
    let form = "<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><configure node='urn:xmpp:avatar:metadata'>\
                <x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>\
                <value>http://jabber.org/protocol/pubsub#node_config</value></field>\
                <field var='pubsub#access_model'><value>presence</value></field></x></configure></pubsub>";
    alice.act(json!({"do": "iq", "to": null, "type": "set", "xml": form})).await;

    let refused = anybody.get(&path).await.expect(401);
    assert!(refused.header("www-authenticate").unwrap().contains("realm=\"localhost\""), "{refused:?}");
    anybody.send("HEAD", &path, &[], None).await.expect(401);
    anybody.get(&format!("{path}/~~/content/data")).await.expect(401);
    fetcher(&house, Some("carol")).await.get(&path).await.expect(403);
    for user in ["alice", "bob"] {
        let found = fetcher(&house, Some(user)).await.get(&path).await.expect(200);
        assert_eq!(data(&found.body), picture(1), "{user}");
    }
    // Phones fetch without credentials what they were told; nobody can guess it, and it is for this picture alone.
    let document = shown(&mut bob, Some(url(&picture(1)))).await;
    let told = named(&document);
    let found = anybody.get(&told).await.expect(200);
    assert_eq!(data(&found.body), picture(1));
    anybody.send("HEAD", &told, &[], None).await.expect(200);
    let last = if told.ends_with('0') { '1' } else { '0' };
    anybody.get(&format!("{}{last}", &told[..told.len() - 1])).await.expect(401);
    anybody.send("DELETE", &told, &[], None).await.expect(401);
    wear(&mut alice, &picture(2)).await;
    let document = shown(&mut bob, Some(url(&picture(2)))).await;
    anybody.get(&told).await.expect(401);
    let found = anybody.get(&named(&document)).await.expect(200);
    assert_eq!(data(&found.body), picture(2));

    alice.act(json!({"do": "unsubscribed", "to": "bob@localhost"})).await;
    bob.event("terminated", |event| event["uri"] == "sip:alice@localhost").await;
    fetcher(&house, Some("bob")).await.get(&path).await.expect(403);
    let form = form.replace("<value>presence</value>", "<value>open</value>");
    alice.act(json!({"do": "iq", "to": null, "type": "set", "xml": form})).await;
    anybody.get(&path).await.expect(200);
}
