//! Everything that can happen to an account.

use std::sync::Arc;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::{DomainReach, Purpose, Request, SessionChange, SessionSpec, WakeAddress, WakeOutcome, WatchSpec};
use crate::{
    signal::{
        Address, ContactFailure, Message, MessageId, Native, Occasion, Party, Presence, Reject, RequestId,
        SessionId, Signal, Timestamp,
    },
    storage::{Preferences, Shelved},
};

/// One thing that happens to an account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// A client connected and proved to be the owner.
    Open {
        session: SessionId,
        spec: Box<SessionSpec>,
    },
    /// The session is over. Closing twice is harmless.
    Close {
        session: SessionId,
    },
    /// The session says how its person is, to everybody who may know.
    Presence {
        session: SessionId,
        presence: Arc<Presence>,
    },
    /// The session shows its presence to one party only.
    Direct {
        session: SessionId,
        direct: Box<Direct>,
    },
    Change {
        session: SessionId,
        change: SessionChange,
    },
    /// The owner sends a message, from a session or without one.
    Send {
        session: Option<SessionId>,
        message: Arc<Message>,
        reply: Option<ReplyTo>,
    },
    /// The owner wants something else, from a session or without one.
    Request {
        session: Option<SessionId>,
        request: Box<Request>,
        reply: Option<ReplyTo>,
    },
    /// Another account, or somebody outside, tells something.
    Signal {
        signal: Signal,
        reply: Option<ReplyTo>,
    },
    /// No session confirmed this message, for the `tries`th time; it was handled before in every
    /// other respect.
    Returned {
        message: Arc<Message>,
        reply: Option<ReplyTo>,
        tries: u8,
    },
    /// These messages were on their way to the session when its connection broke: nobody knows whether they
    /// arrived.
    Missed {
        session: SessionId,
        messages: Vec<Arc<Message>>,
    },
    /// What became of a call to a device that sleeps.
    Roused {
        at: WakeAddress,
        outcome: WakeOutcome,
    },
    /// Somebody wants to follow something of the account until he says otherwise.
    Watch {
        watch: WatchId,
        spec: Box<WatchSpec>,
    },
    /// The owner wants to follow the presence of somebody of another domain until she says otherwise.
    Follow {
        watch: WatchId,
        of: Address,
    },
    /// Another domain cannot be reached any more, or can be again.
    Reach {
        domain: Address,
        reach: DomainReach,
    },
    /// The watch goes on until then.
    WatchRenewed {
        watch: WatchId,
        until: Timestamp,
    },
    Unwatch {
        watch: WatchId,
    },
    /// Messages read from the offline file for `session`, oldest first; `more` if some are left.
    OfflineRead {
        session: SessionId,
        messages: Vec<Arc<Message>>,
        more: bool,
    },
    /// So many messages were in the offline file when the `asked`th question was put.
    OfflineCounted {
        asked: u32,
        count: u32,
    },
    /// What was to be read; `None` where it could not be read.
    Fetched {
        purpose: Box<Purpose>,
        found: Option<Vec<Shelved>>,
    },
    /// A time has come that the account wanted to be woken at.
    Tick,
    /// A batch of offline messages is over: the session confirmed all up to and including
    /// `through`, or none.
    OfflineTaken {
        session: SessionId,
        through: Option<MessageId>,
    },
    /// The preferences were changed behind the account's back, by an administrator.
    Preferences(Box<Preferences>),
    /// The account was removed, its password changed, or something else that sessions rest on: these end.
    Evict {
        reason: super::CloseReason,
        which: Opened,
    },
}

/// Presence that is shown to one party only (RFC 6121 §4.6).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Direct {
    pub to: Party,
    pub presence: Arc<Presence>,
    /// The session asks to see that party in turn.
    pub wants: Option<Occasion>,
    /// The session's name for it.
    pub origin_id: Option<CompactString>,
}

/// Sessions by what opened them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Opened {
    Anyhow,
    /// With this device password.
    ByDevice(i64),
    /// By this program.
    ByClient(i64),
}

impl Input {
    /// What the owner asks, from a session or without one.
    pub(super) fn of_request(session: Option<SessionId>, request: Request, reply: Option<ReplyTo>) -> Self {
        match request {
            Request::Send(message) => Self::Send { session, message, reply },
            request => Self::Request { session, request: Box::new(request), reply },
        }
    }
}

/// Where the reply to a request goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReplyTo {
    /// To a session, as an event. Without `request` only failures are told.
    Session { account: Address, session: SessionId, request: Option<RequestId> },
    /// To whoever waits for this number in this process.
    Waiter(RequestId),
    /// To the account whose device was called at this address: only failures are told.
    Call(Box<(Address, WakeAddress)>),
    /// To the account that asked to see somebody: only failures are told.
    Question(Box<Question>),
}

/// A question to see somebody of another domain, on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Who asks.
    pub from: Address,
    /// Who is asked.
    pub to: Address,
    /// The asker's name for it.
    pub origin_id: Option<CompactString>,
}

impl ReplyTo {
    /// Whether anybody wants to hear that all went well.
    pub(super) fn wants_success(&self) -> bool {
        !matches!(self, Self::Session { request: None, .. } | Self::Call(_) | Self::Question(_))
    }
}

impl Question {
    /// What the asker is told where it came to nothing.
    pub(super) fn into_failure(self, why: Reject) -> Input {
        let Self { from: to, to: from, origin_id } = self;
        let failure = ContactFailure { from, to, why, native: Native::None, origin_id };
        Input::Signal { signal: Signal::ContactFailure(Arc::new(failure)), reply: None }
    }
}

/// One watcher's following of one account, unique while the process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WatchId(pub u64);
