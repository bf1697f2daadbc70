//! What the account says of people, in the words of documents.

use std::collections::{BTreeMap, BTreeSet};

use super::told::{Aspect, Card, People, Source, Told};
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
        Self {
            contacts: listed(facts).map(|contact| (contact.address.clone(), card(contact))).collect(),
            granted: granted(facts).cloned().collect(),
            followed: followed(facts).cloned().collect(),
            blocked: blocked(facts).cloned().collect(),
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

/// Whether every source tells what the account says, so that nothing is to be edited. Compares, each in one
/// pass; where a source speaks of somebody in several places, the answer is no.
pub(in crate::documents) fn agree(told: &Told, facts: &Facts) -> bool {
    told.statements().all(|(source, statement)| {
        // Who is in a list already need not be in the rules as well.
        let may_lack = |is_listed: bool| source == Source::Rules && is_listed;
        !statement.is_manifold
            && statement.contacts.as_ref().is_none_or(|cards| are_cards_of(cards, facts))
            && are(statement.people(Aspect::Granted), granted(facts), may_lack(told.lists_granted()))
            && are(statement.people(Aspect::Blocked), blocked(facts), may_lack(told.lists_blocked()))
            && are(statement.people(Aspect::Followed), followed(facts), false)
    })
}

fn are_cards_of(cards: &BTreeMap<Address, Card>, facts: &Facts) -> bool {
    let mut wanted = listed(facts);
    let is_next = |(address, card): (&Address, &Card)| {
        wanted.next().is_some_and(|contact| {
            contact.address == *address && contact.name == card.name && contact.groups == card.groups
        })
    };
    cards.iter().all(is_next) && wanted.next().is_none()
}

/// Whether these are the wanted people, or some of them where others may be lacking.
fn are<'a>(
    people: Option<People<'a>>,
    mut wanted: impl Iterator<Item = &'a Address>,
    may_lack: bool,
) -> bool {
    let Some(mut people) = people else { return true };
    if may_lack {
        return people.all(|one| wanted.any(|other| other == one));
    }
    people.all(|one| wanted.next() == Some(one)) && wanted.next().is_none()
}

/// Contacts that are listed, in the order of their addresses. Whole domains are in no document.
fn listed(facts: &Facts) -> impl Iterator<Item = &Contact> {
    people(facts).filter(|contact| is_listed(contact))
}

/// Whom the owner granted presence and did not block.
fn granted(facts: &Facts) -> impl Iterator<Item = &Address> {
    let is_blocked = |contact: &Contact| facts.blocked.binary_search(&contact.address).is_ok();
    let granted = people(facts).filter(move |contact| is_granted(contact) && !is_blocked(contact));
    granted.map(|contact| &contact.address)
}

fn blocked(facts: &Facts) -> impl Iterator<Item = &Address> {
    facts.blocked.iter().filter(|one| !one.is_domain())
}

fn followed(facts: &Facts) -> impl Iterator<Item = &Address> {
    people(facts).filter(|contact| contact.to || contact.ask).map(|contact| &contact.address)
}

fn people(facts: &Facts) -> impl Iterator<Item = &Contact> {
    facts.contacts.iter().filter(|contact| !contact.address.is_domain())
}

fn card(contact: &Contact) -> Card {
    Card { name: contact.name.clone(), groups: contact.groups.clone() }
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
