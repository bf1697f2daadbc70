//! Messages that wait for their owner.

use std::collections::HashSet;

use rusqlite::params;

use crate::{
    signal::MessageId,
    storage::{
        AccountKey, StoreError, codec,
        pending::{Appended, Rows},
    },
};

use super::{Database, failed, value};

impl Database {
    /// The last number of an account's rows and the bytes of those that count.
    pub(in crate::storage) fn offline_size(
        &self,
        key: AccountKey,
        rows: Rows,
    ) -> Result<(u64, u64), StoreError> {
        self.one(
            "SELECT coalesce(max(number), 0), coalesce(sum(length(message)), 0) FROM offline
             WHERE account = ?1 AND number > ?2 AND number < ?3",
            params![key.0, number(rows.trimmed), number(rows.until)],
            |row| Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get::<_, i64>(1)?.unsigned_abs())),
        )
        .map(Option::unwrap_or_default)
    }

    /// How many rows count.
    pub(in crate::storage) fn offline_count(&self, key: AccountKey, rows: Rows) -> Result<u64, StoreError> {
        self.one(
            "SELECT count(*) FROM offline WHERE account = ?1 AND number > ?2 AND number < ?3",
            params![key.0, number(rows.trimmed), number(rows.until)],
            |row| row.get::<_, i64>(0).map(i64::unsigned_abs),
        )
        .map(Option::unwrap_or_default)
    }

    /// Whether a row counts.
    pub(in crate::storage) fn has_offline(&self, key: AccountKey, rows: Rows) -> Result<bool, StoreError> {
        self.one(
            "SELECT 1 FROM offline WHERE account = ?1 AND number > ?2 AND number < ?3",
            params![key.0, number(rows.trimmed), number(rows.until)],
            |_| Ok(()),
        )
        .map(|found| found.is_some())
    }

    /// Gives `take` the rows that count in order, until it returns `false`.
    pub(in crate::storage) fn offline_rows(
        &self,
        key: AccountKey,
        rows: Rows,
        mut take: impl FnMut(&[u8]) -> bool,
    ) -> Result<(), StoreError> {
        let mut statement = self
            .connection
            .prepare_cached(
                "SELECT message FROM offline WHERE account = ?1 AND number > ?2 AND number < ?3
                 ORDER BY number",
            )
            .map_err(failed)?;
        let mut found =
            statement.query(params![key.0, number(rows.trimmed), number(rows.until)]).map_err(failed)?;
        while let Some(row) = found.next().map_err(failed)? {
            let message = row.get_ref(0).map_err(failed)?;
            if !take(message.as_blob().unwrap_or_default()) {
                break;
            }
        }
        Ok(())
    }

    /// The ids of all of an account's rows.
    pub(in crate::storage) fn offline_ids(&self, key: AccountKey) -> Result<HashSet<MessageId>, StoreError> {
        let ids = self.all("SELECT message_id FROM offline WHERE account = ?1", [key.0], |row| {
            Ok(MessageId(u128::from_be_bytes(value(row, 0)?)))
        })?;
        Ok(ids.into_iter().collect())
    }

    /// The number of the first row of this message that counts.
    pub(in crate::storage) fn offline_number(
        &self,
        key: AccountKey,
        rows: Rows,
        id: MessageId,
    ) -> Result<Option<u64>, StoreError> {
        self.one(
            "SELECT number FROM offline WHERE account = ?1 AND number > ?2 AND number < ?3 AND message_id = ?4
             ORDER BY number LIMIT 1",
            params![key.0, number(rows.trimmed), number(rows.until), &codec::id_bytes(id)[..]],
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
