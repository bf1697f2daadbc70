//! Files that clients share (XEP-0363), what the configuration announces (XEP-0128, 0157) and the services that it
//! names (XEP-0215), by raw requests and by real clients.

use serde_json::json;

use super::web::connect;
use crate::support::{Answer, House, PASSWORD, RawXmpp, Slixmpp, Web, address};

const UPLOAD: &str = "urn:xmpp:http:upload:0";

/// The path of a place for a file.
async fn reserve(client: &mut RawXmpp, title: &str, size: usize, media_type: &str) -> String {
    let request =
        format!("<request xmlns='{UPLOAD}' filename='{title}' size='{size}' content-type='{media_type}'/>");
    let slot = client.ask(&format!("<iq type='get' id='slot' to='localhost'>{request}</iq>"), "slot").await;
    let (_, url) = slot.split_once("<get url='").unwrap_or_else(|| panic!("{slot}"));
    let url = url.split('\'').next().unwrap();
    assert!(slot.contains(&format!("<put url='{url}'")), "{slot}");
    url[url.find("/upload/").unwrap()..].to_owned()
}

async fn put(house: &House, path: &str, text: &str) -> Answer {
    Web::stranger(house).request("PUT", path, Some(text)).await
}

async fn get(house: &House, path: &str, headers: &[(&'static str, &str)]) -> Answer {
    let web = headers.iter().fold(Web::stranger(house), |web, (name, value)| web.with(name, value));
    web.get(path).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_put_and_read() {
    let mut house = House::with_accounts(&["alice"]).await;
    let mut alice = RawXmpp::online("alice", "one", house.xmpp_plain()).await;
    let path = reserve(&mut alice, "très cool.txt", 10, "text/plain").await;
    assert!(path.ends_with("/tr%C3%A8s%20cool.txt") && path.len() > 50, "{path}");
    get(&house, &path, &[]).await.expect(404);
    put(&house, &path, "too short").await.expect(400);
    put(&house, &path, "0123456789").await.expect(201);
    put(&house, &path, "0123456789").await.expect(409);
    house.restart().await;
    let whole = get(&house, &path, &[("Origin", "https://a.example")]).await.expect(200);
    assert_eq!(whole.body, "0123456789");
    for (name, value) in [
        ("content-length", "10"),
        ("content-type", "text/plain"),
        ("content-disposition", "inline; filename*=UTF-8''tr%C3%A8s%20cool.txt"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'; sandbox"),
        ("x-content-type-options", "nosniff"),
        ("accept-ranges", "bytes"),
        ("access-control-allow-origin", "*"),
    ] {
        assert_eq!(whole.header(name), Some(value), "{name}");
    }
    let tag = whole.header("etag").unwrap().to_owned();
    for (headers, status, body, range) in [
        (&[("Range", "bytes=2-4")][..], 206, "234", Some("bytes 2-4/10")),
        (&[("Range", "bytes=-3")], 206, "789", Some("bytes 7-9/10")),
        (&[("Range", "bytes=20-")], 416, "", Some("bytes */10")),
        (&[("Range", "bytes=2-4"), ("If-Range", "\"other\"")], 200, "0123456789", None),
        (&[("If-None-Match", &tag)], 304, "", None),
    ] {
        let answer = get(&house, &path, headers).await.expect(status);
        assert_eq!((answer.body.as_str(), answer.header("content-range")), (body, range), "{headers:?}");
    }
    let head = Web::stranger(&house).request("HEAD", &path, None).await.expect(200);
    assert_eq!((head.body.as_str(), head.header("content-length")), ("", Some("10")));
    let allowed = Web::stranger(&house).request("OPTIONS", &path, None).await.expect(204);
    assert_eq!(allowed.header("access-control-allow-methods"), Some("GET, HEAD, PUT, OPTIONS"));
    Web::stranger(&house).request("DELETE", &path, None).await.expect(405);
    get(&house, "/upload/0123456789abcdef0123456789abcdef/a", &[]).await.expect(404);
    get(&house, "/upload/..%2f..%2frollcall.db/a", &[]).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_run_is_for_saving() {
    let house = House::with_accounts(&["alice"]).await;
    let mut alice = RawXmpp::online("alice", "one", house.xmpp_plain()).await;
    let path = reserve(&mut alice, "a.html", 8, "text/html").await;
    put(&house, &path, "<script>").await.expect(201);
    let answer = get(&house, &path, &[]).await.expect(200);
    assert_eq!(answer.header("content-disposition"), Some("attachment; filename*=UTF-8''a.html"));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_bounded_and_go_with_their_account() {
    let house = House::start_with(|config| {
        config.account.file_bytes = 1000;
        config.account.files_bytes = 1500;
    })
    .await;
    house.add_account("alice").await;
    let mut alice = RawXmpp::online("alice", "one", house.xmpp_plain()).await;
    let refused = |size: usize| {
        format!(
            "<iq type='get' id='no' to='localhost'><request xmlns='{UPLOAD}' filename='a' size='{size}'/></iq>"
        )
    };
    let large = alice.ask(&refused(1001), "no").await;
    assert!(
        large.contains("<not-acceptable ") && large.contains("<max-file-size>1000</max-file-size>"),
        "{large}"
    );
    let path = reserve(&mut alice, "a", 1000, "image/png").await;
    let full = alice.ask(&refused(501), "no").await;
    assert!(full.contains("type='wait'") && full.contains("<resource-constraint "), "{full}");
    let nothing = alice.ask(&refused(0), "no").await;
    assert!(nothing.contains("<bad-request "), "{nothing}");
    put(&house, &path, &"x".repeat(1000)).await.expect(201);
    get(&house, &path, &[]).await.expect(200);
    house.server().authenticator().remove_account(&address("alice")).await.unwrap();
    get(&house, &path, &[]).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_configuration_says_is_announced() {
    let house = House::start_with(|config| {
        let text = "contacts = { abuse = ['mailto:abuse@localhost'] }\n\
                    external_services = [{ type = 'turn', host = 't.example', transport = 'udp', secret = 's' },\n\
                    { type = 'stun', host = 't.example' }]";
        let announced: rollcall::xmpp::Config = toml::from_str(text).unwrap();
        config.xmpp.contacts = announced.contacts;
        config.xmpp.external_services = announced.external_services;
    })
    .await;
    house.add_account("alice").await;
    let mut alice = RawXmpp::online("alice", "one", house.xmpp_plain()).await;
    let info =
        "<iq type='get' id='i' to='localhost'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>";
    let info = alice.ask(info, "i").await;
    for part in [
        "<feature var='urn:xmpp:http:upload:0'/>",
        "<feature var='urn:xmpp:extdisco:2'/>",
        "<value>http://jabber.org/network/serverinfo</value>",
        "<value>mailto:abuse@localhost</value>",
        "<field var='max-file-size' type='text-single'><value>52428800</value></field>",
    ] {
        assert!(info.contains(part), "no {part} in {info}");
    }
    let services = "<iq type='get' id='s' to='localhost'><services xmlns='urn:xmpp:extdisco:2'/></iq>";
    let services = alice.ask(services, "s").await;
    assert!(services.contains("<service type='stun' host='t.example' port='3478'/>"), "{services}");
    assert!(services.contains("transport='udp' username='") && services.contains(" expires='"), "{services}");
    let one = "<iq type='get' id='c' to='localhost'><credentials xmlns='urn:xmpp:extdisco:2'>\
               <service type='turn' host='t.example' port='3478'/></credentials></iq>";
    let one = alice.ask(one, "c").await;
    assert!(one.contains(" password='") && !one.contains("stun"), "{one}");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_share_files() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut alice = Slixmpp::online("alice@localhost", PASSWORD, house.xmpp()).await;
    let slot = alice.act(json!({"do": "slot", "filename": "a b.png", "size": 4, "type": "image/png"})).await;
    assert_eq!(slot["service"], "localhost");
    assert_eq!(slot["max"], 52_428_800);
    let url = slot["get"].as_str().unwrap();
    let path = &url[url.find("/upload/").unwrap()..];
    put(&house, path, "1234").await.expect(201);
    let mut bob = connect(&house, "xmpp.js", "bob", "wss://localhost:PORT/xmpp-websocket", json!({})).await;
    let text = "text that goes by fetch, and comes back".repeat(10_000);
    let shared = bob
        .ask(json!({"do": "share", "to": "localhost", "name": "ü.txt", "type": "text/plain", "text": text}));
    let shared = shared.await;
    assert_eq!((&shared["put"], &shared["same"]), (&json!(201), &json!(true)), "{shared}");
    let url = shared["url"].as_str().unwrap();
    let read = get(&house, &url[url.find("/upload/").unwrap()..], &[]).await.expect(200);
    assert_eq!(read.body.len(), text.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_served_on_the_web_no_files_are_offered() {
    let house =
        House::start_with(|config| (config.api.http, config.api.https) = (Vec::new(), Vec::new())).await;
    house.add_account("alice").await;
    let mut alice = RawXmpp::online("alice", "one", house.xmpp_plain()).await;
    let question =
        "<iq type='get' id='d' to='localhost'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>";
    let told = alice.ask(question, "d").await;
    assert!(told.contains("urn:xmpp:ping") && !told.contains(UPLOAD), "{told}");
}
