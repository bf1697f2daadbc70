//! RFC 5875: subscriptions to documents and what is told of them, one exchange after the other.
//!
//! Its application `tests` is an imaginary one: here it is `resource-lists`, its elements are lists of these
//! names, and the attribute `id` is the name of one. Joe changes documents over XCAP and is told by SIP.

use rollcall::sip::message::{HeaderName, Message};

use super::meaning;
use crate::{
    support::{House, SipPhone, Xcap, body},
    xcap::client_at,
};

const LISTS: &str = "application/resource-lists+xml";
const ELEMENT: &str = "application/xcap-el+xml";
const INDEX: &str = "resource-lists/users/sip:joe@localhost/index";
const ANOTHER: &str = "resource-lists/users/sip:joe@localhost/another_document";
/// The collection of the examples.
const OWN: &str = "resource-lists/users/sip:joe@localhost/";

/// A document of the examples: with a note, and an element that has its name for a name.
fn document(note: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<resource-lists \
         xmlns=\"urn:ietf:params:xml:ns:resource-lists\">\n  <list name=\"note\"><display-name>{note}</display-name></list>\
         \n</resource-lists>"
    )
}

fn element(name: &str) -> String {
    format!("<list name=\"{name}\"><display-name>this is a {name} element</display-name></list>")
}

struct Joe {
    house: House,
    documents: Xcap,
}

impl Joe {
    /// §A.1.
    async fn new() -> Self {
        let house = House::start_with(|config| config.sip.notify_interval_ms = 0).await;
        for local in ["joe", "john"] {
            house.add_account(local).await;
        }
        let mut john = client_at(&house, "john").await;
        let path = "/resource-lists/users/sip:john@localhost/index";
        john.put(path, LISTS, &document("This is another sample document")).await.expect(201);
        let documents = client_at(&house, "joe").await;
        Self { house, documents }
    }

    /// Puts a document; gives its tag.
    async fn put(&mut self, path: &str, text: &str) -> String {
        let media_type = if path.contains("~~") { ELEMENT } else { LISTS };
        let put = self.documents.put(&format!("/{path}"), media_type, text).await;
        assert!(matches!(put.status, 200 | 201), "{put:?}");
        put.tag().trim_matches('"').to_owned()
    }

    async fn device(&self) -> Device {
        Device { phone: SipPhone::connected("joe", self.house.sip_tcp()).await }
    }
}

/// One that is told of documents. Over TCP: what is told goes out once, and the next when that was answered.
struct Device {
    phone: SipPhone,
}

impl Device {
    async fn subscribe(&mut self, within: Option<&Message>, headers: &str, uris: &[&str]) -> Message {
        let headers = format!(
            "Contact: <sip:joe@{};transport=tcp>\r\nAccept: application/xcap-diff+xml\r\n\
             Content-Type: application/resource-lists+xml\r\n{headers}\r\n",
            self.phone.address()
        );
        let entries: String = uris.iter().map(|uri| format!("\n     <entry uri=\"{uri}\"/>")).collect();
        let list = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<resource-lists \
             xmlns=\"urn:ietf:params:xml:ns:resource-lists\">\n    <list>{entries}\n    </list>\n   </resource-lists>"
        );
        let tag = within.map(|answer| answer.tag(HeaderName::To).unwrap());
        let to = tag.map_or_else(|| "joe".to_owned(), |tag| format!("<sip:joe@localhost>;tag={tag}"));
        self.phone.ask("SUBSCRIBE", "sip:joe@localhost", &to, &headers, &list).await
    }

    /// The next NOTIFY means the same as a document of this; it is given.
    async fn is_told(&mut self, inside: &str) -> Message {
        let notify = self.phone.serve(200).await;
        let event = notify.text(HeaderName::Event).unwrap();
        assert_eq!(event.split(';').next(), Some("xcap-diff"));
        assert_eq!(notify.text(HeaderName::ContentType).as_deref(), Some("application/xcap-diff+xml"));
        let expected = format!(
            "<d:xcap-diff xmlns:d=\"urn:ietf:params:xml:ns:xcap-diff\" xmlns=\"urn:ietf:params:xml:ns:resource-lists\" \
             xcap-root=\"https://localhost/xcap-root/\">{inside}</d:xcap-diff>"
        );
        let told = body(&notify);
        assert_eq!(meaning(&told), meaning(&expected), "{told}");
        notify
    }
}

