//! What an account takes along to another server, and what it brings from one. How it is written down is a door's
//! matter.
//!
//! Contacts, requests, blocks and messages are put straight into the store, before anything asks the account: where
//! no server runs, or for an account that was just made.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::{Admin, AdminError};
use crate::{
    account::{ArchiveEnd, ArchiveQuery, ArchivedMessage, Reply, Request},
    auth::{AuthError, ScramHash, ScramVerifier},
    signal::{
        Address, Avatar, Contact, ContactRequest, Extract, Item, Message, MessageId, NodeChange, NodeConfig,
        NodeName, NodeOptions, Profile, Reason, Reject, Wanted,
    },
    storage::{StoreError, Write},
};

/// All but the archive, which is read in pages.
pub struct Belongings {
    pub scram: Vec<(ScramHash, ScramVerifier)>,
    pub contacts: Vec<Contact>,
    /// Who asked to become a contact and has no answer.
    pub requests: Vec<ContactRequest>,
    pub blocked: Vec<Address>,
    /// What waits for the owner, oldest first.
    pub offline: Vec<Message>,
    pub profile: Option<Profile>,
    pub picture: Option<(Arc<Avatar>, Bytes)>,
    pub nodes: Vec<(NodeName, NodeConfig, Vec<Item>)>,
}

/// Something that goes straight into the store.
pub enum Kept {
    Contact(Contact),
    Request(ContactRequest),
    Blocked(Address),
    Offline(Message),
    Archived(ArchivedMessage),
}

/// Something that the account is told.
pub enum Told {
    Profile(Profile),
    Picture(Bytes),
    Node { name: NodeName, options: NodeOptions, items: Vec<Item> },
}

impl Admin {
    /// What an account has.
    ///
    /// # Errors
    /// There is no such account, or it cannot be read.
    pub async fn belongings(&self, address: &Address) -> Result<Belongings, AdminError> {
        let wanted = address.clone();
        let record = self.read(move |store| store.load_account(&wanted)).await?;
        let record = record.ok_or(AuthError::NoSuchAccount)?;
        Ok(Belongings {
            scram: self.authenticator.scram_verifiers(address).await?,
            contacts: record.roster.into_iter().map(|row| row.contact).collect(),
            requests: record.requests,
            blocked: record.blocked,
            offline: self.waiting(address).await?,
            profile: match self.enquire(address, Wanted::Profile).await? {
                Some(Reply::Profile(profile)) => profile,
                _ => None,
            },
            picture: match self.enquire(address, Wanted::Picture { hash: None }).await? {
                Some(Reply::Picture { avatar, bytes }) => Some((avatar, bytes)),
                _ => None,
            },
            nodes: self.nodes(address).await?,
        })
    }

    /// The messages that wait for the owner, oldest first. Asks the store alone.
    ///
    /// # Errors
    /// There is no such account, or the store's.
    pub async fn waiting(&self, address: &Address) -> Result<Vec<Message>, AdminError> {
        let wanted = address.clone();
        let account =
            self.read(move |store| store.account(&wanted)).await?.ok_or(AuthError::NoSuchAccount)?;
        let (told, offline) = oneshot::channel();
        let done = Box::new(move |outcome| drop(told.send(outcome)));
        self.store.offline_read(account.key, usize::MAX, done);
        let chunk = offline.await.unwrap_or(Err(StoreError::Closed)).map_err(AuthError::from)?;
        Ok(chunk.messages)
    }

    async fn nodes(&self, address: &Address) -> Result<Vec<(NodeName, NodeConfig, Vec<Item>)>, AdminError> {
        let Some(Reply::Nodes(names)) = self.enquire(address, Wanted::Nodes).await? else {
            return Ok(Vec::new());
        };
        let mut nodes = Vec::new();
        for (name, _) in names {
            let of = |extract| Wanted::Node { node: name.clone(), extract };
            let Some(Reply::Node(config)) = self.enquire(address, of(Extract::Config)).await? else {
                continue;
            };
            let items = match self.enquire(address, of(Extract::Last(None))).await? {
                Some(Reply::Items(items)) => items,
                _ => Vec::new(),
            };
            nodes.push((name, *config, items));
        }
        Ok(nodes)
    }

    /// Asks the account about itself; `None` where there is nothing of the kind.
    async fn enquire(&self, of: &Address, wanted: Wanted) -> Result<Option<Reply>, AdminError> {
        match self.accounts.ask(of, Request::Enquire { of: of.clone(), wanted }).await {
            Ok(reply) => Ok(Some(reply)),
            Err(reject) if reject.reason == Reason::NotFound => Ok(None),
            Err(reject) => Err(reject.into()),
        }
    }

