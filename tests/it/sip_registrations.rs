//! What a registration is worth: GRUUs (RFC 5627), flows (RFC 5626) and Path (RFC 3327), byte by byte.

use rollcall::sip::message::{HeaderName, Message, NameAddr};

use crate::support::{House, SipPhone, body, soon};

const ONE: &str = "urn:uuid:00000000-0000-1000-8000-000000000001";
const TWO: &str = "urn:uuid:00000000-0000-1000-8000-000000000002";

/// Registers a phone under its instance.
async fn register(phone: &mut SipPhone, instance: &str, parameters: &str, headers: &str) -> Message {
    let (user, address) = (phone.user.clone(), phone.address());
    let contact = format!("Contact: <sip:{user}@{address}>;+sip.instance=\"<{instance}>\"{parameters}\r\n");
    phone.ask("REGISTER", "sip:localhost", &user, &format!("{contact}{headers}"), "").await
}

/// The contact of an instance in a 200.
fn listed(response: &Message, instance: &str) -> Option<NameAddr> {
    let contacts = response.values(HeaderName::Contact).map(|value| NameAddr::parse(&value).unwrap());
    contacts.into_iter().find(|contact| contact.instance().as_deref() == Some(instance))
}

/// A parameter of the contact of an instance.
fn parameter(response: &Message, instance: &str, name: &str) -> Option<String> {
    listed(response, instance)?.params.value(name).map(|value| value.into_owned())
}

async fn write(phone: &mut SipPhone, uri: &str, text: &str) -> Message {
    phone.ask("MESSAGE", uri, "bob", "Content-Type: text/plain\r\n", text).await
}

