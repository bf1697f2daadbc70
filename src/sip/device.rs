//! A registered phone: one session of its account, and the way to it.
//!
//! What the account hands over goes into [`Queue`] and out as MESSAGE transactions
//! ([`super::outbox`]). The phone ends with its registration, with its connection, or when the account
//! closes the session.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use compact_str::{CompactString, format_compact};
use tokio::time::Instant;

use super::{
    auth,
    bindings::Contact,
    door::Door,
    message::{HeaderName, MediaType, Message, Uri},
    outbox::Queue,
    translate,
    transport::{Destination, Flow},
};
use crate::{
    account::{Session, SessionChange, SessionKind, SessionSpec},
    auth::Login,
    signal::{Address, Presence, Reject, Resource, SessionId, Timestamp},
};

/// A registered phone.
pub(in crate::sip) struct Device {
    pub(super) door: Weak<Door>,
    pub(super) itself: Weak<Self>,
    login: Login,
    resource: Resource,
    only_md5: bool,
    session: Mutex<Option<Arc<Session>>>,
    target: Mutex<Arc<Target>>,
    pub(super) queue: Mutex<Queue>,
    /// When the soonest alarm about its registration goes off.
    wake: Mutex<Option<Instant>>,
    closed: AtomicBool,
    /// It understands message/cpim.
    pub(super) takes_cpim: AtomicBool,
    /// It has refused an isComposing document.
    pub(super) refuses_composing: AtomicBool,
    /// It has refused the method MESSAGE.
    pub(super) refuses_messages: AtomicBool,
}

/// Where a phone is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sip) struct Target {
    /// What it registered: the request URI of requests for it.
    pub(in crate::sip) uri: Uri,
    /// By which it registered.
    pub(in crate::sip) flow: Flow,
    /// Where requests for it go.
    pub(in crate::sip) destination: Destination,
}

/// What a REGISTER tells of the phone that sent it.
#[derive(Debug)]
pub(super) struct Registration {
    flow: Flow,
    agent: CompactString,
    takes_messages: bool,
    takes_calls: bool,
    takes_cpim: bool,
    only_md5: bool,
}

impl Registration {
    pub(super) fn read(message: &Message, flow: Flow) -> Self {
        // Who sends no Allow takes the methods of a phone.
        let allows = |method: &str| {
            !message.has(HeaderName::Allow) || message.values(HeaderName::Allow).any(|value| value == method)
        };
        let agent = message.text(HeaderName::UserAgent).unwrap_or_default();
        let accepts = message.accept().ok().flatten().unwrap_or_default();
        Self {
            flow,
            agent: agent.into(),
            takes_messages: allows("MESSAGE"),
            takes_calls: allows("INVITE"),
            takes_cpim: accepts.iter().any(|range: &MediaType| range.is("message/cpim")),
            only_md5: auth::knows_only_md5(message),
        }
    }
}

impl Target {
    /// Requests go back the way the REGISTER came (RFC 5626 §5.3), except to a UDP phone that is not
    /// behind a NAT and names another port of the same host: its Contact means what it says.
    fn new(uri: &Uri, flow: Flow) -> Self {
        let named = Destination::from_uri(uri);
        let destination = match named {
            Some(Destination::Address { protocol, peer, name })
                if !flow.is_reliable()
                    && protocol == flow.protocol
                    && peer.ip().to_canonical() == flow.peer.ip().to_canonical()
                    && peer.port() != flow.peer.port() =>
            {
                Destination::Address { protocol, peer, name }
            }
            _ => Destination::Flow(flow),
        };
        Self { uri: uri.clone(), flow, destination }
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Device({}/{})", self.login.address, self.resource)
    }
}

impl Device {
    /// Opens a session of the account for a phone whose registration is about to be stored.
    pub(super) async fn open(
        door: &Arc<Door>,
        login: &Login,
        registration: &Registration,
        contact: &Contact,
        taken: &[Resource],
    ) -> Result<Arc<Self>, Reject> {
        let resource = name_of(&registration.agent, contact, taken);
        let now = Timestamp::now();
        let spec = SessionSpec {
            kind: SessionKind::Device,
            resource: resource.clone(),
            since: now,
            contact: Some(translate::gruu(&login.address, &resource).as_str().into()),
            takes_messages: registration.takes_messages,
            takes_calls: registration.takes_calls,
            takes_copies: true,
            follows_roster: false,
            device: login.device,
        };
        let device = Arc::new_cyclic(|itself| Self {
            door: Arc::downgrade(door),
            itself: Weak::clone(itself),
            login: login.clone(),
            resource,
            only_md5: registration.only_md5,
            session: Mutex::default(),
            target: Mutex::new(Arc::new(Target::new(&contact.uri, registration.flow))),
            queue: Mutex::new(Queue::new(door.config.device_queue)),
            wake: Mutex::default(),
            closed: AtomicBool::new(false),
            takes_cpim: AtomicBool::new(registration.takes_cpim),
            refuses_composing: AtomicBool::new(false),
            refuses_messages: AtomicBool::new(!registration.takes_messages),
        });
        let session = door.accounts.open(&login.address, spec, Arc::clone(&device) as _).await?;
        *locked(&device.session) = Some(Arc::new(session));
        Ok(device)
    }

