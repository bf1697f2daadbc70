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
];

#[cfg(test)]
mod tests {
    use super::*;

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
}