fn made(tag: &str, place: &str) -> String {
    format!("<d:document new-etag=\"{tag}\" sel=\"{place}\"/>")
}

/// §A.2 and §A.3.
#[tokio::test(flavor = "multi_thread")]
async fn a_collection_is_listed_and_a_document_added() {
    let mut joe = Joe::new().await;
    let first = joe.put(INDEX, &document("This is a sample document")).await;
    let mut device = joe.device().await;
    let aggregate = "Event: xcap-diff; diff-processing=aggregate";
    let answer = device.subscribe(None, aggregate, &[OWN]).await;
    assert_eq!(answer.status(), Some(200), "{answer:?}");
    device.is_told(&made(&first, INDEX)).await;

    // All users' documents, as far as he may read them; and a look without a subscription.
    for headers in [aggregate.to_owned(), format!("{aggregate}\r\nExpires: 0")] {
        let mut other = joe.device().await;
        other.subscribe(None, &headers, &["resource-lists/users/"]).await;
        let notify = other.is_told(&made(&first, INDEX)).await;
        let state = notify.text(HeaderName::SubscriptionState).unwrap();
        assert_eq!(state.starts_with("terminated"), headers.contains("Expires: 0"), "{state}");
    }

    let second = joe.put(ANOTHER, &document("This is another sample document")).await;
    device.is_told(&made(&second, ANOTHER)).await;
    let refreshed = device.subscribe(Some(&answer), aggregate, &[OWN]).await;
    assert_eq!(refreshed.status(), Some(200), "{refreshed:?}");
    // The order of the documents is nobody's promise.
    device.is_told(&(made(&second, ANOTHER) + &made(&first, INDEX))).await;
}

/// §A.4. In the first NOTIFY and the last the previous tag is printed as `7ahggs3`; the document's is `7ahggs` (§A.2).
#[tokio::test(flavor = "multi_thread")]
async fn changes_of_one_document_are_told_as_one_or_one_by_one() {
    let mut joe = Joe::new().await;
    let first = joe.put(INDEX, &document("This is a sample document")).await;
    let mut devices = Vec::new();
    for mode in ["aggregate", "xcap-patching"] {
        let mut device = joe.device().await;
        let answer =
            device.subscribe(None, &format!("Event: xcap-diff; diff-processing={mode}"), &[INDEX]).await;
        assert_eq!(answer.status(), Some(200), "{answer:?}");
        devices.push(device);
    }
    // What they are told first is not answered yet, and so all of this waits.
    let mut tags = vec![first.clone()];
    for name in ["foo", "bar", "foobar"] {
        let path = format!("{INDEX}/~~/resource-lists/list%5b@name=%22{name}%22%5d");
        tags.push(joe.put(&path, &element(name)).await);
    }
    let told = |before: &str, after: &str, patch: &str| {
        format!(
            "<d:document previous-etag=\"{before}\" sel=\"{INDEX}\" new-etag=\"{after}\">{patch}</d:document>"
        )
    };
    let added = ["foo", "bar", "foobar"].map(element).concat();
    // Behind the list that is there, before the white space at the end: so XCAP has it where they have one name
    // (RFC 4825 §8.2.3). Elements of other names go to the very end, and are printed so.
    let at_once = told(&first, &tags[3], &format!("<d:add sel=\"*/*[1]\" pos=\"after\">{added}</d:add>"));
    let step = |number: usize, name: &str| {
        let patch = format!("<d:add sel=\"*/*[{number}]\" pos=\"after\">{}</d:add>", element(name));
        told(&tags[number - 1], &tags[number], &patch)
    };
    let one_by_one = [step(1, "foo"), step(2, "bar"), step(3, "foobar")].concat();
    for (device, expected) in devices.iter_mut().zip([at_once, one_by_one]) {
        device.is_told(&made(&first, INDEX)).await;
        device.is_told(&expected).await;
    }
}

