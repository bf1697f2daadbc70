//! The door of the room: the pure parts, the store and the clock brought together.
//!
//! Logging in is here; changing credentials is in `accounts`, tokens are in `token`.

use std::{
    net::IpAddr,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
};

use tokio::{sync::broadcast, task};

use crate::{
    signal::{Address, Timestamp},
    storage::{CredentialRecord, Store, StoreError},
};

use super::{
    AuthError, Config, DigestResponse, DigestVerdict, ScramHash, ScramVerifier,
    accounts::Seen,
    credential::{self, DeviceVerifier, Known, Verifiers},
    key::{IfMissing, ServerKey, hmac, random},
    nonce::{NonceId, Nonces, UsedCounts},
    recent::Recent,
    throttle::Throttle,
    token::Good,
    turns::Turns,
};

/// Checks who somebody is, and changes what is checked. Cheap to clone.
#[derive(Clone)]
pub struct Authenticator {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) config: Config,
    pub(super) store: Store,
    pub(super) key: ServerKey,
    /// Keys the hashes of device passwords.
    pub(super) device_secret: [u8; 32],
    /// Makes the verifiers of those who do not exist.
    fake_secret: [u8; 32],
    /// Keys the hashes of passwords that were proved right in this run.
    proved_secret: [u8; 32],
    /// Accounts with their credentials opened, so that a phone's registration touches no sealed blob.
    pub(super) accounts: Recent<Address, Known>,
    /// Tokens by their hashes.
    pub(super) tokens: Recent<[u8; 32], Good>,
    nonces: Nonces,
    /// Spread over several locks by the random bytes of a nonce; each is held for a look-up.
    used: Vec<Mutex<UsedCounts>>,
    throttle: Mutex<Throttle>,
    /// Who computes Argon2, and who waits to.
    pub(super) turns: Turns,
    pub(super) changes: broadcast::Sender<Changed>,
    pub(super) seen: Seen,
}

/// Somebody proved to be the owner of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    pub address: Address,
    pub is_admin: bool,
    /// The device password that was used; `None` for the account's own password.
    pub device: Option<i64>,
}

/// Something about an account's credentials changed: sessions that rest on it are to be closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    pub address: Address,
    pub change: Change,
}

/// What changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Every session of the account ends.
    Password,
    /// Every session of the account ends, and the account with it.
    Removed,
    /// Every session of the account ends.
    Disabled,
    /// The sessions that logged in with this device password end.
    DeviceRemoved(i64),
    /// The sessions of this client end.
    ClientRemoved(i64),
}

