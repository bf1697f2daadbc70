//! The store's part about what leaves archives in time.

use super::{AccountKey, Preferences, Store, StoreError};
use crate::signal::MessageId;

impl Store {
    /// What an owner chose, from the database alone. `None` where there is no such account. Blocks.
    ///
    /// # Errors
    /// What the database says, or [`StoreError::Corrupt`].
    pub fn preferences(&self, account: AccountKey) -> Result<Option<Preferences>, StoreError> {
        self.read(|database| database.preferences(account))
    }

    /// Removes the oldest lines of an archive that are before `first`, at most `most`; how many. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn forget_archive(
        &self,
        account: AccountKey,
        first: MessageId,
        most: usize,
    ) -> Result<usize, StoreError> {
        self.change(move |database| database.forget_archive(account, first, most))
    }
}
