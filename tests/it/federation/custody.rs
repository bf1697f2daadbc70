//! Stream management between servers (XEP-0198): what a broken link took with it is written again, or its sender
//! is told; Prosody hears what arrived here. Prosody cannot go on with a stream between servers: two of ours do, in
//! `resumption`.

use std::net::SocketAddr;

use serde_json::json;

use super::{
    Prosody, Town,
    relay::Relay,
    town::{PORT, online},
};
use crate::support::{House, Slixmpp};

const ALICE: &str = "alice@ours.example";
const CAROL: &str = "carol@theirs.example";

/// Our server and Prosody, which is reached by a relay.
struct Neighbours {
    alice: Slixmpp,
    carol: Slixmpp,
    prosody: Prosody,
    relay: Relay,
    _house: House,
    _town: Town,
}

impl Neighbours {
    /// They have met already, and acknowledge what they hear.
    async fn meet() -> Self {
        let town = Town::new().await;
        let house = town.rollcall(1, "ours.example", &["alice"]).await;
        let mut prosody = Prosody::start(&town, 2, "theirs.example", &["carol"], "").await;
        let [here, there] = [3, 2].map(|house| SocketAddr::new(town.address(house), PORT));
        let relay = Relay::start(here, there).await;
        town.names().add_host("theirs.example", here.ip());
        let mut alice = online(ALICE, house.xmpp()).await;
        let mut carol = online(CAROL, prosody.clients).await;
        alice.act(json!({"do": "message", "to": CAROL, "body": "hello over there"})).await;
        carol.read("hello over there").await;
        // What comes after an acknowledgement on the same stream tells that it has come.
        prosody.hear("Received ack request, acking for").await;
        carol.act(json!({"do": "message", "to": ALICE, "body": "hello yourself"})).await;
        alice.read("hello yourself").await;
        Self { alice, carol, prosody, relay, _house: house, _town: town }
    }

    /// Alice writes, and Prosody hears nothing of it.
    async fn write_into_the_void(&mut self, body: &str, id: &str) {
        self.relay.deafen();
        self.alice.act(json!({"do": "message", "to": CAROL, "body": body, "id": id})).await;
        self.relay.swallow().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_broken_link_took_with_it_is_written_again() {
    let mut both = Neighbours::meet().await;
    both.write_into_the_void("are you still there?", "m1").await;
    both.relay.cut();
    assert_eq!(both.carol.read("are you still there?").await["id"], "m1");
    // Those before it, which were acknowledged, were not.
    assert!(!both.carol.has_heard(|event| event["body"] == "hello over there"));
}

#[tokio::test(flavor = "multi_thread")]
async fn sender_is_told_when_there_is_no_other_link() {
    let mut both = Neighbours::meet().await;
    both.write_into_the_void("are you still there?", "m1").await;
    drop(both.relay);
    let told = both.alice.event("message", |event| event["type"] == "error" && event["id"] == "m1").await;
    assert!(told["xml"].as_str().unwrap().contains("remote-server-timeout"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn prosody_hears_what_arrived() {
    let mut both = Neighbours::meet().await;
    both.prosody.hear_from("s2s", "#queue = 0 (acked: 1)").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prosody_is_asked_after_dialback_too_once_it_is_known_to_acknowledge() {
    let town = Town::new().await;
    let house = town.rollcall(1, "ours.example", &["alice"]).await;
    // It shows a certificate that we believe, and believes ours as little as any other.
    let own = town.certificate("theirs.example");
    let (certificate, key) = (own.certificate.display(), own.key.display());
    let ssl =
        format!("certificate = '{certificate}', key = '{key}', cafile = '{certificate}', capath = false");
    let more =
        format!("ssl = {{ {ssl} }}\ns2s_secure_auth = false\nmodules_disabled = {{ 'posix', 's2s_bidi' }}");
    let mut prosody = Prosody::start(&town, 2, "theirs.example", &["carol"], &more).await;
    let mut alice = online(ALICE, house.xmpp()).await;
    let mut carol = online(CAROL, prosody.clients).await;
    carol.act(json!({"do": "message", "to": ALICE, "body": "hello over there"})).await;
    alice.read("hello over there").await;
    // Its own stream shows what it can: keys say nothing of that.
    prosody.hear("Enabling stream management").await;
    alice.act(json!({"do": "message", "to": CAROL, "body": "hello yourself"})).await;
    carol.read("hello yourself").await;
    prosody.hear("asking ours.example if key").await;
    prosody.hear("Received ack request, acking for").await;
}
