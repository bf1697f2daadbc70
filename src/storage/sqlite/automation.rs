//! Automated rules of accounts, and what they remember.

use rusqlite::params;

use crate::{
    signal::{Automation, MessageId, Timestamp},
    storage::{AccountKey, MARKED, SENT_REPLIES, SentReply, StoreError, codec},
};

use super::{
    Database,
    accounts::{one_row, stored_address},
    value,
};

impl Database {
    pub(in crate::storage) fn set_automation(
        &self,
        key: AccountKey,
        rules: Option<&Automation>,
    ) -> Result<(), StoreError> {
        let failed = |error: serde_json::Error| StoreError::Database(error.to_string());
        let text = rules.map(serde_json::to_string).transpose().map_err(failed)?;
        one_row(self.run("UPDATE account SET automation = ?2 WHERE id = ?1", params![key.0, text])?)
    }

    /// Notes an automatic answer and forgets those that are of no meaning any more.
    pub(in crate::storage) fn put_reply(
        &self,
        key: AccountKey,
        sent: &SentReply,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.run("DELETE FROM automatic_reply WHERE account = ?1 AND until <= ?2", params![key.0, now.0])?;
        self.run(
            "INSERT INTO automatic_reply (account, rule, receiver, until) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (account, rule, receiver) DO UPDATE SET until = excluded.until",
            params![key.0, sent.rule.as_str(), sent.to.as_str(), sent.until.0],
        )
        .map(|_| ())
    }

    pub(super) fn replies(&self, key: AccountKey) -> Result<Vec<SentReply>, StoreError> {
        let most = i64::try_from(SENT_REPLIES).unwrap_or(i64::MAX);
        self.all(
            "SELECT rule, receiver, until FROM automatic_reply WHERE account = ?1
             ORDER BY until DESC LIMIT ?2",
            [key.0, most],
            |row| {
                let rule = value::<String>(row, 0)?.into();
                Ok(SentReply { rule, to: stored_address(row, 1)?, until: Timestamp(value(row, 2)?) })
            },
        )
    }

    /// Gives a message labels beside those that it has.
    pub(in crate::storage) fn put_marks(
        &self,
        key: AccountKey,
        message: MessageId,
        marks: &[compact_str::CompactString],
    ) -> Result<(), StoreError> {
        let id = codec::id_bytes(message);
        for mark in marks {
            self.run(
                "INSERT OR IGNORE INTO message_mark (account, message_id, mark) VALUES (?1, ?2, ?3)",
                params![key.0, &id[..], mark.as_str()],
            )?;
        }
        self.run(
            "DELETE FROM message_mark WHERE account = ?1 AND message_id <= (SELECT message_id
             FROM message_mark WHERE account = ?1 ORDER BY message_id DESC LIMIT 1 OFFSET ?2)",
            params![key.0, i64::try_from(MARKED).unwrap_or(i64::MAX)],
        )
        .map(|_| ())
    }

    /// The labels of messages from `first` to `last`, in order of the messages.
    pub(in crate::storage) fn marks(
        &self,
        key: AccountKey,
        first: MessageId,
        last: MessageId,
    ) -> Result<Vec<(MessageId, String)>, StoreError> {
        let (first, last) = (codec::id_bytes(first), codec::id_bytes(last));
        self.all(
            "SELECT message_id, mark FROM message_mark
             WHERE account = ?1 AND message_id BETWEEN ?2 AND ?3 ORDER BY message_id, mark",
            params![key.0, &first[..], &last[..]],
            |row| {
                let id: [u8; 16] = value(row, 0)?;
                Ok((MessageId(u128::from_be_bytes(id)), value(row, 1)?))
            },
        )
    }
}

/// Reads what [`Database::set_automation`] wrote.
pub(super) fn parse_rules(text: Option<String>) -> Result<Option<Automation>, StoreError> {
    let corrupt = |_| StoreError::Corrupt("the automated rules");
    text.map(|text| serde_json::from_str(&text)).transpose().map_err(corrupt)
}
