//! A stream that we open (RFC 6120 §4 to §6 as the initiating entity): TLS, then a proof that we are who we say,
//! by our certificate (XEP-0178 §3) or by dialback (XEP-0220 §2.1); or only a question to an authoritative
//! server (XEP-0220 §2.3).
//!
//! Values in, [`Step`]s out. What the other server's certificate is worth is told from outside.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use minidom::Element;

use super::{
    custody::SM,
    key::Secret,
    pair::Pair,
    print::{self, BIDI, BIDI_FEATURE, DIALBACK, SASL, STREAMS, TLS},
};
use crate::{
    signal::{Address, Reason, Reject},
    xmpp::stanza::{Event, Header, Stanza},
};

/// What a stream is opened for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To carry stanzas; where the other server `acknowledges`, it is known to, whether or not it says so.
    Carry { acknowledges: bool },
    /// To ask whether this key is one that the other domain gave for the stream of this id.
    Ask { stream_id: String, key: String },
}

/// What must be before anything is said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    pub(super) require_tls: bool,
    pub(super) require_certificates: bool,
    pub(super) dialback: bool,
}

/// What the connection must do, in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Send(Vec<u8>),
    /// Write what is pending, do the handshake, then call [`Initiation::handle_secured`].
    StartTls,
    /// The peer opens a new stream now.
    Restart,
    /// Stanzas may be sent; where it `is_bidirectional`, the peer may send some too; where it `acknowledges`, it
    /// says what it has (XEP-0198).
    Ready {
        is_bidirectional: bool,
        acknowledges: bool,
    },
    /// The authoritative server's word on the key.
    Answered(bool),
    /// It comes to nothing. Where it `is_final`, it would on another address of the same server, too.
    Fail {
        reject: Reject,
        is_final: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// A stream header is expected.
    Opening,
    /// Features are.
    Features,
    /// The answer to `<starttls/>` is.
    Securing,
    /// The answer to `<auth/>` is.
    External,
    /// The answer to our key is.
    Dialback,
    /// The answer to our question is.
    Asking,
    /// Nothing more.
    Over,
}

/// One stream on its way.
pub(super) struct Initiation {
    pair: Pair,
    purpose: Purpose,
    policy: Policy,
    phase: Phase,
    is_secure: bool,
    /// The peer's certificate is for its domain.
    is_proved: bool,
    has_logged_in: bool,
    has_failed_external: bool,
    /// The stream is to go both ways.
    is_bidirectional: bool,
    /// The last features say that the peer acknowledges.
    acknowledges: bool,
    stream_id: String,
}

impl Initiation {
    /// A stream in the clear.
    pub(super) fn new(pair: Pair, purpose: Purpose, policy: Policy) -> Self {
        Self {
            pair,
            purpose,
            policy,
            phase: Phase::Opening,
            is_secure: false,
            is_proved: false,
            has_logged_in: false,
            has_failed_external: false,
            is_bidirectional: false,
            acknowledges: false,
            stream_id: String::new(),
        }
    }

    /// What is said first.
    pub(super) fn open(&self) -> Vec<u8> {
        let mut out = Vec::new();
        print::header(self.pair.local.domain(), Some(self.pair.remote.domain()), None, &mut out);
        out
    }

    /// The handshake is done; where `is_proved`, the peer's certificate is for its domain. What is to be said then.
    pub(super) fn handle_secured(&mut self, is_proved: bool) -> Vec<u8> {
        self.is_secure = true;
        self.is_proved = is_proved;
        self.phase = Phase::Opening;
        self.open()
    }

    /// Something came.
    pub(super) fn handle(&mut self, event: &Event, secret: &Secret) -> Vec<Step> {
        match event {
            Event::Header(header) => self.handle_header(header),
            Event::Stanza(element) if element.is("error", STREAMS) => self.handle_stream_error(element),
            Event::Stanza(element) => self.handle_element(element, secret),
            Event::End => self.fail("it closed the stream"),
        }
    }

