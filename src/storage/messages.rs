//! The way of a message to the disk: into the journal with its group, then held as pending, and
//! at last into the tables with many others. Used by the writer's thread alone; the tables are
//! filled by the filler's, a generation at a time.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry as Place},
    path::Path,
    sync::Arc,
};

use crate::signal::{Message, MessageId};

use super::{
    AccountKey, OfflineChunk, StoreError, Write, codec,
    filler::{self, Filler},
    journal::{Entry, Group, Journal, Turn},
    pending::{self, Appended, Generation, Line, Pending},
    sqlite::Database,
};

/// Messages on their way.
pub(super) struct Messages {
    journal: Journal,
    pending: Arc<Pending>,
    /// What is in the journal with the next commit.
    group: Group,
    /// Written to the journal and not synced.
    written: Vec<Group>,
    /// Accounts that exist.
    known: HashSet<AccountKey>,
    rooms: HashMap<AccountKey, Room>,
    /// Most bytes that wait for one owner.
    limit: u64,
    /// The journal failed: what it holds may or may not be on the disk.
    suspect: bool,
    /// Why the group cannot be kept.
    failed: Option<StoreError>,
}

/// How an account's waiting messages are continued.
#[derive(Debug, Clone, Copy)]
struct Room {
    /// The number of the last one.
    last: u64,
    /// Bytes of those that wait, and of those in the group.
    bytes: u64,
}

impl Messages {
    /// Opens the journal, and moves into the tables what a crash left in it.
    pub(super) fn open(
        folder: &Path,
        database: &Database,
        pending: Arc<Pending>,
        limit: u64,
    ) -> Result<Self, StoreError> {
        let turn = match database.turn()? {
            Some(turn) => turn,
            None => {
                let turn = new_turn()?;
                database.set_turn(turn)?;
                turn
            }
        };
        let (journal, groups) = Journal::open(folder, turn)?;
        let mut messages = Self {
            journal,
            pending,
            group: Group::default(),
            written: Vec::new(),
            known: HashSet::new(),
            rooms: HashMap::new(),
            limit,
            suspect: false,
            failed: None,
        };
        for group in groups {
            messages.take_over(database, group)?;
        }
        messages.take_stock(database)?;
        Ok(messages)
    }

    /// Moves what the journal held into the tables before anything else is written.
    fn take_stock(&mut self, database: &Database) -> Result<(), StoreError> {
        if self.is_settled() {
            return Ok(());
        }
        self.journal.begin_next();
        filler::fill_tables(database, &self.pending.read().fresh, self.journal.turn())?;
        self.pending.write().fresh = Generation::default();
        Ok(())
    }

    /// Takes a write into the group. Durable with the next [`Messages::commit`].
    pub(super) fn handle(
        &mut self,
        database: &Database,
        account: AccountKey,
        write: &Write,
    ) -> Result<(), StoreError> {
        if !self.has_account(database, account)? {
            return Err(StoreError::NoSuchAccount);
        }
        if self.suspect || self.pending.read().bytes() > PENDING_BYTES {
            return Err(StoreError::Overloaded);
        }
        match write {
            Write::Archive { message, with, outgoing } => {
                let body = self.group.add(message)?;
                let (id, with) = (message.id, with.clone());
                self.group.push(Entry::Archive { account, id, with, outgoing: *outgoing, body });
            }
            Write::OfflineAppend(message) => self.append(database, account, message)?,
            Write::Retract(retraction) => {
                self.group.push(Entry::Retract { account, retraction: retraction.clone() });
            }
            Write::OfflineTrim { through } => self.group.push(Entry::Trim { account, through: *through }),
            _ => {}
        }
        if self.group.size() >= RECORD_BYTES {
            // The rest of the group follows in a record of its own; one sync is for both.
            self.write_group();
        }
        Ok(())
    }

