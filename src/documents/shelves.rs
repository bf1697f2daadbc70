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
    /// What one of them is about to become, so that it need not be read from the store when the account says so.
    pub(super) draft: Option<Document>,
    /// They say what the account does. Where they cannot be brought to it, nobody tries without need.
    pub(super) is_settled: bool,
}

impl Shelf {
    /// As it is now; grows when more is found in the documents.
    fn size(&self) -> usize {
        let documents = self.documents.values().chain(&self.draft).map(|document| document.size() + ENTRY);
        documents.sum::<usize>() + self.facts.contacts.len() * CONTACT + ENTRY
    }
}

/// The shelves that were used lately.
#[derive(Debug, Default)]
pub(super) struct Shelves(Mutex<Recent>);

#[derive(Debug, Default)]
struct Recent {
    shelves: HashMap<Address, Place>,
    bytes: usize,
    /// Counts uses.
    clock: u64,
}

#[derive(Debug)]
struct Place {
    shelf: Arc<Shelf>,
    used: u64,
    /// What it was counted as when it came.
    bytes: usize,
}

impl Shelves {
    /// The documents of an account as they were when they were used last.
    pub(super) fn find(&self, account: &Address) -> Option<Arc<Shelf>> {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        recent.clock += 1;
        let clock = recent.clock;
        let place = recent.shelves.get_mut(account)?;
        place.used = clock;
        Some(Arc::clone(&place.shelf))
    }

    pub(super) fn put(&self, account: &Address, shelf: &Arc<Shelf>) {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        recent.clock += 1;
        let place = Place { shelf: Arc::clone(shelf), used: recent.clock, bytes: shelf.size() };
        recent.bytes += place.bytes;
        if let Some(older) = recent.shelves.insert(account.clone(), place) {
            recent.bytes -= older.bytes;
        }
        if recent.bytes > BYTES {
            recent.forget();
        }
    }

    /// Notes what a document of a shelf is about to become.
    pub(super) fn put_draft(&self, account: &Address, shelf: &Shelf, draft: Document) {
        let Shelf { facts, documents, is_settled, .. } = shelf;
        let (facts, documents) = (Arc::clone(facts), documents.clone());
        self.put(account, &Arc::new(Shelf { facts, documents, draft: Some(draft), is_settled: *is_settled }));
    }
}

impl Recent {
    /// Forgets a good part at once, so that it is seldom looked for.
    fn forget(&mut self) {
        let mut uses: Vec<(u64, Address)> =
            self.shelves.iter().map(|(account, place)| (place.used, account.clone())).collect();
        uses.sort_unstable();
        for (_, account) in uses {
            if self.bytes <= BYTES / 4 * 3 {
                return;
            }
            if let Some(place) = self.shelves.remove(&account) {
                self.bytes -= place.bytes;
            }
        }
    }
}

/// Most bytes that are kept.
const BYTES: usize = 64 << 20;
/// What a document and a contact cost besides their bytes, about.
const ENTRY: usize = 200;
const CONTACT: usize = 200;
