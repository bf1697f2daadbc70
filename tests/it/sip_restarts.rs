//! Registrations over kill -9 and over a restart: by sockets, by SIPp and by baresip.

use std::{net::UdpSocket, time::Duration};

use rollcall::sip::message::{HeaderName, Message, NameAddr};

use crate::support::{
    Baresip, House, PASSWORD, Phone, Program, SipPhone, SipTransport, Sipp, Site, body, soon,
};

const INSTANCE: &str = "urn:uuid:00000000-0000-1000-8000-000000000001";

/// A server's folder with these accounts, and the server.
async fn site(folder: &tempfile::TempDir) -> (Site, Program) {
    let site = Site::new(folder.path());
    for local in ["alice", "bob"] {
        site.add_account(local).await;
    }
    let server = site.serve().await;
    (site, server)
}

async fn register(phone: &mut SipPhone, headers: &str) -> Message {
    let (user, address) = (phone.user.clone(), phone.address());
    let contact = format!("Contact: <sip:{user}@{address}>;+sip.instance=\"<{INSTANCE}>\"\r\n{headers}");
    phone.ask("REGISTER", "sip:localhost", &user, &contact, "").await
}

fn temporary_gruu(response: &Message) -> String {
    let contact = response.values(HeaderName::Contact).next().expect("a contact");
    let contact = NameAddr::parse(&contact).unwrap();
    contact.params.value("temp-gruu").expect("a temporary GRUU").into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn phones_on_datagrams_are_reached_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let (site, mut server) = site(&folder).await;
    let mut alice = SipPhone::registered("alice", site.sip, "").await;
    let mut bob = SipPhone::new("bob", site.sip).await;
    let first = temporary_gruu(&register(&mut bob, "Supported: gruu\r\n").await);
    let last = temporary_gruu(&register(&mut bob, "Supported: gruu\r\n").await);
    // One that took its registration back stays away.
    let mut gone = SipPhone::registered("bob", site.sip, "").await;
    assert_eq!(gone.register(0, "").await.values(HeaderName::Contact).count(), 1);
    server.kill().await;
    let _server = site.serve().await;
    for uri in ["sip:bob@localhost".to_owned(), first, last, format!("sip:bob@localhost;gr={INSTANCE}")] {
        let send = alice.ask("MESSAGE", &uri, "bob", "Content-Type: text/plain\r\n", &uri);
        let (response, request) = tokio::join!(send, bob.serve(200));
        assert_eq!((response.status(), body(&request)), (Some(200), uri));
    }
    let listed = bob.ask("REGISTER", "sip:localhost", "bob", "", "").await;
    assert_eq!(listed.values(HeaderName::Contact).count(), 1);
    // It is the same registration: what came before it is out of order.
    assert_eq!(register(&mut bob, "").await.values(HeaderName::Contact).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn phone_whose_connection_was_killed_is_there_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let (site, mut server) = site(&folder).await;
    let mut alice = SipPhone::registered("alice", site.sip, "").await;
    let mut bob = SipPhone::connected("bob", site.sip).await;
    assert_eq!(register(&mut bob, "Supported: gruu\r\n").await.status(), Some(200));
    server.kill().await;
    let _server = site.serve().await;
    let listed = alice.ask("REGISTER", "sip:localhost", "alice", "", "").await;
    assert_eq!(listed.values(HeaderName::Contact).count(), 1);
    let mut other = SipPhone::new("bob", site.sip).await;
    let listed = other.ask("REGISTER", "sip:localhost", "bob", "", "").await;
    assert_eq!(listed.values(HeaderName::Contact).count(), 1, "it is registered as before");
    assert_eq!(alice.write("bob", "meanwhile").await.status(), Some(202));
    let contact = format!("Contact: <sip:alice@{}>\r\n", alice.address());
    let call = alice.ask("INVITE", "sip:bob@localhost", "bob", &contact, "").await;
    assert_eq!(call.status(), Some(480));
    let mut bob = SipPhone::connected("bob", site.sip).await;
    let response = register(&mut bob, "Supported: gruu\r\n").await;
    assert_eq!(response.values(HeaderName::Contact).count(), 1, "it is the same phone");
    assert_eq!(body(&bob.serve(200).await), "meanwhile");
    let (response, _) = tokio::join!(alice.write("bob", "again"), bob.serve(200));
    assert_eq!(response.status(), Some(200));
}

/// What rests on a password ends with it, also where that changes while nobody is there to see it.
#[tokio::test(flavor = "multi_thread")]
async fn phones_of_a_password_that_changed_meanwhile_are_not_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let (site, mut server) = site(&folder).await;
    let mut alice = SipPhone::registered("alice", site.sip, "").await;
    let _bob = SipPhone::registered("bob", site.sip, "").await;
    server.kill().await;
    site.set_password("bob", "another horse").await;
    let _server = site.serve().await;
    assert_eq!(alice.write("bob", "are you there?").await.status(), Some(202));
}

