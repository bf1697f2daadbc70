//! The account: one person's roster, presence, messages and policy, whatever protocol she uses.
//!
//! The rules (`state` and what it uses) are a pure function of the account's state; `shell`, `mailbox`
//! and `accounts` run them. A door opens a [`Session`] through [`Accounts`], tells it what the client
//! wants and gets [`Event`]s through its [`Sink`].
//!
//! # The shell, and why an account is no task
//!
//! An account is an actor: it has a mailbox, handles one input at a time and performs the effects in
//! order. But no task waits at the mailbox. Who posts to an account that is at rest runs its rules
//! right there, on his own thread; who posts while somebody runs them leaves the input in the
//! mailbox for that one. A message from one session to another thus wakes one task, the receiving
//! connection's, instead of three; and an account at rest costs its state and nothing else. Posting
//! never blocks and never recurses: accounts that become ready while another one runs wait in a
//! list of the running thread.
//!
//! # Invariants
//!
//! - Rules ([`Input`] → [`Effect`]) await nothing, read no clock and hold no handle; inputs and
//!   effects can be serialised.
//! - An account's state is touched by one thread at a time, and effects of one input are performed
//!   before the next input is handled.
//! - An [`Effect::Answer`] is given only after every store effect before it is durable.
//! - A message handed to sessions comes back as [`Input::Returned`] unless one of them confirmed it.
//! - Nothing here names a protocol, a header, an element or a status code.

mod abroad;
mod accounts;
mod alarms;
mod announce;
mod archive;
mod automation;
mod avatar;
mod blocks;
mod config;
mod contacts;
mod delivery;
mod directory;
mod documents;
mod effect;
mod endpoints;
mod event;
mod faces;
mod files;
mod herald;
mod hooks;
mod input;
mod last_seen;
mod mailbox;
mod memory;
mod nobody;
mod nodes;
mod offline;
mod outside;
mod permission;
mod personal;
mod picture;
mod policy;
mod preferences;
mod probe;
mod profile;
mod reach;
mod reader;
mod registry;
mod request;
mod retention;
mod roster;
mod rules;
mod search;
mod session;
mod shell;
mod shelves;
mod sink;
mod slip;
mod state;
mod subscription;
mod temporary;
mod waiting;
mod waking;
mod watch;
mod watcher_list;
mod watchers;

pub use abroad::DomainReach;
pub use accounts::{Accounts, Session, Watch};
pub use archive::{ArchivePage, ArchiveReading};
pub use automation::{Ring, SharedRules, Trial, Tried, TriedRule, TriedVerdict};
pub use config::{Authorization, Config, Inviters, ListAuthorization};
pub use directory::{Found, FoundPage, MOST_FOUND, Search, Trait};
pub use documents::{Amendment, DocumentChange, DocumentStep, FactChange, Facts};
pub use effect::{Answer, Effect};
pub use event::{About, BlockChange, CloseReason, ContactChange, Copy, Event, Replied, Sent, WatchState};
pub use faces::Face;
pub use files::{IncomingFile, NewFile, OutgoingFile};
pub use herald::Herald;
pub use input::{Direct, Input, Opened, Question, ReplyTo, WatchId};
pub use memory::Memory;
pub use nodes::MOST_ITEMS;
pub use outside::{Carrier, Load, Outcome};
pub use personal::{Fetch, Purpose};
pub use picture::describe as describe_picture;
pub use preferences::PreferencesChange;
pub use request::{Reply, Request, RosterView, SessionView, Summary};
pub use search::Words;
pub use session::{SessionChange, SessionKind, SessionSpec};
pub use sink::{Delivery, Outbox, Parcel, Sink, SinkFull, WatchSink};
pub use temporary::Takes;
pub use waking::{WakeAddress, WakeOutcome, WakeUp};
pub use watch::{Shown, WatchKind, WatchSpec};

pub use crate::storage::{
    AcceptedSenders, ArchiveChoice, ArchiveDefault, ArchiveEnd, ArchiveQuery, ArchivedMessage, Preferences,
    Refusal, RefusalReason, SharedFile, StoredDocument,
};

#[cfg(test)]
mod shell_tests;
#[cfg(test)]
mod watch_tests;
