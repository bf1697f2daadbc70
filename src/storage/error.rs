//! What can go wrong when something is kept or read.

use std::io;

/// Why a read or a write did not happen. Cheap to clone: one failed commit tells many writers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another process works on the same data folder.
    #[error("the data folder is in use by another process")]
    InUse,
    /// The data folder was written by a later version of this program.
    #[error("the database has schema {found}, this program knows {known}")]
    TooNew { found: u32, known: u32 },
    /// More writes wait than the store allows. Nothing was written.
    #[error("too many writes are waiting")]
    Overloaded,
    /// The store is closed. Nothing was written.
    #[error("the store is closed")]
    Closed,
    #[error("there is no such account")]
    NoSuchAccount,
    #[error("the account exists already")]
    AccountExists,
    /// As many bytes wait for the account's owner as may.
    #[error("too many messages wait for the owner")]
    OfflineFull,
    /// A key or a value is larger than may be remembered.
    #[error("too large to be remembered")]
    TooLarge,
    /// What was read is not what was written.
    #[error("{0} cannot be read")]
    Corrupt(&'static str),
    /// The database refused.
    #[error("database: {0}")]
    Database(String),
    /// The file system refused.
    #[error("file: {0}")]
    File(String),
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        Self::File(error.to_string())
    }
}
