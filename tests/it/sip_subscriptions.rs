//! What subscriptions do besides showing a state: conditions, rates, connections that end, restarts.

use std::{collections::VecDeque, net::SocketAddr};

use rollcall::sip::message::{HeaderName, Limits, Message};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{House, SipPhone, Site, Xcap, body, soon};

/// A SUBSCRIBE of the phone's user outside of dialogs.
async fn subscribe(phone: &mut SipPhone, to: &str, headers: &str) -> Message {
    let contact = format!("Contact: <sip:{}@{}>\r\n{headers}", phone.user, phone.address());
    phone.ask("SUBSCRIBE", &format!("sip:{to}@localhost"), to, &contact, "").await
}

/// A SUBSCRIBE within the dialog that this answer began.
async fn refresh(phone: &mut SipPhone, accepted: &Message, headers: &str) -> Message {
    let to = format!("<sip:{}@localhost>;tag={}", phone.user, accepted.to().unwrap().tag().unwrap());
    phone.ask("SUBSCRIBE", "sip:localhost", &to, headers, "").await
}

/// The next NOTIFY, answered; its state begins with `state`.
async fn notified(phone: &mut SipPhone, state: &str) -> Message {
    let request = phone.serve(200).await;
    let found = request.text(HeaderName::SubscriptionState).unwrap_or_default().into_owned();
    assert!(found.starts_with(state), "{found}");
    request
}

