//! The door of the room.

use crate::signal::Address;

use super::{
    AccountKey, AccountRecord, ArchiveQuery, ArchivedMessage, Config, OfflineChunk, StoreError, Write,
};

/// Told once that a write is durable, or why it is not. Runs on the store's own thread, so it
/// must be quick and must not call the store's blocking functions.
pub type Done = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// Given the messages that were asked for. Under the same rules as [`Done`].
pub type OfflineDone = Box<dyn FnOnce(Result<OfflineChunk, StoreError>) + Send>;

/// All durable state of this server. Cheap to clone; every clone is the same store.
///
/// Functions said to block are for threads that may wait, never for a task.
#[derive(Clone)]
pub struct Store {}

impl Store {
    /// Opens the data folder; makes it on first use and brings the database to this version.
    ///
    /// # Errors
    /// [`StoreError::InUse`] where another process has it, [`StoreError::TooNew`] where a later
    /// version wrote it, or what the database or the file system says.
    pub fn open(config: &Config) -> Result<Self, StoreError> {
        todo!()
    }

    /// Queues a write. Never blocks. Writes of one account are done in the order of submission.
    ///
    /// The queue is bounded by [`Config::queue`]: when it is full, nothing is written and `done`
    /// is told [`StoreError::Overloaded`] at once, on the caller's thread.
    pub fn submit(&self, account: AccountKey, write: Write, done: Option<Done>) {
        todo!()
    }

    /// Queues a reading of the first `limit` messages of the offline file. It sees every append
    /// and trim that was submitted before it.
    pub fn offline_read(&self, account: AccountKey, limit: usize, done: OfflineDone) {
        todo!()
    }

    /// How many writes wait, this moment.
    #[must_use]
    pub fn backlog(&self) -> usize {
        todo!()
    }

    /// Reads an account. Blocks. Sees every write whose `done` was called.
    ///
    /// # Errors
    /// What the database says, or [`StoreError::Corrupt`].
    pub fn load_account(&self, address: &Address) -> Result<Option<AccountRecord>, StoreError> {
        todo!()
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
        todo!()
    }

    /// Makes all that was submitted durable and stops. Blocks. Later calls get [`StoreError::Closed`].
    pub fn close(&self) {
        todo!()
    }
}
