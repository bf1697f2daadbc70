mod second_login;

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::*;
use crate::signal::{Address, Party};
use crate::xmpp::sasl::{Bindings, Failure, Offer};
use crate::xmpp::stanza::{Error, Event, Limits, Scanner};

/// A client on one side, the machine on the other, and a little of the connection task between them.
struct Pair {
    scanner: Scanner,
    machine: Negotiation,
    /// What the server wrote since the last look.
    written: String,
    asked: Vec<Action>,
    is_closed: bool,
}

const OPEN: &str = "<?xml version='1.0'?><stream:stream to='example.org' version='1.0' xmlns='jabber:client' \
     xmlns:stream='http://etherx.jabber.org/streams'>";

impl Pair {
    fn new(start_tls: StartTls) -> Self {
        let settings = Settings {
            domains: vec!["example.org".into()],
            login_attempts: 3,
            features: "<c/>".into(),
            registration: Registration::Invited,
            limits: StreamLimits { before_login: 10_000, after_login: 20_000, idle_seconds: 30 },
        };
        let offer = Offer {
            allows_plain: start_tls == StartTls::Unavailable,
            allows_tokens: true,
            bindings: Bindings::default(),
        };
        let machine = Negotiation::new(Arc::new(settings), start_tls, offer);
        let scanner = Scanner::new(Limits::before_login());
        Self { scanner, machine, written: String::new(), asked: Vec::new(), is_closed: false }
    }

    /// Sends text and returns what the server wrote.
    fn send(&mut self, text: &str) -> String {
        self.scanner.feed(text.as_bytes());
        while !self.is_closed {
            let actions = match self.scanner.next_event() {
                Ok(Some(Event::Header(header))) => self.machine.handle_header(&header, "id1"),
                Ok(Some(Event::Stanza(stanza))) => self.machine.handle_element(&stanza),
                Ok(Some(Event::End)) => vec![Action::Close],
                Ok(None) => break,
                Err(error) => self.machine.close(error),
            };
            self.perform(actions);
        }
        std::mem::take(&mut self.written)
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Send(bytes) => self.written.push_str(std::str::from_utf8(&bytes).expect("utf-8")),
                Action::Trust => {}
                Action::Restart => self.scanner.restart(Limits::before_login()),
                Action::Close => self.is_closed = true,
                Action::StartTls => {
                    self.scanner.discard();
                    self.machine.handle_secured(Bindings { exporter: Some(vec![1; 32]), end_point: None });
                }
                other => self.asked.push(other),
            }
        }
    }

    fn login(&mut self, outcome: Result<(), Failure>) -> String {
        let actions = self.machine.handle_login(outcome.map(|()| welcome()));
        self.perform(actions);
        std::mem::take(&mut self.written)
    }

    /// Through TLS and login to the point where a resource can be bound.
    fn logged_in() -> Self {
        let mut pair = Self::new(StartTls::Unavailable);
        pair.send(OPEN);
        pair.send(&plain("\0alice\0secret"));
        pair.login(Ok(()));
        pair.asked.clear();
        pair.send(OPEN);
        pair
    }
}

fn welcome() -> Welcome {
    Welcome { address: alice(), answer: None, token: None, tasks: Vec::new() }
}

fn alice() -> Address {
    Address::parse("alice@example.org").expect("an address")
}

fn plain(message: &str) -> String {
    format!(
        "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{}</auth>",
        BASE64.encode(message)
    )
}

