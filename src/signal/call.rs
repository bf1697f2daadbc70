//! Calls, as far as an account decides about them. Media and its negotiation stay with the doors.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::{Address, Party, Stage};

/// Names one call within its door, unique while the process runs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CallId(pub CompactString);

/// Somebody calls an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallOffer {
    pub id: CallId,
    pub from: Party,
    pub to: Party,
    /// How far the call is; [`Stage::AtOnce`] when it comes.
    pub stage: Stage,
    /// The accounts that passed it on, the first one first.
    pub via: Vec<Address>,
}

impl CallOffer {
    /// A call that comes now, from the caller himself.
    #[must_use]
    pub fn new(id: CallId, from: Party, to: Party) -> Self {
        Self { id, from, to, stage: Stage::AtOnce, via: Vec::new() }
    }
}
