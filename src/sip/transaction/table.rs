//! The open transactions and their timers, in shards. One queue entry for each transaction, at its next
//! deadline; what is no longer due when it is taken out is put back.

use std::{
    cmp::Ordering,
    collections::{BinaryHeap, hash_map::Entry as MapEntry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use tokio::time::Instant;

use crate::sip::{message::Message, transport::Flow};

use super::{
    answered::Answered,
    client::Client,
    invite_client::InviteClient,
    invite_server::InviteServer,
    key::TransactionKey,
    machine::{Action, Actions, Timer},
    server::{self, Server},
    user::ClientEvent,
};

/// Called with what becomes of a request.
pub(super) type OnEvent = Arc<dyn Fn(ClientEvent) + Send + Sync>;

/// All open transactions.
pub(super) struct Table {
    shards: [Mutex<Shard>; SHARDS],
    /// Transactions in one shard.
    bound: usize,
}

/// A part of the table under one lock.
#[derive(Default)]
pub(super) struct Shard {
    /// The hash of a key is a secret's already.
    entries: FxHashMap<TransactionKey, Entry>,
    due: BinaryHeap<Due>,
    /// Non-INVITE transactions that have been answered; they are no entries any more, and go before their
    /// time when there is no room.
    pub(super) answered: Answered,
}

/// What came of an event, and is to be done with no lock held.
pub(super) struct Driven {
    pub(super) actions: Actions,
    pub(super) flow: Flow,
    pub(super) on_event: Option<OnEvent>,
    /// Of an INVITE client transaction, to make its CANCEL of.
    pub(super) invite: Option<Message>,
    /// When the earliest newly queued timer is due.
    pub(super) wake: Option<Instant>,
}

/// An entry of the queue; the soonest is the greatest.
struct Due {
    at: Instant,
    key: TransactionKey,
}

/// One transaction.
pub(super) struct Entry {
    pub(super) machine: Machine,
    /// Where its messages go.
    pub(super) flow: Flow,
    pub(super) on_event: Option<OnEvent>,
    timers: SmallVec<[(Timer, Instant); 2]>,
    /// When the queue entry of this transaction is.
    queued: Option<Instant>,
}

pub(super) enum Machine {
    InviteClient(Box<InviteClient>),
    InviteServer(Box<InviteServer>),
    Client(Client),
    Server(Server),
}

impl Machine {
    pub(super) fn handle_timer(&mut self, timer: Timer) -> Actions {
        match self {
            Self::InviteClient(machine) => machine.handle_timer(timer),
            Self::InviteServer(machine) => machine.handle_timer(timer),
            Self::Client(machine) => machine.handle_timer(timer),
            Self::Server(machine) => machine.handle_timer(timer),
        }
    }

    pub(super) fn handle_response(&mut self, response: Message) -> Actions {
        match self {
            Self::InviteClient(machine) => machine.handle_response(response),
            Self::Client(machine) => machine.handle_response(response),
            Self::InviteServer(_) | Self::Server(_) => Actions::new(),
        }
    }

    pub(super) fn handle_unreachable(&mut self) -> Actions {
        match self {
            Self::InviteClient(machine) => machine.handle_unreachable(),
            Self::InviteServer(machine) => machine.handle_unreachable(),
            Self::Client(machine) => machine.handle_unreachable(),
            Self::Server(machine) => machine.handle_unreachable(),
        }
    }

    fn is_client(&self) -> bool {
        matches!(self, Self::InviteClient(_) | Self::Client(_))
    }
}

impl Entry {
    pub(super) fn new(machine: Machine, flow: Flow, on_event: Option<OnEvent>) -> Self {
        Self { machine, flow, on_event, timers: SmallVec::new(), queued: None }
    }

    /// When the queue is to have it: at its next deadline.
    fn next_look(&self, now: Instant) -> Option<Instant> {
        let at = self.timers.iter().map(|(_, at)| *at).min()?;
        // Client transactions mostly end long before their timeout; this keeps the queue free of them.
        Some(if self.machine.is_client() { at.min(now + LOOK_AGAIN) } else { at })
    }
}

impl Table {
    pub(super) fn new(bound: usize) -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()), bound: bound.div_ceil(SHARDS).max(1) }
    }

    pub(super) fn shard(&self, key: &TransactionKey) -> MutexGuard<'_, Shard> {
        #[allow(clippy::cast_possible_truncation, reason = "only the low bits count")]
        let index = key.hash() as usize % SHARDS;
        locked(&self.shards[index])
    }

    /// The shard of an index, counted from 0.
    pub(super) fn shard_at(&self, index: usize) -> Option<MutexGuard<'_, Shard>> {
        self.shards.get(index).map(locked)
    }

    /// Forgets everything, without telling anyone.
    pub(super) fn clear(&self) {
        for shard in &self.shards {
            *locked(shard) = Shard::default();
        }
    }

    pub(super) fn bound(&self) -> usize {
        self.bound
    }
}

