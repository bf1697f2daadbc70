//! What the server itself remembers, by name.

use rusqlite::params;

use crate::storage::{StoreError, journal::Turn};

use super::Database;

impl Database {
    pub(in crate::storage) fn setting(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.one("SELECT value FROM setting WHERE name = ?1", [name], |row| row.get(0))
    }

    pub(in crate::storage) fn set_setting(&self, name: &str, value: &[u8]) -> Result<(), StoreError> {
        self.run(
            "INSERT INTO setting (name, value) VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            params![name, value],
        )
        .map(|_| ())
    }

    /// The turn of the journal that the tables lack.
    pub(in crate::storage) fn turn(&self) -> Result<Option<Turn>, StoreError> {
        Ok(self.setting(TURN)?.and_then(|name| name.try_into().ok()).map(Turn))
    }

    pub(in crate::storage) fn set_turn(&self, turn: Turn) -> Result<(), StoreError> {
        self.set_setting(TURN, &turn.0)
    }
}

const TURN: &str = "storage.journal.turn";
