//! Who asked to watch and waits for the owner's answer.

use rusqlite::params;

use crate::{
    signal::{Address, Timestamp},
    storage::{AccountKey, StoreError, WaitingWatcher, codec},
};

use super::{Database, value};

impl Database {
    pub(in crate::storage) fn put_waiting(
        &self,
        key: AccountKey,
        waiting: &WaitingWatcher,
    ) -> Result<(), StoreError> {
        let watcher = &waiting.watcher;
        let until = watcher.until.map_or(i64::MAX, |until| until.0);
        self.run(
            "INSERT INTO waiting_watcher (account, watcher, until, is_alone, entry)
             VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (account, watcher) DO UPDATE SET
             until = excluded.until, is_alone = excluded.is_alone, entry = excluded.entry",
            params![key.0, watcher.address.as_str(), until, waiting.is_alone, codec::encode(waiting)?],
        )
        .map(|_| ())
    }

    pub(in crate::storage) fn remove_waiting(
        &self,
        key: AccountKey,
        watcher: &Address,
    ) -> Result<(), StoreError> {
        self.run(
            "DELETE FROM waiting_watcher WHERE account = ?1 AND watcher = ?2",
            params![key.0, watcher.as_str()],
        )
        .map(|_| ())
    }

    pub(super) fn waiting(&self, key: AccountKey) -> Result<Vec<WaitingWatcher>, StoreError> {
        self.all("SELECT entry FROM waiting_watcher WHERE account = ?1 ORDER BY watcher", [key.0], |row| {
            codec::decode(&value::<Vec<u8>>(row, 0)?, "a waiting watcher")
        })
    }

    /// Forgets those whose time is over, with the requests that are nothing more; how many.
    pub(in crate::storage) fn forget_waiting(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.run(
            "DELETE FROM contact_request WHERE (account, sender) IN
             (SELECT account, watcher FROM waiting_watcher WHERE until <= ?1 AND is_alone)",
            [now.0],
        )?;
        self.run("DELETE FROM waiting_watcher WHERE until <= ?1", [now.0])
    }
}