impl Shard {
    pub(super) fn entry(&mut self, key: &TransactionKey) -> Option<&mut Entry> {
        self.entries.get_mut(key)
    }

    /// Open and answered transactions.
    pub(super) fn len(&self) -> usize {
        self.entries.len() + self.answered.len()
    }

    /// Takes a new transaction with the timers that its machine armed. Gives when the first of them is due,
    /// where that is news.
    pub(super) fn begin(
        &mut self,
        key: TransactionKey,
        mut entry: Entry,
        actions: &Actions,
        now: Instant,
    ) -> Option<Instant> {
        for action in actions {
            if let Action::Arm(timer, after) = action {
                arm(&mut entry.timers, *timer, now + *after);
            }
        }
        let at = entry.next_look(now);
        entry.queued = at;
        if let Some(at) = at {
            self.due.push(Due { at, key: key.clone() });
        }
        self.entries.insert(key, entry);
        self.drop_stale();
        at
    }

    /// Takes a transaction out that could not begin; tells whether it was there.
    pub(super) fn remove(&mut self, key: &TransactionKey) -> bool {
        self.entries.remove(key).is_some()
    }

    /// Gives an event to a transaction and does what concerns the table alone: arming timers, removing. `None`
    /// where there is no such transaction.
    pub(super) fn drive(
        &mut self,
        key: &TransactionKey,
        event: impl FnOnce(&mut Machine) -> Actions,
        now: Instant,
    ) -> Option<Driven> {
        let MapEntry::Occupied(mut found) = self.entries.entry(key.clone()) else { return None };
        let entry = found.get_mut();
        let actions = event(&mut entry.machine);
        let invite = match &entry.machine {
            Machine::InviteClient(machine) => Some(machine.request.clone()),
            _ => None,
        };
        let flow = entry.flow;
        if matches!(actions.last(), Some(Action::End)) {
            let on_event = found.remove().on_event;
            return Some(Driven { actions, flow, on_event, invite, wake: None });
        }
        let on_event = entry.on_event.clone();
        let wake = self.apply(key, &actions, now);
        Some(Driven { actions, flow, on_event, invite, wake })
    }

    /// Makes room for one transaction more by forgetting the answered one that is oldest.
    pub(super) fn has_room(&mut self, bound: usize) -> bool {
        while self.len() >= bound {
            if !self.answered.forget_oldest() {
                return false;
            }
        }
        true
    }

    /// Takes out a non-INVITE transaction of a server that has no final response, and gives its way back.
    pub(super) fn take_unanswered(&mut self, key: &TransactionKey) -> Option<Flow> {
        let is_open = |entry: &Entry| matches!(&entry.machine, Machine::Server(machine) if machine.state != server::State::Completed);
        self.entries.get(key).filter(|entry| is_open(entry))?;
        self.entries.remove(key).map(|entry| entry.flow)
    }

    /// Does what concerns the table alone, arming timers and removing. Gives when the earliest newly queued
    /// timer is due.
    fn apply(&mut self, key: &TransactionKey, actions: &Actions, now: Instant) -> Option<Instant> {
        let entry = self.entries.get_mut(key)?;
        let mut answered_until = None;
        for action in actions {
            match action {
                Action::Arm(Timer::J, after) => answered_until = Some(now + *after),
                Action::Arm(timer, after) => arm(&mut entry.timers, *timer, now + *after),
                Action::End => {
                    self.entries.remove(key);
                    return None;
                }
                _ => {}
            }
        }
        match answered_until {
            Some(until) => self.put_away(key, until),
            None => self.queue(key, now),
        }
    }

    /// Keeps of an answered transaction what a copy of its request needs. Gives when to sweep, where nobody
    /// knows yet.
    fn put_away(&mut self, key: &TransactionKey, until: Instant) -> Option<Instant> {
        let Entry { machine: Machine::Server(server), flow, .. } = self.entries.remove(key)? else {
            return None;
        };
        let is_only = self.answered.keep(key, &flow, &server.last, until);
        is_only.then(|| self.answered.next_sweep()).flatten()
    }

