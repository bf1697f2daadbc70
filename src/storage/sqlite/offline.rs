//! Messages that wait for their owner.

use rusqlite::params;

use crate::{
    signal::MessageId,
    storage::{AccountKey, StoreError, codec, pending::Appended},
};

use super::{Database, failed};

impl Database {
    /// The last number of an account's rows and the bytes of those behind `trimmed`.
    pub(in crate::storage) fn offline_size(
        &self,
        key: AccountKey,
        trimmed: u64,
    ) -> Result<(u64, u64), StoreError> {
        self.one(
            "SELECT coalesce(max(number), 0), coalesce(sum(length(message)), 0) FROM offline
             WHERE account = ?1 AND number > ?2",
            params![key.0, number(trimmed)],
            |row| Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get::<_, i64>(1)?.unsigned_abs())),
        )
        .map(Option::unwrap_or_default)
    }

    /// Whether there is a row behind `trimmed`.
    pub(in crate::storage) fn has_offline(&self, key: AccountKey, trimmed: u64) -> Result<bool, StoreError> {
        self.one(
            "SELECT 1 FROM offline WHERE account = ?1 AND number > ?2",
            params![key.0, number(trimmed)],
            |_| Ok(()),
        )
        .map(|found| found.is_some())
    }

    /// Gives `take` the rows behind `trimmed` in order, until it returns `false`.
    pub(in crate::storage) fn offline_rows(
        &self,
        key: AccountKey,
        trimmed: u64,
        mut take: impl FnMut(&[u8]) -> bool,
    ) -> Result<(), StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT message FROM offline WHERE account = ?1 AND number > ?2 ORDER BY number")
            .map_err(failed)?;
        let mut rows = statement.query(params![key.0, number(trimmed)]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let message = row.get_ref(0).map_err(failed)?;
            if !take(message.as_blob().unwrap_or_default()) {
                break;
            }
        }
        Ok(())
    }

    /// The number of the first row of this message behind `trimmed`.
    pub(in crate::storage) fn offline_number(
        &self,
        key: AccountKey,
        trimmed: u64,
        id: MessageId,
    ) -> Result<Option<u64>, StoreError> {
        self.one(
            "SELECT number FROM offline WHERE account = ?1 AND number > ?2 AND message_id = ?3
             ORDER BY number LIMIT 1",
            params![key.0, number(trimmed), &codec::id_bytes(id)[..]],
            |row| row.get::<_, i64>(0).map(i64::unsigned_abs),
        )
    }

    /// Adds rows behind all others of the account.
    pub(in crate::storage) fn add_offline<'a>(
        &self,
        key: AccountKey,
        messages: impl Iterator<Item = &'a Appended>,
    ) -> Result<(), StoreError> {
        let mut insert = self
            .connection
            .prepare_cached(
                "INSERT INTO offline (account, number, message_id, message) VALUES (?1, ?2, ?3, ?4)",
            )
            .map_err(failed)?;
        for message in messages {
            let id = codec::id_bytes(message.id);
            let values = params![key.0, number(message.number), &id[..], &message.body[..]];
            insert.execute(values).map_err(failed)?;
        }
        Ok(())
    }

    /// Removes the rows up to this number.
    pub(in crate::storage) fn trim_offline(&self, key: AccountKey, through: u64) -> Result<(), StoreError> {
        self.run("DELETE FROM offline WHERE account = ?1 AND number <= ?2", params![key.0, number(through)])
            .map(|_| ())
    }
}

fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
