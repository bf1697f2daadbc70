//! What was read lately, so that who comes again touches no database. Bounded: two generations, of which the
//! older is dropped when the younger is full. What changes is forgotten at once, and what was read before that
//! is not kept after it.

use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::Hash,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// Values that were in use lately, by their keys.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    generations: Mutex<Generations<K, V>>,
    /// Grows whenever something is forgotten.
    epoch: AtomicU64,
    most: usize,
}

#[derive(Debug)]
struct Generations<K, V> {
    young: HashMap<K, Arc<V>>,
    old: HashMap<K, Arc<V>>,
}

impl<K: Eq + Hash, V> Recent<K, V> {
    /// Room for up to `most` values.
    pub(super) fn new(most: usize) -> Self {
        let generations = Generations { young: HashMap::new(), old: HashMap::new() };
        Self { generations: Mutex::new(generations), epoch: AtomicU64::new(0), most: most.div_ceil(2) }
    }

    pub(super) fn find<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<Arc<V>>
    where
        K: Borrow<Q>,
    {
        let mut generations = self.lock();
        if let Some(value) = generations.young.get(key) {
            return Some(Arc::clone(value));
        }
        let (key, value) = generations.old.remove_entry(key)?;
        self.insert(&mut generations, key, Arc::clone(&value));
        Some(value)
    }

    /// To be asked before reading what [`Recent::keep`] is given.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Keeps what was read, unless something was forgotten since `epoch`.
    pub(super) fn keep(&self, key: K, value: V, epoch: u64) -> Arc<V> {
        let value = Arc::new(value);
        let mut generations = self.lock();
        if self.epoch.load(Ordering::Acquire) == epoch {
            self.insert(&mut generations, key, Arc::clone(&value));
        }
        value
    }

    /// Puts another value in the place of what is in use under the key, if something is.
    pub(super) fn update(&self, key: &K, change: impl FnOnce(&V) -> V) {
        if let Some(value) = self.lock().young.get_mut(key) {
            *value = Arc::new(change(value));
        }
    }

    /// Forgets what changed.
    pub(super) fn forget(&self, key: &K) {
        let mut generations = self.lock();
        self.epoch.fetch_add(1, Ordering::AcqRel);
        generations.young.remove(key);
        generations.old.remove(key);
    }

    /// Forgets all of which this is true.
    pub(super) fn forget_if(&self, is_changed: impl Fn(&V) -> bool) {
        let mut generations = self.lock();
        self.epoch.fetch_add(1, Ordering::AcqRel);
        generations.young.retain(|_, value| !is_changed(value));
        generations.old.retain(|_, value| !is_changed(value));
    }

    fn insert(&self, generations: &mut Generations<K, V>, key: K, value: Arc<V>) {
        if generations.young.len() >= self.most {
            generations.old = std::mem::take(&mut generations.young);
        }
        generations.young.insert(key, value);
    }

    /// Whole after every statement, so a panic elsewhere cannot have broken it.
    fn lock(&self) -> MutexGuard<'_, Generations<K, V>> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_use_stays_and_others_go() {
        let recent = Recent::new(4);
        for number in 0..20 {
            recent.keep(number, "value", recent.epoch());
            assert!(recent.find(&0).is_some(), "{number}");
            let kept = recent.lock();
            assert!(kept.young.len() + kept.old.len() <= 4);
        }
        assert!(recent.find(&1).is_none());
    }

    #[test]
    fn what_was_read_before_a_change_is_not_kept() {
        let recent = Recent::new(4);
        let epoch = recent.epoch();
        recent.keep(1, "one", epoch);
        recent.keep(2, "two", epoch);
        recent.forget_if(|value| *value == "one");
        assert!(recent.find(&1).is_none() && recent.find(&2).is_some());
        assert_eq!(*recent.keep(1, "one", epoch), "one");
        assert!(recent.find(&1).is_none());
        recent.forget(&2);
        assert!(recent.find(&2).is_none());
        recent.keep(2, "two", recent.epoch());
        assert!(recent.find(&2).is_some());
    }

    #[test]
    fn what_is_in_use_is_updated() {
        let recent = Recent::new(4);
        recent.keep(1, 10, recent.epoch());
        recent.update(&1, |value| value + 1);
        recent.update(&2, |value| value + 1);
        assert_eq!((recent.find(&1).as_deref(), recent.find(&2)), (Some(&11), None));
    }
}
