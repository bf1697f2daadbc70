//! Devices that sleep, and when they are woken: a program may leave an address at which somebody reaches its device
//! while the program's own connection is broken, at rest or closed.
//!
//! What a device missed since it was awake is counted, and the count is kept with every call. It is called at once, and
//! then at most once in a while: what comes in between is told together when that is over. What a door needs for the
//! call is kept as it came; the call itself is the door's affair ([`super::Herald`]).

use std::{mem, sync::Arc};

use bytes::Bytes;
use compact_str::{CompactString, format_compact};
use serde::{Deserialize, Serialize};

use super::{
    Effect, Reply,
    endpoints::{Endpoint, Endpoints},
    state::{Account, Effects},
};
use crate::{
    signal::{Message, MessageId, MessageKind, Party, Reason, Reject, Resource, SessionId, Timestamp},
    storage::{AT_HAND, Shelved, Write},
};

/// Where a device can be called.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WakeAddress {
    /// Who calls it.
    pub service: Party,
    /// What it is known by there; possibly nothing.
    pub node: CompactString,
}

/// A call to a device that sleeps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WakeUp {
    pub at: WakeAddress,
    /// What the program wants said with every call, in its own protocol's words.
    pub terms: Bytes,
    /// How many messages it has missed, as far as is known: at least one.
    pub missed: u32,
    /// The last of them.
    pub message: Arc<Message>,
    /// Calls before this one came to nothing: that this one did not is to be told, too.
    pub was_in_vain: bool,
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WakeOutcome {
    /// It was taken.
    Taken,
    /// It was not, and the next one may be.
    InVain,
    /// It was not, and none ever will be.
    Refused,
}

/// A device that may sleep.
#[derive(Debug)]
pub(super) struct Sleeper {
    record: RecordV1,
    /// Its place in the order in which devices came.
    number: u64,
    missed: Missed,
    /// When it was called last.
    called: Option<Timestamp>,
    /// The last message, where a call is due as soon as it may be called again.
    due: Option<Arc<Message>>,
}

/// What it missed since it was awake.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Missed {
    /// Messages.
    count: u32,
    /// The last of all that it ever missed.
    latest: Option<MessageId>,
}

/// What is stored of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct RecordV1 {
    at: WakeAddress,
    terms: Bytes,
    /// The session that left the address.
    resource: Resource,
    /// The program, where it says which installation it is.
    client: Option<i64>,
    /// Calls in a row that came to nothing.
    failures: u8,
}

#[derive(Debug, Serialize, Deserialize)]
enum Record {
    V1(RecordV1),
    V2(RecordV1, Missed),
}

/// All of them, the one that came last at the end.
#[derive(Debug, Default)]
pub(super) struct Sleepers(Vec<Sleeper>);

impl Sleepers {
    /// One that was read with the account. They come in their order.
    pub(super) fn take_over(&mut self, it: &Shelved) {
        let content = it.content.as_deref().unwrap_or_default();
        let (record, missed) = match postcard::from_bytes(content) {
            Ok(Record::V1(record)) => (record, Missed::default()),
            Ok(Record::V2(record, missed)) => (record, missed),
            Err(_) => return,
        };
        self.0.push(Sleeper { missed, ..Sleeper::new(record, it.number) });
    }

    fn find_mut(&mut self, at: &WakeAddress) -> Option<&mut Sleeper> {
        self.0.iter_mut().find(|sleeper| sleeper.record.at == *at)
    }

    /// Forgets those of which `is_meant` holds.
    fn remove(&mut self, is_meant: impl Fn(&RecordV1) -> bool, effects: &mut Effects) {
        self.0.retain(|sleeper| {
            let goes = is_meant(&sleeper.record);
            if goes {
                let name = Some(name_of(&sleeper.record.at));
                effects.push(Effect::Store(Write::Unshelve { shelf: SHELF.into(), name }));
            }
            !goes
        });
    }
}

impl Sleeper {
    fn new(record: RecordV1, number: u64) -> Self {
        Self { record, number, missed: Missed::default(), called: None, due: None }
    }

    /// Whether this is a session of the device.
    fn is_of(&self, endpoint: &Endpoint) -> bool {
        let is_of_program = self.record.client.is_some() && self.record.client == endpoint.spec.client;
        *endpoint.resource() == self.record.resource || is_of_program
    }

    fn is_asleep(&self, endpoints: &Endpoints) -> bool {
        !endpoints.iter().any(|endpoint| self.is_of(endpoint) && endpoint.is_awake())
    }

