//! Things of an account that are found by shelf and name, in an order of their own. What they are only the
//! account knows.

use bytes::Bytes;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::StoreError;

/// One thing on a shelf.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shelved {
    pub shelf: CompactString,
    pub name: CompactString,
    /// Its place in the order of the shelf.
    pub number: u64,
    /// Bytes of the content.
    pub length: u32,
    /// `None` where it is too large to be read together with the account ([`AT_HAND`]).
    pub content: Option<Bytes>,
}

impl Shelved {
    /// Something with its content.
    #[must_use]
    pub fn new(shelf: CompactString, name: CompactString, number: u64, content: Bytes) -> Self {
        let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
        Self { shelf, name, number, length, content: Some(content) }
    }
}

/// Which things of a shelf are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pick {
    /// These, as far as they are there.
    Named(Vec<CompactString>),
    /// The last so many.
    Last(usize),
}

/// Given the things that were asked for, in their order, all with their content. Under the same rules as
/// [`super::Done`].
pub type ShelfDone = Box<dyn FnOnce(Result<Vec<Shelved>, StoreError>) + Send>;

/// Longest content that an account has at hand once it is read, in bytes.
pub const AT_HAND: usize = 1024;