    /// Messages of the archive behind `after`, oldest first; none at its end.
    ///
    /// # Errors
    /// The archive cannot be read.
    pub async fn archived(
        &self,
        address: &Address,
        after: Option<MessageId>,
    ) -> Result<Vec<ArchivedMessage>, AdminError> {
        let query =
            ArchiveQuery { after, limit: ARCHIVE_PAGE, from: ArchiveEnd::Oldest, ..ArchiveQuery::default() };
        Ok(self.accounts.archive(address, query).await?)
    }

    /// Whether there is such an account.
    ///
    /// # Errors
    /// The store's.
    pub async fn has_account(&self, address: &Address) -> Result<bool, AdminError> {
        let wanted = address.clone();
        Ok(self.read(move |store| store.account(&wanted)).await?.is_some())
    }

    /// Makes an account for what comes from another server; without a password nobody can log in yet.
    ///
    /// # Errors
    /// Its domain is none of ours, or the account cannot be made.
    pub async fn welcome(&self, address: &Address, password: Option<&str>) -> Result<(), AdminError> {
        self.check_domain(address)?;
        match password {
            Some(password) => self.authenticator.create_account(address, password, false).await?,
            None => self.authenticator.create_account_by_scram(address, &[]).await?,
        }
        Ok(())
    }

    /// The owner proves who she is by what another server kept of her password.
    ///
    /// # Errors
    /// There is no such account, or the store's.
    pub async fn prove_by_scram(
        &self,
        address: &Address,
        known: &[(ScramHash, ScramVerifier)],
    ) -> Result<(), AdminError> {
        Ok(self.authenticator.set_scram(address, known).await?)
    }

    /// Puts things straight into the store, in order.
    ///
    /// # Errors
    /// There is no such account, or the store's.
    pub async fn keep(&self, address: &Address, things: Vec<Kept>) -> Result<(), AdminError> {
        let wanted = address.clone();
        let has_contacts = things.iter().any(|kept| matches!(kept, Kept::Contact(_)));
        let found = self.read(move |store| {
            let Some(account) = store.account(&wanted)? else { return Ok(None) };
            let record = if has_contacts { store.load_account(&wanted)? } else { None };
            Ok(Some((account.key, record.map_or(0, |record| record.roster_version))))
        });
        let (key, mut version) = found.await?.ok_or(AuthError::NoSuchAccount)?;
        let mut outcomes = Vec::with_capacity(things.len());
        for kept in things {
            // Each change of a roster has a version of its own.
            version += u64::from(matches!(kept, Kept::Contact(_)));
            let (told, outcome) = oneshot::channel();
            let done = Box::new(move |outcome| drop(told.send(outcome)));
            self.store.submit(key, kept.into_write(version), Some(done));
            outcomes.push(outcome);
        }
        for outcome in outcomes {
            outcome.await.unwrap_or(Err(StoreError::Closed)).map_err(AuthError::from)?;
        }
        Ok(())
    }

    /// Tells the account something of its owner's.
    ///
    /// # Errors
    /// What the account refuses.
    pub async fn tell(&self, address: &Address, told: Told) -> Result<(), AdminError> {
        let request = match told {
            Told::Profile(profile) => Request::SetProfile(Arc::new(profile)),
            Told::Picture(bytes) => Request::SetAvatar(Some(bytes)),
            Told::Node { name, options, items } => return self.put_node(address, name, options, items).await,
        };
        self.accounts.ask(address, request).await?;
        Ok(())
    }

    async fn put_node(
        &self,
        address: &Address,
        node: NodeName,
        options: NodeOptions,
        items: Vec<Item>,
    ) -> Result<(), AdminError> {
        let ask = |change| self.accounts.ask(address, Request::ChangeNode { node: node.clone(), change });
        match ask(NodeChange::Create(options.clone())).await {
            Ok(_) => {}
            Err(Reject { reason: Reason::Conflict, .. }) => {
                ask(NodeChange::Configure(options)).await?;
            }
            Err(reject) => return Err(reject.into()),
        }
        for item in items {
            let change = NodeChange::Publish { items: vec![item], options: NodeOptions::default() };
            ask(change).await?;
        }
        Ok(())
    }
}

impl Kept {
    fn into_write(self, version: u64) -> Write {
        match self {
            Self::Contact(contact) => Write::Contact { contact, version },
            Self::Request(request) => Write::Request(request),
            Self::Blocked(address) => Write::Blocked(address),
            Self::Offline(message) => Write::OfflineAppend(Arc::new(message)),
            Self::Archived(ArchivedMessage { message, with, outgoing }) => {
                Write::Archive { message: Arc::new(message), with, outgoing }
            }
        }
    }
}

/// Messages that are read in one step.
const ARCHIVE_PAGE: usize = 500;
