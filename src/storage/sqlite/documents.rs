//! Documents, byte for byte as they came.

use rusqlite::{Row, params};

use crate::{
    signal::{Address, DocumentEntry, DocumentId, Timestamp},
    storage::{AccountKey, StoreError, StoredDocument},
};

use super::{
    Database,
    accounts::{one_row, stored_address},
    value,
};

impl Database {
    pub(in crate::storage) fn put_document(
        &self,
        key: AccountKey,
        entry: &DocumentEntry,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        self.set_documents_version(key, entry.version)?;
        self.run(
            "INSERT INTO document (account, application, name, version, hash, changed, bytes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (account, application, name) DO UPDATE SET
             version = excluded.version, hash = excluded.hash, changed = excluded.changed,
             bytes = excluded.bytes",
            params![
                key.0,
                entry.id.application.as_str(),
                entry.id.name.as_str(),
                entry.version.cast_signed(),
                entry.hash.cast_signed(),
                entry.changed.0,
                bytes
            ],
        )
        .map(|_| ())
    }

    pub(in crate::storage) fn remove_document(
        &self,
        key: AccountKey,
        id: &DocumentId,
        version: u64,
    ) -> Result<(), StoreError> {
        self.set_documents_version(key, version)?;
        self.run(
            "DELETE FROM document WHERE account = ?1 AND application = ?2 AND name = ?3",
            params![key.0, id.application.as_str(), id.name.as_str()],
        )
        .map(|_| ())
    }

    fn set_documents_version(&self, key: AccountKey, version: u64) -> Result<(), StoreError> {
        one_row(self.run(
            "UPDATE account SET documents_version = max(documents_version, ?2) WHERE id = ?1",
            params![key.0, version.cast_signed()],
        )?)
    }

    pub(super) fn document_entries(&self, key: AccountKey) -> Result<Vec<DocumentEntry>, StoreError> {
        self.all(
            "SELECT application, name, version, hash, changed, length(bytes) FROM document
             WHERE account = ?1 ORDER BY application, name",
            [key.0],
            entry,
        )
    }

    pub(in crate::storage) fn documents(
        &self,
        key: AccountKey,
        ids: &[DocumentId],
    ) -> Result<Vec<StoredDocument>, StoreError> {
        let sql = "SELECT application, name, version, hash, changed, length(bytes), bytes FROM document
                   WHERE account = ?1 AND application = ?2 AND name = ?3";
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            found.extend(self.all(sql, params![key.0, id.application.as_str(), id.name.as_str()], stored)?);
        }
        Ok(found)
    }

    pub(in crate::storage) fn documents_of_all(
        &self,
        id: &DocumentId,
        after: Option<AccountKey>,
        limit: usize,
    ) -> Result<Vec<(AccountKey, Address, StoredDocument)>, StoreError> {
        self.all(
            "SELECT document.application, document.name, version, hash, changed, length(bytes), bytes,
                    account, address
             FROM document JOIN account ON account.id = document.account
             WHERE document.application = ?1 AND document.name = ?2 AND document.account > ?3
             ORDER BY document.account LIMIT ?4",
            params![
                id.application.as_str(),
                id.name.as_str(),
                after.map_or(i64::MIN, |key| key.0),
                i64::try_from(limit).unwrap_or(i64::MAX)
            ],
            |row| Ok((AccountKey(value(row, 7)?), stored_address(row, 8)?, stored(row)?)),
        )
    }

    pub(in crate::storage) fn documents_of_application(
        &self,
        application: &str,
        after: Option<(&str, AccountKey)>,
        limit: usize,
    ) -> Result<Vec<(AccountKey, Address, StoredDocument)>, StoreError> {
        // No document is without a name.
        let (name, account) = after.map_or(("", i64::MIN), |(name, key)| (name, key.0));
        self.all(
            "SELECT document.application, document.name, version, hash, changed, length(bytes), bytes,
                    account, address
             FROM document JOIN account ON account.id = document.account
             WHERE document.application = ?1 AND (document.name, document.account) > (?2, ?3)
             ORDER BY document.name, document.account LIMIT ?4",
            params![application, name, account, i64::try_from(limit).unwrap_or(i64::MAX)],
            |row| Ok((AccountKey(value(row, 7)?), stored_address(row, 8)?, stored(row)?)),
        )
    }
}

/// From the columns application, name, version, hash, changed, length of bytes.
fn entry(row: &Row<'_>) -> Result<DocumentEntry, StoreError> {
    let text = |index| value::<String>(row, index);
    Ok(DocumentEntry {
        id: DocumentId::new(&text(0)?, &text(1)?),
        version: value::<i64>(row, 2)?.cast_unsigned(),
        hash: value::<i64>(row, 3)?.cast_unsigned(),
        changed: Timestamp(value(row, 4)?),
        size: value::<i64>(row, 5)?.unsigned_abs(),
    })
}

/// As [`entry`], with the bytes behind.
fn stored(row: &Row<'_>) -> Result<StoredDocument, StoreError> {
    Ok(StoredDocument { entry: entry(row)?, bytes: value::<Vec<u8>>(row, 6)?.into() })
}
