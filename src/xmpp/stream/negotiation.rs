//! Stream negotiation: header, STARTTLS, SASL, restart, resource binding.
//!
//! Values in, [`Action`]s out; the connection task carries them out in order.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::features::{self, StartTls};
use super::management::SM;
use super::{Condition, StreamError};
use crate::signal::{Address, Party, Resource};
use crate::xmpp::sasl::{Bindings, Exchange, Failure, Hash, Offer, Step, Verifier};
use crate::xmpp::stanza::{Header, Kind, Stanza, print_attribute, print_text};

/// What all streams of a listener have in common.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The domains served here, normalised.
    pub domains: Vec<String>,
    /// Failed logins after which the stream ends (RFC 6120 §6.4.5 wants 2 to 5).
    pub login_attempts: u8,
    /// Markup for the features after login, such as entity capabilities.
    pub features: String,
}

/// What the connection task must do, in order.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Write these bytes.
    Send(Vec<u8>),
    /// Write what is pending, throw away what was read, do the TLS handshake, then call
    /// [`Negotiation::handle_secured`].
    StartTls,
    /// Ask the authenticator.
    Ask(Ask),
    /// The peer will open a new stream now.
    Restart,
    /// Bind a resource, the one that the client wants if it said so, then call
    /// [`Negotiation::handle_bound`] or [`Negotiation::handle_bind_refused`].
    Bind(Option<Resource>),
    /// Go on with an earlier stream of the account, then call [`Negotiation::handle_resumed`] or
    /// [`Negotiation::handle_resume_refused`].
    Resume(Resume),
    /// Write what is pending and close the connection.
    Close,
}

/// An earlier stream to go on with (XEP-0198 §5).
#[derive(Debug, PartialEq, Eq)]
pub struct Resume {
    /// The id that the stream was given.
    pub id: String,
    /// How many stanzas of ours the peer has handled.
    pub handled: u32,
}

/// A question for the authenticator.
#[derive(PartialEq, Eq)]
pub enum Ask {
    /// Check a password, then call [`Negotiation::handle_login`].
    Password { address: Address, password: String },
    /// Look up a verifier, then call [`Negotiation::handle_verifier`].
    Verifier { address: Address, hash: Hash },
    /// The proof was right: confirm the login, then call [`Negotiation::handle_login`].
    Proved { address: Address },
    /// The proof was wrong: count it. The client is told already.
    WrongProof { address: Address },
}

impl std::fmt::Debug for Ask {
    /// Leaves the password out.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, address) = match self {
            Self::Password { address, .. } => ("Password", address),
            Self::Verifier { address, .. } => ("Verifier", address),
            Self::Proved { address } => ("Proved", address),
            Self::WrongProof { address } => ("WrongProof", address),
        };
        formatter.debug_tuple(name).field(address).finish()
    }
}

/// How far the stream has come.
#[derive(Debug, PartialEq, Eq)]
enum Phase {
    /// A stream header is expected.
    Opening,
    /// Features were sent; the peer is expected to secure the stream or to log in.
    Login,
    /// The authenticator was asked.
    Asked,
    /// Logged in; a resource is to be bound.
    Binding,
    /// The account was asked for a resource. The id is that of the request.
    BindAsked {
        id: Option<String>,
    },
    /// An earlier stream is looked for.
    ResumeAsked,
    /// Done. What comes is for the session.
    Bound,
    Closed,
}

/// One stream on its way to being a session.
pub struct Negotiation {
    settings: Arc<Settings>,
    start_tls: StartTls,
    offer: Offer,
    phase: Phase,
    /// The domain that the peer asked for.
    domain: String,
    has_header: bool,
    exchange: Option<Exchange>,
    /// What a successful login sends along.
    additional: Vec<u8>,
    failures: u8,
    account: Option<Address>,
}

impl Negotiation {
    /// A stream on a new connection. `offer` is what may be used to log in on it as it is.
    pub fn new(settings: Arc<Settings>, start_tls: StartTls, offer: Offer) -> Self {
        Self {
            settings,
            start_tls,
            offer,
            phase: Phase::Opening,
            domain: String::new(),
            has_header: false,
            exchange: None,
            additional: Vec::new(),
            failures: 0,
            account: None,
        }
    }

    /// Whether stanzas are for the session and no longer for this.
    pub fn is_bound(&self) -> bool {
        self.phase == Phase::Bound
    }

    /// Whether the peer has logged in.
    pub fn is_authenticated(&self) -> bool {
        self.account.is_some()
    }

