//! The shell of the machines: finds them, does what they say, and sends requests.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwapOption;
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, sleep_until},
};
use tracing::debug;

use crate::{
    net::ShutdownSignal,
    sip::{
        message::{Message, Method, Via},
        transport::{self, Destination, Flow, Protocol, SendError, Transport},
    },
};

use super::{
    client::Client,
    invite_client::InviteClient,
    key::{COOKIE, TransactionKey},
    machine::{Action, Actions},
    request::cancel_for,
    table::{Entry, Machine, OnEvent, Table},
    timers::Timers,
    user::{ClientEvent, ClientTransaction, Failure, TransactionUser},
};

/// Settings of the layer.
#[derive(Clone, Debug)]
pub struct Config {
    /// The times of the machines.
    pub timers: Timers,
    /// Open transactions. Beyond it answered ones are forgotten, then new requests get 503. Default 131 072.
    pub transactions: usize,
    /// The sockets.
    pub transport: transport::Config,
}

impl Config {
    /// The defaults over these sockets.
    #[must_use]
    pub fn new(transport: transport::Config) -> Self {
        Self { timers: Timers::default(), transactions: 131_072, transport }
    }
}

/// The transaction layer of the SIP door.
pub struct Layer {
    pub(super) timers: Timers,
    pub(super) table: Table,
    /// Gone once the layer has run, for it mostly owns the layer in turn.
    user: ArcSwapOption<Arc<dyn TransactionUser>>,
    transport: Arc<Transport>,
    /// Client transactions on connections, so that they fail at once when theirs ends.
    by_connection: Mutex<FxHashMap<Flow, FxHashSet<TransactionKey>>>,
    tokens: RandomState,
    next_token: AtomicU64,
    /// When the timer task wakes, in milliseconds after `begun`.
    wake_at: AtomicU64,
    wake: Notify,
    begun: Instant,
}

impl Layer {
    /// A layer without sockets: give them to [`Layer::transport`] after [`Layer::start`].
    #[must_use]
    pub fn new(config: Config, signal: ShutdownSignal) -> Arc<Self> {
        let layer = Arc::new(Self {
            timers: config.timers,
            table: Table::new(config.transactions),
            user: ArcSwapOption::empty(),
            transport: Transport::new(config.transport, signal),
            by_connection: Mutex::default(),
            tokens: RandomState::new(),
            next_token: AtomicU64::new(1),
            wake_at: AtomicU64::new(u64::MAX),
            wake: Notify::new(),
            begun: Instant::now(),
        });
        let inbound: Weak<Self> = Arc::downgrade(&layer);
        layer.transport.start(inbound);
        layer
    }

    /// Names the transaction user. Requests that come before get 503.
    pub fn start(&self, user: Arc<dyn TransactionUser>) {
        self.user.store(Some(Arc::new(user)));
    }

    /// The sockets.
    #[must_use]
    pub fn transport(&self) -> &Arc<Transport> {
        &self.transport
    }

    /// Fires timers and makes connections until the server has drained; then lets go of the transaction user
    /// and of all transactions. Runs once, in a task of its own.
    pub async fn run(self: Arc<Self>) {
        let timers = async {
            loop {
                self.wake_at.store(u64::MAX, Ordering::SeqCst);
                let next = self.fire_timers(Instant::now());
                if let Some(next) = next {
                    self.wake_at.fetch_min(self.millis(next), Ordering::SeqCst);
                }
                tokio::select! {
                    () = self.wake.notified() => {}
                    () = sleep_until(next.unwrap_or(self.begun)), if next.is_some() => {}
                }
            }
        };
        tokio::select! {
            () = timers => {}
            ((), ()) = async { tokio::join!(Arc::clone(&self.transport).run(), self.transport.drained()) } => {}
        }
        self.user.store(None);
        self.table.clear();
    }