/// §A.5.
#[tokio::test(flavor = "multi_thread")]
async fn an_attribute_comes_and_goes() {
    let mut joe = Joe::new().await;
    let attribute = format!("{INDEX}/~~/resource-lists/list/@name");
    let mut device = joe.device().await;
    // The document is not there either: that makes no difference to what is told.
    device.subscribe(None, "Event: xcap-diff", &[&attribute]).await;
    device.is_told("").await;
    joe.put(INDEX, &document("This is a sample document").replace(" name=\"note\"", "")).await;
    let mut other = joe.device().await;
    other.subscribe(None, "Event: xcap-diff", &[&attribute]).await;
    other.is_told("").await;

    let list = format!("{INDEX}/~~/resource-lists/list");
    joe.put(&list, "<list name=\"bar\"><display-name>This is a new element</display-name></list>").await;
    for device in [&mut device, &mut other] {
        device.is_told(&format!("<d:attribute sel=\"{attribute}\">bar</d:attribute>")).await;
    }
    joe.documents.delete(&format!("/{attribute}")).await.expect(200);
    for device in [&mut device, &mut other] {
        device.is_told(&format!("<d:attribute sel=\"{attribute}\" exists=\"0\"/>")).await;
    }
}

/// §A.6.
#[tokio::test(flavor = "multi_thread")]
async fn who_knows_everything_is_told_nothing() {
    let mut joe = Joe::new().await;
    let first = joe.put(INDEX, &document("This is a sample document")).await;
    let second = joe.put(ANOTHER, &document("This is another sample document")).await;
    let mut device = joe.device().await;
    let patching = "Event: xcap-diff; diff-processing=xcap-patching";
    let answer = device.subscribe(None, patching, &[OWN]).await;
    let notify = device.is_told(&(made(&second, ANOTHER) + &made(&first, INDEX))).await;
    let tag = notify.text(HeaderName::SipEtag).unwrap();
    let known = format!("Suppress-If-Match: {tag}\r\nEvent: xcap-diff; diff-processing=aggregate");
    let again = device.subscribe(Some(&answer), &known, &[OWN]).await;
    assert_eq!(again.status(), Some(204), "{again:?}");
    // From now on changes are told as changes; nothing was told before this one.
    let path = format!("{INDEX}/~~/resource-lists/list%5b@name=%22foo%22%5d");
    let third = joe.put(&path, &element("foo")).await;
    device
        .is_told(&format!(
            "<d:document previous-etag=\"{first}\" sel=\"{INDEX}\" new-etag=\"{third}\"><d:add sel=\"*/*[1]\" pos=\"after\">{}</d:add>\
             </d:document>",
            element("foo")
        ))
        .await;
}

/// §4.4, figure 1, and §5, figure 2. The figures fold the selector of the service; it is one line.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_list_of_documents_and_of_parts_of_them() {
    let mut joe = Joe::new().await;
    let first = joe.put(INDEX, &document("This is a sample document")).await;
    let service = "<s:service uri=\"sip:marketing@example.com\">\n         <s:list name=\"marketing\">\n           \
                   <rl:entry uri=\"sip:joe@example.com\"/>\n           <rl:entry uri=\"sip:sudhir@example.com\"/>\n         \
                   </s:list>\n         <s:packages>\n           <s:package>presence</s:package>\n         </s:packages>\n       \
                   </s:service>";
    let services = format!(
        "<s:rls-services xmlns:s=\"urn:ietf:params:xml:ns:rls-services\" \
         xmlns:rl=\"urn:ietf:params:xml:ns:resource-lists\">{service}</s:rls-services>"
    );
    let path = "/rls-services/users/sip:joe@localhost/index";
    joe.documents.put(path, "application/rls-services+xml", &services).await.expect(201);
    let state = "<presence xmlns='urn:ietf:params:xml:ns:pidf' entity='sip:joe@localhost'/>";
    let path = "/pidf-manipulation/users/sip:joe@localhost/index";
    let state = joe.documents.put(path, "application/pidf+xml", state).await.expect(201).tag();

    let mut device = joe.device().await;
    let selector =
        "rls-services/users/sip:joe@localhost/index/~~/*/service%5b@uri='sip:marketing@example.com'%5d";
    let headers = "Expires: 4200\r\nEvent: xcap-diff; diff-processing=aggregate";
    device.subscribe(None, headers, &[INDEX, selector, "pidf-manipulation/"]).await;
    let bound = service.replacen(
        "<s:service ",
        "<s:service xmlns:s=\"urn:ietf:params:xml:ns:rls-services\" xmlns:rl=\"urn:ietf:params:xml:ns:resource-lists\" ",
        1,
    );
    let element = format!("<d:element sel=\"{selector}\">{bound}</d:element>");
    let hard = made(state.trim_matches('"'), "pidf-manipulation/users/sip:joe@localhost/index");
    device.is_told(&(made(&first, INDEX) + &element + &hard)).await;
}
