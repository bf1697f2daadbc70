//! What authors took back leaves the archive: its line stays, and what it said is overwritten.
//!
//! Of the messages that are looked through only the beginning is read, which has their names: all of them would be a
//! lot to read for one message that names another one.

use std::collections::BTreeMap;

use compact_str::CompactString;
use rusqlite::{Row, params};
use rustc_hash::FxHashSet;

use crate::{
    signal::{Address, MessageId, MessageKind, Party, Timestamp},
    storage::{AccountKey, ArchiveEnd, ArchiveQuery, ArchivedMessage, Retraction, StoreError, codec},
};

use super::{Database, archive::archived, failed, value};

/// What the record of a [`crate::signal::Message`] begins with: its id, and at the end the id that its sender gave it.
type Front = (MessageId, Party, Party, MessageKind, Timestamp, Option<CompactString>);

/// Where a line is.
struct Place {
    id: Vec<u8>,
    outgoing: bool,
    /// Of its message, with how many bytes.
    message: i64,
    bytes: usize,
}

impl Database {
    /// Empties the messages that these mean, among the last [`LINES`] that were exchanged before each.
    pub(in crate::storage) fn retract(
        &self,
        key: AccountKey,
        retractions: &[Retraction],
    ) -> Result<(), StoreError> {
        // Each conversation is looked through once, however much is taken back of it.
        let mut conversations: BTreeMap<&Address, Vec<&Retraction>> = BTreeMap::new();
        for retraction in retractions {
            conversations.entry(&retraction.with).or_default().push(retraction);
        }
        for (with, retractions) in conversations {
            // Those that stay as they are although they have the name are few, unless somebody wants them to be read.
            let mut wasted = 0;
            for place in self.named_lines(key, with, &retractions)? {
                let line = params![key.0, place.id, with.as_str()];
                let Some(mut line) = self.all(LINE, line, archived)?.pop() else { continue };
                if retractions.iter().any(|retraction| retraction.apply(&mut line)) {
                    self.overwrite(key, &line)?;
                } else {
                    wasted += place.bytes;
                    if wasted > WASTED_BYTES {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// The lines that have one of the names, newest first, and those whose names are too far behind to be seen.
    fn named_lines(
        &self,
        key: AccountKey,
        with: &Address,
        retractions: &[&Retraction],
    ) -> Result<Vec<Place>, StoreError> {
        let query = ArchiveQuery {
            before: retractions.iter().map(|retraction| retraction.id).max(),
            from: ArchiveEnd::Newest,
            limit: LINES + retractions.len(),
            ..ArchiveQuery::default()
        };
        let mut places = self.conversation(key, with, &query, PLACES, place)?;
        let Some(first) = places.first() else { return Ok(places) };
        let names: FxHashSet<(bool, &str)> =
            retractions.iter().map(|retraction| (retraction.outgoing, retraction.of.as_str())).collect();
        let table = (c"main", c"archive_message", c"message");
        let mut message =
            self.connection.blob_open(table.0, table.1, table.2, first.message, true).map_err(failed)?;
        let mut front = [0; FRONT_BYTES];
        let mut kept = Vec::new();
        for place in places.drain(..) {
            message.reopen(place.message).map_err(failed)?;
            let length = message.read_at(&mut front, 0).map_err(failed)?;
            let is_named = match codec::decode_front::<Front>(&front[..length], "an archived message") {
                Ok((id, .., name)) => {
                    let name = name.unwrap_or_else(|| id.to_string().into());
                    names.contains(&(place.outgoing, name.as_str()))
                }
                Err(_) => names.iter().any(|(outgoing, _)| *outgoing == place.outgoing),
            };
            if is_named {
                kept.push(place);
            }
        }
        Ok(kept)
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

fn place(row: &Row<'_>) -> Result<Place, StoreError> {
    let bytes: i64 = value(row, 3)?;
    Ok(Place {
        id: value(row, 0)?,
        outgoing: value(row, 1)?,
        message: value(row, 2)?,
        bytes: usize::try_from(bytes).unwrap_or_default(),
    })
}

const PLACES: &str = "SELECT message_id, outgoing, m.id, length(m.message) FROM archive a
    CROSS JOIN archive_message m ON m.id = a.message
    WHERE account = ?1 AND peer = ?5 AND message_id > ?2 AND message_id < ?3
    ORDER BY message_id DESC LIMIT ?4";
const LINE: &str = "SELECT peer, outgoing, m.message FROM archive a
    CROSS JOIN archive_message m ON m.id = a.message
    WHERE account = ?1 AND message_id = ?2 AND peer = ?3";
/// Most messages of a conversation that are looked through.
const LINES: usize = 2000;
/// Where the name of a message is, unless its addresses are very long.
const FRONT_BYTES: usize = 4096;
/// Most bytes that are read of messages which have a name that is looked for and are not meant.
const WASTED_BYTES: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        signal::{Content, Keep, Message, Native, Receipt, ReceiptKind, Text},
        storage::{NewAccount, pending::Line},
    };

    struct Book {
        database: Database,
        key: AccountKey,
        with: Address,
        _folder: tempfile::TempDir,
    }

    impl Book {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let database = Database::open(&folder.path().join("test.db")).unwrap();
            let address = Address::parse("alice@example.org").unwrap();
            let created = Timestamp(1);
            let new = NewAccount { address, is_admin: false, created, credential: Vec::new() };
            let key = database.create_account(&new).unwrap();
            Self { database, key, with: Address::parse("bob@example.org").unwrap(), _folder: folder }
        }

        /// Bob writes something.
        fn add(&self, id: u128, name: &str, body: &str, retracts: Option<&str>) {
            let receipt = retracts.map(|of| Receipt { kind: ReceiptKind::Retracted, of: of.into() });
            let bodies = [Text::plain(body)].into_iter().collect();
            let message = Message {
                id: MessageId(id),
                from: Party::bare(self.with.clone()),
                to: Party::parse("alice@example.org").unwrap(),
                kind: MessageKind::Chat,
                sent: Timestamp(1),
                origin_id: Some(name.into()),
                content: Content { bodies, receipt, ..Content::default() },
                native: Native::None,
                keep: Keep::ALL,
            };
            let body = codec::encode(&message).unwrap().into();
            let line = Line { id: message.id, with: self.with.clone(), outgoing: false, body };
            self.database.add_to_archive([(self.key, &line)].into_iter()).unwrap();
        }

        fn retract(&self, id: u128, of: &str) -> Result<(), StoreError> {
            let (with, id, at) = (self.with.clone(), MessageId(id), Timestamp(1));
            let retraction = Retraction { with, outgoing: false, of: of.into(), id, by: "r".into(), at };
            self.database.retract(self.key, &[retraction])
        }

        /// Takes from all messages so far whatever is behind their first bytes.
        fn cut(&self, bytes: u32) {
            self.database
                .run("UPDATE archive_message SET message = substr(message, 1, ?1)", [bytes])
                .unwrap();
        }

        fn names_of_the_emptied(&self) -> Vec<CompactString> {
            let query = ArchiveQuery { limit: 99, ..ArchiveQuery::default() };
            let lines = self.database.archive_lines(self.key, &query).unwrap();
            let is_empty = |line: &&ArchivedMessage| matches!(line.message.native, Native::Retracted { .. });
            lines.iter().filter(is_empty).map(|line| line.message.name()).collect()
        }
    }

    #[test]
    fn only_the_beginning_is_read_of_messages_that_are_not_meant() {
        let book = Book::new();
        book.add(1, "one", &"x".repeat(20_000), None);
        book.add(2, "two", &"x".repeat(20_000), None);
        book.cut(10_000);
        book.add(3, "three", "x", None);
        book.retract(4, "three").unwrap();
        book.retract(5, "nothing").unwrap();
        assert!(book.retract(6, "two").is_err(), "that one is read");
    }

    #[test]
    fn a_name_far_behind_is_found() {
        let book = Book::new();
        let long = "n".repeat(FRONT_BYTES);
        book.add(1, &long, "x", None);
        book.add(2, "two", "x", None);
        book.retract(3, &long).unwrap();
        book.retract(4, &MessageId(2).to_string()).unwrap();
        assert_eq!(book.names_of_the_emptied(), [long]);
    }

    #[test]
    fn messages_that_are_never_meant_are_read_up_to_a_bound() {
        let book = Book::new();
        book.add(1, "same", "x", None);
        // Who takes back cannot be taken back.
        let large = "x".repeat(WASTED_BYTES / 4);
        (2..9).for_each(|id| book.add(id, "same", &large, Some("nothing")));
        book.retract(20, "same").unwrap();
        assert!(book.names_of_the_emptied().is_empty());
        (10..12).for_each(|id| book.add(id, "same", "x", None));
        book.retract(21, "same").unwrap();
        assert_eq!(book.names_of_the_emptied(), ["same", "same"]);
    }
}
