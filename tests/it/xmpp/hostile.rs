//! Peers that mean no good, or know no better: each gets its stream error and is gone, the server keeps its memory,
//! and who is online beside them notices nothing.

use std::{net::SocketAddr, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::sleep,
};

use crate::support::{House, RawXmpp, Site, soon};

const OPEN: &str = "<?xml version='1.0'?><stream:stream to='localhost' version='1.0' xmlns='jabber:client' \
     xmlns:stream='http://etherx.jabber.org/streams'>";

/// What is written to a server until it closes the connection.
async fn exchange(server: SocketAddr, sent: &[u8]) -> String {
    let mut socket = TcpStream::connect(server).await.unwrap();
    // The server may be gone before all of it was sent.
    let _ = socket.write_all(sent).await;
    read_to_end(&mut socket).await
}

async fn read_to_end(socket: &mut TcpStream) -> String {
    let mut heard = Vec::new();
    let read = async { while socket.read_buf(&mut heard).await.is_ok_and(|count| count > 0) {} };
    soon("the end of the connection", read).await;
    String::from_utf8_lossy(&heard).into_owned()
}

async fn is_undisturbed(client: &mut RawXmpp) {
    client.has_not("error").await;
}

/// A house whose patience is short, and alice, who is online in it.
async fn house() -> (House, RawXmpp) {
    let house = House::start_with(|config| {
        config.limits.login_seconds = 3;
        config.limits.connections_per_address = config.limits.connections;
    })
    .await;
    house.add_account("alice").await;
    let alice = RawXmpp::online("alice", "one", house.xmpp_plain()).await;
    (house, alice)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_honest_client_sends_before_its_login_ends_the_stream() {
    let (house, mut alice) = house().await;
    let after = |text: &str| format!("{OPEN}{text}").into_bytes();
    let bomb = "<!DOCTYPE a [<!ENTITY b 'bbbbbbbbbb'><!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;'>]>";
    let sasl = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'";
    let guess = format!("<auth {sasl} mechanism='PLAIN'>{}</auth>", BASE64.encode("\0alice\0guess"));
    let begun =
        format!("<auth {sasl} mechanism='SCRAM-SHA-256'>{}</auth>", BASE64.encode("n,,n=alice,r=abc"));
    let cases: [(&str, Vec<u8>, &str); 19] = [
        ("entity bomb", bomb.as_bytes().to_vec(), "restricted-xml"),
        (
            "entity bomb behind the declaration",
            format!("<?xml version='1.0'?>{bomb}").into_bytes(),
            "restricted-xml",
        ),
        ("entity that nobody declared", after("<a>&lol;</a>"), "restricted-xml"),
        ("comment", after("<!-- x -->"), "restricted-xml"),
        ("processing instruction", after("<?php x ?>"), "restricted-xml"),
        ("deep nesting", after(&"<a>".repeat(1000)), "policy-violation"),
        ("a thousand children", after(&format!("<a>{}</a>", "<b/>".repeat(1000))), "policy-violation"),
        ("huge attribute", after(&format!("<a b='{}'/>", "x".repeat(100_000))), "policy-violation"),
        ("huge name", after(&format!("<{}/>", "a".repeat(100_000))), "policy-violation"),
        ("huge text", after(&format!("<a>{}</a>", "x".repeat(100_000))), "policy-violation"),
        (
            "many attributes",
            after(&format!("<a {}/>", (0..500).map(|n| format!("a{n}='' ")).collect::<String>())),
            "policy-violation",
        ),
        (
            "header without end",
            format!("<stream:stream {}", (0..10_000).map(|n| format!("a{n}='' ")).collect::<String>())
                .into_bytes(),
            "policy-violation",
        ),
        ("UTF-16", [b"\xff\xfe".as_slice(), b"<\0?\0x\0m\0l\0"].concat(), "bad-format"),
        ("no UTF-8", [OPEN.as_bytes(), b"<a>\xe4</a>"].concat(), "unsupported-encoding"),
        (
            "another encoding",
            OPEN.replace("'1.0'?>", "'1.0' encoding='latin1'?>").into_bytes(),
            "unsupported-encoding",
        ),
        ("another protocol", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(), "bad-format"),
        (
            "stanzas of a stranger",
            after("<message to='alice@localhost'><body>hi</body></message>"),
            "not-authorized",
        ),
        ("guesses", after(&guess.repeat(10)), "policy-violation"),
        ("another stream within a login", after(&format!("{begun}{OPEN}</stream:stream>")), "restricted-xml"),
    ];
    let mut complaints = Vec::new();
    for (name, sent, condition) in cases {
        let heard = exchange(house.xmpp_plain(), &sent).await;
        let is_named = heard.contains(&format!("<stream:error><{condition} "));
        if !is_named || !heard.contains("<stream:stream ") || !heard.ends_with("</stream:stream>") {
            complaints.push(format!("{name}: {heard}"));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    is_undisturbed(&mut alice).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_half_a_thing_is_given_up_in_time() {
    let (house, mut alice) = house().await;
    let sasl = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'";
    for (name, sent) in [
        ("nothing", String::new()),
        ("half a header", OPEN[..40].to_owned()),
        ("a header", OPEN.to_owned()),
        ("half an element", format!("{OPEN}<auth {sasl} mecha")),
        (
            "half a login",
            format!("{OPEN}<auth {sasl} mechanism='SCRAM-SHA-256'>biwsbj1hbGljZSxyPWFiYw==</auth>"),
        ),
        (
            "half a login of the second kind",
            format!("{OPEN}<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'/>"),
        ),
    ] {
        let heard = exchange(house.xmpp_plain(), sent.as_bytes()).await;
        assert!(heard.contains("<stream:error><connection-timeout "), "{name}: {heard}");
    }
    is_undisturbed(&mut alice).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_it_byte_by_byte_has_no_more_time() {
    let (house, mut alice) = house().await;
    let mut socket = TcpStream::connect(house.xmpp_plain()).await.unwrap();
    let drip = async {
        for byte in OPEN.bytes().chain(std::iter::repeat(b' ')) {
            if socket.write_all(&[byte]).await.is_err() {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    soon("the end of the connection", drip).await;
    is_undisturbed(&mut alice).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_smuggled_in_before_tls_is_not_heard() {
    let (house, mut alice) = house().await;
    let start = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
    // What follows in the clear takes the place of the handshake, which fails.
    for smuggled in [
        OPEN.to_owned(),
        format!("{OPEN}<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>"),
        start.to_owned(),
    ] {
        let mut socket = TcpStream::connect(house.xmpp()).await.unwrap();
        socket.write_all(format!("{OPEN}{start}").as_bytes()).await.unwrap();
        let mut heard = String::new();
        while !heard.contains("<proceed ") {
            let mut bytes = [0; 4096];
            let count = soon("an answer", socket.read(&mut bytes)).await.unwrap();
            assert!(count > 0, "{heard}");
            heard.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        }
        assert!(heard.ends_with("/>"), "nothing comes between: {heard}");
        let _ = socket.write_all(smuggled.as_bytes()).await;
        let rest = read_to_end(&mut socket).await;
        assert!(!rest.contains("<stream:features") && !rest.contains("<failure"), "{rest}");
    }
    is_undisturbed(&mut alice).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_open_streams_by_the_thousand_cost_little_and_go() {
    // A process of its own: nothing else counts in its memory.
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path());
    site.add_account("alice").await;
    let server = site.serve().await;
    let mut alice = RawXmpp::online("alice", "one", site.xmpp_plain).await;
    let before = server.resident_bytes();
    let count = crowd();
    let mut streams = Vec::with_capacity(count);
    for number in 0..count {
        let mut socket = soon("a connection", TcpStream::connect(site.xmpp_plain)).await.unwrap();
        // A third says nothing, a third half a header, a third opens a stream and waits.
        let sent = [&OPEN[..0], &OPEN[..60], OPEN][number % 3];
        socket.write_all(sent.as_bytes()).await.unwrap();
        streams.push(socket);
    }
    is_undisturbed(&mut alice).await;
    let mut bob = RawXmpp::online("alice", "two", site.xmpp_plain).await;
    is_undisturbed(&mut bob).await;
    let each = server.resident_bytes().saturating_sub(before) / count;
    assert!(each < 24 * 1024, "{each} bytes for each of {count}");
    drop(streams);
    is_undisturbed(&mut alice).await;
}

/// Ten thousand, or half of what this process may have open: the other tests need some, too.
fn crowd() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let most: usize = line.split_whitespace().nth(3).unwrap().parse().unwrap_or(usize::MAX);
    (most / 2).min(10_000)
}
