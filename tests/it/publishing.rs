//! PUBLISH (RFC 3903) as phones do it: several publications of one account, their order, their end, and
//! their life across a restart and a kill.

use rollcall::sip::message::{HeaderName, Message};

use crate::support::{House, PASSWORD, Program, SipPhone, SipTransport, Sipp, Site, body};

/// A document with one tuple.
fn pidf(id: &str, basic: &str, extended: &str) -> String {
    format!(
        "<presence xmlns='urn:ietf:params:xml:ns:pidf' xmlns:a='urn:ag-projects:xml:ns:pidf' \
         entity='sip:bob@localhost'><tuple id='{id}'><status><basic>{basic}</basic>\
         <a:extended>{extended}</a:extended></status></tuple></presence>"
    )
}

async fn publish(phone: &mut SipPhone, headers: &str, document: &str) -> Message {
    let content = if document.is_empty() { "" } else { "Content-Type: application/pidf+xml\r\n" };
    let headers = format!("Event: presence\r\n{content}{headers}");
    phone.ask("PUBLISH", "sip:bob@localhost", "bob", &headers, document).await
}

/// The tag of a publication that was accepted.
#[track_caller]
fn tag_of(response: &Message) -> String {
    assert_eq!(response.status(), Some(200), "{response:?}");
    format!("SIP-If-Match: {}\r\n", response.text(HeaderName::SipEtag).expect("an entity tag"))
}

/// Bob himself, who looks at his own presence.
async fn watch(server: std::net::SocketAddr) -> SipPhone {
    let mut eyes = SipPhone::new("bob", server).await;
    let contact = format!("Contact: <sip:bob@{}>\r\nEvent: presence\r\n", eyes.address());
    let accepted = eyes.ask("SUBSCRIBE", "sip:bob@localhost", "bob", &contact, "").await;
    assert_eq!(accepted.status(), Some(200));
    eyes
}

