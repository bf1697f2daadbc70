//! Who wants to be found, with one thing off a shelf of each.

use bytes::Bytes;
use rusqlite::params;

use crate::{
    signal::Address,
    storage::{ListedAccount, StoreError},
};

use super::{Database, accounts::stored_address, failed};

impl Database {
    pub(in crate::storage) fn listed(
        &self,
        after: Option<&Address>,
        limit: usize,
        (shelf, name): (&str, &str),
    ) -> Result<Vec<ListedAccount>, StoreError> {
        let after = after.map_or("", Address::as_str);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.all(LISTED, params![after, limit, shelf, name], |row| {
            let content = row.get_ref(1).map_err(failed)?;
            let content =
                content.as_blob_or_null().map_err(|_| StoreError::Corrupt("something on a shelf"))?;
            Ok(ListedAccount {
                address: stored_address(row, 0)?,
                content: content.map(Bytes::copy_from_slice),
            })
        })
    }
}

/// The condition is word for word that of the index.
const LISTED: &str = "SELECT address, content FROM account
    LEFT JOIN shelved ON shelved.account = account.id AND shelf = ?3 AND name = ?4
    WHERE json_extract(preferences, '$.listed') = 1 AND disabled = 0 AND address > ?1
    ORDER BY address LIMIT ?2";
