//! Why something was refused, in words that every door can say in its own way.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

/// A refusal. The only error type that crosses rooms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{reason:?}{}", .text.as_ref().map(|t| format!(": {t}")).unwrap_or_default())]
pub struct Reject {
    pub reason: Reason,
    /// Words for people, in English.
    pub text: Option<CompactString>,
    /// Seconds after which another try makes sense.
    pub retry_after: Option<u32>,
}

impl Reject {
    /// A refusal with words for people.
    #[must_use]
    pub fn with_text(reason: Reason, text: &str) -> Self {
        Self { reason, text: Some(text.into()), retry_after: None }
    }
}

impl From<Reason> for Reject {
    fn from(reason: Reason) -> Self {
        Self { reason, text: None, retry_after: None }
    }
}

/// The kinds of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Reason {
    /// The request makes no sense as it stands.
    Malformed,
    /// The sender must authenticate first.
    NotAuthenticated,
    /// The receiver or the server does not want this from this sender.
    Forbidden,
    /// There is no such account, contact or item.
    NotFound,
    /// The account is there, but nobody who could take it ("no address found").
    NoSession,
    /// The receiver is there and cannot take this.
    NotAcceptable,
    /// No receiver takes this kind of content.
    UnsupportedMedia,
    /// It breaks a size limit.
    TooLarge,
    /// It breaks a rule of this server.
    PolicyViolation,
    /// The sender is too fast, or the server too busy: later is fine.
    Overloaded,
    /// The receiver took too long.
    Timeout,
    /// The other domain cannot be found or reached from here.
    RemoteNotFound,
    /// The other domain was reached but took too long.
    RemoteTimeout,
    /// The receiver was here once.
    Gone,
    /// It collides with something that exists.
    Conflict,
    /// The server does not know how to do this.
    Unsupported,
    /// It came at a moment when it cannot be done.
    Unexpected,
    /// The receiver is busy.
    Busy,
    /// The receiver, a person, said no.
    Declined,
    /// Something broke on our side.
    Internal,
    /// The sender has blocked the receiver.
    Blocked,
}
