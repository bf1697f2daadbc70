//! How Prosody and we prove our domains to each other: by certificate, by dialback where that says nothing, each
//! way of a pair on a stream of its own or both on one; and who of the two begins.

use serde_json::json;

use super::{Prosody, Town, town::online};
use crate::support::{House, Slixmpp};

const ALICE: &str = "alice@ours.example";
const CAROL: &str = "carol@theirs.example";
const NO_BIDI: &str = "modules_disabled = { 'posix', 's2s_bidi' }";

/// Our server, Prosody, and a client of each.
struct Neighbours {
    alice: Slixmpp,
    carol: Slixmpp,
    prosody: Prosody,
    _house: House,
    _town: Town,
}

impl Neighbours {
    /// Each believes the certificates of the town.
    async fn who_trust(more: &str) -> Self {
        let town = Town::new().await;
        let house = town.rollcall(1, "ours.example", &["alice"]).await;
        Self::of(town, house, more).await
    }

    /// Each has a certificate that the other knows nothing of, and accepts that.
    async fn who_do_not_trust(more: &str) -> Self {
        let town = Town::new().await;
        let house = town
            .rollcall_with(1, "ours.example", &["alice"], |config| {
                config.federation.require_certificates = false;
                config.federation.trusted = "/dev/null".into();
            })
            .await;
        let own = town.self_signed("theirs.example");
        let (certificate, key) = (own.certificate.display(), own.key.display());
        let ssl = format!("certificate = '{certificate}', key = '{key}', cafile = '{certificate}'");
        let more = format!("ssl = {{ {ssl}, capath = false }}\ns2s_secure_auth = false\n{more}");
        Self::of(town, house, &more).await
    }

    async fn of(town: Town, house: House, more: &str) -> Self {
        let prosody = Prosody::start(&town, 2, "theirs.example", &["carol"], more).await;
        let alice = online(ALICE, house.xmpp()).await;
        let carol = online(CAROL, prosody.clients).await;
        Self { alice, carol, prosody, _house: house, _town: town }
    }

    async fn write_to_theirs(&mut self) {
        self.alice.act(json!({"do": "message", "to": CAROL, "body": "from ours"})).await;
        self.carol.read("from ours").await;
    }

    async fn write_to_ours(&mut self) {
        self.carol.act(json!({"do": "message", "to": ALICE, "body": "from theirs"})).await;
        self.alice.read("from theirs").await;
    }

    fn has_never_heard(&mut self, texts: &[&str]) {
        for text in texts {
            assert!(!self.prosody.has_heard(text), "{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_are_believed_come_before_dialback() {
    let mut both = Neighbours::who_trust(NO_BIDI).await;
    both.write_to_theirs().await;
    both.write_to_ours().await;
    both.prosody.hear("Accepting SASL EXTERNAL identity from ours.example").await;
    both.prosody.hear("SASL EXTERNAL with ours.example succeeded").await;
    both.has_never_heard(&["dialback key"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn prosody_and_we_believe_each_other_by_dialback_when_we_begin() {
    let mut both = Neighbours::who_do_not_trust(NO_BIDI).await;
    both.write_to_theirs().await;
    both.write_to_ours().await;
    both.prosody.hear("verified dialback key... it is valid").await;
    both.prosody.hear("asking ours.example if key").await;
    both.has_never_heard(&["SASL EXTERNAL identity", "Initiating SASL EXTERNAL"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn prosody_and_we_believe_each_other_by_dialback_when_they_begin() {
    let mut both = Neighbours::who_do_not_trust(NO_BIDI).await;
    both.write_to_ours().await;
    both.write_to_theirs().await;
    both.prosody.hear("verified dialback key... it is valid").await;
    both.prosody.hear("asking ours.example if key").await;
    both.has_never_heard(&["SASL EXTERNAL identity", "Initiating SASL EXTERNAL"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn stream_that_we_open_goes_both_ways() {
    let mut both = Neighbours::who_trust("").await;
    both.write_to_theirs().await;
    both.prosody.hear("Requested bidirectional stream").await;
    both.write_to_ours().await;
    both.has_never_heard(&["opening a new outgoing connection"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn stream_that_prosody_opens_goes_both_ways() {
    let mut both = Neighbours::who_trust("").await;
    both.write_to_ours().await;
    both.prosody.hear("Requesting bidirectional stream").await;
    both.write_to_theirs().await;
    both.has_never_heard(&["Incoming s2s connection"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_stream_goes_both_ways_by_dialback_too() {
    let mut both = Neighbours::who_do_not_trust("").await;
    both.write_to_ours().await;
    both.write_to_theirs().await;
    both.prosody.hear("Requesting bidirectional stream").await;
}
