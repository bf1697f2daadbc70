//! Automated rules on calls: by SIPp and by baresip.

use std::net::UdpSocket;

use serde_json::json;

use super::automate;
use crate::support::{Baresip, House, PASSWORD, Phone, SipPhone, SipTransport, Sipp, Slixmpp, Web, body};

/// Registers a phone at a port, where a scenario answers afterwards.
async fn phone_of(house: &House, user: &str, scenario: &str) -> Sipp {
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let server = house.sip_udp();
    let register = Sipp::new("register", server, SipTransport::Udp).login(user, PASSWORD);
    register.key("seconds", "600").option("-p", &port).run().await;
    Sipp::new(scenario, server, SipTransport::Udp).option("-p", &port)
}

async fn call_bob(house: &House) {
    let caller = Sipp::new("call", house.sip_udp(), SipTransport::Udp);
    caller.login("alice", PASSWORD).key("peer", "bob").run().await;
}

async fn house() -> House {
    let house = House::start_with(|config| config.account.no_answer_seconds = 1).await;
    for local in ["alice", "bob", "carol"] {
        house.add_account(local).await;
    }
    house
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_nobody_answers_goes_to_another_account() {
    let house = house().await;
    let then = json!([{ "redirect": "carol@localhost" }]);
    automate(&Web::log_in(&house, "bob").await, json!([{ "id": "r", "stage": "no-answer", "then": then }]))
        .await;
    let (mut bob, mut carol) =
        (phone_of(&house, "bob", "ring_only").await, phone_of(&house, "carol", "answer").await);
    let (ringing, answering) = (bob.start(), carol.start());
    call_bob(&house).await;
    ringing.finish().await;
    answering.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_account_rings_as_well_at_once_or_after_a_delay() {
    let house = house().await;
    let web = Web::log_in(&house, "bob").await;
    for stage in [json!("at-once"), json!({ "after": 1 })] {
        automate(&web, json!([{ "id": "r", "stage": stage, "then": [{ "fork": "carol@localhost" }] }])).await;
        let mut bob = phone_of(&house, "bob", "ring_only").await;
        let mut carol = phone_of(&house, "carol", "answer").await;
        let (ringing, answering) = (bob.start(), carol.start());
        call_bob(&house).await;
        ringing.finish().await;
        answering.finish().await;
        for user in ["bob", "carol"] {
            let mut phone = SipPhone::new(user, house.sip_udp()).await;
            let forget = "Contact: *\r\nExpires: 0\r\n";
            assert_eq!(phone.ask("REGISTER", "sip:localhost", user, forget, "").await.status(), Some(200));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_phone_sends_the_call_on_and_an_absent_one_too() {
    let house = house().await;
    let web = Web::log_in(&house, "bob").await;
    let then = json!([{ "redirect": "carol@localhost" }]);
    let rules = json!([
        { "id": "busy", "stage": "busy", "then": then },
        { "id": "away", "stage": "offline", "then": then },
    ]);
    automate(&web, rules).await;
    let mut alice = SipPhone::registered("alice", house.sip_udp(), "").await;
    let mut carol = SipPhone::registered("carol", house.sip_udp(), "").await;
    let contact = format!("Contact: <sip:alice@{}>\r\nContent-Type: x/y\r\n", alice.address());
    for is_there in [false, true] {
        let call = alice.ask("INVITE", "sip:bob@localhost", "bob", &contact, "offer");
        let (response, invite) = if is_there {
            let mut bob = SipPhone::registered("bob", house.sip_udp(), "").await;
            let (response, _, invite) = tokio::join!(call, bob.serve(486), carol.serve(200));
            (response, invite)
        } else {
            tokio::join!(call, carol.serve(200))
        };
        assert_eq!((response.status(), body(&invite).as_str()), (Some(200), "offer"), "{is_there}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_refused_as_rules_say_and_the_caller_is_told_in_words() {
    let house = house().await;
    let web = Web::log_in(&house, "bob").await;
    let mut bob = SipPhone::registered("bob", house.sip_udp(), "").await;
    let mut alice = SipPhone::registered("alice", house.sip_udp(), "").await;
    let contact = format!("Contact: <sip:alice@{}>\r\n", alice.address());
    for (then, status) in [
        (json!([{ "reject": { "reason": "busy" } }]), 486),
        (json!([{ "reject": { "reason": "declined" } }]), 603),
        (json!(["discard"]), 480),
        (json!([{ "reply": { "text": "please write" } }, { "reject": { "reason": "forbidden" } }]), 403),
    ] {
        automate(&web, json!([{ "id": "r", "when": [{ "kind": ["call"] }], "then": then }])).await;
        let response = alice.ask("INVITE", "sip:bob@localhost", "bob", &contact, "").await;
        assert_eq!(response.status(), Some(status));
    }
    assert_eq!(body(&alice.serve(200).await), "please write");
    assert_eq!(body(&bob.serve(200).await), "please write", "a copy for the owner");
    // A phone that is busy, and a rule that only says something about it: the caller hears busy.
    let then = json!([{ "reply": { "text": "I am on the phone" } }]);
    automate(&web, json!([{ "id": "busy", "stage": "busy", "then": then }])).await;
    let call = alice.ask("INVITE", "sip:bob@localhost", "bob", &contact, "");
    let (response, _) = tokio::join!(call, bob.serve(486));
    assert_eq!(response.status(), Some(486));
    assert_eq!(body(&alice.serve(200).await), "I am on the phone");
    let refused = web.get("/api/refusals").await.expect(200).json();
    assert_eq!(
        (&refused["refusals"][0]["kind"], &refused["refusals"][0]["count"]),
        (&json!("call"), &json!(4))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn baresip_is_forwarded_to_baresip_when_nobody_answers() {
    let house = house().await;
    let then = json!([{ "redirect": "carol@localhost" }]);
    automate(&Web::log_in(&house, "bob").await, json!([{ "id": "r", "stage": "no-answer", "then": then }]))
        .await;
    let phone = |address| Phone {
        address,
        password: PASSWORD,
        server: house.sip_tcp(),
        transport: "tcp",
        parameters: "",
        contacts: &[],
    };
    let mut alice = Baresip::registered(&phone("alice@localhost")).await;
    let mut bob = Baresip::registered(&phone("bob@localhost")).await;
    let mut carol = Baresip::registered(&phone("carol@localhost")).await;
    let mut friend = Slixmpp::online("carol@localhost", PASSWORD, house.xmpp()).await;
    alice.command("dial", "sip:bob@localhost").await;
    bob.event("CALL_INCOMING").await;
    carol.event("CALL_INCOMING").await;
    bob.event("CALL_CLOSED").await;
    carol.command("accept", "").await;
    alice.event("CALL_ESTABLISHED").await;
    carol.event("CALL_ESTABLISHED").await;
    friend.event("presence", |event| event["show"] == "dnd").await;
    carol.command("hangup", "").await;
    alice.event("CALL_CLOSED").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gives_up_before_the_call_goes_elsewhere_is_answered() {
    let house = House::with_accounts(&["alice", "bob", "carol"]).await;
    let then = json!([{ "redirect": "carol@localhost" }]);
    automate(&Web::log_in(&house, "bob").await, json!([{ "id": "r", "stage": "no-answer", "then": then }]))
        .await;
    let mut bob = phone_of(&house, "bob", "ring_only").await;
    let ringing = bob.start();
    let caller = Sipp::new("give_up", house.sip_udp(), SipTransport::Udp);
    caller.login("alice", PASSWORD).key("peer", "bob").run().await;
    ringing.finish().await;
}
