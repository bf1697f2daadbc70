//! The door of the room.

use std::{
    fs::{File, OpenOptions, TryLockError},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::{self, JoinHandle},
};

use compact_str::CompactString;

use crate::signal::{Address, DocumentId, HookCall, MessageId, Timestamp};

use super::{
    AccountKey, AccountRecord, AccountSummary, ArchiveEnd, ArchiveQuery, ArchivedMessage, Config,
    CredentialRecord, ListedAccount, NewAccount, OfflineChunk, Pick, Refusal, ShelfDone, StoreError,
    StoredDocument, Write, codec,
    files::{self, Folders},
    filler::Filler,
    memory::{Memory, Room, Rooms},
    messages::Messages,
    pending::{Line, Pending},
    queue::{Queue, Refused},
    sqlite::{Database, Readers},
    writer::{self, Job, Writer},
};

/// Told once that a write is durable, or why it is not. Runs on the store's own thread, so it
/// must be quick and must not call the store's blocking functions.
pub type Done = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// Given the messages that were asked for. Under the same rules as [`Done`].
pub type OfflineDone = Box<dyn FnOnce(Result<OfflineChunk, StoreError>) + Send>;

/// Given the number of messages that was asked for. Under the same rules as [`Done`].
pub type CountDone = Box<dyn FnOnce(Result<u32, StoreError>) + Send>;

/// All durable state of this server. Cheap to clone; every clone is the same store. The last one
/// to go closes it.
///
/// Functions said to block are for threads that may wait, never for a task.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    queue: Arc<Queue<Job>>,
    readers: Readers,
    pending: Arc<Pending>,
    rooms: Rooms,
    writer: Mutex<Option<JoinHandle<()>>>,
    folders: Folders,
    /// Held as long as the store is open.
    lock: Mutex<Option<File>>,
}

