//! Calls between accounts through the proxy: by SIPp, and by baresip at both ends.

use std::net::{SocketAddr, UdpSocket};

use rollcall::sip::message::HeaderName;
use serde_json::json;

use crate::support::{Baresip, House, PASSWORD, Phone, SipPhone, SipTransport, Sipp, Slixmpp, body};

/// A port that was free a moment ago.
fn free_port() -> String {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string()
}

/// Registers bob's phone at a port, where a scenario answers afterwards.
async fn phone_of_bob(house: &House, scenario: &str) -> Sipp {
    let port = free_port();
    let server = house.sip_udp();
    let register = Sipp::new("register", server, SipTransport::Udp).login("bob", PASSWORD);
    register.key("seconds", "600").option("-p", &port).run().await;
    Sipp::new(scenario, server, SipTransport::Udp).option("-p", &port)
}

fn caller(scenario: &str, server: SocketAddr, transport: SipTransport) -> Sipp {
    Sipp::new(scenario, server, transport).login("alice", PASSWORD).key("peer", "bob")
}

#[tokio::test(flavor = "multi_thread")]
async fn sipp_calls_sipp_over_udp_and_tcp() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    for (transport, server) in [(SipTransport::Udp, house.sip_udp()), (SipTransport::Tcp, house.sip_tcp())] {
        let mut bob = phone_of_bob(&house, "answer").await;
        let answering = bob.start();
        caller("call", server, transport).run().await;
        answering.finish().await;
        forget_phones(&house).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn call_that_is_given_up_stops_ringing() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    for (transport, server) in [(SipTransport::Udp, house.sip_udp()), (SipTransport::Tcp, house.sip_tcp())] {
        let mut bob = phone_of_bob(&house, "ring_only").await;
        let ringing = bob.start();
        caller("give_up", server, transport).run().await;
        ringing.finish().await;
        forget_phones(&house).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_phones_ring_and_one_is_answered() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut desk = phone_of_bob(&house, "ring_only").await;
    let mut bag = phone_of_bob(&house, "answer").await;
    let (ringing, answering) = (desk.start(), bag.start());
    caller("call", house.sip_udp(), SipTransport::Udp).run().await;
    ringing.finish().await;
    answering.finish().await;
}

/// Takes all registrations of bob back.
async fn forget_phones(house: &House) {
    let mut bob = SipPhone::new("bob", house.sip_udp()).await;
    let response = bob.ask("REGISTER", "sip:localhost", "bob", "Contact: *\r\nExpires: 0\r\n", "").await;
    assert_eq!(response.status(), Some(200));
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_cannot_be_are_refused() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut alice = SipPhone::registered("alice", house.sip_udp(), "").await;
    let contact = format!("Contact: <sip:alice@{}>\r\n", alice.address());
    for (to, headers, expect) in
        [("bob", "", 480), ("alice", "", 480), ("nobody", "", 404), ("bob", "Proxy-Require: magic\r\n", 420)]
    {
        let headers = format!("{contact}{headers}");
        let response = alice.ask("INVITE", &format!("sip:{to}@localhost"), to, &headers, "").await;
        assert_eq!(response.status(), Some(expect), "{to} {headers}");
    }
    for method in ["BYE", "INVITE", "UPDATE", "INFO"] {
        let response =
            alice.ask(method, "sip:bob@127.0.0.1", "<sip:bob@localhost>;tag=x", &contact, "").await;
        assert_eq!(response.status(), Some(481), "{method} outside of every call");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusal_of_the_called_phone_reaches_the_caller() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut alice = SipPhone::registered("alice", house.sip_udp(), "").await;
    let mut bob = SipPhone::registered("bob", house.sip_udp(), "").await;
    let contact = format!("Contact: <sip:alice@{}>\r\nContent-Type: x/y\r\n", alice.address());
    let call = alice.ask("INVITE", "sip:bob@localhost", "bob", &contact, "any body");
    let (response, invite) = tokio::join!(call, bob.serve(486));
    assert_eq!(response.status(), Some(486));
    assert_eq!(body(&invite), "any body");
    assert_eq!(invite.max_forwards().unwrap(), Some(69));
    assert!(invite.has(HeaderName::RecordRoute) && !invite.has(HeaderName::ProxyAuthorization));
    assert_eq!(invite.vias().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn baresip_calls_baresip_and_both_are_on_the_phone() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut friend = Slixmpp::online("bob@localhost", PASSWORD, house.xmpp()).await;
    for (transport, server) in [("udp", house.sip_udp()), ("tcp", house.sip_tcp()), ("tls", house.sip_tls())]
    {
        let phone = |address, parameters| Phone {
            address,
            password: PASSWORD,
            server,
            transport,
            parameters,
            contacts: &[],
        };
        let mut alice = Baresip::registered(&phone("alice@localhost", "")).await;
        let mut bob = Baresip::registered(&phone("bob@localhost", "")).await;
        alice.command("dial", "sip:bob@localhost").await;
        bob.event("CALL_INCOMING").await;
        bob.command("accept", "").await;
        alice.event("CALL_ESTABLISHED").await;
        bob.event("CALL_ESTABLISHED").await;
        let on_the_phone = |event: &serde_json::Value| {
            event["show"] == "dnd"
                && event["from"].as_str().is_some_and(|from| from.starts_with("bob@localhost/baresip"))
        };
        friend.event("presence", on_the_phone).await;
        bob.command("hangup", "").await;
        alice.event("CALL_CLOSED").await;
        friend.event("presence", |event| !on_the_phone(event) && event["type"] == "available").await;
    }
    friend.act(json!({"do": "presence"})).await;
}

/// A callee could ask for a password in the server's name, with a nonce of its choice: the answer must not
/// reach it. Nor must a caller's own word for who it is, which phones show instead of From.
#[tokio::test(flavor = "multi_thread")]
async fn called_phone_sees_neither_credentials_nor_claimed_identities() {
    let house = House::with_accounts(&["alice", "mallory"]).await;
    let mut alice = SipPhone::registered("alice", house.sip_udp(), "").await;
    let mut mallory = SipPhone::registered("mallory", house.sip_udp(), "").await;
    let headers = format!(
        "Contact: <sip:alice@{}>\r\nP-Asserted-Identity: <sip:boss@localhost>\r\n\
         P-Preferred-Identity: <sip:boss@localhost>\r\nRemote-Party-ID: <sip:boss@localhost>;party=calling\r\n\
         Authorization: Digest username=\"alice\", realm=\"localhost\", nonce=\"of-mallory\", \
         uri=\"sip:mallory@localhost\", response=\"0123456789abcdef0123456789abcdef\"\r\n",
        alice.address()
    );
    let asking = alice.ask("INVITE", "sip:mallory@localhost", "mallory", &headers, "");
    let (response, invite) = tokio::join!(asking, mallory.serve(200));
    assert_eq!(response.status(), Some(200));
    let to = "<sip:mallory@localhost>;tag=phone";
    let asking = alice.ask_once("BYE", "sip:mallory@localhost", to, &headers, "");
    let (response, bye) = tokio::join!(asking, mallory.serve(200));
    assert_eq!(response.status(), Some(200));
    for request in [invite, bye] {
        let text = String::from_utf8(request.bytes().to_vec()).unwrap();
        assert!(!text.contains("Digest") && !text.contains("boss"), "{text}");
    }
}
