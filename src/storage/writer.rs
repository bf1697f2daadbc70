//! The one thread that writes: takes everything that waits, makes the messages of it durable in
//! the journal and all else in one transaction, and only then tells whoever asked.
//!
//! The messages come first, so that nothing in the tables is there without a message that was
//! submitted before it. Between two groups, and when nothing is to do, what is pending is given
//! to the thread that fills the tables. While that one writes to the database, what is for the
//! database waits, and messages do not.

use std::{
    panic::{self, AssertUnwindSafe},
    sync::Arc,
    time::Duration,
};

use compact_str::CompactString;

use super::{
    AccountKey, CountDone, Done, OfflineDone, Pick, ShelfDone, StoreError, Write,
    files::Folders,
    filler::Filler,
    memory::{Batch, Room},
    messages::Messages,
    queue::{Queue, Taken},
    sqlite::Database,
};

/// Something for the writer to do.
pub(super) enum Job {
    Write {
        account: AccountKey,
        write: Write,
        done: Option<Done>,
    },
    OfflineRead {
        account: AccountKey,
        limit: usize,
        done: OfflineDone,
    },
    OfflineCount {
        account: AccountKey,
        done: CountDone,
    },
    /// A reading that sees what was written before it.
    Pick {
        account: AccountKey,
        shelf: CompactString,
        pick: Pick,
        done: ShelfDone,
    },
    /// Nothing but to say when what came before is durable.
    After(Done),
    /// Whatever waits in a room's memory.
    Memory(Arc<Room>),
    /// Any other change: does its part, and gives what is to be called after the commit.
    Change(Box<dyn FnOnce(&mut Writer) -> AfterCommit + Send>),
}

/// Told whether the commit succeeded.
pub(super) type AfterCommit = Box<dyn FnOnce(&mut Writer, Result<(), StoreError>) + Send>;

/// What the writer's thread works with.
pub(super) struct Writer {
    pub(super) database: Database,
    pub(super) messages: Messages,
    pub(super) folders: Folders,
    filler: Filler,
    /// For the database, which is the filler's at the moment. Counted as unfinished.
    deferred: Vec<Job>,
}

/// A job that is done but for the commit.
struct Finished {
    outcome: Result<(), StoreError>,
    /// The outcome holds only if this is made durable.
    place: Place,
    tell: Tell,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Database,
    Journal,
    Nowhere,
}

enum Tell {
    Write(Option<Done>),
    Offline { account: AccountKey, limit: usize, done: OfflineDone },
    Count { account: AccountKey, done: CountDone },
    Pick { account: AccountKey, shelf: CompactString, pick: Pick, done: ShelfDone },
    After(Done),
    Memory(Arc<Room>, Batch),
    Change(AfterCommit),
}

impl Job {
    fn is_for_database(&self) -> bool {
        match self {
            Self::Write { write, .. } => place_of(write) == Place::Database,
            Self::OfflineRead { .. } | Self::OfflineCount { .. } | Self::After(_) => false,
            // Behind the writes that it must see.
            Self::Pick { .. } | Self::Memory(_) | Self::Change(_) => true,
        }
    }
}

impl Writer {
    pub(super) fn new(database: Database, messages: Messages, folders: Folders, filler: Filler) -> Self {
        Self { database, messages, folders, filler, deferred: Vec::new() }
    }

    /// Works until the queue is closed and empty.
    pub(super) fn run(mut self, queue: &Queue<Job>, most: usize) {
        loop {
            let pause = (!self.messages.is_settled()).then_some(PAUSE);
            let is_idle = match queue.take(most, pause) {
                Taken::Jobs(jobs) => {
                    self.handle_now(jobs, queue);
                    false
                }
                Taken::Nudged => false,
                Taken::Idle => true,
                Taken::Closed => return self.finish(queue),
            };
            if let Some(outcome) = self.filler.outcome() {
                self.after_filling(outcome, queue);
            }
            if self.filler.is_busy() && (self.messages.is_full() || self.deferred.len() > DEFERRED) {
                self.wait_for_filler(queue);
            }
            if !self.filler.is_busy() && (is_idle || self.messages.is_due()) {
                self.messages.begin_settling(&mut self.filler);
            }
        }
    }

    /// Brings everything into the tables. Two generations may be pending.
    fn finish(&mut self, queue: &Queue<Job>) {
        self.wait_for_filler(queue);
        for _ in 0..2 {
            self.messages.begin_settling(&mut self.filler);
            self.wait_for_filler(queue);
        }
    }