    /// The account.
    pub(in crate::sip) fn address(&self) -> &Address {
        &self.login.address
    }

    /// The phone's name within the account.
    pub(in crate::sip) fn resource(&self) -> &Resource {
        &self.resource
    }

    /// Where requests for it go.
    pub(in crate::sip) fn target(&self) -> Arc<Target> {
        Arc::clone(&locked(&self.target))
    }

    /// By which it registered.
    pub(in crate::sip) fn flow(&self) -> Flow {
        locked(&self.target).flow
    }

    /// The account's session; `None` once it is closed.
    pub(in crate::sip) fn session(&self) -> Option<Arc<Session>> {
        locked(&self.session).clone()
    }

    /// The number of the session.
    pub(in crate::sip) fn session_id(&self) -> Option<SessionId> {
        locked(&self.session).as_ref().map(|session| session.id())
    }

    /// Tells the account of a change.
    pub(in crate::sip) fn change(&self, change: SessionChange) {
        if let Some(session) = self.session() {
            session.change(change);
        }
    }

    /// Tells the account how its user is.
    pub(in crate::sip) fn announce(&self, presence: Arc<Presence>) {
        if let Some(session) = self.session() {
            session.announce(presence);
        }
    }

    /// As whom it registered.
    pub(super) fn login(&self) -> &Login {
        &self.login
    }

    pub(super) fn only_md5(&self) -> bool {
        self.only_md5
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// The registration is renewed, perhaps from elsewhere.
    pub(super) fn refresh(&self, registration: &Registration, contact: &Contact) {
        *locked(&self.target) = Arc::new(Target::new(&contact.uri, registration.flow));
        self.takes_cpim.fetch_or(registration.takes_cpim, Ordering::Relaxed);
        if self.wake_up() && !self.refuses_messages.load(Ordering::Relaxed) {
            self.change(SessionChange::TakesMessages(true));
        }
    }

    /// Whether an alarm has to be set so that one goes off at `expires`, or sooner.
    pub(super) fn should_wake(&self, expires: Instant) -> bool {
        let mut wake = locked(&self.wake);
        let should = wake.is_none_or(|at| expires < at);
        if should {
            *wake = Some(expires);
        }
        should
    }

    /// The alarm went off.
    pub(super) fn awake(&self) {
        *locked(&self.wake) = None;
    }

    /// Ends the session. What was on its way to the phone and not confirmed finds another way.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let left = locked(&self.queue).close();
        drop(left);
        let session = locked(&self.session).take();
        if let (Some(session), Some(door)) = (&session, self.door.upgrade()) {
            door.calls.handle_closed(&door, session.id());
        }
        drop(session);
    }
}

/// A legible name that stays the same when the phone registers again: the first word of what it calls
/// itself, and a few digits that tell its instance, or else its contact.
fn name_of(agent: &str, contact: &Contact, taken: &[Resource]) -> Resource {
    let word: String = agent
        .chars()
        .take_while(|character| character.is_ascii_alphanumeric())
        .take(NAME)
        .map(|character| character.to_ascii_lowercase())
        .collect();
    let word = if word.is_empty() { "phone" } else { &word };
    let key = contact.instance.as_deref().unwrap_or(contact.uri.as_str());
    let digest = fnv(key.as_bytes());
    let names = [4, 8, 16]
        .into_iter()
        .map(|digits| format_compact!("{word}-{digest:016x}").split_at(word.len() + 1 + digits).0.to_owned());
    let mut fitting = names.filter_map(|name| Resource::new(&name).ok());
    let first = fitting.next();
    let is_free = |name: &Resource| !taken.contains(name);
    let free = first.clone().filter(is_free).or_else(|| fitting.find(is_free)).or(first);
    free.expect("letters, digits and a hyphen are a resource")
}

/// FNV-1a: short, and the same in every process.
fn fnv(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// What is behind these locks is whole after every statement.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Longest word of a name.
const NAME: usize = 24;
