//! Things of an account on their shelves.

use bytes::Bytes;
use rusqlite::{Row, params};

use crate::storage::{
    AccountKey, StoreError,
    shelf::{AT_HAND, Pick, Shelved},
};

use super::{Database, failed, value};

impl Database {
    pub(in crate::storage) fn shelve(&self, key: AccountKey, it: &Shelved) -> Result<(), StoreError> {
        let content: &[u8] = it.content.as_deref().unwrap_or_default();
        self.run(
            "INSERT INTO shelved (account, shelf, name, number, content) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (account, shelf, name) DO UPDATE SET
             number = excluded.number, content = excluded.content",
            params![key.0, it.shelf.as_str(), it.name.as_str(), number(it.number), content],
        )
        .map(|_| ())
    }

    /// Removes one thing, or all of the shelf.
    pub(in crate::storage) fn unshelve(
        &self,
        key: AccountKey,
        shelf: &str,
        name: Option<&str>,
    ) -> Result<(), StoreError> {
        match name {
            Some(name) => self.run(
                "DELETE FROM shelved WHERE account = ?1 AND shelf = ?2 AND name = ?3",
                params![key.0, shelf, name],
            ),
            None => self.run("DELETE FROM shelved WHERE account = ?1 AND shelf = ?2", params![key.0, shelf]),
        }
        .map(|_| ())
    }

    /// Everything on the account's shelves, shelf by shelf in order, the large things without content.
    pub(super) fn shelves(&self, key: AccountKey) -> Result<Vec<Shelved>, StoreError> {
        self.all(
            "SELECT shelf, name, number, length(content), CASE WHEN length(content) <= ?2 THEN content END
             FROM shelved WHERE account = ?1 ORDER BY shelf, number",
            params![key.0, AT_HAND as i64],
            shelved,
        )
    }

    /// What is wanted of a shelf, in order.
    pub(in crate::storage) fn pick(
        &self,
        key: AccountKey,
        shelf: &str,
        pick: &Pick,
    ) -> Result<Vec<Shelved>, StoreError> {
        let mut found = Vec::new();
        match pick {
            Pick::Named(names) => {
                for name in names {
                    found.extend(self.all(ONE, params![key.0, shelf, name.as_str()], shelved)?);
                }
                found.sort_by_key(|it: &Shelved| it.number);
            }
            Pick::Last(count) => {
                let count = i64::try_from(*count).unwrap_or(i64::MAX);
                found = self.all(LAST, params![key.0, shelf, count], shelved)?;
                found.reverse();
            }
        }
        Ok(found)
    }
}

fn shelved(row: &Row<'_>) -> Result<Shelved, StoreError> {
    let content = row.get_ref(4).map_err(failed)?;
    let content = content.as_blob_or_null().map_err(|_| StoreError::Corrupt("something on a shelf"))?;
    Ok(Shelved {
        shelf: value::<String>(row, 0)?.into(),
        name: value::<String>(row, 1)?.into(),
        number: value::<i64>(row, 2)?.unsigned_abs(),
        length: value(row, 3)?,
        content: content.map(Bytes::copy_from_slice),
    })
}

/// A number as SQLite's integer, which is signed.
fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

const ONE: &str = "SELECT shelf, name, number, length(content), content FROM shelved
    WHERE account = ?1 AND shelf = ?2 AND name = ?3";
const LAST: &str = "SELECT shelf, name, number, length(content), content FROM shelved
    WHERE account = ?1 AND shelf = ?2 ORDER BY number DESC LIMIT ?3";
