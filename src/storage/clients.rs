//! The store's part about programs that log in to an account.

use super::{AccountKey, ClientRecord, Store, StoreError};
use crate::signal::Timestamp;

impl Store {
    /// The account's client of this name. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn client(&self, account: AccountKey, agent: &str) -> Result<Option<ClientRecord>, StoreError> {
        self.read(|database| database.client(account, agent))
    }

    /// The account's clients, latest seen first. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn clients(&self, account: AccountKey) -> Result<Vec<ClientRecord>, StoreError> {
        self.read(|database| database.clients(account))
    }

    /// Keeps a client under its name; its id. Those not seen since `before`, of any account, and those of this one
    /// beyond the `most` seen last are forgotten. Blocks.
    ///
    /// # Errors
    /// [`StoreError::NoSuchAccount`], or what the database says.
    pub fn put_client(
        &self,
        account: AccountKey,
        client: ClientRecord,
        before: Timestamp,
        most: usize,
    ) -> Result<i64, StoreError> {
        self.change(move |database| database.put_client(account, &client, before, most))
    }

    /// Forgets a client; `false` where there was none. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn remove_client(&self, account: AccountKey, id: i64) -> Result<bool, StoreError> {
        self.change(move |database| database.remove_client(account, id))
    }
}
