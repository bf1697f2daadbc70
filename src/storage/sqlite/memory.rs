//! Small values that doors find again after a restart.

use bytes::Bytes;
use rusqlite::params;

use crate::storage::StoreError;

use super::{Database, failed};

impl Database {
    pub(in crate::storage) fn put_memory(
        &self,
        room: &str,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), StoreError> {
        self.run(
            "INSERT INTO memory (room, key, value) VALUES (?1, ?2, ?3)
             ON CONFLICT (room, key) DO UPDATE SET value = excluded.value",
            params![room, key, value],
        )
        .map(|_| ())
    }

    pub(in crate::storage) fn remove_memory(&self, room: &str, key: &[u8]) -> Result<(), StoreError> {
        self.run("DELETE FROM memory WHERE room = ?1 AND key = ?2", params![room, key]).map(|_| ())
    }

    /// All of a room, in the order of the keys.
    pub(in crate::storage) fn memory(&self, room: &str) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        self.all("SELECT key, value FROM memory WHERE room = ?1 ORDER BY key", [room], |row| {
            let bytes = |index| {
                let value = row.get_ref(index).map_err(failed)?;
                value.as_blob().map(Bytes::copy_from_slice).map_err(|_| StoreError::Corrupt("a memory"))
            };
            Ok((bytes(0)?, bytes(1)?))
        })
    }
}
