//! What the account says of people, in the words of documents.

use std::collections::{BTreeMap, BTreeSet};

use super::told::Card;
use crate::{
    account::Facts,
    signal::{Address, Contact},
};

/// What sources have to tell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::documents) struct Wanted {
    pub(super) contacts: BTreeMap<Address, Card>,
    /// Without those who are blocked.
    pub(in crate::documents) granted: BTreeSet<Address>,
    pub(in crate::documents) blocked: BTreeSet<Address>,
    pub(super) followed: BTreeSet<Address>,
}

/// How somebody is handled, as an address book has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Policy {
    Allow,
    Block,
    Default,
}

impl Policy {
    pub(super) fn from_word(word: &str) -> Self {
        match word.trim() {
            "allow" => Self::Allow,
            "block" => Self::Block,
            _ => Self::Default,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Block => "block",
            Self::Default => "default",
        }
    }
}

impl Wanted {
    pub(in crate::documents) fn of(facts: &Facts) -> Self {
        let blocked: BTreeSet<Address> =
            facts.blocked.iter().filter(|one| !one.is_domain()).cloned().collect();
        let people = || facts.contacts.iter().filter(|contact| !contact.address.is_domain());
        let all = |wanted: fn(&Contact) -> bool| {
            people().filter(move |one| wanted(one)).map(|one| one.address.clone())
        };
        let card = |contact: &Contact| Card {
            name: contact.name.clone(),
            groups: contact.groups.iter().cloned().collect(),
        };
        let listed = people().filter(|contact| is_listed(contact));
        Self {
            contacts: listed.map(|contact| (contact.address.clone(), card(contact))).collect(),
            granted: all(is_granted).filter(|one| !blocked.contains(one)).collect(),
            followed: all(|contact| contact.to || contact.ask).collect(),
            blocked,
        }
    }

    /// Whether there is nobody to tell of.
    pub(in crate::documents) fn is_empty(&self) -> bool {
        self.contacts.is_empty() && self.granted.is_empty() && self.blocked.is_empty()
    }

    pub(super) fn policy(&self, somebody: &Address) -> Policy {
        if self.blocked.contains(somebody) {
            Policy::Block
        } else if self.granted.contains(somebody) {
            Policy::Allow
        } else {
            Policy::Default
        }
    }
}

/// Whether the owner let him see her presence.
pub(super) fn is_granted(contact: &Contact) -> bool {
    contact.from || contact.approved
}

/// Whether the entry is more than a permission.
pub(super) fn is_listed(contact: &Contact) -> bool {
    let says_more = contact.to || contact.ask || contact.name.is_some() || !contact.groups.is_empty();
    says_more || !is_granted(contact)
}
