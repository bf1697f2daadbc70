//! Phones publish their presence and watch others: byte by byte, and by baresip and finch.

use rollcall::{
    account::Request,
    signal::{ContactEvent, Native},
    sip::message::{HeaderName, Message},
};
use serde_json::json;

use crate::support::{Baresip, Finch, House, PASSWORD, Phone, SipPhone, Slixmpp, address, body, soon};

/// Answers requests until a NOTIFY comes whose state begins with `state` and whose body has `piece`.
async fn notified(phone: &mut SipPhone, state: &str, piece: &str) -> Message {
    loop {
        let request = phone.serve(200).await;
        let found = request.text(HeaderName::SubscriptionState).unwrap_or_default().into_owned();
        if found.starts_with(state) && body(&request).contains(piece) {
            assert_eq!(request.text(HeaderName::Event).unwrap(), "presence");
            return request;
        }
    }
}

async fn subscribe(phone: &mut SipPhone, to: &str, headers: &str) -> Message {
    let contact =
        format!("Contact: <sip:{}@{}>\r\nEvent: presence\r\n{headers}", phone.user, phone.address());
    phone.ask("SUBSCRIBE", &format!("sip:{to}@localhost"), to, &contact, "").await
}

async fn publish(phone: &mut SipPhone, headers: &str, document: &str) -> Message {
    let (user, uri) = (phone.user.clone(), format!("sip:{}@localhost", phone.user));
    let content = if document.is_empty() { "" } else { "Content-Type: application/pidf+xml\r\n" };
    phone.ask("PUBLISH", &uri, &user, &format!("Event: presence\r\n{content}{headers}"), document).await
}

fn pidf(basic: &str, activity: &str) -> String {
    format!(
        "<presence xmlns='urn:ietf:params:xml:ns:pidf' xmlns:d='urn:ietf:params:xml:ns:pidf:data-model' \
         xmlns:r='urn:ietf:params:xml:ns:pidf:rpid' entity='sip:bob@localhost'>\
         <d:person id='p'><r:activities>{activity}</r:activities></d:person>\
         <tuple id='t1'><status><basic>{basic}</basic></status></tuple></presence>"
    )
}

fn tag_of(response: &Message) -> String {
    response.text(HeaderName::SipEtag).expect("an entity tag").into_owned()
}

