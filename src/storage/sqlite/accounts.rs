//! Accounts: made, removed, listed and loaded.

use rusqlite::{Row, params};

use crate::{
    signal::{Address, Presence, Ruleset, Timestamp},
    storage::{AccountKey, AccountRecord, AccountSummary, NewAccount, Preferences, StoreError, codec},
};

use super::{Database, automation::parse_rules, value};

impl Database {
    pub(in crate::storage) fn create_account(&self, new: &NewAccount) -> Result<AccountKey, StoreError> {
        let added = self.run(
            "INSERT INTO account (address, is_admin, created) VALUES (?1, ?2, ?3)
             ON CONFLICT (address) DO NOTHING",
            params![new.address.as_str(), new.is_admin, new.created.0],
        )?;
        if added == 0 {
            return Err(StoreError::AccountExists);
        }
        let key = AccountKey(self.connection.last_insert_rowid());
        self.set_credential(key, &new.credential, new.created)?;
        Ok(key)
    }

    /// Removes the account with its rows in all tables.
    pub(in crate::storage) fn remove_account(&self, address: &Address) -> Result<AccountKey, StoreError> {
        let key = self.account_key(address)?.ok_or(StoreError::NoSuchAccount)?;
        self.remove_archive(key)?;
        self.trim_offline(key, u64::MAX)?;
        self.run("DELETE FROM account WHERE id = ?1", [key.0])?;
        Ok(key)
    }

    pub(in crate::storage) fn account_key(
        &self,
        address: &Address,
    ) -> Result<Option<AccountKey>, StoreError> {
        self.one("SELECT id FROM account WHERE address = ?1", [address.as_str()], |row| {
            row.get(0).map(AccountKey)
        })
    }

    pub(in crate::storage) fn account(
        &self,
        address: &Address,
    ) -> Result<Option<AccountSummary>, StoreError> {
        let found = self.all(
            "SELECT id, address, is_admin, disabled, created FROM account WHERE address = ?1",
            [address.as_str()],
            summary,
        )?;
        Ok(found.into_iter().next())
    }

    pub(in crate::storage) fn list_accounts(
        &self,
        after: Option<&Address>,
        limit: usize,
    ) -> Result<Vec<AccountSummary>, StoreError> {
        self.all(
            "SELECT id, address, is_admin, disabled, created FROM account
             WHERE address > ?1 ORDER BY address LIMIT ?2",
            params![after.map_or("", Address::as_str), i64::try_from(limit).unwrap_or(i64::MAX)],
            summary,
        )
    }

    /// Whether there is an account of this key.
    pub(in crate::storage) fn has_account(&self, key: AccountKey) -> Result<bool, StoreError> {
        self.one("SELECT 1 FROM account WHERE id = ?1", [key.0], |_| Ok(())).map(|found| found.is_some())
    }

    pub(in crate::storage) fn set_admin(&self, key: AccountKey, is_admin: bool) -> Result<(), StoreError> {
        let changed = self.run("UPDATE account SET is_admin = ?2 WHERE id = ?1", params![key.0, is_admin])?;
        one_row(changed)
    }

    pub(in crate::storage) fn set_disabled(&self, key: AccountKey, disabled: bool) -> Result<(), StoreError> {
        let changed = self.run("UPDATE account SET disabled = ?2 WHERE id = ?1", params![key.0, disabled])?;
        one_row(changed)
    }

    pub(in crate::storage) fn set_preferences(
        &self,
        key: AccountKey,
        preferences: &Preferences,
    ) -> Result<(), StoreError> {
        let text =
            serde_json::to_string(preferences).map_err(|error| StoreError::Database(error.to_string()))?;
        let changed = self.run("UPDATE account SET preferences = ?2 WHERE id = ?1", params![key.0, text])?;
        one_row(changed)
    }

    pub(in crate::storage) fn set_rules(
        &self,
        key: AccountKey,
        rules: Option<&Ruleset>,
    ) -> Result<(), StoreError> {
        let bytes = rules.map(codec::encode).transpose()?;
        one_row(self.run("UPDATE account SET rules = ?2 WHERE id = ?1", params![key.0, bytes])?)
    }

    pub(in crate::storage) fn set_message_rules(
        &self,
        key: AccountKey,
        rules: Option<&Ruleset>,
    ) -> Result<(), StoreError> {
        let bytes = rules.map(codec::encode).transpose()?;
        one_row(self.run("UPDATE account SET message_rules = ?2 WHERE id = ?1", params![key.0, bytes])?)
    }

