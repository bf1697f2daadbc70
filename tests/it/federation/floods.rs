//! Peers that have us do much: it is bounded, and ends with their streams.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use rollcall::config::Config;
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{
    Town,
    hostile::Peer,
    town::{PORT, online},
};
use crate::support::{House, soon};

/// A server that speaks in the clear, and has time.
async fn house(town: &Town, change: impl FnOnce(&mut Config)) -> (House, SocketAddr) {
    let house = town
        .rollcall_with(1, "ours.example", &["alice"], |config| {
            config.federation.require_tls = false;
            config.federation.require_certificates = false;
            config.limits.login_seconds = 600;
            config.federation.connect_seconds = 300;
            change(config);
        })
        .await;
    (house, SocketAddr::new(town.address(1), PORT))
}

async fn listen(town: &Town, house: u8, domain: &str) -> TcpListener {
    town.names().add_host(domain, town.address(house));
    TcpListener::bind(SocketAddr::new(town.address(house), PORT)).await.unwrap()
}

/// Says that every key is right.
async fn vouch(listener: TcpListener) {
    let mut all = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        all.spawn(async move {
            let mut peer = Peer::of(socket);
            peer.hear("Header").await;
            peer.say(
                "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' \
                 xmlns:db='jabber:server:dialback' version='1.0' id='x' from='theirs.example' \
                 to='ours.example'><stream:features><dialback xmlns='urn:xmpp:features:dialback'/>\
                 </stream:features>",
            )
            .await;
            let question = peer.hear("verify").await;
            let id = question.split("id='").nth(1).and_then(|rest| rest.split('\'').next()).unwrap();
            let answer = "db:verify from='theirs.example' to='ours.example' type='valid'";
            peer.say(&format!("<{answer} id='{id}'/>")).await;
            peer.is_cut_off().await;
        });
    }
}

fn key(of: &str) -> String {
    format!("<db:result from='{of}' to='ours.example'>0123456789</db:result>")
}

#[tokio::test(flavor = "multi_thread")]
async fn stream_with_much_that_is_not_dealt_with_yet_ends_all_the_same() {
    let town = Town::new().await;
    // Who stops waits for every stream, as long as this.
    let (mut house, server) = house(&town, |config| config.limits.drain_seconds = 300).await;
    let mut servers = JoinSet::new();
    servers.spawn(vouch(listen(&town, 2, "theirs.example").await));
    let mut peer = Peer::open(server, "theirs.example").await;
    peer.say(&key("theirs.example")).await;
    peer.hear("type='valid'").await;
    let message = "<message from='c@theirs.example' to='alice@ours.example'><body>x</body></message>";
    peer.say(&format!("<enable xmlns='urn:xmpp:sm:3'/>{}</stream:stream>", message.repeat(40))).await;
    peer.hear("End").await;
    peer.is_cut_off().await;
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_asked_about_are_bounded_and_forgotten_with_their_stream() {
    let town = Town::new().await;
    let (_house, server) = house(&town, |_| {}).await;
    let silent = listen(&town, 3, "silent0.example").await;
    (1..10).for_each(|number| town.names().add_host(&format!("silent{number}.example"), town.address(3)));
    let mut servers = JoinSet::new();
    servers.spawn(vouch(listen(&town, 2, "theirs.example").await));

    let (mut peers, mut held): (Vec<Peer>, Vec<TcpStream>) = Default::default();
    let keys: String = (0..10).map(|number| key(&format!("silent{number}.example"))).collect();
    for _ in 0..10 {
        let mut peer = Peer::open(server, "theirs.example").await;
        peer.say(&keys).await;
        peers.push(peer);
    }
    while held.len() < 100 {
        held.push(soon("a question", silent.accept()).await.unwrap().0);
    }
    let mut peer = Peer::open(server, "theirs.example").await;
    peer.say(&key("theirs.example")).await;
    peer.hear("resource-constraint").await;

    drop(peers);
    let heard = async {
        loop {
            peer.say(&key("theirs.example")).await;
            if peer.hear("type=").await.contains("type='valid'") {
                return;
            }
        }
    };
    soon("a free place", heard).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn few_addresses_of_a_domain_are_tried() {
    let town = Town::new().await;
    let (house, _) = house(&town, |_| {}).await;
    let count = Arc::<AtomicUsize>::default();
    let mut servers = JoinSet::new();
    for number in 1..=12 {
        let host = format!("h{number}.wide.example");
        town.names().add_service("_xmpp-server._tcp.wide.example", 1, PORT, &host);
        let (listener, count) = (listen(&town, 10 + number, &host).await, Arc::clone(&count));
        servers.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                drop(socket);
            }
        });
    }
    let mut alice = online("alice@ours.example", house.xmpp()).await;
    alice.act(json!({"do": "message", "to": "x@wide.example", "body": "hello?", "id": "m1"})).await;
    alice.event("message", |event| event["type"] == "error" && event["id"] == "m1").await;
    assert_eq!(count.load(Ordering::Relaxed), 8);
}
