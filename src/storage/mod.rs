//! Durable state: the database and per-account file storage.
//!
//! The door is [`Store`]: it speaks of accounts, rosters, archives and offline messages. Writes
//! are queued and made durable in groups by one thread; another fills tables; reads have connections of their own and
//! never wait for writes.
//!
//! Messages are what is written most. A group of them costs one write to the journal and one
//! sync; the tables, where a message touches pages all over, get thousands at a time. Readers
//! look into both, so nobody sees the difference.
//!
//! # Invariants
//!
//! - `done` of a write is called after it is on disk, never before: commit with full
//!   synchronisation, or sync of the journal.
//! - The writes of one account happen in the order in which they were submitted; of one group,
//!   messages are durable before the rest.
//! - What is in the journal is in the tables exactly once: the transaction that brings it there
//!   also ends the journal's turn.
//! - Of the two threads that write to the database, one does so at a time; whoever waits for a
//!   message to be durable waits for neither.
//! - A read sees every write whose `done` was called, be it in the tables or pending.
//! - SQL stands in `sqlite/` and in the numbered files of the top-level folder `storage/` only.
//! - No secret is readable here: credentials come sealed, tokens come hashed.
//! - One process works on a data folder at a time.

mod clients;
mod codec;
mod config;
mod error;
mod expiry;
mod files;
mod filler;
mod journal;
mod memory;
mod messages;
mod pending;
mod policy;
mod queue;
mod records;
mod reports;
mod shared_files;
mod shelf;
mod sqlite;
mod store;
mod tokens;
mod writer;

#[cfg(test)]
mod contract;
#[cfg(test)]
mod crash;

pub use config::Config;
pub use error::StoreError;
pub use files::{ReceiveError, Receiving, SharedFile, read_some};
pub use memory::Memory;
pub use policy::{MARKED, REFUSALS, Refusal, RefusalReason, SENT_REPLIES, SentReply};
pub use records::{
    AcceptedSenders, AccountKey, AccountRecord, AccountSummary, ArchiveChoice, ArchiveDefault, ArchiveEnd,
    ArchiveQuery, ArchivedMessage, ClientRecord, CredentialRecord, DeviceRecord, HOOK_CALLS, LATE_MESSAGES,
    LateMessage, ListedAccount, NewAccount, OfflineChunk, Preferences, Retraction, RosterRow, StoredDocument,
    TOMBSTONES, TokenKind, TokenRecord, WaitingWatcher, Write,
};
pub use reports::{Complained, Complaint, REPORTS, REPORTS_OF_ACCOUNT, Report};
pub use shelf::{AT_HAND, Pick, ShelfDone, Shelved};
pub use store::{CountDone, Done, OfflineDone, Store};
