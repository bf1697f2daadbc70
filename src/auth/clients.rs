//! Programs that log in and say which installation they are: what the owner is told of them, and the tokens by
//! which they log in again.
//!
//! A name that an installation gives itself proves nothing; it is known only together with the account.

use std::net::IpAddr;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    signal::{Address, Timestamp},
    storage::{AccountKey, ClientRecord},
};

use super::{
    AuthError, Authenticator, Change, FastBinding, FastProof, FastToken, Login,
    authenticator::{Inner, context, login},
    credential::Known,
    fast::{Tokens, Unfit},
    key::random,
};

/// An installation of a program, as it describes itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Agent {
    /// Its name, always the same; 1 to 200 bytes.
    pub id: String,
    /// What program it is.
    pub software: Option<String>,
    /// What it runs on.
    pub name: Option<String>,
}

/// What a client wants of a login that succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wishes {
    /// A token to log in again, to be proved with this.
    pub token: Option<FastBinding>,
    /// An end of the tokens that it has.
    pub ends_tokens: bool,
    /// It logged in by a token, not by a password.
    pub by_token: bool,
}

/// What became of that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted {
    /// The client's number; never used again.
    pub client: i64,
    pub token: Option<FastToken>,
}

/// A program that has access to an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownClient {
    pub id: i64,
    pub software: Option<String>,
    pub name: Option<String>,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    /// The device password that it logged in with last.
    pub device: Option<i64>,
    /// It proved to know the account's own password.
    pub knows_password: bool,
    /// It has a token that is good now.
    pub has_token: bool,
}

impl Authenticator {
    /// Whether clients are given tokens to log in again.
    #[must_use]
    pub fn gives_tokens(&self) -> bool {
        self.inner.config.clients > 0 && self.inner.config.fast_days > 0
    }

    /// Checks the proof of a token, with the client's name. What comes with the login proves to the client that
    /// we know the token too.
    ///
    /// # Errors
    /// [`AuthError::Wrong`], [`AuthError::Expired`] where the token was good once, [`AuthError::Throttled`], or the
    /// store's.
    pub async fn verify_fast(
        &self,
        address: &Address,
        agent: &str,
        proof: &FastProof,
        peer: IpAddr,
    ) -> Result<(Login, Vec<u8>), AuthError> {
        self.check_throttle(address, peer)?;
        let outcome = self.take_proof(address, agent, proof).await;
        match &outcome {
            Ok((login, _)) => self.note_success(login, peer),
            Err(AuthError::Wrong) => self.login_failed(address, peer),
            Err(_) => {}
        }
        outcome
    }

    async fn take_proof(
        &self,
        address: &Address,
        agent: &str,
        proof: &FastProof,
    ) -> Result<(Login, Vec<u8>), AuthError> {
        let known = self.known(address).await?.filter(|known| !known.account.disabled);
        let known = known.ok_or(AuthError::Wrong)?;
        let record = self.client(known.account.key, agent).await?.ok_or(AuthError::Wrong)?;
        if !self.gives_tokens() || !is_device_known(&known, record.device) {
            return Err(AuthError::Wrong);
        }
        let mut tokens = self.open_tokens(address, &record)?;
        let answer = tokens.take(proof, Timestamp::now()).map_err(|unfit| match unfit {
            Unfit::Wrong => AuthError::Wrong,
            Unfit::Expired => AuthError::Expired,
        })?;
        let device = record.device;
        let record = ClientRecord { tokens: Some(self.seal_tokens(address, agent, &tokens)?), ..record };
        self.keep(known.account.key, record).await?;
        Ok((login(&known, device), answer))
    }

