//! What owners report.

use rusqlite::{Row, params};

use crate::{
    signal::{Address, Timestamp},
    storage::{AccountKey, Complaint, REPORTS, REPORTS_OF_ACCOUNT, Report, StoreError},
};

use super::{Database, accounts::stored_address, value};

impl Database {
    /// Keeps a report, and forgets the oldest where there are too many.
    pub(in crate::storage) fn put_report(
        &self,
        key: AccountKey,
        about: &Address,
        at: Timestamp,
        complaint: &Complaint,
    ) -> Result<(), StoreError> {
        let complaint =
            serde_json::to_string(complaint).map_err(|error| StoreError::Database(error.to_string()))?;
        self.run(
            "INSERT INTO report (account, subject, at, complaint) VALUES (?1, ?2, ?3, ?4)",
            params![key.0, about.as_str(), at.0, complaint],
        )?;
        self.run(
            "DELETE FROM report WHERE account = ?1 AND id <=
             (SELECT id FROM report WHERE account = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
            params![key.0, i64::try_from(REPORTS_OF_ACCOUNT).unwrap_or(i64::MAX)],
        )?;
        self.run(
            "DELETE FROM report WHERE id <= (SELECT id FROM report ORDER BY id DESC LIMIT 1 OFFSET ?1)",
            params![i64::try_from(REPORTS).unwrap_or(i64::MAX)],
        )?;
        Ok(())
    }

    /// Newest first.
    pub(in crate::storage) fn reports(&self) -> Result<Vec<Report>, StoreError> {
        self.all(
            "SELECT report.id, account.address, subject, at, complaint FROM report
             JOIN account ON account.id = report.account ORDER BY report.id DESC",
            [],
            report,
        )
    }

    pub(in crate::storage) fn remove_report(&self, id: i64) -> Result<bool, StoreError> {
        self.run("DELETE FROM report WHERE id = ?1", [id]).map(|count| count > 0)
    }
}

fn report(row: &Row<'_>) -> Result<Report, StoreError> {
    Ok(Report {
        id: value(row, 0)?,
        from: stored_address(row, 1)?,
        about: stored_address(row, 2)?,
        at: Timestamp(value(row, 3)?),
        complaint: serde_json::from_str(&value::<String>(row, 4)?)
            .map_err(|_| StoreError::Corrupt("a report"))?,
    })
}