    fn shelved(&self) -> Shelved {
        // Plain data of this kind always has a form.
        let record = Record::V2(self.record.clone(), self.missed);
        let record = postcard::to_allocvec(&record).unwrap_or_default();
        Shelved::new(SHELF.into(), name_of(&self.record.at), self.number, record.into())
    }

    /// It misses a message. What it was told of before changes nothing. Gives the time of the next call where
    /// that is not now.
    fn miss(
        &mut self,
        message: &Arc<Message>,
        every: i64,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Option<Timestamp> {
        if self.missed.latest.is_some_and(|latest| message.id <= latest) {
            return None;
        }
        let count = self.missed.count.saturating_add(1);
        self.missed = Missed { count, latest: Some(message.id) };
        self.due = Some(Arc::clone(message));
        let next = self.next_call(every).filter(|next| *next > now);
        if next.is_none() {
            self.call(now, effects);
        }
        next
    }

    /// When it may be called again.
    fn next_call(&self, every: i64) -> Option<Timestamp> {
        self.called.map(|called| called.plus_seconds(every))
    }

    fn call(&mut self, now: Timestamp, effects: &mut Effects) {
        let Some(message) = self.due.take() else { return };
        self.called = Some(now);
        let RecordV1 { at, terms, failures, .. } = &self.record;
        effects.push(Effect::Rouse(Box::new(WakeUp {
            at: at.clone(),
            terms: terms.clone(),
            missed: self.missed.count,
            message,
            was_in_vain: *failures > 0,
        })));
        effects.push(Effect::Store(Write::Shelve(self.shelved())));
    }
}

impl Account {
    /// The program of a session leaves an address. What was left at the same address before is forgotten, and so
    /// is the oldest one where there are too many: programs that are not used any more do not say so.
    pub(super) fn add_wake_address(
        &mut self,
        session: Option<SessionId>,
        at: WakeAddress,
        terms: Bytes,
        effects: &mut Effects,
    ) -> Result<Reply, Reject> {
        let endpoint = session.and_then(|session| self.endpoints.find(session));
        let spec = endpoint.map(|endpoint| &endpoint.spec).ok_or(Reason::Unexpected)?;
        let record =
            RecordV1 { at, terms, resource: spec.resource.clone(), client: spec.client, failures: 0 };
        let most = self.shared.limits.wake_addresses;
        let sleepers = &mut self.personal.get_or_insert_default().sleepers;
        let number = sleepers.0.last().map_or(0, |last| last.number) + 1;
        let sleeper = Sleeper::new(record, number);
        let shelved = sleeper.shelved();
        if shelved.length as usize > AT_HAND - MISSED_BYTES {
            return Err(Reject::with_text(
                Reason::TooLarge,
                "the address with all that goes with it is too long",
            ));
        }
        sleepers.0.retain(|other| other.record.at != sleeper.record.at);
        while sleepers.0.len() >= most
            && let Some(oldest) = sleepers.0.first().map(|oldest| oldest.record.at.clone())
        {
            sleepers.remove(|record| record.at == oldest, effects);
        }
        sleepers.0.push(sleeper);
        effects.push(Effect::Store(Write::Shelve(shelved)));
        Ok(Reply::Done)
    }

    /// No device is called at this service any more, or not the one known by `node`.
    pub(super) fn remove_wake_addresses(
        &mut self,
        service: &Party,
        node: Option<&str>,
        effects: &mut Effects,
    ) -> Reply {
        let is_meant = |record: &RecordV1| {
            record.at.service == *service && node.is_none_or(|node| record.at.node == node)
        };
        if let Some(personal) = &mut self.personal {
            personal.sleepers.remove(is_meant, effects);
        }
        Reply::Done
    }

    /// A program has no access any more.
    pub(super) fn forget_sleepers_of(&mut self, client: i64, effects: &mut Effects) {
        if let Some(personal) = &mut self.personal {
            personal.sleepers.remove(|record| record.client == Some(client), effects);
        }
    }

    /// A message has come for the owner: devices of hers that sleep are called.
    pub(super) fn rouse(&mut self, message: &Arc<Message>, now: Timestamp, effects: &mut Effects) {
        self.rouse_some(message, |_| true, now, effects);
    }

