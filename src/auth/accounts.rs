//! Changing credentials: accounts, passwords, and passwords of devices.

use std::sync::{Mutex, PoisonError};

use crate::{
    signal::{Address, Timestamp},
    storage::{AccountKey, NewAccount, StoreError},
};

use super::{
    AuthError, Authenticator, Change, Changed, ScramHash, ScramVerifier,
    authenticator::{Inner, context},
    credential::{DeviceVerifier, Known, Salts, Verifiers},
    key::random,
    password::{prepare_password, print_device_password},
    scram::SALT_BYTES,
};

/// A device password just made. The only time that it can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDevice {
    pub id: i64,
    pub label: String,
    pub password: String,
}

/// A device that has its own password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    pub id: i64,
    pub label: String,
    pub created: Timestamp,
    pub last_used: Option<Timestamp>,
}

impl Authenticator {
    /// Makes an account.
    ///
    /// # Errors
    /// [`AuthError::AccountExists`], [`AuthError::Password`], or the store's.
    pub async fn create_account(
        &self,
        address: &Address,
        password: &str,
        is_admin: bool,
    ) -> Result<(), AuthError> {
        let credential = self.seal_password(address, password, random()).await?;
        self.put_account(address, is_admin, credential).await
    }

    /// Makes an account of whose password another server kept these verifiers. Until its owner logs in somewhere with
    /// the password itself (PLAIN, the page), only these hashes of SCRAM let her in, and no digest.
    ///
    /// # Errors
    /// [`AuthError::AccountExists`], [`AuthError::Limit`] for an address without a local part, or the store's.
    pub async fn create_account_by_scram(
        &self,
        address: &Address,
        known: &[(ScramHash, ScramVerifier)],
    ) -> Result<(), AuthError> {
        if address.is_domain() {
            return Err(AuthError::Limit(NO_LOCAL_PART));
        }
        let credential = self.seal_scram(address, known)?;
        self.put_account(address, false, credential).await
    }

    async fn put_account(
        &self,
        address: &Address,
        is_admin: bool,
        credential: Vec<u8>,
    ) -> Result<(), AuthError> {
        let new = NewAccount { address: address.clone(), is_admin, created: Timestamp::now(), credential };
        // Nothing is known of it, but somebody may be reading that there is no such account.
        self.changing(address, move |inner| Ok((inner.store.create_account(new)?, None))).await?;
        Ok(())
    }

    /// Makes an account and uses up the token, of this hash, that lets somebody make it; `false` where that is gone.
    /// Where the account cannot be made for what can be known before, the token stays good.
    pub(super) async fn create_account_by_token(
        &self,
        token: [u8; 32],
        address: &Address,
        password: &str,
        is_admin: bool,
    ) -> Result<bool, AuthError> {
        if self.has_account(address).await? {
            return Err(AuthError::AccountExists);
        }
        let credential = self.seal_password(address, password, random()).await?;
        let new = NewAccount { address: address.clone(), is_admin, created: Timestamp::now(), credential };
        let make = move |inner: &Inner| {
            let is_good = inner.store.remove_token(token)?;
            if is_good {
                inner.store.create_account(new)?;
            }
            Ok((is_good, None))
        };
        self.changing(address, make).await
    }

    /// Puts what another server kept of a password in the place of the account's own.
    ///
    /// # Errors
    /// [`AuthError::NoSuchAccount`], or the store's.
    pub async fn set_scram(
        &self,
        address: &Address,
        known: &[(ScramHash, ScramVerifier)],
    ) -> Result<(), AuthError> {
        let key = self.key_of(address).await?;
        let sealed = self.seal_scram(address, known)?;
        self.set_credential(address, key, sealed).await
    }

    fn seal_scram(
        &self,
        address: &Address,
        known: &[(ScramHash, ScramVerifier)],
    ) -> Result<Vec<u8>, AuthError> {
        let salts = Salts { argon2: random(), scram: [random(), random(), random()] };
        let verifiers = Verifiers::from_scram(known, &salts, &self.inner.config);
        self.seal(&context(address, "account"), &verifiers)
    }

    /// What another server needs to let the owner in by SCRAM.
    ///
    /// # Errors
    /// [`AuthError::NoSuchAccount`], [`AuthError::Sealed`], or the store's.
    pub async fn scram_verifiers(
        &self,
        address: &Address,
    ) -> Result<Vec<(ScramHash, ScramVerifier)>, AuthError> {
        let known = self.known(address).await?.ok_or(AuthError::NoSuchAccount)?;
        Ok(known.verifiers.known_scram())
    }

