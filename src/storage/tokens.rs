//! The store's part about tokens: what logs in by possession.

use super::{AccountKey, Store, StoreError, TokenKind, TokenRecord};
use crate::signal::Timestamp;

impl Store {
    /// Keeps a token while its account has fewer than `most`; `false` where it has not. Blocks.
    ///
    /// # Errors
    /// [`StoreError::NoSuchAccount`], or what the database says.
    pub fn put_token(&self, token: TokenRecord, most: usize) -> Result<bool, StoreError> {
        self.change(move |database| database.put_token(&token, most))
    }

    /// A token by its hash, expired or not. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn token(&self, hash: &[u8; 32]) -> Result<Option<TokenRecord>, StoreError> {
        self.read(|database| database.token(hash))
    }

    /// An account's tokens, oldest first. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn tokens(&self, account: AccountKey) -> Result<Vec<TokenRecord>, StoreError> {
        self.read(|database| database.tokens(account))
    }

    /// Up to `most` tokens of a kind, newest first. Reads them all: not for what happens often. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn tokens_of_kind(&self, kind: TokenKind, most: usize) -> Result<Vec<TokenRecord>, StoreError> {
        self.read(|database| database.tokens_of_kind(kind, most))
    }

    /// Removes a token; `false` where there was none, so that of several that use up one token
    /// only one succeeds. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn remove_token(&self, hash: [u8; 32]) -> Result<bool, StoreError> {
        self.change(move |database| database.remove_token(&hash))
    }

    /// Removes all tokens of a kind. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn remove_tokens_of_kind(&self, kind: TokenKind) -> Result<(), StoreError> {
        self.change(move |database| database.remove_tokens_of_kind(kind))
    }

    /// Notes that a token was used, and until when it is good. Does not wait; a note that is
    /// lost is no loss.
    pub fn touch_token(&self, hash: [u8; 32], at: Timestamp, expires: Timestamp) {
        self.note(move |database| database.touch_token(&hash, at, expires));
    }
}
