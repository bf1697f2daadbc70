//! The documents of the event packages `presence.winfo`, `reg` and `dialog`, as a server sends them in the course
//! of things, before libxml2 and the schemas of their RFCs.

use rollcall::sip::message::{HeaderName, Message};
use serde_json::json;

use crate::support::{House, Program, SipPhone, body};

/// Follows an event package of his own account.
struct Reader {
    phone: SipPhone,
    judge: Program,
}

impl Reader {
    async fn new(house: &House, user: &str, package: &str) -> Self {
        let phone = SipPhone::new(user, house.sip_udp()).await;
        let judge = Program::python("libxml2", "tests/interop/presence_documents.py", &[]);
        let mut reader = Self { phone, judge };
        assert_eq!(reader.subscribe(user, package).await.status(), Some(200));
        reader
    }

    async fn subscribe(&mut self, to: &str, package: &str) -> Message {
        let contact = format!("Contact: <sip:eyes@{}>\r\nEvent: {package}\r\n", self.phone.address());
        self.phone.ask("SUBSCRIBE", &format!("sip:{to}@localhost"), to, &contact, "").await
    }

    /// Reads until a document has all of this; each one on the way is valid.
    async fn sees(&mut self, words: &[&str]) -> String {
        loop {
            let notify = self.phone.serve(200).await;
            let document = body(&notify);
            if notify.has(HeaderName::ContentType) {
                let command = json!({"do": "validate", "schema": "events", "documents": [&document]});
                self.judge.ask(command).await;
            }
            if words.iter().all(|word| document.contains(word)) {
                return document;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_about_calls_registrations_and_watchers_are_valid() {
    let house = House::start_with(|config| config.sip.notify_interval_ms = 0).await;
    for local in ["alice", "bob", "carol"] {
        house.add_account(local).await;
    }
    let mut watchers = Reader::new(&house, "bob", "presence.winfo").await;
    let mut registrations = Reader::new(&house, "bob", "reg").await;
    let mut calls = Reader::new(&house, "bob", "dialog").await;
    watchers.sees(&["state=\"full\""]).await;
    registrations.sees(&["state=\"init\""]).await;
    calls.sees(&["</dialog-info>"]).await;

    let mut bob = SipPhone::new("bob", house.sip_udp()).await;
    let contact = format!(
        "Contact: <sip:bob@{}>;+sip.instance=\"<urn:uuid:1&2>\";audio;q=0.5\r\nSupported: gruu\r\n",
        bob.address()
    );
    assert_eq!(bob.ask("REGISTER", "sip:localhost", "bob", &contact, "").await.status(), Some(200));
    registrations.sees(&["event=\"registered\"", ":temp-gruu"]).await;

    let mut carol = SipPhone::new("carol", house.sip_udp()).await;
    let contact = format!("Contact: <sip:carol@{}>\r\nEvent: presence\r\n", carol.address());
    assert_eq!(carol.ask("SUBSCRIBE", "sip:bob@localhost", "bob", &contact, "").await.status(), Some(200));
    watchers.sees(&["status=\"pending\"", "sip:carol@localhost"]).await;

    let mut alice = SipPhone::registered("alice", house.sip_udp(), "").await;
    let contact = format!(
        "Contact: <sip:alice@{}>\r\nReplaces: other;to-tag=b;from-tag=a\r\n\
         Referred-By: \"C & D\" <sip:carol@localhost>\r\n",
        alice.address()
    );
    let answer = async {
        let (answer, _) = tokio::join!(
            alice.ask("INVITE", "sip:bob@localhost", "bob", &contact, ""),
            bob.serve_with(200, "Contact: <sip:bob@192.0.2.9>\r\n")
        );
        answer
    };
    let (answer, seen) = tokio::join!(answer, calls.sees(&[">confirmed<"]));
    assert_eq!(answer.status(), Some(200));
    assert!(seen.contains("<replaces call-id=\"other\" local-tag=\"b\" remote-tag=\"a\"/>"), "{seen}");
    assert!(seen.contains("<target uri=\"sip:bob@192.0.2.9\"/>"), "where another phone takes the call over");
    assert!(seen.contains("<referred-by display=\"C &amp; D\">sip:carol@localhost</referred-by>"), "{seen}");

    assert_eq!(
        bob.ask("REGISTER", "sip:localhost", "bob", "Contact: *\r\nExpires: 0\r\n", "").await.status(),
        Some(200)
    );
    registrations.sees(&["state=\"terminated\"", "event=\"unregistered\""]).await;
    calls.sees(&[">terminated<"]).await;
}

/// RFC 6665 §4.1.2.2: what is accepted may change with every SUBSCRIBE.
#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_may_ask_for_another_format_within_the_dialog() {
    let house = House::with_accounts(&["bob"]).await;
    let mut bob = SipPhone::new("bob", house.sip_udp()).await;
    let contact = format!("Contact: <sip:bob@{}>\r\nEvent: presence\r\n", bob.address());
    let first = bob.ask("SUBSCRIBE", "sip:bob@localhost", "bob", &contact, "").await;
    assert_eq!(bob.serve(200).await.text(HeaderName::ContentType).unwrap(), "application/pidf+xml");
    let tag = first.tag(HeaderName::To).unwrap();
    for (accept, expect) in [
        ("Accept: text/lpidf\r\n", "text/lpidf"),
        ("", "text/lpidf"),
        ("Accept: application/pidf-diff+xml, application/pidf+xml;q=0.1\r\n", "application/pidf-diff+xml"),
        ("Accept: application/pidf+xml\r\n", "application/pidf+xml"),
    ] {
        let to = format!("<sip:bob@localhost>;tag={tag}");
        let answer = bob.ask("SUBSCRIBE", "sip:bob@localhost", &to, &format!("{contact}{accept}"), "").await;
        assert_eq!(answer.status(), Some(200), "{accept}");
        let kind = bob.serve(200).await.text(HeaderName::ContentType).unwrap().into_owned();
        assert!(kind.starts_with(expect), "{accept}: {kind}");
    }
}
