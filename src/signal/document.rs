//! Documents that an account keeps for its clients: where one is, and what is known of it without its bytes.

use std::fmt;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::Timestamp;

/// Where a document of an account is: the application that it is for, and its path within that
/// (RFC 4825 §6.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DocumentId {
    pub application: CompactString,
    /// Without escapes; may have several segments.
    pub name: CompactString,
}

impl DocumentId {
    #[must_use]
    pub fn new(application: &str, name: &str) -> Self {
        Self { application: application.into(), name: name.into() }
    }

    /// The document `index` of an application of which an account has one only.
    #[must_use]
    pub const fn of(application: &'static str) -> Self {
        Self { application: CompactString::const_new(application), name: CompactString::const_new("index") }
    }
}

impl fmt::Display for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.application, self.name)
    }
}

/// What is known of a document without its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentEntry {
    pub id: DocumentId,
    /// Of all documents of the account the latest has the greatest; never given twice.
    pub version: u64,
    /// Of the bytes.
    pub hash: u64,
    pub changed: Timestamp,
    /// In bytes.
    pub size: u64,
}