    fn handle_header(&mut self, header: &Header) -> Vec<Step> {
        let is_new = header.version.as_deref().is_some_and(|version| version.starts_with("1."));
        match header.id.as_deref() {
            _ if self.phase != Phase::Opening => self.fail("it opened a stream within a stream"),
            Some(id) if is_new && header.is_server => {
                id.clone_into(&mut self.stream_id);
                self.phase = Phase::Features;
                Vec::new()
            }
            _ => self.fail("it speaks another XMPP"),
        }
    }

    fn handle_element(&mut self, element: &Stanza, secret: &Secret) -> Vec<Step> {
        match (self.phase, element.name(), &*element.namespace()) {
            (Phase::Features, "features", STREAMS) => match element.to_element() {
                Some(features) => self.handle_features(&features, secret),
                None => self.fail("its features cannot be read"),
            },
            (Phase::Securing, "proceed", TLS) => vec![Step::StartTls],
            (Phase::Securing, "failure", TLS) => self.fail("it refuses TLS"),
            (Phase::External, "success", SASL) => {
                self.has_logged_in = true;
                self.phase = Phase::Opening;
                vec![Step::Restart, Step::Send(self.open())]
            }
            (Phase::External, "failure", SASL) => {
                self.has_failed_external = true;
                self.prove_by_dialback(secret)
            }
            (Phase::Dialback, "result", DIALBACK) if self.is_from_peer(element) => {
                match element.stanza_type().as_deref() {
                    // No features follow: those before count, or what it did on other streams.
                    Some("valid") => {
                        let is_known = self.purpose == Purpose::Carry { acknowledges: true };
                        self.be_ready(self.acknowledges || is_known)
                    }
                    _ => self.fail_for_good("it does not believe that we are this domain"),
                }
            }
            (Phase::Asking, "verify", DIALBACK) if self.is_from_peer(element) && self.is_answer(element) => {
                self.phase = Phase::Over;
                vec![Step::Answered(element.stanza_type().as_deref() == Some("valid"))]
            }
            _ => self.fail("it says something unexpected"),
        }
    }

