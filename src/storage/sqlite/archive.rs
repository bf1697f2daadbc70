//! The archive: appended to, and read in pages.

use rusqlite::{Row, params};

use crate::{
    signal::{Address, Message},
    storage::{AccountKey, ArchiveEnd, ArchiveQuery, ArchivedMessage, StoreError, codec},
};

use super::{Database, accounts::stored_address, value};

impl Database {
    pub(in crate::storage) fn archive(
        &self,
        key: AccountKey,
        message: &Message,
        with: &Address,
        outgoing: bool,
    ) -> Result<(), StoreError> {
        let id = codec::id_bytes(message.id);
        self.run(
            "INSERT INTO archive (account, message_id, peer, outgoing, message)
             VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
            params![key.0, &id[..], with.as_str(), outgoing, codec::encode(message)?],
        )
        .map(|_| ())
    }

    pub(in crate::storage) fn archive_page(
        &self,
        key: AccountKey,
        query: &ArchiveQuery,
    ) -> Result<Vec<ArchivedMessage>, StoreError> {
        // An empty blob sorts before every id, one of seventeen bytes after.
        let after = query.after.map_or_else(Vec::new, |id| codec::id_bytes(id).to_vec());
        let before = query.before.map_or_else(|| vec![0xff; 17], |id| codec::id_bytes(id).to_vec());
        let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
        let newest = query.from == ArchiveEnd::Newest;
        let mut page = match &query.with {
            None => {
                let sql = if newest { TIME_NEWEST } else { TIME_OLDEST };
                self.all(sql, params![key.0, after, before, limit], archived)?
            }
            Some(with) => {
                let sql = if newest { PEER_NEWEST } else { PEER_OLDEST };
                self.all(sql, params![key.0, after, before, limit, with.as_str()], archived)?
            }
        };
        if newest {
            page.reverse();
        }
        Ok(page)
    }
}

fn archived(row: &Row<'_>) -> Result<ArchivedMessage, StoreError> {
    let message = row.get_ref(2).map_err(super::failed)?;
    let bytes = message.as_blob().map_err(|_| StoreError::Corrupt("an archived message"))?;
    Ok(ArchivedMessage {
        with: stored_address(row, 0)?,
        outgoing: value(row, 1)?,
        message: codec::decode(bytes, "an archived message")?,
    })
}

const TIME_OLDEST: &str = "SELECT peer, outgoing, message FROM archive
    WHERE account = ?1 AND message_id > ?2 AND message_id < ?3 ORDER BY message_id LIMIT ?4";
const TIME_NEWEST: &str = "SELECT peer, outgoing, message FROM archive
    WHERE account = ?1 AND message_id > ?2 AND message_id < ?3 ORDER BY message_id DESC LIMIT ?4";
const PEER_OLDEST: &str = "SELECT peer, outgoing, message FROM archive
    WHERE account = ?1 AND peer = ?5 AND message_id > ?2 AND message_id < ?3
    ORDER BY message_id LIMIT ?4";
const PEER_NEWEST: &str = "SELECT peer, outgoing, message FROM archive
    WHERE account = ?1 AND peer = ?5 AND message_id > ?2 AND message_id < ?3
    ORDER BY message_id DESC LIMIT ?4";
