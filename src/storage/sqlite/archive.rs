//! The archive: filled from what is pending, and read in pages.

use std::collections::BTreeSet;

use bytes::Bytes;
use rusqlite::{Row, params};
use rustc_hash::FxHashMap;

use crate::{
    signal::{Address, MessageId},
    storage::{AccountKey, ArchiveEnd, ArchiveQuery, ArchivedMessage, StoreError, codec, pending::Line},
};

use super::{Database, accounts::stored_address, failed, value};

impl Database {
    /// Adds lines in the order of their keys, then the messages that they share. A line that is
    /// there already stays as it is.
    pub(in crate::storage) fn add_to_archive<'a>(
        &self,
        lines: impl Iterator<Item = (AccountKey, &'a Line)>,
    ) -> Result<(), StoreError> {
        let last: Option<i64> =
            self.one("SELECT max(id) FROM archive_message", [], |row| row.get(0))?.flatten();
        let mut next = last.unwrap_or(0) + 1;
        let mut messages: Vec<(i64, i64, &Bytes)> = Vec::new();
        let mut places: FxHashMap<*const u8, usize> = FxHashMap::default();
        let mut parts = BTreeSet::new();
        let mut insert = self
            .connection
            .prepare_cached(
                "INSERT INTO archive (account, message_id, peer, outgoing, message)
                 VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
            )
            .map_err(failed)?;
        for (account, line) in lines {
            let place = *places.entry(line.body.as_ptr()).or_insert_with(|| {
                messages.push((next, 0, &line.body));
                next += 1;
                messages.len() - 1
            });
            let Some((id, held, _)) = messages.get_mut(place) else { continue };
            let message_id = codec::id_bytes(line.id);
            let values = params![account.0, &message_id[..], line.with.as_str(), line.outgoing, *id];
            let added = insert.execute(values).map_err(failed)?;
            *held += i64::try_from(added).unwrap_or_default();
            parts.insert((account, &line.with, part_of(line.id)));
        }
        drop(insert);
        self.add_parts(parts)?;
        self.add_messages(messages.into_iter().filter(|(_, held, _)| *held > 0))
    }

