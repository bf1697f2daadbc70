//! A registered phone: one session of its account, and the way to it.
//!
//! What the account hands over goes into [`Queue`] and out as MESSAGE transactions
//! ([`super::outbox`]). A phone may have registered by several flows (RFC 5626): requests take one, and
//! another where that fails. It ends with its last registration or connection, or when the account closes
//! the session.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use compact_str::format_compact;
use serde::{Deserialize, Serialize};
use smallvec::{SmallVec, smallvec};
use tokio::time::Instant;

use super::{
    bindings::{Contact, RegId},
    door::Door,
    gruu::{self, Temporary},
    kept::KeptPhone,
    message::Uri,
    outbox::Queue,
    registration::Registration,
    target::Target,
    transport::Flow,
};
use crate::{
    account::{Session, SessionChange, SessionKind, SessionSpec},
    auth::Login,
    signal::{Address, Presence, Reason, Reject, Resource, SessionId, Timestamp},
};

/// A registered phone.
pub(in crate::sip) struct Device {
    pub(super) door: Weak<Door>,
    pub(super) itself: Weak<Self>,
    login: Login,
    /// Of the credential that it registered with.
    mark: u64,
    resource: Resource,
    only_md5: bool,
    takes_calls: bool,
    session: Mutex<Option<Arc<Session>>>,
    /// Its flows (RFC 5626), the one that was registered last first. Empty while it cannot be reached.
    ways: Mutex<SmallVec<[Way; 1]>>,
    /// The temporary GRUU that it was given last.
    temporary: Mutex<Option<Box<Temporary>>>,
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

/// What is known of a phone beside where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Traits {
    pub(super) takes_messages: bool,
    pub(super) takes_calls: bool,
    pub(super) takes_cpim: bool,
    pub(super) refuses_composing: bool,
    pub(super) only_md5: bool,
}

/// One flow of a phone, and where it leads.
#[derive(Debug)]
struct Way {
    reg_id: Option<RegId>,
    target: Arc<Target>,
    /// Signs of life were promised on it, so that it can be known to be dead though it is no connection.
    is_watched: bool,
}

impl Way {
    fn new(registration: &Registration, contact: &Contact) -> Self {
        let is_watched = contact.reg_id.is_some() && registration.keeps_flow();
        Self { reg_id: contact.reg_id, target: registration.target(&contact.uri), is_watched }
    }

    /// Whether it ends with its flow.
    fn is_bound(&self) -> bool {
        self.target.is_bound() || self.is_watched
    }
}

/// The ways to a phone, the best one first.
pub(in crate::sip) type Targets = SmallVec<[Arc<Target>; 2]>;

