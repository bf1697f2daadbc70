//! XEP-0352 over the whole server.

use serde_json::json;

use crate::support::{House, RawXmpp, Web};

const INACTIVE: &str = "<inactive xmlns='urn:xmpp:csi:0'/>";

/// Alice, whom nobody looks at, and Bob, who see each other's presence.
async fn friends() -> (House, RawXmpp, RawXmpp) {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let [alice, bob] = [Web::log_in(&house, "alice").await, Web::log_in(&house, "bob").await];
    for (one, other) in [(&alice, "bob"), (&bob, "alice")] {
        one.post(&format!("/api/roster/{other}@localhost/grant"), &json!({})).await.expect(204);
        one.post(&format!("/api/roster/{other}@localhost/subscribe"), &json!({})).await.expect(204);
    }
    let port = house.xmpp_plain();
    let mut alice = RawXmpp::online("alice", "one", port).await;
    let mut bob = RawXmpp::online("bob", "two", port).await;
    alice.stanza("from='bob@localhost/two'").await;
    alice.send(INACTIVE).await;
    alice.has_not("error").await;
    bob.send("<presence><show>away</show></presence>").await;
    bob.send("<message to='alice@localhost' type='chat'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>").await;
    bob.send("<presence><show>dnd</show></presence>").await;
    bob.has_not("error").await;
    alice.has_not("away").await;
    alice.has_not("dnd").await;
    alice.has_not("composing").await;
    (house, alice, bob)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_wait_waits_until_somebody_looks() {
    let (_house, mut alice, _bob) = friends().await;
    alice.send("<active xmlns='urn:xmpp:csi:0'/>").await;
    alice.stanza("<composing").await;
    alice.stanza("<show>dnd</show>").await;
    // Of all presence only the last was of interest.
    alice.has_not("away").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_comes_at_once_and_brings_what_waited_before_it() {
    let (_house, mut alice, mut bob) = friends().await;
    bob.send("<message to='alice@localhost' type='chat'><body>hello</body></message>").await;
    alice.stanza("<body>hello</body>").await;
    assert_eq!(alice.take_kept("<show>dnd</show>").len(), 1, "it was told before the message");
    bob.send("<presence><status>later</status></presence>").await;
    bob.has_not("error").await;
    alice.has_not("later").await;
    bob.send("<iq type='get' id='q' to='alice@localhost/one'><query xmlns='jabber:iq:version'/></iq>").await;
    alice.stanza("jabber:iq:version").await;
    assert_eq!(alice.take_kept("later").len(), 1, "a question does not wait either");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_goes_on_is_looked_at() {
    let house = House::with_accounts(&["alice"]).await;
    let port = house.xmpp_plain();
    let mut alice = RawXmpp::online("alice", "one", port).await;
    alice.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>").await;
    let enabled = alice.stanza("<enabled ").await;
    let id = enabled.split("id='").nth(1).and_then(|rest| rest.split('\'').next()).unwrap();
    alice.send(INACTIVE).await;
    alice.has_not("error").await;
    let mut other = RawXmpp::online("alice", "other", port).await;
    other.send("<presence><show>away</show></presence>").await;
    other.has_not("error").await;
    alice.has_not("away").await;
    drop(alice);
    let mut again = RawXmpp::authenticated("alice", port).await;
    again.send(&format!("<resume xmlns='urn:xmpp:sm:3' previd='{id}' h='1'/>")).await;
    again.stanza("<resumed ").await;
    again.stanza("<show>away</show>").await;
    other.send("<presence><show>xa</show></presence>").await;
    again.stanza("<show>xa</show>").await;
}
