//! What the journal keeps and the tables do not have yet, as readers need it.
//!
//! The writer's thread alone changes it. A reader looks here first and into the tables then: what
//! moves in between it meets twice, never not at all.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use bytes::Bytes;

use crate::signal::{Address, MessageId};

use super::{AccountKey, ArchiveEnd, ArchiveQuery, journal::Entry};

/// Shared by the writer and the readers.
#[derive(Default)]
pub(super) struct Pending {
    state: RwLock<State>,
}

/// What waits for the tables.
#[derive(Default)]
pub(super) struct State {
    /// In the order of their keys, as the tables want them.
    pub(super) archive: BTreeMap<LineKey, Line>,
    pub(super) offline: HashMap<AccountKey, Waiting>,
    /// Entries taken since the last time the tables got them.
    pub(super) entries: usize,
    /// Bytes of messages, those of several accounts counted for each.
    pub(super) bytes: usize,
}

/// The key of a line of an archive, in the order of the table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LineKey {
    pub(super) account: AccountKey,
    pub(super) id: MessageId,
    /// With whom; `None` is before all of them.
    pub(super) with: Option<Address>,
}

/// The rest of the line.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) outgoing: bool,
    /// The encoded message; lines that share a message share the bytes.
    pub(super) body: Bytes,
}

/// What is new of an account's waiting messages.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// Rows of the table up to this number are gone.
    pub(super) trimmed: Option<u64>,
    /// Behind all rows of the table, in order.
    pub(super) appended: VecDeque<Appended>,
}

/// A message that waits.
#[derive(Debug, Clone)]
pub(super) struct Appended {
    pub(super) number: u64,
    pub(super) id: MessageId,
    pub(super) body: Bytes,
}

impl Pending {
    pub(super) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lines that a query asks for, from the wanted end, in that direction.
    pub(super) fn lines(&self, account: AccountKey, query: &ArchiveQuery) -> Vec<(LineKey, Line)> {
        let state = self.read();
        let edge = |id| LineKey { account, id, with: None };
        let first = edge(query.after.unwrap_or(MessageId(0)));
        let last = match query.before {
            Some(before) => edge(before),
            None => {
                LineKey { account: AccountKey(account.0.saturating_add(1)), id: MessageId(0), with: None }
            }
        };
        if first > last {
            return Vec::new();
        }
        let wanted = state.archive.range(first..last).filter(|(key, _)| {
            Some(key.id) != query.after && (query.with.is_none() || query.with == key.with)
        });
        let copy = |(key, line): (&LineKey, &Line)| (key.clone(), line.clone());
        match query.from {
            ArchiveEnd::Oldest => wanted.take(query.limit).map(copy).collect(),
            ArchiveEnd::Newest => wanted.rev().take(query.limit).map(copy).collect(),
        }
    }

    /// Whether a message waits that is not in the table, and up to where the table's are gone.
    pub(super) fn offline(&self, account: AccountKey) -> (bool, u64) {
        let state = self.read();
        state
            .offline
            .get(&account)
            .map_or((false, 0), |waiting| (!waiting.appended.is_empty(), waiting.trimmed.unwrap_or(0)))
    }
}

impl Waiting {
    /// The number of the first message of this id.
    pub(super) fn number_of(&self, id: MessageId) -> Option<u64> {
        self.appended.iter().find(|message| message.id == id).map(|message| message.number)
    }

    /// The last number, or 0.
    pub(super) fn last(&self) -> u64 {
        self.appended.back().map_or(0, |message| message.number)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.appended.iter().map(|message| message.body.len() as u64).sum()
    }
}

impl State {
    /// Adds a line; one that is there already stays as it is.
    pub(super) fn add_line(&mut self, key: LineKey, line: Line) {
        self.entries += 1;
        self.bytes += line.body.len();
        self.archive.entry(key).or_insert(line);
    }

    /// Adds a message behind those that wait.
    pub(super) fn append(&mut self, account: AccountKey, message: Appended) {
        self.entries += 1;
        self.bytes += message.body.len();
        self.offline.entry(account).or_default().appended.push_back(message);
    }

    /// Removes what waits up to this number.
    pub(super) fn trim(&mut self, account: AccountKey, through: u64) {
        self.entries += 1;
        let waiting = self.offline.entry(account).or_default();
        waiting.trimmed = Some(waiting.trimmed.unwrap_or(0).max(through));
        let gone = waiting.appended.partition_point(|message| message.number <= through);
        let freed: usize = waiting.appended.drain(..gone).map(|message| message.body.len()).sum();
        self.bytes = self.bytes.saturating_sub(freed);
    }

    /// Forgets all that an account has here.
    pub(super) fn forget(&mut self, account: AccountKey) {
        self.archive.retain(|key, _| key.account != account);
        self.offline.remove(&account);
    }
}

/// Whose entry it is.
pub(super) fn owner(entry: &Entry) -> AccountKey {
    match entry {
        Entry::Archive { account, .. } | Entry::Append { account, .. } | Entry::Trim { account, .. } => {
            *account
        }
    }
}
