//! Documents that the account keeps for its clients, and all that such documents tell of it.
//!
//! The account knows where documents are and which version they have; their bytes are in the store. It does
//! not know what they say: whoever does reads the [`Facts`], compares, and asks for an [`Amendment`], which
//! counts for one revision of the account only. So nothing that others change meanwhile is lost.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use thin_vec::ThinVec;

use super::{
    Effect, Reply, Shown, WatchKind, WatchState,
    contacts::Said,
    state::{Account, Effects},
    watch::show,
};
use crate::{
    signal::{
        Address, Avatar, Contact, ContactEvent, DocumentEntry, DocumentId, Presence, Reason, Reject, Ruleset,
        RulesetLimits, Timestamp,
    },
    storage::{AcceptedSenders, Preferences, Write},
};

/// All that documents tell of an account, as it is at one revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Another one after every change of anything in here.
    pub revision: u64,
    /// In the order of their ids.
    pub documents: Vec<DocumentEntry>,
    /// In the order of their addresses.
    pub contacts: Vec<Contact>,
    /// Whom the owner blocked, in the order of their addresses.
    pub blocked: Vec<Address>,
    pub rules: Option<Arc<Ruleset>>,
    /// Who may write to the owner.
    pub message_rules: Option<Arc<Ruleset>>,
    /// And who of those that are neither contacts nor named by rules.
    pub accepted_senders: AcceptedSenders,
    /// The domains of this server.
    pub home: Arc<[Address]>,
    /// Who may follow the owner's calls.
    pub call_rules: Option<Arc<Ruleset>>,
    pub hard_state: Option<Arc<Presence>>,
    /// The owner's picture.
    pub avatar: Option<Arc<Avatar>>,
}

impl Facts {
    /// The contact of this address.
    #[must_use]
    pub fn contact(&self, address: &Address) -> Option<&Contact> {
        let found = self.contacts.binary_search_by(|contact| contact.address.cmp(address));
        self.contacts.get(found.ok()?)
    }
}

/// A change of documents together with what they tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Amendment {
    /// The revision that it was made for.
    pub revision: u64,
    /// Each document at most once.
    pub documents: Vec<DocumentChange>,
    /// Made in this order.
    pub facts: Vec<FactChange>,
}

/// What becomes of one document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DocumentChange {
    /// It has these bytes, whose hash this is.
    Put {
        id: DocumentId,
        bytes: Bytes,
        hash: u64,
    },
    Remove(DocumentId),
}

/// A document became another one: how whoever follows it can tell every version there was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentStep {
    pub id: DocumentId,
    /// `None` where it was not there.
    pub before: Option<DocumentEntry>,
    /// With its bytes; `None` where it was removed.
    pub after: Option<(DocumentEntry, Bytes)>,
}

/// What becomes of one thing that documents tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum FactChange {
    /// There is a contact of this name and these groups.
    Contact {
        address: Address,
        name: Option<CompactString>,
        groups: SmallVec<[CompactString; 2]>,
    },
    /// There is no such contact.
    NoContact(Address),
    /// The owner says something to somebody about presence.
    Say {
        to: Address,
        event: ContactEvent,
    },
    Block(Address),
    Unblock(Address),
    Rules(Option<Arc<Ruleset>>),
    MessageRules(Option<Arc<Ruleset>>),
    AcceptedSenders(AcceptedSenders),
    CallRules(Option<Arc<Ruleset>>),
    HardState(Option<Arc<Presence>>),
    /// The owner wears this picture, or none.
    Avatar(Option<Bytes>),
}

/// The documents of one account, without their bytes.
#[derive(Debug)]
pub(super) struct Documents {
    revision: u64,
    version: u64,
    entries: BTreeMap<DocumentId, DocumentEntry>,
    /// What became of them and was not shown to their followers yet.
    steps: ThinVec<DocumentStep>,
}

impl Documents {
    pub(super) fn new(entries: Vec<DocumentEntry>, version: u64, now: Timestamp) -> Self {
        let entries = entries.into_iter().map(|entry| (entry.id.clone(), entry)).collect();
        // Begins higher than it can have come before the account left the memory.
        let revision = now.0.unsigned_abs() << REVISION_BITS;
        Self { revision, version, entries, steps: ThinVec::new() }
    }

