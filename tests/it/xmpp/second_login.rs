//! Logins in one round trip: XEP-0388 with XEP-0386, XEP-0198 and XEP-0484 inside, over the whole server.

use std::net::SocketAddr;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};

use super::login::{connect, exporter, hmac};
use crate::support::{House, PASSWORD, RawXmpp, address};

pub(super) const AGENT: &str = "<user-agent id='d4565fa7-4d72-4749-b3d3-740edbf87770'><software>Chat</software><device>desk</device></user-agent>";
pub(super) const BIND: &str = "<bind xmlns='urn:xmpp:bind:0'><tag>Chat</tag><enable xmlns='urn:xmpp:carbons:2'/>\
    <enable xmlns='urn:xmpp:sm:3' resume='true'/></bind>";

/// Asks to log in, on a stream that was just opened; success or failure.
async fn authenticate(client: &mut RawXmpp, mechanism: &str, response: &[u8], wishes: &str) -> String {
    let response = BASE64.encode(response);
    client
        .send(&format!(
            "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='{mechanism}'>\
             <initial-response>{response}</initial-response>{wishes}</authenticate>"
        ))
        .await;
    client.stanza("urn:xmpp:sasl:2").await
}

async fn opened(name: &str, server: SocketAddr) -> RawXmpp {
    let mut client = RawXmpp::connect(name, server).await;
    client.open().await;
    client.stanza("stream:features").await;
    client
}

/// Logs in by the account's password; success and the stream.
pub(super) async fn by_password(local: &str, server: SocketAddr, wishes: &str) -> (String, RawXmpp) {
    log_in(local, PASSWORD, server, wishes).await
}

/// Logs in by a password; success and the stream.
pub(super) async fn log_in(
    local: &str,
    password: &str,
    server: SocketAddr,
    wishes: &str,
) -> (String, RawXmpp) {
    let mut client = opened(local, server).await;
    let response = format!("\0{local}\0{password}");
    let success = authenticate(&mut client, "PLAIN", response.as_bytes(), wishes).await;
    assert!(success.starts_with("<success "), "{success}");
    client.stanza("stream:features").await;
    (success, client)
}

/// Tries a token of a kind that is bound to nothing.
pub(super) async fn by_token(
    local: &str,
    server: SocketAddr,
    token: &str,
    wishes: &str,
) -> (String, RawXmpp) {
    let mut client = opened(local, server).await;
    let wishes = format!("{AGENT}<fast xmlns='urn:xmpp:fast:0'/>{wishes}");
    let answer = authenticate(&mut client, "HT-SHA-256-NONE", &proof(local, token, &[]), &wishes).await;
    (answer, client)
}

fn proof(local: &str, token: &str, bound: &[u8]) -> Vec<u8> {
    let hashed = hmac(token.as_bytes(), &[b"Initiator", bound].concat());
    [local.as_bytes(), b"\0", &hashed].concat()
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let found = text.split_once(start).and_then(|(_, rest)| rest.split_once(end));
    found.map(|(found, _)| found).unwrap_or_else(|| panic!("no {start} in {text}"))
}

pub(super) fn wants_token(kind: &str) -> String {
    format!("<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-{kind}'/>")
}

