//! Instant messages: a neutral form that every protocol can show, beside the native form that
//! keeps a message lossless between two sessions of one protocol.

use bytes::Bytes;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::{MessageId, Party, Reject, Timestamp};

/// One instant message or message-like note (typing, receipt), on its way or stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// The server's id, given when the message was taken.
    pub id: MessageId,
    pub from: Party,
    pub to: Party,
    pub kind: MessageKind,
    /// When this server took the message, or the time its sender's server claims for it.
    pub sent: Timestamp,
    /// The id that the sender's client gave it; receipts name it.
    pub origin_id: Option<CompactString>,
    pub content: Content,
    pub native: Native,
    pub keep: Keep,
}

/// How a message means to be handled (RFC 6121 §5.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MessageKind {
    /// Part of a conversation.
    Chat,
    /// A single message.
    Normal,
    /// An alert that expects no answer and is never stored.
    Headline,
    /// Part of a room's conversation.
    Group,
    /// Tells the sender of an earlier message that it could not be handled.
    Error,
}

/// What a message says, as far as every protocol has a word for it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Content {
    /// The text, once per language; the first is the default.
    pub bodies: SmallVec<[Text; 1]>,
    pub subjects: SmallVec<[Text; 1]>,
    /// The conversation this belongs to.
    pub thread: Option<CompactString>,
    /// The sender began or stopped writing.
    pub typing: Option<Typing>,
    /// This tells of an earlier message's fate.
    pub receipt: Option<Receipt>,
    /// The sender wants to be told when the message reached a device.
    pub wants_delivered: bool,
    /// The sender wants to be told when the message was seen.
    pub wants_displayed: bool,
    /// Why the earlier message could not be handled; with [`MessageKind::Error`] only.
    pub error: Option<Reject>,
}

/// A text with its language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// BCP 47 tag; `None` where unknown.
    pub lang: Option<CompactString>,
    pub text: CompactString,
}

impl Text {
    /// A text of unknown language.
    #[must_use]
    pub fn plain(text: &str) -> Self {
        Self { lang: None, text: text.into() }
    }
}

/// What the sender's hands do (XEP-0085, RFC 3994).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Typing {
    /// Looks at the conversation, does not write.
    Active,
    Composing,
    Paused,
    Inactive,
    /// Left the conversation.
    Gone,
}

/// Tells the fate of the message whose [`Message::origin_id`] is `of`; where that has none, its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    pub kind: ReceiptKind,
    pub of: CompactString,
}

/// How far a message got (XEP-0184, XEP-0333, RFC 5438), or that its author takes it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReceiptKind {
    Delivered,
    Displayed,
    /// From its author: what it said is to be shown no more (XEP-0424).
    Retracted,
}

/// The form in which something came, opaque to everybody but a door that speaks it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Native {
    /// There is none: the neutral form is all there is.
    #[default]
    None,
    /// The child elements as they came: self-contained XML text in the default namespace
    /// `jabber:client`.
    Elements {
        payload: Bytes,
        /// The language given on the enclosing element.
        lang: Option<CompactString>,
    },
    /// A body with its media type and the end-to-end headers that belong to it.
    Mime { content_type: CompactString, headers: Vec<(CompactString, CompactString)>, body: Bytes },
    /// Nothing is left of it: its author took it back.
    Retracted {
        /// The id that the author's client gave the message that says so.
        by: CompactString,
        at: Timestamp,
    },
}

/// Where copies of a message may go beside the sessions it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keep {
    /// Into the archives of both sides.
    pub archive: bool,
    /// Into the offline file when nobody is there.
    pub offline: bool,
    /// To other sessions of the same account.
    pub carbons: bool,
}

impl Keep {
    /// A message that matters: everywhere.
    pub const ALL: Self = Self { archive: true, offline: true, carbons: true };
    /// A passing note such as typing: copied to other sessions, never stored.
    pub const PASSING: Self = Self { archive: false, offline: false, carbons: true };
    /// Only the receiving session.
    pub const NONE: Self = Self { archive: false, offline: false, carbons: false };
}

impl Message {
    /// By which id others speak of it.
    #[must_use]
    pub fn name(&self) -> CompactString {
        self.origin_id.clone().unwrap_or_else(|| self.id.to_string().into())
    }

    /// The name of the earlier message that its author takes back by this one.
    #[must_use]
    pub fn retracts(&self) -> Option<&CompactString> {
        let receipt = self.content.receipt.as_ref().filter(|receipt| receipt.kind == ReceiptKind::Retracted);
        receipt.map(|receipt| &receipt.of)
    }
}

impl Content {
    /// The text in the default language; `None` where the message has no body.
    #[must_use]
    pub fn body(&self) -> Option<&str> {
        self.bodies.first().map(|body| body.text.as_str())
    }
}
