//! Documents followed by SIP (`xcap-diff`, RFC 5875): what is told first and later, whoever changed what; libxml2
//! as the reader of what is told.

use bytes::Bytes;
use rollcall::{
    documents::{Change, Document},
    signal::DocumentId,
    sip::message::{HeaderName, Message},
};
use serde_json::json;

use crate::support::{House, Program, SipPhone, body};

/// A subscriber and the account that he watches: his own.
struct Follower {
    house: House,
    phone: SipPhone,
    judge: Program,
}

const LISTS: &str = "resource-lists/users/sip:bob@localhost/index";

impl Follower {
    async fn new() -> Self {
        let house = House::start_with(|config| config.sip.notify_interval_ms = 0).await;
        house.add_account("bob").await;
        let phone = SipPhone::new("bob", house.sip_udp()).await;
        let judge = Program::python("libxml2", "tests/interop/presence_documents.py", &[]);
        Self { house, phone, judge }
    }

    /// A SUBSCRIBE for these, outside of dialogs or within one.
    async fn subscribe(&mut self, within: Option<&Message>, headers: &str, uris: &[&str]) -> Message {
        let contact = format!(
            "Contact: <sip:bob@{}>\r\nContent-Type: application/resource-lists+xml\r\n{headers}",
            self.phone.address()
        );
        let entries: String = uris.iter().map(|uri| format!("<entry uri=\"{uri}\"/>")).collect();
        let list = format!(
            "<?xml version='1.0'?><resource-lists xmlns='urn:ietf:params:xml:ns:resource-lists'><list>{entries}</list></resource-lists>"
        );
        let tag = within.map(|answer| answer.tag(HeaderName::To).unwrap());
        let to = tag.map_or_else(|| "bob".to_owned(), |tag| format!("<sip:bob@localhost>;tag={tag}"));
        self.phone.ask("SUBSCRIBE", "sip:bob@localhost", &to, &contact, &list).await
    }

    /// The next NOTIFY that tells something, valid; without its frame.
    async fn told(&mut self) -> String {
        let document = body(&self.phone.serve(200).await);
        self.judge.ask(json!({"do": "validate", "schema": "events", "documents": [&document]})).await;
        let (_, inside) =
            document.split_once("xcap-root=\"https://localhost/xcap-root/\">").expect("the root");
        inside.replace("</d:xcap-diff>", "")
    }

    /// Puts a document, or takes it away; gives its tag.
    async fn put(&self, name: &str, text: Option<&str>) -> String {
        let (application, name) = name.split_once('/').unwrap();
        let change = |_: Option<&Document>| {
            Ok::<_, ()>(
                text.map_or(Change::Remove, |text| Change::Put(Bytes::copy_from_slice(text.as_bytes()))),
            )
        };
        let bob = "bob@localhost".parse().unwrap();
        let changed =
            self.house.server().documents().change(&bob, &DocumentId::new(application, name), change).await;
        let after = changed.unwrap().after;
        after.map_or_else(String::new, |document| document.etag().trim_matches('"').to_owned())
    }
}