fn tag_of(notify: &Message) -> String {
    notify.text(HeaderName::SipEtag).expect("an entity tag").into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_watcher_knows_he_is_not_told_again() {
    let house = House::with_accounts(&["bob"]).await;
    let mut bob = SipPhone::registered("bob", house.sip_udp(), "").await;
    let accepted = subscribe(&mut bob, "bob", "Event: presence\r\n").await;
    let first = notified(&mut bob, "active").await;
    let tag = tag_of(&first);
    let known = format!("Event: presence\r\nSuppress-If-Match: {tag}\r\n");

    let silent = refresh(&mut bob, &accepted, &format!("{known}Expires: 300\r\n")).await;
    assert_eq!((silent.status(), silent.text(HeaderName::Expires).unwrap().as_ref()), (Some(204), "300"));
    // Had the refresh caused a NOTIFY, it would come before the next one's.
    let other = "Event: presence\r\nSuppress-If-Match: other\r\n";
    assert_eq!(refresh(&mut bob, &accepted, other).await.status(), Some(200));
    let again = notified(&mut bob, "active").await;
    assert_eq!((tag_of(&again), again.cseq().unwrap().number), (tag.clone(), 2));
    assert_eq!(body(&again), body(&first));

    let fetch = subscribe(&mut bob, "bob", &format!("{known}Expires: 0\r\n")).await;
    assert_eq!(fetch.status(), Some(200));
    let fetched = notified(&mut bob, "terminated;reason=timeout").await;
    assert_eq!((body(&fetched), fetched.has(HeaderName::ContentType)), (String::new(), false));
    assert_eq!(tag_of(&fetched), tag);

    let ended =
        refresh(&mut bob, &accepted, "Event: presence\r\nSuppress-If-Match: *\r\nExpires: 0\r\n").await;
    assert_eq!(ended.status(), Some(204));
    assert_eq!(refresh(&mut bob, &accepted, "Event: presence\r\n").await.status(), Some(481));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quenched_subscription_is_told_of_its_standing_alone() {
    let house = House::start_with(|config| config.sip.notify_interval_ms = 0).await;
    house.add_account("bob").await;
    let mut bob = SipPhone::new("bob", house.sip_udp()).await;
    let quench = "Event: presence\r\nSuppress-If-Match: *\r\n";
    let accepted = subscribe(&mut bob, "bob", quench).await;
    let first = notified(&mut bob, "active").await;
    assert_eq!(body(&first), "");
    // The state changes twice, and nothing is said of it.
    for seconds in [600, 0] {
        assert_eq!(bob.register(seconds, "").await.status(), Some(200));
    }
    assert_eq!(refresh(&mut bob, &accepted, "Event: presence\r\n").await.status(), Some(200));
    let awake = notified(&mut bob, "active").await;
    assert_eq!(awake.cseq().unwrap().number, 2);
    assert!(body(&awake).contains("closed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_has_the_rate_he_asked_for() {
    let house = House::start_with(|config| config.sip.notify_interval_ms = 100).await;
    house.add_account("bob").await;
    let mut bob = SipPhone::new("bob", house.sip_udp()).await;
    let accepted = subscribe(&mut bob, "bob", "Event: presence;max-rate=2;min-rate=1;id=5\r\n").await;
    assert_eq!(accepted.status(), Some(200));
    let first = notified(&mut bob, "active;expires=").await;
    let state = first.text(HeaderName::SubscriptionState).unwrap().into_owned();
    assert!(state.ends_with(";max-rate=2;min-rate=0.2"), "{state}");
    assert_eq!(first.text(HeaderName::Event).unwrap(), "presence;id=5");
    // Nothing changes, and after five seconds he is told so.
    let second = notified(&mut bob, "active;expires=").await;
    assert_eq!(body(&second), body(&first));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_notify_is_said_again() {
    let house = House::with_accounts(&["bob"]).await;
    let mut bob = SipPhone::registered("bob", house.sip_udp(), "").await;
    subscribe(&mut bob, "bob", "Event: presence\r\n").await;
    let refused = bob.serve_with(503, "Retry-After: 1\r\n").await;
    let again = notified(&mut bob, "active").await;
    assert_eq!((refused.cseq().unwrap().number, again.cseq().unwrap().number), (1, 2));
    assert_eq!(body(&again), body(&refused));
}

/// RFC 6665 §4.2.1.2: a refresh is answered where the watcher is now, and what becomes of a NOTIFY to where he was
/// says nothing of him.
#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_who_moved_is_told_there_at_once_and_outlives_what_he_left_unanswered() {
    let house = House::with_accounts(&["bob"]).await;
    let mut before = SipPhone::new("bob", house.sip_udp()).await;
    let accepted = subscribe(&mut before, "bob", "Event: presence\r\n").await;
    let mut bob = before.moved().await;
    let here = format!("Contact: <sip:bob@{}>\r\nEvent: presence\r\n", bob.address());
    assert_eq!(refresh(&mut bob, &accepted, &here).await.status(), Some(200));
    notified(&mut bob, "active").await;
    before.serve(481).await;
    // Whichever comes first, the answer from before or the refresh, the subscription stands.
    for _ in 0..2 {
        assert_eq!(refresh(&mut bob, &accepted, "Event: presence\r\n").await.status(), Some(200));
        notified(&mut bob, "active").await;
    }
}

/// The same where it is a registration that says where he is (RFC 5627 §6.1).
#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_at_a_gruu_who_moved_is_told_where_he_registers() {
    const INSTANCE: &str = "urn:uuid:00000000-0000-1000-8000-000000000001";
    async fn register(phone: &mut SipPhone) {
        let contact = format!("Contact: <sip:bob@{}>;+sip.instance=\"<{INSTANCE}>\"\r\n", phone.address());
        let headers = format!("{contact}Supported: gruu\r\n");
        let answer = phone.ask("REGISTER", "sip:localhost", "bob", &headers, "").await;
        assert_eq!(answer.status(), Some(200), "{answer:?}");
    }
    let house = House::with_accounts(&["bob"]).await;
    let mut before = SipPhone::new("bob", house.sip_udp()).await;
    register(&mut before).await;
    let contact = format!("Contact: <sip:bob@localhost;gr={INSTANCE}>\r\nEvent: presence\r\n");
    let accepted = before.ask("SUBSCRIBE", "sip:bob@localhost", "bob", &contact, "").await;
    assert_eq!(accepted.status(), Some(200), "{accepted:?}");
    let mut bob = before.moved().await;
    register(&mut bob).await;
    notified(&mut bob, "active").await;
    before.serve(481).await;
    for _ in 0..2 {
        assert_eq!(refresh(&mut bob, &accepted, "Event: presence\r\n").await.status(), Some(200));
        notified(&mut bob, "active").await;
    }
}

/// A phone on one TCP connection.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Requests that overtook the response that was waited for; they are answered.
    early: VecDeque<Message>,
}

impl Connection {
    async fn open(house: &House) -> Self {
        let stream = TcpStream::connect(house.sip_tcp()).await.unwrap();
        Self { stream, buffer: Vec::new(), early: VecDeque::new() }
    }

    async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    async fn receive(&mut self) -> Message {
        loop {
            let text = String::from_utf8_lossy(&self.buffer).into_owned();
            if let Some(end) = text.find("\r\n\r\n") {
                let digits = text.split("Content-Length: ").nth(1).unwrap().split("\r\n").next().unwrap();
                let whole = end + 4 + digits.parse::<usize>().unwrap();
                if self.buffer.len() >= whole {
                    let message: Vec<u8> = self.buffer.drain(..whole).collect();
                    return Message::parse_datagram(message.into(), &Limits::default()).unwrap();
                }
            }
            let read = soon("more of a message", self.stream.read_buf(&mut self.buffer)).await.unwrap();
            assert!(read > 0, "the connection ended");
        }
    }

    /// The next message of this kind: a response, or a request, which is answered.
    async fn next(&mut self, wants_request: bool) -> Message {
        if wants_request && let Some(message) = self.early.pop_front() {
            return message;
        }
        loop {
            let message = self.receive().await;
            if message.is_request() {
                let answer = rollcall::sip::message::Builder::response_to(&message, 200, "tcp").finish();
                self.stream.write_all(answer.bytes()).await.unwrap();
            }
            if message.is_request() == wants_request {
                return message;
            }
            if message.is_request() {
                self.early.push_back(message);
            }
        }
    }

    /// Asks, and proves itself where it must.
    async fn ask(&mut self, phone: &SipPhone, method: &str, number: u32, headers: &str) -> Message {
        let uri = if method == "REGISTER" { "sip:localhost" } else { "sip:bob@localhost" };
        let text = phone.request_over_tcp(method, uri, "bob", number, None);
        self.send(&format!("{text}{headers}Content-Length: 0\r\n\r\n")).await;
        let response = self.next(false).await;
        if response.status() != Some(401) {
            return response;
        }
        let text = phone.request_over_tcp(method, uri, "bob", number + 1, Some(&response));
        self.send(&format!("{text}{headers}Content-Length: 0\r\n\r\n")).await;
        self.next(false).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_outlives_its_connection_until_the_phone_registers_again() {
    let house = House::with_accounts(&["bob"]).await;
    let phone = SipPhone::new("bob", house.sip_udp()).await;
    let contact = "Contact: <sip:bob77@127.0.0.1:9;transport=tcp>\r\n";
    let mut first = Connection::open(&house).await;
    assert_eq!(first.ask(&phone, "REGISTER", 1, contact).await.status(), Some(200));
    let accepted = first.ask(&phone, "SUBSCRIBE", 3, &format!("{contact}Event: presence\r\n")).await;
    assert_eq!(accepted.status(), Some(200));
    let told = first.next(true).await;
    drop(first);

    let mut second = Connection::open(&house).await;
    assert_eq!(second.ask(&phone, "REGISTER", 11, contact).await.status(), Some(200));
    let again = second.next(true).await;
    assert_eq!(again.method().unwrap().as_str(), "NOTIFY");
    assert_eq!(again.from().unwrap().tag(), told.from().unwrap().tag(), "it is the same dialog");
    assert!(again.cseq().unwrap().number > told.cseq().unwrap().number);
    assert!(body(&again).contains("<basic>open</basic>"));
}

/// Follows itself, is told, and is told again after a restart, which gives where the server is then.
async fn survives(bob: &mut SipPhone, restart: impl Future<Output = SocketAddr>) {
    let accepted = subscribe(bob, "bob", "Event: presence;id=9\r\nExpires: 600\r\n").await;
    let told = notified(bob, "active").await;
    assert!(body(&told).contains("open"));
    bob.move_to(restart.await);
    let again = notified(bob, "active;expires=5").await;
    assert_eq!(again.from().unwrap().tag(), told.from().unwrap().tag());
    assert_eq!(again.to().unwrap().tag(), told.to().unwrap().tag());
    assert_eq!(again.call_id(), told.call_id());
    assert_eq!(again.text(HeaderName::Event).unwrap(), "presence;id=9");
    assert!(again.cseq().unwrap().number > told.cseq().unwrap().number);
    let refreshed = refresh(bob, &accepted, "Event: presence;id=9\r\nExpires: 0\r\n").await;
    assert_eq!(refreshed.status(), Some(200));
    notified(bob, "terminated;reason=timeout").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_survive_a_restart_and_end_for_good() {
    let mut house = House::with_accounts(&["bob"]).await;
    let mut bob = SipPhone::registered("bob", house.sip_udp(), "").await;
    let restart = async {
        house.restart().await;
        house.sip_udp()
    };
    survives(&mut bob, restart).await;
    house.restart().await;
    bob.move_to(house.sip_udp());
    // Nothing of the ended subscription comes back: the next NOTIFY is a new one's.
    subscribe(&mut bob, "bob", "Event: presence\r\n").await;
    assert_eq!(notified(&mut bob, "active").await.text(HeaderName::Event).unwrap(), "presence");
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_survive_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path());
    site.add_account("bob").await;
    let mut server = site.serve().await;
    let mut bob = SipPhone::registered("bob", site.sip, "").await;
    let restart = async {
        server.kill().await;
        server = site.serve().await;
        site.sip
    };
    survives(&mut bob, restart).await;
}

/// A NOTIFY whose body has `piece`; others before it are answered.
async fn shown(phone: &mut SipPhone, piece: &str) -> Message {
    loop {
        let request = phone.serve(200).await;
        if body(&request).contains(piece) {
            return request;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn packages_are_told_apart_and_what_is_the_owners_is_shown_to_nobody_else() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut bob = SipPhone::registered("bob", house.sip_udp(), "").await;
    for (event, status) in [
        ("conference", 489),
        ("presence.winfo.winfo", 489),
        ("presence.winfo", 403),
        ("message-summary", 403),
        ("reg", 403),
    ] {
        let answer = subscribe(&mut bob, "alice", &format!("Event: {event}\r\n")).await;
        assert_eq!(answer.status(), Some(status), "{event}");
        assert_eq!(answer.has(HeaderName::AllowEvents), status == 489);
    }
    let picky = subscribe(&mut bob, "bob", "Event: reg\r\nAccept: application/pidf+xml\r\n").await;
    assert_eq!(picky.text(HeaderName::Accept).unwrap(), "application/reginfo+xml");
    assert_eq!(picky.status(), Some(406));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_follows_watchers_where_the_operator_said_so() {
    let house = House::start_with(|config| config.account.watcher_info = false).await;
    house.add_account("bob").await;
    let mut bob = SipPhone::registered("bob", house.sip_udp(), "").await;
    let answer = subscribe(&mut bob, "bob", "Event: presence.winfo\r\n").await;
    assert_eq!(answer.status(), Some(489));
}

#[tokio::test(flavor = "multi_thread")]
async fn owner_follows_who_watches_him() {
    let house = House::start_with(|config| config.sip.notify_interval_ms = 0).await;
    for local in ["alice", "bob"] {
        house.add_account(local).await;
    }
    let mut alice = SipPhone::registered("alice", house.sip_udp(), "").await;
    assert_eq!(subscribe(&mut alice, "alice", "Event: presence.winfo\r\n").await.status(), Some(200));
    let first = shown(&mut alice, "<watcherinfo").await;
    assert_eq!(first.text(HeaderName::ContentType).unwrap(), "application/watcherinfo+xml");
    assert!(body(&first).contains("version=\"0\" state=\"full\""), "{}", body(&first));
    assert!(body(&first).contains("resource=\"sip:alice@localhost\" package=\"presence\""));

    let mut bob = SipPhone::registered("bob", house.sip_udp(), "").await;
    let watching = subscribe(&mut bob, "alice", "Event: presence\r\n").await;
    let second = shown(&mut alice, "sip:bob@localhost").await;
    assert!(body(&second).contains("version=\"1\" state=\"partial\""), "{}", body(&second));
    assert!(body(&second).contains("status=\"pending\" event=\"subscribe\""), "{}", body(&second));
    notified(&mut bob, "pending").await;
    let to = format!("<sip:alice@localhost>;tag={}", watching.to().unwrap().tag().unwrap());
    bob.ask("SUBSCRIBE", "sip:localhost", &to, "Event: presence\r\nExpires: 0\r\n", "").await;
    let third = shown(&mut alice, "sip:bob@localhost").await;
    assert!(body(&third).contains("version=\"2\" state=\"partial\""), "{}", body(&third));
    assert!(body(&third).contains("status=\"waiting\" event=\"timeout\""), "{}", body(&third));
}

#[tokio::test(flavor = "multi_thread")]
async fn lamp_is_lit_while_messages_wait() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut eyes = SipPhone::new("bob", house.sip_udp()).await;
    assert_eq!(subscribe(&mut eyes, "bob", "Event: message-summary\r\n").await.status(), Some(200));
    let dark = shown(&mut eyes, "Messages-Waiting: no").await;
    assert_eq!(dark.text(HeaderName::ContentType).unwrap(), "application/simple-message-summary");
    let mut alice = SipPhone::registered("alice", house.sip_udp(), "").await;
    assert_eq!(alice.write("bob", "hello").await.status(), Some(202));
    let lit = shown(&mut eyes, "Messages-Waiting: yes").await;
    assert!(body(&lit).contains("Message-Account: sip:bob@localhost\r\nText-Message: 1/0\r\n"));
    let mut bob = SipPhone::registered("bob", house.sip_udp(), "").await;
    assert_eq!(body(&bob.serve(200).await), "hello");
    shown(&mut eyes, "Messages-Waiting: no").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn owner_follows_where_he_is_registered() {
    let house = House::start_with(|config| config.sip.notify_interval_ms = 0).await;
    house.add_account("bob").await;
    let mut eyes = SipPhone::new("bob", house.sip_udp()).await;
    assert_eq!(subscribe(&mut eyes, "bob", "Event: reg\r\n").await.status(), Some(200));
    let empty = shown(&mut eyes, "<reginfo").await;
    assert!(body(&empty).contains("version=\"0\" state=\"full\""), "{}", body(&empty));
    assert!(body(&empty).contains("aor=\"sip:bob@localhost\" id=\"r1\" state=\"init\"></registration>"));
    let mut bob = SipPhone::new("bob", house.sip_udp()).await;
    for (seconds, state, event) in [
        (600, "active", "state=\"active\" event=\"registered\" expires="),
        (600, "active", "state=\"active\" event=\"refreshed\" expires="),
        (0, "terminated", "state=\"terminated\" event=\"unregistered\""),
    ] {
        assert_eq!(bob.register(seconds, "").await.status(), Some(200));
        let told = shown(&mut eyes, event).await;
        assert!(
            body(&told).contains(&format!(
                "state=\"partial\"><registration aor=\"sip:bob@localhost\" id=\"r1\" state=\"{state}\">"
            )),
            "{}",
            body(&told)
        );
        assert!(body(&told).contains(&format!("<uri>sip:bob@{}</uri>", bob.address())), "{}", body(&told));
    }
    bob.register(600, "").await;
    let last = shown(&mut eyes, "event=\"registered\"").await;
    assert!(body(&last).contains("version=\"4\""), "{}", body(&last));
    bob.register(600, "").await;
    // Who comes later is told what happened last, and which temporary GRUUs are valid (RFC 5628 §5).
    let contact = format!("Contact: <sip:bob@{}>;+sip.instance=\"<urn:x:1>\"\r\n", bob.address());
    let headers = format!("{contact}Supported: gruu\r\n");
    let answer = bob.ask("REGISTER", "sip:localhost", "bob", &headers, "").await;
    let first = answer.cseq().unwrap().number;
    bob.ask("REGISTER", "sip:localhost", "bob", &headers, "").await;
    let mut late = SipPhone::new("bob", house.sip_udp()).await;
    assert_eq!(subscribe(&mut late, "bob", "Event: reg\r\n").await.status(), Some(200));
    let told = shown(&mut late, "event=\"refreshed\"").await;
    assert!(body(&told).contains("<gr:temp-gruu uri=\"sip:tgruu."), "{}", body(&told));
    assert!(body(&told).contains(&format!("@localhost;gr\" first-cseq=\"{first}\"/>")), "{}", body(&told));
}

#[tokio::test(flavor = "multi_thread")]
async fn lamps_show_who_is_called_and_who_talks() {
    let house = House::start_with(|config| config.sip.notify_interval_ms = 0).await;
    for local in ["alice", "bob"] {
        house.add_account(local).await;
    }
    let mut eyes = SipPhone::new("bob", house.sip_udp()).await;
    assert_eq!(subscribe(&mut eyes, "bob", "Event: dialog\r\n").await.status(), Some(200));
    let idle = shown(&mut eyes, "<dialog-info").await;
    assert!(body(&idle).contains("version=\"0\" state=\"full\" entity=\"sip:bob@localhost\"></dialog-info>"));
    let mut bob = SipPhone::registered("bob", house.sip_udp(), "").await;
    let mut alice = SipPhone::registered("alice", house.sip_udp(), "").await;
    let contact = format!("Contact: <sip:alice@{}>\r\n", alice.address());
    let call = async {
        let (answer, _) = tokio::join!(
            alice.ask("INVITE", "sip:bob@localhost", "bob", &contact, ""),
            bob.serve_with(200, "Contact: <sip:bob@192.0.2.9>\r\n")
        );
        answer
    };
    let answer = call.await;
    assert_eq!(answer.status(), Some(200));
    let talking = shown(&mut eyes, "<state>confirmed</state>").await;
    for piece in ["direction=\"recipient\"", "<identity>sip:alice@localhost</identity>", "state=\"partial\""]
    {
        assert!(body(&talking).contains(piece), "{piece}: {}", body(&talking));
    }
    let to = format!("<sip:bob@localhost>;tag={}", answer.to().unwrap().tag().unwrap());
    let call =
        format!("Event: dialog;call-id=\"{}\";to-tag=phone;from-tag=alice\r\n", answer.call_id().unwrap());
    let mut other = SipPhone::new("bob", house.sip_udp()).await;
    assert_eq!(subscribe(&mut other, "bob", &call).await.status(), Some(200));
    shown(&mut other, "<state>confirmed</state>").await;
    let route: String =
        answer.values(HeaderName::RecordRoute).map(|route| format!("Route: {route}\r\n")).collect();
    let (ended, _) = tokio::join!(alice.ask("BYE", "sip:bob@192.0.2.9", &to, &route, ""), bob.serve(200));
    assert_eq!(ended.status(), Some(200));
    shown(&mut eyes, "<state event=\"remote-bye\">terminated</state>").await;
    // The one call that was followed is over, and will never change again.
    let last = notified(&mut other, "terminated;reason=invariant").await;
    assert!(body(&last).contains("<state event=\"remote-bye\">terminated</state>"), "{}", body(&last));
}

/// A rule of Blink's on who may follow calls.
fn call_rule(user: &str, handling: &str) -> String {
    format!(
        "<cp:rule id=\"r{user}\"><cp:conditions><cp:identity><cp:one id=\"sip%3A{user}%40localhost\"/></cp:identity>\
         </cp:conditions><cp:actions><dr:sub-handling>{handling}</dr:sub-handling></cp:actions></cp:rule>"
    )
}

async fn put_call_rules(bob: &mut Xcap, rules: &[(&str, &str)]) {
    let all: String = rules.iter().map(|(user, handling)| call_rule(user, handling)).collect();
    let text = format!(
        "<cp:ruleset xmlns:cp=\"urn:ietf:params:xml:ns:common-policy\" \
         xmlns:dr=\"urn:ag-projects:xml:ns:dialog-rules\">{all}</cp:ruleset>"
    );
    let path = "/org.openxcap.dialog-rules/users/sip:bob@localhost/index";
    let reply = bob.put(path, "application/auth-policy+xml", &text).await;
    assert!(matches!(reply.status, 200 | 201), "{reply:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_shown_to_whom_the_dialog_rules_let_see_them() {
    let house = House::start_with(|config| config.sip.notify_interval_ms = 0).await;
    let users = ["alice", "bob", "carol", "dave", "eve"];
    for local in users {
        house.add_account(local).await;
    }
    let mut xcap = Xcap::start(&format!("http://{}/xcap-root", house.http()), "bob", "localhost").await;
    let rules = [("alice", "allow"), ("carol", "polite-block"), ("dave", "block"), ("eve", "confirm")];
    put_call_rules(&mut xcap, &rules).await;
    let event = "Event: dialog\r\n";
    let [mut alice, mut carol, mut dave, mut eve] = [
        SipPhone::registered("alice", house.sip_udp(), "").await,
        SipPhone::new("carol", house.sip_udp()).await,
        SipPhone::new("dave", house.sip_udp()).await,
        SipPhone::new("eve", house.sip_udp()).await,
    ];
    assert_eq!(subscribe(&mut dave, "bob", event).await.status(), Some(403));
    assert_eq!(subscribe(&mut eve, "bob", event).await.status(), Some(200));
    assert_eq!(body(&notified(&mut eve, "pending").await), "");
    assert_eq!(subscribe(&mut carol, "bob", event).await.status(), Some(200));
    let nothing = notified(&mut carol, "active").await;
    assert!(body(&nothing).contains("entity=\"sip:bob@localhost\"></dialog-info>"), "{}", body(&nothing));

    let mut eyes = SipPhone::new("alice", house.sip_udp()).await;
    assert_eq!(subscribe(&mut eyes, "bob", event).await.status(), Some(200));
    notified(&mut eyes, "active").await;
    let mut bob = SipPhone::registered("bob", house.sip_udp(), "").await;
    let contact = format!("Contact: <sip:alice@{}>\r\n", alice.address());
    let (answer, _) = tokio::join!(
        alice.ask("INVITE", "sip:bob@localhost", "bob", &contact, ""),
        bob.serve_with(200, "Contact: <sip:bob@192.0.2.9>\r\n")
    );
    assert_eq!(answer.status(), Some(200));
    shown(&mut eyes, "<state>confirmed</state>").await;
    // Who looks anew sees as little as before, and no word came meanwhile.
    let mut again = SipPhone::new("carol", house.sip_udp()).await;
    assert_eq!(subscribe(&mut again, "bob", event).await.status(), Some(200));
    assert!(!body(&notified(&mut again, "active").await).contains("<dialog "));

    put_call_rules(&mut xcap, &[("alice", "block"), ("carol", "allow"), ("dave", "allow")]).await;
    notified(&mut eyes, "terminated;reason=rejected").await;
    let seen = notified(&mut carol, "active").await;
    assert_eq!(
        seen.cseq().unwrap().number,
        nothing.cseq().unwrap().number + 1,
        "the call was no news to her"
    );
    assert!(body(&seen).contains("<state>confirmed</state>"), "{}", body(&seen));
    assert_eq!(subscribe(&mut dave, "bob", event).await.status(), Some(200));
    shown(&mut dave, "<state>confirmed</state>").await;
}

/// RFC 3323 and RFC 3325: who watches is between him and the server; the owner's rules for anonymous requests are
/// for her to set, and until then he waits.
#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_may_hide_who_he_is() {
    let house = House::start_with(|config| config.sip.notify_interval_ms = 0).await;
    for local in ["alice", "bob"] {
        house.add_account(local).await;
    }
    let mut eyes = SipPhone::new("bob", house.sip_udp()).await;
    assert_eq!(subscribe(&mut eyes, "bob", "Event: presence.winfo\r\n").await.status(), Some(200));
    shown(&mut eyes, "state=\"full\"").await;
    let mut alice = SipPhone::new("alice", house.sip_udp()).await;
    let answer = subscribe(&mut alice, "bob", "Event: presence\r\nPrivacy: id;critical\r\n").await;
    assert_eq!(answer.status(), Some(200));
    let notify = alice.serve(200).await;
    assert!(notify.text(HeaderName::SubscriptionState).unwrap().starts_with("pending"));
    let listed = body(&shown(&mut eyes, "pending").await);
    assert!(listed.contains("sip:anonymous@anonymous.invalid") && !listed.contains("alice"), "{listed}");
    // It is his subscription all the same.
    let gone = refresh(&mut alice, &answer, "Event: presence\r\nExpires: 0\r\n").await;
    assert_eq!(gone.status(), Some(200));
}
