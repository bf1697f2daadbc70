//! What others make the server remember: bounded in bytes, and shared out. Where there is no room, whoever brought
//! most gives up what he brought first, so that nobody pushes out what everybody else brought.

use std::{
    borrow::Borrow,
    collections::{BTreeMap, BTreeSet},
    hash::Hash,
};

use compact_str::CompactString;
use rustc_hash::FxHashMap;

/// Values by their keys, each with who brought it.
#[derive(Debug)]
pub(super) struct Shares<K, V> {
    entries: FxHashMap<K, Entry<V>>,
    /// In order, as they choose their names themselves.
    owners: BTreeMap<CompactString, Owner<K>>,
    /// The owners, by how many bytes they hold.
    by_bytes: BTreeSet<(usize, CompactString)>,
    bytes: usize,
    most: usize,
    last: u64,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    owner: CompactString,
    age: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Owner<K> {
    bytes: usize,
    /// What he brought, oldest first.
    keys: BTreeMap<u64, K>,
}

impl<K: Hash + Eq + Clone, V> Shares<K, V> {
    /// Room for so many bytes.
    pub(super) fn new(most: usize) -> Self {
        let (owners, by_bytes) = (BTreeMap::new(), BTreeSet::new());
        Self { entries: FxHashMap::default(), owners, by_bytes, bytes: 0, most, last: 0 }
    }

    pub(super) fn find<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.entries.get(key).map(|entry| &entry.value)
    }

    /// Keeps a value, `bytes` long, as the newest that `owner` brought.
    pub(super) fn insert(&mut self, key: K, owner: &str, value: V, bytes: usize) {
        self.remove(&key);
        self.last += 1;
        let (age, bytes, owner) = (self.last, bytes + ENTRY, CompactString::from(owner));
        self.bytes += bytes;
        let brought = key.clone();
        self.change_owner(owner.clone(), |owner| {
            owner.bytes += bytes;
            owner.keys.insert(age, brought);
        });
        self.entries.insert(key, Entry { value, owner, age, bytes });
        while self.bytes > self.most && self.remove_one() {}
    }

    pub(super) fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let Entry { value, owner, age, bytes } = self.entries.remove(key)?;
        self.bytes = self.bytes.saturating_sub(bytes);
        self.change_owner(owner, |owner| {
            owner.bytes = owner.bytes.saturating_sub(bytes);
            owner.keys.remove(&age);
        });
        Some(value)
    }

    /// Removes the oldest of whoever holds most.
    fn remove_one(&mut self) -> bool {
        let owner = self.by_bytes.last().and_then(|(_, owner)| self.owners.get(owner));
        let key = owner.and_then(|owner| owner.keys.values().next().cloned());
        key.is_some_and(|key| self.remove(&key).is_some())
    }

    fn change_owner(&mut self, name: CompactString, change: impl FnOnce(&mut Owner<K>)) {
        let mut owner =
            self.owners.remove(&name).unwrap_or_else(|| Owner { bytes: 0, keys: BTreeMap::new() });
        self.by_bytes.remove(&(owner.bytes, name.clone()));
        change(&mut owner);
        if !owner.keys.is_empty() {
            self.by_bytes.insert((owner.bytes, name.clone()));
            self.owners.insert(name, owner);
        }
    }
}

/// What an entry takes beside its value, about.
const ENTRY: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_brings_most_gives_up_what_he_brought_first() {
        let mut shares: Shares<u32, u32> = Shares::new(10 * (ENTRY + 100));
        shares.insert(1, "small", 1, 100);
        for key in 100..200 {
            shares.insert(key, "large", key, 100);
        }
        assert_eq!((shares.find(&1), shares.find(&190), shares.find(&191)), (Some(&1), None, Some(&191)));
        // What is kept anew is the newest, and counts once.
        shares.insert(191, "large", 0, 100);
        shares.insert(200, "large", 0, 100);
        assert_eq!((shares.find(&191), shares.find(&192), shares.find(&193)), (Some(&0), None, Some(&193)));
        // Nothing is left of what was removed.
        for key in (100..=200).chain([1]) {
            shares.remove(&key);
        }
        assert_eq!((shares.bytes, shares.owners.len(), shares.by_bytes.len()), (0, 0, 0));
        shares.insert(2, "small", 2, 100_000);
        assert_eq!((shares.find(&2), shares.bytes), (None, 0));
    }
}