/// Waits for a notification that has all of these words of `extended`, and as many tuples.
async fn sees(eyes: &mut SipPhone, extended: &[&str]) -> String {
    loop {
        let document = body(&eyes.serve(200).await);
        let has = |word: &&str| document.contains(&format!(":extended>{word}</"));
        if document.matches("<tuple").count() == extended.len() && extended.iter().all(has) {
            return document;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn publications_survive_a_restart_and_expired_ones_do_not() {
    let mut house = House::start_with(|config| config.sip.publish_min_seconds = 1).await;
    house.add_account("bob").await;
    let mut phone = SipPhone::new("bob", house.sip_udp()).await;
    let first = publish(&mut phone, "", &pidf("desk", "open", "busy")).await;
    let refreshed = publish(&mut phone, &tag_of(&first), "").await;
    let mut other = SipPhone::new("bob", house.sip_udp()).await;
    let short = publish(&mut other, "Expires: 1\r\n", &pidf("lamp", "open", "away")).await;
    let removed = publish(&mut other, "", &pidf("door", "open", "available")).await;
    let removal = format!("{}Expires: 0\r\n", tag_of(&removed));
    let removed = tag_of(&publish(&mut other, &removal, "").await);
    house.restart().await;

    let mut phone = SipPhone::new("bob", house.sip_udp()).await;
    let mut eyes = watch(house.sip_udp()).await;
    // Whether the short one was still there at first is a matter of how long the restart took.
    sees(&mut eyes, &["busy"]).await;
    assert_eq!(publish(&mut phone, &tag_of(&short), "").await.status(), Some(412));
    assert_eq!(publish(&mut phone, &removed, "").await.status(), Some(412));
    assert_eq!(publish(&mut phone, &tag_of(&first), "").await.status(), Some(412));
    let tag = tag_of(&publish(&mut phone, &tag_of(&refreshed), "").await);
    let tag = tag_of(&publish(&mut phone, &tag, &pidf("desk", "open", "away")).await);
    sees(&mut eyes, &["away"]).await;
    house.restart().await;
    let mut phone = SipPhone::new("bob", house.sip_udp()).await;
    tag_of(&publish(&mut phone, &tag, "").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_loses_no_publication_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path());
    site.add_account("bob").await;
    let mut server: Program = site.serve().await;
    let mut phone = SipPhone::registered("bob", site.sip, "").await;
    let mut tag = tag_of(&publish(&mut phone, "", &pidf("desk", "open", "available")).await);
    for state in ["away", "busy"] {
        let modified = publish(&mut phone, &tag, &pidf("desk", "open", state)).await;
        tag = tag_of(&modified);
        server.kill().await;
        server = site.serve().await;
        let mut eyes = watch(site.sip).await;
        sees(&mut eyes, &[state]).await;
        assert_eq!(phone.register(600, "").await.status(), Some(200));
        tag = tag_of(&publish(&mut phone, &tag, "").await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_devices_that_publish_by_one_phone_are_both_shown() {
    let house = House::with_accounts(&["bob"]).await;
    let mut phone = SipPhone::registered("bob", house.sip_udp(), "").await;
    let mut eyes = watch(house.sip_udp()).await;
    let desk = tag_of(&publish(&mut phone, "", &pidf("desk", "open", "busy")).await);
    sees(&mut eyes, &["busy"]).await;
    publish(&mut phone, "", &pidf("lamp", "open", "away")).await;
    sees(&mut eyes, &["busy", "away"]).await;
    // A 200 that was lost: the client publishes the same device once more, and the newest counts.
    let again = tag_of(&publish(&mut phone, "", &pidf("desk", "open", "available")).await);
    sees(&mut eyes, &["available", "away"]).await;
    publish(&mut phone, &format!("{desk}Expires: 0\r\n"), "").await;
    publish(&mut phone, &again, &pidf("desk", "open", "busy")).await;
    sees(&mut eyes, &["busy", "away"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn publication_outlives_the_registration_of_its_phone() {
    let house = House::with_accounts(&["bob"]).await;
    let mut phone = SipPhone::registered("bob", house.sip_udp(), "").await;
    let mut eyes = watch(house.sip_udp()).await;
    let tag = tag_of(&publish(&mut phone, "", &pidf("desk", "open", "busy")).await);
    assert_eq!(phone.register(0, "").await.status(), Some(200));
    sees(&mut eyes, &["busy"]).await;
    let tag = tag_of(&publish(&mut phone, &tag, &pidf("desk", "open", "away")).await);
    sees(&mut eyes, &["away"]).await;
    assert_eq!(phone.register(600, "").await.status(), Some(200));
    let tag = tag_of(&publish(&mut phone, &tag, &pidf("desk", "open", "busy")).await);
    sees(&mut eyes, &["busy"]).await;
    publish(&mut phone, &format!("{tag}Expires: 0\r\n"), "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn document_of_a_person_alone_leaves_her_phone_there() {
    let house = House::with_accounts(&["bob"]).await;
    let mut phone = SipPhone::registered("bob", house.sip_udp(), "").await;
    let document = "<presence xmlns='urn:ietf:params:xml:ns:pidf' entity='sip:bob@localhost' \
        xmlns:dm='urn:ietf:params:xml:ns:pidf:data-model' xmlns:r='urn:ietf:params:xml:ns:pidf:rpid'>\
        <dm:person id='p'><r:activities><r:meeting/></r:activities></dm:person></presence>";
    tag_of(&publish(&mut phone, "", document).await);
    let mut eyes = watch(house.sip_udp()).await;
    let seen = sees(&mut eyes, &["busy"]).await;
    assert!(seen.contains("<basic>open</basic>") && seen.contains(":meeting/>"), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn publications_end_with_the_password_that_they_were_made_with() {
    let mut house = House::with_accounts(&["bob"]).await;
    let bob = "bob@localhost".parse().unwrap();
    let device = house.server().authenticator().add_device(&bob, "desk").await.unwrap();
    let mut desk = SipPhone::new("bob", house.sip_udp()).await;
    desk.set_password(&device.password);
    assert_eq!(desk.register(600, "").await.status(), Some(200));
    let first = tag_of(&publish(&mut desk, "", &pidf("desk", "open", "busy")).await);
    let mut other = SipPhone::new("bob", house.sip_udp()).await;
    let second = tag_of(&publish(&mut other, "", &pidf("lamp", "open", "away")).await);
    let mut eyes = watch(house.sip_udp()).await;
    sees(&mut eyes, &["busy", "away"]).await;
    assert_eq!(house.server().authenticator().remove_device(&bob, device.id).await, Ok(true));
    sees(&mut eyes, &["away"]).await;
    let refresh = publish(&mut other, &first, "").await;
    assert_eq!(refresh.status(), Some(412), "it ended with the device's password");
    let second = tag_of(&publish(&mut other, &second, "").await);
    house.restart().await;
    other.move_to(house.sip_udp());
    assert_eq!(publish(&mut other, &first, "").await.status(), Some(412));
    tag_of(&publish(&mut other, &second, "").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn document_that_is_larger_than_a_packet_reaches_its_watcher() {
    let house = House::with_accounts(&["bob"]).await;
    let mut phone = SipPhone::registered("bob", house.sip_udp(), "").await;
    let mut eyes = watch(house.sip_udp()).await;
    let note = "word ".repeat(1000);
    let document = pidf("desk", "open", "busy").replace("</tuple>", &format!("<note>{note}</note></tuple>"));
    publish(&mut phone, "", &document).await;
    let seen = sees(&mut eyes, &["busy"]).await;
    assert!(seen.contains(note.trim()), "{seen}");
    let mut later = watch(house.sip_udp()).await;
    sees(&mut later, &["busy"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_much_is_refused() {
    let house = House::start_with(|config| {
        config.sip.publications = 2;
        config.sip.publication_bytes = 1024;
    })
    .await;
    house.add_account("bob").await;
    let mut phone = SipPhone::new("bob", house.sip_udp()).await;
    let large = publish(&mut phone, "", &pidf(&"x".repeat(1024), "open", "busy")).await;
    assert_eq!(large.status(), Some(413));
    for (id, status) in [("a", 200), ("b", 200), ("c", 403)] {
        let answer = publish(&mut phone, "", &pidf(id, "open", "busy")).await;
        assert_eq!(answer.status(), Some(status), "{id}");
    }
}

/// Initial, refresh, modification, removal, and every refusal, with the exact status, headers and absence of
/// others (`tests/interop/sipp/publish.xml`).
#[tokio::test(flavor = "multi_thread")]
async fn sipp_publishes_and_is_refused() {
    let house = House::with_accounts(&["bob"]).await;
    for (server, transport) in [(house.sip_udp(), SipTransport::Udp), (house.sip_tcp(), SipTransport::Tcp)] {
        Sipp::new("publish", server, transport).login("bob", PASSWORD).run().await;
    }
}
