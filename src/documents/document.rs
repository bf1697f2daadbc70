//! A document as it is at one moment. What takes work to find in its bytes is found when it is first asked for
//! and kept with it, so that a document is read once, however often it is served, followed or changed.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use compact_str::{CompactString, format_compact};

use super::{
    contacts::{self, Told},
    icon,
    rules::{self, RulesError},
    tree::{Tree, TreeLimits},
};
use crate::{
    account::StoredDocument,
    signal::{Address, AvatarHash, DocumentEntry, Ruleset},
};

/// A document as it is at one moment. Cheap to clone.
#[derive(Clone)]
pub struct Document {
    pub entry: DocumentEntry,
    pub bytes: Bytes,
    found: Arc<Found>,
}

/// What was found in a document.
#[derive(Default)]
struct Found {
    /// `None` where it cannot be read.
    tree: OnceLock<Option<Arc<Tree>>>,
    people: OnceLock<Arc<Told>>,
    rules: OnceLock<Result<Ruleset, RulesError>>,
    picture: OnceLock<Option<AvatarHash>>,
}

impl Document {
    pub(super) fn new(entry: DocumentEntry, bytes: Bytes) -> Self {
        Self { entry, bytes, found: Arc::default() }
    }

    /// A document that was read already.
    pub(super) fn of_tree(entry: DocumentEntry, bytes: Bytes, tree: Arc<Tree>) -> Self {
        let document = Self::new(entry, bytes);
        let _ = document.found.tree.set(Some(tree));
        document
    }

    /// The same document under the entry that the account has for it.
    pub(super) fn known_as(&self, entry: DocumentEntry) -> Self {
        Self { entry, ..self.clone() }
    }

    /// The strong entity tag, in its quotes: another one after each change, the same after a restart.
    #[must_use]
    pub fn etag(&self) -> CompactString {
        etag(&self.entry)
    }

    /// The document as a tree; `None` where it cannot be read. The account said how large it may be.
    #[must_use]
    pub fn tree(&self) -> Option<&Arc<Tree>> {
        let read = || Tree::parse(&self.bytes, &limits()).ok().map(Arc::new);
        self.found.tree.get_or_init(read).as_ref()
    }

    /// What it tells of people. Its owner is always the same.
    pub(super) fn people(&self, owner: &Address) -> &Told {
        self.found.people.get_or_init(|| {
            let mut told = Told::default();
            if let Some(tree) = self.tree() {
                contacts::read(tree, owner, &mut told);
                rules::read(tree, owner, &mut told);
            }
            Arc::new(told)
        })
    }

    /// It as rules, the lists that they name without members.
    pub(super) fn rules(&self) -> &Result<Ruleset, RulesError> {
        self.found.rules.get_or_init(|| rules::parse(&self.bytes))
    }

    /// The picture that it shows.
    pub(super) fn picture(&self) -> Option<AvatarHash> {
        let read = || icon::picture(&self.bytes).as_deref().map(AvatarHash::of);
        *self.found.picture.get_or_init(read)
    }

    /// Whether both have the same bytes.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.found, &other.found) || self.bytes == other.bytes
    }

    /// What it costs to keep, about, in bytes.
    pub(super) fn size(&self) -> usize {
        let tree = self.found.tree.get().and_then(Option::as_ref);
        self.bytes.len() + tree.map_or(0, |tree| tree.size())
    }
}

impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        self.entry == other.entry && self.is_like(other)
    }
}

impl Eq for Document {}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("entry", &self.entry).field("bytes", &self.bytes).finish()
    }
}

impl From<StoredDocument> for Document {
    fn from(stored: StoredDocument) -> Self {
        Self::new(stored.entry, stored.bytes)
    }
}

/// The tag of a document that is known so.
fn etag(entry: &DocumentEntry) -> CompactString {
    format_compact!("\"{}\"", tag_of(entry))
}

/// The entity tag of a document, without quotes.
#[must_use]
pub fn tag_of(entry: &DocumentEntry) -> CompactString {
    format_compact!("{:x}-{:016x}", entry.version, entry.hash)
}

/// The account says how large documents may be, not the reader.
pub(super) fn limits() -> TreeLimits {
    TreeLimits { bytes: 16 << 20, ..TreeLimits::default() }
}