    /// Messages were on their way to a session whose connection is broken, as it turned out: nobody knows whether
    /// they arrived.
    pub(super) fn handle_missed(
        &mut self,
        session: SessionId,
        messages: &[Arc<Message>],
        now: Timestamp,
        effects: &mut Effects,
    ) {
        let Some(resource) = self.endpoints.find(session).map(|endpoint| endpoint.resource().clone()) else {
            return;
        };
        for message in messages {
            self.rouse_some(message, |record| record.resource == resource, now, effects);
        }
    }

    fn rouse_some(
        &mut self,
        message: &Arc<Message>,
        is_meant: impl Fn(&RecordV1) -> bool,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        let Some(personal) = self.personal.as_mut().filter(|personal| !personal.sleepers.0.is_empty()) else {
            return;
        };
        if !rouses(message) || message.from.address == self.address {
            return;
        }
        let every = i64::from(self.shared.limits.wake_seconds);
        let asleep = personal.sleepers.0.iter_mut();
        let asleep = asleep.filter(|one| is_meant(&one.record) && one.is_asleep(&self.endpoints));
        let next = asleep.filter_map(|sleeper| sleeper.miss(message, every, now, effects)).min();
        if let Some(next) = next {
            self.wake_at(next, effects);
        }
    }

    /// Calls those that are due and still asleep.
    pub(super) fn rouse_due(&mut self, now: Timestamp, effects: &mut Effects) {
        let Some(personal) = &mut self.personal else { return };
        let every = i64::from(self.shared.limits.wake_seconds);
        let mut first = None;
        for sleeper in personal.sleepers.0.iter_mut().filter(|sleeper| sleeper.due.is_some()) {
            match sleeper.next_call(every).filter(|next| *next > now) {
                Some(next) => first = Some(first.map_or(next, |first: Timestamp| first.min(next))),
                None if sleeper.is_asleep(&self.endpoints) => sleeper.call(now, effects),
                None => sleeper.due = None,
            }
        }
        if let Some(first) = first {
            self.wake_at(first, effects);
        }
    }

    /// Whether a device is to be called later.
    pub(super) fn has_due_calls(&self) -> bool {
        let sleepers = self.personal.iter().flat_map(|personal| &personal.sleepers.0);
        sleepers.into_iter().any(|sleeper| sleeper.due.is_some())
    }

    /// A session may be awake now: what its device missed, it sees.
    pub(super) fn note_awake(&mut self, session: SessionId, effects: &mut Effects) {
        let (Some(personal), Some(endpoint)) = (&mut self.personal, self.endpoints.find(session)) else {
            return;
        };
        if endpoint.is_awake() {
            for sleeper in personal.sleepers.0.iter_mut().filter(|sleeper| sleeper.is_of(endpoint)) {
                sleeper.due = None;
                if mem::take(&mut sleeper.missed.count) > 0 {
                    effects.push(Effect::Store(Write::Shelve(sleeper.shelved())));
                }
            }
        }
    }

    /// What became of a call is known.
    pub(super) fn handle_roused(&mut self, at: &WakeAddress, outcome: WakeOutcome, effects: &mut Effects) {
        let Some(personal) = &mut self.personal else { return };
        let Some(sleeper) = personal.sleepers.find_mut(at) else { return };
        let failures = match outcome {
            WakeOutcome::Taken => 0,
            WakeOutcome::InVain => sleeper.record.failures.saturating_add(1),
            WakeOutcome::Refused => FAILURES,
        };
        if failures >= FAILURES {
            personal.sleepers.remove(|record| record.at == *at, effects);
        } else if failures != sleeper.record.failures {
            sleeper.record.failures = failures;
            effects.push(Effect::Store(Write::Shelve(sleeper.shelved())));
        }
    }
}

/// Whether a message is worth waking somebody for: words, or what only programs understand, that are to be kept
/// until somebody takes them. Signs of typing and receipts are not.
fn rouses(message: &Message) -> bool {
    let lasts = matches!(message.kind, MessageKind::Chat | MessageKind::Normal) && message.keep.offline;
    lasts && (message.content.body().is_some() || message.content.receipt.is_none())
}

/// An address as the name of something on a shelf.
fn name_of(at: &WakeAddress) -> CompactString {
    // No address of a party has a line break.
    format_compact!("{}\n{}", at.service, at.node)
}

/// The shelf of those who may sleep.
pub(super) const SHELF: &str = "sleepers";
/// What is missed takes so many bytes of a record at most, beside what the program left.
const MISSED_BYTES: usize = 32;
/// Calls in a row that come to nothing before none is tried any more.
const FAILURES: u8 = 16;
