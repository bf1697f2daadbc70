//! Who watches an account: what its owner is told about it (the model of RFC 3857, without its XML).

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::{Address, Timestamp};

/// Everybody who watches an account's presence, or waits to, whatever protocol he uses.
///
/// Those that ended stay in the list for a minute, so that a reader who skips lists learns why. An id
/// that a list does not have any more has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatcherList {
    pub of: Address,
    /// Oldest first.
    pub watchers: Vec<Watcher>,
}

/// One watcher.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watcher {
    /// Stable while the watcher is listed; never used for another one.
    pub id: CompactString,
    pub address: Address,
    /// As he calls himself.
    pub name: Option<CompactString>,
    pub status: WatcherStatus,
    /// What brought him into this status.
    pub event: WatcherEvent,
    /// When he began to watch or to ask; `None` for a contact, who was granted it some day.
    pub since: Option<Timestamp>,
    /// When it ends unless he renews it; `None` for a contact, who watches until it is taken back. Of one
    /// who waits: when he is forgotten.
    pub until: Option<Timestamp>,
}

/// Where a watcher stands (RFC 3857 §4.7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum WatcherStatus {
    /// He is there and the owner has not decided.
    Pending,
    /// He sees the owner's presence.
    Active,
    /// He asked, is gone, and the owner has not decided.
    Waiting,
    Terminated,
}

/// What changed a watcher's status (RFC 3857 §4.7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum WatcherEvent {
    Subscribe,
    Approved,
    Deactivated,
    Probation,
    Rejected,
    Timeout,
    GiveUp,
    NoResource,
}

impl WatcherStatus {
    /// The word for it, the same wherever it is told.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Waiting => "waiting",
            Self::Terminated => "terminated",
        }
    }
}

impl WatcherEvent {
    /// The word for it, the same wherever it is told.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Subscribe => "subscribe",
            Self::Approved => "approved",
            Self::Deactivated => "deactivated",
            Self::Probation => "probation",
            Self::Rejected => "rejected",
            Self::Timeout => "timeout",
            Self::GiveUp => "giveup",
            Self::NoResource => "noresource",
        }
    }
}