    fn wait_for_filler(&mut self, queue: &Queue<Job>) {
        if let Some(outcome) = self.filler.wait() {
            self.after_filling(outcome, queue);
        }
    }

    fn after_filling(&mut self, outcome: Result<(), StoreError>, queue: &Queue<Job>) {
        self.messages.settled(outcome);
        let deferred = std::mem::take(&mut self.deferred);
        self.handle_now(deferred, queue);
    }

    /// Handles what can be handled now, in one group, and defers the rest.
    fn handle_now(&mut self, mut jobs: Vec<Job>, queue: &Queue<Job>) {
        if self.filler.is_busy() {
            self.deferred.extend(jobs.extract_if(.., |job| job.is_for_database()));
        }
        let count = jobs.len();
        if count > 0 {
            self.handle_group(jobs);
            queue.finished(count);
        }
    }

    fn handle_group(&mut self, jobs: Vec<Job>) {
        let mut group: Vec<Finished> = Vec::with_capacity(jobs.len());
        for job in jobs {
            let began = self.database.is_in_group();
            let finished = self.handle_job(job);
            if began && !self.database.is_in_group() {
                undo(&mut group, &finished.outcome);
            }
            group.push(finished);
        }
        let journaled = self.messages.commit(&self.database);
        let committed = if self.database.is_in_group() { self.database.commit() } else { Ok(()) };
        if let Err(error) = &committed {
            tracing::error!(%error, writes = group.len(), "a group of writes is lost");
        }
        for Finished { outcome, place, tell } in group {
            let durable = match place {
                Place::Database => &committed,
                Place::Journal => &journaled,
                Place::Nowhere => &Ok(()),
            };
            self.tell(tell, outcome.and_then(|()| durable.clone()));
        }
    }

    fn handle_job(&mut self, job: Job) -> Finished {
        match job {
            Job::Write { account, write, done } => {
                let place = place_of(&write);
                let outcome = match place {
                    Place::Journal => self.messages.handle(&self.database, account, &write),
                    _ => self.handle_write(account, write),
                };
                Finished { outcome, place, tell: Tell::Write(done) }
            }
            Job::OfflineRead { account, limit, done } => {
                let tell = Tell::Offline { account, limit, done };
                Finished { outcome: Ok(()), place: Place::Nowhere, tell }
            }
            Job::OfflineCount { account, done } => {
                let tell = Tell::Count { account, done };
                Finished { outcome: Ok(()), place: Place::Nowhere, tell }
            }
            Job::After(done) => Finished { outcome: Ok(()), place: Place::Journal, tell: Tell::After(done) },
            Job::Pick { account, shelf, pick, done } => {
                let tell = Tell::Pick { account, shelf, pick, done };
                Finished { outcome: Ok(()), place: Place::Nowhere, tell }
            }
            Job::Memory(room) => {
                let batch = room.take();
                let write = |database: &Database| batch.write(room.name(), database);
                let outcome = self.database.begin().and_then(|_| self.database.step(write));
                Finished { outcome, place: Place::Database, tell: Tell::Memory(room, batch) }
            }
            Job::Change(change) => {
                let begun = self.database.begin();
                let after = change(self);
                let outcome = begun.map(|_| ());
                Finished { outcome, place: Place::Database, tell: Tell::Change(after) }
            }
        }
    }

    fn handle_write(&mut self, account: AccountKey, write: Write) -> Result<(), StoreError> {
        self.database.begin()?;
        match write {
            Write::Together(writes) => self
                .database
                .step(|database| writes.into_iter().try_for_each(|write| apply(database, account, write))),
            write => apply(&self.database, account, write),
        }
    }

    /// Tells the outcome. What the told one breaks does not break the writer.
    fn tell(&mut self, tell: Tell, outcome: Result<(), StoreError>) {
        let told = panic::catch_unwind(AssertUnwindSafe(|| match tell {
            Tell::Write(Some(done)) => done(outcome),
            Tell::Write(None) => {
                if let Err(error) = outcome {
                    tracing::error!(%error, "a write that nobody waits for is lost");
                }
            }
            // Read now, so that the messages of this group are seen.
            Tell::Offline { account, limit, done } => {
                done(self.messages.offline(&self.database, account, limit));
            }
            Tell::Count { account, done } => done(self.messages.offline_count(&self.database, account)),
            Tell::After(done) => done(outcome),
            Tell::Pick { account, shelf, pick, done } => done(self.database.pick(account, &shelf, &pick)),
            Tell::Memory(room, batch) => room.finish(batch, &outcome),
            Tell::Change(after) => after(self, outcome),
        }));
        if told.is_err() {
            tracing::error!("whoever was told of a write panicked");
        }
    }
}