    /// A text nobody can guess and this process never repeats: for tags, branches and `Call-ID`.
    #[must_use]
    pub fn new_token(&self) -> String {
        let number = self.next_token.fetch_add(1, Ordering::Relaxed);
        format!("{:016x}{number:x}", self.tokens.hash_one(number))
    }

    /// Sends a request in a transaction of its own, with a new `Via` on top. `on_event` is called by the
    /// tasks that read sockets and fire timers: it must not block. For an ACK see [`Layer::send_stateless`].
    ///
    /// # Errors
    /// It cannot be sent; `on_event` is then never called.
    pub fn send_request(
        self: &Arc<Self>,
        request: &Message,
        destination: &Destination,
        on_event: impl Fn(ClientEvent) + Send + Sync + 'static,
    ) -> Result<ClientTransaction, SendError> {
        let method = request.method().ok_or(SendError::Unreachable)?.clone();
        let branch = format!("{COOKIE}{}", self.new_token());
        let key = TransactionKey::of_client(&branch, &method);
        let attempt = Attempt { request: request.clone(), branch, method };
        let on_event: OnEvent = Arc::new(on_event);
        let (flow, on_event) = match self.large_request_flows(request, destination) {
            Some((stream, datagrams)) => {
                (stream, self.datagrams_after(stream, attempt.clone(), datagrams, on_event))
            }
            None => (self.transport.flow_to(destination)?, on_event),
        };
        self.begin_attempt(&attempt, flow, on_event)?;
        Ok(ClientTransaction { layer: Arc::clone(self), key, flow })
    }

    /// Sends a request and waits for its final response, the first one.
    ///
    /// # Errors
    /// No final response came, or the request could not be sent.
    pub async fn request(
        self: &Arc<Self>,
        request: &Message,
        destination: &Destination,
    ) -> Result<Message, Failure> {
        let (sender, receiver) = oneshot::channel();
        let sender = Mutex::new(Some(sender));
        let on_event = move |event| {
            let outcome = match event {
                ClientEvent::Provisional(_) => return,
                ClientEvent::Final(response) => Ok(response),
                ClientEvent::Failed(failure) => Err(failure),
            };
            if let Some(sender) = sender.lock().unwrap_or_else(PoisonError::into_inner).take() {
                // Nobody may be waiting any more.
                let _ = sender.send(outcome);
            }
        };
        self.send_request(request, destination, on_event).map_err(|_| Failure::Unreachable)?;
        receiver.await.unwrap_or(Err(Failure::Unreachable))
    }

    /// Sends a request with a new `Via` and forgets it: an ACK for a 2xx (RFC 3261 §17.1, §16.6).
    ///
    /// # Errors
    /// It cannot be sent.
    pub fn send_stateless(&self, request: &Message, destination: &Destination) -> Result<(), SendError> {
        let flow = match self.large_request_flows(request, destination) {
            Some((stream, _)) => stream,
            None => self.transport.flow_to(destination)?,
        };
        let branch = format!("{COOKIE}{}", self.new_token());
        let request = request.splice().push_via(&self.via(flow, &branch)).finish();
        self.transport.send(&flow, request.bytes().clone())
    }

    pub(super) fn user(&self) -> Option<Arc<dyn TransactionUser>> {
        self.user.load().as_deref().cloned()
    }

    pub(super) fn respond(&self, key: &TransactionKey, response: &Message) {
        let Some(status) = response.status() else { return };
        self.drive(key, |machine| match machine {
            Machine::InviteServer(machine) => machine.respond(status, response.bytes().clone()),
            Machine::Server(machine) => machine.respond(status, response.bytes().clone()),
            Machine::InviteClient(_) | Machine::Client(_) => Actions::new(),
        });
    }

    pub(super) fn cancel(&self, key: &TransactionKey) {
        self.drive(key, |machine| match machine {
            Machine::InviteClient(machine) => machine.cancel(),
            _ => Actions::new(),
        });
    }

