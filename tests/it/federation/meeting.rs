//! What people of different servers do with each other.

use std::net::SocketAddr;

use rollcall::{
    config::Config,
    signal::{Address, Audience, TemporaryPresence},
};
use serde_json::{Value, json};

use super::{
    Ejabberd, Prosody, Town,
    town::{befriend, in_ascii, is_presence, online, online_with},
};
use crate::support::{House, Slixmpp, Web};

const ALICE: &str = "alice@ours.example";
const CAROL: &str = "carol@theirs.example";

/// Two servers, each with one person.
struct Meeting {
    house: House,
    theirs: SocketAddr,
}

impl Meeting {
    async fn both(&self) -> (Slixmpp, Slixmpp) {
        let more = json!({"plugins": ["xep_0004", "xep_0059", "xep_0060", "xep_0084", "xep_0313"]});
        (
            online_with(ALICE, self.house.xmpp(), more.clone()).await,
            online_with(CAROL, self.theirs, more).await,
        )
    }
}

/// A message there and an answer back, to the session that wrote.
async fn greet(alice: &mut Slixmpp, carol: &mut Slixmpp) {
    alice.act(json!({"do": "message", "to": CAROL, "body": "hello over there", "id": "m1"})).await;
    let heard = carol.read("hello over there").await;
    assert_eq!(heard["id"], "m1");
    let from = heard["from"].as_str().unwrap().to_owned();
    assert!(from.starts_with("alice@ours.example/"), "{from}");
    carol.act(json!({"do": "message", "to": from, "body": "hello yourself"})).await;
    alice.read("hello yourself").await;
}

/// What they see of each other: presence as it changes, rosters, presence of who comes later.
async fn see_each_other(meeting: &Meeting, alice: &mut Slixmpp, carol: &mut Slixmpp) {
    befriend(alice, ALICE, carol, CAROL).await;
    see(alice, carol, CAROL).await;
    see(carol, alice, ALICE).await;
    let mut late = online(ALICE, meeting.house.xmpp()).await;
    late.event("presence", |event| is_presence(event, &format!("{CAROL}/"), "available")).await;
    let mut late_there = online(CAROL, meeting.theirs).await;
    late_there.event("presence", |event| is_presence(event, &format!("{ALICE}/"), "available")).await;
    late.act(json!({"do": "logout"})).await;
    carol.event("presence", |event| is_presence(event, &format!("{ALICE}/"), "unavailable")).await;
    late_there.act(json!({"do": "logout"})).await;
    alice.event("presence", |event| is_presence(event, &format!("{CAROL}/"), "unavailable")).await;
}

/// One sees how the other is, and has him in his roster.
async fn see(one: &mut Slixmpp, other: &mut Slixmpp, other_jid: &str) {
    other.act(json!({"do": "presence", "show": "away", "status": "gone fishing"})).await;
    let is_away = |event: &Value| is_presence(event, other_jid, "available") && event["show"] == "away";
    assert_eq!(one.event("presence", is_away).await["status"], "gone fishing");
    let roster = one.act(json!({"do": "roster"})).await;
    assert_eq!(roster["contacts"][0]["jid"], other_jid);
    assert_eq!(roster["contacts"][0]["subscription"], "both", "{roster}");
}

/// Both archives have what was said.
async fn remember(alice: &mut Slixmpp, carol: &mut Slixmpp) {
    for (one, other) in [(alice, CAROL), (carol, ALICE)] {
        let page = one.act(json!({"do": "archive", "with": other})).await;
        let text = page.to_string();
        assert!(text.contains("hello over there") && text.contains("hello yourself"), "{text}");
    }
}

/// Questions to the server, to an account and to a session are answered.
async fn ask(alice: &mut Slixmpp, carol: &mut Slixmpp) {
    alice.act(json!({"do": "ping", "to": "theirs.example"})).await;
    carol.act(json!({"do": "ping", "to": "ours.example"})).await;
    let features = carol.act(json!({"do": "disco", "to": ALICE})).await;
    assert!(features.to_string().contains("http://jabber.org/protocol/pubsub"), "{features}");
    let secret = json!({"do": "disco", "to": "nobody@ours.example"});
    assert_eq!(carol.attempt(&secret).await["ok"], false);
    let roster = "<query xmlns='jabber:iq:roster'/>";
    let secret = json!({"do": "iq", "to": ALICE, "type": "get", "xml": roster});
    assert_eq!(carol.attempt(&secret).await["ok"], false);
}

/// A picture that one wears the other can see.
async fn show_face(one: &mut Slixmpp, jid: &str, other: &mut Slixmpp) {
    let dot =
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    one.act(json!({"do": "wear", "data": dot, "type": "image/png"})).await;
    let seen = other.act(json!({"do": "items", "to": jid, "node": "urn:xmpp:avatar:metadata"})).await;
    assert!(seen.to_string().contains("image/png"), "{seen}");
}

/// What is said to who is not there waits for him.
async fn wait_for_each_other(meeting: &Meeting, mut alice: Slixmpp, mut carol: Slixmpp) -> Slixmpp {
    carol.act(json!({"do": "logout"})).await;
    alice.event("presence", |event| is_presence(event, &format!("{CAROL}/"), "unavailable")).await;
    alice.act(json!({"do": "message", "to": CAROL, "body": "when you are back"})).await;
    let mut carol = online(CAROL, meeting.theirs).await;
    carol.read("when you are back").await;
    alice.act(json!({"do": "logout"})).await;
    carol.event("presence", |event| is_presence(event, &format!("{ALICE}/"), "unavailable")).await;
    carol.act(json!({"do": "message", "to": ALICE, "body": "now you are gone"})).await;
    let mut alice = online(ALICE, meeting.house.xmpp()).await;
    assert!(!alice.read("now you are gone").await["delay"].is_null());
    carol.act(json!({"do": "message", "to": "nobody@ours.example", "body": "who?", "id": "m9"})).await;
    carol.event("message", |event| event["type"] == "error" && event["id"] == "m9").await;
    carol
}