    /// Lets go of what the queue still holds of transactions that have ended, once it is more than half:
    /// whoever makes transactions end early (by a source address nobody can send to) does not fill it.
    fn drop_stale(&mut self) {
        let most = 2 * self.entries.len() + SLACK;
        let entries = &self.entries;
        if self.due.len() > most {
            let is_live = |due: &Due| entries.get(&due.key).is_some_and(|entry| entry.queued == Some(due.at));
            self.due.retain(is_live);
        }
    }

    /// The next transaction whose queue entry is due, with the timers to fire.
    pub(super) fn next_due(&mut self, now: Instant) -> Option<(TransactionKey, SmallVec<[Timer; 2]>)> {
        while self.due.peek().is_some_and(|due| due.at <= now) {
            let Some(Due { at, key }) = self.due.pop() else { break };
            let Some(entry) = self.entries.get_mut(&key) else { continue };
            if entry.queued != Some(at) {
                continue;
            }
            entry.queued = None;
            let due: SmallVec<_> =
                entry.timers.iter().filter(|(_, at)| *at <= now).map(|(timer, _)| *timer).collect();
            entry.timers.retain(|(_, at)| *at > now);
            if due.is_empty() {
                self.queue(&key, now);
                continue;
            }
            return Some((key, due));
        }
        None
    }

    /// When to come again: at the next queue entry, and to sweep.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        self.due.peek().map(|due| due.at).into_iter().chain(self.answered.next_sweep()).min()
    }

    /// Queues a transaction at its next deadline, unless it is queued before that.
    pub(super) fn queue(&mut self, key: &TransactionKey, now: Instant) -> Option<Instant> {
        let entry = self.entries.get_mut(key)?;
        let at = entry.next_look(now)?;
        if entry.queued.is_some_and(|queued| queued <= at) {
            return None;
        }
        entry.queued = Some(at);
        self.due.push(Due { at, key: key.clone() });
        self.drop_stale();
        Some(at)
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.cmp(&self.at)
    }
}

fn arm(timers: &mut SmallVec<[(Timer, Instant); 2]>, timer: Timer, at: Instant) {
    match timers.iter_mut().find(|(armed, _)| *armed == timer) {
        Some((_, armed_at)) => *armed_at = at,
        None => timers.push((timer, at)),
    }
}

/// No code panics while it holds one of these locks; were it to, the table would still be sound.
fn locked(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

const SHARDS: usize = 16;
/// Stale entries of a queue that nobody minds.
const SLACK: usize = 64;
/// How far ahead a client transaction is queued at most.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::sip::{
        message::Method,
        transaction::{key::Branch, timers::Timers},
        transport::Protocol,
    };

    #[test]
    fn transactions_that_end_early_leave_nothing_that_grows() {
        let (mut shard, now) = (Shard::default(), Instant::now());
        let flow = Flow::for_test(Protocol::Udp, ([192, 0, 2, 1], 5060).into(), 1);
        for number in 0..2_000 {
            let key = TransactionKey::of_client(Branch { seal: number, number }, &Method::Message);
            let (client, actions) = Client::new(Bytes::from_static(b"x"), false, Timers::default());
            shard.begin(key.clone(), Entry::new(Machine::Client(client), flow, None), &actions, now);
            shard.drive(&key, Machine::handle_unreachable, now);
            assert!(shard.entries.is_empty() && shard.due.len() <= SLACK + 2);
        }
    }

    #[test]
    fn answered_transactions_stay_until_their_time() {
        let (mut shard, now) = (Shard::default(), Instant::now());
        let flow = Flow::for_test(Protocol::Udp, ([192, 0, 2, 1], 5060).into(), 1);
        let timers = Timers::default();
        for number in 0..200 {
            let key = TransactionKey::of_client(Branch { seal: number, number }, &Method::Message);
            let server = Machine::Server(Server::new(false, timers));
            shard.begin(key.clone(), Entry::new(server, flow, None), &Actions::new(), now);
            let answer = |machine: &mut Machine| match machine {
                Machine::Server(server) => server.respond(200, Bytes::from_static(b"x")),
                _ => Actions::new(),
            };
            shard.drive(&key, answer, now);
        }
        shard.answered.sweep(now + timers.patience() - Duration::from_millis(1));
        assert_eq!(shard.len(), 200);
        shard.answered.sweep(now + timers.patience());
        assert_eq!(shard.len(), 0);
    }
}
