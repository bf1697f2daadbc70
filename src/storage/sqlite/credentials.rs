//! Credentials of accounts and devices, as the auth room sealed them.

use rusqlite::params;

use crate::{
    signal::{Address, Timestamp},
    storage::{AccountKey, CredentialRecord, DeviceRecord, StoreError},
};

use super::{Database, value};

impl Database {
    pub(in crate::storage) fn set_credential(
        &self,
        key: AccountKey,
        sealed: &[u8],
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.run(
            "INSERT INTO credential (account, sealed, changed) VALUES (?1, ?2, ?3)
             ON CONFLICT (account) DO UPDATE SET sealed = excluded.sealed, changed = excluded.changed",
            params![key.0, sealed, at.0],
        )
        .map(|_| ())
    }

    /// Puts another form of the same credential in the place of `before`; `false` where it is another one now.
    pub(in crate::storage) fn replace_credential(
        &self,
        key: AccountKey,
        before: &[u8],
        sealed: &[u8],
    ) -> Result<bool, StoreError> {
        self.run(
            "UPDATE credential SET sealed = ?3 WHERE account = ?1 AND sealed = ?2",
            params![key.0, before, sealed],
        )
        .map(|n| n > 0)
    }

    pub(in crate::storage) fn credential(
        &self,
        address: &Address,
    ) -> Result<Option<CredentialRecord>, StoreError> {
        self.run("BEGIN", [])?;
        let record = self.read_credential(address);
        self.run("COMMIT", [])?;
        record
    }

    fn read_credential(&self, address: &Address) -> Result<Option<CredentialRecord>, StoreError> {
        let Some(account) = self.account(address)? else { return Ok(None) };
        let key = account.key;
        let found =
            self.one("SELECT sealed, changed FROM credential WHERE account = ?1", [key.0], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        let Some((credential, changed)) = found else { return Ok(None) };
        let devices = self.devices(key)?;
        Ok(Some(CredentialRecord { account, credential, changed: Timestamp(changed), devices }))
    }

    pub(in crate::storage) fn devices(&self, key: AccountKey) -> Result<Vec<DeviceRecord>, StoreError> {
        self.all(
            "SELECT id, label, created, last_used, sealed FROM device WHERE account = ?1 ORDER BY id",
            [key.0],
            |row| {
                Ok(DeviceRecord {
                    id: value(row, 0)?,
                    label: value(row, 1)?,
                    created: Timestamp(value(row, 2)?),
                    last_used: value::<Option<i64>>(row, 3)?.map(Timestamp),
                    credential: value(row, 4)?,
                })
            },
        )
    }

    /// Adds a device while there are fewer than `most`; `None` where there are not.
    pub(in crate::storage) fn add_device(
        &self,
        key: AccountKey,
        label: &str,
        sealed: &[u8],
        at: Timestamp,
        most: usize,
    ) -> Result<Option<i64>, StoreError> {
        let count = self
            .one("SELECT count(*) FROM device WHERE account = ?1", [key.0], |row| row.get::<_, i64>(0))?
            .unwrap_or_default();
        if usize::try_from(count).unwrap_or_default() >= most {
            return Ok(None);
        }
        self.run(
            "INSERT INTO device (account, label, created, sealed) VALUES (?1, ?2, ?3, ?4)",
            params![key.0, label, at.0, sealed],
        )?;
        Ok(Some(self.connection.last_insert_rowid()))
    }

    pub(in crate::storage) fn remove_device(&self, key: AccountKey, id: i64) -> Result<bool, StoreError> {
        self.run("DELETE FROM device WHERE account = ?1 AND id = ?2", params![key.0, id]).map(|n| n > 0)
    }

    pub(in crate::storage) fn touch_device(&self, id: i64, at: Timestamp) -> Result<(), StoreError> {
        self.run("UPDATE device SET last_used = ?2 WHERE id = ?1", params![id, at.0]).map(|_| ())
    }
}
