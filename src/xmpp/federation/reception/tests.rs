//! Who may say what before and after he has proved who he is.

use super::*;
use crate::xmpp::stanza::{Event, Limits, Scanner};

struct Talk {
    reception: Reception,
    scanner: Scanner,
}

fn domain(text: &str) -> Address {
    Address::domain_only(text).unwrap()
}

fn pair(local: &str, remote: &str) -> Pair {
    Pair { local: domain(local), remote: domain(remote) }
}

impl Talk {
    fn new(require_tls: bool) -> Self {
        let settings = Settings {
            domains: vec![domain("us.example"), domain("our.example")],
            features: String::new(),
            require_tls,
            dialback: true,
            pairs: 2,
            secret: Secret::new(b"secret"),
        };
        let allows = Arc::new(|domain: &Address| domain.domain() != "bad.example");
        Self {
            reception: Reception::new(Arc::new(settings), allows),
            scanner: Scanner::between_servers(Limits::default()),
        }
    }

    /// A stream that needs no TLS, and is open.
    fn open() -> Self {
        let mut talk = Self::new(false);
        talk.header("us.example", "them.example").unwrap();
        talk
    }

    fn header(&mut self, to: &str, from: &str) -> Result<String, StreamError> {
        let text = format!(
            "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' \
             xmlns:db='jabber:server:dialback' version='1.0' to='{to}' from='{from}'>"
        );
        self.scanner.feed(text.as_bytes());
        let Some(Event::Header(header)) = self.scanner.next_event().unwrap() else { panic!("no header") };
        let mut out = Vec::new();
        self.reception.handle_header(&header, "id1".to_owned(), &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    fn element(&mut self, text: &str) -> Stanza {
        self.scanner.feed(text.as_bytes());
        match self.scanner.next_event().unwrap() {
            Some(Event::Stanza(stanza)) => stanza,
            other => panic!("{other:?}"),
        }
    }

    fn hear(&mut self, text: &str) -> Result<Vec<Step>, StreamError> {
        let element = self.element(text);
        self.reception.handle_element(&element)
    }

    fn condition(&mut self, text: &str) -> Condition {
        let stanza = self.element(text);
        self.reception.judge(&stanza).unwrap_err().condition
    }
}

fn said(steps: &[Step]) -> String {
    let text = |step: &Step| match step {
        Step::Send(bytes) => String::from_utf8(bytes.clone()).unwrap(),
        _ => String::new(),
    };
    steps.iter().map(text).collect()
}

#[test]
fn header_is_judged() {
    for (to, from, expect) in [
        ("us.example", "them.example", None),
        ("other.example", "them.example", Some(Condition::HostUnknown)),
        ("us.example", "bad.example", Some(Condition::PolicyViolation)),
        ("us.example", "our.example", Some(Condition::PolicyViolation)),
        ("us.example", "a b", Some(Condition::InvalidFrom)),
    ] {
        let outcome = Talk::new(true).header(to, from);
        assert_eq!(outcome.err().map(|error| error.condition), expect, "{to} {from}");
    }
}

#[test]
fn nothing_but_tls_is_offered_or_heard_before_tls() {
    let mut talk = Talk::new(true);
    let said = talk.header("us.example", "them.example").unwrap();
    assert!(said.contains("<required/>") && !said.contains("dialback xmlns"), "{said}");
    let key = "<db:result from='them.example' to='us.example'>k</db:result>";
    assert_eq!(talk.hear(key).unwrap_err().condition, Condition::PolicyViolation);
    let steps = talk.hear("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>").unwrap();
    assert_eq!(steps.last(), Some(&Step::StartTls));
}

#[test]
fn acknowledging_is_offered_once_stanzas_may_follow() {
    let offer = "<sm xmlns='urn:xmpp:sm:3'/>";
    assert!(!Talk::new(true).header("us.example", "them.example").unwrap().contains(offer));
    assert!(Talk::new(false).header("us.example", "them.example").unwrap().contains(offer));
}

#[test]
fn key_is_asked_about_and_counts_only_if_it_is_valid() {
    for (answer, expect) in [
        (Answer::Valid, "'valid'"),
        (Answer::Invalid, "'invalid'"),
        (Answer::None, "remote-server-timeout"),
        (Answer::Busy, "resource-constraint"),
    ] {
        let mut talk = Talk::open();
        let steps = talk.hear("<db:result from='them.example' to='us.example'>k</db:result>").unwrap();
        let asked = pair("us.example", "them.example");
        let (stream_id, key) = ("id1".to_owned(), "k".to_owned());
        assert_eq!(steps, [Step::Ask { pair: asked.clone(), stream_id, key }]);
        assert!(!talk.reception.is_proved());
        let steps = talk.reception.handle_answer(asked.clone(), answer);
        assert!(said(&steps).contains(expect), "{steps:?}");
        assert_eq!(talk.reception.is_proved(), answer == Answer::Valid);
        assert_eq!(steps.contains(&Step::Proved(asked)), answer == Answer::Valid);
    }
}

#[test]
fn keys_that_cannot_count_are_refused_at_once() {
    for (from, to, expect) in [
        ("them.example", "other.example", "item-not-found"),
        ("bad.example", "us.example", "not-allowed"),
        ("our.example", "us.example", "not-allowed"),
    ] {
        let mut talk = Talk::open();
        let steps = talk.hear(&format!("<db:result from='{from}' to='{to}'>k</db:result>")).unwrap();
        assert!(said(&steps).contains(expect), "{steps:?}");
    }
}

#[test]
fn pairs_of_one_stream_are_bounded() {
    let mut talk = Talk::open();
    for (name, is_asked) in [("a.example", true), ("b.example", true), ("c.example", false)] {
        let steps = talk.hear(&format!("<db:result from='{name}' to='us.example'>k</db:result>")).unwrap();
        assert_eq!(matches!(steps[..], [Step::Ask { .. }]), is_asked, "{name}: {steps:?}");
    }
}

#[test]
fn own_keys_are_recognised_and_others_are_not() {
    let mut talk = Talk::open();
    let ours = pair("us.example", "them.example");
    let key = Secret::new(b"secret").key(&ours, "x");
    for (to, id, key, expect) in [
        ("us.example", "x", key.as_str(), "'valid'"),
        ("us.example", "y", key.as_str(), "'invalid'"),
        ("our.example", "x", key.as_str(), "'invalid'"),
        ("other.example", "x", key.as_str(), "'invalid'"),
        ("us.example", "x", "0", "'invalid'"),
    ] {
        let question = format!("<db:verify from='them.example' to='{to}' id='{id}'>{key}</db:verify>");
        let steps = talk.hear(&question).unwrap();
        assert!(said(&steps).contains(expect), "{to} {id}: {steps:?}");
    }
}

#[test]
fn certificate_that_proves_nothing_is_no_login() {
    let mut talk = Talk::open();
    let auth = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>";
    for _ in 0..2 {
        assert!(said(&talk.hear(auth).unwrap()).contains("not-authorized"));
    }
    assert_eq!(talk.hear(auth).unwrap_err().condition, Condition::PolicyViolation);
}

#[test]
fn stanzas_count_only_between_the_domains_that_were_proved() {
    let mut talk = Talk::open();
    let good = "<message from='a@them.example' to='b@us.example'/>";
    assert_eq!(talk.condition(good), Condition::NotAuthorized);
    talk.reception.handle_answer(pair("us.example", "them.example"), Answer::Valid);
    for (text, expect) in [
        ("<message from='a@other.example' to='b@us.example'/>", Condition::InvalidFrom),
        ("<message from='a@us.example' to='b@us.example'/>", Condition::InvalidFrom),
        ("<message from='a@them.example' to='b@our.example'/>", Condition::ImproperAddressing),
        ("<message from='a@them.example' to='b@else.example'/>", Condition::ImproperAddressing),
        ("<message to='b@us.example'/>", Condition::ImproperAddressing),
        ("<message from='a@them.example'/>", Condition::ImproperAddressing),
        ("<message from='@' to='b@us.example'/>", Condition::ImproperAddressing),
    ] {
        assert_eq!(talk.condition(text), expect, "{text}");
    }
    let stanza = talk.element(good);
    assert!(talk.reception.judge(&stanza).is_ok());
}