    /// Moves with everything that documents tell.
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    /// Something that documents tell has changed.
    pub(super) fn touch(&mut self) {
        self.revision += 1;
    }

    fn entries(&self) -> impl Iterator<Item = &DocumentEntry> {
        self.entries.values()
    }

    /// Takes a change over: what to write, and how a document that was put is known from now on.
    fn change(&mut self, change: DocumentChange, now: Timestamp) -> Option<(Write, Option<DocumentEntry>)> {
        match change {
            DocumentChange::Put { id, bytes, hash } => {
                self.version += 1;
                let size = bytes.len() as u64;
                let entry = DocumentEntry { id: id.clone(), version: self.version, hash, changed: now, size };
                let before = self.entries.insert(id.clone(), entry.clone());
                self.steps.push(DocumentStep { id, before, after: Some((entry.clone(), bytes.clone())) });
                Some((Write::Document { entry: entry.clone(), bytes }, Some(entry)))
            }
            DocumentChange::Remove(id) => {
                let before = self.entries.remove(&id)?;
                self.version += 1;
                self.steps.push(DocumentStep { id: id.clone(), before: Some(before), after: None });
                Some((Write::DocumentRemoved { id, version: self.version }, None))
            }
        }
    }
}

impl DocumentChange {
    /// Which document it is about.
    #[must_use]
    pub fn id(&self) -> &DocumentId {
        match self {
            Self::Put { id, .. } | Self::Remove(id) => id,
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Put { bytes, .. } => bytes.len(),
            Self::Remove(_) => 0,
        }
    }
}

impl Account {
    /// All that documents tell, unless the asker knows this revision.
    pub(super) fn facts(&self, unless: Option<u64>) -> Option<Arc<Facts>> {
        let revision = self.documents.revision;
        (unless != Some(revision)).then(|| {
            Arc::new(Facts {
                revision,
                documents: self.documents.entries().cloned().collect(),
                contacts: self.roster.iter().cloned().collect(),
                blocked: self.blocked().cloned().collect(),
                rules: self.rules().cloned(),
                message_rules: self.message_rules().cloned(),
                accepted_senders: self.preferences.accepted_senders,
                home: Arc::clone(&self.shared.home),
                call_rules: self.call_rules().cloned(),
                hard_state: self.hard_state().cloned(),
                avatar: self.avatar().cloned(),
            })
        })
    }

