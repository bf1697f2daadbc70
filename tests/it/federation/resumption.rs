//! Streams between two of our servers whose connection breaks (XEP-0198 §5): nothing is lost, and nothing comes twice,
//! whoever has opened the stream and however domains were proved.

use std::net::SocketAddr;

use rollcall::config::Config;
use serde_json::json;

use super::{
    Town,
    relay::Relay,
    town::{PORT, online},
};
use crate::support::{House, Slixmpp};

const ALICE: &str = "alice@ours.example";
const CAROL: &str = "carol@theirs.example";

/// Two of our servers. Theirs is reached by a relay, on a stream that goes both ways.
struct Twins {
    alice: Slixmpp,
    carol: Slixmpp,
    relay: Relay,
    _houses: [House; 2],
    _town: Town,
}

impl Twins {
    /// They have met already.
    async fn meet(change: impl Fn(&mut Config)) -> Self {
        let town = Town::new().await;
        let ours = town.rollcall_with(1, "ours.example", &["alice"], &change).await;
        let theirs = town.rollcall_with(2, "theirs.example", &["carol"], &change).await;
        let [here, there] = [3, 2].map(|house| SocketAddr::new(town.address(house), PORT));
        let relay = Relay::start(here, there).await;
        town.names().add_host("theirs.example", here.ip());
        let mut alice = online(ALICE, ours.xmpp()).await;
        let mut carol = online(CAROL, theirs.xmpp()).await;
        say(&mut alice, CAROL, &mut carol, "hello over there").await;
        say(&mut carol, ALICE, &mut alice, "hello yourself").await;
        Self { alice, carol, relay, _houses: [ours, theirs], _town: town }
    }

    async fn who_trust() -> Self {
        Self::meet(|_| {}).await
    }

    /// Each proves its domain by dialback.
    async fn who_do_not_trust() -> Self {
        Self::meet(|config| {
            config.federation.require_certificates = false;
            config.federation.trusted = "/dev/null".into();
        })
        .await
    }

    /// What alice writes arrives, and nobody hears that it has.
    async fn lose_the_acknowledgement(&mut self) {
        self.relay.mute();
        say(&mut self.alice, CAROL, &mut self.carol, "did you get this?").await;
        self.relay.swallow().await;
        self.relay.cut();
        say(&mut self.alice, CAROL, &mut self.carol, "and this?").await;
        assert!(!self.carol.has_heard(|event| event["body"] == "did you get this?"));
    }

    /// What alice writes does not arrive.
    async fn lose_what_we_say(&mut self) {
        self.relay.deafen();
        write(&mut self.alice, CAROL, "are you still there?").await;
        self.relay.swallow().await;
        self.relay.cut();
        self.carol.read("are you still there?").await;
        say(&mut self.alice, CAROL, &mut self.carol, "so you are").await;
        assert!(!self.carol.has_heard(|event| event["body"] == "are you still there?"));
    }

    /// What carol writes, on the stream that our server opened, does not arrive.
    async fn lose_what_they_say(&mut self) {
        self.relay.mute();
        write(&mut self.carol, ALICE, "are you still here?").await;
        self.relay.swallow().await;
        self.relay.cut();
        self.alice.read("are you still here?").await;
        say(&mut self.carol, ALICE, &mut self.alice, "so you are").await;
        assert!(!self.alice.has_heard(|event| event["body"] == "are you still here?"));
    }
}

async fn write(from: &mut Slixmpp, to: &str, body: &str) {
    from.act(json!({"do": "message", "to": to, "body": body})).await;
}

async fn say(from: &mut Slixmpp, address: &str, to: &mut Slixmpp, body: &str) {
    write(from, address, body).await;
    to.read(body).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn message_whose_acknowledgement_was_lost_comes_once() {
    Twins::who_trust().await.lose_the_acknowledgement().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_broken_connection_took_with_it_comes_once() {
    let mut twins = Twins::who_trust().await;
    twins.lose_what_we_say().await;
    // The stream went on, and can again.
    twins.lose_what_they_say().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_were_proved_by_dialback_go_on_too() {
    let mut twins = Twins::who_do_not_trust().await;
    twins.lose_the_acknowledgement().await;
    twins.lose_what_they_say().await;
}