/// Whatever the way to the phone was, who watches it is never told that it went.
#[tokio::test(flavor = "multi_thread")]
async fn watchers_see_phones_as_before_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let (site, mut server) = site(&folder).await;
    let mut desk = SipPhone::new("bob", site.sip).await;
    assert_eq!(desk.register(600, "").await.status(), Some(200));
    let mut bag = SipPhone::connected("bob", site.sip).await;
    assert_eq!(register(&mut bag, "").await.status(), Some(200));
    let mut eyes = SipPhone::new("bob", site.sip).await;
    let contact = format!("Contact: <sip:bob@{}>\r\nEvent: presence\r\n", eyes.address());
    assert_eq!(eyes.ask("SUBSCRIBE", "sip:bob@localhost", "bob", &contact, "").await.status(), Some(200));
    while body(&eyes.serve(200).await).matches("<basic>open").count() < 2 {}
    server.kill().await;
    let _server = site.serve().await;
    let told = body(&eyes.serve(200).await);
    assert_eq!(told.matches("<basic>open").count(), 2, "{told}");
    // The one that comes back changes nothing that anybody would see.
    let mut bag = SipPhone::connected("bob", site.sip).await;
    assert_eq!(register(&mut bag, "").await.status(), Some(200));
    let mut other = SipPhone::new("bob", site.sip).await;
    assert_eq!(other.register(600, "").await.status(), Some(200));
    loop {
        let told = body(&eyes.serve(200).await);
        let open = told.matches("<basic>open").count();
        assert!(open >= 2, "{told}");
        if open == 3 {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn phone_that_does_not_come_back_is_gone_after_its_grace() {
    let mut house = House::start_with(|config| config.sip.reconnect_seconds = 1).await;
    house.add_account("bob").await;
    let mut bob = SipPhone::connected("bob", house.sip_tcp()).await;
    let mut desk = SipPhone::new("bob", house.sip_udp()).await;
    assert_eq!(desk.register(600, "").await.status(), Some(200));
    assert_eq!(register(&mut bob, "").await.values(HeaderName::Contact).count(), 2);
    house.restart().await;
    let mut eyes = SipPhone::new("bob", house.sip_udp()).await;
    let alone = async {
        loop {
            let listed = eyes.ask("REGISTER", "sip:localhost", "bob", "", "").await;
            match listed.values(HeaderName::Contact).count() {
                1 => return listed.values(HeaderName::Contact).next().unwrap().into_owned(),
                0 => panic!("datagrams reach a phone as before"),
                _ => {}
            }
        }
    };
    let left = soon("the end of the lost one", alone).await;
    assert!(left.contains(&desk.address().to_string()), "{left}");
}

#[tokio::test(flavor = "multi_thread")]
async fn phone_of_a_removed_account_does_not_come_back_for_the_next_of_that_name() {
    let mut house = House::with_accounts(&["bob"]).await;
    let _bob = SipPhone::registered("bob", house.sip_udp(), "").await;
    house.restart().await;
    let address = crate::support::address("bob");
    house.server().authenticator().remove_account(&address).await.unwrap();
    house.restart().await;
    house.add_account("bob").await;
    let mut eyes = SipPhone::new("bob", house.sip_udp()).await;
    let listed = eyes.ask("REGISTER", "sip:localhost", "bob", "", "").await;
    assert_eq!((listed.status(), listed.has(HeaderName::Contact)), (Some(200), false));
}

#[tokio::test(flavor = "multi_thread")]
async fn baresip_and_sipp_are_called_after_a_kill_without_registering_again() {
    let folder = tempfile::tempdir().unwrap();
    let (site, mut server) = site(&folder).await;
    let mut bob = Baresip::registered(&Phone {
        address: "bob@localhost",
        password: PASSWORD,
        server: site.sip,
        transport: "udp",
        parameters: "",
        contacts: &[],
    })
    .await;
    server.kill().await;
    let mut server = site.serve().await;
    let mut alice = SipPhone::new("alice", site.sip).await;
    assert_eq!(alice.write("bob", "still there?").await.status(), Some(200));
    bob.read("still there?").await;
    drop(bob);
    let mut bob = SipPhone::new("bob", site.sip).await;
    let all = "Contact: *\r\nExpires: 0\r\n";
    assert_eq!(bob.ask("REGISTER", "sip:localhost", "bob", all, "").await.status(), Some(200));

    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let register = Sipp::new("register", site.sip, SipTransport::Udp).login("bob", PASSWORD);
    register.key("seconds", "600").option("-p", &port).run().await;
    server.kill().await;
    let _server = site.serve().await;
    let mut answer = Sipp::new("answer", site.sip, SipTransport::Udp).option("-p", &port);
    let answering = answer.start();
    let call = Sipp::new("call", site.sip, SipTransport::Udp).login("alice", PASSWORD).key("peer", "bob");
    tokio::time::timeout(Duration::from_secs(60), call.run()).await.expect("a call");
    answering.finish().await;
}
