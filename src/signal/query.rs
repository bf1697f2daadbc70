//! Structured questions between sessions, passed on unread.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::{Native, Party};

/// A question from one session to another, or its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Query {
    pub from: Party,
    pub to: Party,
    /// The asker's id; the answer carries the same.
    pub id: CompactString,
    pub kind: QueryKind,
    pub native: Native,
}

/// The four kinds of structured exchange (RFC 6120 §8.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum QueryKind {
    Ask,
    Change,
    Result,
    Error,
}

impl QueryKind {
    /// Whether the receiver owes an answer.
    #[must_use]
    pub fn is_question(self) -> bool {
        matches!(self, Self::Ask | Self::Change)
    }
}