/// An XMPP client of `local` that says yes to whoever asks.
async fn willing(house: &House, local: &str, asker: &str) -> Slixmpp {
    let mut client = Slixmpp::online(&format!("{local}@localhost"), PASSWORD, house.xmpp()).await;
    client.act(json!({"do": "subscribed", "to": format!("{asker}@localhost")})).await;
    // The answer to this comes after that was heard.
    client.act(json!({"do": "roster"})).await;
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn watcher_waits_until_the_owner_says_yes() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut alice = SipPhone::registered("alice", house.sip_udp(), "").await;
    let accepted = subscribe(&mut alice, "bob", "Expires: 600\r\n").await;
    assert_eq!(accepted.status(), Some(200));
    assert_eq!(accepted.text(HeaderName::Expires).unwrap(), "600");
    assert!(accepted.has(HeaderName::Contact));
    let pending = notified(&mut alice, "pending", "").await;
    assert_eq!(body(&pending), "");
    assert_eq!(pending.from().unwrap().tag(), accepted.to().unwrap().tag());

    let mut bob = Slixmpp::online("bob@localhost", PASSWORD, house.xmpp()).await;
    bob.event("presence", |event| event["type"] == "subscribe").await;
    bob.act(json!({"do": "subscribed", "to": "alice@localhost"})).await;
    let active = notified(&mut alice, "active", "<basic>open</basic>").await;
    assert_eq!(active.text(HeaderName::ContentType).unwrap(), "application/pidf+xml");
    assert!(body(&active).contains("entity=\"sip:bob@localhost\""));
    bob.act(json!({"do": "unsubscribed", "to": "alice@localhost"})).await;
    notified(&mut alice, "terminated;reason=rejected", "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribing_adds_a_contact_and_fetching_does_not() {
    let house = House::with_accounts(&["alice", "bob", "carol"]).await;
    let mut client = Slixmpp::online("alice@localhost", PASSWORD, house.xmpp()).await;
    let mut alice = SipPhone::registered("alice", house.sip_udp(), "").await;
    assert_eq!(subscribe(&mut alice, "carol", "Expires: 0\r\n").await.status(), Some(200));
    let fetched = notified(&mut alice, "terminated;reason=timeout", "").await;
    assert_eq!(body(&fetched), "");
    assert_eq!(subscribe(&mut alice, "bob", "").await.status(), Some(200));
    let added = async {
        loop {
            let roster = client.act(json!({"do": "roster"})).await;
            let contacts = roster["contacts"].as_array().cloned().unwrap_or_default();
            if !contacts.is_empty() {
                break contacts;
            }
        }
    };
    let contacts = soon("a contact", added).await;
    assert_eq!((contacts.len(), &contacts[0]["jid"]), (1, &json!("bob@localhost")));
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_are_refreshed_and_given_up() {
    let house = House::with_accounts(&["bob"]).await;
    let mut bob = SipPhone::registered("bob", house.sip_udp(), "").await;
    let accepted = subscribe(&mut bob, "bob", "Expires: 600\r\n").await;
    notified(&mut bob, "active", "<basic>open</basic>").await;
    let to = format!("<sip:bob@localhost>;tag={}", accepted.to().unwrap().tag().unwrap());
    for (expires, state) in [(300, "active;expires="), (0, "terminated;reason=timeout")] {
        let headers = format!("Event: presence\r\nExpires: {expires}\r\n");
        let refreshed = bob.ask("SUBSCRIBE", "sip:localhost", &to, &headers, "").await;
        assert_eq!(refreshed.status(), Some(200));
        assert_eq!(refreshed.text(HeaderName::Expires).unwrap(), expires.to_string());
        notified(&mut bob, state, "open").await;
    }
    let late = bob.ask("SUBSCRIBE", "sip:localhost", &to, "Event: presence\r\n", "").await;
    assert_eq!(late.status(), Some(481));
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_that_cannot_be_are_refused() {
    let house = House::with_accounts(&["alice"]).await;
    let mut alice = SipPhone::registered("alice", house.sip_udp(), "").await;
    let contact = format!("Contact: <sip:alice@{}>\r\n", alice.address());
    for (to, headers, expect, header) in [
        ("alice", "Event: conference\r\n", 489, Some(HeaderName::AllowEvents)),
        ("alice", "", 489, Some(HeaderName::AllowEvents)),
        ("alice", "Event: presence\r\nAccept: text/plain\r\n", 406, Some(HeaderName::Accept)),
        ("alice", "Event: presence\r\nExpires: 5\r\n", 423, Some(HeaderName::MinExpires)),
        ("alice", "Event: presence\r\nRequire: telepathy\r\n", 420, Some(HeaderName::Unsupported)),
        ("nobody", "Event: presence\r\n", 404, None),
    ] {
        let uri = format!("sip:{to}@localhost");
        let response = alice.ask("SUBSCRIBE", &uri, to, &format!("{contact}{headers}"), "").await;
        assert_eq!(response.status(), Some(expect), "{to} {headers}");
        assert!(header.is_none_or(|header| response.has(header)), "{to} {headers}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn publication_decides_the_presence_of_the_phone_while_it_lives() {
    let house = House::with_accounts(&["bob"]).await;
    let mut bob = SipPhone::registered("bob", house.sip_udp(), "").await;
    let mut eyes = SipPhone::new("bob", house.sip_udp()).await;
    subscribe(&mut eyes, "bob", "").await;
    notified(&mut eyes, "active", "<status><basic>open</basic></status>").await;

    let first = publish(&mut bob, "Expires: 600\r\n", &pidf("open", "<r:busy/>")).await;
    assert_eq!((first.status(), first.text(HeaderName::Expires).unwrap().as_ref()), (Some(200), "600"));
    let busy = notified(&mut eyes, "active", "<rpid:activities><rpid:busy/>").await;
    assert_eq!(body(&busy).matches("<tuple").count(), 1, "the phone's own session shows it");

    let refresh = format!("SIP-If-Match: {}\r\n", tag_of(&first));
    let second = publish(&mut bob, &refresh, "").await;
    assert_eq!(second.status(), Some(200));
    assert_ne!(tag_of(&first), tag_of(&second));
    assert_eq!(publish(&mut bob, &refresh, "").await.status(), Some(412));

    let modify = format!("SIP-If-Match: {}\r\n", tag_of(&second));
    let third = publish(&mut bob, &modify, &pidf("open", "<r:vacation/>")).await;
    notified(&mut eyes, "active", "<rpid:vacation/>").await;

    let remove = format!("SIP-If-Match: {}\r\nExpires: 0\r\n", tag_of(&third));
    assert_eq!(publish(&mut bob, &remove, "").await.status(), Some(200));
    notified(&mut eyes, "active", "<status><basic>open</basic></status>").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn publication_without_registration_is_a_session_of_its_own_and_expires() {
    // What lives for a second is told at once, or it is over before its turn comes.
    let house = House::start_with(|config| {
        config.sip.publish_min_seconds = 1;
        config.sip.notify_interval_ms = 0;
    })
    .await;
    house.add_account("bob").await;
    let mut eyes = SipPhone::new("bob", house.sip_udp()).await;
    subscribe(&mut eyes, "bob", "").await;
    notified(&mut eyes, "active", "<basic>closed</basic>").await;
    let mut bob = SipPhone::new("bob", house.sip_udp()).await;
    let published = publish(&mut bob, "Expires: 1\r\n", &pidf("open", "")).await;
    assert_eq!(published.status(), Some(200));
    notified(&mut eyes, "active", "<tuple id=\"t1\"><status><basic>open</basic>").await;
    notified(&mut eyes, "active", "<basic>closed</basic>").await;
    let late = format!("SIP-If-Match: {}\r\n", tag_of(&published));
    assert_eq!(publish(&mut bob, &late, "").await.status(), Some(412));
}

#[tokio::test(flavor = "multi_thread")]
async fn publications_that_cannot_be_are_refused() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut bob = SipPhone::registered("bob", house.sip_udp(), "").await;
    let open = pidf("open", "");
    for (to, headers, document, expect) in [
        ("bob", "Event: presence\r\n", "", 400),
        ("bob", "Event: presence\r\nContent-Type: application/pidf+xml\r\n", "<presence/>", 400),
        ("bob", "Event: presence\r\nContent-Type: text/plain\r\n", "hi", 415),
        ("bob", "Event: dialog\r\nContent-Type: application/pidf+xml\r\n", &open, 489),
        ("bob", "Content-Type: application/pidf+xml\r\n", &open, 489),
        ("bob", "Event: presence\r\nExpires: 5\r\nContent-Type: application/pidf+xml\r\n", &open, 423),
        ("bob", "Event: presence\r\nSIP-If-Match: a, b\r\n", "", 400),
        ("bob", "Event: presence\r\nSIP-If-Match: nothing\r\n", "", 412),
        ("alice", "Event: presence\r\nContent-Type: application/pidf+xml\r\n", &open, 403),
    ] {
        let response = bob.ask("PUBLISH", &format!("sip:{to}@localhost"), to, headers, document).await;
        assert_eq!(response.status(), Some(expect), "{to} {headers}");
        assert_eq!(response.has(HeaderName::Accept), expect == 415);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn phone_sees_chat_clients_and_they_see_it() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut alice = willing(&house, "alice", "bob").await;
    let mut bob = SipPhone::registered("bob", house.sip_udp(), "").await;
    subscribe(&mut bob, "alice", "").await;
    alice.act(json!({"do": "presence", "show": "xa", "status": "gone <fishing>"})).await;
    let seen = notified(&mut bob, "active", "<show xmlns=\"jabber:client\">xa</show>").await;
    assert!(body(&seen).contains(">gone &lt;fishing&gt;</note>"), "{}", body(&seen));
}

#[tokio::test(flavor = "multi_thread")]
async fn baresip_sees_what_baresip_publishes() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    drop(willing(&house, "bob", "alice").await);
    let phone = |address, parameters, contacts| Phone {
        address,
        password: PASSWORD,
        server: house.sip_tcp(),
        transport: "tcp",
        parameters,
        contacts,
    };
    let mut bob = Baresip::registered(&phone("bob@localhost", ";pubint=600", &[])).await;
    let contacts = ["<sip:bob@localhost>;presence=p2p"];
    let mut alice = Baresip::registered(&phone("alice@localhost", "", &contacts)).await;
    for (command, shown) in [("presence_online", "Online"), ("presence_offline", "Offline")] {
        bob.command(command, "").await;
        let seen = async { while !alice.command("contacts", "").await.contains(shown) {} };
        soon(&format!("{shown} at the other phone"), seen).await;
    }
}

/// libpurple asks for PIDF and XPIDF, publishes a tuple with a note, and shows what it is told.
#[tokio::test(flavor = "multi_thread")]
async fn finch_publishes_and_sees_its_friends() {
    let house = House::start_with(|config| config.sip.notify_interval_ms = 0).await;
    for local in ["alice", "bob"] {
        house.add_account(local).await;
    }
    for (who, whom) in [("alice", "bob"), ("bob", "alice")] {
        let ask = |event, from: &str, to: &str| {
            let request = Request::Contact {
                to: address(to),
                event,
                note: None,
                native: Native::None,
                origin_id: None,
            };
            let (accounts, from) = (house.server().accounts().clone(), address(from));
            async move { accounts.ask(&from, request).await.unwrap() }
        };
        ask(ContactEvent::Subscribe, who, whom).await;
        ask(ContactEvent::Subscribed, whom, who).await;
    }
    let mut alice = SipPhone::new("alice", house.sip_udp()).await;
    subscribe(&mut alice, "bob", "").await;
    notified(&mut alice, "active", "<basic>closed</basic>").await;
    let mut bob = Finch::registered("bob", house.sip_udp(), &["alice"]).await;
    notified(&mut alice, "active", "available</note>").await;
    let mut phone = SipPhone::registered("alice", house.sip_udp(), "").await;
    // The server's document has no line breaks.
    bob.notes("<status><basic>open</basic>").await;
    bob.notes("Updating buddy status for sip:alice@localhost").await;
    assert_eq!(phone.register(0, "").await.status(), Some(200));
    bob.notes("<status><basic>closed</basic>").await;
}
