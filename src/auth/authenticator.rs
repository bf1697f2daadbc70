//! The door of the room: the pure parts, the store and the clock brought together.

use std::{net::IpAddr, path::Path, time::Duration};

use tokio::sync::broadcast;

use crate::{
    signal::{Address, Timestamp},
    storage::{Store, TokenKind, TokenRecord},
};

use super::{AuthError, Config, DigestResponse, DigestVerdict, ScramHash, ScramVerifier};

/// Checks who somebody is, and changes what is checked. Cheap to clone.
#[derive(Clone)]
pub struct Authenticator {}

/// Somebody proved to be the owner of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    pub address: Address,
    pub is_admin: bool,
    /// The device password that was used; `None` for the account's own password.
    pub device: Option<i64>,
}

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
}

impl Authenticator {
    /// Reads the key file below the data folder, or makes it on first start.
    ///
    /// # Errors
    /// The key file cannot be read, is not 32 bytes, or the store fails.
    pub fn open(config: Config, data_dir: &Path, store: Store) -> Result<Self, AuthError> {
        todo!()
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
        todo!()
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
        todo!()
    }

    /// Ends a SCRAM exchange whose proof was right.
    ///
    /// # Errors
    /// [`AuthError::Wrong`] where the account went away or was disabled meanwhile.
    pub async fn login_succeeded(&self, address: &Address, peer: IpAddr) -> Result<Login, AuthError> {
        todo!()
    }

    /// Counts a wrong guess: for a SCRAM exchange whose proof was wrong. The other ways to log in
    /// count for themselves.
    pub fn login_failed(&self, address: &Address, peer: IpAddr) {
        todo!()
    }

    /// A nonce for a challenge in this realm. `flow` is what binds it to the asker, such as the
    /// bytes of his IP address: an answer from elsewhere is stale.
    #[must_use]
    pub fn digest_nonce(&self, realm: &str, flow: &[u8]) -> String {
        todo!()
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
        todo!()
    }

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
        todo!()
    }

    /// Removes an account with all that belongs to it.
    ///
    /// # Errors
    /// [`AuthError::NoSuchAccount`], or the store's.
    pub async fn remove_account(&self, address: &Address) -> Result<(), AuthError> {
        todo!()
    }

    /// Sets a new password. Web sessions and tokens of the account end; device passwords stay.
    ///
    /// # Errors
    /// [`AuthError::NoSuchAccount`], [`AuthError::Password`], or the store's.
    pub async fn set_password(&self, address: &Address, password: &str) -> Result<(), AuthError> {
        todo!()
    }

    /// Lets nobody log in any more, or again.
    ///
    /// # Errors
    /// [`AuthError::NoSuchAccount`], or the store's.
    pub async fn set_disabled(&self, address: &Address, disabled: bool) -> Result<(), AuthError> {
        todo!()
    }

    /// Makes the account an administrator, or not any more.
    ///
    /// # Errors
    /// [`AuthError::NoSuchAccount`], or the store's.
    pub async fn set_admin(&self, address: &Address, is_admin: bool) -> Result<(), AuthError> {
        todo!()
    }

    /// Makes a password for one device.
    ///
    /// # Errors
    /// [`AuthError::NoSuchAccount`], [`AuthError::Limit`], or the store's.
    pub async fn add_device(&self, address: &Address, label: &str) -> Result<NewDevice, AuthError> {
        todo!()
    }

    /// The devices that have passwords, oldest first.
    ///
    /// # Errors
    /// [`AuthError::NoSuchAccount`], or the store's.
    pub async fn devices(&self, address: &Address) -> Result<Vec<Device>, AuthError> {
        todo!()
    }

    /// Takes a device's password away; `false` where there is no such device.
    ///
    /// # Errors
    /// [`AuthError::NoSuchAccount`], or the store's.
    pub async fn remove_device(&self, address: &Address, id: i64) -> Result<bool, AuthError> {
        todo!()
    }

    /// Makes a token of 256 random bits, printable, good for `lifetime`. The only time that it
    /// can be read. `account` is `None` for [`TokenKind::Setup`] alone.
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
        todo!()
    }

    /// Whom a token logs in. A session's life is prolonged by use.
    ///
    /// # Errors
    /// [`AuthError::Wrong`] where it is unknown, expired or of another kind, or the store's.
    pub async fn verify_token(&self, kind: TokenKind, token: &str) -> Result<Login, AuthError> {
        todo!()
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
        todo!()
    }

    /// The tokens of an account, oldest first.
    ///
    /// # Errors
    /// [`AuthError::NoSuchAccount`], or the store's.
    pub async fn tokens(&self, address: &Address) -> Result<Vec<TokenRecord>, AuthError> {
        todo!()
    }

    /// Ends the token; `false` where there was none.
    ///
    /// # Errors
    /// The store's.
    pub async fn revoke_token(&self, token: &str) -> Result<bool, AuthError> {
        todo!()
    }

    /// Ends a token of the account by its hash, as [`Authenticator::tokens`] lists it; `false`
    /// where there was none.
    ///
    /// # Errors
    /// The store's.
    pub async fn revoke_token_by_hash(&self, address: &Address, hash: &[u8; 32]) -> Result<bool, AuthError> {
        todo!()
    }

    /// Tells of changes from now on. Who lags behind by more than 256 changes is told so and has
    /// to check what he has.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<Changed> {
        todo!()
    }
}
