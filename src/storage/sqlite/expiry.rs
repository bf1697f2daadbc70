//! What leaves archives because it was there for long enough.

use rusqlite::params;

use crate::{
    signal::MessageId,
    storage::{AccountKey, Preferences, StoreError, codec},
};

use super::{Database, archive::part_of, value};

impl Database {
    /// What the owner chose; `None` where there is no such account.
    pub(in crate::storage) fn preferences(&self, key: AccountKey) -> Result<Option<Preferences>, StoreError> {
        let text = self
            .one("SELECT preferences FROM account WHERE id = ?1", [key.0], |row| row.get::<_, String>(0))?;
        let parse = |text: String| serde_json::from_str(&text);
        text.map(parse).transpose().map_err(|_| StoreError::Corrupt("the preferences"))
    }

    /// Removes the oldest lines of an account that are before `first`, at most `most`, and the messages that
    /// nobody holds any more; how many lines.
    pub(in crate::storage) fn forget_archive(
        &self,
        key: AccountKey,
        first: MessageId,
        most: usize,
    ) -> Result<usize, StoreError> {
        let bound = codec::id_bytes(first);
        let limit = i64::try_from(most).unwrap_or(i64::MAX);
        let doomed: Vec<(Vec<u8>, String, i64)> = self.all(
            "SELECT message_id, peer, message FROM archive WHERE account = ?1 AND message_id < ?2
             ORDER BY message_id, peer LIMIT ?3",
            params![key.0, &bound[..], limit],
            |row| Ok((value(row, 0)?, value(row, 1)?, value(row, 2)?)),
        )?;
        for (id, peer, message) in &doomed {
            self.run(
                "DELETE FROM archive WHERE account = ?1 AND message_id = ?2 AND peer = ?3",
                params![key.0, id, peer],
            )?;
            self.run("UPDATE archive_message SET lines = lines - 1 WHERE id = ?1", [message])?;
            self.run("DELETE FROM archive_message WHERE id = ?1 AND lines <= 0", [message])?;
        }
        if doomed.len() < most {
            // The part in which the bound is may have lines still.
            self.run(
                "DELETE FROM archive_peer WHERE account = ?1 AND part < ?2",
                params![key.0, part_of(first)],
            )?;
        }
        Ok(doomed.len())
    }
}