    /// The peer opened a stream. `stream_id` is unguessable (RFC 6120 §4.7.3).
    pub fn handle_header(&mut self, header: &Header, stream_id: &str) -> Vec<Action> {
        let judged = self.judge_header(header);
        let mut out = Vec::new();
        let domain = judged.as_deref().unwrap_or_else(|_| self.default_domain()).to_owned();
        features::print_header(&domain, header, stream_id, &mut out);
        self.has_header = true;
        if let Err(error) = judged {
            error.print(&mut out);
            self.phase = Phase::Closed;
            return vec![Action::Send(out), Action::Close];
        }
        self.domain = domain;
        if self.account.is_some() {
            features::print_after_login(&self.settings.features, &mut out);
            self.phase = Phase::Binding;
        } else {
            features::print_before_login(self.start_tls, &self.offer, &mut out);
            self.phase = Phase::Login;
        }
        vec![Action::Send(out)]
    }

    fn default_domain(&self) -> &str {
        self.settings.domains.first().map_or("", String::as_str)
    }

    fn judge_header(&self, header: &Header) -> Result<String, StreamError> {
        if self.phase != Phase::Opening {
            return Err(Condition::BadFormat.into());
        }
        if !header.is_client && !header.default_namespace.is_empty() && header.default_namespace != STREAMS {
            return Err(Condition::InvalidNamespace.into());
        }
        let to = header.to.as_deref().ok_or(Condition::ImproperAddressing)?;
        let domain = Address::domain_only(to).map_err(|_| Condition::HostUnknown)?;
        if !self.settings.domains.iter().any(|known| known == domain.domain()) {
            return Err(Condition::HostUnknown.into());
        }
        let major =
            header.version.as_deref().and_then(|version| version.split('.').next()?.parse::<u32>().ok());
        if major.is_none_or(|major| major < 1) {
            return Err(Condition::UnsupportedVersion.into());
        }
        self.judge_from(header, domain.domain())?;
        Ok(domain.domain().to_owned())
    }

    /// After login, `from` must be the account and `to` its domain (RFC 6120 §4.7.1, §4.9.3.9).
    fn judge_from(&self, header: &Header, domain: &str) -> Result<(), StreamError> {
        let Some(account) = &self.account else { return Ok(()) };
        let from = header.from.as_deref().map(Party::parse);
        let is_own = from.is_none_or(|from| from.is_ok_and(|from| from.address == *account));
        if is_own && account.domain() == domain { Ok(()) } else { Err(Condition::InvalidFrom.into()) }
    }

    /// The TLS handshake is done; the peer will open a new stream.
    pub fn handle_secured(&mut self, bindings: Bindings) {
        self.start_tls = StartTls::Unavailable;
        self.offer = Offer { allows_plain: true, bindings };
        self.phase = Phase::Opening;
        self.has_header = false;
    }

    /// The peer sent a first-level element before it was bound.
    pub fn handle_element(&mut self, element: &Stanza) -> Vec<Action> {
        let namespace = element.namespace();
        match (&self.phase, element.kind(), &*namespace) {
            (Phase::Binding, Kind::Iq, _) => self.handle_bind(element),
            (_, Kind::Message | Kind::Presence | Kind::Iq, _) => self.close(Condition::NotAuthorized),
            (Phase::Login, _, TLS) if element.name() == "starttls" => self.handle_start_tls(),
            (Phase::Login, _, SASL) => self.handle_sasl(element),
            (Phase::Binding, _, SM) if element.name() == "resume" => self.handle_resume(element),
            (Phase::Binding | Phase::BindAsked { .. } | Phase::ResumeAsked, _, SM) => {
                vec![Action::Send(super::management::print_failed("unexpected-request"))]
            }
            // A second login, or more before the first was answered (RFC 6120 §6.3.4).
            (_, _, SASL) => self.close(Condition::PolicyViolation),
            _ => self.close(Condition::UnsupportedStanzaType),
        }
    }

    fn handle_start_tls(&mut self) -> Vec<Action> {
        if self.start_tls == StartTls::Unavailable {
            self.phase = Phase::Closed;
            let refusal = b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>";
            return vec![Action::Send(refusal.to_vec()), Action::Close];
        }
        let proceed = b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
        vec![Action::Send(proceed.to_vec()), Action::StartTls]
    }

    fn handle_sasl(&mut self, element: &Stanza) -> Vec<Action> {
        let outcome = match element.name() {
            "auth" => self.begin_exchange(element),
            "response" => self.continue_exchange(&element.text()),
            "abort" => Err(Failure::Aborted),
            _ => return self.close(Condition::UnsupportedStanzaType),
        };
        match outcome {
            Ok(step) => self.handle_step(step),
            Err(failure) => self.refuse_login(failure),
        }
    }

