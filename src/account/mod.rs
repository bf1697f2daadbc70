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
mod documents;
mod effect;
mod endpoints;
mod event;
mod hooks;
mod input;
mod mailbox;
mod memory;
mod nodes;
mod offline;
mod permission;
mod personal;
mod picture;
mod policy;
mod profile;
mod reader;
mod registry;
mod request;
mod roster;
mod rules;
mod session;
mod shell;
mod sink;
mod slip;
mod state;
mod subscription;
mod waiting;
mod watch;
mod watcher_list;
mod watchers;

pub use accounts::{Accounts, Session, Watch};
pub use archive::{ArchivePage, ArchiveReading};
pub use automation::{Ring, SharedRules, Trial, Tried, TriedRule, TriedVerdict};
pub use config::{Authorization, Config, ListAuthorization};
pub use documents::{Amendment, DocumentChange, FactChange, Facts};
pub use effect::{Answer, Effect};
pub use event::{About, BlockChange, CloseReason, ContactChange, Copy, Event, Replied, Sent, WatchState};
pub use input::{Input, ReplyTo, WatchId};
pub use memory::Memory;
pub use nodes::MOST_ITEMS;
pub use personal::{Fetch, Purpose};
pub use request::{Reply, Request, RosterView, SessionView, Summary};
pub use session::{SessionChange, SessionKind, SessionSpec};
pub use sink::{Delivery, Outbox, Parcel, Sink, SinkFull, WatchSink};
pub use watch::{Shown, WatchKind, WatchSpec};

pub use crate::storage::{
    AcceptedSenders, ArchiveChoice, ArchiveDefault, ArchiveEnd, ArchiveQuery, ArchivedMessage, Preferences,
    Refusal, RefusalReason, StoredDocument,
};

#[cfg(test)]
mod shell_tests;
#[cfg(test)]
mod watch_tests;
