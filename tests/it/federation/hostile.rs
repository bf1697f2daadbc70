//! Peers that do not behave: each is told so and cut off, and nobody else notices.

use std::{net::SocketAddr, time::Duration};

use rollcall::xmpp::stanza::{Event, Limits, Scanner};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    Town,
    town::{PORT, online},
};
use crate::support::{House, soon};

/// A peer that says what a test wants, in the clear.
pub(super) struct Peer {
    socket: TcpStream,
    scanner: Scanner,
}

impl Peer {
    pub(super) async fn connect(server: SocketAddr) -> Self {
        Self::of(soon("a connection", TcpStream::connect(server)).await.unwrap())
    }

    pub(super) fn of(socket: TcpStream) -> Self {
        Self { socket, scanner: Scanner::between_servers(Limits::default()) }
    }

    pub(super) async fn open(server: SocketAddr, from: &str) -> Self {
        let mut peer = Self::connect(server).await;
        peer.say(&header("ours.example", from)).await;
        peer.hear("features").await;
        peer
    }

    pub(super) async fn say(&mut self, text: &str) {
        // Who was cut off cannot say more.
        let _ = self.socket.write_all(text.as_bytes()).await;
    }

    /// The next stanza or end that has this text.
    pub(super) async fn hear(&mut self, text: &str) -> String {
        let mut all = String::new();
        let mut buffer = vec![0; 4096];
        loop {
            while let Ok(Some(event)) = self.scanner.next_event() {
                let said = match &event {
                    Event::Stanza(stanza) => String::from_utf8_lossy(stanza.bytes()).into_owned(),
                    other => format!("{other:?}"),
                };
                all.push_str(&said);
                if said.contains(text) {
                    return said;
                }
            }
            let count = soon("an answer", self.socket.read(&mut buffer)).await.unwrap_or_default();
            assert!(count > 0, "no {text} in {all}");
            self.scanner.feed(&buffer[..count]);
        }
    }

    /// Waits until the server has closed the connection.
    pub(super) async fn is_cut_off(&mut self) {
        let mut rest = Vec::new();
        let _ = soon("the end", self.socket.read_to_end(&mut rest)).await;
    }
}

fn header(to: &str, from: &str) -> String {
    format!(
        "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' \
         xmlns:db='jabber:server:dialback' version='1.0' to='{to}' from='{from}'>"
    )
}

/// A server that speaks in the clear, so that tests can, with short times.
async fn house(town: &Town) -> (House, SocketAddr) {
    let house = town
        .rollcall_with(1, "ours.example", &["alice"], |config| {
            config.federation.require_tls = false;
            config.federation.require_certificates = false;
            config.federation.connect_seconds = 3;
            config.limits.login_seconds = 3;
            config.federation.deny = vec!["denied.example".parse().unwrap()];
        })
        .await;
    (house, SocketAddr::new(town.address(1), PORT))
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_speaks_for_a_domain_that_is_not_his() {
    let town = Town::new().await;
    let (house, server) = house(&town).await;
    // The domain has a server, which knows nothing of the key.
    let _owner = town.rollcall(2, "theirs.example", &["carol"]).await;
    let mut alice = online("alice@ours.example", house.xmpp()).await;

    let mut thief = Peer::open(server, "theirs.example").await;
    thief.say("<db:result from='theirs.example' to='ours.example'>0123456789</db:result>").await;
    thief.hear("type='invalid'").await;
    thief
        .say("<message from='carol@theirs.example' to='alice@ours.example'><body>trust me</body></message>")
        .await;
    thief.hear("not-authorized").await;
    thief.is_cut_off().await;

    for (from, answer) in [("nowhere.example", "type='error'"), ("denied.example", "not-allowed")] {
        let mut thief = Peer::open(server, "theirs.example").await;
        thief.say(&format!("<db:result from='{from}' to='ours.example'>0123</db:result>")).await;
        thief.hear(answer).await;
    }
    for (to, from, condition) in [
        ("ours.example", "ours.example", "policy-violation"),
        ("ours.example", "denied.example", "policy-violation"),
        ("others.example", "theirs.example", "host-unknown"),
    ] {
        let mut thief = Peer::connect(server).await;
        thief.say(&header(to, from)).await;
        thief.hear(condition).await;
        thief.is_cut_off().await;
    }
    assert!(!alice.has_heard(|event| event["body"] == "trust me"));
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_silence_and_too_much_end_the_stream_and_nothing_else() {
    let town = Town::new().await;
    let (house, server) = house(&town).await;
    let large = format!("<message><body>{}</body></message>", "x".repeat(100_000));
    let deep = "<a>".repeat(100);
    for (text, condition) in [
        ("<!DOCTYPE x [<!ENTITY a 'b'>]>", "restricted-xml"),
        ("<message", ""),
        (&large, "policy-violation"),
        (&deep, "policy-violation"),
        ("<message from='a@b' to='alice@ours.example'/>", "not-authorized"),
        ("<iq xmlns='jabber:client' type='get'/>", "improper-addressing"),
        ("<unheard-of xmlns='urn:x'/>", "unsupported-stanza-type"),
        ("<db:result>x</db:result>", "improper-addressing"),
        ("</wrong>", "urn:ietf:params:xml:ns:xmpp-streams"),
        ("\u{0}", "urn:ietf:params:xml:ns:xmpp-streams"),
    ] {
        let mut peer = Peer::open(server, "theirs.example").await;
        peer.say(text).await;
        if condition.is_empty() {
            // Half a stanza, then silence: there is a time for that.
            peer.hear("connection-timeout").await;
        } else {
            peer.hear(condition).await;
        }
        peer.is_cut_off().await;
    }
    let mut silent = Peer::connect(server).await;
    silent.hear("connection-timeout").await;
    silent.is_cut_off().await;

    // Meanwhile our own are served.
    let mut alice = online("alice@ours.example", house.xmpp()).await;
    alice.act(json!({"do": "ping"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn server_that_answers_nothing_costs_its_senders_a_moment() {
    let town = Town::new().await;
    let (house, _) = house(&town).await;
    let silent = tokio::net::TcpListener::bind(SocketAddr::new(town.address(3), PORT)).await.unwrap();
    town.names().add_host("silent.example", town.address(3));
    let mut alice = online("alice@ours.example", house.xmpp()).await;
    let begun = std::time::Instant::now();
    alice.act(json!({"do": "message", "to": "x@silent.example", "body": "hello?", "id": "m1"})).await;
    let told = alice.event("message", |event| event["type"] == "error" && event["id"] == "m1").await;
    assert!(told["xml"].as_str().unwrap().contains("remote-server-timeout"), "{told}");
    assert!(begun.elapsed() < Duration::from_secs(20));
    drop(silent);
}
