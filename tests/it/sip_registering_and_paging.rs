//! Phones register and write to each other: byte by byte, by SIPp and by baresip.

use rollcall::{
    net::Rate,
    sip::message::{HeaderName, Limits, Message},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufStream},
    net::TcpStream,
};

use crate::support::{Baresip, House, PASSWORD, Phone, RawXmpp, SipPhone, SipTransport, Sipp, body, soon};

#[tokio::test(flavor = "multi_thread")]
async fn phones_write_to_each_other() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut alice = SipPhone::registered("alice", house.sip_udp(), "").await;
    let mut bob = SipPhone::registered("bob", house.sip_udp(), "User-Agent: Desk Phone 9\r\n").await;
    let (response, request) = tokio::join!(alice.write("bob", "hi bob"), bob.serve(200));
    assert_eq!(response.status(), Some(200));
    assert!(!response.has(HeaderName::Contact));
    assert_eq!(body(&request), "hi bob");
    assert_eq!(request.from().unwrap().uri.as_str(), "sip:alice@localhost");
    assert_eq!(request.to().unwrap().uri.as_str(), "sip:bob@localhost");
    assert!(request.request_uri().unwrap().as_str().starts_with("sip:bob@127.0.0.1:"));
    assert!(!request.has(HeaderName::Contact) && !request.has(HeaderName::ProxyAuthorization));
}

#[tokio::test(flavor = "multi_thread")]
async fn any_body_passes_untouched() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut alice = SipPhone::registered("alice", house.sip_udp(), "").await;
    let mut bob = SipPhone::registered("bob", house.sip_udp(), "").await;
    let headers = "Content-Type: application/x-odd;a=\"b;c\"\r\nX-Extra: yes\r\nSubject: s\r\n";
    let (response, request) = tokio::join!(
        alice.ask("MESSAGE", "sip:bob@localhost", "bob", headers, "\u{1}\r\n\r\n<"),
        bob.serve(200)
    );
    assert_eq!(response.status(), Some(200));
    assert_eq!(body(&request), "\u{1}\r\n\r\n<");
    assert_eq!(request.text(HeaderName::ContentType).unwrap(), "application/x-odd;a=\"b;c\"");
    assert_eq!(request.extension("X-Extra").unwrap().text(), "yes");
}

#[tokio::test(flavor = "multi_thread")]
async fn phone_that_knows_no_html_gets_the_words() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut alice = SipPhone::registered("alice", house.sip_udp(), "").await;
    let mut bob = SipPhone::registered("bob", house.sip_udp(), "").await;
    let send = alice.ask("MESSAGE", "sip:bob@localhost", "bob", "Content-Type: text/html\r\n", "<b>hi</b>");
    let serve = async {
        bob.serve(415).await;
        bob.serve(200).await
    };
    let (response, request) = tokio::join!(send, serve);
    assert_eq!((response.status(), body(&request).as_str()), (Some(200), "hi"));
}

