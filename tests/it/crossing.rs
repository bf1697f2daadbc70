//! What a message carries besides its text, across protocols: subject, language, ids, typing, receipts;
//! and a roster with groups. Alice has an XMPP client (slixmpp), Bob a SIP phone, Carol a web session.

use serde_json::{Value, json};

use rollcall::sip::message::HeaderName;

use crate::support::{House, PASSWORD, SipPhone, Slixmpp, Socket, Web, body};

struct Three {
    alice: Slixmpp,
    bob: SipPhone,
    carol: Socket,
    /// The last, so that it outlives its guests.
    house: House,
}

async fn three() -> Three {
    let house = House::with_accounts(&["alice", "bob", "carol"]).await;
    let alice = Slixmpp::online("alice@localhost", PASSWORD, house.xmpp()).await;
    let bob = SipPhone::registered("bob", house.sip_udp(), "").await;
    let carol = Web::log_in(&house, "carol").await.open().await;
    Three { alice, bob, carol, house }
}

fn carries(frame: &Value, wanted: &[(&str, Value)]) {
    for (key, value) in wanted {
        assert_eq!(&frame[key], value, "{key} of {frame}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chat_client_is_understood_by_phone_and_page() {
    let Three { mut alice, mut bob, mut carol, house: _house } = three().await;
    let full = json!({
        "do": "message", "to": "bob@localhost", "body": "Grüße", "subject": "Betreff", "lang": "de", "id": "m1",
    });
    let (_, request) = tokio::join!(alice.act(full.clone()), bob.serve(200));
    assert_eq!(body(&request), "Grüße");
    assert_eq!(request.text(HeaderName::Subject).unwrap(), "Betreff");
    assert_eq!(request.text(HeaderName::ContentLanguage).unwrap(), "de");

    let mut to_carol = full;
    to_carol["to"] = json!("carol@localhost");
    to_carol["receipt"] = json!(true);
    alice.act(to_carol).await;
    let got = carol.take_message().await;
    carries(
        &got,
        &[
            ("body", json!("Grüße")),
            ("subject", json!("Betreff")),
            ("lang", json!("de")),
            ("originId", json!("m1")),
            ("wantsDelivered", json!(true)),
        ],
    );
    carol.send(&json!({"type": "receipt", "to": "alice@localhost", "kind": "delivered", "of": "m1"})).await;
    let told = alice.event("message", |event| holds(event, "urn:xmpp:receipts")).await;
    assert!(holds(&told, "received") && holds(&told, "m1"), "{told}");

    let composing = "<composing xmlns='http://jabber.org/protocol/chatstates'/>";
    let typing = |to: &str| json!({"do": "message", "to": format!("{to}@localhost"), "xml": composing});
    let (_, request) = tokio::join!(alice.act(typing("bob")), bob.serve(200));
    assert_eq!(request.text(HeaderName::ContentType).unwrap(), "application/im-iscomposing+xml");
    assert!(body(&request).contains("<state>active</state>"), "{}", body(&request));
    alice.act(typing("carol")).await;
    let got = carol.expect_that("message", |frame| frame["typing"].is_string()).await;
    assert_eq!(got["typing"], "composing");
}

#[tokio::test(flavor = "multi_thread")]
async fn phone_is_understood_by_chat_client_and_page() {
    let Three { mut alice, mut bob, mut carol, house: _house } = three().await;
    let headers = "Content-Type: text/plain;charset=UTF-8\r\nSubject: Betreff\r\nContent-Language: de\r\n";
    bob.ask("MESSAGE", "sip:alice@localhost", "alice", headers, "Grüße").await;
    let got = alice.read("Grüße").await;
    assert_eq!(got["subject"], "Betreff", "{got}");
    assert!(holds(&got, "de"), "{got}");
    // The phone has its answer when the page has acknowledged the message.
    let to_carol = bob.ask("MESSAGE", "sip:carol@localhost", "carol", headers, "Grüße");
    let (response, got) = tokio::join!(to_carol, carol.take_message());
    assert_eq!(response.status(), Some(200));
    carries(&got, &[("subject", json!("Betreff")), ("lang", json!("de")), ("body", json!("Grüße"))]);

    let typing = "<?xml version=\"1.0\"?><isComposing xmlns=\"urn:ietf:params:xml:ns:im-iscomposing\">\
                  <state>active</state></isComposing>";
    let headers = "Content-Type: application/im-iscomposing+xml\r\n";
    bob.ask("MESSAGE", "sip:alice@localhost", "alice", headers, typing).await;
    alice.event("message", |event| holds(event, "composing")).await;
    let seen = async {
        let note = carol.expect_that("message", |frame| frame["typing"] == "composing").await;
        carol.send(&json!({"type": "ack", "id": note["id"]})).await;
    };
    let to_carol = bob.ask("MESSAGE", "sip:carol@localhost", "carol", headers, typing);
    assert_eq!(tokio::join!(to_carol, seen).0.status(), Some(200));

    // A phone that speaks CPIM asks for a receipt, and understands the one it gets.
    let cpim = "From: <sip:bob@localhost>\r\nTo: <sip:alice@localhost>\r\nNS: imdn <urn:ietf:params:imdn>\r\n\
                imdn.Message-ID: c1\r\nimdn.Disposition-Notification: positive-delivery\r\n\r\n\
                Content-Type: text/plain\r\n\r\nby cpim";
    bob.ask("MESSAGE", "sip:alice@localhost", "alice", "Content-Type: message/cpim\r\n", cpim).await;
    let got = alice.read("by cpim").await;
    assert!(got["id"] == "c1" && holds(&got, "urn:xmpp:receipts"), "{got}");
    let receipt = "<received xmlns='urn:xmpp:receipts' id='c1'/>";
    let deed = json!({"do": "message", "to": "bob@localhost", "xml": receipt});
    let (_, request) = tokio::join!(alice.act(deed), bob.serve(200));
    let text = body(&request);
    assert!(text.contains("<message-id>c1</message-id>") && text.contains("<delivered"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn page_is_understood_by_chat_client_and_phone() {
    let Three { mut alice, mut bob, mut carol, house: _house } = three().await;
    let message = |to: &str| {
        json!({"type": "message", "to": format!("{to}@localhost"), "body": "Grüße", "subject": "Betreff",
               "lang": "de", "originId": "w1", "wantsDelivered": true})
    };
    carol.send(&message("alice")).await;
    let got = alice.read("Grüße").await;
    assert!(got["subject"] == "Betreff" && got["id"] == "w1" && holds(&got, "urn:xmpp:receipts"), "{got}");
    let ((), request) = tokio::join!(async { carol.send(&message("bob")).await }, bob.serve(200));
    assert_eq!(request.text(HeaderName::Subject).unwrap(), "Betreff");
    carol.send(&json!({"type": "typing", "to": "alice@localhost", "state": "composing"})).await;
    alice.event("message", |event| holds(event, "composing")).await;
    let receipt = "<received xmlns='urn:xmpp:receipts' id='w1'/>";
    alice.act(json!({"do": "message", "to": "carol@localhost", "xml": receipt})).await;
    let got = carol.expect_that("message", |frame| frame["receipt"].is_object()).await;
    assert_eq!(got["receipt"], json!({"kind": "delivered", "of": "w1"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_the_same_in_every_client() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut client = Slixmpp::online("alice@localhost", PASSWORD, house.xmpp()).await;
    client.act(json!({"do": "roster"})).await;
    let web = Web::log_in(&house, "alice").await;
    let mut page = web.open().await;
    client
        .act(json!({"do": "contact", "jid": "bob@localhost", "name": "Bob", "groups": ["Work", "Friends"]}))
        .await;
    let frame = page.expect("roster").await;
    carries(&frame["contact"], &[("name", json!("Bob")), ("groups", json!(["Friends", "Work"]))]);
    web.put("/api/roster/bob@localhost", &json!({"name": "Robert", "groups": ["Family"]})).await.expect(204);
    let push = client.event("roster", |event| event["contacts"][0]["name"] == "Robert").await;
    assert_eq!(push["contacts"][0]["groups"], json!(["Family"]));
}

fn holds(event: &Value, text: &str) -> bool {
    event["xml"].as_str().is_some_and(|xml| xml.contains(text))
}
