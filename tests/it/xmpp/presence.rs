//! Rosters, subscriptions and presence between XMPP clients (RFC 6121 §2 to §4).

use crate::support::{House, RawXmpp};

async fn two() -> (House, RawXmpp, RawXmpp) {
    let server = House::with_accounts(&["alice", "bob"]).await;
    let port = server.xmpp_plain();
    let alice = RawXmpp::online("alice", "one", port).await;
    let bob = RawXmpp::online("bob", "two", port).await;
    (server, alice, bob)
}

async fn befriend(alice: &mut RawXmpp, bob: &mut RawXmpp) {
    alice.send("<presence to='bob@localhost' type='subscribe'/>").await;
    bob.stanza("type='subscribe'").await;
    bob.send(
        "<presence to='alice@localhost' type='subscribed'/><presence to='alice@localhost' type='subscribe'/>",
    )
    .await;
    alice.stanza("type='subscribe'").await;
    alice.send("<presence to='bob@localhost' type='subscribed'/>").await;
    alice.stanza("subscription='both'").await;
    bob.stanza("subscription='both'").await;
    alice.stanza("<presence from='bob@localhost/two'").await;
    bob.stanza("<presence from='alice@localhost/one'").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_and_granting_shows_in_both_rosters() {
    let (_server, mut alice, mut bob) = two().await;
    alice
        .send("<presence to='bob@localhost/x' type='subscribe' id='s'><status>it's me</status></presence>")
        .await;
    let push = alice.stanza("type='set'").await;
    assert!(push.contains("<item jid='bob@localhost' subscription='none' ask='subscribe'/>"), "{push}");
    let question = bob.stanza("type='subscribe'").await;
    assert!(question.contains("from='alice@localhost' to='bob@localhost'"), "{question}");
    assert!(question.contains("<status>it's me</status>"), "{question}");
    bob.send("<presence to='alice@localhost' type='subscribed'/>").await;
    bob.stanza("subscription='from'").await;
    alice.stanza("type='subscribed'").await;
    alice.stanza("subscription='to'").await;
    alice.stanza("<presence from='bob@localhost/two'").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn presence_reaches_contacts_with_its_content() {
    let (_server, mut alice, mut bob) = two().await;
    befriend(&mut alice, &mut bob).await;
    bob.send("<presence><show>away</show><status>tea</status><x xmlns='urn:photo'>1</x></presence>").await;
    let seen = alice.stanza("tea").await;
    assert_eq!(
        seen,
        "<presence from='bob@localhost/two' to='alice@localhost'>\
         <show>away</show><status>tea</status><x xmlns='urn:photo'>1</x></presence>"
    );
    bob.send("<presence type='unavailable'><status>bye</status></presence>").await;
    let gone = alice.stanza("type='unavailable'").await;
    assert!(gone.contains("<status>bye</status>"), "{gone}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_shows_as_absence_and_a_login_as_presence() {
    let (server, mut alice, mut bob) = two().await;
    befriend(&mut alice, &mut bob).await;
    drop(bob);
    alice.stanza("<presence from='bob@localhost/two' to='alice@localhost' type='unavailable'").await;
    let mut bob = RawXmpp::online("bob", "three", server.xmpp_plain()).await;
    alice.stanza("<presence from='bob@localhost/three'").await;
    bob.stanza("<presence from='alice@localhost/one'").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ending_a_subscription_takes_the_presence_back() {
    let (_server, mut alice, mut bob) = two().await;
    befriend(&mut alice, &mut bob).await;
    bob.send("<presence to='alice@localhost' type='unsubscribed'/>").await;
    alice.stanza("type='unsubscribed'").await;
    alice.stanza("subscription='from'").await;
    alice.stanza("<presence from='bob@localhost/two' to='alice@localhost' type='unavailable'").await;
    alice.ask("<iq type='set' id='rm'><query xmlns='jabber:iq:roster'><item jid='bob@localhost' subscription='remove'/></query></iq>", "rm").await;
    alice.stanza("subscription='remove'").await;
    bob.stanza("type='unsubscribed'").await;
    bob.stanza("subscription='none'").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_waits_for_its_answer_and_vanishes_everywhere() {
    let server = House::with_accounts(&["alice", "bob"]).await;
    let port = server.xmpp_plain();
    let mut alice = RawXmpp::online("alice", "one", port).await;
    alice.send("<presence to='bob@localhost' type='subscribe'/>").await;
    alice.stanza("ask='subscribe'").await;
    let mut one = RawXmpp::online("bob", "one", port).await;
    let mut two = RawXmpp::online("bob", "two", port).await;
    one.stanza("type='subscribe'").await;
    two.stanza("type='subscribe'").await;
    one.send("<presence to='alice@localhost' type='unsubscribed'/>").await;
    alice.stanza("type='unsubscribed'").await;
    two.stanza("<presence from='alice@localhost' to='bob@localhost' type='unsubscribe'/>").await;
    one.has_not("type='unsubscribe'").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn presence_may_be_shown_to_a_stranger_and_ends_with_the_session() {
    let (_server, mut alice, mut bob) = two().await;
    alice.send("<presence to='bob@localhost/two'><status>just you</status></presence>").await;
    bob.stanza("just you").await;
    drop(alice);
    bob.stanza("<presence from='alice@localhost/one' to='bob@localhost/two' type='unavailable'").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_roster_is_kept_with_versions() {
    let (server, mut alice, _bob) = two().await;
    let set =
        |item: &str| format!("<iq type='set' id='set'><query xmlns='jabber:iq:roster'>{item}</query></iq>");
    alice.ask(&set("<item jid='Bob@localhost' name='B &amp; B'><group>Work</group></item>"), "set").await;
    let push = alice.stanza("<group>").await;
    let (_, version) = push.split_once("ver='").unwrap();
    let version = version.split('\'').next().unwrap().to_owned();
    alice.ask(&set("<item jid='carol@localhost'/>"), "set").await;

    let mut again = RawXmpp::login("alice", "two", server.xmpp_plain()).await;
    let get = |version: &str| {
        format!("<iq type='get' id='get'><query xmlns='jabber:iq:roster' ver='{version}'/></iq>")
    };
    let changes = again.ask(&get(&version), "get").await;
    assert_eq!(changes, "<iq to='alice@localhost/two' id='get' type='result'/>");
    let push = again.stanza("carol@localhost").await;
    assert!(push.contains("type='set'") && push.contains("ver='"), "{push}");
    let all = again.ask(&get(""), "get").await;
    assert!(all.contains(
        "<item jid='bob@localhost' name='B &amp; B' subscription='none'><group>Work</group></item>"
    ));
    assert!(all.contains("carol@localhost"), "{all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_roster_requests_get_the_right_error() {
    let (_server, mut alice, _bob) = two().await;
    for (items, condition) in [
        ("", "bad-request"),
        ("<item jid='@@'/>", "jid-malformed"),
        ("<item jid='bob@localhost'><group/></item>", "not-acceptable"),
        ("<item jid='nobody@localhost' subscription='remove'/>", "item-not-found"),
    ] {
        let set = format!("<iq type='set' id='set'><query xmlns='jabber:iq:roster'>{items}</query></iq>");
        let error = alice.ask(&set, "set").await;
        assert!(error.contains("type='error'") && error.contains(condition), "{items}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_yes_may_come_before_the_question() {
    let (_server, mut alice, mut bob) = two().await;
    bob.send("<presence to='alice@localhost' type='subscribed'/>").await;
    bob.stanza("approved='true'").await;
    alice.send("<presence to='bob@localhost' type='subscribe'/>").await;
    alice.stanza("type='subscribed'").await;
    bob.stanza("subscription='from'").await;
    bob.has_not("type='subscribe'").await;
}
