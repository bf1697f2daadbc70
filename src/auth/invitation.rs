//! Invitations: a token that lets somebody make one account, or become a contact, once.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    signal::{Address, Timestamp},
    storage::{TokenKind, TokenRecord},
};

use super::{
    AuthError, Authenticator, Login,
    key::random,
    token::{TOKENS, hash},
};

/// What somebody is invited to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// The account to be made, or the domain that it is to be of.
    pub place: Address,
    /// Who invited, and becomes a contact; `None` where an operator did.
    pub from: Option<Address>,
    pub expires: Timestamp,
}

impl Invitation {
    /// What a record says; `None` where it names no place.
    fn read(record: &TokenRecord) -> Option<Self> {
        let place = Address::parse(&record.label).ok()?;
        Some(Self { place, from: record.account.clone(), expires: record.expires })
    }

    /// The account to be made, where that is decided.
    #[must_use]
    pub fn account(&self) -> Option<&Address> {
        (!self.place.is_domain() && !self.is_to_contact_only()).then_some(&self.place)
    }

    /// Whether an account of this address may be made of it.
    #[must_use]
    pub fn fits(&self, address: &Address) -> bool {
        if self.is_to_contact_only() {
            false
        } else if self.place.is_domain() {
            !address.is_domain() && address.domain() == self.place.domain()
        } else {
            *address == self.place
        }
    }

    /// Whether it makes no account: who brings it becomes a contact of who invited, whose address is the place.
    #[must_use]
    pub fn is_to_contact_only(&self) -> bool {
        self.from.as_ref() == Some(&self.place)
    }

    /// Whether it makes `guest` a contact of `host`.
    fn introduces(&self, guest: &Address, host: &Address) -> bool {
        let is_his = self.place.is_domain() || self.is_to_contact_only() || self.place == *guest;
        self.from.as_ref() == Some(host) && is_his && guest != host
    }
}

/// An invitation that nobody used yet. Its token cannot be read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenInvitation {
    /// What it is withdrawn by: the hash of its token.
    pub id: [u8; 32],
    pub invitation: Invitation,
    pub created: Timestamp,
}

impl OpenInvitation {
    /// `None` where the record is no invitation that is good at `now`.
    fn read(record: &TokenRecord, now: Timestamp) -> Option<Self> {
        let is_open = record.kind == TokenKind::Invitation && record.expires > now;
        let invitation = Invitation::read(record).filter(|_| is_open)?;
        Some(Self { id: record.hash, invitation, created: record.created })
    }
}

impl Authenticator {
    /// Makes an invitation to `place`, an account or any account of a domain, good for `lifetime`. With the address of
    /// who invites as the place it makes no account, but a contact.
    ///
    /// # Errors
    /// [`AuthError::AccountExists`], [`AuthError::NoSuchAccount`] where the inviting one does not exist,
    /// [`AuthError::Limit`] where too many invitations of his are open, or the store's.
    pub async fn invite(
        &self,
        place: &Address,
        from: Option<&Address>,
        lifetime: Duration,
    ) -> Result<String, AuthError> {
        if !place.is_domain() && from != Some(place) && self.has_account(place).await? {
            return Err(AuthError::AccountExists);
        }
        let text = URL_SAFE_NO_PAD.encode(random::<16>());
        let now = Timestamp::now();
        let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
        let token = TokenRecord {
            hash: hash(&text),
            kind: TokenKind::Invitation,
            account: from.cloned(),
            label: place.to_string(),
            created: now,
            expires: now.plus_seconds(seconds),
            last_used: None,
        };
        let kept = self.blocking(move |inner| inner.store.put_token(token, INVITED)).await?;
        if kept { Ok(text) } else { Err(AuthError::Limit("there are too many invitations")) }
    }

    /// What an invitation is to.
    ///
    /// # Errors
    /// [`AuthError::Wrong`] where it is unknown, expired or used, or who made it is shut out, or the store's.
    pub async fn find_invitation(&self, token: &str) -> Result<Invitation, AuthError> {
        self.invitation(token).await.map(|(_, invitation)| invitation)
    }

