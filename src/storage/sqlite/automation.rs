//! Automated rules of accounts, and what they remember.

use rusqlite::params;

use crate::{
    signal::{Address, Automation, HookCall, MessageId, Timestamp},
    storage::{AccountKey, HOOK_CALLS, LateMessage, MARKED, SENT_REPLIES, SentReply, StoreError, codec},
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

    pub(in crate::storage) fn put_late(&self, key: AccountKey, late: &LateMessage) -> Result<(), StoreError> {
        let id = codec::id_bytes(late.message.id);
        self.run(
            "INSERT OR REPLACE INTO late_message (account, message_id, delay, due, late) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![key.0, &id[..], late.delay, late.due.0, codec::encode(late)?],
        )
        .map(|_| ())
    }

    pub(in crate::storage) fn remove_late(
        &self,
        key: AccountKey,
        message: MessageId,
        delay: u32,
    ) -> Result<(), StoreError> {
        let id = codec::id_bytes(message);
        self.run(
            "DELETE FROM late_message WHERE account = ?1 AND message_id = ?2 AND delay = ?3",
            params![key.0, &id[..], delay],
        )
        .map(|_| ())
    }

    /// Soonest first.
    pub(super) fn late(&self, key: AccountKey) -> Result<Vec<LateMessage>, StoreError> {
        let sql = "SELECT late FROM late_message WHERE account = ?1 ORDER BY due, message_id";
        self.all(sql, [key.0], |row| codec::decode(&value::<Vec<u8>>(row, 0)?, "a late message"))
    }

    /// The accounts whose rules are to be asked about something, and when first.
    pub(in crate::storage) fn late_accounts(&self) -> Result<Vec<(Address, Timestamp)>, StoreError> {
        let sql =
            "SELECT address, min(due) FROM late_message JOIN account ON account.id = late_message.account
                   GROUP BY late_message.account";
        self.all(sql, [], |row| Ok((stored_address(row, 0)?, Timestamp(value(row, 1)?))))
    }

    pub(in crate::storage) fn put_hook(&self, key: AccountKey, call: &HookCall) -> Result<(), StoreError> {
        let text = serde_json::to_string(call).map_err(|error| StoreError::Database(error.to_string()))?;
        let most = i64::try_from(HOOK_CALLS).unwrap_or(i64::MAX);
        let kept = self.run(
            "INSERT INTO webhook (account, call) SELECT ?1, ?2
             WHERE (SELECT count(*) FROM webhook WHERE account = ?1) < ?3",
            params![key.0, text, most],
        )?;
        if kept == 0 {
            tracing::warn!(account = %call.account, rule = %call.rule, "too many webhooks wait: one is not called");
        }
        Ok(())
    }

    /// The calls behind the one of this number, in their order.
    pub(in crate::storage) fn hooks(
        &self,
        last: i64,
        limit: usize,
    ) -> Result<Vec<(i64, HookCall)>, StoreError> {
        self.all(
            "SELECT id, call FROM webhook WHERE id > ?1 ORDER BY id LIMIT ?2",
            params![last, i64::try_from(limit).unwrap_or(i64::MAX)],
            |row| {
                let call = serde_json::from_str(&value::<String>(row, 1)?);
                Ok((value(row, 0)?, call.map_err(|_| StoreError::Corrupt("a webhook"))?))
            },
        )
    }

    pub(in crate::storage) fn remove_hook(&self, id: i64) -> Result<(), StoreError> {
        self.run("DELETE FROM webhook WHERE id = ?1", [id]).map(|_| ())
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
