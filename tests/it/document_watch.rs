//! Documents followed by SIP (`xcap-diff`, RFC 5875): what is told first and later, whoever changed what; libxml2
//! as the reader of what is told.

use std::time::Duration;

use bytes::Bytes;
use rollcall::{
    documents::{Change, Document},
    signal::DocumentId,
    sip::message::{HeaderName, Message},
};
use serde_json::json;
use tokio::time::sleep;

use crate::{
    support::{House, PASSWORD, Program, SipPhone, Slixmpp, Web, Xcap, body, soon},
    xcap::client_at,
};

/// A subscriber and the account that he watches: his own.
struct Follower {
    house: House,
    phone: SipPhone,
    is_connected: bool,
    judge: Program,
}

/// What a phone has of a document, by what it read once and was told since.
struct Copy {
    text: String,
    tag: String,
    /// Every tag that it was told.
    tags: Vec<String>,
}

const LISTS: &str = "resource-lists/users/sip:bob@localhost/index";

impl Follower {
    async fn new() -> Self {
        let house = House::start_with(|config| config.sip.notify_interval_ms = 0).await;
        house.add_account("bob").await;
        let phone = SipPhone::new("bob", house.sip_udp()).await;
        Self::with(house, phone, false)
    }

    /// Over TCP: what is told goes out once, and the next when that was answered.
    async fn connected() -> Self {
        let house = House::start_with(|config| config.sip.notify_interval_ms = 0).await;
        house.add_account("bob").await;
        let phone = SipPhone::connected("bob", house.sip_tcp()).await;
        Self::with(house, phone, true)
    }

    fn with(house: House, phone: SipPhone, is_connected: bool) -> Self {
        let judge = Program::python("libxml2", "tests/interop/presence_documents.py", &[]);
        Self { house, phone, is_connected, judge }
    }

