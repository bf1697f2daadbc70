//! Documents that were used lately, so that they need not be read again: all of an account at one revision.
//!
//! Bounded by the bytes of the documents; what was used longest ago goes first.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use super::Document;
use crate::{
    account::Facts,
    signal::{Address, DocumentId},
};

/// All documents of an account, and all that they tell, at one revision.
#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) facts: Arc<Facts>,
    pub(super) documents: BTreeMap<DocumentId, Document>,
    /// They say what the account does. Where they cannot be brought to it, nobody tries without need.
    pub(super) is_settled: bool,
}

impl Shelf {
    fn size(&self) -> usize {
        let documents = self.documents.values().map(|document| document.bytes.len() + ENTRY);
        documents.sum::<usize>() + self.facts.contacts.len() * CONTACT + ENTRY
    }
}

/// The shelves that were used lately.
#[derive(Debug, Default)]
pub(super) struct Shelves(Mutex<Recent>);

#[derive(Debug, Default)]
struct Recent {
    shelves: HashMap<Address, (Arc<Shelf>, u64)>,
    bytes: usize,
    /// Counts uses.
    clock: u64,
}

impl Shelves {
    /// The documents of an account as they were when they were used last.
    pub(super) fn find(&self, account: &Address) -> Option<Arc<Shelf>> {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        recent.clock += 1;
        let clock = recent.clock;
        let (shelf, used) = recent.shelves.get_mut(account)?;
        *used = clock;
        Some(Arc::clone(shelf))
    }

    pub(super) fn put(&self, account: &Address, shelf: &Arc<Shelf>) {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        recent.clock += 1;
        let clock = recent.clock;
        recent.bytes += shelf.size();
        if let Some((older, _)) = recent.shelves.insert(account.clone(), (Arc::clone(shelf), clock)) {
            recent.bytes -= older.size();
        }
        if recent.bytes > BYTES {
            recent.forget();
        }
    }
}

impl Recent {
    /// Forgets a good part at once, so that it is seldom looked for.
    fn forget(&mut self) {
        let mut uses: Vec<(u64, Address)> =
            self.shelves.iter().map(|(account, (_, used))| (*used, account.clone())).collect();
        uses.sort_unstable();
        for (_, account) in uses {
            if self.bytes <= BYTES / 4 * 3 {
                return;
            }
            if let Some((shelf, _)) = self.shelves.remove(&account) {
                self.bytes -= shelf.size();
            }
        }
    }
}

/// Most bytes that are kept.
const BYTES: usize = 32 << 20;
/// What a document and a contact cost besides their bytes, about.
const ENTRY: usize = 200;
const CONTACT: usize = 200;