    fn add_parts(&self, parts: BTreeSet<(AccountKey, &Address, i64)>) -> Result<(), StoreError> {
        let mut insert = self
            .connection
            .prepare_cached(
                "INSERT INTO archive_peer (account, peer, part) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            )
            .map_err(failed)?;
        for (account, peer, part) in parts {
            insert.execute(params![account.0, peer.as_str(), part]).map_err(failed)?;
        }
        Ok(())
    }

    fn add_messages<'a>(
        &self,
        messages: impl Iterator<Item = (i64, i64, &'a Bytes)>,
    ) -> Result<(), StoreError> {
        let mut insert = self
            .connection
            .prepare_cached("INSERT INTO archive_message (id, lines, message) VALUES (?1, ?2, ?3)")
            .map_err(failed)?;
        for (id, held, message) in messages {
            insert.execute(params![id, held, &message[..]]).map_err(failed)?;
        }
        Ok(())
    }

    /// Removes an account's lines, and the messages that nobody else holds.
    pub(super) fn remove_archive(&self, key: AccountKey) -> Result<(), StoreError> {
        for sql in [
            "UPDATE archive_message SET lines = lines - 1
             WHERE id IN (SELECT message FROM archive WHERE account = ?1)",
            "DELETE FROM archive_message
             WHERE id IN (SELECT message FROM archive WHERE account = ?1) AND lines <= 0",
            "DELETE FROM archive WHERE account = ?1",
            "DELETE FROM archive_peer WHERE account = ?1",
        ] {
            self.run(sql, [key.0])?;
        }
        Ok(())
    }

    /// The lines that a query asks for, from the wanted end, in that direction.
    pub(in crate::storage) fn archive_lines(
        &self,
        key: AccountKey,
        query: &ArchiveQuery,
    ) -> Result<Vec<ArchivedMessage>, StoreError> {
        let newest = query.from == ArchiveEnd::Newest;
        let Some(with) = &query.with else {
            let sql = if newest { TIME_NEWEST } else { TIME_OLDEST };
            let (after, before) = range(query.after, query.before);
            return self.all(sql, params![key.0, after, before, limit(query.limit)], archived);
        };
        self.conversation(key, with, query, if newest { PEER_NEWEST } else { PEER_OLDEST }, archived)
    }

    /// What `sql` finds of the lines with a peer that a query asks for, from the wanted end, in that direction.
    pub(super) fn conversation<T>(
        &self,
        key: AccountKey,
        with: &Address,
        query: &ArchiveQuery,
        sql: &str,
        read: fn(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let parts = params![
            key.0,
            with.as_str(),
            query.after.map_or(0, part_of),
            query.before.map_or(i64::MAX, part_of)
        ];
        let order = if query.from == ArchiveEnd::Newest { PARTS_NEWEST } else { PARTS_OLDEST };
        let parts: Vec<i64> = self.all(order, parts, |row| value(row, 0))?;
        let mut lines = Vec::new();
        for part in parts {
            let after = query.after.filter(|after| part_of(*after) == part);
            let before = query.before.filter(|before| part_of(*before) == part);
            let (mut from, mut to) = range(after, before);
            if after.is_none() {
                from = codec::id_bytes(first_of(part))[..PART_BYTES].to_vec();
            }
            if before.is_none() {
                to = codec::id_bytes(first_of(part + 1))[..PART_BYTES].to_vec();
            }
            let left = limit(query.limit - lines.len());
            lines.extend(self.all(sql, params![key.0, from, to, left, with.as_str()], read)?);
            if lines.len() >= query.limit {
                break;
            }
        }
        Ok(lines)
    }
}

/// Bounds of ids. An empty blob sorts before every id, one of seventeen bytes after, and the
/// beginning of an id before those that begin with it.
fn range(after: Option<MessageId>, before: Option<MessageId>) -> (Vec<u8>, Vec<u8>) {
    let bytes = |id: MessageId| codec::id_bytes(id).to_vec();
    (after.map_or_else(Vec::new, bytes), before.map_or_else(|| vec![0xff; 17], bytes))
}

/// The part of the time that an id is in.
pub(super) fn part_of(id: MessageId) -> i64 {
    i64::try_from(id.0 >> PART_SHIFT).unwrap_or(i64::MAX)
}

/// The first id of a part.
fn first_of(part: i64) -> MessageId {
    MessageId(u128::from(part.unsigned_abs()) << PART_SHIFT)
}

fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// A line whose columns are its peer, its direction and its message.
pub(super) fn archived(row: &Row<'_>) -> Result<ArchivedMessage, StoreError> {
    let message = row.get_ref(2).map_err(failed)?;
    let bytes = message.as_blob().map_err(|_| StoreError::Corrupt("an archived message"))?;
    Ok(ArchivedMessage {
        with: stored_address(row, 0)?,
        outgoing: value(row, 1)?,
        message: codec::decode(bytes, "an archived message")?,
    })
}

const TIME_OLDEST: &str = "SELECT peer, outgoing, m.message FROM archive a
    CROSS JOIN archive_message m ON m.id = a.message
    WHERE account = ?1 AND message_id > ?2 AND message_id < ?3
    ORDER BY message_id, peer LIMIT ?4";
const TIME_NEWEST: &str = "SELECT peer, outgoing, m.message FROM archive a
    CROSS JOIN archive_message m ON m.id = a.message
    WHERE account = ?1 AND message_id > ?2 AND message_id < ?3
    ORDER BY message_id DESC, peer DESC LIMIT ?4";
const PEER_OLDEST: &str = "SELECT peer, outgoing, m.message FROM archive a
    CROSS JOIN archive_message m ON m.id = a.message
    WHERE account = ?1 AND peer = ?5 AND message_id > ?2 AND message_id < ?3
    ORDER BY message_id LIMIT ?4";
const PEER_NEWEST: &str = "SELECT peer, outgoing, m.message FROM archive a
    CROSS JOIN archive_message m ON m.id = a.message
    WHERE account = ?1 AND peer = ?5 AND message_id > ?2 AND message_id < ?3
    ORDER BY message_id DESC LIMIT ?4";
const PARTS_OLDEST: &str = "SELECT part FROM archive_peer
    WHERE account = ?1 AND peer = ?2 AND part >= ?3 AND part <= ?4 ORDER BY part";
const PARTS_NEWEST: &str = "SELECT part FROM archive_peer
    WHERE account = ?1 AND peer = ?2 AND part >= ?3 AND part <= ?4 ORDER BY part DESC";
/// What is below the milliseconds of an id, and 28 bits of them.
const PART_SHIFT: u32 = 80 + 28;
/// Bytes that tell parts apart.
const PART_BYTES: usize = 3;