    /// A SUBSCRIBE for these, outside of dialogs or within one.
    async fn subscribe(&mut self, within: Option<&Message>, headers: &str, uris: &[&str]) -> Message {
        let transport = if self.is_connected { ";transport=tcp" } else { "" };
        let contact = format!(
            "Contact: <sip:bob@{}{transport}>\r\nContent-Type: application/resource-lists+xml\r\n{headers}",
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

    /// A SUBSCRIBE within a dialog that brings no list.
    async fn subscribe_again(&mut self, answer: &Message, headers: &str) -> Message {
        let contact = format!("Contact: <sip:bob@{};transport=tcp>\r\n{headers}", self.phone.address());
        let to = format!("<sip:bob@localhost>;tag={}", answer.tag(HeaderName::To).unwrap());
        self.phone.ask("SUBSCRIBE", "sip:bob@localhost", &to, &contact, "").await
    }

    /// The next NOTIFY that tells something, valid; without its frame.
    async fn told(&mut self) -> String {
        let document = body(&self.phone.serve(200).await);
        self.judge.ask(json!({"do": "validate", "schema": "events", "documents": [&document]})).await;
        let (_, inside) =
            document.split_once("xcap-root=\"https://localhost/xcap-root/\">").expect("the root");
        inside.replace("</d:xcap-diff>", "")
    }

    /// Applies what the next NOTIFY tells; gives how many steps that were.
    async fn follow(&mut self, copy: &mut Copy) -> usize {
        let changes = body(&self.phone.serve(200).await);
        let command = json!({"do": "follow", "old": copy.text, "tag": copy.tag, "changes": changes});
        let answer = self.judge.ask(command).await;
        copy.text = answer["text"].as_str().unwrap().to_owned();
        let tags = answer["tags"].as_array().unwrap();
        copy.tags.extend(tags.iter().map(|tag| tag.as_str().unwrap().to_owned()));
        copy.tag = copy.tags.last().unwrap().clone();
        tags.len()
    }

    /// Follows until the copy is the document that a client reads, and until that fits.
    async fn follow_until(&mut self, copy: &mut Copy, xcap: &mut Xcap, fits: impl Fn(&str) -> bool) {
        soon("the copy is the document", async {
            loop {
                let now = xcap.get(&format!("/{LISTS}")).await.expect(200);
                if now.tag().trim_matches('"') == copy.tag {
                    if fits(&now.body) {
                        let command = json!({"do": "alike", "documents": [copy.text, now.body]});
                        return drop(self.judge.ask(command).await);
                    }
                } else {
                    self.follow(copy).await;
                }
            }
        })
        .await;
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

const PATCHING: &str = "Event: xcap-diff;diff-processing=xcap-patching\r\n";

/// RFC 5875 §4.3: whoever makes versions and whatever they are, a copy that was read once becomes each of them.
#[tokio::test(flavor = "multi_thread")]
async fn every_version_is_told_whoever_made_it() {
    let mut it = Follower::connected().await;
    for local in ["carol", "dave", "erin"] {
        it.house.add_account(local).await;
    }
    let mut chat = Slixmpp::online("bob@localhost", PASSWORD, it.house.xmpp()).await;
    let web = Web::log_in(&it.house, "bob").await;
    let mut xcap = client_at(&it.house, "bob").await;
    let book = "<!-- Bob's -->\n<rl:list name=\"sipsimple_addressbook\"/>\n<rl:list name=\"oma_grantedcontacts\"/>\n\
                <rl:list name=\"oma_buddylist\">\n</rl:list>";
    let path = format!("/{LISTS}");
    let media_type = "application/resource-lists+xml";
    xcap.put(&path, media_type, &lists(book)).await.expect(201);
    // With what the account has made of it.
    let first = xcap.get(&path).await.expect(200);
    let tag = first.tag().trim_matches('"').to_owned();
    it.subscribe(None, PATCHING, &[LISTS]).await;
    let mut copy = Copy { text: first.body, tag: tag.clone(), tags: Vec::new() };
    let whole = format!("<d:document sel=\"{LISTS}\" new-etag=\"{tag}\"></d:document>");
    assert_eq!(it.told().await, whole, "what is there, before anything becomes of it");

    // Nodes over XCAP, one after the other, while nothing is answered.
    let element = "application/xcap-el+xml";
    let list = format!("{path}/~~/resource-lists/list%5b@name=%22pad%22%5d");
    let mut tags = Vec::new();
    for number in 0..3 {
        let entry = format!("<rl:entry uri=\"sip:{number}@elsewhere.example\"/>");
        let entry_path = format!("{list}/entry%5b@uri=%22sip:{number}@elsewhere.example%22%5d");
        tags.push(xcap.put(&entry_path, element, &entry).await.expect(201).tag());
    }
    let name = format!("{list}/entry%5b1%5d/@xml:lang");
    tags.push(xcap.put(&name, "application/xcap-att+xml", "\"en\"").await.expect(201).tag());
    let second = format!("{list}/entry%5b@uri=%22sip:1@elsewhere.example%22%5d");
    tags.push(xcap.delete(&second).await.expect(200).tag());
    it.follow_until(&mut copy, &mut xcap, |text| text.contains("sip:2@elsewhere.example")).await;
    let is_told = |copy: &Copy, tag: &String| copy.tags.iter().any(|told| told == tag.trim_matches('"'));
    assert!(tags.iter().all(|tag| is_told(&copy, tag)), "{tags:?} {:?}", copy.tags);

    // An XMPP client and the web.
    chat.act(json!({"do": "contact", "jid": "carol@localhost", "name": "Carol", "groups": ["Work"]})).await;
    chat.act(json!({"do": "subscribed", "to": "carol@localhost"})).await;
    it.follow_until(&mut copy, &mut xcap, |text| text.contains("Carol") && text.contains(">Work<")).await;
    web.put("/api/roster/dave@localhost", &json!({"name": "Dave", "subscribe": true})).await.expect(204);
    web.put("/api/blocked/erin@localhost", &json!({})).await.expect(204);
    it.follow_until(&mut copy, &mut xcap, |text| text.contains("Dave") && text.contains("erin")).await;
    web.delete("/api/roster/dave@localhost").await.expect(204);
    it.follow_until(&mut copy, &mut xcap, |text| !text.contains("Dave")).await;

    // The whole document, once with little changed and once written otherwise.
    let now = xcap.get(&path).await.expect(200).body;
    let whole = now.replace("Bob's", "Bob's own").replace("Carol", "Carola");
    tags.push(xcap.put(&path, media_type, &whole).await.expect(200).tag());
    let spaced = whole.replace("<rl:list ", "<rl:list  ");
    tags.push(xcap.put(&path, media_type, &spaced).await.expect(200).tag());
    it.follow_until(&mut copy, &mut xcap, |text| text.contains("Carola") && text.contains("list  ")).await;
    assert!(tags.iter().all(|tag| is_told(&copy, tag)), "{tags:?} {:?}", copy.tags);
}

/// RFC 5875 §4.7: what is too much is told by its tags, and after that histories are told again.
#[tokio::test(flavor = "multi_thread")]
async fn too_many_versions_are_told_without_how_they_came() {
    let mut it = Follower::connected().await;
    let first = it.put("resource-lists/index", Some(&lists(""))).await;
    let answer = it.subscribe(None, PATCHING, &[LISTS]).await;
    assert_eq!(it.told().await, format!("<d:document sel=\"{LISTS}\" new-etag=\"{first}\"></d:document>"));
    // Whenever the next NOTIFY is made, nothing is told behind it until it is answered: before it or behind it are
    // more versions than are remembered.
    let list = |number: usize| lists(&format!("<rl:list name=\"{number}\"/>"));
    let mut last = String::new();
    for number in 0..150 {
        last = it.put("resource-lists/index", Some(&list(number))).await;
    }
    let (mut known, mut is_short) = (first, false);
    while known != last {
        for step in it.told().await.split("<d:document ").skip(1) {
            let value = |name: &str| step.split(name).nth(1).and_then(|rest| rest.split('"').nth(1)).unwrap();
            assert_eq!(value("previous-etag="), known, "{step}");
            value("new-etag=").clone_into(&mut known);
            is_short |= step.ends_with("\"></d:document>");
        }
    }
    assert!(is_short, "some are told by their tags alone");
    let mut copy = Copy { text: list(149), tag: last, tags: Vec::new() };
    it.put("resource-lists/index", Some(&lists("<rl:list name=\"a\"/>"))).await;
    assert_eq!(it.follow(&mut copy).await, 1);

    // A SUBSCRIBE without a list changes the mode, and no mode is the simplest.
    assert_eq!(it.subscribe_again(&answer, "Event: xcap-diff\r\n").await.status(), Some(200));
    it.told().await;
    it.put("resource-lists/index", Some(&list(1))).await;
    let told = it.told().await;
    assert!(!told.contains("<d:add") && !told.contains("<d:replace"), "{told}");
    assert_eq!(it.subscribe_again(&answer, PATCHING).await.status(), Some(200));
    it.told().await;
    let tag = it.put("resource-lists/index", Some(&list(2))).await;
    let told = it.told().await;
    assert!(told.contains("<d:replace") && told.contains(&tag), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn histories_go_on_after_a_restart() {
    let mut it = Follower::new().await;
    it.put("resource-lists/index", Some(&lists(""))).await;
    it.subscribe(None, PATCHING, &["resource-lists/"]).await;
    it.told().await;
    it.house.restart().await;
    it.phone.move_to(it.house.sip_udp());
    it.told().await;
    it.put("resource-lists/index", Some(&lists("<rl:list name=\"a\"/>"))).await;
    let told = it.told().await;
    assert!(
        told.contains("<d:add sel=\"*/*[1]\" pos=\"before\"") && told.contains("previous-etag"),
        "{told}"
    );
}

/// RFC 5875 §4.7: a step that was perhaps lost cannot be told again, nor can the next one without it.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_a_step_unanswered_follows_no_more() {
    let mut it = Follower::connected().await;
    it.put("resource-lists/index", Some(&lists(""))).await;
    let answer = it.subscribe(None, PATCHING, &[LISTS]).await;
    it.told().await;
    it.put("resource-lists/index", Some(&lists("<rl:list name=\"a\"/>"))).await;
    assert_eq!(it.subscribe_again(&answer, PATCHING).await.status(), Some(200), "there is time to answer");
    soon("the end of the subscription", async {
        while it.subscribe_again(&answer, PATCHING).await.status() != Some(481) {
            sleep(Duration::from_secs(1)).await;
        }
    })
    .await;
}

/// A document that no model knows, of parts that numbers choose.
struct Shape {
    parts: Vec<[u64; 3]>,
    state: u64,
}

impl Shape {
    fn next(&mut self, below: u64) -> u64 {
        // Knuth's, the upper bits of it.
        self.state =
            self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 33) % below
    }

    fn change(&mut self) {
        let count = self.parts.len() as u64;
        let at = usize::try_from(self.next(count.max(1))).unwrap();
        let part = [self.next(6), self.next(8), self.next(5)];
        match self.next(5) {
            0 if count > 0 => drop(self.parts.remove(at)),
            1 if count > 0 => self.parts[at] = part,
            2 if count > 1 => self.parts.swap(at, 0),
            _ => self.parts.insert(at, part),
        }
    }

    fn print(&self) -> String {
        let part = |[kind, number, more]: &[u64; 3]| match kind {
            0 => format!(
                "\n <list name=\"{number}\" xml:lang='{}'/>",
                ["de", "en", "es", "fr", "it"][usize::try_from(*more).unwrap()]
            ),
            1 => format!(
                "<list name=\"{number}\"><entry uri='sip:{more}'/> <p:x p:y='{more}'>&lt;{more}</p:x></list>"
            ),
            2 => format!("<!-- {number} -->"),
            3 => format!("<?pi {more}?>"),
            4 => format!("text {number}\n<![CDATA[<{more}>]]>"),
            _ => format!(
                "\n<p:entry uri='sip:{number}'>{}</p:entry>\n",
                "<p:y/>".repeat(usize::try_from(*more).unwrap())
            ),
        };
        let parts: String = self.parts.iter().map(part).collect();
        format!(
            "<?xml version='1.0'?>\n<resource-lists xmlns='urn:ietf:params:xml:ns:resource-lists' xmlns:p='urn:p'>\
             <list name='pad'>{}</list>{parts}</resource-lists>\n",
            "x".repeat(1000)
        )
    }
}

/// Some hundred versions of a document, many at a time, by way of libxml2.
#[tokio::test(flavor = "multi_thread")]
async fn any_version_leads_to_the_next_one() {
    const GROUP: &str = "org.openmobilealliance.group-usage-list";
    let mut it = Follower::connected().await;
    let (mut shape, id) = (Shape { parts: Vec::new(), state: 5875 }, format!("{GROUP}/index"));
    let tag = it.put(&id, Some(&shape.print())).await;
    let place = format!("{GROUP}/users/sip:bob@localhost/index");
    it.subscribe(None, PATCHING, &[&place]).await;
    it.told().await;
    let mut copy = Copy { text: shape.print(), tag, tags: Vec::new() };
    let mut made = 0;
    for round in 0..60 {
        let mut last = String::new();
        for _ in 0..=round % 8 {
            shape.change();
            let tag = it.put(&id, Some(&shape.print())).await;
            made += usize::from(tag != last && tag != copy.tag);
            last = tag;
        }
        while copy.tag != last {
            it.follow(&mut copy).await;
        }
        it.judge.ask(json!({"do": "alike", "documents": [copy.text, shape.print()]})).await;
    }
    assert_eq!(copy.tags.len(), made, "every version was told");
}
