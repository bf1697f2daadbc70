//! The store on SQLite: two connections that write, in turn, and a few that read.
//!
//! Write-ahead log, so that readers and the writer do not wait for each other;
//! `synchronous=FULL`, so that a commit is durable when it returns. Knows nothing of threads,
//! queues and groups: the writer's loop is outside.
//!
//! # Invariants
//!
//! - This folder alone knows rusqlite.
//! - Every statement is prepared once per connection and takes its values as parameters.

mod accounts;
mod archive;
mod automation;
mod blocked;
mod clients;
mod credentials;
mod directory;
mod documents;
mod expiry;
mod memory;
mod migrate;
mod offline;
mod readers;
mod refusals;
mod reports;
mod retraction;
mod roster;
mod settings;
mod shared_files;
mod shelves;
mod tokens;
mod waiting;

use std::{fs, os::unix::fs::OpenOptionsExt, path::Path, time::Duration};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Params, Row, config::DbConfig};

pub(super) use readers::Readers;

use super::StoreError;

/// One connection. Its functions are grouped by subject in the files of this folder.
pub(super) struct Database {
    connection: Connection,
}

impl Database {
    /// Opens the file for writing; makes it, readable by its owner only, and migrates it.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        // The log and its index get the permissions of the file.
        fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        let mut connection = Connection::open(path).map_err(failed)?;
        connection.busy_timeout(BUSY).map_err(failed)?;
        connection.pragma_update(None, "journal_mode", "wal").map_err(failed)?;
        connection.pragma_update(None, "synchronous", "full").map_err(failed)?;
        connection.pragma_update(None, "foreign_keys", true).map_err(failed)?;
        // Pages of many accounts are changed again and again before they need to be copied from
        // the log into the database.
        connection.pragma_update(None, "cache_size", -CACHE_KIB).map_err(failed)?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES).map_err(failed)?;
        migrate::migrate(&mut connection)?;
        keep_plans(&connection)?;
        Ok(Self { connection })
    }

    /// Opens the file for reading. It must have been opened for writing before.
    fn open_for_reading(path: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        connection.busy_timeout(BUSY).map_err(failed)?;
        // A page of an archive is spread over as many pages of the file as it has messages; most are
        // in the system's cache, from where they need not be copied.
        connection.pragma_update(None, "mmap_size", MAPPED_BYTES).map_err(failed)?;
        keep_plans(&connection)?;
        Ok(Self { connection })
    }

    /// Begins the transaction of a group; `false` where one is open already.
    pub(super) fn begin(&self) -> Result<bool, StoreError> {
        if !self.connection.is_autocommit() {
            return Ok(false);
        }
        self.run("BEGIN IMMEDIATE", []).map(|_| true)
    }

    /// Makes the group durable. Undoes it where that is not possible.
    pub(super) fn commit(&self) -> Result<(), StoreError> {
        let outcome = self.run("COMMIT", []).map(|_| ());
        if !self.connection.is_autocommit() {
            self.run("ROLLBACK", [])?;
        }
        outcome
    }

    /// Whether a transaction is open. A failed write may have ended it, with all before it.
    pub(super) fn is_in_group(&self) -> bool {
        !self.connection.is_autocommit()
    }

    /// Does all of `steps` in a transaction of their own, durably, or nothing of it.
    pub(super) fn alone<T>(
        &self,
        steps: impl FnOnce(&Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.run("BEGIN IMMEDIATE", [])?;
        let outcome = steps(self).and_then(|it| self.commit().map(|()| it));
        if self.is_in_group() {
            self.run("ROLLBACK", [])?;
        }
        outcome
    }

    /// Does all of `steps` within the group, or nothing of it.
    pub(super) fn step<T>(
        &self,
        steps: impl FnOnce(&Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.run("SAVEPOINT step", [])?;
        let outcome = steps(self);
        if self.is_in_group() {
            if outcome.is_err() {
                self.run("ROLLBACK TO step", [])?;
            }
            self.run("RELEASE step", [])?;
        }
        outcome
    }

    /// Executes one statement; the number of rows it changed.
    fn run(&self, sql: &str, parameters: impl Params) -> Result<usize, StoreError> {
        self.connection.prepare_cached(sql).and_then(|mut it| it.execute(parameters)).map_err(failed)
    }

    /// The first row of a query.
    fn one<T>(
        &self,
        sql: &str,
        parameters: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut it| it.query_row(parameters, read).optional())
            .map_err(failed)
    }

    /// All rows of a query.
    fn all<T>(
        &self,
        sql: &str,
        parameters: impl Params,
        mut read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        let mut rows = statement.query(parameters).map_err(failed)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            found.push(read(row)?);
        }
        Ok(found)
    }
}

/// Prepares each statement once. Left to itself, SQLite prepares one that compares and sorts anew
/// whenever a value is bound to it, in case another value deserves another plan; ours never does.
fn keep_plans(connection: &Connection) -> Result<(), StoreError> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(failed)?;
    Ok(())
}

/// A value of a row, with the store's own error.
fn value<T: rusqlite::types::FromSql>(row: &Row<'_>, index: usize) -> Result<T, StoreError> {
    row.get(index).map_err(failed)
}

/// The store's word for what the database said. A row that points to a missing account is the
/// one thing that callers meet in ordinary life.
fn failed(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error() {
        Some(inner) if inner.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY => {
            StoreError::NoSuchAccount
        }
        Some(inner) if inner.code == ErrorCode::DatabaseCorrupt => StoreError::Corrupt("the database"),
        _ => StoreError::Database(error.to_string()),
    }
}

/// How long a connection waits for a lock that a checkpoint holds.
const BUSY: Duration = Duration::from_secs(10);
/// Pages that the writer keeps in memory, in KiB.
const CACHE_KIB: i64 = 16 << 10;
/// How much of the file a reader looks at without copying. Pages stay the system's, which takes them
/// back when it wants; as long as the process uses them, they count as its own.
const MAPPED_BYTES: i64 = 1 << 30;
/// Pages of 4 KiB in the log before they are copied into the database.
const CHECKPOINT_PAGES: i64 = 4096;
/// Prepared statements kept per connection; more than there are.
const STATEMENTS: usize = 96;

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    #[test]
    fn statement_that_sorts_is_prepared_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.db");
        let writer = Database::open(&path).unwrap();
        let reader = Database::open_for_reading(&path).unwrap();
        let sql = "SELECT address FROM roster WHERE account = ?1 ORDER BY address";
        for database in [&writer, &reader] {
            for account in 0..3 {
                database.all(sql, [account], |_| Ok(())).unwrap();
            }
            let statement = database.connection.prepare_cached(sql).unwrap();
            assert_eq!(statement.get_status(StatementStatus::Run), 3);
            assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
        }
    }
}
