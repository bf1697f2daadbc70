//! Push notifications (XEP-0357): slixmpp as the client, whose device sleeps, and slixmpp behind a Prosody as the push
//! service of another domain.

use serde_json::{Value, json};

use super::{Prosody, Town, town::online_with};
use crate::support::{House, Program, Slixmpp};

const ALICE: &str = "alice@ours.example";
const BOB: &str = "bob@ours.example";
const SERVICE: &str = "push.theirs.example";

/// Our server, and a push service of another domain.
struct Street {
    house: House,
    service: Program,
    _prosody: Prosody,
    _town: Town,
}

impl Street {
    async fn new() -> Self {
        let town = Town::new().await;
        let house = town.rollcall_with(1, "ours.example", &["alice", "bob"], |config| {
            config.account.wake_seconds = 1;
            config.xmpp.push_sender = true;
        });
        let house = house.await;
        let address = town.address(2);
        let files = town.certificate(SERVICE);
        town.names().add_host(SERVICE, address);
        let more = format!(
            "component_ports = {{ 5347 }}\ncomponent_interfaces = {{ \"{address}\" }}\n\
             Component \"{SERVICE}\"\ncomponent_secret = \"shared\"\n\
             ssl = {{ certificate = \"{}\", key = \"{}\", cafile = \"{}\", capath = false }}\n",
            files.certificate.display(),
            files.key.display(),
            town.root().display(),
        );
        let prosody = Prosody::start(&town, 2, "theirs.example", &[], &more).await;
        let mut service = Program::python("the push service", "tests/interop/push_service.py", &[]);
        let place = json!({"host": address.to_string(), "port": 5347});
        let mut serve = json!({"do": "serve", "jid": SERVICE, "secret": "shared"});
        serve.as_object_mut().unwrap().extend(place.as_object().unwrap().clone());
        service.ask(serve).await;
        Self { house, service, _prosody: prosody, _town: town }
    }

    async fn client(&self, jid: &str) -> Slixmpp {
        let more = json!({"plugins": ["xep_0198"], "resource": "phone"});
        online_with(jid, self.house.xmpp(), more).await
    }

    /// The next push.
    async fn push(&mut self) -> Value {
        self.service.event("push", |_| true).await
    }

    /// The push for a node that tells of so many messages.
    async fn push_of(&mut self, node: &str, missed: &str) -> Value {
        let is_it = |push: &Value| push["node"] == node && push["fields"]["message-count"] == missed;
        self.service.event("push", is_it).await
    }

    fn pushes(&self) -> usize {
        self.service.all_events("push").len()
    }
}

/// What was said before is dealt with here and at the push service, and so is what it answered.
async fn is_quiet(alice: &mut Slixmpp) {
    alice.act(json!({"do": "ping", "to": SERVICE})).await;
}

async fn enable(client: &mut Slixmpp, node: &str) {
    let options = "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>\
                   <value>http://jabber.org/protocol/pubsub#publish-options</value></field>\
                   <field var='secret'><value>a &amp; b</value></field></x>";
    let xml = format!("<enable xmlns='urn:xmpp:push:0' jid='{SERVICE}' node=\"{node}\">{options}</enable>");
    client.act(json!({"do": "iq", "to": BOB, "type": "set", "xml": xml})).await;
}

