//! Calls, as far as an account decides about them. Media and its negotiation stay with the doors.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::Party;

/// Names one call within its door, unique while the process runs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CallId(pub CompactString);

/// Somebody calls an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallOffer {
    pub id: CallId,
    pub from: Party,
    pub to: Party,
}
