//! What authors took back leaves the archive: its line stays, and what it said is overwritten.

use std::collections::BTreeMap;

use rusqlite::params;

use crate::{
    signal::Address,
    storage::{AccountKey, ArchiveEnd, ArchiveQuery, ArchivedMessage, Retraction, StoreError, codec},
};

use super::Database;

impl Database {
    /// Empties the messages that these mean, among the last [`LINES`] that were exchanged before each.
    pub(in crate::storage) fn retract(
        &self,
        key: AccountKey,
        retractions: &[Retraction],
    ) -> Result<(), StoreError> {
        // Each conversation is read once, however much is taken back of it.
        let mut conversations: BTreeMap<&Address, Vec<&Retraction>> = BTreeMap::new();
        for retraction in retractions {
            conversations.entry(&retraction.with).or_default().push(retraction);
        }
        for (with, retractions) in conversations {
            let query = ArchiveQuery {
                with: Some(with.clone()),
                before: retractions.iter().map(|retraction| retraction.id).max(),
                from: ArchiveEnd::Newest,
                limit: LINES + retractions.len(),
                ..ArchiveQuery::default()
            };
            for mut line in self.archive_lines(key, &query)? {
                if retractions.iter().any(|retraction| retraction.apply(&mut line)) {
                    self.overwrite(key, &line)?;
                }
            }
        }
        Ok(())
    }

    /// Gives a line another message, and forgets the one that it had where nobody else holds it.
    fn overwrite(&self, key: AccountKey, line: &ArchivedMessage) -> Result<(), StoreError> {
        let id = codec::id_bytes(line.message.id);
        let place = params![key.0, &id[..], line.with.as_str()];
        let before: Option<i64> = self.one(
            "SELECT message FROM archive WHERE account = ?1 AND message_id = ?2 AND peer = ?3",
            place,
            |row| row.get(0),
        )?;
        let message = codec::encode(&line.message)?;
        self.run("INSERT INTO archive_message (lines, message) VALUES (1, ?1)", [&message])?;
        self.run(
            "UPDATE archive SET message = last_insert_rowid()
             WHERE account = ?1 AND message_id = ?2 AND peer = ?3",
            place,
        )?;
        self.run("UPDATE archive_message SET lines = lines - 1 WHERE id = ?1", [before])?;
        self.run("DELETE FROM archive_message WHERE id = ?1 AND lines <= 0", [before])?;
        Ok(())
    }
}

/// Most messages of a conversation that are looked through.
const LINES: usize = 2000;
