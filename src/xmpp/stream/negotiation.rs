//! Stream negotiation: header, STARTTLS, SASL, restart, resource binding.
//!
//! Values in, [`Action`]s out; the connection task carries them out in order.

use std::sync::Arc;

use super::features::{self, StartTls};
use super::limits::StreamLimits;
use super::login::SASL;
use super::management::SM;
use super::registration::{Guest, Registration};
use super::{Condition, StreamError};
use super::{bind2, sasl2};
use crate::auth::{Agent, FastToken, ScramTask, Wishes};
use crate::signal::{Address, Party, Resource};
use crate::xmpp::sasl::{Bindings, Exchange, Hash, Offer, TokenProof};
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
    /// What is announced of the bounds of a stream.
    pub limits: StreamLimits,
    /// Who may make an account before a login.
    pub registration: Registration,
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
    /// Bind a resource of the server's choice and turn on what the client wants, then call the same.
    Bind2(bind2::Request),
    /// The peer has logged in, and the stream goes on as it is: larger stanzas are taken from now on.
    Trust,
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
    /// Check the proof of a token of the client of this name, then call [`Negotiation::handle_login`].
    Token { address: Address, agent: String, proof: TokenProof },
    /// Look up an invitation, then call [`Negotiation::handle_invitation`].
    Invitation { token: String },
    /// Make an account, then call [`Negotiation::handle_registered`].
    Register { token: Option<String>, address: Address, password: String },
    /// Look up a verifier, then call [`Negotiation::handle_verifier`].
    Verifier { address: Address, hash: Hash },
    /// The proof was right: confirm the login, then call [`Negotiation::handle_login`].
    Proved { address: Address },
    /// Take the outcome of a task, then call [`Negotiation::handle_task_done`].
    Task { address: Address, task: ScramTask, salted: Vec<u8> },
    /// The proof was wrong: count it. The client is told already.
    WrongProof { address: Address },
}

impl std::fmt::Debug for Ask {
    /// Leaves the password out.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, address) = match self {
            Self::Password { address, .. } => ("Password", address),
            Self::Task { address, .. } => ("Task", address),
            Self::Token { address, .. } => ("Token", address),
            Self::Verifier { address, .. } => ("Verifier", address),
            Self::Proved { address } => ("Proved", address),
            Self::WrongProof { address } => ("WrongProof", address),
            Self::Register { address, .. } => ("Register", address),
            Self::Invitation { .. } => return formatter.write_str("Invitation"),
        };
        formatter.debug_tuple(name).field(address).finish()
    }
}

/// Somebody logged in.
#[derive(Debug, PartialEq, Eq)]
pub struct Welcome {
    pub address: Address,
    /// What proves to the client that we know its token.
    pub answer: Option<Vec<u8>>,
    /// A token for the client to log in again.
    pub token: Option<FastToken>,
    /// What the client could do for the verifiers of its password.
    pub tasks: Vec<ScramTask>,
}

/// How far the stream has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// A stream header is expected.
    Opening,
    /// Features were sent; the peer is expected to secure the stream or to log in.
    Login,
    /// The authenticator was asked.
    Asked,
    /// The client proved who it is, and has something to do before it is let in.
    Task,
    /// Logged in; a resource is to be bound.
    Binding,
    /// The account was asked for a resource. The id is that of the request.
    BindAsked {
        id: Option<String>,
    },
    /// The account was asked for a resource, as part of the login.
    Bind2Asked,
    /// An earlier stream is looked for.
    ResumeAsked,
    /// Done. What comes is for the session.
    Bound,
    Closed,
}

/// One stream on its way to being a session.
pub struct Negotiation {
    pub(super) settings: Arc<Settings>,
    pub(super) start_tls: StartTls,
    pub(super) offer: Offer,
    pub(super) phase: Phase,
    /// The domain that the peer asked for.
    pub(super) domain: String,
    /// Who the peer says it is.
    pub(super) from: Option<Address>,
    has_header: bool,
    pub(super) exchange: Option<Exchange>,
    /// What came with the login, where it is one by XEP-0388; and what is to be told at its end.
    pub(super) second: Option<Box<sasl2::Login>>,
    /// What a successful login sends along.
    pub(super) additional: Vec<u8>,
    pub(super) failures: u8,
    /// Boxed, as few streams make an account.
    pub(super) guest: Option<Box<Guest>>,
    pub(super) account: Option<Address>,
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
            from: None,
            has_header: false,
            exchange: None,
            second: None,
            additional: Vec::new(),
            failures: 0,
            guest: None,
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

    /// Who the client says it is, and what it wants of the login that was asked for last.
    pub fn visitor(&self) -> Option<(&Agent, Wishes)> {
        self.second.as_ref()?.visitor()
    }