    fn begin_exchange(&mut self, element: &Stanza) -> Result<Step, Failure> {
        if self.start_tls == StartTls::Required {
            return Err(Failure::EncryptionRequired);
        }
        let name = element.attribute("mechanism").ok_or(Failure::InvalidMechanism)?;
        let mechanism = self.offer.find(&name).ok_or(Failure::InvalidMechanism)?;
        let mut exchange = Exchange::new(mechanism, &self.offer);
        let text = element.text();
        let step = match &*text {
            "" => exchange.handle_response(None),
            text => exchange.handle_response(Some(&decode(text)?)),
        }?;
        self.exchange = Some(exchange);
        Ok(step)
    }

    fn continue_exchange(&mut self, text: &str) -> Result<Step, Failure> {
        let response = decode(text)?;
        self.exchange.as_mut().ok_or(Failure::MalformedRequest)?.handle_response(Some(&response))
    }

    fn handle_step(&mut self, step: Step) -> Vec<Action> {
        match step {
            Step::Challenge(challenge) => vec![Action::Send(print_sasl("challenge", &challenge))],
            Step::CheckPassword { username, password, authzid } => {
                self.ask(&username, authzid, |address| Ask::Password { address, password })
            }
            Step::NeedVerifier { username, hash } => {
                self.ask(&username, None, |address| Ask::Verifier { address, hash })
            }
            Step::Success { username, authzid, additional } => {
                self.additional = additional;
                self.ask(&username, authzid, |address| Ask::Proved { address })
            }
            Step::WrongProof { username } => {
                let mut actions = self.refuse_login(Failure::NotAuthorized);
                if let Ok(address) = Address::new(&username, &self.domain) {
                    actions.insert(0, Action::Ask(Ask::WrongProof { address }));
                }
                actions
            }
        }
    }

    fn ask(
        &mut self,
        username: &str,
        authzid: Option<String>,
        question: impl FnOnce(Address) -> Ask,
    ) -> Vec<Action> {
        let Ok(address) = Address::new(username, &self.domain) else {
            return self.refuse_login(Failure::NotAuthorized);
        };
        let is_self = authzid.is_none_or(|authzid| {
            Party::parse(&authzid).is_ok_and(|party| party.address == address && party.resource.is_none())
        });
        if !is_self {
            return self.refuse_login(Failure::InvalidAuthzid);
        }
        self.phase = Phase::Asked;
        vec![Action::Ask(question(address))]
    }

    /// The verifier that was asked for. `nonce` is unguessable, printable and has no comma.
    pub fn handle_verifier(&mut self, verifier: Result<Verifier, Failure>, nonce: &str) -> Vec<Action> {
        self.phase = Phase::Login;
        let step = verifier.and_then(|verifier| {
            self.exchange.as_mut().ok_or(Failure::Temporary)?.handle_verifier(verifier, nonce)
        });
        match step {
            Ok(step) => self.handle_step(step),
            Err(failure) => self.refuse_login(failure),
        }
    }

    /// The authenticator's word on a password, or on an account whose proof was right.
    pub fn handle_login(&mut self, outcome: Result<Address, Failure>) -> Vec<Action> {
        self.phase = Phase::Login;
        self.exchange = None;
        match outcome {
            Ok(address) => {
                self.account = Some(address);
                self.phase = Phase::Opening;
                let additional = std::mem::take(&mut self.additional);
                vec![Action::Send(print_sasl("success", &additional)), Action::Restart]
            }
            Err(failure) => self.refuse_login(failure),
        }
    }

    fn refuse_login(&mut self, failure: Failure) -> Vec<Action> {
        self.exchange = None;
        self.additional.clear();
        self.failures = self.failures.saturating_add(1);
        let refusal = format!("<failure xmlns='{SASL}'><{}/></failure>", failure.condition()).into_bytes();
        let mut actions = vec![Action::Send(refusal)];
        if self.failures >= self.settings.login_attempts {
            let error = StreamError::with_text(Condition::PolicyViolation, "too many failed logins");
            actions.extend(self.close(error));
        }
        actions
    }

