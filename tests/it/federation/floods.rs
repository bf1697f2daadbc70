//! Peers that have us do much: it is bounded, and ends with their streams.

use std::net::SocketAddr;

use rollcall::config::Config;
use tokio::{net::TcpListener, task::JoinSet};

use super::{Town, hostile::Peer, town::PORT};
use crate::support::House;

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
