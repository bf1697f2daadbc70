//! The one thread that writes: takes everything that waits, does it in one transaction, commits
//! once, makes the files durable, and only then tells whoever asked.
//!
//! Nothing waits for a group to grow: while one commit runs, the next group gathers by itself.

use std::{
    panic::{self, AssertUnwindSafe},
    sync::Arc,
};

use super::{
    AccountKey, Done, OfflineChunk, OfflineDone, StoreError, Write,
    files::{Folders, OfflineFiles},
    queue::Queue,
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
    /// Any other change: does its part, and gives what is to be called after the commit.
    Change(Box<dyn FnOnce(&mut Writer) -> AfterCommit + Send>),
}

/// Told whether the commit succeeded.
pub(super) type AfterCommit = Box<dyn FnOnce(&mut Writer, Result<(), StoreError>) + Send>;

/// What the writer's thread works with.
pub(super) struct Writer {
    pub(super) database: Database,
    pub(super) offline: OfflineFiles,
    pub(super) folders: Folders,
}

/// A job that is done but for the commit.
struct Finished {
    outcome: Result<(), StoreError>,
    /// The outcome holds only if the commit succeeds.
    in_database: bool,
    /// The outcome holds only if this account's file is made durable.
    in_file: Option<AccountKey>,
    tell: Tell,
}

enum Tell {
    Write(Option<Done>),
    Read(OfflineDone, OfflineChunk),
    Change(AfterCommit),
}

impl Writer {
    /// Works until the queue is closed and empty.
    pub(super) fn run(mut self, queue: &Queue<Job>, most: usize) {
        while let Some(jobs) = queue.take(most) {
            self.handle_group(jobs);
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
        let committed = if self.database.is_in_group() { self.database.commit() } else { Ok(()) };
        if let Err(error) = &committed {
            tracing::error!(%error, writes = group.len(), "a group of writes is lost");
        }
        let lost = self.offline.sync();
        for (key, error) in &lost {
            tracing::error!(key = key.0, %error, "offline messages could not be kept");
        }
        for finished in group {
            let mut outcome = finished.outcome;
            if finished.in_database {
                outcome = outcome.and_then(|()| committed.clone());
            }
            if let Some(error) = finished.in_file.and_then(|key| lost.get(&key)) {
                outcome = outcome.and_then(|()| Err(error.clone()));
            }
            self.tell(finished.tell, outcome);
        }
    }

    fn handle_job(&mut self, job: Job) -> Finished {
        match job {
            Job::Write { account, write, done } => {
                let in_file = matches!(write, Write::OfflineAppend(_)).then_some(account);
                let in_database = !matches!(write, Write::OfflineAppend(_) | Write::OfflineTrim { .. });
                let outcome = self.handle_write(account, write);
                Finished { outcome, in_database, in_file, tell: Tell::Write(done) }
            }
            Job::OfflineRead { account, limit, done } => {
                let read = self.folder(account).and_then(|folder| self.offline.read(account, &folder, limit));
                let (outcome, chunk) = match read {
                    Ok(chunk) => (Ok(()), chunk),
                    Err(error) => (Err(error), OfflineChunk::default()),
                };
                Finished { outcome, in_database: false, in_file: None, tell: Tell::Read(done, chunk) }
            }
            Job::Change(change) => {
                let begun = self.database.begin();
                let after = change(self);
                let outcome = begun.map(|_| ());
                Finished { outcome, in_database: true, in_file: None, tell: Tell::Change(after) }
            }
        }
    }

    fn handle_write(&mut self, account: AccountKey, write: Write) -> Result<(), StoreError> {
        match write {
            Write::OfflineAppend(message) => {
                let folder = self.folder(account)?;
                return self.offline.append(account, &folder, &message);
            }
            Write::OfflineTrim { through } => {
                let folder = self.folder(account)?;
                return self.offline.trim(account, &folder, through);
            }
            _ => {}
        }
        let database = &self.database;
        database.begin()?;
        match write {
            Write::Contact { contact, version } => database.put_contact(account, &contact, version),
            Write::ContactRemoved { address, version } => database.remove_contact(account, &address, version),
            Write::Request(request) => database.put_request(account, &request),
            Write::RequestRemoved { from } => database.remove_request(account, &from),
            Write::Preferences(preferences) => database.set_preferences(account, &preferences),
            Write::Archive { message, with, outgoing } => {
                database.archive(account, &message, &with, outgoing)
            }
            Write::OfflineAppend(_) | Write::OfflineTrim { .. } => Ok(()),
        }
    }

    fn folder(&self, account: AccountKey) -> Result<std::path::PathBuf, StoreError> {
        let address = self.database.account_address(account)?.ok_or(StoreError::NoSuchAccount)?;
        Ok(self.folders.of(account, &address))
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
            Tell::Read(done, chunk) => done(outcome.map(|()| chunk)),
            Tell::Change(after) => after(self, outcome),
        }));
        if told.is_err() {
            tracing::error!("whoever was told of a write panicked");
        }
    }
}

/// A failure ended the transaction, and everything before it in the group is undone.
fn undo(group: &mut [Finished], outcome: &Result<(), StoreError>) {
    let error = outcome.clone().err().unwrap_or_else(|| StoreError::Database("the transaction ended".into()));
    for finished in group.iter_mut().filter(|finished| finished.in_database && finished.outcome.is_ok()) {
        finished.outcome = Err(error.clone());
    }
}

/// Tells a job that it will not be done.
pub(super) fn refuse(job: Job, error: StoreError) {
    match job {
        Job::Write { done: Some(done), .. } => done(Err(error)),
        Job::Write { done: None, .. } => tracing::error!(%error, "a write that nobody waits for is lost"),
        Job::OfflineRead { done, .. } => done(Err(error)),
        // Whoever waits for it sees that it is gone.
        Job::Change(_) => {}
    }
}

/// Closes the queue when the writer ends, however it ends, so that nobody waits for it in vain.
pub(super) struct CloseAtEnd(pub(super) Arc<Queue<Job>>);

impl Drop for CloseAtEnd {
    fn drop(&mut self) {
        self.0.close();
        while let Some(jobs) = self.0.take(usize::MAX) {
            jobs.into_iter().for_each(|job| refuse(job, StoreError::Closed));
        }
    }
}