impl Store {
    /// Opens the data folder; makes it on first use and brings the database to this version.
    ///
    /// # Errors
    /// [`StoreError::InUse`] where another process has it, [`StoreError::TooNew`] where a later
    /// version wrote it, or what the database or the file system says.
    pub fn open(config: &Config) -> Result<Self, StoreError> {
        files::make_folder(&config.data_dir)?;
        let lock = lock(&config.data_dir)?;
        let path = config.data_dir.join("rollcall.db");
        let database = Database::open(&path)?;
        let readers = Readers::open(&path, config.readers)?;
        // The database syncs its files, not the names of those it just made.
        files::sync_parent(&path)?;
        let folders = Folders::new(&config.data_dir);
        folders.sweep(|key| database.has_account(key).unwrap_or(true))?;
        files::import_offline(&folders, &database)?;
        let pending = Arc::new(Pending::default());
        let limit = config.offline_bytes;
        let messages = Messages::open(&config.data_dir, &database, Arc::clone(&pending), limit)?;
        // As above, for the journal.
        files::sync_parent(&path)?;
        let queue = Arc::new(Queue::new(config.queue));
        let filler = Filler::start(Database::open(&path)?, {
            let queue = Arc::clone(&queue);
            move || queue.nudge()
        })?;
        let writer = Writer::new(database, messages, folders.clone(), filler);
        let thread = thread::Builder::new().name("storage".into()).spawn({
            let (queue, group) = (Arc::clone(&queue), config.group);
            move || {
                let _close = writer::CloseAtEnd(Arc::clone(&queue));
                writer.run(&queue, group);
            }
        })?;
        let writer = Mutex::new(Some(thread));
        let inner = Inner {
            queue,
            readers,
            pending,
            rooms: Rooms::default(),
            writer,
            folders,
            lock: Mutex::new(Some(lock)),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Queues a write. Never blocks. Writes of one account are done in the order of submission.
    ///
    /// The queue is bounded by [`Config::queue`]: when it is full, nothing is written and `done`
    /// is told [`StoreError::Overloaded`] at once, on the caller's thread.
    pub fn submit(&self, account: AccountKey, write: Write, done: Option<Done>) {
        // `done` is told.
        let _ = self.push(Job::Write { account, write, done });
    }

    /// Queues a reading of the first `limit` messages that wait for the owner. It sees every append
    /// and trim that was submitted before it.
    pub fn offline_read(&self, account: AccountKey, limit: usize, done: OfflineDone) {
        // `done` is told.
        let _ = self.push(Job::OfflineRead { account, limit, done });
    }

    /// Tells `done` when every message that was submitted before is durable.
    pub fn after_writes(&self, done: Done) {
        // `done` is told.
        let _ = self.push(Job::After(done));
    }

    /// Queues a reading of things on a shelf. It sees every write that was submitted before it.
    pub fn pick(&self, account: AccountKey, shelf: CompactString, pick: Pick, done: ShelfDone) {
        // `done` is told.
        let _ = self.push(Job::Pick { account, shelf, pick, done });
    }

    /// How many writes are not finished, this moment.
    #[must_use]
    pub fn backlog(&self) -> usize {
        self.inner.queue.len()
    }

    /// How many writes may wait.
    #[must_use]
    pub fn room(&self) -> usize {
        self.inner.queue.limit()
    }

    /// Reads an account. Blocks. Sees every write whose `done` was called.
    ///
    /// # Errors
    /// What the database says, or [`StoreError::Corrupt`].
    pub fn load_account(&self, address: &Address) -> Result<Option<AccountRecord>, StoreError> {
        let mut record = self.read(|database| database.load_account(address))?;
        if let Some(record) = &mut record {
            let key = record.key;
            let (waits, rows) = self.inner.pending.offline(key);
            record.has_offline = waits || self.read(|database| database.has_offline(key, rows))?;
        }
        Ok(record)
    }

    /// Reads a page of an archive, in order of time. Blocks.
    ///
    /// # Errors
    /// What the database says, or [`StoreError::Corrupt`].
    pub fn archive_page(
        &self,
        account: AccountKey,
        query: &ArchiveQuery,
    ) -> Result<Vec<ArchivedMessage>, StoreError> {
        // In this order: what moves from the one to the other meanwhile is met twice.
        let (pending, retractions) = self.inner.pending.lines(account, query);
        let lines = self.read(|database| database.archive_lines(account, query))?;
        let mut page = archive_page(lines, pending, query)?;
        for line in &mut page {
            let _ = retractions.iter().any(|retraction| retraction.apply(line));
        }
        Ok(page)
    }

    /// The documents of these ids, as far as they exist. Blocks. Sees every write whose `done` was called.
    ///
    /// # Errors
    /// What the database says.
    pub fn documents(
        &self,
        account: AccountKey,
        ids: &[DocumentId],
    ) -> Result<Vec<StoredDocument>, StoreError> {
        self.read(|database| database.documents(account, ids))
    }

    /// As [`Store::documents`], and sees every write that was submitted before. Blocks until they are done.
    ///
    /// # Errors
    /// What the database says.
    pub fn documents_in_turn(
        &self,
        account: AccountKey,
        ids: Vec<DocumentId>,
    ) -> Result<Vec<StoredDocument>, StoreError> {
        self.change(move |database| database.documents(account, &ids))
    }

    /// Documents of this id that accounts have, in the order of the accounts' keys, those of accounts after
    /// `after`; at most `limit`. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn documents_of_all(
        &self,
        id: &DocumentId,
        after: Option<AccountKey>,
        limit: usize,
    ) -> Result<Vec<(AccountKey, Address, StoredDocument)>, StoreError> {
        self.read(|database| database.documents_of_all(id, after, limit))
    }

    /// Documents of this application that accounts have, in the order of their names and then of the accounts'
    /// keys, those behind `after`; at most `limit`. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn documents_of_application(
        &self,
        application: &str,
        after: Option<(&str, AccountKey)>,
        limit: usize,
    ) -> Result<Vec<(AccountKey, Address, StoredDocument)>, StoreError> {
        self.read(|database| database.documents_of_application(application, after, limit))
    }