    /// Changes documents and what they tell, all of it or nothing.
    pub(super) fn amend(
        &mut self,
        amendment: Amendment,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Result<Reply, Reject> {
        if amendment.revision != self.documents.revision {
            return Err(Reason::Conflict.into());
        }
        self.check_documents(&amendment.documents)?;
        self.check_facts(&amendment.facts)?;
        let mut followed = Vec::new();
        let mut documents = Vec::new();
        for change in amendment.documents {
            if let Some((write, entry)) = self.documents.change(change, now) {
                self.documents.touch();
                followed.push(Effect::Store(write));
                documents.extend(entry);
            }
        }
        for change in amendment.facts {
            self.change_fact(change, now, &mut followed);
        }
        let (writes, others) = apart(followed);
        if !writes.is_empty() {
            effects.push(Effect::Store(Write::Together(writes)));
        }
        effects.extend(others);
        Ok(Reply::Amended { documents, revision: self.documents.revision })
    }

    /// Tells those who follow the documents that something may be another thing now.
    pub(super) fn show_documents(&mut self, effects: &mut Effects) {
        let steps: Arc<[DocumentStep]> = std::mem::take(&mut self.documents.steps).into_iter().collect();
        for watch in self.watchers.of_kind(WatchKind::Documents) {
            let shown = Shown::Documents { revision: self.documents.revision, steps: Arc::clone(&steps) };
            show(watch, WatchState::Active, Some(shown), effects);
        }
        if !self.documents.entries.is_empty() {
            effects.push(Effect::KeepDocuments);
        }
    }

    fn check_documents(&self, changes: &[DocumentChange]) -> Result<(), Reject> {
        let limits = &self.shared.limits;
        if changes.iter().any(|change| change.size() > limits.document_bytes) {
            return Err(Reject::with_text(Reason::TooLarge, "the document is too large"));
        }
        let stays = |entry: &&DocumentEntry| !changes.iter().any(|change| *change.id() == entry.id);
        let (mut count, mut bytes) = (0, 0);
        for entry in self.documents.entries().filter(stays) {
            count += 1;
            bytes += usize::try_from(entry.size).unwrap_or(usize::MAX);
        }
        let puts = changes.iter().filter(|change| matches!(change, DocumentChange::Put { .. })).count();
        bytes += changes.iter().map(DocumentChange::size).sum::<usize>();
        if puts > 0 && count + puts > limits.documents {
            return Err(Reject::with_text(Reason::PolicyViolation, "too many documents"));
        }
        if puts > 0 && bytes > limits.documents_bytes {
            return Err(Reject::with_text(Reason::TooLarge, "all documents together are too large"));
        }
        Ok(())
    }

    /// Whether each change can be made, before the first one is.
    fn check_facts(&self, changes: &[FactChange]) -> Result<(), Reject> {
        let mut contacts = self.roster.len();
        let mut blocks = 0;
        for change in changes {
            match change {
                FactChange::Contact { address, name, groups } => {
                    self.check_contact(address, name.as_ref(), groups)?;
                    contacts += usize::from(self.roster.find(address).is_none());
                }
                FactChange::Say { to, .. } if *to == self.address => {
                    return Err(Reject::with_text(Reason::NotAcceptable, "nobody is a contact of herself"));
                }
                FactChange::Say { to, event: ContactEvent::Subscribe | ContactEvent::Subscribed } => {
                    contacts += usize::from(self.roster.find(to).is_none());
                }
                FactChange::Block(address) => {
                    self.check_block(address)?;
                    blocks += 1;
                }
                FactChange::Rules(Some(rules))
                | FactChange::MessageRules(Some(rules))
                | FactChange::CallRules(Some(rules))
                    if !rules.is_within(&RulesetLimits::default()) =>
                {
                    return Err(Reject::with_text(Reason::TooLarge, "too many rules"));
                }
                FactChange::Avatar(Some(picture)) => self.accept_picture(picture)?,
                _ => {}
            }
        }
        // A contact that is given a name and asked counts twice, where there is hardly any room.
        if contacts > self.roster.len() && contacts > self.shared.limits.contacts {
            return Err(Reject::with_text(Reason::PolicyViolation, "too many contacts"));
        }
        self.check_room_for_blocks(blocks)
    }

    /// Makes a change that was checked.
    fn change_fact(&mut self, change: FactChange, now: Timestamp, effects: &mut Effects) {
        let outcome = match change {
            FactChange::Contact { address, name, groups } => self.set_contact(address, name, groups, effects),
            FactChange::NoContact(address) => self.remove_contact(&address, now, effects),
            FactChange::Say { to, event } => {
                self.say(to, Said::plain(event), now, effects).map(|_| Reply::Done)
            }
            FactChange::Block(address) => self.block(&[address], now, effects),
            FactChange::Unblock(address) => Ok(self.unblock(Some(&[address]), now, effects)),
            FactChange::Rules(rules) => self.set_rules(rules, now, effects),
            FactChange::MessageRules(rules) => self.set_message_rules(rules, effects),
            FactChange::AcceptedSenders(choice) => {
                let preferences = Preferences { accepted_senders: choice, ..self.preferences.clone() };
                Ok(self.set_preferences(preferences, now, effects))
            }
            FactChange::CallRules(rules) => self.set_call_rules(rules, now, effects),
            FactChange::HardState(presence) => Ok(self.set_hard_state(presence, now, effects)),
            FactChange::Avatar(picture) => self.set_avatar(picture.as_ref(), now, effects),
        };
        // Who is gone already need not be removed.
        debug_assert!(
            outcome.as_ref().err().is_none_or(|reject| reject.reason == Reason::NotFound),
            "{outcome:?}"
        );
    }
}

/// What is to be written, and all else, each in its order.
fn apart(effects: Effects) -> (Vec<Write>, Effects) {
    let mut writes = Vec::new();
    let mut others = Vec::new();
    for effect in effects {
        match effect {
            Effect::Store(write) => writes.push(write),
            other => others.push(other),
        }
    }
    (writes, others)
}

/// More changes than an account takes in a millisecond.
const REVISION_BITS: u32 = 16;