    /// Whether a client that logs in by a password would help with its verifiers.
    pub fn wants_tasks(&self) -> bool {
        self.second.as_ref().is_some_and(|login| !login.by_token && !login.request.upgrades.is_empty())
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
            features::print_after_login(&self.settings, &mut out);
            self.phase = Phase::Binding;
        } else {
            self.from = header.from.as_deref().and_then(|from| Some(Party::parse(from).ok()?.address));
            let mut registration = Vec::new();
            self.print_registration(&mut registration);
            let settings = &self.settings;
            features::print_before_login(self.start_tls, &self.offer, settings, &registration, &mut out);
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
    /// Before, it must be of that domain if it is an address at all (XEP-0388 §2.1).
    fn judge_from(&self, header: &Header, domain: &str) -> Result<(), StreamError> {
        let from = header.from.as_deref().map(Party::parse);
        let Some(account) = &self.account else {
            let is_ours = !from.is_some_and(|from| from.is_ok_and(|from| from.address.domain() != domain));
            return if is_ours { Ok(()) } else { Err(Condition::InvalidFrom.into()) };
        };
        let is_own = from.is_none_or(|from| from.is_ok_and(|from| from.address == *account));
        if is_own && account.domain() == domain { Ok(()) } else { Err(Condition::InvalidFrom.into()) }
    }

    /// The TLS handshake is done; the peer will open a new stream.
    pub fn handle_secured(&mut self, bindings: Bindings) {
        self.start_tls = StartTls::Unavailable;
        self.offer = Offer { allows_plain: true, bindings, ..self.offer };
        self.begin_anew();
    }

    /// The peer opens another stream on the same connection, which takes a header of ours too (RFC 6120 §4.3.3).
    pub(super) fn begin_anew(&mut self) {
        self.phase = Phase::Opening;
        self.has_header = false;
    }

    /// The peer sent a first-level element before it was bound.
    pub fn handle_element(&mut self, element: &Stanza) -> Vec<Action> {
        let namespace = element.namespace();
        match (&self.phase, element.kind(), &*namespace) {
            (Phase::Binding, Kind::Iq, _) => self.handle_bind(element),
            (Phase::Login, Kind::Iq, _) => self.handle_guest(element),
            (_, Kind::Message | Kind::Presence | Kind::Iq, _) => self.close(Condition::NotAuthorized),
            (Phase::Login, _, TLS) if element.name() == "starttls" => self.handle_start_tls(),
            (Phase::Login, _, SASL) => self.handle_sasl(element),
            (Phase::Login, _, sasl2::SASL2) => self.handle_sasl2(element),
            (Phase::Task, _, sasl2::SASL2) if element.name() != "authenticate" => self.handle_task(element),
            (Phase::Binding, _, SM) if element.name() == "resume" => self.handle_resume(element),
            (Phase::Binding | Phase::BindAsked { .. } | Phase::Bind2Asked | Phase::ResumeAsked, _, SM) => {
                vec![Action::Send(super::management::print_failed("unexpected-request"))]
            }
            // A second login, or more before the first was answered (RFC 6120 §6.3.4).
            (_, _, SASL | sasl2::SASL2) => self.close(Condition::PolicyViolation),
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

    /// The earlier stream of `party` goes on here; `handled` of the peer's stanzas had been dealt with on it.
    pub fn handle_resumed(&mut self, party: &Party, id: &str, handled: u32) -> Vec<u8> {
        self.phase = Phase::Bound;
        let mut resumed = format!("<resumed xmlns='{SM}' h='{handled}' previd='").into_bytes();
        print_attribute(id, &mut resumed);
        resumed.extend_from_slice(b"'/>");
        match self.second.take() {
            Some(login) => self.print_success(*login, party, &resumed),
            None => resumed,
        }
    }

    /// There is no such stream any more: the peer may bind a resource instead.
    pub fn handle_resume_refused(&mut self) -> Vec<Action> {
        self.phase = Phase::Binding;
        let refusal = super::management::print_failed("item-not-found");
        match self.second.take() {
            Some(login) => self.go_on(Box::new(sasl2::Login { refused: refusal, ..*login })),
            None => vec![Action::Send(refusal)],
        }
    }

    /// The account gave this session its resource. `inline` is what is told of the features that were turned on
    /// with it.
    pub fn handle_bound(&mut self, party: &Party, inline: &[u8]) -> Vec<u8> {
        match (std::mem::replace(&mut self.phase, Phase::Bound), self.second.take()) {
            (Phase::BindAsked { id }, _) => {
                let mut out = print_iq("result", id.as_deref());
                out.extend_from_slice(format!("<bind xmlns='{BIND}'><jid>").as_bytes());
                print_text(&party.to_string(), &mut out);
                out.extend_from_slice(b"</jid></bind></iq>");
                out
            }
            (Phase::Bind2Asked, Some(login)) => {
                let bound = bind2::print_bound(inline);
                self.print_success(*login, party, &bound)
            }
            _ => Vec::new(),
        }
    }

    /// The account takes no more sessions.
    pub fn handle_bind_refused(&mut self) -> Vec<u8> {
        match (std::mem::replace(&mut self.phase, Phase::Binding), self.second.take(), &self.account) {
            (Phase::BindAsked { id }, ..) => print_bind_error(id.as_deref(), "wait", "resource-constraint"),
            (Phase::Bind2Asked, Some(login), Some(account)) => {
                let party = Party::bare(account.clone());
                self.print_success(*login, &party, &bind2::print_refused("resource-constraint"))
            }
            _ => Vec::new(),
        }
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
const BIND: &str = "urn:ietf:params:xml:ns:xmpp-bind";
