//! Small durable values by key, for those who must find them again after a restart and whose
//! meaning nobody here knows.
//!
//! A change waits in the memory of its room until the writer takes all that wait there, in one go:
//! of a key that is changed again meanwhile only the last value is written. A key's changes thus
//! reach the disk in their order. What could not be written waits for the next change's turn.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;

use super::{Done, Store, StoreError, sqlite::Database};

/// The small values of one room. Cheap to clone.
#[derive(Clone)]
pub struct Memory {
    store: Store,
    room: Arc<Room>,
}

impl Memory {
    pub(super) fn new(store: Store, room: Arc<Room>) -> Self {
        Self { store, room }
    }

    /// Remembers `value` by `key`, or forgets the key where there is none. Never blocks. Changes of
    /// a key are written in the order of these calls; of those that wait, only the last one is. A
    /// key has at most 4096 bytes, a value with it 1 MiB.
    ///
    /// At most 64 MiB of a room wait to be written. Where there are more, or the store's queue is
    /// full, nothing changes and `done` is told at once, on the caller's thread.
    ///
    /// # Errors
    /// [`StoreError::Overloaded`], [`StoreError::TooLarge`] or [`StoreError::Closed`]; the same that
    /// `done` is told.
    pub fn change(&self, key: Bytes, value: Option<Bytes>, done: Option<Done>) -> Result<(), StoreError> {
        let call = || self.store.call_to(&self.room);
        self.room.change(key, value, done, call).map_err(|(error, done)| {
            if let Some(done) = done {
                done(Err(error.clone()));
            }
            error
        })
    }

    /// All that is durable, in the order of the keys. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn all(&self) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        self.store.read(|database| database.memory(self.room.name))
    }
}

/// What of one room waits for the writer.
pub(super) struct Room {
    name: &'static str,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    batch: Batch,
    /// Bytes of keys and values in the batch, and what each entry costs besides.
    bytes: usize,
    /// The writer was told to come.
    is_queued: bool,
    /// Changes so far.
    count: u64,
}

/// Changes that are written together.
#[derive(Default)]
pub(super) struct Batch {
    changes: HashMap<Bytes, Change>,
    /// Who waits until they are durable.
    told: Vec<Done>,
}

/// The last change of a key.
struct Change {
    /// Later ones have greater numbers.
    number: u64,
    /// `None` where the key goes.
    value: Option<Bytes>,
}