    /// Makes the verifiers that another server did not keep, of a password that was right a moment ago.
    pub(super) async fn complete(&self, known: &Known, password: &str) -> Result<(), AuthError> {
        let address = &known.account.address;
        let wanted = address.clone();
        let record = self.blocking(move |inner| inner.store.credential(&wanted)).await?;
        let record = record.ok_or(AuthError::NoSuchAccount)?;
        // It was set anew meanwhile.
        if self.open_sealed::<Verifiers>(&context(address, "account"), &record.credential)? != known.verifiers
        {
            return Ok(());
        }
        // It is the same password: what rests on it stays good.
        let salt = known.verifiers.salt().first_chunk().copied().unwrap_or_else(random);
        let sealed = self.seal_password(address, password, salt).await?;
        let (key, before, owner) = (record.account.key, record.credential, address.clone());
        let replace = move |inner: &Inner| {
            let outcome = inner.store.replace_credential(key, before, sealed);
            inner.accounts.forget(&owner);
            outcome
        };
        self.blocking(replace).await?;
        Ok(())
    }

    /// Removes an account with all that belongs to it.
    ///
    /// # Errors
    /// [`AuthError::NoSuchAccount`], or the store's.
    pub async fn remove_account(&self, address: &Address) -> Result<(), AuthError> {
        let wanted = address.clone();
        let remove = move |inner: &Inner| Ok((inner.store.remove_account(&wanted)?, Some(Change::Removed)));
        self.changing(address, remove).await
    }

    /// Sets a new password. Web sessions and tokens of the account end; device passwords stay.
    ///
    /// # Errors
    /// [`AuthError::NoSuchAccount`], [`AuthError::Password`], or the store's.
    pub async fn set_password(&self, address: &Address, password: &str) -> Result<(), AuthError> {
        let key = self.key_of(address).await?;
        let sealed = self.seal_password(address, password, random()).await?;
        self.set_credential(address, key, sealed).await
    }

    async fn set_credential(
        &self,
        address: &Address,
        key: AccountKey,
        sealed: Vec<u8>,
    ) -> Result<(), AuthError> {
        let set = move |inner: &Inner| {
            inner.store.set_credential(key, sealed, Timestamp::now())?;
            Ok(((), Some(Change::Password)))
        };
        self.changing(address, set).await
    }

    /// Lets nobody log in any more, or again.
    ///
    /// # Errors
    /// [`AuthError::NoSuchAccount`], or the store's.
    pub async fn set_disabled(&self, address: &Address, disabled: bool) -> Result<(), AuthError> {
        let key = self.key_of(address).await?;
        let change = disabled.then_some(Change::Disabled);
        self.changing(address, move |inner| Ok((inner.store.set_disabled(key, disabled)?, change))).await
    }

    /// Makes the account an administrator, or not any more.
    ///
    /// # Errors
    /// [`AuthError::NoSuchAccount`], or the store's.
    pub async fn set_admin(&self, address: &Address, is_admin: bool) -> Result<(), AuthError> {
        let key = self.key_of(address).await?;
        self.changing(address, move |inner| Ok((inner.store.set_admin(key, is_admin)?, None))).await
    }

    /// Makes a password for one device. It is good for digest and wherever a password is sent in
    /// the clear, not for SCRAM, which has room for one password per account.
    ///
    /// # Errors
    /// [`AuthError::NoSuchAccount`], [`AuthError::Limit`], or the store's.
    pub async fn add_device(&self, address: &Address, label: &str) -> Result<NewDevice, AuthError> {
        let label = check_label(label)?;
        let key = self.key_of(address).await?;
        let password = print_device_password(random());
        let verifier = DeviceVerifier::new(address, &password, &self.inner.device_secret);
        let sealed = self.seal(&context(address, "device"), &verifier)?;
        let (name, most) = (label.clone(), self.inner.config.devices);
        let add = move |inner: &Inner| {
            Ok((inner.store.add_device(key, name, sealed, Timestamp::now(), most)?, None))
        };
        let added = self.changing(address, add).await?;
        let id = added.ok_or(AuthError::Limit("there are too many devices"))?;
        Ok(NewDevice { id, label, password })
    }

    /// The devices that have passwords, oldest first.
    ///
    /// # Errors
    /// [`AuthError::NoSuchAccount`], or the store's.
    pub async fn devices(&self, address: &Address) -> Result<Vec<Device>, AuthError> {
        let wanted = address.clone();
        let record = self.blocking(move |inner| inner.store.credential(&wanted)).await?;
        let devices = record.ok_or(AuthError::NoSuchAccount)?.devices;
        Ok(devices
            .into_iter()
            .map(|device| Device {
                id: device.id,
                label: device.label,
                created: device.created,
                last_used: device.last_used,
            })
            .collect())
    }