#[tokio::test(flavor = "multi_thread")]
async fn one_round_trip_brings_a_session_with_its_features() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let port = house.xmpp_plain();
    let (success, mut alice) = by_password("alice", port, &format!("{AGENT}{BIND}")).await;
    let jid = between(&success, "<authorization-identifier>", "<").to_owned();
    assert!(jid.starts_with("alice@localhost/Chat/") && !jid.contains("d4565fa7"), "{jid}");
    assert!(success.contains("<bound xmlns='urn:xmpp:bind:0'><metadata xmlns='urn:xmpp:mam:2'></metadata>"));
    assert!(success.contains("<enabled xmlns='urn:xmpp:sm:3' resume='true' id='"), "{success}");
    alice.ask("<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>", "1").await;
    alice.send("<r xmlns='urn:xmpp:sm:3'/>").await;
    assert!(alice.stanza("<a xmlns='urn:xmpp:sm:3'").await.contains("h='1'"));
    // Copies were turned on before anything could be missed.
    let mut other = RawXmpp::online("alice", "other", port).await;
    other.send("<message to='bob@localhost' type='chat'><body>copied</body></message>").await;
    assert!(alice.stanza("copied").await.contains("<sent xmlns='urn:xmpp:carbons:2'>"));
    // The same installation comes again, by the same name, and its earlier session ends.
    let (success, _again) = by_password("alice", port, &format!("{AGENT}{BIND}")).await;
    assert_eq!(between(&success, "<authorization-identifier>", "<"), jid);
    assert!(alice.end().await.iter().any(|stanza| stanza.contains("<conflict ")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_is_left_to_the_archive() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let port = house.xmpp_plain();
    let mut bob = RawXmpp::online("bob", "one", port).await;
    for text in ["waited", "waited too"] {
        bob.send(&format!("<message to='alice@localhost' type='chat'><body>{text}</body></message>")).await;
    }
    bob.send("<message to='alice@localhost' type='chat'><body>secret</body><no-permanent-store xmlns='urn:xmpp:hints'/></message>").await;
    bob.has_not("error").await;
    let (success, mut alice) =
        by_password("alice", port, &format!("{AGENT}<bind xmlns='urn:xmpp:bind:0'/>")).await;
    assert!(success.contains("<start id='") && success.contains("<end id='"), "{success}");
    alice.send("<presence/>").await;
    alice.stanza("secret").await;
    bob.send("<message to='alice@localhost' type='chat'><body>live</body></message>").await;
    alice.stanza("live").await;
    alice.has_not("waited").await;
    let mut legacy = RawXmpp::online("alice", "legacy", port).await;
    legacy.has_not("waited").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_takes_the_passwords_place_until_that_changes() {
    let house = House::with_accounts(&["alice"]).await;
    let port = house.xmpp_plain();
    let (success, first) = by_password("alice", port, &format!("{AGENT}{}", wants_token("NONE"))).await;
    assert!(success.contains("<token xmlns='urn:xmpp:fast:0' expiry='20"), "{success}");
    let token = between(&success, "token='", "'").to_owned();
    drop(first);
    let (success, mut alice) = by_token("alice", port, &token, BIND).await;
    let answer = BASE64.encode(hmac(token.as_bytes(), b"Responder"));
    assert!(success.contains(&format!("<additional-data>{answer}</additional-data>")), "{success}");
    assert!(success.contains("<bound ") && !success.contains("<token "), "{success}");
    alice.has_not("error").await;
    let (failure, _) = by_token("alice", port, "another", "").await;
    assert!(failure.contains("<not-authorized "), "{failure}");
    let owner = address("alice");
    house.server().authenticator().set_password(&owner, "other").await.unwrap();
    let (failure, _) = by_token("alice", port, &token, "").await;
    assert!(failure.contains("<not-authorized "), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_can_give_its_token_back() {
    let house = House::with_accounts(&["alice"]).await;
    let port = house.xmpp_plain();
    let (success, _) = by_password("alice", port, &format!("{AGENT}{}", wants_token("NONE"))).await;
    let token = between(&success, "token='", "'");
    let mut client = opened("alice", port).await;
    let end = format!("{AGENT}<fast xmlns='urn:xmpp:fast:0' invalidate='true'/>");
    let success = authenticate(&mut client, "HT-SHA-256-NONE", &proof("alice", token, &[]), &end).await;
    assert!(success.starts_with("<success ") && !success.contains("<token "), "{success}");
    let (failure, _) = by_token("alice", port, token, "").await;
    assert!(failure.contains("<not-authorized "), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_bound_to_the_connection_that_it_was_made_for() {
    let house = House::with_accounts(&["alice"]).await;
    let open = async |name: &str| {
        let (stream, certificate) = connect(&house, "xmpp-client").await.unwrap();
        let binding = exporter(&stream);
        let mut client = RawXmpp::over(name, Box::new(stream));
        client.open().await;
        let features = client.stanza("stream:features").await;
        assert!(features.contains("<mechanism>HT-SHA-256-EXPR</mechanism>"), "{features}");
        (client, binding, certificate)
    };
    let (mut client, ..) = open("by password").await;
    let wishes = format!("{AGENT}{}", wants_token("EXPR"));
    let success =
        authenticate(&mut client, "PLAIN", format!("\0alice\0{PASSWORD}").as_bytes(), &wishes).await;
    let token = between(&success, "token='", "'").to_owned();
    let fast = format!("{AGENT}<fast xmlns='urn:xmpp:fast:0' count='1'/>");
    for (mechanism, is_own, is_taken) in [
        ("HT-SHA-256-EXPR", false, false),
        ("HT-SHA-256-NONE", true, false),
        ("HT-SHA-256-ENDP", true, false),
        ("HT-SHA-256-EXPR", true, true),
    ] {
        let (mut client, binding, certificate) = open(mechanism).await;
        let bound = match (mechanism, is_own) {
            ("HT-SHA-256-EXPR", true) => binding,
            ("HT-SHA-256-EXPR", false) => vec![7; 32],
            ("HT-SHA-256-ENDP", _) => <sha2::Sha256 as sha2::Digest>::digest(certificate).to_vec(),
            _ => Vec::new(),
        };
        let answer = authenticate(&mut client, mechanism, &proof("alice", &token, &bound), &fast).await;
        assert_eq!(answer.starts_with("<success "), is_taken, "{mechanism} {is_own}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_stream_goes_on_within_the_login() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let port = house.xmpp_plain();
    let wishes = format!("{AGENT}{BIND}{}", wants_token("NONE"));
    let (success, mut alice) = by_password("alice", port, &wishes).await;
    let jid = between(&success, "<authorization-identifier>", "<").to_owned();
    let token = between(&success, "token='", "'").to_owned();
    let id = between(&success, "resume='true' id='", "'").to_owned();
    alice.send("<presence/>").await;
    alice.stanza(&format!("from='{jid}'")).await;
    let mut bob = RawXmpp::online("bob", "one", port).await;
    drop(alice);
    bob.send(&format!("<message to='{jid}' type='chat'><body>meanwhile</body></message>")).await;
    let resume = format!("<resume xmlns='urn:xmpp:sm:3' previd='{id}' h='1'/>{BIND}");
    let (success, mut alice) = by_token("alice", port, &token, &resume).await;
    assert!(success.contains(&format!("<resumed xmlns='urn:xmpp:sm:3' h='1' previd='{id}'/>")), "{success}");
    assert!(success.contains(&jid) && !success.contains("<bound "), "{success}");
    alice.stanza("meanwhile").await;
    // What cannot be gone on with is told, and a new session is made of the same login.
    let resume = resume.replace(&id, "unknown");
    let (success, mut alice) = by_token("alice", port, &token, &resume).await;
    assert!(success.contains("<failed xmlns='urn:xmpp:sm:3'><item-not-found "), "{success}");
    assert!(success.contains("<bound "), "{success}");
    alice.has_not("meanwhile").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_sessions_are_refused_with_a_reason() {
    let house = House::start_with(|config| config.account.sessions = 1).await;
    house.add_account("alice").await;
    let port = house.xmpp_plain();
    let _first = RawXmpp::online("alice", "one", port).await;
    let (success, mut second) = by_password("alice", port, BIND).await;
    assert!(success.contains("<failed xmlns='urn:xmpp:bind:0'><resource-constraint "), "{success}");
    let bind = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>";
    let refusal = second.ask(bind, "b").await;
    assert!(refusal.contains("<error type='wait'><resource-constraint "), "{refusal}");
    // The one that is there already may be taken over.
    let bind = bind.replace(
        "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>",
        "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>one</resource></bind>",
    );
    assert!(second.ask(&bind, "b").await.contains("<jid>alice@localhost/one</jid>"));
}
