//! What accounts keep for doors, read from the disk: documents of one, and of all.

use compact_str::CompactString;

use super::{Accounts, accounts::reading};
use crate::{
    signal::{Address, DocumentId, Reject},
    storage::{AccountKey, StoredDocument},
};

impl Accounts {
    /// The documents of these ids with their bytes, as far as they exist; `in_turn`, as all changes leave them
    /// that the account took so far, else possibly without the latest of them.
    ///
    /// # Errors
    /// As [`Accounts::archive`].
    pub async fn documents(
        &self,
        address: &Address,
        ids: Vec<DocumentId>,
        in_turn: bool,
    ) -> Result<Vec<StoredDocument>, Reject> {
        let store = self.inner().store.clone();
        let address = address.clone();
        let read = move || {
            let Some(account) = store.account(&address)? else { return Ok(None) };
            let found = if in_turn {
                store.documents_in_turn(account.key, ids)
            } else {
                store.documents(account.key, &ids)
            };
            found.map(Some)
        };
        reading(read, "documents").await
    }

    /// Documents of this id that accounts have, those of accounts behind the one of `after`; at most `limit`.
    ///
    /// # Errors
    /// [`crate::signal::Reason::Internal`] where they cannot be read.
    pub async fn documents_of_all(
        &self,
        id: &DocumentId,
        after: Option<AccountKey>,
        limit: usize,
    ) -> Result<Vec<(AccountKey, Address, StoredDocument)>, Reject> {
        let store = self.inner().store.clone();
        let id = id.clone();
        reading(move || store.documents_of_all(&id, after, limit).map(Some), "documents").await
    }

    /// Documents of this application that accounts have, those behind `after`, a name and an account, in this order;
    /// at most `limit`.
    ///
    /// # Errors
    /// [`crate::signal::Reason::Internal`] where they cannot be read.
    pub async fn documents_of_application(
        &self,
        application: &str,
        after: Option<(CompactString, AccountKey)>,
        limit: usize,
    ) -> Result<Vec<(AccountKey, Address, StoredDocument)>, Reject> {
        let store = self.inner().store.clone();
        let application = application.to_owned();
        let read = move || {
            let after = after.as_ref().map(|(name, key)| (name.as_str(), *key));
            store.documents_of_application(&application, after, limit).map(Some)
        };
        reading(read, "documents").await
    }
}