    /// Takes a device's password away; `false` where there is no such device.
    ///
    /// # Errors
    /// [`AuthError::NoSuchAccount`], or the store's.
    pub async fn remove_device(&self, address: &Address, id: i64) -> Result<bool, AuthError> {
        let key = self.key_of(address).await?;
        let remove = move |inner: &Inner| {
            let removed = inner.store.remove_device(key, id)?;
            Ok((removed, removed.then_some(Change::DeviceRemoved(id))))
        };
        self.changing(address, remove).await
    }

    pub(super) async fn has_account(&self, address: &Address) -> Result<bool, AuthError> {
        match self.key_of(address).await {
            Ok(_) => Ok(true),
            Err(AuthError::NoSuchAccount) => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    pub(super) async fn key_of(&self, address: &Address) -> Result<AccountKey, AuthError> {
        let wanted = address.clone();
        let account = self.blocking(move |inner| inner.store.account(&wanted)).await?;
        account.map(|account| account.key).ok_or(AuthError::NoSuchAccount)
    }

    /// Changes what is in the store, forgets what is in memory of it, then tells those who have sessions. All of
    /// that is done where nobody can stop it: whoever asked may go away meanwhile.
    pub(super) async fn changing<T: Send + 'static>(
        &self,
        address: &Address,
        work: impl FnOnce(&Inner) -> Result<(T, Option<Change>), StoreError> + Send + 'static,
    ) -> Result<T, AuthError> {
        let address = address.clone();
        self.blocking(move |inner| {
            let (outcome, change) = work(inner)?;
            inner.tell(address, change);
            Ok(outcome)
        })
        .await
    }

    /// Makes all verifiers of a password, sealed, in turn with those who check one.
    async fn seal_password(
        &self,
        address: &Address,
        password: &str,
        salt: [u8; SALT_BYTES],
    ) -> Result<Vec<u8>, AuthError> {
        if address.is_domain() {
            return Err(AuthError::Limit(NO_LOCAL_PART));
        }
        prepare_password(password).ok_or(AuthError::Password)?;
        let turn = self.inner.turns.turn().await?;
        let (owner, typed) = (address.clone(), password.to_owned());
        let verifiers = self
            .blocking(move |inner| {
                let _turn = turn;
                let salts = Salts { argon2: salt, scram: [random(), random(), random()] };
                Ok(Verifiers::new(&owner, &typed, &salts, &inner.config))
            })
            .await?;
        self.seal(&context(address, "account"), &verifiers.ok_or(AuthError::Password)?)
    }

    pub(super) fn seal<T: serde::Serialize>(&self, context: &str, secret: &T) -> Result<Vec<u8>, AuthError> {
        let bytes = postcard::to_stdvec(secret).map_err(|_| AuthError::Sealed)?;
        Ok(self.inner.key.seal(context, &bytes, random()))
    }

    /// Notes that a device logged in, at most once a minute each.
    pub(super) fn note_device(&self, id: i64, now: Timestamp) {
        if self.inner.seen.is_due(id, now) {
            self.inner.store.touch_device(id, now);
        }
    }
}

impl Inner {
    fn tell(&self, address: Address, change: Option<Change>) {
        self.accounts.forget(&address);
        self.tokens.forget_if(|good| good.login.address == address);
        if let Some(change) = change {
            // Without listeners there are no sessions.
            let _ = self.changes.send(Changed { address, change });
        }
    }
}

/// When each device was last noted. Bounded: forgets all when it is full.
#[derive(Default)]
pub(super) struct Seen(Mutex<std::collections::HashMap<i64, Timestamp>>);

impl Seen {
    fn is_due(&self, id: i64, now: Timestamp) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.get(&id).is_some_and(|at| now < at.plus_seconds(NOTE_SECONDS)) {
            return false;
        }
        if seen.len() >= SEEN {
            seen.clear();
        }
        seen.insert(id, now);
        true
    }
}

const NO_LOCAL_PART: &str = "an account's address needs a part before the '@'";

/// A label as people may give it to a device or a token.
pub(super) fn check_label(label: &str) -> Result<String, AuthError> {
    let label = label.trim();
    if label.is_empty() || label.len() > LABEL_BYTES || label.chars().any(char::is_control) {
        return Err(AuthError::Limit("a label has 1 to 100 bytes and no control characters"));
    }
    Ok(label.to_owned())
}

const LABEL_BYTES: usize = 100;
const NOTE_SECONDS: i64 = 60;
const SEEN: usize = 100_000;
