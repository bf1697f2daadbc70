//! Flows, GRUUs and Path (RFC 5626, RFC 5627, RFC 3327) with the phones of other people.

use rollcall::sip::message::{HeaderName, NameAddr};

use crate::support::{Baresip, House, Linphone, PASSWORD, Phone, SipPhone, SipTransport, Sipp, body, soon};

#[tokio::test(flavor = "multi_thread")]
async fn sipp_is_told_what_its_registration_is_worth() {
    let house = House::with_accounts(&["bob"]).await;
    let (udp, tcp) = ((house.sip_udp(), SipTransport::Udp), (house.sip_tcp(), SipTransport::Tcp));
    for (scenario, (server, transport)) in
        [("flows", tcp), ("path", udp), ("path", tcp), ("lacking", udp), ("lacking", tcp)]
    {
        Sipp::new(scenario, server, transport).login("bob", PASSWORD).run().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn linphone_is_called_and_hung_up_on_by_its_gruu() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut bob = Linphone::registered("bob", house.sip_tcp()).await;
    let mut alice = Linphone::registered("alice", house.sip_tcp()).await;
    alice.say("message sip:bob@localhost by its own words").await;
    bob.read("by its own words").await;
    alice.say("call sip:bob@localhost").await;
    alice.call_is("LinphoneCallStreamsRunning").await;
    bob.call_is("LinphoneCallStreamsRunning").await;
    alice.say("terminate 1").await;
    bob.call_is("LinphoneCallReleased").await;
    let (sent, got) = (alice.log(), bob.log());
    assert!(sent.contains("BYE sip:bob@localhost;gr=urn:uuid:"), "it takes the GRUU that it was given");
    assert!(got.contains("BYE sip:bob@127.0.0.1:"), "and the other one is asked where it is");
}

#[tokio::test(flavor = "multi_thread")]
async fn baresip_with_two_flows_is_one_phone() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let second = format!(";sipnat=outbound;outbound2=\"sip:{};transport=udp\"", house.sip_udp());
    let mut bob = Baresip::registered(&Phone {
        address: "bob@localhost",
        password: PASSWORD,
        server: house.sip_tcp(),
        transport: "tcp",
        parameters: &second,
        contacts: &[],
    })
    .await;
    let mut eyes = SipPhone::new("bob", house.sip_udp()).await;
    let flows = async {
        loop {
            let listed = eyes.ask("REGISTER", "sip:localhost", "bob", "", "").await;
            let contacts = listed.values(HeaderName::Contact).map(|value| NameAddr::parse(&value).unwrap());
            let mut flows: Vec<_> = contacts.map(|contact| (contact.reg_id(), contact.instance())).collect();
            flows.sort();
            if let [(one, first), (two, second)] = &flows[..] {
                assert_eq!((one, two), (&Some(1), &Some(2)));
                assert!(first == second && first.is_some());
                return;
            }
        }
    };
    soon("two flows", flows).await;
    let mut alice = SipPhone::registered("alice", house.sip_udp(), "").await;
    assert_eq!(alice.write("bob", "once").await.status(), Some(200));
    bob.read("once").await;
    assert!(!bob.program().has_heard(|line| line.ends_with(": \"once\"")), "one flow gets it");
    let contact = format!("Contact: <sip:bob@{}>\r\nEvent: presence\r\n", eyes.address());
    assert_eq!(eyes.ask("SUBSCRIBE", "sip:bob@localhost", "bob", &contact, "").await.status(), Some(200));
    let document = loop {
        let document = body(&eyes.serve(200).await);
        if document.contains("<basic>open") {
            break document;
        }
    };
    assert_eq!(document.matches("<tuple").count(), 1, "{document}");
}
