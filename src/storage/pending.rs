//! What the journal keeps and the tables do not have yet, as readers need it.
//!
//! There are two generations: one that the tables are being given, which changes no more, and one
//! for what comes meanwhile. The writer's thread alone changes them. A reader looks here first and
//! into the tables then: what moves in between it meets twice, never not at all.

use std::{
    collections::VecDeque,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use bytes::Bytes;
use rustc_hash::FxHashMap;

use crate::signal::{Address, MessageId};

use super::{AccountKey, ArchiveEnd, ArchiveQuery, Retraction, journal::Entry};

/// Shared by the writer and the readers.
#[derive(Default)]
pub(super) struct Pending {
    state: RwLock<State>,
}

/// What waits for the tables.
#[derive(Default)]
pub(super) struct State {
    /// What came last.
    pub(super) fresh: Generation,
    /// What the tables are being given, or could not be given.
    pub(super) settling: Option<Arc<Generation>>,
}

/// What came during one turn of the journal.
#[derive(Default, Clone)]
pub(super) struct Generation {
    /// The lines of each account, in the order of their keys.
    archive: FxHashMap<AccountKey, Vec<Line>>,
    /// What was taken back of lines, here or in the tables, in order.
    pub(super) retractions: FxHashMap<AccountKey, Vec<Retraction>>,
    pub(super) offline: FxHashMap<AccountKey, Waiting>,
    /// Entries taken.
    pub(super) entries: usize,
    /// Bytes of messages, those of several accounts counted for each.
    pub(super) bytes: usize,
}

/// A line of an account's archive. Its key is the message's id and the address.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) id: MessageId,
    pub(super) with: Address,
    pub(super) outgoing: bool,
    /// The encoded message; lines that share a message share the bytes.
    pub(super) body: Bytes,
}

/// What is new of an account's waiting messages.
#[derive(Debug, Default, Clone)]
pub(super) struct Waiting {
    /// Everything before, up to this number, is gone.
    pub(super) trimmed: Option<u64>,
    /// Behind all before, in order.
    pub(super) appended: VecDeque<Appended>,
}

/// A message that waits.
#[derive(Debug, Clone)]
pub(super) struct Appended {
    pub(super) number: u64,
    pub(super) id: MessageId,
    pub(super) body: Bytes,
}

/// The rows of the table that still count for an account: those behind `trimmed` and before
/// `until`. Those before wait no longer, those from there on are pending, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rows {
    pub(super) trimmed: u64,
    pub(super) until: u64,
}

impl Pending {
    pub(super) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lines that a query asks for, up to its limit from each generation, in no order; and what was taken back
    /// of these or of others.
    pub(super) fn lines(&self, account: AccountKey, query: &ArchiveQuery) -> (Vec<Line>, Vec<Retraction>) {
        let state = self.read();
        let lines = state.generations().flat_map(|generation| generation.lines_of(account, query)).cloned();
        let retractions = state.generations().filter_map(|generation| generation.retractions.get(&account));
        (lines.collect(), retractions.flatten().cloned().collect())
    }

    /// Whether a message waits that is pending, and which rows count besides.
    pub(super) fn offline(&self, account: AccountKey) -> (bool, Rows) {
        let state = self.read();
        (state.appended(account).next().is_some(), state.rows(account))
    }
}

impl State {
    /// The generations in their order.
    fn generations(&self) -> impl Iterator<Item = &Generation> {
        self.settling.as_deref().into_iter().chain([&self.fresh])
    }

    /// Bytes of messages.
    pub(super) fn bytes(&self) -> usize {
        self.generations().map(|generation| generation.bytes).sum()
    }

    /// The account's waiting messages that are pending, in order.
    pub(super) fn appended(&self, account: AccountKey) -> impl Iterator<Item = &Appended> {
        let trimmed = self.trimmed(account);
        self.generations()
            .filter_map(move |generation| generation.offline.get(&account))
            .flat_map(|waiting| &waiting.appended)
            .filter(move |message| message.number > trimmed)
    }

    /// The rows that count for an account.
    pub(super) fn rows(&self, account: AccountKey) -> Rows {
        let until = self.appended(account).next().map_or(u64::MAX, |message| message.number);
        Rows { trimmed: self.trimmed(account), until }
    }

    fn trimmed(&self, account: AccountKey) -> u64 {
        let trims = self.generations().filter_map(|generation| generation.offline.get(&account)?.trimmed);
        trims.max().unwrap_or(0)
    }

    /// Forgets all that an account has here.
    pub(super) fn forget(&mut self, account: AccountKey) {
        for generation in self.settling.as_mut().map(Arc::make_mut).into_iter().chain([&mut self.fresh]) {
            generation.archive.remove(&account);
            generation.retractions.remove(&account);
            generation.offline.remove(&account);
        }
    }
}

impl Generation {
    /// Adds a line; one that is there already stays as it is.
    pub(super) fn add_line(&mut self, account: AccountKey, line: Line) {
        self.entries += 1;
        self.bytes += line.body.len();
        let lines = self.archive.entry(account).or_default();
        // Ids grow with the time, so that nearly every line comes last.
        if lines.last().is_none_or(|last| last.key() < line.key()) {
            lines.push(line);
        } else if let Err(place) = lines.binary_search_by(|other| other.key().cmp(&line.key())) {
            lines.insert(place, line);
        }
    }

    /// Something was taken back.
    pub(super) fn retract(&mut self, account: AccountKey, retraction: Retraction) {
        self.entries += 1;
        self.bytes += retraction.of.len() + retraction.by.len();
        self.retractions.entry(account).or_default().push(retraction);
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

    /// All lines, in the order of the table.
    pub(super) fn lines(&self) -> impl Iterator<Item = (AccountKey, &Line)> {
        let mut accounts: Vec<_> = self.archive.iter().collect();
        accounts.sort_unstable_by_key(|(account, _)| **account);
        accounts.into_iter().flat_map(|(account, lines)| lines.iter().map(|line| (*account, line)))
    }

    fn lines_of(&self, account: AccountKey, query: &ArchiveQuery) -> Vec<&Line> {
        let lines = self.archive.get(&account).map_or(&[][..], Vec::as_slice);
        let first = query.after.map_or(0, |after| lines.partition_point(|line| line.id <= after));
        let last = query.before.map_or(lines.len(), |before| lines.partition_point(|line| line.id < before));
        let wanted = lines
            .get(first..last)
            .unwrap_or_default()
            .iter()
            .filter(|line| query.with.as_ref().is_none_or(|with| *with == line.with));
        match query.from {
            ArchiveEnd::Oldest => wanted.take(query.limit).collect(),
            ArchiveEnd::Newest => wanted.rev().take(query.limit).collect(),
        }
    }
}

impl Line {
    fn key(&self) -> (MessageId, &Address) {
        (self.id, &self.with)
    }
}

/// Whose entry it is.
pub(super) fn owner(entry: &Entry) -> AccountKey {
    match entry {
        Entry::Archive { account, .. }
        | Entry::Append { account, .. }
        | Entry::Trim { account, .. }
        | Entry::Retract { account, .. } => *account,
    }
}