#[tokio::test(flavor = "multi_thread")]
async fn message_for_an_absent_user_waits_until_he_registers() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut alice = SipPhone::registered("alice", house.sip_udp(), "").await;
    for text in ["one", "two", "three"] {
        assert_eq!(alice.write("bob", text).await.status(), Some(202));
    }
    let mut bob = SipPhone::registered("bob", house.sip_udp(), "").await;
    for text in ["one", "two", "three"] {
        assert_eq!(body(&bob.serve(200).await), text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_phone_loses_nothing() {
    let house = House::start_with(|config| config.sip.answer_seconds = 1).await;
    for local in ["alice", "bob"] {
        house.add_account(local).await;
    }
    let mut alice = SipPhone::registered("alice", house.sip_udp(), "").await;
    let mut bob = SipPhone::registered("bob", house.sip_udp(), "").await;
    assert_eq!(alice.write("bob", "are you there?").await.status(), Some(202));
    // The phone thinks that it is registered, and comes back when it refreshes.
    let response = bob.register(600, "").await;
    assert_eq!(response.status(), Some(200));
    let mut seen = bob.serve(200).await;
    while body(&seen) == "are you there?" && !seen.has(HeaderName::Date) {
        // Retransmissions of the first attempt may still be in the socket.
        let again = tokio::time::timeout(std::time::Duration::from_secs(10), bob.serve(200)).await;
        let Ok(next) = again else { break };
        seen = next;
    }
    assert_eq!(body(&seen), "are you there?");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_have_their_status() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    house.prefer("bob", |preferences| preferences.offline_storage = false).await;
    let mut alice = SipPhone::new("alice", house.sip_udp()).await;
    for (method, uri, to, headers, expect) in [
        ("MESSAGE", "sip:bob@localhost", "bob", "Content-Type: text/plain\r\n", 480),
        ("MESSAGE", "sip:nobody@localhost", "nobody", "Content-Type: text/plain\r\n", 404),
        ("MESSAGE", "sip:bob@elsewhere.example", "bob", "Content-Type: text/plain\r\n", 404),
        ("MESSAGE", "tel:+4930", "bob", "Content-Type: text/plain\r\n", 416),
        ("MESSAGE", "sip:bob@localhost", "bob", "Content-Type: text/plain\r\nRequire: nothing\r\n", 420),
        ("MESSAGE", "sip:bob@localhost", "bob", "", 400),
        ("REGISTER", "sip:localhost", "alice", "Contact: *\r\nExpires: 5\r\n", 400),
        ("REGISTER", "sip:localhost", "bob", "Contact: <sip:a@127.0.0.1>\r\n", 403),
        ("OPTIONS", "sip:localhost", "alice", "", 200),
        ("OPTIONS", "sip:bob@localhost", "bob", "", 200),
        ("JUGGLE", "sip:bob@localhost", "bob", "", 405),
    ] {
        let response = alice.ask(method, uri, to, headers, "x").await;
        assert_eq!(response.status(), Some(expect), "{method} {uri} {headers}");
        if expect == 420 {
            assert_eq!(response.text(HeaderName::Unsupported).unwrap(), "nothing");
        }
        if expect == 405 {
            assert!(response.has_token(HeaderName::Allow, "MESSAGE"));
        }
    }
    let mut stranger = SipPhone::new("mallory", house.sip_udp()).await;
    assert_eq!(stranger.write("bob", "x").await.status(), Some(407));
}

#[tokio::test(flavor = "multi_thread")]
async fn registrations_are_listed_and_end() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut desk = SipPhone::registered("alice", house.sip_udp(), "").await;
    let mut bag = SipPhone::new("alice", house.sip_udp()).await;
    let response = bag.register(1, "").await;
    assert_eq!(response.values(HeaderName::Contact).count(), 2);
    // The second one ends by itself.
    let listed = async {
        loop {
            let list = desk.ask("REGISTER", "sip:localhost", "alice", "", "").await;
            if list.values(HeaderName::Contact).count() == 1 {
                break;
            }
        }
    };
    soon("the end of a registration", listed).await;
    let response = desk.ask("REGISTER", "sip:localhost", "alice", "Contact: *\r\nExpires: 0\r\n", "").await;
    assert_eq!((response.status(), response.has(HeaderName::Contact)), (Some(200), false));
}

#[tokio::test(flavor = "multi_thread")]
async fn second_phone_of_the_sender_gets_a_copy() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut desk = SipPhone::registered("alice", house.sip_udp(), "").await;
    let mut bag = SipPhone::registered("alice", house.sip_udp(), "").await;
    let mut bob = SipPhone::registered("bob", house.sip_udp(), "").await;
    let (response, _, copy) = tokio::join!(desk.write("bob", "hi"), bob.serve(200), bag.serve(200));
    assert_eq!(response.status(), Some(200));
    assert!(copy.extension("X-Replicated-Message").is_some());
    assert_eq!(copy.to().unwrap().uri.as_str(), "sip:bob@localhost");
}

#[tokio::test(flavor = "multi_thread")]
async fn sipp_registers_and_writes() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    for transport in [SipTransport::Udp, SipTransport::Tcp] {
        let server = if matches!(transport, SipTransport::Udp) { house.sip_udp() } else { house.sip_tcp() };
        Sipp::new("register", server, transport).login("alice", PASSWORD).key("seconds", "60").run().await;
    }
    let mut bob = SipPhone::registered("bob", house.sip_udp(), "").await;
    let sipp = Sipp::new("converse", house.sip_udp(), SipTransport::Udp).login("alice", PASSWORD);
    let ((), request) = tokio::join!(sipp.key("peer", "bob").run(), bob.serve(200));
    assert_eq!(body(&request), "hello from sipp");
}

