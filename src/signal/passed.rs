//! What automated rules send: messages passed on or written by nobody, and what programs are told.

use std::sync::Arc;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::{Address, Message, MessageId, RuleScope, SignalKind, Stage, Timestamp, Webhook};

/// A message that does not come straight from its sender.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Passed {
    pub message: Arc<Message>,
    /// The accounts that passed it on, the first one first.
    pub via: Vec<Address>,
    /// Nobody wrote it: it must not be answered automatically.
    pub is_automatic: bool,
}

/// Something that a program on the web is to be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookCall {
    pub hook: Webhook,
    /// Whose signal it is about.
    pub account: Address,
    pub scope: RuleScope,
    /// The id of the rule.
    pub rule: CompactString,
    pub kind: SignalKind,
    pub stage: Stage,
    pub from: Address,
    pub message: Option<MessageId>,
    /// Where the rule wants it to go along.
    pub text: Option<CompactString>,
    pub at: Timestamp,
}
