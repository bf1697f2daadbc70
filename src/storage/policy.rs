//! What the owner's policy and her automated rules remember.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use crate::signal::{Address, RuleScope, SignalKind, Timestamp};

use super::AcceptedSenders;

/// Something of a kind that was refused from one sender for one reason, as often as it happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    pub from: Address,
    pub kind: SignalKind,
    pub reason: RefusalReason,
    /// When it happened last.
    pub at: Timestamp,
    /// How often it happened; at least 1.
    pub count: u32,
}

/// What refused it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum RefusalReason {
    /// The owner blocked the sender.
    Blocked,
    /// A rule of the owner on who may write.
    MessageRule { id: String },
    /// The owner's preference for senders who are no contacts.
    AcceptedSenders { choice: AcceptedSenders },
    /// An automated rule.
    Rule { scope: RuleScope, id: String },
}

/// How many refusals are kept per account; the oldest go first.
pub const REFUSALS: usize = 200;

/// An automatic answer that somebody got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentReply {
    /// The rule, with whose it is.
    pub rule: CompactString,
    pub to: Address,
    /// He gets it again no sooner.
    pub until: Timestamp,
}

/// How many automatic answers are remembered per account.
pub const SENT_REPLIES: usize = 1000;

/// How many messages of an account keep their labels; those of the oldest go first.
pub const MARKED: usize = 10_000;