    /// What the account's policy refused lately, newest first. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn refusals(&self, account: AccountKey) -> Result<Vec<Refusal>, StoreError> {
        self.read(|database| database.refusals(account))
    }

    /// The accounts whose automated rules are to be asked about something, and when first. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn late_accounts(&self) -> Result<Vec<(Address, Timestamp)>, StoreError> {
        self.read(|database| database.late_accounts())
    }

    /// What programs on the web are to be told, in order, behind the one of the number `last`; at most `limit`.
    /// Blocks. Sees every write whose `done` was called.
    ///
    /// # Errors
    /// What the database says.
    pub fn hooks(&self, last: i64, limit: usize) -> Result<Vec<(i64, HookCall)>, StoreError> {
        self.read(|database| database.hooks(last, limit))
    }

    /// Forgets such a call. Does not wait: where that is lost, it is made once more.
    pub fn remove_hook(&self, id: i64) {
        self.note(move |database| database.remove_hook(id));
    }

    /// The labels of messages from `first` to `last`, in order of the messages. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn marks(
        &self,
        account: AccountKey,
        first: MessageId,
        last: MessageId,
    ) -> Result<Vec<(MessageId, String)>, StoreError> {
        self.read(|database| database.marks(account, first, last))
    }

    /// Makes an account. Blocks.
    ///
    /// # Errors
    /// [`StoreError::AccountExists`], or what the database says.
    pub fn create_account(&self, new: NewAccount) -> Result<AccountKey, StoreError> {
        self.change(move |database| database.create_account(&new))
    }

    /// Removes an account with its roster, archive, credentials, tokens and files. Blocks.
    ///
    /// # Errors
    /// [`StoreError::NoSuchAccount`], or what the database says.
    pub fn remove_account(&self, address: &Address) -> Result<(), StoreError> {
        let (wanted, address) = (address.clone(), address.clone());
        self.change_then(
            move |database| database.remove_account(&wanted),
            move |writer, removed| {
                let key = removed?;
                writer.messages.forget(key);
                if let Err(error) = writer.folders.remove(key, address.as_str()) {
                    tracing::error!(%address, %error, "files of a removed account remain");
                }
                Ok(())
            },
        )
    }

    /// An account as lists show it. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn account(&self, address: &Address) -> Result<Option<AccountSummary>, StoreError> {
        self.read(|database| database.account(address))
    }

    /// Up to `limit` accounts in the order of their addresses, those after `after`. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn list_accounts(
        &self,
        after: Option<&Address>,
        limit: usize,
    ) -> Result<Vec<AccountSummary>, StoreError> {
        self.read(|database| database.list_accounts(after, limit))
    }

    /// Up to `limit` accounts whose owners want to be found, in the order of their addresses, those after `after`,
    /// each with what it has of this name on this shelf. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn listed(
        &self,
        after: Option<&Address>,
        limit: usize,
        place: (&str, &str),
    ) -> Result<Vec<ListedAccount>, StoreError> {
        self.read(|database| database.listed(after, limit, place))
    }

    /// Makes the account an administrator or not. Blocks.
    ///
    /// # Errors
    /// [`StoreError::NoSuchAccount`], or what the database says.
    pub fn set_admin(&self, account: AccountKey, is_admin: bool) -> Result<(), StoreError> {
        self.change(move |database| database.set_admin(account, is_admin))
    }

    /// Closes the account to its owner or opens it again. Blocks.
    ///
    /// # Errors
    /// [`StoreError::NoSuchAccount`], or what the database says.
    pub fn set_disabled(&self, account: AccountKey, disabled: bool) -> Result<(), StoreError> {
        self.change(move |database| database.set_disabled(account, disabled))
    }

    /// What logging in needs to know, devices included. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn credential(&self, address: &Address) -> Result<Option<CredentialRecord>, StoreError> {
        self.read(|database| database.credential(address))
    }

    /// Replaces an account's sealed verifiers and ends its tokens. Blocks.
    ///
    /// # Errors
    /// [`StoreError::NoSuchAccount`], or what the database says.
    pub fn set_credential(
        &self,
        account: AccountKey,
        sealed: Vec<u8>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.change(move |database| {
            database.set_credential(account, &sealed, at)?;
            database.remove_tokens(account)?;
            database.distrust_clients(account)
        })
    }

    /// Puts another form of the same credential in its place, unless it was set anew meanwhile: then `false`.
    /// Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn replace_credential(
        &self,
        account: AccountKey,
        before: Vec<u8>,
        sealed: Vec<u8>,
    ) -> Result<bool, StoreError> {
        self.change(move |database| database.replace_credential(account, &before, &sealed))
    }

    /// Adds a device while the account has fewer than `most`; its id, or `None` where it has not.
    /// Blocks.
    ///
    /// # Errors
    /// [`StoreError::NoSuchAccount`], or what the database says.
    pub fn add_device(
        &self,
        account: AccountKey,
        label: String,
        sealed: Vec<u8>,
        at: Timestamp,
        most: usize,
    ) -> Result<Option<i64>, StoreError> {
        self.change(move |database| database.add_device(account, &label, &sealed, at, most))
    }

    /// Removes a device; `false` where there was none. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn remove_device(&self, account: AccountKey, id: i64) -> Result<bool, StoreError> {
        self.change(move |database| database.remove_device(account, id))
    }

    /// Notes that a device logged in. Does not wait; a note that is lost is no loss.
    pub fn touch_device(&self, id: i64, at: Timestamp) {
        self.note(move |database| database.touch_device(id, at));
    }

    /// What the server remembers by this name. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn setting(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(|database| database.setting(name))
    }

    /// Remembers something by a name. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn set_setting(&self, name: &str, value: Vec<u8>) -> Result<(), StoreError> {
        let name = name.to_owned();
        self.change(move |database| database.set_setting(&name, &value))
    }

    /// Forgets watchers that waited for their time; how many. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn forget_waiting(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.change(move |database| database.forget_waiting(now))
    }

    /// Queues counting the messages that wait for the owner. It sees every append and trim that was
    /// submitted before it.
    pub fn offline_count(&self, account: AccountKey, done: CountDone) {
        // `done` is told.
        let _ = self.push(Job::OfflineCount { account, done });
    }

    /// The small values of a room of that name; every caller with the name gets the same ones.
    #[must_use]
    pub fn memory(&self, room: &'static str) -> Memory {
        Memory::new(self.clone(), self.inner.rooms.find(room))
    }

    /// Has the writer come for what waits in a room.
    pub(super) fn call_to(&self, room: &Arc<Room>) -> Result<(), StoreError> {
        let queued = self.inner.queue.push(Job::Memory(Arc::clone(room)));
        queued.map_err(|(_, refused)| refused.into())
    }

    /// Makes all that was submitted durable and stops. Blocks. Later calls get [`StoreError::Closed`].
    pub fn close(&self) {
        self.inner.close();
    }

    pub(super) fn read<T>(&self, read: impl FnOnce(&Database) -> T) -> T {
        self.inner.readers.read(read)
    }

    /// The folders of accounts.
    pub(super) fn folders(&self) -> &Folders {
        &self.inner.folders
    }

    /// Has the writer do all of `steps`, or nothing, and waits until it is durable.
    pub(super) fn change<T: Send + 'static>(
        &self,
        steps: impl FnOnce(&Database) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.change_then(steps, |_, outcome| outcome)
    }

    /// As [`Store::change`]; then does what belongs to it outside of the database.
    fn change_then<A: Send + 'static, B: Send + 'static>(
        &self,
        steps: impl FnOnce(&Database) -> Result<A, StoreError> + Send + 'static,
        then: impl FnOnce(&mut Writer, Result<A, StoreError>) -> Result<B, StoreError> + Send + 'static,
    ) -> Result<B, StoreError> {
        let (answer, answered) = mpsc::sync_channel(1);
        let job = Job::Change(Box::new(move |writer| {
            let outcome = writer.database.step(steps);
            Box::new(move |writer, committed| {
                // The caller waits; where it gave up, nobody needs the answer.
                let _ = answer.send(then(writer, committed.and(outcome)));
            })
        }));
        self.push(job)?;
        answered.recv().map_err(|_| StoreError::Closed)?
    }

    /// Has the writer do something that nobody waits for.
    pub(super) fn note(&self, steps: impl FnOnce(&Database) -> Result<(), StoreError> + Send + 'static) {
        let queued = self.push(Job::Change(Box::new(move |writer| {
            let outcome = writer.database.step(steps);
            Box::new(move |_, committed| {
                if let Err(error) = committed.and(outcome) {
                    tracing::warn!(%error, "a note is lost");
                }
            })
        })));
        if let Err(error) = queued {
            tracing::warn!(%error, "a note is lost");
        }
    }

    /// Queues a job, or tells it why not and says so.
    fn push(&self, job: Job) -> Result<(), StoreError> {
        let Err((job, refused)) = self.inner.queue.push(job) else { return Ok(()) };
        let error = StoreError::from(refused);
        writer::refuse(job, error.clone());
        Err(error)
    }
}