impl Room {
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, waiting: Mutex::default() }
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Takes a change; `call` has the writer come where it was not told to yet.
    fn change(
        &self,
        key: Bytes,
        value: Option<Bytes>,
        done: Option<Done>,
        call: impl FnOnce() -> Result<(), StoreError>,
    ) -> Result<(), (StoreError, Option<Done>)> {
        let size = entry_bytes(&key, value.as_ref());
        let mut waiting = self.waiting();
        if key.len() > KEY_BYTES || size > ENTRY_BYTES {
            return Err((StoreError::TooLarge, done));
        }
        if waiting.bytes + size > WAITING_BYTES {
            return Err((StoreError::Overloaded, done));
        }
        if !waiting.is_queued {
            // The writer does not come in before this returns: it needs the lock.
            if let Err(error) = call() {
                return Err((error, done));
            }
            waiting.is_queued = true;
        }
        waiting.count += 1;
        let number = waiting.count;
        waiting.put(key, Change { number, value });
        waiting.batch.told.extend(done);
        Ok(())
    }

    /// Gives the writer all that waits.
    pub(super) fn take(&self) -> Batch {
        let mut waiting = self.waiting();
        waiting.is_queued = false;
        waiting.bytes = 0;
        std::mem::take(&mut waiting.batch)
    }

    /// The batch is durable, or is not and waits again, behind what came meanwhile.
    pub(super) fn finish(&self, batch: Batch, outcome: &Result<(), StoreError>) {
        let Batch { changes, told } = batch;
        if outcome.is_err() {
            let mut waiting = self.waiting();
            for (key, change) in changes {
                let is_older = |newer: &Change| newer.number > change.number;
                if !waiting.batch.changes.get(&key).is_some_and(is_older) {
                    waiting.put(key, change);
                }
            }
        }
        for done in told {
            done(outcome.clone());
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn put(&mut self, key: Bytes, change: Change) {
        self.bytes += entry_bytes(&key, change.value.as_ref());
        match self.batch.changes.entry(key) {
            Entry::Occupied(mut entry) => {
                self.bytes -= entry_bytes(entry.key(), entry.get().value.as_ref());
                entry.insert(change);
            }
            Entry::Vacant(entry) => {
                entry.insert(change);
            }
        }
    }
}

impl Batch {
    /// Writes all of it within the group.
    pub(super) fn write(&self, room: &str, database: &Database) -> Result<(), StoreError> {
        self.changes.iter().try_for_each(|(key, change)| match &change.value {
            Some(value) => database.put_memory(room, key, value),
            None => database.remove_memory(room, key),
        })
    }
}

/// The rooms that were asked for, each once.
#[derive(Default)]
pub(super) struct Rooms(Mutex<Vec<Arc<Room>>>);

impl Rooms {
    pub(super) fn find(&self, name: &'static str) -> Arc<Room> {
        let mut rooms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(room) = rooms.iter().find(|room| room.name == name) {
            return Arc::clone(room);
        }
        let room = Arc::new(Room::new(name));
        rooms.push(Arc::clone(&room));
        room
    }
}

fn entry_bytes(key: &Bytes, value: Option<&Bytes>) -> usize {
    key.len() + value.map_or(0, Bytes::len) + ENTRY_COST
}

/// Longest key.
const KEY_BYTES: usize = 4096;
/// Largest value with its key.
const ENTRY_BYTES: usize = 1 << 20;
/// What an entry costs besides its bytes, roughly.
const ENTRY_COST: usize = 128;
/// Most that waits for the writer in one room.
const WAITING_BYTES: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn put(room: &Room, key: &'static [u8], value: &'static [u8]) {
        let value = Some(Bytes::from_static(value));
        room.change(Bytes::from_static(key), value, None, || Ok(())).ok().unwrap();
    }

    fn values(batch: &Batch) -> Vec<(&[u8], &[u8])> {
        let mut values: Vec<_> = batch
            .changes
            .iter()
            .map(|(key, change)| (&key[..], &change.value.as_ref().unwrap()[..]))
            .collect();
        values.sort();
        values
    }

    #[test]
    fn what_failed_waits_again_and_never_replaces_what_is_newer() {
        let room = Room::new("test");
        put(&room, b"a", b"1");
        put(&room, b"b", b"1");
        let first = room.take();
        put(&room, b"a", b"2");
        let second = room.take();
        let failed = Err(StoreError::Closed);
        room.finish(first, &failed);
        room.finish(second, &failed);
        assert_eq!(values(&room.take()), [(&b"a"[..], &b"2"[..]), (b"b", b"1")]);
    }

    #[test]
    fn what_waits_is_bounded_and_a_key_counts_once() {
        let room = Room::new("test");
        let large = Bytes::from(vec![0; ENTRY_BYTES - 1000]);
        let put = |key: u32| {
            let key = Bytes::copy_from_slice(&key.to_be_bytes());
            room.change(key, Some(large.clone()), None, || Ok(())).map_err(|(error, _)| error)
        };
        for _ in 0..200 {
            put(0).unwrap();
        }
        assert_eq!((1..200).map(put).find_map(Result::err), Some(StoreError::Overloaded));
        room.take();
        assert_eq!(put(1), Ok(()));
        let long = Bytes::from(vec![0; KEY_BYTES + 1]);
        let outcome = room.change(long, None, None, || Ok(())).map_err(|(error, _)| error);
        assert_eq!(outcome, Err(StoreError::TooLarge));
    }
}