    /// What account an invitation is to.
    ///
    /// # Errors
    /// [`AuthError::Wrong`] where it makes none, else as [`Authenticator::find_invitation`].
    pub async fn check_invitation(&self, token: &str) -> Result<Invitation, AuthError> {
        let invitation = self.find_invitation(token).await?;
        if invitation.is_to_contact_only() { Err(AuthError::Wrong) } else { Ok(invitation) }
    }

    /// Uses an invitation of `host` up, which `guest` brings to become her contact; he has an account already.
    ///
    /// # Errors
    /// [`AuthError::Wrong`] where it is unknown, expired, used, of somebody else or for somebody else, or the store's.
    pub async fn accept_invitation(
        &self,
        token: &str,
        host: &Address,
        guest: &Address,
    ) -> Result<(), AuthError> {
        let (record, invitation) = self.invitation(token).await?;
        let is_good = invitation.introduces(guest, host)
            && self.blocking(move |inner| inner.store.remove_token(record.hash)).await?;
        if is_good { Ok(()) } else { Err(AuthError::Wrong) }
    }

    /// Uses an invitation up: makes the account. Tells who invited.
    ///
    /// # Errors
    /// [`AuthError::Wrong`] where the invitation is unknown, expired, used or not to this account, else as
    /// [`Authenticator::create_account`]; then it stays good.
    pub async fn redeem_invitation(
        &self,
        token: &str,
        address: &Address,
        password: &str,
    ) -> Result<(Login, Option<Address>), AuthError> {
        let (record, invitation) = self.invitation(token).await?;
        if !invitation.fits(address) {
            return Err(AuthError::Wrong);
        }
        if !self.create_account_by_token(record.hash, address, password, false).await? {
            return Err(AuthError::Wrong);
        }
        Ok((Login { address: address.clone(), is_admin: false, device: None }, invitation.from))
    }

    /// The open invitations of somebody, oldest first.
    ///
    /// # Errors
    /// [`AuthError::NoSuchAccount`], or the store's.
    pub async fn invitations_of(&self, host: &Address) -> Result<Vec<OpenInvitation>, AuthError> {
        let key = self.key_of(host).await?;
        let records = self.blocking(move |inner| inner.store.tokens(key)).await?;
        let now = Timestamp::now();
        Ok(records.iter().filter_map(|record| OpenInvitation::read(record, now)).collect())
    }

    /// The open invitations to accounts, whoever made them, newest first; of very many the newest.
    ///
    /// # Errors
    /// The store's.
    pub async fn invitations_to_accounts(&self) -> Result<Vec<OpenInvitation>, AuthError> {
        let kind = TokenKind::Invitation;
        let records = self.blocking(move |inner| inner.store.tokens_of_kind(kind, LISTED)).await?;
        let now = Timestamp::now();
        let open = records.iter().filter_map(|record| OpenInvitation::read(record, now));
        Ok(open.filter(|open| !open.invitation.is_to_contact_only()).collect())
    }

    /// Ends an open invitation: one that `host` made or, without a host, any that makes an account. `false` where there
    /// is none.
    ///
    /// # Errors
    /// The store's.
    pub async fn withdraw_invitation(&self, host: Option<&Address>, id: [u8; 32]) -> Result<bool, AuthError> {
        let record = self.blocking(move |inner| inner.store.token(&id)).await?;
        let open = record.and_then(|record| OpenInvitation::read(&record, Timestamp::now()));
        let is_meant = open.is_some_and(|OpenInvitation { invitation, .. }| match host {
            Some(_) => invitation.from.as_ref() == host,
            None => !invitation.is_to_contact_only(),
        });
        if is_meant { self.blocking(move |inner| inner.store.remove_token(id)).await } else { Ok(false) }
    }

    async fn invitation(&self, token: &str) -> Result<(TokenRecord, Invitation), AuthError> {
        let record = self.token(TokenKind::Invitation, token).await?;
        let invitation = Invitation::read(&record).ok_or(AuthError::Wrong)?;
        if let Some(from) = invitation.from.clone() {
            // Who is shut out invites nobody any more.
            let host = self.blocking(move |inner| inner.store.account(&from)).await?;
            host.filter(|host| !host.disabled).ok_or(AuthError::Wrong)?;
        }
        Ok((record, invitation))
    }
}

/// Who invites leaves room for logins.
const INVITED: usize = TOKENS / 2;
/// Invitations that are looked through to list those to accounts.
const LISTED: usize = 10_000;