impl Inner {
    fn close(&self) {
        self.queue.close();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        // The writer itself may drop the last clone, and cannot wait for itself.
        if let Some(writer) = writer.filter(|writer| writer.thread().id() != thread::current().id())
            && writer.join().is_err()
        {
            tracing::error!("the storage thread panicked");
        }
        *self.lock.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

impl From<Refused> for StoreError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Full => Self::Overloaded,
            Refused::Closed => Self::Closed,
        }
    }
}

/// One page of lines from the tables and from what is pending, both from the wanted end.
fn archive_page(
    mut page: Vec<ArchivedMessage>,
    pending: Vec<Line>,
    query: &ArchiveQuery,
) -> Result<Vec<ArchivedMessage>, StoreError> {
    if !pending.is_empty() {
        for line in pending {
            let message = codec::decode(&line.body, "an archived message")?;
            page.push(ArchivedMessage { message, with: line.with, outgoing: line.outgoing });
        }
        let key = |line: &ArchivedMessage| (line.message.id, line.with.clone());
        page.sort_by_key(key);
        page.dedup_by_key(|line| key(line));
        if query.from == ArchiveEnd::Newest {
            page.reverse();
        }
        page.truncate(query.limit);
    }
    if query.from == ArchiveEnd::Newest {
        page.reverse();
    }
    Ok(page)
}

/// Keeps other processes away from the data folder until the file is dropped.
fn lock(data_dir: &Path) -> Result<File, StoreError> {
    let path = data_dir.join("lock");
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}