    /// Gives an event to a transaction and does what its machine says; `false` when there is none.
    pub(super) fn drive(&self, key: &TransactionKey, event: impl FnOnce(&mut Machine) -> Actions) -> bool {
        let now = Instant::now();
        let mut shard = self.table.shard(key);
        let Some(entry) = shard.entry(key) else { return false };
        let actions = event(&mut entry.machine);
        let invite = match &entry.machine {
            Machine::InviteClient(machine) => Some(machine.request.clone()),
            _ => None,
        };
        let (flow, on_event) = (entry.flow, entry.on_event.clone());
        let wake = shard.apply(key, &actions, now);
        drop(shard);
        self.wake_before(wake);
        self.perform(key, actions, flow, on_event, invite);
        true
    }

    /// Does what concerns the world: sending and telling. No lock is held.
    fn perform(
        &self,
        key: &TransactionKey,
        actions: Actions,
        flow: Flow,
        on_event: Option<OnEvent>,
        invite: Option<Message>,
    ) {
        for action in actions {
            match action {
                Action::Send(bytes) => {
                    if self.transport.send(&flow, bytes).is_err() {
                        self.drive(key, Machine::handle_unreachable);
                    }
                }
                Action::Tell(event) => {
                    if let Some(on_event) = &on_event {
                        on_event(event);
                    }
                }
                Action::Cancel => invite.iter().for_each(|invite| self.send_cancel(invite, flow)),
                Action::End if flow.is_reliable() && on_event.is_some() => self.forget(flow, key),
                Action::End | Action::Arm(..) | Action::PassAck => {}
            }
        }
    }

    fn send_cancel(&self, invite: &Message, flow: Flow) {
        let cancel = cancel_for(invite);
        let Ok(via) = cancel.top_via() else { return };
        let key = TransactionKey::of_client(via.branch().unwrap_or_default(), &Method::Cancel);
        // The answer to a CANCEL says nothing the INVITE's own would not.
        if let Err(error) = self.begin_client(key, &Method::Cancel, cancel, flow, Arc::new(|_| {})) {
            debug!(%error, "cancel not sent");
        }
    }

    fn begin_client(
        &self,
        key: TransactionKey,
        method: &Method,
        request: Message,
        flow: Flow,
        on_event: OnEvent,
    ) -> Result<(), SendError> {
        let first = request.bytes().clone();
        let (machine, actions) = if *method == Method::Invite {
            let (machine, actions) = InviteClient::new(request, flow.is_reliable(), self.timers);
            (Machine::InviteClient(Box::new(machine)), actions)
        } else {
            let (machine, actions) = Client::new(first.clone(), flow.is_reliable(), self.timers);
            (Machine::Client(machine), actions)
        };
        let mut shard = self.table.shard(&key);
        // What this server sends itself gets the room that strangers do not.
        if !shard.has_room(self.table.bound() * 2) {
            return Err(SendError::Unreachable);
        }
        shard.insert(key.clone(), Entry::new(machine, flow, Some(on_event)));
        let wake = shard.apply(&key, &actions, Instant::now());
        drop(shard);
        self.wake_before(wake);
        if flow.is_reliable() {
            self.connections().entry(flow).or_default().insert(key.clone());
        }
        // The one thing to do now is sending; the table is there first, so that no answer is too early.
        let Err(error) = self.transport.send(&flow, first) else { return Ok(()) };
        self.forget(flow, &key);
        let mut shard = self.table.shard(&key);
        if shard.entry(&key).is_none() {
            // The connection ended meanwhile, and that was told.
            return Ok(());
        }
        shard.apply(&key, &smallvec::smallvec![Action::End], Instant::now());
        Err(error)
    }

