//! Tokens by their hashes.

use rusqlite::{Row, params};

use crate::{
    signal::{Address, Timestamp},
    storage::{AccountKey, StoreError, TokenKind, TokenRecord},
};

use super::{Database, failed, value};

impl Database {
    /// Adds a token while its account has fewer than `most`; `false` where it has not. Expired
    /// tokens do not count: they are removed first.
    pub(in crate::storage) fn put_token(&self, token: &TokenRecord, most: usize) -> Result<bool, StoreError> {
        self.run("DELETE FROM token WHERE expires <= ?1", [token.created.0])?;
        let account = match &token.account {
            Some(address) => Some(self.account_key(address)?.ok_or(StoreError::NoSuchAccount)?.0),
            None => None,
        };
        let count = self
            .one("SELECT count(*) FROM token WHERE account IS ?1", [account], |row| row.get::<_, i64>(0))?
            .unwrap_or_default();
        if usize::try_from(count).unwrap_or_default() >= most {
            return Ok(false);
        }
        self.run(
            "INSERT INTO token (hash, kind, account, label, created, expires)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                &token.hash[..],
                kind_number(token.kind),
                account,
                token.label,
                token.created.0,
                token.expires.0
            ],
        )?;
        Ok(true)
    }

    pub(in crate::storage) fn token(&self, hash: &[u8; 32]) -> Result<Option<TokenRecord>, StoreError> {
        let found = self.all(BY_HASH, [&hash[..]], token)?;
        Ok(found.into_iter().next())
    }

    pub(in crate::storage) fn tokens(&self, key: AccountKey) -> Result<Vec<TokenRecord>, StoreError> {
        self.all(BY_ACCOUNT, [key.0], token)
    }

    pub(in crate::storage) fn tokens_of_kind(
        &self,
        kind: TokenKind,
        most: usize,
    ) -> Result<Vec<TokenRecord>, StoreError> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        self.all(BY_KIND, [kind_number(kind), most], token)
    }

    pub(in crate::storage) fn remove_token(&self, hash: &[u8; 32]) -> Result<bool, StoreError> {
        self.run("DELETE FROM token WHERE hash = ?1", [&hash[..]]).map(|n| n > 0)
    }

    pub(in crate::storage) fn remove_tokens(&self, key: AccountKey) -> Result<(), StoreError> {
        self.run("DELETE FROM token WHERE account = ?1", [key.0]).map(|_| ())
    }

    pub(in crate::storage) fn remove_tokens_of_kind(&self, kind: TokenKind) -> Result<(), StoreError> {
        self.run("DELETE FROM token WHERE kind = ?1", [kind_number(kind)]).map(|_| ())
    }

    pub(in crate::storage) fn touch_token(
        &self,
        hash: &[u8; 32],
        at: Timestamp,
        expires: Timestamp,
    ) -> Result<(), StoreError> {
        self.run(
            "UPDATE token SET last_used = ?2, expires = ?3 WHERE hash = ?1",
            params![&hash[..], at.0, expires.0],
        )
        .map(|_| ())
    }
}

fn token(row: &Row<'_>) -> Result<TokenRecord, StoreError> {
    let address: Option<String> = value(row, 2)?;
    Ok(TokenRecord {
        hash: row.get(0).map_err(failed)?,
        kind: kind_from(value(row, 1)?)?,
        account: match address {
            Some(text) => Some(Address::parse(&text).map_err(|_| StoreError::Corrupt("an address"))?),
            None => None,
        },
        label: value(row, 3)?,
        created: Timestamp(value(row, 4)?),
        expires: Timestamp(value(row, 5)?),
        last_used: value::<Option<i64>>(row, 6)?.map(Timestamp),
    })
}

fn kind_number(kind: TokenKind) -> i64 {
    match kind {
        TokenKind::Session => 1,
        TokenKind::Bearer => 2,
        TokenKind::Setup => 3,
        TokenKind::Invitation => 4,
    }
}

fn kind_from(number: i64) -> Result<TokenKind, StoreError> {
    match number {
        1 => Ok(TokenKind::Session),
        2 => Ok(TokenKind::Bearer),
        3 => Ok(TokenKind::Setup),
        4 => Ok(TokenKind::Invitation),
        _ => Err(StoreError::Corrupt("a token")),
    }
}

const BY_HASH: &str = "SELECT t.hash, t.kind, a.address, t.label, t.created, t.expires, t.last_used
    FROM token t LEFT JOIN account a ON a.id = t.account WHERE t.hash = ?1";
const BY_ACCOUNT: &str = "SELECT t.hash, t.kind, a.address, t.label, t.created, t.expires, t.last_used
    FROM token t JOIN account a ON a.id = t.account WHERE t.account = ?1 ORDER BY t.created, t.hash";
const BY_KIND: &str = "SELECT t.hash, t.kind, a.address, t.label, t.created, t.expires, t.last_used
    FROM token t LEFT JOIN account a ON a.id = t.account WHERE t.kind = ?1
    ORDER BY t.created DESC, t.hash LIMIT ?2";
