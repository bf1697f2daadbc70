//! Text shapes that at least two doors need: XML read strictly, presence documents, lists of resources, and
//! the documents of the other event packages.
//!
//! # Invariants
//!
//! - Readers take text and limits, never a socket; any input gives a value or a typed error, in memory
//!   and time bounded by [`xml::Limits`].
//! - What is written is well-formed, and valid against the schemas of the RFC that is named, whatever
//!   text peers put into it.
//! - State is read from elements that mean it, never from words written for people.

mod changes;
pub mod dialoginfo;
pub mod hex;
pub mod message_summary;
pub mod percent;
pub mod pidf;
pub mod reginfo;
pub mod resource_lists;
pub mod rlmi;
pub mod rules;
pub mod watcherinfo;
pub mod xcap_diff;
pub mod xml;

/// Whether a document tells the whole state, or what changed since the document before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Extent {
    Full,
    Partial,
}

impl Extent {
    /// As the attribute `state` has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Partial => "partial",
        }
    }
}

/// Seconds from `from` to `to`; none where that is earlier.
fn seconds_between(from: crate::signal::Timestamp, to: crate::signal::Timestamp) -> u64 {
    u64::try_from(to.0.saturating_sub(from.0) / 1000).unwrap_or(0)
}