    /// Fires what is due; gives when to come again.
    fn fire_timers(&self, now: Instant) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        let mut index = 0;
        while let Some(mut shard) = self.table.shard_at(index) {
            let Some((key, due)) = shard.next_due(now) else {
                next = next.into_iter().chain(shard.next_wake()).min();
                index += 1;
                continue;
            };
            shard.queue(&key, now);
            drop(shard);
            for timer in due {
                self.drive(&key, |machine| machine.handle_timer(timer));
            }
        }
        next
    }

    pub(super) fn wake_before(&self, at: Option<Instant>) {
        if let Some(at) = at
            && self.millis(at) < self.wake_at.load(Ordering::SeqCst)
        {
            self.wake.notify_one();
        }
    }

    fn millis(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.begun).as_millis()).unwrap_or(u64::MAX)
    }

    /// For a request too large for one packet to a UDP address: a stream to try first and what is left when
    /// there is none (RFC 3261 §18.1.1).
    fn large_request_flows(&self, request: &Message, destination: &Destination) -> Option<(Flow, Flow)> {
        let Destination::Address { protocol: Protocol::Udp, peer, .. } = destination else { return None };
        if request.bytes().len() <= LARGEST_DATAGRAM {
            return None;
        }
        let tcp = Destination::Address { protocol: Protocol::Tcp, peer: *peer, name: None };
        let stream = self.transport.connection_to(*peer).or_else(|| self.transport.flow_to(&tcp).ok())?;
        Some((stream, self.transport.flow_to(destination).ok()?))
    }

    /// Sends the request as a datagram once it turns out that the peer takes no connection.
    fn datagrams_after(
        self: &Arc<Self>,
        stream: Flow,
        attempt: Attempt,
        datagrams: Flow,
        on_event: OnEvent,
    ) -> OnEvent {
        let layer = Arc::downgrade(self);
        let is_answered = AtomicBool::new(false);
        Arc::new(move |event| {
            let is_refused = matches!(event, ClientEvent::Failed(Failure::Unreachable));
            let is_first = !is_answered.swap(true, Ordering::Relaxed);
            if let (true, true, Some(layer)) = (is_refused, is_first, layer.upgrade()) {
                debug!(?stream, "no connection for a large request");
                if layer.begin_attempt(&attempt, datagrams, Arc::clone(&on_event)).is_ok() {
                    return;
                }
            }
            on_event(event);
        })
    }

    fn begin_attempt(&self, attempt: &Attempt, flow: Flow, on_event: OnEvent) -> Result<(), SendError> {
        let Attempt { request, branch, method } = attempt;
        let request = request.splice().push_via(&self.via(flow, branch)).finish();
        self.begin_client(TransactionKey::of_client(branch, method), method, request, flow, on_event)
    }

    fn via(&self, flow: Flow, branch: &str) -> Via {
        let port = Some(flow.local.port()).filter(|port| *port != 0);
        let host = self.transport.config().host.clone();
        let mut via = Via::new(flow.protocol.as_str(), host, port, branch);
        if !flow.is_reliable() {
            via.params.set("rport", None);
        }
        via
    }

    /// The connections' client transactions whose connection has ended.
    pub(super) fn take_transactions_of(&self, flow: Flow) -> FxHashSet<TransactionKey> {
        self.connections().remove(&flow).unwrap_or_default()
    }

    fn forget(&self, flow: Flow, key: &TransactionKey) {
        let mut connections = self.connections();
        if let Some(keys) = connections.get_mut(&flow) {
            keys.remove(key);
            if keys.is_empty() {
                connections.remove(&flow);
            }
        }
    }

    fn connections(&self) -> std::sync::MutexGuard<'_, FxHashMap<Flow, FxHashSet<TransactionKey>>> {
        self.by_connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that may be sent by more than one way, always under the same branch.
#[derive(Clone)]
struct Attempt {
    request: Message,
    branch: String,
    method: Method,
}

/// What surely fits into one packet, the new `Via` left out (RFC 3261 §18.1.1).
const LARGEST_DATAGRAM: usize = 1300 - 120;