    /// Makes the group durable. Where that fails, nothing of it is kept.
    pub(super) fn commit(&mut self, database: &Database) -> Result<(), StoreError> {
        if !self.group.is_empty() {
            self.write_group();
        }
        if !self.written.is_empty() && self.failed.is_none() {
            self.failed = self.journal.sync().err().map(StoreError::from);
        }
        let written = std::mem::take(&mut self.written);
        if let Some(error) = self.failed.take() {
            tracing::error!(%error, groups = written.len(), "messages are lost");
            self.suspect = true;
            self.rooms.clear();
            return Err(error);
        }
        for group in written {
            if let Err(error) = self.take_over(database, group) {
                tracing::error!(%error, "messages are kept that nobody finds before the next start");
            }
        }
        Ok(())
    }

    /// Whether enough is pending that the tables should get it.
    pub(super) fn is_due(&self) -> bool {
        self.suspect
            || self.journal.len() >= JOURNAL_BYTES
            || self.pending.read().fresh.entries >= PENDING_ENTRIES
    }

    /// Whether so much is pending that the tables must get some of it before more is taken.
    pub(super) fn is_full(&self) -> bool {
        let state = self.pending.read();
        state.fresh.entries >= MOST_ENTRIES || state.bytes() > PENDING_BYTES / 2
    }

    /// Whether nothing is pending.
    pub(super) fn is_settled(&self) -> bool {
        let state = self.pending.read();
        !self.suspect && state.fresh.entries == 0 && state.settling.is_none()
    }

    /// Has the tables filled with what is pending, or with what they could not be given before, and
    /// goes on in the journal's next turn. The filler must not be busy.
    pub(super) fn begin_settling(&mut self, filler: &mut Filler) {
        if self.is_settled() {
            return;
        }
        let mut state = self.pending.write();
        if state.settling.is_none() {
            state.settling = Some(Arc::new(std::mem::take(&mut state.fresh)));
            // Nothing is left in doubt: what could not be synced is of a turn that ends.
            self.journal.begin_next();
            self.suspect = false;
        }
        if let Some(settling) = &state.settling {
            filler.begin(Arc::clone(settling), self.journal.turn());
        }
    }

    /// What became of the generation that the filler was given.
    pub(super) fn settled(&mut self, outcome: Result<(), StoreError>) {
        match outcome {
            // The tables have it: whoever looks here no more finds it there.
            Ok(()) => drop(self.pending.write().settling.take()),
            Err(error) => tracing::error!(%error, "messages stay in the journal"),
        }
    }

    /// The first `limit` messages that wait for the owner.
    pub(super) fn offline(
        &mut self,
        database: &Database,
        account: AccountKey,
        limit: usize,
    ) -> Result<OfflineChunk, StoreError> {
        if !self.has_account(database, account)? {
            return Err(StoreError::NoSuchAccount);
        }
        let state = self.pending.read();
        let mut chunk = OfflineChunk::default();
        let mut take = |bytes: &[u8]| {
            chunk.more = chunk.messages.len() == limit;
            if chunk.more {
                return false;
            }
            match codec::decode(bytes, "a waiting message") {
                Ok(message) => chunk.messages.push(message),
                Err(error) => tracing::error!(key = account.0, %error, "a message is left out"),
            }
            true
        };
        database.offline_rows(account, state.rows(account), &mut take)?;
        let _ = state.appended(account).all(|message| take(&message.body));
        drop(state);
        Ok(chunk)
    }

    /// How many messages wait for the owner.
    pub(super) fn offline_count(
        &mut self,
        database: &Database,
        account: AccountKey,
    ) -> Result<u32, StoreError> {
        if !self.has_account(database, account)? {
            return Err(StoreError::NoSuchAccount);
        }
        let state = self.pending.read();
        let rows = database.offline_count(account, state.rows(account))?;
        let pending = state.appended(account).count() as u64;
        Ok(u32::try_from(rows + pending).unwrap_or(u32::MAX))
    }

    /// Forgets a removed account.
    pub(super) fn forget(&mut self, account: AccountKey) {
        self.known.remove(&account);
        self.rooms.remove(&account);
        self.pending.write().forget(account);
    }

    fn append(
        &mut self,
        database: &Database,
        account: AccountKey,
        message: &Arc<Message>,
    ) -> Result<(), StoreError> {
        let body = self.group.add(message)?;
        let limit = self.limit;
        let room = self.room(database, account)?;
        if room.bytes + body.len() > limit {
            return Err(StoreError::OfflineFull);
        }
        room.bytes += body.len();
        self.group.push(Entry::Append { account, id: message.id, body });
        Ok(())
    }