impl Authenticator {
    /// Reads the key file below the data folder, or makes it on first start. Blocks for a moment.
    ///
    /// # Errors
    /// The key file cannot be read, is not 32 bytes, is missing though there are accounts, or the
    /// store fails.
    pub fn open(config: Config, data_dir: &Path, store: Store) -> Result<Self, AuthError> {
        let is_new = store.list_accounts(None, 1)?.is_empty();
        let if_missing = if is_new { IfMissing::Make } else { IfMissing::Fail };
        let path = data_dir.join("key");
        let key = ServerKey::open(&path, if_missing)
            .map_err(|error| AuthError::KeyFile(format!("{}: {error}", path.display())))?;
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let workers = if config.argon2_parallel == 0 { (cores - 1).max(1) } else { config.argon2_parallel };
        let inner = Inner {
            device_secret: key.derive("device passwords"),
            fake_secret: key.derive("verifiers of nobody"),
            proved_secret: random(),
            accounts: Recent::new(config.cached_accounts),
            tokens: Recent::new(config.cached_accounts),
            nonces: Nonces::new(random(), config.nonce_seconds),
            used: (0..SHARDS).map(|_| Mutex::new(UsedCounts::new(NONCES / SHARDS))).collect(),
            throttle: Mutex::new(Throttle::new(config.guesses, config.guess_seconds, THROTTLED)),
            turns: Turns::new(workers, config.argon2_queue),
            changes: broadcast::channel(CHANGES).0,
            seen: Seen::default(),
            config,
            store,
            key,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Checks a password in the clear: the account's own, or one of a device.
    ///
    /// # Errors
    /// [`AuthError::Wrong`], [`AuthError::Throttled`], [`AuthError::Overloaded`], or the store's.
    pub async fn verify_password(
        &self,
        address: &Address,
        password: &str,
        peer: IpAddr,
    ) -> Result<Login, AuthError> {
        self.check_throttle(address, peer)?;
        let known = self.known(address).await?;
        let login = match &known {
            Some(known) => self.quick_login(known, password),
            None => None,
        };
        let login = match login {
            Some(login) => Some(login),
            None => self.slow_login(known, address, password, peer).await?,
        };
        match login {
            Some(login) => {
                self.note_success(&login, peer);
                Ok(login)
            }
            None => {
                self.login_failed(address, peer);
                Err(AuthError::Wrong)
            }
        }
    }

    /// The verifier for a SCRAM exchange. For an account that does not exist or is disabled it is
    /// one that no proof fits, with the same salt each time.
    ///
    /// # Errors
    /// [`AuthError::Throttled`], [`AuthError::Sealed`], or the store's.
    pub async fn scram_verifier(
        &self,
        address: &Address,
        hash: ScramHash,
        peer: IpAddr,
    ) -> Result<ScramVerifier, AuthError> {
        self.check_throttle(address, peer)?;
        Ok(match self.known(address).await? {
            Some(known) if !known.account.disabled => known.verifiers.scram(hash).clone(),
            _ => {
                let (secret, iterations) = (&self.inner.fake_secret, self.inner.config.scram_iterations);
                ScramVerifier::fake(hash, secret, address.as_str(), iterations)
            }
        })
    }

    /// Ends a SCRAM exchange whose proof was right.
    ///
    /// # Errors
    /// [`AuthError::Wrong`] where the account went away or was disabled meanwhile,
    /// [`AuthError::Throttled`] where too many exchanges failed meanwhile.
    pub async fn login_succeeded(&self, address: &Address, peer: IpAddr) -> Result<Login, AuthError> {
        self.check_throttle(address, peer)?;
        let known = self.known(address).await?.filter(|known| !known.account.disabled);
        let login = login(known.as_ref().ok_or(AuthError::Wrong)?, None);
        self.note_success(&login, peer);
        Ok(login)
    }

    /// Counts a wrong guess: for a SCRAM exchange whose proof was wrong. The other ways to log in
    /// count for themselves.
    pub fn login_failed(&self, address: &Address, peer: IpAddr) {
        tracing::info!(%address, %peer, "login failed");
        self.throttle().failed(address, peer, Timestamp::now());
    }

    /// A nonce for a challenge in this realm. `flow` is what binds it to the asker, such as the
    /// bytes of his IP address: an answer from elsewhere is stale.
    #[must_use]
    pub fn digest_nonce(&self, realm: &str, flow: &[u8]) -> String {
        self.inner.nonces.print(realm, flow, random(), Timestamp::now())
    }

    /// Checks a digest answer. `address` is the account that the door read from username and
    /// realm. Costs microseconds where the account is in memory. `flow` as in
    /// [`Authenticator::digest_nonce`].
    pub async fn verify_digest(
        &self,
        address: &Address,
        response: &DigestResponse<'_>,
        flow: &[u8],
        peer: IpAddr,
    ) -> DigestVerdict {
        let now = Timestamp::now();
        let Some(nonce) = self.inner.nonces.parse(response.nonce, response.realm, flow, now) else {
            return DigestVerdict::Stale;
        };
        let known = match self.known(address).await {
            Ok(known) => known,
            Err(error) => {
                tracing::error!(%address, %error, "a login cannot be checked");
                return DigestVerdict::Unavailable;
            }
        };
        // Nothing is awaited from here on: no guess slips in between look and count.
        if let Err(AuthError::Throttled { retry_after }) = self.check_throttle(address, peer) {
            return DigestVerdict::Throttled { retry_after };
        }
        let login =
            known.filter(|known| !known.account.disabled && response.realm == address.domain_in_ascii());
        let Some(login) = login.and_then(|known| digest_login(&known, response)) else {
            self.login_failed(address, peer);
            return DigestVerdict::Wrong;
        };
        if !response.count().is_some_and(|count| self.take_count(nonce, count, now)) {
            return DigestVerdict::Stale;
        }
        self.note_success(&login, peer);
        DigestVerdict::Ok(login)
    }

    /// A secret of this server for a purpose of somebody else, which outlives the process: it comes of the
    /// key file, and a stolen database alone does not tell it.
    #[must_use]
    pub fn secret(&self, purpose: &str) -> [u8; 32] {
        self.inner.key.derive(purpose)
    }

    /// A number that stands for the password of an account, or of one of its devices, as long as that is the
    /// same: for what outlives the process and rests on it. `None` where it is gone, or nobody may log in.
    ///
    /// # Errors
    /// [`AuthError::Sealed`], or the store's.
    pub async fn mark(&self, address: &Address, device: Option<i64>) -> Result<Option<u64>, AuthError> {
        let Some(known) = self.known(address).await?.filter(|known| !known.account.disabled) else {
            return Ok(None);
        };
        let Some(id) = device else {
            let hash = hmac(&self.inner.fake_secret, &[b"mark", known.verifiers.salt()]);
            return Ok(hash.first_chunk().map(|first| u64::from_be_bytes(*first)));
        };
        // Numbers of devices are never used again.
        Ok(known.devices.iter().any(|(known, _)| *known == id).then(|| id.cast_unsigned()))
    }

    /// Whether what somebody proved while the account had the mark `begun` still lets him in: the password is the
    /// same, and his device and program were not taken out meanwhile.
    ///
    /// # Errors
    /// As [`Authenticator::mark`].
    pub async fn is_still_good(
        &self,
        address: &Address,
        begun: Option<u64>,
        device: Option<i64>,
        client: Option<i64>,
    ) -> Result<bool, AuthError> {
        let mark = self.mark(address, None).await?;
        let is_device_gone = device.is_some() && self.mark(address, device).await?.is_none();
        if mark.is_none() || mark != begun || is_device_gone {
            return Ok(false);
        }
        let Some(client) = client else { return Ok(true) };
        let key = self.key_of(address).await?;
        let clients = self.blocking(move |inner| inner.store.clients(key)).await?;
        Ok(clients.iter().any(|known| known.id == client))
    }

    /// Tells of changes from now on. Who lags behind by more than 256 changes is told so and has
    /// to check what he has.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<Changed> {
        self.inner.changes.subscribe()
    }

    /// The account with its credentials opened; from memory where it is there.
    pub(super) async fn known(&self, address: &Address) -> Result<Option<Arc<Known>>, AuthError> {
        if let Some(known) = self.inner.accounts.find(address) {
            return Ok(Some(known));
        }
        let epoch = self.inner.accounts.epoch();
        let wanted = address.clone();
        let Some(record) = self.blocking(move |inner| inner.store.credential(&wanted)).await? else {
            return Ok(None);
        };
        let known = self.open_record(record)?;
        Ok(Some(self.inner.accounts.keep(address.clone(), known, epoch)))
    }

    fn open_record(&self, record: CredentialRecord) -> Result<Known, AuthError> {
        let address = &record.account.address;
        let verifiers = self.open_sealed::<Verifiers>(&context(address, "account"), &record.credential)?;
        let devices = record
            .devices
            .iter()
            .map(|device| {
                let verifier = self.open_sealed(&context(address, "device"), &device.credential)?;
                Ok((device.id, verifier))
            })
            .collect::<Result<Vec<(i64, DeviceVerifier)>, AuthError>>()?;
        Ok(Known { verifiers, devices, account: record.account, proved: OnceLock::new() })
    }

    pub(super) fn open_sealed<T: serde::de::DeserializeOwned>(
        &self,
        context: &str,
        sealed: &[u8],
    ) -> Result<T, AuthError> {
        let opened = self.inner.key.open_sealed(context, sealed).ok_or(AuthError::Sealed)?;
        postcard::from_bytes(&opened).map_err(|_| AuthError::Sealed)
    }

    /// What can be told without Argon2: a device's password, or one that was right before.
    fn quick_login(&self, known: &Known, password: &str) -> Option<Login> {
        if known.account.disabled {
            return None;
        }
        let address = &known.account.address;
        let device = known
            .devices
            .iter()
            .find(|(_, verifier)| verifier.is_password(address, password, &self.inner.device_secret));
        if let Some((id, _)) = device {
            return Some(login(known, Some(*id)));
        }
        let proved = known.proved.get()?;
        let is_same: bool =
            subtle::ConstantTimeEq::ct_eq(&self.proved_hash(password)[..], &proved[..]).into();
        is_same.then(|| login(known, None))
    }

    /// Checks the account's own password with Argon2, on a thread that may block, in turn. Takes
    /// as long for an account that does not exist.
    async fn slow_login(
        &self,
        known: Option<Arc<Known>>,
        address: &Address,
        password: &str,
        peer: IpAddr,
    ) -> Result<Option<Login>, AuthError> {
        let turn = self.inner.turns.turn_of(peer).await?;
        // Others may have failed while this one waited.
        self.check_throttle(address, peer)?;
        let (typed, checked) = (password.to_owned(), known.clone());
        let is_right = self
            .blocking(move |inner| {
                // Held to the end, also where the client went away and nobody waits.
                let _turn = turn;
                Ok(match checked {
                    Some(known) => known.verifiers.is_password(&typed) && !known.account.disabled,
                    None => {
                        credential::waste_time(&typed, &inner.config);
                        false
                    }
                })
            })
            .await?;
        let Some(known) = known.filter(|_| is_right) else { return Ok(None) };
        // Set once; every later value would be the same but for its preparation.
        let _ = known.proved.set(self.proved_hash(password));
        if known.verifiers.is_partial()
            && let Err(fault) = self.complete(&known, password).await
        {
            tracing::error!(%fault, account = %known.account.address, "verifiers stay as another server left them");
        }
        Ok(Some(login(&known, None)))
    }

    fn proved_hash(&self, password: &str) -> [u8; 32] {
        hmac(&self.inner.proved_secret, &[password.as_bytes()])
    }

    pub(super) fn note_success(&self, login: &Login, peer: IpAddr) {
        let now = Timestamp::now();
        self.throttle().succeeded(&login.address, peer, now);
        if let Some(id) = login.device {
            self.note_device(id, now);
        }
    }

    fn take_count(&self, nonce: NonceId, count: u32, now: Timestamp) -> bool {
        let Some(used) = self.inner.used.get(nonce.spread() % SHARDS) else { return false };
        let mut used = used.lock().unwrap_or_else(PoisonError::into_inner);
        used.forget_before(now.plus_seconds(-i64::from(self.inner.config.nonce_seconds)).0);
        used.take(nonce, count)
    }

    pub(super) fn check_throttle(&self, address: &Address, peer: IpAddr) -> Result<(), AuthError> {
        self.throttle()
            .check(address, peer, Timestamp::now())
            .map_err(|retry_after| AuthError::Throttled { retry_after })
    }

    fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.inner.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs something on a thread that may wait.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, AuthError> {
        let inner = Arc::clone(&self.inner);
        match task::spawn_blocking(move || work(&inner)).await {
            Ok(outcome) => outcome.map_err(Into::into),
            // It panicked, or the runtime is shutting down.
            Err(_) => Err(AuthError::Store(StoreError::Closed)),
        }
    }
}

/// What a sealed credential is bound to.
pub(super) fn context(address: &Address, kind: &str) -> String {
    format!("{kind} {address}")
}

pub(super) fn login(known: &Known, device: Option<i64>) -> Login {
    Login { address: known.account.address.clone(), is_admin: known.account.is_admin, device }
}

/// Who answered a challenge: the account's password is tried first, then each device's.
fn digest_login(known: &Known, response: &DigestResponse<'_>) -> Option<Login> {
    let address = &known.account.address;
    let own = known.verifiers.ha1.iter().map(|set| (None, set));
    let devices = known.devices.iter().flat_map(|(id, device)| device.ha1.iter().map(|set| (Some(*id), set)));
    own.chain(devices)
        .find(|(_, set)| set.of(address, response.username).is_some_and(|ha1| response.is_made_with(ha1)))
        .map(|(device, _)| login(known, device))
}

/// Locks over the used counts.
const SHARDS: usize = 16;
/// Nonces that are remembered, some 50 bytes each.
const NONCES: usize = 200_000;
/// Entries in each table of the throttle, some 50 bytes each.
const THROTTLED: usize = 65_536;
/// Changes that a listener may lag behind.
const CHANGES: usize = 256;

#[cfg(test)]
mod tests;
