//! What an account tells its sessions and watchers.

use std::sync::Arc;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::{Face, Reply};
use crate::{
    signal::{
        Address, Contact, ContactFailure, ContactSignal, Message, MessageId, Party, PersonalNews,
        PresenceNotice, Query, Reject, RequestId, Signal,
    },
    storage::Preferences,
};

/// Something a session is told, messages apart: those come with the means to confirm them
/// ([`super::Delivery`]).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// A contact's session changed, or somebody showed his presence to this session.
    Presence(Arc<PresenceNotice>),
    /// Somebody asks to be a contact, or answered.
    Contact(Arc<ContactSignal>),
    /// The owner's question to become a contact came to nothing.
    ContactFailure(Arc<ContactFailure>),
    /// The question that `from` asked is answered (`granted` or not) or withdrawn: no need to show
    /// it any more.
    ContactSettled {
        from: Address,
        granted: bool,
        /// He took it back himself, which comes as [`Event::Contact`] too.
        withdrawn: bool,
    },
    /// A roster entry was added, changed or removed.
    Roster(Arc<ContactChange>),
    Query(Arc<Query>),
    /// The owner blocked somebody or took that back.
    Blocked(Arc<BlockChange>),
    /// Something about the owner or somebody she follows, of what the session wants to hear of.
    Personal(Arc<PersonalNews>),
    /// How somebody of another domain wants to be shown; told to pages.
    Face(Box<Face>),
    Preferences(Arc<Preferences>),
    /// Automated rules gave a message labels, or want no attention called to it.
    Marked {
        message: MessageId,
        marks: Vec<CompactString>,
        quiet: bool,
    },
    /// The reply to a request, or the failure of something sent without tag.
    Reply(Box<Replied>),
    /// The session is over.
    Closed(CloseReason),
}

/// The reply to something a session asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Replied {
    /// The tag that the session gave its request; `None` for the failure of something without tag.
    pub request: Option<RequestId>,
    /// What was to be passed on.
    pub about: Option<About>,
    pub outcome: Result<Reply, Reject>,
}

/// Something that a session gave to be passed on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum About {
    Message(Arc<Message>),
    Query(Arc<Query>),
    /// Presence for one party.
    Presence {
        to: Box<Party>,
        origin_id: Option<CompactString>,
    },
}

impl About {
    /// What of this can be passed on for somebody.
    pub(super) fn of(signal: &Signal) -> Option<Self> {
        match signal {
            Signal::Message(message) => Some(Self::Message(Arc::clone(message))),
            Signal::Passed(passed) => Some(Self::Message(Arc::clone(&passed.message))),
            Signal::Query(query) => Some(Self::Query(Arc::clone(query))),
            _ => None,
        }
    }
}

/// A change of one roster entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContactChange {
    /// The roster's version after the change.
    pub version: u64,
    /// The entry as it is now, or as it was last where it is `removed`.
    pub contact: Contact,
    pub removed: bool,
}

/// A change of whom the owner blocked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockChange {
    /// Who is blocked from now on.
    pub added: Vec<Address>,
    /// Who is not any more.
    pub removed: Vec<Address>,
}

/// How a session gets a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Copy {
    /// It is for this session.
    Original,
    /// It was for another session of the account.
    Received,
    /// Another session of the account sent it.
    Sent,
    /// It waited in the offline file: [`Message::sent`] is its original time.
    Offline,
}

/// What became of a message that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sent {
    /// A session of the receiver has it.
    Delivered,
    /// It waits in the receiver's offline file.
    Stored,
    /// It was passed on, or was a passing note that nobody was there for.
    Accepted,
}

/// Where a watcher stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum WatchState {
    /// The owner has not decided.
    Pending,
    /// The watcher may see the account's presence.
    Active,
    /// The owner said no: the watch is over.
    Rejected,
    /// The account is gone: the watch is over.
    Gone,
}

/// Why a session was closed by the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CloseReason {
    /// Another session took its name.
    Replaced,
    /// The account was removed or disabled.
    AccountGone,
    /// The password changed, or this device's was revoked.
    CredentialsChanged,
    /// It did not take its events fast enough.
    TooSlow,
    /// There are more sessions than the account may have.
    TooMany,
    /// An administrator ended it.
    Ended,
    /// The server stops.
    Shutdown,
    /// A defect of the server: connect again.
    Fault,
}
