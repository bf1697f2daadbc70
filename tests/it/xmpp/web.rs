//! XMPP over the web listeners: WebSocket (RFC 7395) in raw frames, and real clients by it.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest as _, protocol::Message as Frame},
};

use crate::support::{Answer, House, PASSWORD, Program, RawXmpp, Web, soon};

const FRAMING: &str = "xmlns='urn:ietf:params:xml:ns:xmpp-framing'";
const SM: &str = "xmlns='urn:xmpp:sm:3'";

/// A WebSocket, one frame at a time.
struct Frames(WebSocketStream<TcpStream>);

impl Frames {
    /// Opens one with these headers.
    async fn try_open(house: &House, headers: &[(&'static str, &str)]) -> Result<Self, Error> {
        let mut request = format!("ws://{}/xmpp-websocket", house.http()).into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let tcp = TcpStream::connect(house.http()).await?;
        soon("a socket", client_async(request, tcp)).await.map(|(socket, _)| Self(socket))
    }

    async fn open(house: &House) -> Self {
        Self::try_open(house, &[("sec-websocket-protocol", "xmpp")]).await.unwrap()
    }

    async fn send(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// The next frame of text; `None` at the end.
    async fn next(&mut self) -> Option<String> {
        loop {
            match soon("a frame", self.0.next()).await {
                Some(Ok(Frame::Text(text))) => return Some(text.to_string()),
                Some(Ok(Frame::Ping(_) | Frame::Pong(_))) => {}
                _ => return None,
            }
        }
    }

    /// The next frame that has this in it.
    async fn frame(&mut self, part: &str) -> String {
        loop {
            let Some(frame) = self.next().await else { panic!("no {part} before the end") };
            if frame.contains(part) {
                return frame;
            }
        }
    }

    /// Opens a stream and logs in.
    async fn authenticate(&mut self, name: &str) {
        self.send(&format!("<open {FRAMING} to='localhost' version='1.0'/>")).await;
        let opened = self.next().await.unwrap();
        assert!(opened.starts_with(&format!("<open {FRAMING} ")) && opened.contains(" id='"), "{opened}");
        let features = self.next().await.unwrap();
        assert!(features.starts_with("<stream:features xmlns:stream='http://etherx"), "{features}");
        assert!(features.contains("SCRAM-SHA-256<") && !features.contains("PLUS"), "{features}");
        assert!(!features.contains("sasl-cb") && !features.contains("starttls"), "{features}");
        use base64::Engine as _;
        let proof = base64::engine::general_purpose::STANDARD.encode(format!("\0{name}\0{PASSWORD}"));
        let auth = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>";
        self.send(&format!("{auth}{proof}</auth>")).await;
        self.frame("<success").await;
        self.send(&format!("<open {FRAMING} to='localhost' version='1.0'/>")).await;
        self.frame("<open ").await;
        self.frame("<stream:features").await;
    }

    async fn bind(&mut self) {
        let bind = "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>web</resource></bind>";
        self.send(&format!("<iq xmlns='jabber:client' type='set' id='b'>{bind}</iq>")).await;
        let bound = self.frame("id='b'").await;
        assert!(bound.starts_with("<iq xmlns='jabber:client' "), "{bound}");
        self.send("<presence xmlns='jabber:client'/>").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_carries_a_stream_one_element_a_frame() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut alice = Frames::open(&house).await;
    alice.authenticate("alice").await;
    alice.bind().await;
    alice.frame("from='alice@localhost/web'").await;
    let mut bob = RawXmpp::online("bob", "one", house.xmpp_plain()).await;
    alice.send("<message xmlns='jabber:client' to='bob@localhost/one'><body>über</body></message>").await;
    let heard = bob.stanza("<body>über</body>").await;
    assert!(heard.contains("from='alice@localhost/web'") && !heard.contains("xmlns='jabber"), "{heard}");
    bob.send("<message to='alice@localhost/web' type='chat'><body>a</body></message>".repeat(3).as_str())
        .await;
    for _ in 0..3 {
        let frame = alice.frame("<body>a</body>").await;
        assert!(
            frame.starts_with("<message xmlns='jabber:client' ") && frame.ends_with("</message>"),
            "{frame}"
        );
        assert_eq!(frame.matches("<message").count(), 1, "{frame}");
    }
    alice.send(&format!("<close {FRAMING}/>")).await;
    assert_eq!(alice.frame("<close").await, format!("<close {FRAMING}/>"));
    assert_eq!(alice.next().await, None);
}

/// The stream asks, not the socket: a browser answers pings of RFC 6455 for a page that hangs, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_socket_is_asked_and_then_given_up() {
    let house = House::start_with(|config| {
        config.xmpp.ping_seconds = 1;
        config.xmpp.patience_seconds = 5;
    })
    .await;
    house.add_account("alice").await;
    let mut alice = Frames::open(&house).await;
    alice.authenticate("alice").await;
    alice.bind().await;
    // Who answers is not given up.
    let asked = alice.frame("<ping xmlns='urn:xmpp:ping'/>").await;
    let (_, rest) = asked.split_once(" id='").unwrap();
    let id = rest.split('\'').next().unwrap();
    alice.send(&format!("<iq xmlns='jabber:client' type='result' id='{id}'/>")).await;
    alice.frame("<ping xmlns='urn:xmpp:ping'/>").await;
    alice.0.send(Message::Ping("still here".into())).await.unwrap();
    alice.frame("<connection-timeout ").await;
    assert_eq!(alice.frame("<close").await, format!("<close {FRAMING}/>"));
    assert_eq!(alice.next().await, None);
    let me = Web::log_in(&house, "alice").await.get("/api/me").await.expect(200).json();
    assert_eq!(me["sessions"], json!([]), "{me}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_open_a_socket() {
    let house = House::start_with(|config| {
        config.xmpp.web_origins = vec!["https://chat.example.org".to_owned()];
        config.api.behind_proxy = true;
    })
    .await;
    let xmpp = ("sec-websocket-protocol", "xmpp");
    for (headers, expected) in [
        (&[xmpp][..], None),
        (&[xmpp, ("origin", "https://chat.example.org")], None),
        (&[("sec-websocket-protocol", "sip, xmpp")], None),
        (&[], Some(400)),
        (&[("sec-websocket-protocol", "sip")], Some(400)),
        (&[xmpp, ("origin", "https://evil.example")], Some(403)),
        (&[xmpp, ("x-forwarded-for", "192.0.2.1")], Some(403)),
        (&[xmpp, ("x-forwarded-for", "192.0.2.1"), ("x-forwarded-proto", "https")], None),
    ] {
        let status = match Frames::try_open(&house, headers).await {
            Ok(_) => None,
            Err(Error::Http(answer)) => Some(answer.status().as_u16()),
            Err(other) => panic!("{headers:?}: {other}"),
        };
        assert_eq!(status, expected, "{headers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_element_of_its_own_ends_the_stream() {
    let house = House::with_accounts(&["alice"]).await;
    let large = format!("<message xmlns='jabber:client'><body>{}</body></message>", "x".repeat(200_000));
    for (frame, condition) in [
        ("<presence xmlns='jabber:client'/><presence xmlns='jabber:client'/>", "not-well-formed"),
        ("<message xmlns='jabber:client'><body>", "not-well-formed"),
        ("<!-- x --><presence/>", "restricted-xml"),
        ("</stream:stream>", "not-well-formed"),
        (&format!("<open {FRAMING} to='localhost' version='1.0'/>"), "restricted-xml"),
    ] {
        let mut alice = Frames::open(&house).await;
        alice.authenticate("alice").await;
        alice.bind().await;
        alice.send(frame).await;
        let error = alice.frame("<stream:error").await;
        assert!(error.contains(&format!("<{condition} ")), "{frame}: {error}");
        alice.frame("<close").await;
        assert_eq!(alice.next().await, None);
    }
    let mut early = Frames::open(&house).await;
    early.send(&format!("<open {FRAMING} to='localhost' version='1.0'/>")).await;
    early.send(&large).await;
    early.frame("<policy-violation").await;
    let mut elsewhere = Frames::open(&house).await;
    elsewhere.send(&format!("<open {FRAMING} to='elsewhere.example' version='1.0'/>")).await;
    elsewhere.frame("<open").await;
    elsewhere.frame("<host-unknown").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_goes_on_over_another_socket_and_over_tcp() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut alice = Frames::open(&house).await;
    alice.authenticate("alice").await;
    alice.bind().await;
    alice.send(&format!("<enable {SM} resume='true'/>")).await;
    let enabled = alice.frame("<enabled").await;
    let id = enabled.split_once(" id='").unwrap().1.split('\'').next().unwrap().to_owned();
    drop(alice);
    let mut bob = RawXmpp::online("bob", "one", house.xmpp_plain()).await;
    bob.send("<message to='alice@localhost/web'><body>missed</body></message>").await;
    bob.has_not("error").await;
    let mut again = Frames::open(&house).await;
    again.authenticate("alice").await;
    again.send(&format!("<resume {SM} h='0' previd='{id}'/>")).await;
    again.frame("<resumed").await;
    again.frame("missed").await;
    let mut wire = RawXmpp::authenticated("alice", house.xmpp_plain()).await;
    wire.send(&format!("<resume {SM} h='0' previd='{id}'/>")).await;
    wire.stanza("<resumed").await;
    wire.stanza("missed").await;
    again.frame("<conflict ").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_find_the_way() {
    let house = House::start().await;
    let expected = format!("wss://localhost:{}/xmpp-websocket", house.https().port());
    let web = Web::stranger(&house);
    let xml = web.get("/.well-known/host-meta").await.expect(200);
    assert!(
        xml.body.contains(&format!("rel='urn:xmpp:alt-connections:websocket' href='{expected}'")),
        "{}",
        xml.body
    );
    let bosh = format!("https://localhost:{}/http-bind", house.https().port());
    assert!(
        xml.body.contains(&format!("rel='urn:xmpp:alt-connections:xbosh' href='{bosh}'")),
        "{}",
        xml.body
    );
    assert_eq!(xml.header("access-control-allow-origin"), Some("*"));
    let json = web.get("/.well-known/host-meta.json").await.expect(200);
    assert_eq!(json.header("access-control-allow-origin"), Some("*"));
    let links = json.json();
    let links = links["links"].as_array().unwrap();
    assert!(
        links.contains(&json!({"rel": "urn:xmpp:alt-connections:websocket", "href": expected})),
        "{links:?}"
    );
}

/// A session by one of the libraries of `tests/interop/web`.
pub(super) async fn connect(
    house: &House,
    library: &str,
    local: &str,
    service: &str,
    more: serde_json::Value,
) -> Program {
    let mut client = Program::node(&format!("{library} of {local}"), &["tests/interop/web/client.mjs"]);
    let service = service.replace("PORT", &house.https().port().to_string());
    let mut command = json!({
        "do": "connect", "library": library, "service": service, "domain": "localhost",
        "username": local, "password": PASSWORD,
    });
    if let (Some(command), serde_json::Value::Object(more)) = (command.as_object_mut(), more) {
        command.extend(more);
    }
    client.ask(command).await;
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_for_the_web_talk_over_sockets() {
    let house = House::with_accounts(&["alice", "bob", "carol"]).await;
    let service = "wss://localhost:PORT/xmpp-websocket";
    let mut alice = connect(&house, "xmpp.js", "alice", service, json!({})).await;
    let mut bob = connect(&house, "stanza", "bob", service, json!({})).await;
    let mut carol = connect(&house, "strophe", "carol", service, json!({})).await;
    alice.ask(json!({"do": "say", "to": "bob@localhost", "body": "from xmpp.js"})).await;
    bob.event("message", |event| event["body"] == "from xmpp.js").await;
    bob.ask(json!({"do": "say", "to": "carol@localhost", "body": "from stanza"})).await;
    carol.event("message", |event| event["body"] == "from stanza").await;
    // Strophe and stanza go; xmpp.js loses its connection and goes on with its stream.
    alice.ask(json!({"do": "breakOff"})).await;
    carol.ask(json!({"do": "say", "to": "alice@localhost", "body": "from strophe"})).await;
    alice.event("resumed", |_| true).await;
    alice.event("message", |event| event["body"] == "from strophe").await;
    bob.ask(json!({"do": "leave"})).await;
    bob.event("disconnected", |_| true).await;
    carol.ask(json!({"do": "leave"})).await;
    carol.event("disconnected", |_| true).await;
}

/// A BOSH client in raw requests.
struct Bosh<'a> {
    web: Web,
    house: &'a House,
    session: String,
    request: u64,
}

impl<'a> Bosh<'a> {
    /// Makes a session; the first answer, too.
    async fn open(house: &'a House, more: &str) -> (Self, Answer) {
        let mut bosh = Self { web: Web::stranger(house), house, session: String::new(), request: 1000 };
        let answer = bosh
            .say(&format!("to='localhost' wait='5' hold='1' ver='1.6' {XBOSH} xmpp:version='1.0' {more}"), "")
            .await;
        bosh.session = attribute(&answer.body, "sid");
        (bosh, answer)
    }

    /// Sends the next request.
    async fn say(&mut self, attributes: &str, elements: &str) -> Answer {
        self.request += 1;
        self.say_again(attributes, elements).await
    }

    /// Sends the last request once more.
    async fn say_again(&self, attributes: &str, elements: &str) -> Answer {
        let (session, request) = (&self.session, self.request);
        let sid = if session.is_empty() { String::new() } else { format!("sid='{session}'") };
        let body = format!("<body xmlns='{HTTPBIND}' rid='{request}' {sid} {attributes}>{elements}</body>");
        self.web.request("POST", "/http-bind", Some(&body)).await.expect(200)
    }

    /// Logs in and binds a resource.
    async fn log_in(&mut self, name: &str) {
        use base64::Engine as _;
        let proof = base64::engine::general_purpose::STANDARD.encode(format!("\0{name}\0{PASSWORD}"));
        let auth = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>";
        let done = self.say("", &format!("{auth}{proof}</auth>")).await;
        assert!(done.body.contains("<success "), "{}", done.body);
        let opened = self.say(&format!("{XBOSH} xmpp:restart='true' to='localhost'"), "").await;
        assert!(opened.body.contains("<bind "), "{}", opened.body);
        let bind = "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>web</resource></bind>";
        let bound = self.say("", &format!("<iq xmlns='jabber:client' type='set' id='b'>{bind}</iq>")).await;
        assert!(bound.body.contains("@localhost/web"), "{}", bound.body);
    }
}

fn attribute(text: &str, name: &str) -> String {
    let (_, rest) = text.split_once(&format!(" {name}='")).unwrap_or_else(|| panic!("no {name} in {text}"));
    rest.split('\'').next().unwrap().to_owned()
}

const HTTPBIND: &str = "http://jabber.org/protocol/httpbind";
const XBOSH: &str = "xmlns:xmpp='urn:xmpp:xbosh'";

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_answers_carry_a_stream() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let (mut alice, first) = Bosh::open(&house, "xml:lang='de'").await;
    for (name, value) in
        [("wait", "5"), ("hold", "1"), ("requests", "2"), ("ack", "1001"), ("from", "localhost")]
    {
        assert_eq!(attribute(&first.body, name), value, "{}", first.body);
    }
    assert!(first.body.contains("<mechanism>SCRAM-SHA-256</mechanism>"), "{}", first.body);
    assert_eq!(first.header("access-control-allow-origin"), Some("*"));
    assert_eq!(first.header("content-type"), Some("text/xml; charset=utf-8"));
    alice.log_in("alice").await;
    // The elements of a wrapper without a namespace of their own are meant for the stream.
    let own = alice.say("", "<presence/>").await;
    assert!(own.body.contains("<presence xmlns='jabber:client' from='alice@localhost/web'"), "{}", own.body);
    let mut bob = RawXmpp::online("bob", "one", alice.house.xmpp_plain()).await;
    let held = tokio::spawn({
        let (web, session, request) = (Web::stranger(&house), alice.session.clone(), alice.request + 1);
        async move {
            let body = format!("<body xmlns='{HTTPBIND}' rid='{request}' sid='{session}'/>");
            web.request("POST", "/http-bind", Some(&body)).await.expect(200)
        }
    });
    bob.send("<message to='alice@localhost/web'><body>hello</body></message>").await;
    let heard = soon("the held answer", held).await.unwrap();
    assert!(heard.body.contains("<body>hello</body>"), "{}", heard.body);
    // The answer got lost: the same request brings it again.
    alice.request += 1;
    assert_eq!(alice.say_again("", "").await.body, heard.body);
    // Nothing to say for as long as was agreed.
    let empty = alice.say("", "<message to='bob@localhost/one'><body>hi</body></message>").await;
    assert!(empty.body.ends_with("></body>") && !empty.body.contains("type="), "{}", empty.body);
    bob.stanza("<body>hi</body>").await;
    let end = alice.say("type='terminate'", "<presence xmlns='jabber:client' type='unavailable'/>").await;
    assert_eq!(attribute(&end.body, "type"), "terminate");
    let gone = alice.say("", "").await;
    assert_eq!(attribute(&gone.body, "condition"), "item-not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_the_rules_ends_the_session() {
    let house = House::with_accounts(&["alice"]).await;
    let elsewhere = Web::stranger(&house);
    let bad = elsewhere.request("POST", "/http-bind", Some("<body/>")).await.expect(200);
    assert_eq!(attribute(&bad.body, "condition"), "bad-request");
    let large = "x".repeat(300_000);
    elsewhere.request("POST", "/http-bind", Some(&large)).await.expect(413);
    elsewhere.request("GET", "/http-bind", None).await.expect(405);
    let allowed = elsewhere
        .with("Origin", "https://a.example")
        .request("OPTIONS", "/http-bind", None)
        .await
        .expect(204);
    assert_eq!(allowed.header("access-control-allow-methods"), Some("POST, OPTIONS"));
    let mut stranger = Bosh { web: Web::stranger(&house), house: &house, session: String::new(), request: 1 };
    let unknown = stranger.say("to='elsewhere.example' wait='5' hold='1'", "").await;
    assert_eq!(attribute(&unknown.body, "condition"), "remote-stream-error");
    assert!(unknown.body.contains("<host-unknown "), "{}", unknown.body);
    for (elements, expected) in [
        ("<message from='bob@localhost'/>", "<invalid-from "),
        ("<unknown xmlns='urn:x'/>", "<unsupported-stanza-type "),
    ] {
        let (mut alice, _) = Bosh::open(&house, "").await;
        alice.log_in("alice").await;
        let end = alice.say("", elements).await;
        assert_eq!(attribute(&end.body, "condition"), "remote-stream-error");
        assert!(end.body.contains(expected), "{}", end.body);
    }
    let (mut alice, _) = Bosh::open(&house, "").await;
    alice.request += 10;
    assert_eq!(attribute(&alice.say("", "").await.body, "condition"), "item-not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_never_comes_back_is_gone() {
    let house = House::start_with(|config| config.xmpp.bosh_inactivity_seconds = 5).await;
    house.add_account("alice").await;
    house.add_account("bob").await;
    let mut bob = RawXmpp::online("bob", "one", house.xmpp_plain()).await;
    let (mut alice, _) = Bosh::open(&house, "").await;
    alice.log_in("alice").await;
    alice.say("", "<presence to='bob@localhost'/>").await;
    bob.stanza("from='alice@localhost/web'").await;
    bob.stanza("type='unavailable'").await;
    assert_eq!(attribute(&alice.say("", "").await.body, "condition"), "item-not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_for_the_web_talk_in_requests() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let service = "https://localhost:PORT/http-bind";
    let mut alice = connect(&house, "strophe", "alice", service, json!({})).await;
    let mut bob = connect(&house, "stanza", "bob", service, json!({"bosh": true})).await;
    alice.ask(json!({"do": "say", "to": "bob@localhost", "body": "from strophe"})).await;
    bob.event("message", |event| event["body"] == "from strophe").await;
    bob.ask(json!({"do": "say", "to": "alice@localhost", "body": "from stanza"})).await;
    alice.event("message", |event| event["body"] == "from stanza").await;
    alice.ask(json!({"do": "leave"})).await;
    alice.event("disconnected", |_| true).await;
}
