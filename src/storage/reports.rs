//! The store's part about reports: what owners tell whoever runs the server about people whom they block.

use serde::{Deserialize, Serialize};

use super::{AccountKey, Store, StoreError};
use crate::signal::{Address, Timestamp};

/// One report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub id: i64,
    /// Who reports.
    pub from: Address,
    /// Who is reported: an account, or a domain.
    pub about: Address,
    pub at: Timestamp,
    pub complaint: Complaint,
}

/// What a report says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Complaint {
    pub reason: Complained,
    /// Words to the operator; possibly none.
    pub text: String,
    /// The messages that it is about, by their ids in archives.
    pub messages: Vec<String>,
    /// The operator may tell the server of who is reported.
    pub may_tell_origin: bool,
    /// The operator may tell others, such as those who keep lists.
    pub may_tell_others: bool,
}

/// What somebody is reported for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Complained {
    /// Messages that nobody wanted.
    Spam,
    /// Anything else.
    Abuse,
}

impl Store {
    /// Keeps a report. The oldest go where the account has made more than [`REPORTS_OF_ACCOUNT`], or all accounts
    /// together more than [`REPORTS`]. Blocks.
    ///
    /// # Errors
    /// [`StoreError::NoSuchAccount`], or what the database says.
    pub fn put_report(
        &self,
        account: AccountKey,
        about: Address,
        at: Timestamp,
        complaint: Complaint,
    ) -> Result<(), StoreError> {
        self.change(move |database| database.put_report(account, &about, at, &complaint))
    }

    /// All reports, newest first. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn reports(&self) -> Result<Vec<Report>, StoreError> {
        self.read(|database| database.reports())
    }

    /// Forgets a report; `false` where there was none. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn remove_report(&self, id: i64) -> Result<bool, StoreError> {
        self.change(move |database| database.remove_report(id))
    }
}

/// How many reports are kept.
pub const REPORTS: usize = 1000;
/// How many of them are of one account: nobody shall drive out what others report.
pub const REPORTS_OF_ACCOUNT: usize = 50;
