//! What was refused lately.

use rusqlite::{Row, params};

use crate::{
    signal::Timestamp,
    storage::{AccountKey, REFUSALS, Refusal, StoreError},
};

use super::{Database, accounts::stored_address, value};

impl Database {
    /// Counts a refusal, and forgets the oldest where there are too many.
    pub(in crate::storage) fn put_refusal(
        &self,
        key: AccountKey,
        refusal: &Refusal,
    ) -> Result<(), StoreError> {
        let failed = |error: serde_json::Error| StoreError::Database(error.to_string());
        let kind = serde_json::to_string(&refusal.kind).map_err(failed)?;
        let reason = serde_json::to_string(&refusal.reason).map_err(failed)?;
        self.run(
            "INSERT INTO refusal (account, sender, kind, reason, at, count)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (account, sender, kind, reason) DO UPDATE SET
             at = excluded.at, count = min(count + excluded.count, 4294967295)",
            params![key.0, refusal.from.as_str(), kind, reason, refusal.at.0, refusal.count],
        )?;
        self.run(
            "DELETE FROM refusal WHERE account = ?1 AND at <=
             (SELECT at FROM refusal WHERE account = ?1 ORDER BY at DESC LIMIT 1 OFFSET ?2)",
            params![key.0, i64::try_from(REFUSALS).unwrap_or(i64::MAX)],
        )?;
        Ok(())
    }

    pub(in crate::storage) fn remove_refusals(&self, key: AccountKey) -> Result<(), StoreError> {
        self.run("DELETE FROM refusal WHERE account = ?1", [key.0]).map(|_| ())
    }

    /// Newest first.
    pub(in crate::storage) fn refusals(&self, key: AccountKey) -> Result<Vec<Refusal>, StoreError> {
        self.all(
            "SELECT sender, kind, reason, at, count FROM refusal WHERE account = ?1
             ORDER BY at DESC, sender, kind, reason",
            [key.0],
            refusal,
        )
    }
}

fn refusal(row: &Row<'_>) -> Result<Refusal, StoreError> {
    let corrupt = |_| StoreError::Corrupt("a refusal");
    Ok(Refusal {
        from: stored_address(row, 0)?,
        kind: serde_json::from_str(&value::<String>(row, 1)?).map_err(corrupt)?,
        reason: serde_json::from_str(&value::<String>(row, 2)?).map_err(corrupt)?,
        at: Timestamp(value(row, 3)?),
        count: value(row, 4)?,
    })
}
