//! A map that many threads use at once: sharded, each shard under a lock that is never held longer
//! than one look-up.

use std::{
    hash::{BuildHasher, Hash},
    sync::{PoisonError, RwLock},
};

use rustc_hash::{FxBuildHasher, FxHashMap};

/// A sharded map of cheaply cloned values.
pub(super) struct Registry<K, V> {
    shards: [RwLock<FxHashMap<K, V>>; SHARDS],
}

impl<K, V> Default for Registry<K, V> {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| RwLock::default()) }
    }
}

impl<K: Hash + Eq, V> Registry<K, V> {
    fn shard(&self, key: &K) -> &RwLock<FxHashMap<K, V>> {
        // The upper bits: the map inside uses the lower ones.
        let index = (FxBuildHasher.hash_one(key) >> 32) as usize % SHARDS;
        &self.shards[index]
    }

    pub(super) fn insert(&self, key: K, value: V) {
        self.shard(&key).write().unwrap_or_else(PoisonError::into_inner).insert(key, value);
    }

    pub(super) fn remove(&self, key: &K) -> Option<V> {
        let mut shard = self.shard(key).write().unwrap_or_else(PoisonError::into_inner);
        let removed = shard.remove(key);
        trim(&mut shard);
        removed
    }

    /// The value of `key`, made by `make` where there is none. Tells whether it was made.
    pub(super) fn find_or_insert(&self, key: &K, make: impl FnOnce() -> V) -> (V, bool)
    where
        K: Clone,
        V: Clone,
    {
        if let Some(value) = self.find(key) {
            return (value, false);
        }
        let mut shard = self.shard(key).write().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = shard.get(key) {
            return (value.clone(), false);
        }
        let value = make();
        shard.insert(key.clone(), value.clone());
        (value, true)
    }

    pub(super) fn find(&self, key: &K) -> Option<V>
    where
        V: Clone,
    {
        self.shard(key).read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// Removes `key` only while `keep` says no of its value.
    pub(super) fn remove_unless(&self, key: &K, keep: impl FnOnce(&V) -> bool) {
        let mut shard = self.shard(key).write().unwrap_or_else(PoisonError::into_inner);
        if shard.get(key).is_some_and(|value| !keep(value)) {
            shard.remove(key);
            trim(&mut shard);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    /// A copy of the values of one of the [`SHARDS`], for walks that let others work in between.
    pub(super) fn values_of(&self, shard: usize) -> Vec<V>
    where
        V: Clone,
    {
        let all = |shard: &RwLock<FxHashMap<K, V>>| {
            shard.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
        };
        self.shards.get(shard).map(all).unwrap_or_default()
    }

    /// A copy of all values, for rare walks over everything.
    pub(super) fn values(&self) -> Vec<V>
    where
        V: Clone,
    {
        (0..SHARDS).flat_map(|shard| self.values_of(shard)).collect()
    }
}

/// Gives room back once most of it is empty: a crowd that came once is not paid for ever after. The
/// next trim is so far off that each removal pays a constant share of it.
fn trim<K: Hash + Eq, V>(shard: &mut FxHashMap<K, V>) {
    if shard.capacity() > SMALL && shard.len() < shard.capacity() / 8 {
        shard.shrink_to(shard.len() * 2);
    }
}

/// Entries for which a shard always has room.
const SMALL: usize = 64;
/// How many parts the map has.
pub(super) const SHARDS: usize = 16;