#[tokio::test(flavor = "multi_thread")]
async fn phones_that_know_gruus_are_given_two_and_others_none() {
    let house = House::with_accounts(&["bob"]).await;
    let mut bob = SipPhone::new("bob", house.sip_udp()).await;
    let first = register(&mut bob, ONE, "", "").await;
    assert_eq!((first.status(), parameter(&first, ONE, "pub-gruu")), (Some(200), None));
    let second = register(&mut bob, ONE, "", "Supported: gruu\r\n").await;
    let public = format!("sip:bob@localhost;gr={ONE}");
    assert_eq!(parameter(&second, ONE, "pub-gruu"), Some(public.clone()));
    let temporary = parameter(&second, ONE, "temp-gruu").unwrap();
    assert!(temporary.ends_with("@localhost;gr") && !temporary.contains("bob"), "{temporary}");
    assert!(!second.has_token(HeaderName::Require, "gruu"));
    let third = register(&mut bob, ONE, "", "Supported: path, gruu\r\n").await;
    assert_eq!(parameter(&third, ONE, "pub-gruu"), Some(public));
    assert_ne!(parameter(&third, ONE, "temp-gruu"), Some(temporary), "a new one each time");
    let mut other = SipPhone::new("bob", house.sip_udp()).await;
    let nameless = other.register(600, "Supported: gruu\r\nRequire: gruu\r\n").await;
    assert_eq!(nameless.status(), Some(200));
    assert_eq!(nameless.values(HeaderName::Contact).filter(|value| value.contains("gruu")).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn gruus_lead_to_one_phone_until_its_registration_is_over() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut alice = SipPhone::registered("alice", house.sip_udp(), "").await;
    let mut desk = SipPhone::new("bob", house.sip_udp()).await;
    let mut bag = SipPhone::new("bob", house.sip_udp()).await;
    register(&mut bag, TWO, "", "Supported: gruu\r\n").await;
    let mut gruus = Vec::new();
    for _ in 0..2 {
        let response = register(&mut desk, ONE, "", "Supported: gruu\r\n").await;
        gruus.extend(["pub-gruu", "temp-gruu"].map(|name| parameter(&response, ONE, name).unwrap()));
    }
    for gruu in &gruus {
        let (response, request) = tokio::join!(write(&mut alice, gruu, gruu), desk.serve(200));
        assert_eq!((response.status(), body(&request).as_str()), (Some(200), gruu.as_str()));
        assert!(request.request_uri().unwrap().as_str().contains("@127.0.0.1"));
        let contact = format!("Contact: <sip:alice@{}>\r\n", alice.address());
        let call = alice.ask("INVITE", gruu, "bob", &contact, "");
        let (response, invite) = tokio::join!(call, desk.serve(486));
        assert_eq!((response.status(), invite.request_uri().unwrap().has_param("gr")), (Some(486), false));
    }
    for unknown in ["sip:tgruu.abc@localhost;gr", "sip:bob@localhost;gr"] {
        assert_eq!(write(&mut alice, unknown, "hi").await.status(), Some(404), "{unknown}");
    }
    // Under another Call-ID the temporary ones end.
    desk.set_call_id("another");
    register(&mut desk, ONE, "", "Supported: gruu\r\n").await;
    assert_eq!(write(&mut alice, &gruus[1], "hi").await.status(), Some(404));
    assert_eq!(write(&mut alice, &gruus[3], "hi").await.status(), Some(404));
    let (response, _) = tokio::join!(write(&mut alice, &gruus[0], "hi"), desk.serve(200));
    assert_eq!(response.status(), Some(200));
    // The public one is of a phone that will be back.
    register(&mut desk, ONE, ";expires=0", "").await;
    assert_eq!(write(&mut alice, &gruus[0], "hi").await.status(), Some(480));
    let call = alice.ask("INVITE", &gruus[0], "bob", "Contact: <sip:alice@127.0.0.1>\r\n", "").await;
    assert_eq!(call.status(), Some(480));
}

#[tokio::test(flavor = "multi_thread")]
async fn gruu_as_a_contact_is_resolved_within_a_call_and_after_it_was_forgotten() {
    let mut house = House::with_accounts(&["alice", "bob"]).await;
    let mut alice = SipPhone::registered("alice", house.sip_udp(), "").await;
    let mut bob = SipPhone::new("bob", house.sip_udp()).await;
    let registered = register(&mut bob, ONE, "", "Supported: gruu\r\n").await;
    let gruu = parameter(&registered, ONE, "temp-gruu").unwrap();
    let contact = format!("Contact: <sip:alice@{}>\r\n", alice.address());
    let call = alice.ask("INVITE", "sip:bob@localhost", "bob", &contact, "");
    let (response, invite) = tokio::join!(call, bob.serve(200));
    assert_eq!(response.status(), Some(200));
    let route: String =
        invite.values(HeaderName::RecordRoute).map(|value| format!("Route: {value}\r\n")).collect();
    let to = "<sip:bob@localhost>;tag=phone";
    let bye = alice.ask("BYE", &gruu, to, &route, "");
    let (response, bye) = tokio::join!(bye, bob.serve(200));
    assert_eq!(response.status(), Some(200));
    assert_eq!(bye.request_uri().unwrap().as_str(), format!("sip:bob@{}", bob.address()));

    // Whoever forgot the call finds the phone all the same, and asks who wants it.
    house.stop().await;
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut alice = SipPhone::registered("alice", house.sip_udp(), "").await;
    let mut bob = SipPhone::new("bob", house.sip_udp()).await;
    let registered = register(&mut bob, ONE, "", "Supported: gruu\r\n").await;
    let gruu = parameter(&registered, ONE, "pub-gruu").unwrap();
    assert_eq!(alice.ask_once("BYE", &gruu, to, "", "").await.status(), Some(407));
    let (response, bye) = tokio::join!(alice.ask("BYE", &gruu, to, &route, ""), bob.serve(200));
    assert_eq!(response.status(), Some(200));
    assert!(!bye.has(HeaderName::Route) && !bye.has(HeaderName::ProxyAuthorization));
    let unknown = alice.ask("BYE", "sip:bob@localhost;gr=nobody", to, "", "").await;
    assert_eq!(unknown.status(), Some(481));
}

#[tokio::test(flavor = "multi_thread")]
async fn watchers_are_shown_the_public_gruu_and_sessions_keep_their_names() {
    let house = House::with_accounts(&["bob"]).await;
    let mut bob = SipPhone::new("bob", house.sip_udp()).await;
    register(&mut bob, ONE, "", "").await;
    let contact = format!("Contact: <sip:bob@{}>\r\nEvent: presence\r\n", bob.address());
    assert_eq!(bob.ask("SUBSCRIBE", "sip:bob@localhost", "bob", &contact, "").await.status(), Some(200));
    loop {
        let document = body(&bob.serve(200).await);
        if document.contains(&format!("sip:bob@localhost;gr={ONE}</contact>")) {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn subscription_of_a_gruu_goes_on_by_the_next_connection() {
    let house = House::with_accounts(&["bob"]).await;
    let mut bob = SipPhone::connected("bob", house.sip_tcp()).await;
    let registered = register(&mut bob, ONE, "", "Supported: gruu\r\n").await;
    let gruu = parameter(&registered, ONE, "pub-gruu").unwrap();
    let contact = format!("Contact: <{gruu}>\r\nEvent: presence\r\n");
    assert_eq!(bob.ask("SUBSCRIBE", "sip:bob@localhost", "bob", &contact, "").await.status(), Some(200));
    bob.serve(200).await;
    drop(bob);
    let mut bob = SipPhone::connected("bob", house.sip_tcp()).await;
    register(&mut bob, ONE, "", "").await;
    let notify = bob.serve(200).await;
    assert!(body(&notify).contains("<basic>open"));
    // RFC 5627 §6.1: what is named by a GRUU is asked by the contact that it registered.
    assert_eq!(notify.request_uri().unwrap().as_str(), format!("sip:bob@{}", bob.address()));
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_flow_of_datagrams_ends_and_stun_keeps_it() {
    let house = House::start_with(|config| {
        config.sip.flow_timer_seconds = 1;
        config.sip.register_min_seconds = 1;
    })
    .await;
    house.add_account("bob").await;
    let mut lively = SipPhone::new("bob", house.sip_udp()).await;
    let mut silent = SipPhone::new("bob", house.sip_udp()).await;
    let mut eyes = SipPhone::new("bob", house.sip_udp()).await;
    for (phone, instance) in [(&mut lively, ONE), (&mut silent, TWO)] {
        let response = register(phone, instance, ";reg-id=1", "Supported: outbound\r\n").await;
        assert_eq!(response.text(HeaderName::FlowTimer).as_deref(), Some("1"));
    }
    let left = async {
        loop {
            lively.ping_stun().await;
            let listed = eyes.ask("REGISTER", "sip:localhost", "bob", "", "").await;
            if listed.values(HeaderName::Contact).count() < 2 {
                return listed;
            }
        }
    };
    let left = soon("the end of a silent flow", left).await;
    assert!(left.values(HeaderName::Contact).all(|contact| contact.contains(ONE)), "{left:?}");
    assert_eq!(left.values(HeaderName::Contact).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_flow_of_a_phone_gets_a_request_and_the_next_one_when_it_fails() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut alice = SipPhone::registered("alice", house.sip_udp(), "").await;
    let mut first = SipPhone::connected("bob", house.sip_tcp()).await;
    let mut second = SipPhone::new("bob", house.sip_udp()).await;
    let headers = "Supported: outbound, path, gruu\r\n";
    let response = register(&mut first, ONE, ";reg-id=1", headers).await;
    assert_eq!(response.status(), Some(200));
    assert!(response.has_token(HeaderName::Require, "outbound"));
    assert_eq!(response.text(HeaderName::FlowTimer).as_deref(), Some("120"));
    let response = register(&mut second, ONE, ";reg-id=2", headers).await;
    let reg_ids: Vec<_> =
        response.values(HeaderName::Contact).map(|value| NameAddr::parse(&value).unwrap().reg_id()).collect();
    assert_eq!(reg_ids, [Some(1), Some(2)]);
    assert_eq!(response.text(HeaderName::FlowTimer).as_deref(), Some("120"), "by STUN");

    let (response, _) = tokio::join!(write(&mut alice, "sip:bob@localhost", "one"), second.serve(200));
    assert_eq!(response.status(), Some(200));
    let both = async {
        second.serve(430).await;
        first.serve(200).await
    };
    let (response, request) = tokio::join!(write(&mut alice, "sip:bob@localhost", "two"), both);
    assert_eq!((response.status(), body(&request).as_str()), (Some(200), "two"));
    let contact = format!("Contact: <sip:alice@{}>\r\n", alice.address());
    let both = async {
        second.serve(430).await;
        first.serve(486).await
    };
    let (response, _) = tokio::join!(alice.ask("INVITE", "sip:bob@localhost", "bob", &contact, ""), both);
    assert_eq!(response.status(), Some(486));
    // What the phone itself says is final.
    let (response, _) =
        tokio::join!(alice.ask("INVITE", "sip:bob@localhost", "bob", &contact, ""), second.serve(480));
    assert_eq!(response.status(), Some(480));

    // A connection that ends takes its flow, not the phone.
    drop(first);
    let fetched = async {
        loop {
            let list = second.ask("REGISTER", "sip:localhost", "bob", "", "").await;
            if list.values(HeaderName::Contact).count() == 1 {
                return list;
            }
        }
    };
    let list = soon("the end of a flow", fetched).await;
    assert_eq!(listed(&list, ONE).unwrap().reg_id(), Some(2));
    let (response, _) = tokio::join!(write(&mut alice, "sip:bob@localhost", "three"), second.serve(200));
    assert_eq!(response.status(), Some(200));
}

#[tokio::test(flavor = "multi_thread")]
async fn flows_are_promised_only_where_they_are_kept() {
    let house = House::with_accounts(&["bob"]).await;
    let mut bob = SipPhone::new("bob", house.sip_udp()).await;
    let hop = "Via: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKphone\r\n";
    let path = "Path: <sip:token@edge.example.org;lr>\r\n";
    let edge = "Path: <sip:token@edge.example.org;lr;ob>\r\n";
    for (parameters, headers, status, is_promised) in [
        (";reg-id=1", "Supported: outbound\r\n".to_owned(), 200, true),
        (";reg-id=1", String::new(), 200, false),
        ("", "Supported: outbound\r\n".to_owned(), 200, false),
        (";reg-id=1", format!("{hop}Supported: outbound, path\r\n{path}"), 439, false),
        (";reg-id=1", format!("{hop}Supported: outbound, path\r\n"), 439, false),
        (";reg-id=1", format!("{hop}Supported: outbound, path\r\n{edge}"), 200, true),
        (";reg-id=1", format!("{hop}Supported: path\r\n{path}"), 200, false),
        (";reg-id=1, <sip:other@127.0.0.1>", "Supported: outbound\r\n".to_owned(), 400, false),
        ("", path.to_owned(), 420, false),
    ] {
        let response = register(&mut bob, ONE, parameters, &headers).await;
        assert_eq!(response.status(), Some(status), "{parameters} {headers}");
        assert_eq!(response.has_token(HeaderName::Require, "outbound"), is_promised, "{headers}");
        assert_eq!(response.has(HeaderName::Path), status == 200 && headers.contains("Path:"), "{headers}");
        if status == 420 {
            assert_eq!(response.text(HeaderName::Unsupported).unwrap(), "path");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_take_the_path_of_the_registration() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut alice = SipPhone::registered("alice", house.sip_udp(), "").await;
    let mut proxy = SipPhone::new("bob", house.sip_udp()).await;
    let address = proxy.address();
    let headers = format!(
        "Via: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKphone\r\nSupported: path, outbound\r\n\
         Path: <sip:{address};lr>, <sip:token@10.0.0.1;lr;ob>\r\n\
         Contact: <sip:bob@10.0.0.9:5099>;+sip.instance=\"<{ONE}>\";reg-id=1\r\n"
    );
    let response = proxy.ask("REGISTER", "sip:localhost", "bob", &headers, "").await;
    assert_eq!(response.status(), Some(200));
    let hops = [format!("<sip:{address};lr>"), "<sip:token@10.0.0.1;lr;ob>".to_owned()];
    assert_eq!(response.values(HeaderName::Path).collect::<Vec<_>>(), hops);
    let (_, message) = tokio::join!(write(&mut alice, "sip:bob@localhost", "hi"), proxy.serve(200));
    let contact = format!("Contact: <sip:alice@{}>\r\n", alice.address());
    let call = alice.ask("INVITE", "sip:bob@localhost", "bob", &contact, "");
    let (response, invite) = tokio::join!(call, proxy.serve(480));
    assert_eq!(response.status(), Some(480));
    for request in [message, invite] {
        assert_eq!(request.values(HeaderName::Route).collect::<Vec<_>>(), hops);
        assert_eq!(request.request_uri().unwrap().as_str(), "sip:bob@10.0.0.9:5099");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_trusted_because_others_registered_through_his_proxy() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut proxy = SipPhone::connected("bob", house.sip_tcp()).await;
    let headers = "Via: SIP/2.0/TCP 10.0.0.9;branch=z9hG4bKphone\r\nContact: <sip:bob@10.0.0.9>\r\n";
    let response = proxy.ask("REGISTER", "sip:localhost", "bob", headers, "").await;
    assert_eq!(response.status(), Some(200));
    let text = "Content-Type: text/plain\r\n";
    let response = proxy.ask_once("MESSAGE", "sip:alice@localhost", "alice", text, "in his name").await;
    assert_eq!(response.status(), Some(407));
}
