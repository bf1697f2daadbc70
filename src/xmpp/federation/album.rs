//! Pictures of people of other domains, as they were fetched, by their hashes: who wears the same one still is not
//! asked for it again, nor while his server cannot be reached, nor after ours was started again.
//!
//! A picture is given to who names its hash, which its owner's presence or news told him. Bounded by number and by
//! bytes: what was not looked at for longest goes first.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use rustc_hash::FxHashMap;
use tracing::debug;

use crate::{
    account::{Memory, Reply, describe_picture},
    signal::{AvatarHash, Timestamp},
};

/// All pictures that are kept.
pub(super) struct Album {
    pages: Mutex<Pages>,
    memory: Memory,
    bounds: Bounds,
}

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) pictures: usize,
    pub(super) bytes: usize,
}

#[derive(Default)]
struct Pages {
    pictures: FxHashMap<AvatarHash, Picture>,
    bytes: usize,
    /// Counts looks.
    looks: u64,
}

struct Picture {
    bytes: Bytes,
    /// The last look at it.
    looked: u64,
}

impl Album {
    /// The album as it was when the server stopped. Blocks: for the start.
    pub(super) fn open(memory: Memory, bounds: Bounds) -> Self {
        let album = Self { pages: Mutex::default(), memory, bounds };
        let kept = album.memory.all().unwrap_or_default();
        for (key, bytes) in kept {
            let hash = std::str::from_utf8(&key).ok().and_then(AvatarHash::parse);
            match hash.filter(|hash| *hash == AvatarHash::of(&bytes)) {
                Some(hash) => album.put_in(hash, bytes),
                None => album.forget(key),
            }
        }
        album
    }

    /// The picture of this hash.
    pub(super) fn find(&self, hash: AvatarHash, now: Timestamp) -> Option<Reply> {
        let bytes = self.pages().find(hash)?;
        Some(Reply::Picture { avatar: describe_picture(&bytes, now)?.into(), bytes })
    }

    /// Keeps a picture.
    pub(super) fn keep(&self, hash: AvatarHash, bytes: &Bytes) {
        if bytes.len() > self.bounds.bytes {
            return;
        }
        // What finds no place on the disk is kept until the end.
        if let Err(reject) = self.memory.put(key_of(hash), bytes.clone()) {
            debug!(%hash, %reject, "picture is not written down");
        }
        self.put_in(hash, bytes.clone());
    }

    fn put_in(&self, hash: AvatarHash, bytes: Bytes) {
        let gone = self.pages().put(hash, bytes, self.bounds);
        gone.into_iter().for_each(|gone| self.forget(key_of(gone)));
    }

    fn forget(&self, key: Bytes) {
        if let Err(reject) = self.memory.remove(key) {
            debug!(%reject, "picture is not forgotten");
        }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    fn find(&mut self, hash: AvatarHash) -> Option<Bytes> {
        self.looks += 1;
        let picture = self.pictures.get_mut(&hash)?;
        picture.looked = self.looks;
        Some(picture.bytes.clone())
    }

    /// Puts a picture in: those that had to make room for it.
    fn put(&mut self, hash: AvatarHash, bytes: Bytes, bounds: Bounds) -> Vec<AvatarHash> {
        self.looks += 1;
        self.bytes += bytes.len();
        let picture = Picture { bytes, looked: self.looks };
        if let Some(before) = self.pictures.insert(hash, picture) {
            self.bytes -= before.bytes.len();
        }
        let mut gone = Vec::new();
        while self.pictures.len() > bounds.pictures || self.bytes > bounds.bytes {
            let oldest = self.pictures.iter().min_by_key(|(_, picture)| picture.looked);
            let Some(oldest) = oldest.map(|(hash, _)| *hash) else { break };
            if let Some(picture) = self.pictures.remove(&oldest) {
                self.bytes -= picture.bytes.len();
            }
            gone.push(oldest);
        }
        gone
    }
}

fn key_of(hash: AvatarHash) -> Bytes {
    hash.to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_looked_at_for_longest_makes_room() {
        let bounds = Bounds { pictures: 3, bytes: 100 };
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|text| AvatarHash::of(text.as_bytes()));
        let bytes = |length| Bytes::from(vec![0; length]);
        let mut pages = Pages::default();
        for hash in [a, b, c, c] {
            assert!(pages.put(hash, bytes(20), bounds).is_empty());
        }
        assert_eq!((pages.find(a), pages.bytes), (Some(bytes(20)), 60));
        assert_eq!(pages.put(d, bytes(30), bounds), [b]);
        assert_eq!(pages.put(b, bytes(60), bounds), [c, a]);
        assert_eq!((pages.find(c), pages.bytes, pages.pictures.len()), (None, 90, 2));
    }
}
