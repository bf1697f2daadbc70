//! Invitations: who comes by one becomes a contact of who made it.

use std::time::Duration;

use tracing::warn;

use super::{Admin, AdminError, Answer};
use crate::{
    account::Request,
    auth::{AuthError, Invitation, Login},
    signal::{Address, ContactEvent, Native, Reason, Reject, Timestamp},
};

impl Admin {
    /// Makes an invitation to an account, or to any account of a domain of this server.
    ///
    /// # Errors
    /// The domain is not of this server, the account exists, or there are too many invitations.
    pub async fn invite(&self, place: Address, from: Option<&Address>) -> Result<Answer, AdminError> {
        self.check_domain(&place)?;
        let token = self.authenticator.invite(&place, from, LIFETIME).await?;
        let uri = print_uri(&place, &token);
        Ok(Answer::Invitation { token, uri })
    }

    /// Whether `host` may invite people to make accounts.
    ///
    /// # Errors
    /// The store's.
    pub async fn invites_newcomers(&self, host: &Address) -> Result<bool, AdminError> {
        Ok(self.accounts.everybody_invites() || self.is_administrator(host).await?)
    }

    /// Invites somebody to become a contact of `host`, by whatever account he has; where `host` may do that, also by
    /// one that he makes of it.
    ///
    /// # Errors
    /// There are too many invitations.
    pub async fn invite_contact(&self, host: &Address, newcomers: Newcomers) -> Result<Offer, AdminError> {
        let registers = newcomers != Newcomers::Nowhere && self.invites_newcomers(host).await?;
        let place = if registers { domain_of(host)? } else { host.clone() };
        let token = self.authenticator.invite(&place, Some(host), LIFETIME).await?;
        let uri = print_contact_uri(host, &token, registers && newcomers == Newcomers::Everywhere);
        Ok(Offer { token, uri, expires: expiry(), registers })
    }

    /// Invites somebody to make the account `name`, or any, of the domain of `host`, whose contact he becomes where
    /// that is wanted.
    ///
    /// # Errors
    /// The account exists, the name cannot be one, or there are too many invitations.
    pub async fn invite_newcomer(
        &self,
        host: &Address,
        name: Option<&str>,
        becomes_contact: bool,
    ) -> Result<Offer, AdminError> {
        let place = match name {
            Some(name) => Address::new(name, host.domain()).map_err(|_| Reject::from(Reason::Malformed))?,
            None => domain_of(host)?,
        };
        let token = self.authenticator.invite(&place, becomes_contact.then_some(host), LIFETIME).await?;
        Ok(Offer { uri: print_uri(&place, &token), token, expires: expiry(), registers: true })
    }

    /// Somebody brings an invitation of `host` and wants to see her: she lets him, beforehand, and asks the same.
    ///
    /// # Errors
    /// As [`crate::auth::Authenticator::accept_invitation`].
    pub async fn accept(&self, token: &str, host: &Address, guest: &Address) -> Result<(), AuthError> {
        self.authenticator.accept_invitation(token, host, guest).await?;
        for event in [ContactEvent::Subscribed, ContactEvent::Subscribe] {
            self.send_for(host, guest, event).await;
        }
        Ok(())
    }

    /// The owner of `guest` brings an invitation on the page: who invited and he are contacts from then on, and see
    /// each other. Tells who invited.
    ///
    /// # Errors
    /// As [`crate::auth::Authenticator::accept_invitation`].
    pub async fn meet(&self, token: &str, guest: &Address) -> Result<Address, AuthError> {
        let invitation = self.authenticator.find_invitation(token).await?;
        let host = invitation.from.ok_or(AuthError::Wrong)?;
        self.authenticator.accept_invitation(token, &host, guest).await?;
        self.introduce(&host, guest).await;
        Ok(host)
    }

    /// Makes the account that an invitation is to. Who invited and who came are contacts from then on, and see
    /// each other.
    ///
    /// # Errors
    /// As [`crate::auth::Authenticator::redeem_invitation`].
    pub async fn join(&self, token: &str, address: &Address, password: &str) -> Result<Login, AuthError> {
        let (login, from) = self.authenticator.redeem_invitation(token, address, password).await?;
        if let Some(from) = from {
            self.introduce(&from, address).await;
        }
        Ok(login)
    }

    /// Both agree beforehand, then both ask. The account is there whatever comes of it.
    async fn introduce(&self, host: &Address, guest: &Address) {
        for event in [ContactEvent::Subscribed, ContactEvent::Subscribe] {
            for (owner, to) in [(host, guest), (guest, host)] {
                self.send_for(owner, to, event).await;
            }
        }
    }

    async fn send_for(&self, owner: &Address, to: &Address, event: ContactEvent) {
        let to = to.clone();
        let request =
            Request::Contact { to: to.clone(), event, note: None, native: Native::None, origin_id: None };
        if let Err(reject) = self.accounts.ask(owner, request).await {
            warn!(account = %owner, contact = %to, %reject, "the invited one is no contact");
        }
    }
}

/// Where somebody who was invited can make an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Newcomers {
    Nowhere,
    OnPage,
    /// In chat clients, too.
    Everywhere,
}

/// An invitation just made. The only time that its token can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    pub token: String,
    /// What chat clients understand (XEP-0401).
    pub uri: String,
    pub expires: Timestamp,
    /// An account can be made of it.
    pub registers: bool,
}

/// The domain that somebody has an account of.
fn domain_of(somebody: &Address) -> Result<Address, Reject> {
    Address::domain_only(somebody.domain()).map_err(|_| Reason::Internal.into())
}

fn expiry() -> Timestamp {
    let seconds = i64::try_from(LIFETIME.as_secs()).unwrap_or(i64::MAX);
    Timestamp::now().plus_seconds(seconds)
}

/// What chat clients understand of an invitation with this token; `registers` where they make accounts.
#[must_use]
pub fn uri_of(invitation: &Invitation, token: &str, registers: bool) -> String {
    match &invitation.from {
        Some(host) if invitation.is_to_contact_only() => print_contact_uri(host, token, false),
        Some(host) if invitation.place.is_domain() => print_contact_uri(host, token, registers),
        _ => print_uri(&invitation.place, token),
    }
}

/// XEP-0379 §3.2; XEP-0401 §3.2 where an account can be made of it.
fn print_contact_uri(host: &Address, token: &str, registers: bool) -> String {
    let more = if registers { ";ibr=y" } else { "" };
    format!("xmpp:{host}?roster;preauth={token}{more}")
}

/// What chat clients understand (XEP-0401 §3.2, XEP-0445).
fn print_uri(place: &Address, token: &str) -> String {
    format!("xmpp:{place}?register;preauth={token}")
}

/// How long an invitation is good.
const LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);