fn lists(inside: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<rl:resource-lists xmlns:rl=\"urn:ietf:params:xml:ns:resource-lists\">{inside}\
         <rl:list name=\"pad\"><rl:entry uri=\"sip:somebody@example.org\"/></rl:list></rl:resource-lists>"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_listed_first_and_then_what_becomes_of_them() {
    let mut it = Follower::new().await;
    let escaped = "resource-lists/users/sip%3Abob%40localhost/index";
    let first = it.put("resource-lists/index", Some(&lists(""))).await;
    let others = "resource-lists/users/sip:alice@localhost/index";
    let answer = it.subscribe(None, "Event: xcap-diff\r\n", &[escaped, others, "pidf-manipulation/"]).await;
    assert_eq!(answer.status(), Some(200));
    assert_eq!(it.told().await, format!("<d:document sel=\"{escaped}\" new-etag=\"{first}\"></d:document>"));
    let second = it.put("resource-lists/index", Some(&lists("<rl:list name=\"a\"/>"))).await;
    assert_eq!(
        it.told().await,
        format!(
            "<d:document previous-etag=\"{first}\" sel=\"{escaped}\" new-etag=\"{second}\"></d:document>"
        )
    );
    let made = it.put("pidf-manipulation/index", Some("<presence xmlns='urn:ietf:params:xml:ns:pidf' entity='sip:bob@localhost'><tuple id='t'><status/></tuple></presence>")).await;
    let new = "pidf-manipulation/users/sip:bob@localhost/index";
    assert_eq!(it.told().await, format!("<d:document sel=\"{new}\" new-etag=\"{made}\"></d:document>"));
    it.put("pidf-manipulation/index", None).await;
    assert_eq!(it.told().await, format!("<d:document previous-etag=\"{made}\" sel=\"{new}\"></d:document>"));

    // Another list takes the place of the first one, and is told whole.
    let answer = it.subscribe(Some(&answer), "Event: xcap-diff\r\n", &[LISTS]).await;
    assert_eq!(answer.status(), Some(200));
    assert_eq!(it.told().await, format!("<d:document sel=\"{LISTS}\" new-etag=\"{second}\"></d:document>"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_knows_the_state_is_not_told_again_and_bad_lists_are_refused() {
    let mut it = Follower::new().await;
    it.put("resource-lists/index", Some(&lists(""))).await;
    let answer = it
        .subscribe(None, "Event: xcap-diff;diff-processing=xcap-patching\r\n", &[LISTS, "rls-services/"])
        .await;
    let tag = it.phone.serve(200).await.text(HeaderName::SipEtag).unwrap().into_owned();
    // RFC 5875 §A.6, in another order.
    let known = format!("Event: xcap-diff;diff-processing=aggregate\r\nSuppress-If-Match: {tag}\r\n");
    let again = it.subscribe(Some(&answer), &known, &["rls-services/", LISTS]).await;
    assert_eq!(again.status(), Some(204));
    let wrong = format!("Contact: <sip:bob@{}>\r\nEvent: xcap-diff\r\n", it.phone.address());
    for (headers, text, status) in [
        ("", "", 400),
        ("Content-Type: text/plain\r\n", "x", 415),
        ("Content-Type: application/resource-lists+xml\r\n", "<x/>", 400),
        ("Accept: application/pidf+xml\r\n", "", 406),
    ] {
        let headers = format!("{wrong}{headers}");
        let answer = it.phone.ask("SUBSCRIBE", "sip:bob@localhost", "bob", &headers, text).await;
        assert_eq!(answer.status(), Some(status), "{headers}");
    }
}

/// RFC 5875 §A.4: whoever keeps a copy is told how to change it.
#[tokio::test(flavor = "multi_thread")]
async fn changes_of_a_document_lead_from_one_to_the_next() {
    let mut it = Follower::new().await;
    let mut old = lists("");
    it.put("resource-lists/index", Some(&old)).await;
    it.subscribe(None, "Event: xcap-diff;diff-processing=aggregate\r\n", &[LISTS]).await;
    it.told().await;
    for inside in [
        "<rl:list name=\"a\"/>",
        "<rl:list name=\"a\"><rl:entry uri=\"sip:x@y\"/></rl:list>",
        "<rl:list name=\"a\"><rl:entry uri=\"sip:x@y\"/><rl:entry uri=\"sip:z@y\"/></rl:list>",
        "<rl:list name=\"b\"><rl:entry uri=\"sip:x@y\"/><rl:entry uri=\"sip:z@y\"/></rl:list>",
        "<rl:list name=\"b\"><rl:entry uri=\"sip:x@y\"><rl:display-name>X &amp; Y</rl:display-name></rl:entry></rl:list>",
        "",
    ] {
        let new = lists(inside);
        it.put("resource-lists/index", Some(&new)).await;
        let changes = body(&it.phone.serve(200).await);
        it.judge.ask(json!({"do": "follow", "old": &old, "changes": changes, "new": &new})).await;
        old = new;
    }
}

/// RFC 5875 §A.5, and the element of figure 2.
#[tokio::test(flavor = "multi_thread")]
async fn parts_of_documents_are_followed_and_may_not_be_there_yet() {
    let mut it = Follower::new().await;
    let element = format!("{LISTS}/~~/resource-lists/list%5b@name=%22a%22%5d");
    let attribute = format!("{LISTS}/~~/*/list%5b1%5d/@name");
    it.subscribe(None, "Event: xcap-diff\r\n", &[&element, &attribute]).await;
    assert_eq!(it.told().await, "", "they are waited for");
    it.put("resource-lists/index", Some(&lists("<rl:list name=\"a\"/>"))).await;
    assert_eq!(
        it.told().await,
        format!(
            "<d:element sel=\"{element}\" xmlns:rl=\"urn:ietf:params:xml:ns:resource-lists\"><rl:list name=\"a\"/>\
             </d:element><d:attribute sel=\"{attribute}\">a</d:attribute>"
        )
    );
    it.put("resource-lists/index", Some(&lists(""))).await;
    assert_eq!(
        it.told().await,
        format!(
            "<d:attribute sel=\"{attribute}\">pad</d:attribute><d:element sel=\"{element}\" exists=\"0\"></d:element>"
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn subscription_to_documents_survives_a_restart() {
    let mut it = Follower::new().await;
    let first = it.put("resource-lists/index", Some(&lists(""))).await;
    it.subscribe(None, "Event: xcap-diff\r\n", &[LISTS]).await;
    it.told().await;
    it.house.restart().await;
    it.phone.move_to(it.house.sip_udp());
    let whole = format!("<d:document sel=\"{LISTS}\" new-etag=\"{first}\"></d:document>");
    assert_eq!(it.told().await, whole);
    let second = it.put("resource-lists/index", Some(&lists("<rl:list/>"))).await;
    assert!(it.told().await.contains(&format!("new-etag=\"{second}\"")));
}