    fn is_from_peer(&self, element: &Stanza) -> bool {
        let is = |text: Option<std::borrow::Cow<'_, str>>, expected: &Address| {
            text.is_some_and(|text| Address::parse(&text).is_ok_and(|address| address == *expected))
        };
        is(element.from(), &self.pair.remote) && is(element.to(), &self.pair.local)
    }

    fn is_answer(&self, element: &Stanza) -> bool {
        match &self.purpose {
            Purpose::Ask { stream_id, .. } => element.id().as_deref() == Some(stream_id.as_str()),
            Purpose::Carry { .. } => false,
        }
    }

    fn handle_features(&mut self, features: &Element, secret: &Secret) -> Vec<Step> {
        if !self.is_secure {
            if features.has_child("starttls", TLS) {
                self.phase = Phase::Securing;
                return vec![Step::Send(format!("<starttls xmlns='{TLS}'/>").into_bytes())];
            }
            if self.policy.require_tls {
                return self.fail("it offers no TLS");
            }
        }
        if self.policy.require_certificates && !self.is_proved {
            return self
                .fail_for_good("its certificate is not for this domain, or from nobody who is trusted");
        }
        self.acknowledges = features.has_child("sm", SM);
        if self.has_logged_in {
            return self.be_ready(self.acknowledges);
        }
        if let Purpose::Ask { stream_id, key } = &self.purpose {
            let question = print::verify(&self.pair.local, &self.pair.remote, stream_id, key);
            self.phase = Phase::Asking;
            return vec![Step::Send(question)];
        }
        self.prove(features, secret)
    }

    /// Proves who we are, in the way that the peer likes best.
    fn prove(&mut self, features: &Element, secret: &Secret) -> Vec<Step> {
        let mut steps = Vec::new();
        if features.has_child("bidi", BIDI_FEATURE) {
            self.is_bidirectional = true;
            steps.push(Step::Send(format!("<bidi xmlns='{BIDI}'/>").into_bytes()));
        }
        let mechanisms = features.get_child("mechanisms", SASL);
        let offers_external =
            mechanisms.is_some_and(|list| list.children().any(|one| one.text().trim() == "EXTERNAL"));
        if offers_external && self.is_secure && !self.has_failed_external {
            self.phase = Phase::External;
            let name = BASE64.encode(self.pair.local.domain());
            let auth = format!("<auth xmlns='{SASL}' mechanism='EXTERNAL'>{name}</auth>");
            steps.push(Step::Send(auth.into_bytes()));
        } else {
            steps.extend(self.prove_by_dialback(secret));
        }
        steps
    }

    fn prove_by_dialback(&mut self, secret: &Secret) -> Vec<Step> {
        if !self.policy.dialback {
            return self.fail_for_good("it does not believe our certificate");
        }
        self.phase = Phase::Dialback;
        let key = secret.key(&self.pair, &self.stream_id);
        vec![Step::Send(print::result(&self.pair.local, &self.pair.remote, &key))]
    }

    fn be_ready(&mut self, acknowledges: bool) -> Vec<Step> {
        self.phase = Phase::Over;
        vec![Step::Ready { is_bidirectional: self.is_bidirectional, acknowledges }]
    }

    fn handle_stream_error(&mut self, error: &Stanza) -> Vec<Step> {
        let conditions = ["host-unknown", "not-authorized", "policy-violation", "invalid-from"];
        let is_said = |name: &&str| error.child(name, "urn:ietf:params:xml:ns:xmpp-streams").is_some();
        match conditions.iter().find(|name| is_said(name)) {
            Some(&"host-unknown") => {
                self.fail_with(Reason::RemoteNotFound, "it does not know the domain", false)
            }
            Some(_) => self.fail("it does not want to talk to us"),
            None => self.fail("it ended the stream with an error"),
        }
    }

    fn fail(&mut self, text: &str) -> Vec<Step> {
        self.fail_with(Reason::RemoteTimeout, text, false)
    }

    fn fail_for_good(&mut self, text: &str) -> Vec<Step> {
        self.fail_with(Reason::RemoteNotFound, text, true)
    }

    fn fail_with(&mut self, reason: Reason, text: &str, is_final: bool) -> Vec<Step> {
        self.phase = Phase::Over;
        let text = format!("{}: {text}", self.pair.remote);
        vec![Step::Fail { reject: Reject::with_text(reason, &text), is_final }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xmpp::stanza::{Limits, Scanner};

    const HEADER: &str = "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' \
        xmlns:db='jabber:server:dialback' version='1.0' id='s1' from='them.example' to='us.example'>";
    const STARTTLS: &str = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>";
    const EXTERNAL: &str =
        "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>";
    const BOTH_WAYS: &str = "<bidi xmlns='urn:xmpp:features:bidi'/>";

    /// A stream and what the peer says on it.
    struct Talk {
        initiation: Initiation,
        scanner: Scanner,
        secret: Secret,
    }

    impl Talk {
        fn new(purpose: Purpose, require_certificates: bool) -> Self {
            let pair = Pair {
                local: Address::parse("us.example").unwrap(),
                remote: Address::parse("them.example").unwrap(),
            };
            let policy = Policy { require_tls: true, require_certificates, dialback: true };
            Self {
                initiation: Initiation::new(pair, purpose, policy),
                scanner: Scanner::between_servers(Limits::default()),
                secret: Secret::new(b"secret"),
            }
        }

        fn hear(&mut self, text: &str) -> Vec<Step> {
            self.scanner.feed(text.as_bytes());
            let mut steps = Vec::new();
            while let Some(event) = self.scanner.next_event().unwrap() {
                steps.extend(self.initiation.handle(&event, &self.secret));
            }
            steps
        }

        fn features(&mut self, inner: &str) -> Vec<Step> {
            self.hear(&format!("{HEADER}<stream:features>{inner}</stream:features>"))
        }

        /// The stream after TLS.
        fn secured(purpose: Purpose, is_proved: bool) -> Self {
            let mut talk = Self::new(purpose, false);
            talk.features(STARTTLS);
            assert_eq!(talk.hear("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"), [Step::StartTls]);
            talk.scanner.discard();
            talk.initiation.handle_secured(is_proved);
            talk
        }
    }

    fn texts(steps: &[Step]) -> String {
        let text = |step: &Step| match step {
            Step::Send(bytes) => String::from_utf8(bytes.clone()).unwrap(),
            other => format!("{other:?}"),
        };
        steps.iter().map(text).collect()
    }

    #[test]
    fn certificate_is_shown_where_the_peer_takes_it() {
        let mut talk = Talk::secured(Purpose::Carry { acknowledges: false }, true);
        let said = texts(&talk.features(&format!("{EXTERNAL}{BOTH_WAYS}")));
        let auth =
            "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>dXMuZXhhbXBsZQ==</auth>";
        assert_eq!(said, format!("<bidi xmlns='urn:xmpp:bidi'/>{auth}"));
        let steps = talk.hear("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
        assert_eq!(steps[0], Step::Restart);
        talk.scanner.restart(Limits::default());
        let features = talk.features("<sm xmlns='urn:xmpp:sm:3'/>");
        assert_eq!(features, [Step::Ready { is_bidirectional: true, acknowledges: true }]);
    }

    #[test]
    fn who_does_not_take_the_certificate_is_given_a_key() {
        let mut talk = Talk::secured(Purpose::Carry { acknowledges: false }, true);
        talk.features(EXTERNAL);
        let failure = "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>";
        let key = talk.secret.key(&talk.initiation.pair, "s1");
        let expect = format!("<db:result from='us.example' to='them.example'>{key}</db:result>");
        assert_eq!(texts(&talk.hear(failure)), expect);
        let valid = "<db:result type='valid' from='them.example' to='us.example'/>";
        assert_eq!(talk.hear(valid), [Step::Ready { is_bidirectional: false, acknowledges: false }]);
    }

    #[test]
    fn peer_is_asked_to_acknowledge_after_a_key_where_it_can() {
        let offer = "<sm xmlns='urn:xmpp:sm:3'/>";
        for (features, is_known, acknowledges) in
            [("", false, false), (offer, false, true), ("", true, true), (offer, true, true)]
        {
            let mut talk = Talk::secured(Purpose::Carry { acknowledges: is_known }, true);
            talk.features(features);
            let valid = "<db:result type='valid' from='them.example' to='us.example'/>";
            assert_eq!(talk.hear(valid), [Step::Ready { is_bidirectional: false, acknowledges }]);
        }
    }

    #[test]
    fn refused_key_is_the_end() {
        for answer in [
            "<db:result type='invalid' from='them.example' to='us.example'/>",
            "<db:result type='valid' from='other.example' to='us.example'/>",
            "<db:result type='error' from='them.example' to='us.example'/>",
            "<message from='a@them.example' to='b@us.example'/>",
            "<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
            "</stream:stream>",
        ] {
            let mut talk = Talk::secured(Purpose::Carry { acknowledges: false }, true);
            talk.features("");
            assert!(matches!(talk.hear(answer)[..], [Step::Fail { .. }]), "{answer}");
        }
    }

    #[test]
    fn nothing_is_said_in_the_clear_or_to_an_unknown_certificate() {
        let mut talk = Talk::new(Purpose::Carry { acknowledges: false }, true);
        assert!(matches!(talk.features(EXTERNAL)[..], [Step::Fail { .. }]));
        let mut talk = Talk::new(Purpose::Carry { acknowledges: false }, true);
        talk.initiation.handle_secured(false);
        assert!(matches!(talk.features(EXTERNAL)[..], [Step::Fail { is_final: true, .. }]));
    }

    #[test]
    fn question_is_asked_and_the_answer_is_for_it() {
        let purpose = Purpose::Ask { stream_id: "x&9".to_owned(), key: "abc".to_owned() };
        for (answer, expect) in [
            ("<db:verify type='valid' id='x&amp;9' from='them.example' to='us.example'/>", Some(true)),
            ("<db:verify type='invalid' id='x&amp;9' from='them.example' to='us.example'/>", Some(false)),
            ("<db:verify type='valid' id='y' from='them.example' to='us.example'/>", None),
        ] {
            let mut talk = Talk::secured(purpose.clone(), true);
            let asked = texts(&talk.features(EXTERNAL));
            assert_eq!(asked, "<db:verify from='us.example' to='them.example' id='x&amp;9'>abc</db:verify>");
            let steps = talk.hear(answer);
            match expect {
                Some(is_valid) => assert_eq!(steps, [Step::Answered(is_valid)]),
                None => assert!(matches!(steps[..], [Step::Fail { .. }])),
            }
        }
    }
}
