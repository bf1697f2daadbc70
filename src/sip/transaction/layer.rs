//! The shell of the machines: gives them their events, does what they say, fires their timers.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};
use tracing::debug;

use crate::{
    formats::hex,
    net::ShutdownSignal,
    sip::{
        message::Message,
        transport::{self, Flow, Transport},
    },
};

use super::{
    connections::Connections,
    key::{Branch, TransactionKey},
    machine::{Action, Actions},
    table::{Driven, Machine, OnEvent, Table},
    timers::Timers,
    user::TransactionUser,
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
    pub(super) transport: Arc<Transport>,
    /// Client transactions on connections, so that they fail at once when theirs ends.
    by_connection: Mutex<Connections>,
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
                let next = self.fire_timers(Instant::now()).map(|next| self.tick_after(next));
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
        let Branch { seal, number } = self.new_branch();
        let mut token = String::with_capacity(24);
        hex::push_number(&mut token, seal, 16);
        hex::push_number(&mut token, number, Branch::digits(number));
        token
    }

    /// As [`Layer::new_token`], for a request of ours.
    pub(super) fn new_branch(&self) -> Branch {
        let number = self.next_token.fetch_add(1, Ordering::Relaxed);
        Branch { seal: self.tokens.hash_one(number), number }
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

    pub(super) fn respond_once(&self, key: &TransactionKey, response: &Message) {
        let Some(flow) = self.table.shard(key).take_unanswered(key) else { return };
        if let Err(error) = self.transport.send(&flow, response.bytes().clone()) {
            debug!(%error, peer = %flow.peer, "not answered");
        }
    }

    pub(super) fn tag_of(&self, key: &TransactionKey) -> String {
        let mut tag = String::with_capacity(16);
        hex::push_number(&mut tag, self.tokens.hash_one(key.hash()), 16);
        tag
    }

    pub(super) fn cancel(&self, key: &TransactionKey, reason: Option<&'static str>) {
        self.drive(key, |machine| match machine {
            Machine::InviteClient(machine) => match reason {
                Some(reason) => machine.cancel_because(reason),
                None => machine.cancel(),
            },
            _ => Actions::new(),
        });
    }

    /// Gives an event to a transaction and does what its machine says; `false` when there is none.
    pub(super) fn drive(&self, key: &TransactionKey, event: impl FnOnce(&mut Machine) -> Actions) -> bool {
        let Some(driven) = self.table.shard(key).drive(key, event, Instant::now()) else { return false };
        let Driven { actions, flow, on_event, invite, wake } = driven;
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
                Action::Cancel(reason) => {
                    invite.iter().for_each(|invite| self.send_cancel(invite, reason, flow));
                }
                Action::End if flow.is_reliable() && on_event.is_some() => self.forget(flow, key),
                Action::End | Action::Arm(..) | Action::PassAck => {}
            }
        }
    }

    /// Fires what is due; gives when to come again.
    fn fire_timers(&self, now: Instant) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        let mut index = 0;
        while let Some(mut shard) = self.table.shard_at(index) {
            let Some((key, due)) = shard.next_due(now) else {
                shard.answered.sweep(now);
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
            && self.millis(at + self.tick()) < self.wake_at.load(Ordering::SeqCst)
        {
            self.wake.notify_one();
        }
    }

    /// The tick at which a timer fires, so that one waking serves many: up to a sixteenth of T1, which is
    /// itself an estimate, after its time.
    fn tick_after(&self, at: Instant) -> Instant {
        let tick = self.tick().as_nanos();
        let rest = at.saturating_duration_since(self.begun).as_nanos() % tick;
        if rest == 0 { at } else { at + Duration::from_nanos(u64::try_from(tick - rest).unwrap_or_default()) }
    }

    fn tick(&self) -> Duration {
        (self.timers.t1 / 16).max(Duration::from_millis(1))
    }

    fn millis(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.begun).as_millis()).unwrap_or(u64::MAX)
    }

    /// The connection's client transaction has ended.
    pub(super) fn forget(&self, flow: Flow, key: &TransactionKey) {
        self.connections().remove(flow, key);
    }

    pub(super) fn connections(&self) -> MutexGuard<'_, Connections> {
        self.by_connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