    fn handle_bind(&mut self, request: &Stanza) -> Vec<Action> {
        let is_set = request.stanza_type().as_deref() == Some("set");
        let Some(bind) = request.child("bind", BIND).filter(|_| is_set) else {
            return self.close(Condition::NotAuthorized);
        };
        // A client that leaves the choice to us sends an empty element; a tree is built for the others.
        let tree = if bind.bytes().ends_with(b"/>") { None } else { bind.to_element() };
        let wanted = tree.and_then(|bind| {
            bind.get_child("resource", BIND).map(|resource| resource.text()).filter(|text| !text.is_empty())
        });
        let Ok(resource) = wanted.as_deref().map(Resource::new).transpose() else {
            return vec![Action::Send(print_bind_error(request.id().as_deref(), "modify", "bad-request"))];
        };
        self.phase = Phase::BindAsked { id: request.id().map(std::borrow::Cow::into_owned) };
        vec![Action::Bind(resource)]
    }

    fn handle_resume(&mut self, request: &Stanza) -> Vec<Action> {
        let id = request.attribute("previd");
        let handled = request.attribute("h").and_then(|handled| handled.parse().ok());
        let (Some(id), Some(handled)) = (id, handled) else {
            return vec![Action::Send(super::management::print_failed("bad-request"))];
        };
        self.phase = Phase::ResumeAsked;
        vec![Action::Resume(Resume { id: id.into_owned(), handled })]
    }

    /// The earlier stream goes on here; `handled` of the peer's stanzas had been dealt with on it.
    pub fn handle_resumed(&mut self, id: &str, handled: u32) -> Vec<u8> {
        self.phase = Phase::Bound;
        let mut out = format!("<resumed xmlns='{SM}' h='{handled}' previd='").into_bytes();
        print_attribute(id, &mut out);
        out.extend_from_slice(b"'/>");
        out
    }

    /// There is no such stream any more: the peer may bind a resource instead.
    pub fn handle_resume_refused(&mut self) -> Vec<u8> {
        self.phase = Phase::Binding;
        super::management::print_failed("item-not-found")
    }

    /// The account gave this session its resource.
    pub fn handle_bound(&mut self, party: &Party) -> Vec<u8> {
        let Phase::BindAsked { id } = std::mem::replace(&mut self.phase, Phase::Bound) else {
            return Vec::new();
        };
        let mut out = print_iq("result", id.as_deref());
        out.extend_from_slice(format!("<bind xmlns='{BIND}'><jid>").as_bytes());
        print_text(&party.to_string(), &mut out);
        out.extend_from_slice(b"</jid></bind></iq>");
        out
    }

    /// The account takes no more sessions.
    pub fn handle_bind_refused(&mut self) -> Vec<u8> {
        let Phase::BindAsked { id } = std::mem::replace(&mut self.phase, Phase::Binding) else {
            return Vec::new();
        };
        print_bind_error(id.as_deref(), "wait", "resource-constraint")
    }

    /// What to write to end the stream with this error: a header first if none was sent.
    pub fn close(&mut self, error: impl Into<StreamError>) -> Vec<Action> {
        let mut out = Vec::new();
        if !self.has_header {
            features::print_header(self.default_domain(), &Header::default(), "0", &mut out);
            self.has_header = true;
        }
        error.into().print(&mut out);
        self.phase = Phase::Closed;
        vec![Action::Send(out), Action::Close]
    }
}

/// `=` stands for an empty response (RFC 6120 §6.4.2).
fn decode(text: &str) -> Result<Vec<u8>, Failure> {
    match text {
        "=" => Ok(Vec::new()),
        _ => BASE64.decode(text).map_err(|_| Failure::IncorrectEncoding),
    }
}

fn print_sasl(name: &str, data: &[u8]) -> Vec<u8> {
    if data.is_empty() && name == "success" {
        return format!("<success xmlns='{SASL}'/>").into_bytes();
    }
    format!("<{name} xmlns='{SASL}'>{}</{name}>", BASE64.encode(data)).into_bytes()
}

fn print_iq(kind: &str, id: Option<&str>) -> Vec<u8> {
    let mut out = format!("<iq type='{kind}' id='").into_bytes();
    print_attribute(id.unwrap_or_default(), &mut out);
    out.extend_from_slice(b"'>");
    out
}

fn print_bind_error(id: Option<&str>, kind: &str, condition: &str) -> Vec<u8> {
    let mut out = print_iq("error", id);
    out.extend_from_slice(
        format!(
            "<error type='{kind}'><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
        )
        .as_bytes(),
    );
    out
}

const STREAMS: &str = "http://etherx.jabber.org/streams";
const TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";
const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
const BIND: &str = "urn:ietf:params:xml:ns:xmpp-bind";