/// A phone is itself and no other, whatever is known of it.
impl PartialEq for Device {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
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
        let traits = Traits {
            takes_messages: registration.takes_messages,
            takes_calls: registration.takes_calls,
            takes_cpim: registration.takes_cpim,
            refuses_composing: false,
            only_md5: registration.only_md5,
        };
        let way = Way::new(registration, contact);
        let resource = name_of(&registration.agent, contact, taken);
        let mark = door.authenticator.mark(&login.address, login.device).await.ok().flatten();
        // Its password may have changed meanwhile.
        let mark = mark.ok_or(Reason::Forbidden)?;
        let device = Self::new(door, (login.clone(), mark), resource, traits, smallvec![way]);
        device.open_session(door, contact.instance.as_deref()).await?;
        Ok(device)
    }

    /// A phone that was registered before a restart, and has no session yet.
    pub(super) fn restored(
        door: &Arc<Door>,
        login: Login,
        resource: Resource,
        phone: &KeptPhone,
        ways: impl Iterator<Item = (Option<RegId>, Arc<Target>)>,
    ) -> Arc<Self> {
        let ways: SmallVec<_> =
            ways.map(|(reg_id, target)| Way { reg_id, target, is_watched: false }).collect();
        let is_lost = ways.is_empty();
        let device = Self::new(door, (login, phone.mark), resource, phone.traits, ways);
        device.set_temporary(phone.temporary());
        if is_lost {
            locked(&device.queue).expect_silence();
        }
        device
    }

    fn new(
        door: &Arc<Door>,
        (login, mark): (Login, u64),
        resource: Resource,
        traits: Traits,
        ways: SmallVec<[Way; 1]>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|itself| Self {
            door: Arc::downgrade(door),
            itself: Weak::clone(itself),
            login,
            mark,
            resource,
            only_md5: traits.only_md5,
            takes_calls: traits.takes_calls,
            session: Mutex::default(),
            ways: Mutex::new(ways),
            temporary: Mutex::default(),
            queue: Mutex::new(Queue::new(door.config.device_queue)),
            wake: Mutex::default(),
            closed: AtomicBool::new(false),
            takes_cpim: AtomicBool::new(traits.takes_cpim),
            refuses_composing: AtomicBool::new(traits.refuses_composing),
            refuses_messages: AtomicBool::new(!traits.takes_messages),
        })
    }

    /// Opens its session. One that cannot be reached takes no messages for now.
    pub(super) async fn open_session(&self, door: &Door, instance: Option<&str>) -> Result<(), Reject> {
        let Some(itself) = self.itself.upgrade() else { return Ok(()) };
        let address = &self.login.address;
        let spec = SessionSpec {
            kind: SessionKind::Device,
            resource: self.resource.clone(),
            since: Timestamp::now(),
            contact: Some(gruu::public(address, instance, &self.resource)),
            takes_messages: self.traits().takes_messages && self.target().is_some(),
            takes_calls: self.takes_calls,
            takes_copies: true,
            follows_roster: false,
            device: self.login.device,
            client: None,
        };
        let session = door.accounts.open(address, spec, itself as _).await?;
        *locked(&self.session) = Some(Arc::new(session));
        if self.is_closed() {
            // It ended meanwhile.
            let session = locked(&self.session).take();
            drop(session);
        }
        Ok(())
    }

    /// What is known of it beside where it is.
    pub(super) fn traits(&self) -> Traits {
        Traits {
            takes_messages: !self.refuses_messages.load(Ordering::Relaxed),
            takes_calls: self.takes_calls,
            takes_cpim: self.takes_cpim.load(Ordering::Relaxed),
            refuses_composing: self.refuses_composing.load(Ordering::Relaxed),
            only_md5: self.only_md5,
        }
    }

    /// The account.
    pub(in crate::sip) fn address(&self) -> &Address {
        &self.login.address
    }

    /// The phone's name within the account.
    pub(in crate::sip) fn resource(&self) -> &Resource {
        &self.resource
    }

    /// Where requests for it go first; `None` while it cannot be reached.
    pub(in crate::sip) fn target(&self) -> Option<Arc<Target>> {
        self.target_at(0)
    }

    /// Where a request goes that so many ways have failed.
    pub(super) fn target_at(&self, failed: usize) -> Option<Arc<Target>> {
        locked(&self.ways).get(failed).map(|way| Arc::clone(&way.target))
    }

    /// Where requests for it go, one after the other until one gets through (RFC 5626 §7).
    pub(in crate::sip) fn targets(&self) -> Targets {
        locked(&self.ways).iter().map(|way| Arc::clone(&way.target)).collect()
    }

    /// Where a flow leads; `None` where it was lost.
    pub(super) fn target_of(&self, reg_id: Option<RegId>) -> Option<Arc<Target>> {
        let ways = locked(&self.ways);
        ways.iter().find(|way| way.reg_id == reg_id).map(|way| Arc::clone(&way.target))
    }

    /// By which it registered last.
    pub(in crate::sip) fn flow(&self) -> Option<Flow> {
        locked(&self.ways).first().map(|way| way.target.flow)
    }

    /// Whether what comes by this flow comes from it and nobody else.
    pub(in crate::sip) fn is_at(&self, flow: &Flow) -> bool {
        locked(&self.ways).iter().any(|way| way.target.is_direct && way.target.flow == *flow)
    }

    /// Whether a URI is a GRUU of it.
    pub(in crate::sip) fn is_meant_by(&self, uri: &Uri) -> bool {
        let door = gruu::gruu_of(uri).and_then(|_| self.door.upgrade());
        door.and_then(|door| door.find_phone(uri)).is_some_and(|found| *found == *self)
    }

    /// The connections whose end takes a way to it.
    pub(super) fn bound_flows(&self) -> SmallVec<[Flow; 1]> {
        let ways = locked(&self.ways);
        ways.iter().filter(|way| way.is_bound()).map(|way| way.target.flow).collect()
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

    /// Of the credential that it registered with: see [`crate::auth::Authenticator::mark`].
    pub(super) fn mark(&self) -> u64 {
        self.mark
    }

    pub(super) fn only_md5(&self) -> bool {
        self.only_md5
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// The registration is renewed; its flow was `before`. Tells whether it is reached another way now.
    pub(super) fn refresh(
        &self,
        registration: &Registration,
        contact: &Contact,
        before: Option<RegId>,
    ) -> bool {
        let way = Way::new(registration, contact);
        let is_same = {
            let mut ways = locked(&self.ways);
            let is_same = ways.iter().any(|known| known.reg_id == way.reg_id && known.target == way.target);
            ways.retain(|known| known.reg_id != before && known.reg_id != way.reg_id);
            ways.insert(0, way);
            is_same
        };
        self.takes_cpim.fetch_or(registration.takes_cpim, Ordering::Relaxed);
        if self.wake_up() && !self.refuses_messages.load(Ordering::Relaxed) {
            self.change(SessionChange::TakesMessages(true));
        }
        !is_same
    }

    /// A flow is registered no more.
    pub(super) fn lose(&self, reg_id: Option<RegId>) {
        locked(&self.ways).retain(|way| way.reg_id != reg_id);
    }

    /// A connection ended: gives the flows that went with it.
    pub(super) fn lose_flow(&self, flow: &Flow) -> SmallVec<[Option<RegId>; 1]> {
        let is_gone = |way: &Way| way.is_bound() && way.target.flow == *flow;
        let mut ways = locked(&self.ways);
        let gone = ways.iter().filter(|way| is_gone(way)).map(|way| way.reg_id).collect();
        ways.retain(|way| !is_gone(way));
        gone
    }

    /// The temporary GRUU that it was given last.
    pub(super) fn temporary(&self) -> Option<Temporary> {
        locked(&self.temporary).as_deref().copied()
    }

    /// Gives it another temporary GRUU, or none from now on; tells which it had.
    pub(super) fn set_temporary(&self, temporary: Option<Temporary>) -> Option<Temporary> {
        std::mem::replace(&mut *locked(&self.temporary), temporary.map(Box::new)).map(|before| *before)
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
            door.calls.handle_closed(&door, self.address(), session.id());
            door.presence_agent.handle_unregistered(&self.login.address, session.id());
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
