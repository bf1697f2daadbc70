//! What a session tells of itself.

use std::sync::Arc;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::Opened;
use crate::signal::{Resource, Timestamp, Topic};

/// What a session is used for; decides the defaults of how it takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SessionKind {
    /// A chat client that announces its presence itself, after it logged in.
    Client,
    /// A phone: present as long as it is registered.
    Device,
    /// A browser: present as long as it is connected.
    Page,
    /// Presence that somebody published for a device that is not connected itself. Takes nothing.
    Publication,
}

/// A session as it begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionSpec {
    pub kind: SessionKind,
    /// Its name within the account. A second session of this name closes the first.
    pub resource: Resource,
    pub since: Timestamp,
    /// The device password that opened it; `None` for the account's own. It ends with the password.
    pub device: Option<i64>,
    /// The program that opened it, where it says which installation it is. It ends with that one's access.
    pub client: Option<i64>,
    /// Where the session can be reached, in its own protocol's words; shown to watchers.
    pub contact: Option<CompactString>,
    /// It takes instant messages (while its priority is not negative).
    pub takes_messages: bool,
    /// It takes calls.
    pub takes_calls: bool,
    /// It wants copies of the messages that other sessions of the account send and get.
    pub takes_copies: bool,
    /// It keeps up with the roster and is told of every change.
    pub follows_roster: bool,
}

impl SessionSpec {
    /// Whether that opened it.
    pub(super) fn is_opened(&self, which: Opened) -> bool {
        match which {
            Opened::Anyhow => true,
            Opened::ByDevice(id) => self.device == Some(id),
            Opened::ByClient(id) => self.client == Some(id),
        }
    }
}

/// What may change about a session while it lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SessionChange {
    TakesCopies(bool),
    FollowsRoster(bool),
    TakesMessages(bool),
    /// Where it can be reached changed.
    Contact(Option<CompactString>),
    /// It takes part in this many calls.
    Calls(u16),
    /// What it wants to hear of.
    Follows(Arc<[Topic]>),
    /// Its connection broke and may come back: until then it is seen as before, and gets what it would
    /// have got, but nobody counts on it for a message.
    Dormant(bool),
    /// Somebody looks at it, or nobody does: then its device may sleep behind a connection that seems whole.
    Attended(bool),
    /// It can take offline messages now: a phone says so whenever it registers again.
    Collect,
}