    fn write_group(&mut self) {
        let group = std::mem::take(&mut self.group);
        if self.failed.is_none() {
            self.failed = self.journal.append(&group).err().map(StoreError::from);
        }
        self.written.push(group);
    }

    /// Adds a durable group to what is pending.
    fn take_over(&mut self, database: &Database, group: Group) -> Result<(), StoreError> {
        let (entries, bodies) = group.into_parts();
        for entry in entries {
            if !self.has_account(database, pending::owner(&entry))? {
                continue;
            }
            match entry {
                Entry::Archive { account, id, with, outgoing, body } => {
                    let line = Line { id, with, outgoing, body: body.within(&bodies) };
                    self.pending.write().fresh.add_line(account, line);
                }
                Entry::Append { account, id, body } => {
                    let room = self.room(database, account)?;
                    room.last += 1;
                    let message = Appended { number: room.last, id, body: body.within(&bodies) };
                    self.pending.write().fresh.append(account, message);
                }
                Entry::Trim { account, through } => self.trim(database, account, through)?,
                Entry::Retract { account, retraction } => {
                    self.pending.write().fresh.retract(account, retraction);
                }
            }
        }
        Ok(())
    }

    fn trim(
        &mut self,
        database: &Database,
        account: AccountKey,
        through: MessageId,
    ) -> Result<(), StoreError> {
        let state = self.pending.read();
        let pending =
            state.appended(account).find(|message| message.id == through).map(|message| message.number);
        let rows = state.rows(account);
        drop(state);
        // What is in the table was there first.
        if let Some(number) = database.offline_number(account, rows, through)?.or(pending) {
            self.pending.write().fresh.trim(account, number);
            self.rooms.remove(&account);
        }
        Ok(())
    }

    /// Where an account's waiting messages are continued.
    fn room(&mut self, database: &Database, account: AccountKey) -> Result<&mut Room, StoreError> {
        if self.rooms.len() >= ROOMS && !self.rooms.contains_key(&account) {
            self.rooms.clear();
        }
        match self.rooms.entry(account) {
            Place::Occupied(entry) => Ok(entry.into_mut()),
            Place::Vacant(entry) => {
                let state = self.pending.read();
                let rows = state.rows(account);
                let last = state.appended(account).last().map_or(rows.trimmed, |message| message.number);
                let new: u64 = state.appended(account).map(|message| message.body.len() as u64).sum();
                let (in_table, old) = database.offline_size(account, rows)?;
                Ok(entry.insert(Room { last: in_table.max(last), bytes: old + new }))
            }
        }
    }

    fn has_account(&mut self, database: &Database, account: AccountKey) -> Result<bool, StoreError> {
        if self.known.contains(&account) {
            return Ok(true);
        }
        if self.known.len() >= KNOWN {
            self.known.clear();
        }
        let exists = database.has_account(account)?;
        if exists {
            self.known.insert(account);
        }
        Ok(exists)
    }
}

fn new_turn() -> Result<Turn, StoreError> {
    let mut name = [0; 16];
    getrandom::fill(&mut name).map_err(|error| StoreError::File(error.to_string()))?;
    Ok(Turn(name))
}

/// Entries after which the tables get what is pending: enough that a page gets several of them. In
/// tests so few that they see two generations, and crashes between them.
const PENDING_ENTRIES: usize = if cfg!(test) { 64 } else { 8192 };
/// Entries that may come while the tables are being filled.
const MOST_ENTRIES: usize = 4 * PENDING_ENTRIES;
const JOURNAL_BYTES: u64 = 8 << 20;
/// Where the tables cannot be filled, no more than this is kept in memory.
const PENDING_BYTES: usize = 64 << 20;
/// Larger groups are several records.
const RECORD_BYTES: usize = 4 << 20;
/// Accounts that are remembered to exist.
const KNOWN: usize = 100_000;
/// Accounts whose room is remembered.
const ROOMS: usize = 10_000;