async fn say(alice: &mut Slixmpp, text: &str) {
    alice.act(json!({"do": "message", "to": BOB, "body": text})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sleeps_is_called_by_a_service_of_another_domain() {
    let mut street = Street::new().await;
    let mut alice = street.client(ALICE).await;
    let mut bob = street.client(BOB).await;
    let features = bob.act(json!({"do": "disco", "to": BOB})).await;
    assert!(features.to_string().contains("urn:xmpp:push:0"), "{features}");
    enable(&mut bob, "bob's phone").await;
    say(&mut alice, "seen at once").await;
    bob.read("seen at once").await;
    is_quiet(&mut alice).await;
    assert_eq!(street.pushes(), 0);

    // The connection breaks, and bob can come back.
    bob.act(json!({"do": "cut"})).await;
    bob.event("disconnected", |_| true).await;
    say(&mut alice, "first").await;
    let push = street.push().await;
    assert_eq!(push["from"], "ours.example");
    assert_eq!(push["node"], "bob's phone");
    assert_eq!(push["fields"]["FORM_TYPE"], "urn:xmpp:push:summary");
    assert_eq!(push["fields"]["last-message-sender"], "alice@ours.example/phone");
    assert!(push["fields"].get("last-message-body").is_none(), "{push}");
    assert_eq!(push["options"]["secret"], "a & b");
    assert_eq!(push["options"]["FORM_TYPE"], "http://jabber.org/protocol/pubsub#publish-options");
    for text in ["second", "third"] {
        say(&mut alice, text).await;
    }
    alice.act(json!({"do": "message", "to": BOB, "xml": "<composing xmlns='http://jabber.org/protocol/chatstates'/>"}))
        .await;
    street.push_of("bob's phone", "3").await;
    assert!(street.pushes() <= 3, "a burst is told together");
    bob.act(json!({"do": "again"})).await;
    for text in ["first", "second", "third"] {
        bob.read(text).await;
    }

    // He goes in order, and a call reaches him all the same; the server's restart changes nothing.
    bob.act(json!({"do": "logout"})).await;
    alice.act(json!({"do": "logout"})).await;
    street.house.restart().await;
    let mut alice = street.client(ALICE).await;
    let propose = "<propose xmlns='urn:xmpp:jingle-message:0' id='call'><description xmlns='urn:xmpp:jingle:apps:rtp:1' \
                   media='audio'/></propose><store xmlns='urn:xmpp:hints'/>";
    alice.act(json!({"do": "message", "to": BOB, "xml": propose})).await;
    let push = street.push().await;
    assert_eq!(push["fields"]["message-count"], "1");
    let mut bob = street.client(BOB).await;
    bob.act(json!({"do": "iq", "to": BOB, "type": "set",
                   "xml": format!("<disable xmlns='urn:xmpp:push:0' jid='{SERVICE}'/>")}))
        .await;
    bob.act(json!({"do": "logout"})).await;
    bob.event("disconnected", |_| true).await;
    let before = street.pushes();
    say(&mut alice, "nobody is called").await;
    is_quiet(&mut alice).await;
    assert_eq!(street.pushes(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_service_refuses_or_takes_back_is_not_asked_again() {
    let mut street = Street::new().await;
    let mut alice = street.client(ALICE).await;
    let mut bob = street.client(BOB).await;
    for node in ["one", "two", "three"] {
        enable(&mut bob, node).await;
    }
    bob.act(json!({"do": "logout"})).await;
    bob.event("disconnected", |_| true).await;
    is_quiet(&mut alice).await;
    street.service.ask(json!({"do": "end", "to": BOB, "node": "two"})).await;
    is_quiet(&mut alice).await;
    // What is to be waited for changes nothing.
    street.service.ask(json!({"do": "answer", "condition": "resource-constraint", "kind": "wait"})).await;
    say(&mut alice, "wait").await;
    for node in ["one", "three"] {
        street.push_of(node, "1").await;
    }
    street.service.ask(json!({"do": "answer", "condition": "item-not-found"})).await;
    say(&mut alice, "gone").await;
    for node in ["one", "three"] {
        street.push_of(node, "2").await;
    }
    street.service.ask(json!({"do": "answer"})).await;
    is_quiet(&mut alice).await;

    let before = street.pushes();
    let mut bob = street.client(BOB).await;
    enable(&mut bob, "four").await;
    bob.act(json!({"do": "logout"})).await;
    bob.event("disconnected", |_| true).await;
    say(&mut alice, "once more").await;
    street.push_of("four", "1").await;
    // By the time of its second call, each would have had one.
    say(&mut alice, "and once more").await;
    street.push_of("four", "2").await;
    assert_eq!(street.pushes(), before + 2);
    let nodes: Vec<_> = street.service.all_events("push").iter().map(|push| push["node"].clone()).collect();
    assert!(!nodes.contains(&json!("two")), "{nodes:?}");
}
