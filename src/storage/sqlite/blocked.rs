//! Whom an account's owner blocked.

use rusqlite::params;

use crate::{
    signal::Address,
    storage::{AccountKey, StoreError},
};

use super::{Database, accounts::stored_address};

impl Database {
    pub(in crate::storage) fn put_blocked(
        &self,
        key: AccountKey,
        address: &Address,
    ) -> Result<(), StoreError> {
        self.run(
            "INSERT INTO blocked (account, address) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            params![key.0, address.as_str()],
        )
        .map(|_| ())
    }

    pub(in crate::storage) fn remove_blocked(
        &self,
        key: AccountKey,
        address: &Address,
    ) -> Result<(), StoreError> {
        self.run("DELETE FROM blocked WHERE account = ?1 AND address = ?2", params![key.0, address.as_str()])
            .map(|_| ())
    }

    pub(super) fn blocked(&self, key: AccountKey) -> Result<Vec<Address>, StoreError> {
        self.all("SELECT address FROM blocked WHERE account = ?1 ORDER BY address", [key.0], |row| {
            stored_address(row, 0)
        })
    }
}
