//! Brings a database to this version, one numbered file after the other.

use rusqlite::Connection;

use crate::storage::StoreError;

use super::failed;

/// Applies what is missing, each file in a transaction of its own.
///
/// # Errors
/// [`StoreError::TooNew`] where a later version was here, or what the database says.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let found: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(failed)?;
    let known = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    if found > known {
        return Err(StoreError::TooNew { found, known });
    }
    for (index, sql) in MIGRATIONS.iter().enumerate().skip(found as usize) {
        let step = connection.transaction().map_err(failed)?;
        step.execute_batch(sql).map_err(failed)?;
        step.pragma_update(None, "user_version", index as i64 + 1).map_err(failed)?;
        step.commit().map_err(failed)?;
    }
    Ok(())
}

/// The files in their order. One that was released is never changed: add another.
const MIGRATIONS: &[&str] = &[
    include_str!("../../../storage/sqlite/0001_accounts.sql"),
    include_str!("../../../storage/sqlite/0002_archive.sql"),
    include_str!("../../../storage/sqlite/0003_auth.sql"),
    include_str!("../../../storage/sqlite/0004_messages.sql"),
    include_str!("../../../storage/sqlite/0005_memory.sql"),
    include_str!("../../../storage/sqlite/0006_waiting.sql"),
    include_str!("../../../storage/sqlite/0007_own.sql"),
    include_str!("../../../storage/sqlite/0008_documents.sql"),
    include_str!("../../../storage/sqlite/0009_shelves.sql"),
    include_str!("../../../storage/sqlite/0010_refusals.sql"),
    include_str!("../../../storage/sqlite/0011_automation.sql"),
    include_str!("../../../storage/sqlite/0012_clients.sql"),
    include_str!("../../../storage/sqlite/0013_files.sql"),
    include_str!("../../../storage/sqlite/0014_late.sql"),
    include_str!("../../../storage/sqlite/0015_call_rules.sql"),
    include_str!("../../../storage/sqlite/0016_directory.sql"),
    include_str!("../../../storage/sqlite/0017_reports.sql"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        signal::{Address, Content, Keep, Message, MessageId, MessageKind, Native, Party, Timestamp},
        storage::{AccountKey, ArchiveQuery, codec, sqlite::Database},
    };

    #[test]
    fn second_run_changes_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        migrate(&mut connection).unwrap();
        let version: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
        assert_eq!(version as usize, MIGRATIONS.len());
    }

    #[test]
    fn later_version_is_left_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.pragma_update(None, "user_version", 1000).unwrap();
        let known = u32::try_from(MIGRATIONS.len()).unwrap();
        assert_eq!(migrate(&mut connection), Err(StoreError::TooNew { found: 1000, known }));
    }

    #[test]
    fn archive_of_an_earlier_version_gives_the_same_pages() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.db");
        let connection = Connection::open(&path).unwrap();
        MIGRATIONS.iter().take(3).for_each(|sql| connection.execute_batch(sql).unwrap());
        connection.pragma_update(None, "user_version", 3).unwrap();
        connection
            .execute("INSERT INTO account (id, address, is_admin, created) VALUES (1, 'a@x', 0, 0)", [])
            .unwrap();
        for day in 0..12_u64 {
            let message = message(day);
            let (id, peer) = (codec::id_bytes(message.id), if day % 3 == 0 { "b@x" } else { "c@x" });
            let values = rusqlite::params![&id[..], peer, codec::encode(&message).unwrap()];
            let sql = "INSERT INTO archive (account, message_id, peer, outgoing, message)
                       VALUES (1, ?1, ?2, 1, ?3)";
            connection.execute(sql, values).unwrap();
        }
        drop(connection);
        let database = Database::open(&path).unwrap();
        let days = |with: Option<&str>| -> Vec<i64> {
            let with = with.map(|with| Address::parse(with).unwrap());
            let query = ArchiveQuery { with, limit: 99, ..ArchiveQuery::default() };
            let lines = database.archive_lines(AccountKey(1), &query).unwrap();
            lines.iter().map(|line| line.message.sent.0).collect()
        };
        assert_eq!(days(None), (0..12).collect::<Vec<_>>());
        assert_eq!(days(Some("b@x")), [0, 3, 6, 9]);
    }

    fn message(day: u64) -> Message {
        let party = Party::bare(Address::parse("a@x").unwrap());
        Message {
            id: MessageId::from_parts(1_700_000_000_000 + day * 86_400_000, 3),
            from: party.clone(),
            to: party,
            kind: MessageKind::Chat,
            sent: Timestamp(day as i64),
            origin_id: None,
            content: Content::default(),
            native: Native::None,
            keep: Keep::ALL,
        }
    }
}