    pub(in crate::storage) fn set_call_rules(
        &self,
        key: AccountKey,
        rules: Option<&Ruleset>,
    ) -> Result<(), StoreError> {
        let bytes = rules.map(codec::encode).transpose()?;
        one_row(self.run("UPDATE account SET call_rules = ?2 WHERE id = ?1", params![key.0, bytes])?)
    }

    pub(in crate::storage) fn set_hard_state(
        &self,
        key: AccountKey,
        state: Option<&Presence>,
    ) -> Result<(), StoreError> {
        let bytes = state.map(codec::encode).transpose()?;
        one_row(self.run("UPDATE account SET hard_state = ?2 WHERE id = ?1", params![key.0, bytes])?)
    }

    /// Reads all of an account from one state of the database. `has_offline` is left `false`:
    /// files are not the database's.
    pub(in crate::storage) fn load_account(
        &self,
        address: &Address,
    ) -> Result<Option<AccountRecord>, StoreError> {
        self.run("BEGIN", [])?;
        let record = self.read_account(address);
        self.run("COMMIT", [])?;
        record
    }

    fn read_account(&self, address: &Address) -> Result<Option<AccountRecord>, StoreError> {
        let Some(account) = self.account(address)? else { return Ok(None) };
        let key = account.key;
        let sql = "SELECT preferences, roster_version, roster_floor, rules, hard_state,
                          documents_version, message_rules, automation, call_rules
                   FROM account WHERE id = ?1";
        let (preferences, versions, records, automation) = self
            .one(sql, [key.0], |row| {
                let bytes = |index| row.get::<_, Option<Vec<u8>>>(index);
                let version = |index| row.get::<_, i64>(index);
                Ok((
                    row.get::<_, String>(0)?,
                    (version(1)?, version(2)?, version(5)?),
                    (bytes(3)?, bytes(4)?, bytes(6)?, bytes(8)?),
                    row.get(7)?,
                ))
            })?
            .ok_or(StoreError::NoSuchAccount)?;
        let (roster_version, roster_floor, documents_version) = versions;
        let (rules, hard_state, message_rules, call_rules) = records;
        Ok(Some(AccountRecord {
            key,
            address: account.address,
            is_admin: account.is_admin,
            disabled: account.disabled,
            preferences: serde_json::from_str(&preferences)
                .map_err(|_| StoreError::Corrupt("the preferences"))?,
            rules: rules.map(|bytes| codec::decode(&bytes, "the rules")).transpose()?,
            message_rules: message_rules
                .map(|bytes| codec::decode(&bytes, "the message rules"))
                .transpose()?,
            call_rules: call_rules.map(|bytes| codec::decode(&bytes, "the call rules")).transpose()?,
            automation: parse_rules(automation)?,
            replies: self.replies(key)?,
            late: self.late(key)?,
            hard_state: hard_state.map(|bytes| codec::decode_grown(&bytes, "the hard state")).transpose()?,
            roster: self.roster(key)?,
            roster_version: roster_version.unsigned_abs(),
            removed: self.roster_removed(key)?,
            roster_floor: roster_floor.unsigned_abs(),
            requests: self.requests(key)?,
            waiting: self.waiting(key)?,
            shelves: self.shelves(key)?,
            has_offline: false,
            blocked: self.blocked(key)?,
            documents: self.document_entries(key)?,
            documents_version: documents_version.unsigned_abs(),
        }))
    }
}

/// An account from the columns id, address, is_admin, disabled, created.
pub(super) fn summary(row: &Row<'_>) -> Result<AccountSummary, StoreError> {
    Ok(AccountSummary {
        key: AccountKey(value(row, 0)?),
        address: stored_address(row, 1)?,
        is_admin: value(row, 2)?,
        disabled: value(row, 3)?,
        created: Timestamp(value(row, 4)?),
    })
}

/// An address from a column.
pub(super) fn stored_address(row: &Row<'_>, index: usize) -> Result<Address, StoreError> {
    Address::parse(&value::<String>(row, index)?).map_err(|_| StoreError::Corrupt("an address"))
}

/// A change of an account that must have found it.
pub(super) fn one_row(changed: usize) -> Result<(), StoreError> {
    if changed == 0 { Err(StoreError::NoSuchAccount) } else { Ok(()) }
}
