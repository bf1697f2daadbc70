//! Contacts, tombstones of removed ones, and requests to become one.

use rusqlite::{Row, params};
use smallvec::SmallVec;

use crate::{
    signal::{Address, Contact, ContactRequest},
    storage::{AccountKey, RosterRow, StoreError, TOMBSTONES, codec},
};

use super::{
    Database,
    accounts::{one_row, stored_address},
    value,
};

impl Database {
    pub(in crate::storage) fn put_contact(
        &self,
        key: AccountKey,
        contact: &Contact,
        version: u64,
    ) -> Result<(), StoreError> {
        let groups = serde_json::to_string(&contact.groups)
            .map_err(|error| StoreError::Database(error.to_string()))?;
        self.run(
            "INSERT INTO roster (account, address, version, name, groups, state)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (account, address) DO UPDATE SET
             version = excluded.version, name = excluded.name, groups = excluded.groups,
             state = excluded.state",
            params![
                key.0,
                contact.address.as_str(),
                number(version),
                contact.name.as_deref(),
                groups,
                state_bits(contact)
            ],
        )?;
        self.run(
            "DELETE FROM roster_removed WHERE account = ?1 AND address = ?2",
            params![key.0, contact.address.as_str()],
        )?;
        self.set_roster_version(key, version)
    }

    pub(in crate::storage) fn remove_contact(
        &self,
        key: AccountKey,
        address: &Address,
        version: u64,
    ) -> Result<(), StoreError> {
        self.set_roster_version(key, version)?;
        self.run("DELETE FROM roster WHERE account = ?1 AND address = ?2", params![key.0, address.as_str()])?;
        self.run(
            "INSERT INTO roster_removed (account, address, version) VALUES (?1, ?2, ?3)
             ON CONFLICT (account, address) DO UPDATE SET version = excluded.version",
            params![key.0, address.as_str(), number(version)],
        )?;
        self.forget_tombstones(key)
    }

    /// Drops the oldest tombstones beyond [`TOMBSTONES`] and notes up to which version.
    fn forget_tombstones(&self, key: AccountKey) -> Result<(), StoreError> {
        let last = self.one(
            "SELECT version FROM roster_removed WHERE account = ?1
             ORDER BY version DESC LIMIT 1 OFFSET ?2",
            params![key.0, TOMBSTONES as i64],
            |row| row.get::<_, i64>(0),
        )?;
        let Some(floor) = last else { return Ok(()) };
        self.run("DELETE FROM roster_removed WHERE account = ?1 AND version <= ?2", params![key.0, floor])?;
        self.run("UPDATE account SET roster_floor = ?2 WHERE id = ?1", params![key.0, floor]).map(|_| ())
    }

    fn set_roster_version(&self, key: AccountKey, version: u64) -> Result<(), StoreError> {
        let changed = self.run(
            "UPDATE account SET roster_version = max(roster_version, ?2) WHERE id = ?1",
            params![key.0, number(version)],
        )?;
        one_row(changed)
    }

    pub(super) fn roster(&self, key: AccountKey) -> Result<Vec<RosterRow>, StoreError> {
        self.all(
            "SELECT address, version, name, groups, state FROM roster WHERE account = ?1 ORDER BY address",
            [key.0],
            roster_row,
        )
    }

    pub(super) fn roster_removed(&self, key: AccountKey) -> Result<Vec<(Address, u64)>, StoreError> {
        self.all(
            "SELECT address, version FROM roster_removed WHERE account = ?1 ORDER BY version",
            [key.0],
            |row| Ok((stored_address(row, 0)?, value::<i64>(row, 1)?.unsigned_abs())),
        )
    }

    pub(in crate::storage) fn put_request(
        &self,
        key: AccountKey,
        request: &ContactRequest,
    ) -> Result<(), StoreError> {
        self.run(
            "INSERT INTO contact_request (account, sender, at, request) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (account, sender) DO UPDATE SET at = excluded.at, request = excluded.request",
            params![key.0, request.from.as_str(), request.at.0, codec::encode(request)?],
        )
        .map(|_| ())
    }

    pub(in crate::storage) fn remove_request(
        &self,
        key: AccountKey,
        from: &Address,
    ) -> Result<(), StoreError> {
        self.run(
            "DELETE FROM contact_request WHERE account = ?1 AND sender = ?2",
            params![key.0, from.as_str()],
        )
        .map(|_| ())
    }

    pub(super) fn requests(&self, key: AccountKey) -> Result<Vec<ContactRequest>, StoreError> {
        self.all(
            "SELECT request FROM contact_request WHERE account = ?1 ORDER BY at, sender",
            [key.0],
            |row| codec::decode_grown(&value::<Vec<u8>>(row, 0)?, "a contact request"),
        )
    }
}

fn roster_row(row: &Row<'_>) -> Result<RosterRow, StoreError> {
    let state: i64 = value(row, 4)?;
    let groups: SmallVec<_> =
        serde_json::from_str(&value::<String>(row, 3)?).map_err(|_| StoreError::Corrupt("a contact"))?;
    Ok(RosterRow {
        version: value::<i64>(row, 1)?.unsigned_abs(),
        contact: Contact {
            address: stored_address(row, 0)?,
            name: value::<Option<String>>(row, 2)?.map(Into::into),
            groups,
            to: state & TO != 0,
            from: state & FROM != 0,
            ask: state & ASK != 0,
            approved: state & APPROVED != 0,
        },
    })
}

fn state_bits(contact: &Contact) -> i64 {
    let bit = |set: bool, bit: i64| if set { bit } else { 0 };
    bit(contact.to, TO) | bit(contact.from, FROM) | bit(contact.ask, ASK) | bit(contact.approved, APPROVED)
}

/// A version as SQLite's integer, which is signed.
fn number(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

const TO: i64 = 1;
const FROM: i64 = 2;
const ASK: i64 = 4;
const APPROVED: i64 = 8;
