//! What is known of shared files. Their bytes are elsewhere.

use rusqlite::{Row, params};

use crate::{
    signal::Timestamp,
    storage::{AccountKey, SharedFile, StoreError},
};

use super::{Database, accounts::stored_address, value};

impl Database {
    /// Promises a file its place, unless the account's files then were more than `most` or together larger than
    /// `most_bytes`.
    pub(in crate::storage) fn reserve_file(
        &self,
        file: &SharedFile,
        most: u32,
        most_bytes: u64,
    ) -> Result<bool, StoreError> {
        let used = self.one(
            "SELECT count(*), coalesce(sum(size), 0) FROM shared_file WHERE account = ?1",
            [file.account.0],
            |row| Ok((row.get::<_, u32>(0)?, row.get::<_, i64>(1)?.cast_unsigned())),
        )?;
        let (count, bytes) = used.unwrap_or_default();
        if count >= most || bytes.saturating_add(file.size) > most_bytes {
            return Ok(false);
        }
        self.run(
            "INSERT INTO shared_file (name, account, title, media_type, size, expires, is_whole)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)",
            params![
                file.name,
                file.account.0,
                file.title,
                file.media_type,
                file.size.cast_signed(),
                file.expires.0
            ],
        )?;
        Ok(true)
    }

    /// The file, or the promise of it, of this name.
    pub(in crate::storage) fn shared_file(&self, name: &str) -> Result<Option<SharedFile>, StoreError> {
        Ok(self.all(&select("name = ?1"), [name], shared_file)?.pop())
    }

    /// The file is there in full.
    pub(in crate::storage) fn complete_file(&self, name: &str, expires: Timestamp) -> Result<(), StoreError> {
        self.run(
            "UPDATE shared_file SET is_whole = 1, expires = ?2 WHERE name = ?1",
            params![name, expires.0],
        )
        .map(|_| ())
    }

    /// Some of what has lapsed.
    pub(in crate::storage) fn lapsed_files(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<SharedFile>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.all(&select("expires <= ?1 LIMIT ?2"), params![now.0, limit], shared_file)
    }

    pub(in crate::storage) fn remove_files(&self, names: &[String]) -> Result<(), StoreError> {
        names.iter().try_for_each(|name| {
            self.run("DELETE FROM shared_file WHERE name = ?1", [name.as_str()]).map(|_| ())
        })
    }
}

fn select(condition: &str) -> String {
    format!(
        "SELECT name, account, address, title, media_type, size, expires, is_whole FROM shared_file
         JOIN account ON account.id = shared_file.account WHERE {condition}"
    )
}

fn shared_file(row: &Row<'_>) -> Result<SharedFile, StoreError> {
    Ok(SharedFile {
        name: value(row, 0)?,
        account: AccountKey(value(row, 1)?),
        owner: stored_address(row, 2)?,
        title: value(row, 3)?,
        media_type: value(row, 4)?,
        size: value::<i64>(row, 5)?.cast_unsigned(),
        expires: Timestamp(value(row, 6)?),
        is_whole: value(row, 7)?,
    })
}
