//! The connections that read. Each serves one caller at a time; more callers wait for their turn.

use std::{
    path::Path,
    sync::{Condvar, Mutex, PoisonError},
};

use crate::storage::StoreError;

use super::Database;

/// A pool of a fixed size.
pub(in crate::storage) struct Readers {
    idle: Mutex<Vec<Database>>,
    returned: Condvar,
}

impl Readers {
    pub(in crate::storage) fn open(path: &Path, count: usize) -> Result<Self, StoreError> {
        let idle = (0..count).map(|_| Database::open_for_reading(path)).collect::<Result<_, _>>()?;
        Ok(Self { idle: Mutex::new(idle), returned: Condvar::new() })
    }

    /// Reads with the next free connection. Blocks until there is one.
    pub(in crate::storage) fn read<T>(&self, read: impl FnOnce(&Database) -> T) -> T {
        let lease = Lease { pool: self, database: Some(self.take()) };
        // The lease holds a connection until it is dropped.
        read(lease.database.as_ref().expect("a lease has a connection until it is dropped"))
    }

    fn take(&self) -> Database {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(database) = idle.pop() {
                return database;
            }
            idle = self.returned.wait(idle).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Gives the connection back, also where the reading panics.
struct Lease<'a> {
    pool: &'a Readers,
    database: Option<Database>,
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if let Some(database) = self.database.take() {
            self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(database);
            self.pool.returned.notify_one();
        }
    }
}