#[test]
fn a_stream_goes_through_tls_login_and_binding() {
    let mut pair = Pair::new(StartTls::Required);
    let answer = pair.send(OPEN);
    assert!(answer.contains(" from='example.org' id='id1'>"), "{answer}");
    assert!(answer.ends_with("<required/></starttls></stream:features>"), "{answer}");
    let answer = pair.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><injected/>");
    assert_eq!(answer, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    let answer = pair.send(OPEN);
    assert!(answer.contains("<mechanism>SCRAM-SHA-1-PLUS</mechanism>"), "{answer}");
    assert!(answer.contains("<channel-binding type='tls-exporter'/>"), "{answer}");
    assert_eq!(pair.send(&plain("alice@example.org\0Alice\0secret")), "");
    let ask = Ask::Password { address: alice(), password: "secret".into() };
    assert_eq!(pair.asked, [Action::Ask(ask)]);
    assert!(pair.login(Ok(())).starts_with("<success "));
    let answer = pair.send(OPEN);
    assert!(answer.contains("xmpp-bind'/>") && answer.contains("<c/></stream:features>"), "{answer}");
    pair.asked.clear();
    pair.send("<iq type='set' id='b&apos;1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>phone</resource></bind></iq>");
    let party = Party::parse("alice@example.org/phone").expect("a party");
    assert_eq!(pair.asked, [Action::Bind(party.resource.clone())]);
    let answer = String::from_utf8(pair.machine.handle_bound(&party, b"")).expect("utf-8");
    assert!(answer.starts_with("<iq type='result' id='b&apos;1'>"), "{answer}");
    assert!(answer.contains("<jid>alice@example.org/phone</jid>"), "{answer}");
    assert!(pair.machine.is_bound());
}

/// What a fresh stream answers, reduced to the name of its stream error.
fn error_after(pair: &mut Pair, text: &str) -> String {
    let answer = pair.send(text);
    assert!(pair.is_closed, "{text} gave {answer}");
    assert!(answer.ends_with("</stream:error></stream:stream>"), "{answer}");
    assert!(answer.contains("<stream:stream ") || pair.machine.is_authenticated(), "{answer}");
    let (_, error) = answer.split_once("<stream:error><").expect("an error");
    error.split(' ').next().unwrap_or_default().to_owned()
}

#[test]
fn openings_get_the_right_stream_error() {
    let cases = [
        (OPEN.replace("example.org", "example.com"), "host-unknown"),
        (OPEN.replace(" to='example.org'", ""), "improper-addressing"),
        (OPEN.replace(" version='1.0' xmlns", " xmlns"), "unsupported-version"),
        (OPEN.replace(" version='1.0' xmlns", " version='0.9' xmlns"), "unsupported-version"),
        (OPEN.replace("jabber:client", "jabber:server"), "invalid-namespace"),
        (OPEN.replace("jabber.org/streams", "jabber.org/flows"), "invalid-namespace"),
        (OPEN.replace("<?xml version='1.0'", "<?xml version='1.0' encoding='koi8'"), "unsupported-encoding"),
        (OPEN.replace("<stream:stream", "<flow:stream"), "not-well-formed"),
        ("<!DOCTYPE x>".into(), "restricted-xml"),
        ("GET /".into(), "bad-format"),
        ("<a b='\u{0}'/>".into(), "not-well-formed"),
    ];
    for (text, expected) in cases {
        assert_eq!(error_after(&mut Pair::new(StartTls::Required), &text), expected, "{text}");
    }
}

#[test]
fn a_bad_header_is_answered_by_a_header_on_every_stream() {
    let bad = OPEN.replace("<stream:stream", "<flow:stream");
    let mut secured = Pair::new(StartTls::Required);
    secured.send(OPEN);
    secured.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    let mut logged_in = Pair::new(StartTls::Unavailable);
    logged_in.send(OPEN);
    logged_in.send(&plain("\0alice\0secret"));
    logged_in.login(Ok(()));
    for mut pair in [Pair::new(StartTls::Required), secured, logged_in] {
        let answer = pair.send(&bad);
        assert!(answer.starts_with("<?xml ") && answer.contains("<stream:stream "), "{answer}");
        assert!(answer.ends_with("</stream:error></stream:stream>") && pair.is_closed, "{answer}");
    }
}

#[test]
fn elements_out_of_turn_get_the_right_stream_error() {
    let cases = [
        ("<message to='bob@example.org'><body>hi</body></message>", "not-authorized"),
        ("<presence/>", "not-authorized"),
        ("<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>", "not-authorized"),
        ("<compress xmlns='http://jabber.org/protocol/compress'/>", "unsupported-stanza-type"),
        ("<enable xmlns='urn:xmpp:sm:3'/>", "unsupported-stanza-type"),
        ("<a><b></a>", "not-well-formed"),
    ];
    for (text, expected) in cases {
        let text = format!("{OPEN}{text}");
        let mut pair = Pair::new(StartTls::Unavailable);
        assert_eq!(error_after(&mut pair, &text), expected, "{text}");
    }
    for text in ["<message/>", "<iq type='set' id='1'><query xmlns='jabber:iq:roster'/></iq>"] {
        assert_eq!(error_after(&mut Pair::logged_in(), text), "not-authorized", "{text}");
    }
    assert_eq!(error_after(&mut Pair::logged_in(), &plain("\0a\0b")), "policy-violation");
}

#[test]
fn login_before_tls_is_refused() {
    let mut pair = Pair::new(StartTls::Required);
    let answer = pair.send(&format!("{OPEN}{}", plain("\0alice\0secret")));
    assert!(answer.contains("<encryption-required/>"), "{answer}");
    assert!(pair.asked.is_empty());
}

#[test]
fn tls_that_was_not_offered_ends_the_stream() {
    let mut pair = Pair::new(StartTls::Unavailable);
    let answer = pair.send(&format!("{OPEN}<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"));
    assert!(
        answer.ends_with("<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>"),
        "{answer}"
    );
    assert!(pair.is_closed);
}

#[test]
fn login_failures_name_their_reason() {
    let auth = |mechanism: &str, text: &str| {
        format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='{mechanism}'>{text}</auth>")
    };
    let cases = [
        (auth("DIGEST-MD5", ""), "invalid-mechanism"),
        (auth("SCRAM-SHA-1-PLUS", "biws"), "invalid-mechanism"),
        ("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>".into(), "invalid-mechanism"),
        (auth("PLAIN", "!!!"), "incorrect-encoding"),
        (auth("PLAIN", "="), "malformed-request"),
        (auth("PLAIN", "AGFsaWNl"), "malformed-request"),
        (plain("bob@example.org\0alice\0secret"), "invalid-authzid"),
        (plain("alice@example.org/x\0alice\0secret"), "invalid-authzid"),
        (plain("\0al/ice\0secret"), "not-authorized"),
        ("<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>".into(), "aborted"),
        ("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>AA==</response>".into(), "malformed-request"),
    ];
    for (text, expected) in cases {
        let mut pair = Pair::new(StartTls::Unavailable);
        pair.send(OPEN);
        let answer = pair.send(&text);
        assert_eq!(
            answer,
            format!("<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><{expected}/></failure>")
        );
        assert!(!pair.is_closed);
    }
}

#[test]
fn too_many_failed_logins_end_the_stream() {
    let mut pair = Pair::new(StartTls::Unavailable);
    pair.send(OPEN);
    for _ in 0..2 {
        pair.send(&plain("\0alice\0wrong"));
        assert!(pair.login(Err(Failure::NotAuthorized)).ends_with("<not-authorized/></failure>"));
    }
    pair.send(&plain("\0alice\0wrong"));
    let answer = pair.login(Err(Failure::NotAuthorized));
    assert!(answer.contains("<not-authorized/></failure><stream:error><policy-violation "), "{answer}");
    assert!(pair.is_closed);
}

#[test]
fn the_new_stream_must_be_from_the_account() {
    for (from, is_taken) in
        [("alice@example.org", true), ("Alice@example.org/x", true), ("bob@example.org", false)]
    {
        let mut pair = Pair::new(StartTls::Unavailable);
        pair.send(OPEN);
        pair.send(&plain("\0alice\0secret"));
        pair.login(Ok(()));
        let answer = pair.send(&OPEN.replace(" to=", &format!(" from='{from}' to=")));
        assert_eq!(!answer.contains("<invalid-from "), is_taken, "{answer}");
    }
}

#[test]
fn a_bad_resource_can_be_replaced_by_a_good_one() {
    let mut pair = Pair::logged_in();
    let answer = pair.send("<iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>a&#x9;b</resource></bind></iq>");
    assert!(answer.contains("<error type='modify'><bad-request "), "{answer}");
    pair.send("<iq type='set' id='2'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
    assert_eq!(pair.asked, [Action::Bind(None)]);
    let refusal = String::from_utf8(pair.machine.handle_bind_refused()).expect("utf-8");
    assert!(refusal.contains("<error type='wait'><resource-constraint "), "{refusal}");
    assert!(!pair.machine.is_bound());
}

#[test]
fn an_earlier_stream_is_asked_for_instead_of_a_resource() {
    let mut pair = Pair::logged_in();
    let answer = pair.send("<resume xmlns='urn:xmpp:sm:3' previd='x'/>");
    assert!(answer.contains("<bad-request "), "{answer}");
    let resume = "<resume xmlns='urn:xmpp:sm:3' h='1' previd='x'/>";
    for _ in 0..2 {
        pair.send(resume);
        assert_eq!(pair.asked, [Action::Resume(Resume { id: "x".into(), handled: 1 })]);
        pair.asked.clear();
        let actions = pair.machine.handle_resume_refused();
        pair.perform(actions);
        assert!(std::mem::take(&mut pair.written).starts_with("<failed "));
    }
    pair.send(resume);
    assert_eq!(
        pair.machine.handle_resumed(&Party::bare(alice()), "x", 5),
        b"<resumed xmlns='urn:xmpp:sm:3' h='5' previd='x'/>"
    );
    assert!(pair.machine.is_bound());
}

#[test]
fn a_stream_goes_on_with_what_was_not_acknowledged() {
    let mut management = Management::new(Unacknowledged { stanzas: 9, bytes: 100 });
    let enable = element("<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
    let enabled = b"<enabled xmlns='urn:xmpp:sm:3' resume='true' id='x' max='60'/>";
    assert_eq!(management.handle_element(&enable, Some(("x", 60))), Reply::Send(enabled.to_vec()));
    (1..=4).for_each(|stanza| management.note_sent(stanza, 10));
    let settled = management.note_received();
    let open = management.note_received();
    management.note_settled(settled.expect("enabled"));
    assert_eq!(management.handled(), 2, "what is being handled need not be sent again");
    assert_eq!(management.note_settled(open.expect("enabled")), None);
    assert_eq!(management.handled(), 2);
    assert_eq!(management.resume(3), Reply::Acknowledged(vec![1, 2, 3]));
    assert_eq!(management.unacknowledged().collect::<Vec<_>>(), [&4]);
    assert!(matches!(management.resume(9), Reply::Fail(_)));
}

/// An element of stream management in the shape that the machine takes.
fn element(text: &str) -> crate::xmpp::stanza::Stanza {
    let mut scanner = Scanner::new(Limits::default());
    scanner.feed(OPEN.as_bytes());
    scanner.feed(text.as_bytes());
    let _ = scanner.next_event();
    match scanner.next_event() {
        Ok(Some(Event::Stanza(stanza))) => stanza,
        other => panic!("{text}: {other:?}"),
    }
}

fn managed() -> Management<u8> {
    let mut management = Management::new(Unacknowledged { stanzas: 3, bytes: 100 });
    let reply = management.handle_element(&element("<enable xmlns='urn:xmpp:sm:3' resume='true'/>"), None);
    assert_eq!(reply, Reply::Send(b"<enabled xmlns='urn:xmpp:sm:3'/>".to_vec()));
    management
}

fn acknowledged(count: u32) -> Vec<u8> {
    format!("<a xmlns='urn:xmpp:sm:3' h='{count}'/>").into_bytes()
}

#[test]
fn only_settled_stanzas_are_acknowledged_in_order() {
    let mut management = managed();
    let first = management.note_received().expect("enabled");
    let second = management.note_received().expect("enabled");
    assert_eq!(management.note_settled(second), None);
    let ask = element("<r xmlns='urn:xmpp:sm:3'/>");
    assert_eq!(management.handle_element(&ask, None), Reply::Send(acknowledged(0)));
    assert_eq!(management.note_settled(first), Some(acknowledged(2)));
    let third = management.note_received().expect("enabled");
    assert_eq!(management.note_settled(third), None);
    assert_eq!(management.handle_element(&ask, None), Reply::Send(acknowledged(3)));
}

#[test]
fn what_the_peer_acknowledges_is_let_go() {
    let mut management = managed();
    assert_eq!(management.request(), None);
    (1..=4).for_each(|stanza| management.note_sent(stanza, 10));
    assert!(management.is_full());
    assert!(management.request().is_some());
    assert_eq!(management.request(), None);
    let ack = |count: &str| element(&format!("<a xmlns='urn:xmpp:sm:3' h='{count}'/>"));
    assert_eq!(management.handle_element(&ack("3"), None), Reply::Acknowledged(vec![1, 2, 3]));
    assert_eq!(management.handle_element(&ack("3"), None), Reply::Acknowledged(vec![]));
    let Reply::Fail(error) = management.handle_element(&ack("9"), None) else { panic!("took too many") };
    assert_eq!(error.condition, Condition::UndefinedCondition);
    assert!(error.detail.is_some_and(|detail| detail.contains("h='9' send-count='4'")));
    assert_eq!(management.handle_element(&ack("x"), None), Reply::Fail(Condition::BadFormat.into()));
    assert_eq!(management.take_unacknowledged(), [4]);
}

#[test]
fn management_is_enabled_once() {
    let mut management = managed();
    let again = management.handle_element(&element("<enable xmlns='urn:xmpp:sm:3'/>"), None);
    assert!(matches!(again, Reply::Send(refusal) if refusal.starts_with(b"<failed ")));
    management.note_sent(1, 100);
    assert!(!management.is_full());
    management.note_sent(2, 1);
    assert!(management.is_full());
    let mut idle = Management::<u8>::new(Unacknowledged { stanzas: 3, bytes: 100 });
    idle.note_sent(1, 10);
    assert_eq!(idle.note_received(), None);
    assert!(idle.take_unacknowledged().is_empty());
}

#[test]
fn every_scanner_error_has_a_condition() {
    assert_eq!(StreamError::from(Error::TooLarge("depth")).condition, Condition::PolicyViolation);
    assert_eq!(StreamError::from(Error::UnsupportedEncoding).condition, Condition::UnsupportedEncoding);
}