/// Writes one change into the tables.
fn apply(database: &Database, account: AccountKey, write: Write) -> Result<(), StoreError> {
    match write {
        Write::Contact { contact, version } => database.put_contact(account, &contact, version),
        Write::ContactRemoved { address, version } => database.remove_contact(account, &address, version),
        Write::Request(request) => database.put_request(account, &request),
        Write::RequestRemoved { from } => database.remove_request(account, &from),
        Write::Waiting(waiting) => database.put_waiting(account, &waiting),
        Write::WaitingRemoved { watcher } => database.remove_waiting(account, &watcher),
        Write::Rules(rules) => database.set_rules(account, rules.as_deref()),
        Write::MessageRules(rules) => database.set_message_rules(account, rules.as_deref()),
        Write::CallRules(rules) => database.set_call_rules(account, rules.as_deref()),
        Write::Refused(refusal) => database.put_refusal(account, &refusal),
        Write::RefusalsRemoved => database.remove_refusals(account),
        Write::Automation(rules) => database.set_automation(account, rules.as_deref()),
        Write::Replied { sent, now } => database.put_reply(account, &sent, now),
        Write::Marked { message, marks } => database.put_marks(account, message, &marks),
        Write::Late(late) => database.put_late(account, &late),
        Write::LateRemoved { message, delay } => database.remove_late(account, message, delay),
        Write::Hook(call) => database.put_hook(account, &call),
        Write::HardState(state) => database.set_hard_state(account, state.as_deref()),
        Write::Shelve(it) => database.shelve(account, &it),
        Write::Unshelve { shelf, name } => database.unshelve(account, &shelf, name.as_deref()),
        Write::Preferences(preferences) => database.set_preferences(account, &preferences),
        Write::Blocked(address) => database.put_blocked(account, &address),
        Write::Unblocked(address) => database.remove_blocked(account, &address),
        Write::Document { entry, bytes } => database.put_document(account, &entry, &bytes),
        Write::DocumentRemoved { id, version } => database.remove_document(account, &id, version),
        // Messages go into the journal, and nothing is together with others twice.
        Write::Archive { .. }
        | Write::Retract(_)
        | Write::OfflineAppend(_)
        | Write::OfflineTrim { .. }
        | Write::Together(_) => Err(StoreError::Database("a write in the wrong place".into())),
    }
}

fn place_of(write: &Write) -> Place {
    match write {
        Write::Archive { .. } | Write::Retract(_) | Write::OfflineAppend(_) | Write::OfflineTrim { .. } => {
            Place::Journal
        }
        _ => Place::Database,
    }
}

/// A failure ended the transaction, and everything before it in the group is undone.
fn undo(group: &mut [Finished], outcome: &Result<(), StoreError>) {
    let error = outcome.clone().err().unwrap_or_else(|| StoreError::Database("the transaction ended".into()));
    for finished in
        group.iter_mut().filter(|finished| finished.place == Place::Database && finished.outcome.is_ok())
    {
        finished.outcome = Err(error.clone());
    }
}

/// Tells a job that it will not be done.
pub(super) fn refuse(job: Job, error: StoreError) {
    match job {
        Job::Write { done: Some(done), .. } => done(Err(error)),
        Job::Write { done: None, .. } => tracing::error!(%error, "a write that nobody waits for is lost"),
        Job::OfflineRead { done, .. } => done(Err(error)),
        Job::OfflineCount { done, .. } => done(Err(error)),
        Job::After(done) => done(Err(error)),
        Job::Pick { done, .. } => done(Err(error)),
        Job::Memory(room) => room.finish(room.take(), &Err(error)),
        // Whoever waits for it sees that it is gone.
        Job::Change(_) => {}
    }
}

/// Closes the queue when the writer ends, however it ends, so that nobody waits for it in vain.
pub(super) struct CloseAtEnd(pub(super) Arc<Queue<Job>>);

impl Drop for CloseAtEnd {
    fn drop(&mut self) {
        self.0.close();
        while let Taken::Jobs(jobs) = self.0.take(usize::MAX, None) {
            jobs.into_iter().for_each(|job| refuse(job, StoreError::Closed));
        }
    }
}

/// Writes to the database that may wait while the tables are filled; after more, messages wait, too.
const DEFERRED: usize = 4096;
/// What is pending goes into the tables when nothing came for as long as this.
const PAUSE: Duration = Duration::from_millis(500);
