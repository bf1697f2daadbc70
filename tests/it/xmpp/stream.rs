//! How streams begin and end (RFC 6120 §4, §6, §7).

use rollcall::server::Server;

use crate::support::{House, RawXmpp};

#[tokio::test(flavor = "multi_thread")]
async fn a_second_session_of_the_same_name_ends_the_first() {
    let server = House::with_accounts(&["alice"]).await;
    let port = server.xmpp_plain();
    let mut first = RawXmpp::online("alice", "one", port).await;
    let mut second = RawXmpp::online("alice", "one", port).await;
    assert!(first.end().await.iter().any(|stanza| stanza.contains("<conflict ")));
    second.has_not("error").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_the_rules_ends_the_stream() {
    let server = House::with_accounts(&["alice"]).await;
    let port = server.xmpp_plain();
    let deep = "<a>".repeat(70);
    let large = format!("<message><body>{}</body></message>", "x".repeat(300_000));
    for (text, condition) in [
        ("<message from='bob@localhost'/>", "invalid-from"),
        ("<message from='alice@localhost/other'/>", "invalid-from"),
        ("<message><!-- x --></message>", "restricted-xml"),
        ("<message></body>", "not-well-formed"),
        ("text", "bad-format"),
        ("<a xmlns='urn:unknown'/>", "unsupported-stanza-type"),
        (&deep, "policy-violation"),
        (&large, "policy-violation"),
    ] {
        let mut alice = RawXmpp::online("alice", "one", port).await;
        alice.send(text).await;
        let said = alice.end().await;
        assert!(
            said.iter().any(|stanza| stanza.contains(&format!("<{condition} "))),
            "{condition}: {said:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_goodbye_is_answered() {
    let server = House::with_accounts(&["alice"]).await;
    let mut alice = RawXmpp::online("alice", "one", server.xmpp_plain()).await;
    alice.send("<message to='alice@localhost'><body>note</body></message></stream:stream>").await;
    let said = alice.end().await;
    assert!(said.iter().all(|stanza| !stanza.contains("stream:error")), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_says_so() {
    let mut server = House::with_accounts(&["alice"]).await;
    let mut alice = RawXmpp::online("alice", "one", server.xmpp_plain()).await;
    server.stop().await;
    assert!(alice.end().await.iter().any(|stanza| stanza.contains("<system-shutdown ")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_ends_the_sessions() {
    let server = House::with_accounts(&["alice"]).await;
    let mut alice = RawXmpp::online("alice", "one", server.xmpp_plain()).await;
    let alice_address = crate::support::address("alice");
    server.server().authenticator().set_password(&alice_address, "other").await.unwrap();
    assert!(alice.end().await.iter().any(|stanza| stanza.contains("<reset ")));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_log_in_is_not_kept() {
    let server = House::start_with(|config| config.limits.login_seconds = 1).await;
    let mut nobody = RawXmpp::connect("nobody", server.xmpp_plain()).await;
    nobody.open().await;
    assert!(nobody.end().await.iter().any(|stanza| stanza.contains("<connection-timeout ")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_listener_beyond_loopback_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = rollcall::config::Config::default();
    config.server.data_dir = folder.path().to_owned();
    config.storage.data_dir = folder.path().to_owned();
    config.xmpp.plain = vec!["0.0.0.0:0".parse().unwrap()];
    let Err(error) = Server::start(config).await else { panic!("it started") };
    assert!(error.to_string().contains("loopback"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_too_fast_is_read_more_slowly_and_loses_nothing() {
    let server = House::start_with(|config| {
        config.limits.messages = rollcall::net::Rate::new(100, 5);
        config.limits.bytes = rollcall::net::Rate::new(20_000, 2000);
    })
    .await;
    server.add_account("alice").await;
    let mut alice = RawXmpp::online("alice", "one", server.xmpp_plain()).await;
    let pings: String = (0..50)
        .map(|n| format!("<iq type='get' id='p{n}' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>"))
        .collect();
    alice.send(&pings).await;
    for n in 0..50 {
        let answer = alice.stanza("<iq").await;
        assert!(answer.contains(&format!("id='p{n}'")), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_client_is_asked_and_then_given_up() {
    let server = House::start_with(|config| {
        config.xmpp.ping_seconds = 10;
        config.xmpp.patience_seconds = 1;
    })
    .await;
    server.add_account("alice").await;
    let mut alice = RawXmpp::online("alice", "one", server.xmpp_plain()).await;
    alice.stanza("<ping xmlns='urn:xmpp:ping'/>").await;
    assert!(alice.end().await.iter().any(|stanza| stanza.contains("<connection-timeout ")));
}