    /// Notes that a client logged in, and gives it the token that it wants, or a new one where its own is a day
    /// old. `None` where the configuration has no room for clients.
    ///
    /// # Errors
    /// [`AuthError::NoSuchAccount`], or the store's.
    pub async fn note_client(
        &self,
        login: &Login,
        agent: &Agent,
        wishes: Wishes,
    ) -> Result<Option<Noted>, AuthError> {
        if self.inner.config.clients == 0 {
            return Ok(None);
        }
        let address = &login.address;
        let key = self.known(address).await?.ok_or(AuthError::NoSuchAccount)?.account.key;
        let now = Timestamp::now();
        let before = self.client(key, &agent.id).await?;
        let mut tokens = match &before {
            Some(record) => self.open_tokens(address, record)?,
            None => Tokens::default(),
        };
        let token = self.renew(&mut tokens, wishes, now);
        let knows_password = match wishes.by_token {
            true => before.as_ref().is_some_and(|it| it.knows_password),
            false => login.device.is_none() || before.as_ref().is_some_and(|it| it.knows_password),
        };
        let record = ClientRecord {
            id: 0,
            agent: agent.id.clone(),
            software: agent.software.clone().or_else(|| before.as_ref()?.software.clone()),
            name: agent.name.clone().or_else(|| before.as_ref()?.name.clone()),
            first_seen: now,
            last_seen: now,
            device: login.device,
            knows_password,
            tokens: Some(self.seal_tokens(address, &agent.id, &tokens)?),
        };
        let client = self.keep(key, record).await?;
        Ok(Some(Noted { client, token }))
    }

    fn renew(&self, tokens: &mut Tokens, wishes: Wishes, now: Timestamp) -> Option<FastToken> {
        if wishes.ends_tokens {
            tokens.end();
        }
        let due = tokens.due(now).filter(|_| wishes.by_token);
        let binding = wishes.token.or(due).filter(|_| self.gives_tokens())?;
        let days = i64::from(self.inner.config.fast_days);
        let token = FastToken {
            text: URL_SAFE_NO_PAD.encode(random::<32>()),
            expires: now.plus_seconds(days * DAY_SECONDS),
        };
        tokens.issue(binding, now, token.clone());
        Some(token)
    }

    /// The programs that have access to the account and say which they are, latest seen first.
    ///
    /// # Errors
    /// [`AuthError::NoSuchAccount`], or the store's.
    pub async fn clients(&self, address: &Address) -> Result<Vec<KnownClient>, AuthError> {
        let key = self.key_of(address).await?;
        let records = self.blocking(move |inner| inner.store.clients(key)).await?;
        let now = Timestamp::now();
        let known = records.into_iter().map(|record| {
            let has_token = self.open_tokens(address, &record)?.is_any_good(now);
            let ClientRecord { id, software, name, first_seen, last_seen, device, knows_password, .. } =
                record;
            Ok(KnownClient { id, software, name, first_seen, last_seen, device, knows_password, has_token })
        });
        known.collect()
    }

    /// Forgets a program, ends its tokens and its sessions; `false` where there is none of this number. One that
    /// knows a password can log in again by that.
    ///
    /// # Errors
    /// [`AuthError::NoSuchAccount`], or the store's.
    pub async fn remove_client(&self, address: &Address, id: i64) -> Result<bool, AuthError> {
        let key = self.key_of(address).await?;
        let remove = move |inner: &Inner| {
            let removed = inner.store.remove_client(key, id)?;
            Ok((removed, removed.then_some(Change::ClientRemoved(id))))
        };
        self.changing(address, remove).await
    }

    async fn client(&self, key: AccountKey, agent: &str) -> Result<Option<ClientRecord>, AuthError> {
        let agent = agent.to_owned();
        self.blocking(move |inner| inner.store.client(key, &agent)).await
    }

    async fn keep(&self, key: AccountKey, record: ClientRecord) -> Result<i64, AuthError> {
        let config = &self.inner.config;
        let before = Timestamp::now().plus_seconds(-i64::from(config.client_days) * DAY_SECONDS);
        let most = config.clients;
        self.blocking(move |inner| inner.store.put_client(key, record, before, most)).await
    }

    fn open_tokens(&self, address: &Address, record: &ClientRecord) -> Result<Tokens, AuthError> {
        match &record.tokens {
            Some(sealed) => self.open_sealed(&token_context(address, &record.agent), sealed),
            None => Ok(Tokens::default()),
        }
    }

    fn seal_tokens(&self, address: &Address, agent: &str, tokens: &Tokens) -> Result<Vec<u8>, AuthError> {
        self.seal(&token_context(address, agent), tokens)
    }
}

/// A token that was given for a device password is good as long as that.
fn is_device_known(known: &Known, device: Option<i64>) -> bool {
    device.is_none_or(|id| known.devices.iter().any(|(known, _)| *known == id))
}

/// What sealed tokens are bound to.
fn token_context(address: &Address, agent: &str) -> String {
    format!("{}\0{agent}", context(address, "tokens"))
}

const DAY_SECONDS: i64 = 24 * 3600;
