//! Contacts and what two accounts say to each other about being contacts.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::{Address, Native, Reject, Text, Timestamp};

/// One entry of a roster. `to` and `from` are the four subscription states of RFC 6121 §2.1.2.5.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    pub address: Address,
    /// The name the owner gave; at most 1023 bytes.
    pub name: Option<CompactString>,
    /// Sorted, without doubles.
    pub groups: SmallVec<[CompactString; 2]>,
    /// The owner sees the contact's presence.
    pub to: bool,
    /// The contact sees the owner's presence.
    pub from: bool,
    /// The owner asked to see the contact's presence and has no answer yet.
    pub ask: bool,
    /// The owner has said yes before the contact asked (RFC 6121 §3.4).
    pub approved: bool,
}

impl Contact {
    /// A contact without name, group or subscription.
    #[must_use]
    pub fn new(address: Address) -> Self {
        Self {
            address,
            name: None,
            groups: SmallVec::new(),
            to: false,
            from: false,
            ask: false,
            approved: false,
        }
    }

    /// Whether both see each other: a confirmed buddy.
    #[must_use]
    pub fn is_mutual(&self) -> bool {
        self.to && self.from
    }
}

/// Somebody asked to see the owner's presence, and the owner has not answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContactRequest {
    pub from: Address,
    pub at: Timestamp,
    /// Words for the owner.
    pub note: Option<Text>,
    pub native: Native,
    /// The asker's name for what he said. Last, since records of old have none.
    pub origin_id: Option<CompactString>,
}

/// What one account tells another about seeing presence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContactSignal {
    pub from: Address,
    pub to: Address,
    pub event: ContactEvent,
    pub note: Option<Text>,
    pub native: Native,
    /// The speaker's name for what he says.
    pub origin_id: Option<CompactString>,
}

impl ContactSignal {
    /// What is said without further words.
    #[must_use]
    pub fn plain(from: Address, to: Address, event: ContactEvent) -> Self {
        Self { from, to, event, note: None, native: Native::None, origin_id: None }
    }
}

/// The question of `to` to see `from` could not be passed on, or his server does not take it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContactFailure {
    pub from: Address,
    pub to: Address,
    pub why: Reject,
    /// His server's own words.
    pub native: Native,
    /// The asker's name for the question.
    pub origin_id: Option<CompactString>,
}

/// The four things to say (RFC 6121 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ContactEvent {
    /// May I see your presence?
    Subscribe,
    /// You may see mine.
    Subscribed,
    /// I do not want to see yours any more.
    Unsubscribe,
    /// You may not see mine, or not any more.
    Unsubscribed,
}
