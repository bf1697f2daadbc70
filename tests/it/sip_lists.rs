//! Lists of resources followed by one subscription: an account's contacts, and lists that come with the
//! SUBSCRIBE; as Blink and Linphone ask for them.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
    time::Duration,
};

use bytes::Bytes;
use rollcall::{
    account::Request,
    config::Config,
    documents::{Change, Document},
    signal::{ContactEvent, DocumentId, Native},
    sip::message::{HeaderName, Message},
};
use rusqlite::Connection;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::{Blink, House, SipPhone, address, body, soon};

/// What a NOTIFY of a list says.
#[derive(Debug, Default)]
struct Told {
    version: u32,
    is_full: bool,
    /// Each resource's state, empty where there is no instance, with its reason.
    resources: BTreeMap<String, String>,
    /// The presence documents by their place.
    parts: Vec<String>,
}

impl Told {
    fn read(notify: &Message) -> Self {
        let text = body(notify);
        let content_type = notify.text(HeaderName::ContentType).unwrap().into_owned();
        let start = "multipart/related;type=\"application/rlmi+xml\";start=\"<";
        assert!(content_type.starts_with(start), "{content_type}");
        let boundary = content_type.split("boundary=").nth(1).unwrap();
        let delimiter = format!("--{boundary}");
        let mut parts = text.split(delimiter.as_str()).filter_map(|part| part.split_once("\r\n\r\n"));
        let (_, root) = parts.next().unwrap().1.split_once("<list").unwrap();
        let value = |text: &str, name: &str| {
            let found = text.split(&format!(" {name}=\"")).nth(1)?;
            Some(found.split('"').next().unwrap_or_default().to_owned())
        };
        let resource = |text: &str| {
            let text = text.split("</list>").next().unwrap();
            let words = [value(text, "state"), value(text, "reason")];
            let words: Vec<_> = words.into_iter().flatten().collect();
            let uri = text.split("uri=\"").nth(1).unwrap().split('"').next().unwrap();
            (uri.trim_start_matches("sip:").trim_end_matches("@localhost").to_owned(), words.join(" "))
        };
        Self {
            version: value(root, "version").unwrap().parse().unwrap(),
            is_full: value(root, "fullState").unwrap() == "true",
            resources: root.split("<resource ").skip(1).map(resource).collect(),
            parts: parts.map(|(_, document)| document.to_owned()).collect(),
        }
    }

    /// As `bob active, carol`.
    fn words(&self) -> String {
        let words = self.resources.iter().map(|(name, state)| format!("{name} {state}").trim().to_owned());
        words.collect::<Vec<_>>().join(", ")
    }
}

/// The next NOTIFY of a list, answered.
async fn told(phone: &mut SipPhone) -> Told {
    let notify = phone.serve(200).await;
    assert_eq!(notify.text(HeaderName::Require).as_deref(), Some("eventlist"), "{notify:?}");
    assert!(!notify.has(HeaderName::Supported));
    Told::read(&notify)
}

/// NOTIFYs until what they said together is this.
async fn told_until(phone: &mut SipPhone, known: &mut Told, words: &str) {
    loop {
        let next = told(phone).await;
        assert_eq!(next.version, known.version + 1);
        assert!(!next.is_full, "nobody asked");
        known.version = next.version;
        known.resources.extend(next.resources);
        if known.words() == words {
            return;
        }
    }
}

async fn subscribe(phone: &mut SipPhone, uri: &str, headers: &str, body: &[u8]) -> Message {
    let contact =
        format!("Contact: <sip:{}@{}>\r\nEvent: presence\r\n{headers}", phone.user, phone.address());
    phone.ask("SUBSCRIBE", uri, &format!("<{uri}>"), &contact, body).await
}

async fn refresh(phone: &mut SipPhone, accepted: &Message, headers: &str, body: &str) -> Message {
    let to = format!("<sip:{}@localhost>;tag={}", phone.user, accepted.to().unwrap().tag().unwrap());
    phone.ask("SUBSCRIBE", "sip:localhost", &to, &format!("Event: presence\r\n{headers}"), body).await
}

/// What an owner does with a contact, from wherever.
async fn act(house: &House, who: &str, whom: &str, event: ContactEvent) {
    let request =
        Request::Contact { to: address(whom), event, note: None, native: Native::None, origin_id: None };
    soon("the contact", house.server().accounts().ask(&address(who), request)).await.unwrap();
}

async fn remove(house: &House, who: &str, whom: &str) {
    let request = Request::RemoveContact { address: address(whom) };
    soon("the removal", house.server().accounts().ask(&address(who), request)).await.unwrap();
}

