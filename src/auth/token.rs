//! Tokens: sessions of browsers, access of programs, and the link that makes the first
//! administrator. 256 random bits each; the store knows a hash only.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use crate::{
    signal::{Address, Timestamp},
    storage::{TokenKind, TokenRecord},
};

use super::{AuthError, Authenticator, Login, accounts::check_label, key::random};

/// A token that was good when it was read, and whom it logs in.
#[derive(Debug)]
pub(super) struct Good {
    pub(super) record: TokenRecord,
    pub(super) login: Login,
}

impl Authenticator {
    /// Makes a token of 256 random bits, printable, good for `lifetime`. The only time that it
    /// can be read. `account` is `None` for [`TokenKind::Setup`] alone; a new setup link ends
    /// earlier ones.
    ///
    /// # Errors
    /// [`AuthError::NoSuchAccount`], [`AuthError::Limit`], or the store's.
    pub async fn issue_token(
        &self,
        kind: TokenKind,
        account: Option<&Address>,
        label: &str,
        lifetime: Duration,
    ) -> Result<String, AuthError> {
        if (kind == TokenKind::Setup) != account.is_none() || kind == TokenKind::Invitation {
            return Err(AuthError::Limit("a token belongs to an account, a setup link to nobody"));
        }
        let text = URL_SAFE_NO_PAD.encode(random::<32>());
        let now = Timestamp::now();
        let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
        let token = TokenRecord {
            hash: hash(&text),
            kind,
            account: account.cloned(),
            label: check_label(label)?,
            created: now,
            expires: now.plus_seconds(seconds),
            last_used: None,
        };
        let kept = self
            .blocking(move |inner| {
                if kind == TokenKind::Setup {
                    inner.store.remove_tokens_of_kind(kind)?;
                }
                inner.store.put_token(token, TOKENS)
            })
            .await?;
        if kept { Ok(text) } else { Err(AuthError::Limit("there are too many tokens")) }
    }

    /// Whom a token logs in. A session's life is prolonged by use. Not for links.
    ///
    /// # Errors
    /// [`AuthError::Wrong`] where it is unknown, expired or of another kind, or the store's.
    pub async fn verify_token(&self, kind: TokenKind, token: &str) -> Result<Login, AuthError> {
        if !matches!(kind, TokenKind::Session | TokenKind::Bearer) {
            return Err(AuthError::Wrong);
        }
        let recent = &self.inner.tokens;
        let good = match recent.find(&hash(token)) {
            Some(good) => good,
            None => {
                let epoch = recent.epoch();
                recent.keep(hash(token), self.read_token(kind, token).await?, epoch)
            }
        };
        if !is_good(&good.record, kind) {
            return Err(AuthError::Wrong);
        }
        self.note_use(&good.record);
        Ok(good.login.clone())
    }

    /// A token of an account, from the store.
    async fn read_token(&self, kind: TokenKind, token: &str) -> Result<Good, AuthError> {
        let record = self.token(kind, token).await?;
        let address = record.account.clone().ok_or(AuthError::Wrong)?;
        let wanted = address.clone();
        let account = self.blocking(move |inner| inner.store.account(&wanted)).await?;
        let account = account.filter(|account| !account.disabled).ok_or(AuthError::Wrong)?;
        Ok(Good { record, login: Login { address, is_admin: account.is_admin, device: None } })
    }

    /// Whether this setup link can be used.
    ///
    /// # Errors
    /// [`AuthError::Wrong`] where it is unknown, expired or used, or the store's.
    pub async fn check_setup(&self, token: &str) -> Result<(), AuthError> {
        self.token(TokenKind::Setup, token).await.map(|_| ())
    }

    /// Uses up a setup link: makes the first administrator.
    ///
    /// # Errors
    /// [`AuthError::Wrong`] where the link is unknown, expired or used, else as
    /// [`Authenticator::create_account`].
    pub async fn redeem_setup(
        &self,
        token: &str,
        address: &Address,
        password: &str,
    ) -> Result<Login, AuthError> {
        let record = self.token(TokenKind::Setup, token).await?;
        if !self.create_account_by_token(record.hash, address, password, true).await? {
            return Err(AuthError::Wrong);
        }
        Ok(Login { address: address.clone(), is_admin: true, device: None })
    }

    /// The tokens that log in to an account, oldest first.
    ///
    /// # Errors
    /// [`AuthError::NoSuchAccount`], or the store's.
    pub async fn tokens(&self, address: &Address) -> Result<Vec<TokenRecord>, AuthError> {
        let key = self.key_of(address).await?;
        let mut tokens = self.blocking(move |inner| inner.store.tokens(key)).await?;
        tokens.retain(|token| token.kind != TokenKind::Invitation);
        Ok(tokens)
    }

    /// Ends the token; `false` where there was none.
    ///
    /// # Errors
    /// The store's.
    pub async fn revoke_token(&self, token: &str) -> Result<bool, AuthError> {
        self.remove_token(hash(token)).await
    }

    /// Forgets it again when it is gone from the store: it may have been read meanwhile.
    async fn remove_token(&self, hash: [u8; 32]) -> Result<bool, AuthError> {
        self.inner.tokens.forget(&hash);
        self.blocking(move |inner| {
            let outcome = inner.store.remove_token(hash);
            inner.tokens.forget(&hash);
            outcome
        })
        .await
    }

    /// Ends a token of the account by its hash, as [`Authenticator::tokens`] lists it; `false`
    /// where there was none.
    ///
    /// # Errors
    /// The store's.
    pub async fn revoke_token_by_hash(&self, address: &Address, hash: &[u8; 32]) -> Result<bool, AuthError> {
        let hash = *hash;
        let token = self.blocking(move |inner| inner.store.token(&hash)).await?;
        let is_his = token.is_some_and(|token| token.account.as_ref() == Some(address));
        if is_his { self.remove_token(hash).await } else { Ok(false) }
    }

    /// A token of this kind that is good now.
    pub(super) async fn token(&self, kind: TokenKind, token: &str) -> Result<TokenRecord, AuthError> {
        let hash = hash(token);
        let found = self.blocking(move |inner| inner.store.token(&hash)).await?;
        found.filter(|token| is_good(token, kind)).ok_or(AuthError::Wrong)
    }

    /// Notes the use of a token, at most once a minute.
    fn note_use(&self, token: &TokenRecord) {
        let now = Timestamp::now();
        if token.last_used.is_some_and(|at| now < at.plus_seconds(NOTE_SECONDS)) {
            return;
        }
        let expires = match token.kind {
            TokenKind::Session => now.plus_seconds(i64::from(self.inner.config.session_seconds)),
            TokenKind::Bearer | TokenKind::Setup | TokenKind::Invitation => token.expires,
        };
        self.inner.tokens.update(&token.hash, |good| {
            let record = TokenRecord { last_used: Some(now), expires, ..good.record.clone() };
            Good { record, login: good.login.clone() }
        });
        self.inner.store.touch_token(token.hash, now, expires);
    }
}

/// Whether a token of this kind is good now.
fn is_good(token: &TokenRecord, kind: TokenKind) -> bool {
    token.kind == kind && token.expires > Timestamp::now()
}

pub(super) fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// Tokens of one account.
pub(super) const TOKENS: usize = 1000;
const NOTE_SECONDS: i64 = 60;