#[tokio::test(flavor = "multi_thread")]
async fn baresip_registers_and_converses() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    for (transport, server) in [("udp", house.sip_udp()), ("tcp", house.sip_tcp()), ("tls", house.sip_tls())]
    {
        let phone = |address, contacts| Phone {
            address,
            password: PASSWORD,
            server,
            transport,
            parameters: "",
            contacts,
        };
        let mut alice = Baresip::registered(&phone("alice@localhost", &["<sip:bob@localhost>"])).await;
        let mut bob = Baresip::registered(&phone("bob@localhost", &["<sip:alice@localhost>"])).await;
        alice.write("hello over the wire").await;
        assert!(bob.read("hello over the wire").await.contains("alice@localhost"), "{transport}");
        bob.write("and back").await;
        assert!(alice.read("and back").await.contains("bob@localhost"), "{transport}");
    }
}

/// Sends a request on a connection and gives the response, which has no body.
async fn converse(stream: &mut BufStream<TcpStream>, request: &str) -> Message {
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    let mut text = String::new();
    while !text.ends_with("\r\n\r\n") {
        soon("a response", stream.read_line(&mut text)).await.unwrap();
    }
    Message::parse_datagram(text.into(), &Limits::default()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_of_a_phone_is_trusted_and_takes_it_away() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let bob = SipPhone::new("bob", house.sip_udp()).await;
    let mut stream = BufStream::new(TcpStream::connect(house.sip_tcp()).await.unwrap());
    let contact = "Contact: <sip:bob@127.0.0.1:9;transport=tcp>\r\nContent-Length: 0\r\n\r\n";
    let request = bob.request_over_tcp("REGISTER", "sip:localhost", "bob", 1, None);
    let challenge = converse(&mut stream, &format!("{request}{contact}")).await;
    assert_eq!(challenge.status(), Some(401));
    let request = bob.request_over_tcp("REGISTER", "sip:localhost", "bob", 2, Some(&challenge));
    assert_eq!(converse(&mut stream, &format!("{request}{contact}")).await.status(), Some(200));

    let request = bob.request_over_tcp("MESSAGE", "sip:alice@localhost", "alice", 3, None);
    let text = "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi";
    assert_eq!(converse(&mut stream, &format!("{request}{text}")).await.status(), Some(202));

    drop(stream);
    let mut alice = SipPhone::registered("alice", house.sip_udp(), "").await;
    assert_eq!(body(&alice.serve(200).await), "hi");
    assert_eq!(alice.write("bob", "gone?").await.status(), Some(202));
    let listed = async {
        let mut bob = bob;
        while bob.ask("REGISTER", "sip:localhost", "bob", "", "").await.has(HeaderName::Contact) {}
    };
    soon("the end of the registration", listed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn phones_do_not_keep_a_server_from_stopping() {
    let mut house = House::with_accounts(&["alice", "bob"]).await;
    let mut alice = SipPhone::registered("alice", house.sip_udp(), "").await;
    let _bob = SipPhone::registered("bob", house.sip_udp(), "").await;
    // Bob's phone does not answer, so the message is on its way when the server stops.
    let writing = tokio::spawn(async move { alice.write("bob", "one").await });
    let stop = tokio::time::timeout(std::time::Duration::from_secs(8), house.stop());
    stop.await.expect("the server stops before its patience ends");
    writing.abort();
}

/// What says nothing to a phone is dealt with as it comes, however much of it waits behind a message that
/// the phone takes its time to answer.
#[tokio::test(flavor = "multi_thread")]
async fn any_number_of_receipts_waits_for_a_phone_without_use_for_them() {
    let house = House::start_with(|config| {
        config.sip.device_queue = 10_000;
        config.limits.messages = Rate::new(1_000_000, 1_000_000);
        config.limits.bytes = Rate::new(100_000_000, 100_000_000);
    })
    .await;
    house.add_account("alice").await;
    house.add_account("bob").await;
    let mut phone = SipPhone::registered("bob", house.sip_udp(), "").await;
    let mut alice = RawXmpp::online("alice", "one", house.xmpp_plain()).await;
    alice.send("<message type='chat' to='bob@localhost'><body>first</body></message>").await;
    let receipt =
        "<message type='chat' to='bob@localhost'><received xmlns='urn:xmpp:receipts' id='m'/></message>";
    alice.send(&receipt.repeat(8000)).await;
    alice.send("<message type='chat' to='bob@localhost'><body>last</body></message>").await;
    alice.ask("<iq type='get' id='p' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>", "p").await;
    // The first one came more than once meanwhile.
    while body(&phone.serve(200).await) != "last" {}
}