async fn befriend(house: &House, who: &str, whom: &str) {
    act(house, who, whom, ContactEvent::Subscribe).await;
    act(house, whom, who, ContactEvent::Subscribed).await;
}

fn at_once(config: &mut Config) {
    config.sip.notify_interval_ms = 0;
}

const LISTS: &str = "Supported: eventlist\r\n\
    Accept: multipart/related, application/rlmi+xml, application/pidf+xml\r\n";
const CARRIED: &str = "Require: recipient-list-subscribe\r\nContent-Type: application/resource-lists+xml\r\n\
    Content-Disposition: recipient-list\r\n";

fn list_of(uris: &[&str]) -> String {
    let entries: String = uris.iter().map(|uri| format!("<entry uri=\"{uri}\"/>")).collect();
    format!(
        "<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\"><list>{entries}</list></resource-lists>"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_are_followed_as_they_come_and_go() {
    let house = House::start_with(at_once).await;
    for name in ["alice", "bob", "carol"] {
        house.add_account(name).await;
    }
    befriend(&house, "alice", "bob").await;
    let mut alice = SipPhone::connected("alice", house.sip_tcp()).await;
    let accepted = subscribe(&mut alice, "sip:alice+presence@localhost", LISTS, b"").await;
    assert_eq!(accepted.status(), Some(200), "{accepted:?}");
    assert_eq!(accepted.text(HeaderName::Require).as_deref(), Some("eventlist"));
    let mut known = told(&mut alice).await;
    assert_eq!((known.version, known.is_full, known.words().as_str()), (0, true, "bob active"));
    assert_eq!(known.parts.len(), 1);
    assert!(known.parts[0].contains("entity=\"sip:bob@localhost\"") && known.parts[0].contains("closed"));

    let _bob = SipPhone::registered("bob", house.sip_udp(), "").await;
    let change = told(&mut alice).await;
    assert_eq!((change.version, change.is_full, change.words().as_str()), (1, false, "bob active"));
    assert!(change.parts[0].contains("open"));
    known.version = 1;

    act(&house, "alice", "carol", ContactEvent::Subscribe).await;
    told_until(&mut alice, &mut known, "bob active, carol pending").await;
    act(&house, "carol", "alice", ContactEvent::Subscribed).await;
    told_until(&mut alice, &mut known, "bob active, carol active").await;
    remove(&house, "alice", "bob").await;
    told_until(&mut alice, &mut known, "bob terminated timeout, carol active").await;

    assert_eq!(refresh(&mut alice, &accepted, "Supported: eventlist\r\n", "").await.status(), Some(200));
    let whole = told(&mut alice).await;
    assert_eq!((whole.version, whole.is_full), (known.version + 1, true));
    assert_eq!(whole.words(), "carol active");
    let tag = "Suppress-If-Match: *\r\n";
    assert_eq!(refresh(&mut alice, &accepted, tag, "").await.status(), Some(204));
    let end = refresh(&mut alice, &accepted, "Expires: 0\r\n", "").await;
    assert_eq!((end.status(), end.text(HeaderName::Require).as_deref()), (Some(200), Some("eventlist")));
    let last = alice.serve(200).await;
    assert_eq!(last.text(HeaderName::SubscriptionState).as_deref(), Some("terminated;reason=timeout"));
    assert_eq!(Told::read(&last).words(), "carol active");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_take_a_list_is_told_why() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut alice = SipPhone::connected("alice", house.sip_tcp()).await;
    let list = list_of(&["sip:bob@localhost"]);
    let own = "sip:alice+presence@localhost";
    for (uri, headers, body, status) in [
        (own, "", "", 421),
        (own, "Supported: eventlist\r\nAccept: application/pidf+xml\r\n", "", 406),
        (own, "Supported: eventlist\r\nRequire: unheard-of\r\n", "", 420),
        ("sip:bob+presence@localhost", LISTS, "", 404),
        ("sip:rls@localhost", &[LISTS, CARRIED].concat(), "", 400),
        ("sip:rls@localhost", CARRIED, &list, 421),
        ("sip:rls@example.net", &[LISTS, CARRIED].concat(), &list, 404),
        ("sip:rls@localhost", &[LISTS, CARRIED, "Content-Encoding: br\r\n"].concat(), &list, 415),
    ] {
        let answer = subscribe(&mut alice, uri, headers, body.as_bytes()).await;
        assert_eq!(answer.status(), Some(status), "{uri} {headers}");
        if status == 421 {
            assert_eq!(answer.text(HeaderName::Require).as_deref(), Some("eventlist"));
        }
    }
    let accepted = subscribe(&mut alice, own, LISTS, b"").await;
    assert_eq!(told(&mut alice).await.words(), "", "nobody is followed yet");
    let again = refresh(&mut alice, &accepted, CARRIED, &list).await;
    assert_eq!(again.status(), Some(415));
    // Linphone says what it required at first in every refresh.
    let bare = "Require: recipient-list-subscribe\r\nContent-Disposition: recipient-list\r\n";
    assert_eq!(refresh(&mut alice, &accepted, bare, "").await.status(), Some(200));
    let options = alice.ask("OPTIONS", "sip:localhost", "alice", "", "").await;
    let supported: BTreeSet<_> = options.tokens(HeaderName::Supported).collect();
    assert!(supported.contains("eventlist") && supported.contains("recipient-list-subscribe"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_comes_with_the_subscribe_plain_deflated_and_among_others() {
    let house = House::start_with(at_once).await;
    for name in ["alice", "bob", "carol"] {
        house.add_account(name).await;
    }
    let list =
        list_of(&["sip:bob@localhost", "carol%40localhost", "sip:dave@example.net", "sip:nobody@localhost"]);
    let deflated = miniz_oxide::deflate::compress_to_vec_zlib(list.as_bytes(), 6);
    let multipart = format!(
        "--x\r\nContent-Type: application/resource-lists+xml\r\nContent-Disposition: recipient-list\r\n\r\n{list}\r\n--x--\r\n"
    );
    let mixed =
        "Require: recipient-list-subscribe\r\nContent-Type: multipart/mixed;boundary=x\r\n".to_owned();
    befriend(&house, "bob", "alice").await;
    for (headers, body, carol) in [
        (CARRIED.to_owned(), list.as_bytes(), "carol pending"),
        ([CARRIED, "Content-Encoding: deflate\r\n"].concat(), &deflated, "carol pending"),
        (mixed, multipart.as_bytes(), "carol active"),
    ] {
        let mut alice = SipPhone::connected("alice", house.sip_tcp()).await;
        let accepted = subscribe(&mut alice, "sip:rls@localhost", &[LISTS, &headers].concat(), body).await;
        assert_eq!(accepted.status(), Some(200), "{headers}");
        let mut known = told(&mut alice).await;
        assert!(known.is_full && known.version == 0);
        let bob = if known.resources["bob"] == "active" { "bob active" } else { "bob pending" };
        let all = format!("{bob}, {carol}, dave@example.net, nobody terminated noresource");
        assert_eq!(known.words(), all);
        if carol == "carol pending" && headers.contains("deflate") {
            act(&house, "carol", "alice", ContactEvent::Subscribed).await;
            let all = all.replace("carol pending", "carol active");
            told_until(&mut alice, &mut known, &all).await;
        }
    }
    // Who is in such a list is a contact, as he is by a subscription of his own.
    let mut alice = SipPhone::connected("alice", house.sip_tcp()).await;
    subscribe(&mut alice, "sip:alice+presence@localhost", LISTS, b"").await;
    let contacts = told(&mut alice).await;
    assert_eq!(contacts.resources.keys().collect::<Vec<_>>(), ["bob", "carol"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_contacts_are_told_in_pieces_and_without_a_storm() {
    let house = House::start_with(|config| config.sip.notify_interval_ms = 300).await;
    house.add_account("alice").await;
    let names: Vec<_> = (0..1000).map(|number| format!("u{number}")).collect();
    // Those that are there; nine of ten accounts were removed since.
    let living = names.get(..100).unwrap();
    for name in living {
        house.add_account(name).await;
        befriend(&house, "alice", name).await;
    }
    for name in names.iter().skip(100) {
        act(&house, "alice", name, ContactEvent::Subscribe).await;
    }
    let mut alice = SipPhone::connected("alice", house.sip_tcp()).await;
    subscribe(&mut alice, "sip:alice+presence@localhost", LISTS, b"").await;
    let mut known = told(&mut alice).await;
    assert!(known.is_full && known.resources.len() == 1000, "everybody is named");
    let state = |name: &String| if living.contains(name) { "active" } else { "terminated noresource" };
    let all = names.iter().map(|name| format!("{name} {}", state(name))).collect::<BTreeSet<_>>();
    let all = all.into_iter().collect::<Vec<_>>().join(", ");
    if known.words() != all {
        told_until(&mut alice, &mut known, &all).await;
    }
    assert!(known.version < 40, "{} notifications", known.version);

    let mut phones = Vec::new();
    for name in living {
        phones.push(SipPhone::registered(name, house.sip_udp(), "").await);
    }
    let (before, mut open) = (known.version, BTreeSet::new());
    while open.len() < 100 {
        let change = told(&mut alice).await;
        assert_eq!(change.version, known.version + 1);
        known.version = change.version;
        let opened =
            change.resources.into_keys().zip(change.parts).filter(|(_, part)| part.contains("open<"));
        open.extend(opened.map(|(name, _)| name));
    }
    assert!(known.version - before < 100, "{} notifications of 100 changes", known.version - before);
}

/// What is promised survives a kill: nothing is promised while nothing can be written.
#[tokio::test(flavor = "multi_thread")]
async fn list_is_accepted_when_it_is_on_the_disk() {
    let house = House::with_accounts(&["alice"]).await;
    let mut alice = SipPhone::connected("alice", house.sip_tcp()).await;
    let disk = Connection::open(house.folder().join("rollcall.db")).unwrap();
    disk.execute_batch("BEGIN IMMEDIATE").unwrap();
    let answer = {
        let mut asked = pin!(subscribe(&mut alice, "sip:alice+presence@localhost", LISTS, b""));
        let early = timeout(Duration::from_secs(1), &mut asked).await;
        assert!(early.is_err(), "{early:?}");
        disk.execute_batch("COMMIT").unwrap();
        asked.await
    };
    assert_eq!(answer.status(), Some(200), "{answer:?}");
    let kept = "SELECT count(*) FROM memory WHERE room IN ('lists', 'subscriptions')";
    assert_eq!(disk.query_row(kept, [], |row| row.get(0)), Ok(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_go_on_after_a_restart() {
    let mut house = House::start_with(at_once).await;
    for name in ["alice", "bob", "carol"] {
        house.add_account(name).await;
    }
    befriend(&house, "alice", "bob").await;
    let mut contacts = SipPhone::new("alice", house.sip_udp()).await;
    subscribe(&mut contacts, "sip:alice+presence@localhost", LISTS, b"").await;
    let mut of_contacts = told(&mut contacts).await;
    let mut carried = SipPhone::new("bob", house.sip_udp()).await;
    let list = list_of(&["sip:carol@localhost"]);
    subscribe(&mut carried, "sip:rls@localhost", &[LISTS, CARRIED].concat(), list.as_bytes()).await;
    let mut of_list = told(&mut carried).await;
    assert_eq!((of_contacts.words().as_str(), of_list.words().as_str()), ("bob active", "carol pending"));

    house.restart().await;
    for (phone, known, words) in
        [(&mut contacts, &mut of_contacts, "bob active"), (&mut carried, &mut of_list, "carol pending")]
    {
        phone.move_to(house.sip_udp());
        let again = told(phone).await;
        assert_eq!((again.version, again.is_full), (known.version + 1, true));
        *known = again;
        if known.words() != words {
            told_until(phone, known, words).await;
        }
    }
    act(&house, "carol", "bob", ContactEvent::Subscribed).await;
    told_until(&mut carried, &mut of_list, "carol active").await;
}

fn states(event: &Value) -> BTreeMap<String, String> {
    let resources = event["all"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    resources.map(|resource| (text(&resource["uri"]), text(&resource["state"]))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn blink_follows_its_contacts() {
    let house = House::start_with(at_once).await;
    for name in ["alice", "bob", "carol"] {
        house.add_account(name).await;
    }
    let mut alice = Blink::start_as("alice", house.sip_tls(), json!({})).await;
    let first = alice.event("contacts", |event| event["version"] == 0).await;
    assert_eq!((&first["full"], first["all"].as_array().map(Vec::len)), (&json!(true), Some(0)));
    befriend(&house, "alice", "bob").await;
    let bob = "sip:bob@localhost";
    let is_active = |event: &Value, uri: &str| states(event).get(uri).is_some_and(|state| state == "active");
    alice.event("contacts", |event| is_active(event, bob)).await;
    let _bob = Blink::start_as("bob", house.sip_tls(), json!({"first": true, "state": "busy"})).await;
    alice.event("contacts", |event| is_active(event, bob) && event.to_string().contains("busy")).await;
    act(&house, "alice", "carol", ContactEvent::Subscribe).await;
    let pending =
        |event: &Value| states(event).get("sip:carol@localhost").is_some_and(|state| state == "pending");
    alice.event("contacts", pending).await;
    drop(alice);

    let mut again = Blink::start_as("alice", house.sip_tls(), json!({})).await;
    let whole = again.event("contacts", |event| event["version"] == 0).await;
    assert!(is_active(&whole, bob) && pending(&whole), "{whole}");
}

/// A document of alice's, put as an XCAP client puts it.
async fn put(house: &House, id: &str, text: &str) {
    let (application, name) = id.split_once('/').unwrap();
    let text = Bytes::copy_from_slice(text.as_bytes());
    let change = |_: Option<&Document>| Ok::<_, ()>(Change::Put(text.clone()));
    let id = DocumentId::new(application, name);
    soon("the document", house.server().documents().change(&address("alice"), &id, change)).await.unwrap();
}

/// RFC 4826 §4.1: an address that stands for a list, with all that lists are made of; another root and host, and
/// a circle.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_of_ones_documents_is_followed_and_changes_with_them() {
    let house = House::start_with(|config| config.sip.notify_interval_ms = 0).await;
    for local in ["alice", "bob", "carol", "dave", "eve"] {
        house.add_account(local).await;
    }
    let root = "https://alias.example:8443/xcap-root/resource-lists/users/sip%3Aalice%40localhost/index";
    let lists = |inside: &str| {
        format!(
            "<?xml version='1.0'?><rl:resource-lists xmlns:rl='urn:ietf:params:xml:ns:resource-lists'>\
             <rl:list name='l1'>{inside}<rl:list name='inner'><rl:entry uri='carol%40localhost'/></rl:list>\
             <rl:external anchor='{root}/~~/resource-lists/list%5B@name=%22l2%22%5D'/></rl:list>\
             <rl:list name='l2'><rl:entry uri='sip:dave@localhost'/>\
             <rl:external anchor='{root}/~~/resource-lists/list%5B@name=%22l1%22%5D'/>\
             <rl:external anchor='https://x/resource-lists/users/sip:bob@localhost/index/~~/resource-lists/list'/>\
             </rl:list></rl:resource-lists>"
        )
    };
    put(&house, "resource-lists/index", &lists("<rl:entry uri='sip:bob@localhost'/>")).await;
    let services = format!(
        "<?xml version='1.0'?><rls-services xmlns='urn:ietf:params:xml:ns:rls-services' \
         xmlns:rl='urn:ietf:params:xml:ns:resource-lists'><service uri='sip%3Amybuddies%40localhost'>\
         <resource-list>{root}/~~/resource-lists/list%5B@name=%22l1%22%5D</resource-list>\
         <packages><package>presence</package></packages></service>\
         <service uri='sip:calls@localhost'><list><rl:entry uri='sip:bob@localhost'/></list>\
         <packages><package>dialog</package></packages></service>\
         <service uri='sip:marketing@localhost'><list><rl:entry uri='sip:eve@localhost'/>\
         <rl:entry-ref ref='resource-lists/users/sip:alice@localhost/index/~~/resource-lists/list%5B2%5D/entry%5B1%5D'/>\
         </list></service></rls-services>"
    );
    put(&house, "rls-services/index", &services).await;

    let mut alice = SipPhone::connected("alice", house.sip_tcp()).await;
    let mut other = SipPhone::connected("alice", house.sip_tcp()).await;
    let accepted = subscribe(&mut alice, "sip:mybuddies@localhost", LISTS, b"").await;
    assert_eq!((accepted.status(), accepted.has_token(HeaderName::Require, "eventlist")), (Some(200), true));
    let mut known = told(&mut alice).await;
    let names = |told: &Told| told.resources.keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!((names(&known).as_str(), known.version, known.is_full), ("bob carol dave", 0, true));

    assert_eq!(subscribe(&mut other, "sip:marketing@localhost", LISTS, b"").await.status(), Some(200));
    assert_eq!(names(&told(&mut other).await), "dave eve");
    for (uri, headers, status) in [
        ("sip:calls@localhost", LISTS, 489),
        ("sip:mybuddies@localhost", "Supported: eventlist\r\nAccept: application/pidf+xml\r\n", 406),
        ("sip:mybuddies@localhost", "", 404),
    ] {
        assert_eq!(subscribe(&mut other, uri, headers, b"").await.status(), Some(status), "{uri} {headers}");
    }

    // Whoever changes the document, the list follows.
    put(&house, "resource-lists/index", &lists("<rl:entry uri='sip:eve@localhost'/>")).await;
    loop {
        let next = told(&mut alice).await;
        known.version += 1;
        assert_eq!(next.version, known.version);
        known.resources.extend(next.resources);
        let is_gone = known.resources.get("bob").is_some_and(|state| state.starts_with("terminated"));
        if is_gone && known.resources.contains_key("eve") {
            return;
        }
    }
}
