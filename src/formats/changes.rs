//! What a reader of numbered documents has to be told: the difference between the state that he knows and the
//! state that is.

use std::hash::Hash;

use rustc_hash::{FxHashMap, FxHashSet};

/// What is new or other in `now` than in `before`, in its order, and then what `ended` makes of everything that
/// is not there any more, unless that has been told. Each thing has a `key` of its own.
pub(super) fn changes<'a, T: Clone, K: Eq + Hash>(
    before: &'a [T],
    now: &'a [T],
    key: impl Fn(&'a T) -> K,
    is_same: impl Fn(&T, &T) -> bool,
    ended: impl Fn(&T) -> Option<T>,
) -> Vec<T> {
    let known: FxHashMap<K, &T> = before.iter().map(|told| (key(told), told)).collect();
    let is_told = |thing: &&'a T| known.get(&key(thing)).is_some_and(|told| is_same(told, thing));
    let mut changed: Vec<T> = now.iter().filter(|thing| !is_told(thing)).cloned().collect();
    let there: FxHashSet<K> = now.iter().map(&key).collect();
    changed.extend(before.iter().filter(|told| !there.contains(&key(told))).filter_map(ended));
    changed
}