async fn meet(meeting: &Meeting) -> Slixmpp {
    let (mut alice, mut carol) = meeting.both().await;
    greet(&mut alice, &mut carol).await;
    see_each_other(meeting, &mut alice, &mut carol).await;
    remember(&mut alice, &mut carol).await;
    ask(&mut alice, &mut carol).await;
    show_face(&mut alice, ALICE, &mut carol).await;
    show_face(&mut carol, CAROL, &mut alice).await;
    wait_for_each_other(meeting, alice, carol).await
}

/// Their server went away without a word, and whoever writes there is told.
async fn is_told_that_they_are_gone(meeting: &Meeting) {
    let mut alice = online(ALICE, meeting.house.xmpp()).await;
    for id in ["k1", "k2"] {
        alice.act(json!({"do": "message", "to": CAROL, "body": "still there?", "id": id})).await;
    }
    let told = alice.event("message", |event| event["type"] == "error" && event["id"] == "k2").await;
    assert!(told["xml"].as_str().unwrap().contains("remote-server-timeout"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_meet_across_prosody() {
    let town = Town::new().await;
    let house = town.rollcall(1, "ours.example", &["alice"]).await;
    let mut prosody = Prosody::start(&town, 2, "theirs.example", &["carol"], "").await;
    let meeting = Meeting { house, theirs: prosody.clients };
    meet(&meeting).await;

    prosody.kill().await;
    is_told_that_they_are_gone(&meeting).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_meet_across_ejabberd() {
    let town = Town::new().await;
    // It asks the town for our service, and the system, which knows nothing of the town, for the host.
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let open = |config: &mut Config| config.federation.starttls.push(anywhere);
    let house = town.rollcall_with(1, "ours.example", &["alice"], open).await;
    let (_, opened) = house.server().federation_addresses()[1];
    town.names().add_service("_xmpp-server._tcp.ours.example", 1, opened.port(), "localhost");
    let mut ejabberd = Ejabberd::start(&town, 2, "theirs.example", &["carol"]).await;
    let meeting = Meeting { house, theirs: ejabberd.clients };
    meet(&meeting).await;
    ejabberd.hear("Accepted inbound s2s EXTERNAL authentication").await;
    ejabberd.hear("Accepted outbound s2s EXTERNAL authentication").await;
    ejabberd.kill().await;
    is_told_that_they_are_gone(&meeting).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stranger_of_another_domain_may_ask_for_a_moment() {
    let town = Town::new().await;
    let house = town.rollcall(1, "ours.example", &["alice"]).await;
    let everybody = TemporaryPresence { to: Audience::Everybody, ..TemporaryPresence::default() };
    let alice = Address::parse(ALICE).unwrap();
    house.prefer_of(&alice, |preferences| preferences.temporary_presence = everybody).await;
    let prosody = Prosody::start(&town, 2, "theirs.example", &["carol"], "").await;
    let mut alice = online(ALICE, house.xmpp()).await;
    alice.act(json!({"do": "presence", "show": "dnd", "status": "researching"})).await;
    let mut carol = online(CAROL, prosody.clients).await;

    let ask =
        format!("<presence to='{ALICE}'><temppres xmlns='urn:xmpp:temppres:0' reason='media'/></presence>");
    carol.act(json!({"do": "raw", "xml": ask})).await;
    let shown = carol.event("presence", |event| is_presence(event, &format!("{ALICE}/"), "available")).await;
    assert!(!shown.to_string().contains("researching"), "{shown}");
    assert!(shown["show"].as_str().is_none_or(str::is_empty), "{shown}");
    carol.act(json!({"do": "raw", "xml": format!("<presence to='{ALICE}' type='unavailable'/>")})).await;
    carol.event("presence", |event| is_presence(event, &format!("{ALICE}/"), "unavailable")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn domains_need_not_be_ascii() {
    let (alice_there, carol_there) = ("alice@b\u{fc}ro.example", "carol@b\u{fc}cher.example");
    let town = Town::new().await;
    let house = town.rollcall(1, &in_ascii("b\u{fc}ro.example"), &["alice"]).await;
    let no_bidi = "modules_disabled = { 'posix', 's2s_bidi' }";
    let mut prosody = Prosody::start(&town, 2, "b\u{fc}cher.example", &["carol"], no_bidi).await;
    let mut alice = online(alice_there, house.xmpp()).await;
    let mut carol = online(carol_there, prosody.clients).await;
    befriend(&mut alice, alice_there, &mut carol, carol_there).await;
    let web = Web::log_in_as(house.http(), alice_there).await;
    let away = |event: &Value| is_presence(event, alice_there, "unavailable");
    web.post("/api/roster/carol%40xn--bcher-kva.example/deny", &json!({})).await.expect(204);
    carol.event("presence", away).await;
    prosody.hear("SASL EXTERNAL identity").await;
    prosody.hear("SASL EXTERNAL with").await;
    assert!(town.names().was_asked("_xmpp-server._tcp.xn--bcher-kva.example"));
}
