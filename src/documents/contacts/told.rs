//! What documents tell of people, by the place where they do.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map, btree_set},
    sync::Arc,
};

use compact_str::CompactString;
use smallvec::SmallVec;

use crate::signal::Address;

/// Where documents tell something. What comes first counts more for names and groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::documents) enum Source {
    /// Blink's address book.
    AddressBook,
    /// Lists whose names nobody agreed on.
    Lists,
    Granted,
    Blocked,
    Followed,
    /// Rules that name people and nothing else.
    Rules,
}

/// How a contact is called and sorted in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::documents) struct Card {
    pub(in crate::documents) name: Option<CompactString>,
    /// In their order, each once.
    pub(in crate::documents) groups: SmallVec<[CompactString; 2]>,
}

impl Card {
    pub(super) fn add_group(&mut self, group: &CompactString) {
        if let Err(index) = self.groups.binary_search(group) {
            self.groups.insert(index, group.clone());
        }
    }
}

/// What one source tells; `None` of what it does not speak of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::documents) struct Statement {
    pub(in crate::documents) contacts: Option<BTreeMap<Address, Card>>,
    pub(in crate::documents) granted: Option<BTreeSet<Address>>,
    pub(in crate::documents) blocked: Option<BTreeSet<Address>>,
    pub(in crate::documents) followed: Option<BTreeSet<Address>>,
    /// It says something of somebody in several places, perhaps not the same in all.
    pub(in crate::documents) is_manifold: bool,
}

/// One kind of thing that sources tell of people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::documents) enum Aspect {
    Contact,
    Granted,
    Blocked,
    Followed,
}

/// Everything that documents tell of people.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::documents) struct Told(BTreeMap<Source, Arc<Statement>>);

/// The people of whom a statement says something, in the order of their addresses.
#[derive(Debug, Clone)]
pub(super) enum People<'a> {
    Cards(btree_map::Keys<'a, Address, Card>),
    Set(btree_set::Iter<'a, Address>),
}

impl<'a> Iterator for People<'a> {
    type Item = &'a Address;

    fn next(&mut self) -> Option<&'a Address> {
        match self {
            Self::Cards(cards) => cards.next(),
            Self::Set(set) => set.next(),
        }
    }
}

impl Statement {
    /// The people of whom it says this; `None` where it does not speak of that.
    pub(super) fn people(&self, aspect: Aspect) -> Option<People<'_>> {
        match aspect {
            Aspect::Contact => self.contacts.as_ref().map(|all| People::Cards(all.keys())),
            Aspect::Granted => self.granted.as_ref().map(|all| People::Set(all.iter())),
            Aspect::Blocked => self.blocked.as_ref().map(|all| People::Set(all.iter())),
            Aspect::Followed => self.followed.as_ref().map(|all| People::Set(all.iter())),
        }
    }

    /// Whether it says this of somebody.
    fn says(&self, aspect: Aspect, somebody: &Address) -> bool {
        let is_in = |all: &Option<BTreeSet<Address>>| all.as_ref().is_some_and(|all| all.contains(somebody));
        match aspect {
            Aspect::Contact => self.contacts.as_ref().is_some_and(|all| all.contains_key(somebody)),
            Aspect::Granted => is_in(&self.granted),
            Aspect::Blocked => is_in(&self.blocked),
            Aspect::Followed => is_in(&self.followed),
        }
    }
}

impl Told {
    pub(in crate::documents) fn say(&mut self, source: Source, statement: Statement) {
        self.0.insert(source, Arc::new(statement));
    }

    /// Takes in what another document tells.
    pub(in crate::documents) fn add(&mut self, other: &Self) {
        self.0.extend(other.0.iter().map(|(source, statement)| (*source, Arc::clone(statement))));
    }

    pub(in crate::documents) fn has(&self, source: Source) -> bool {
        self.0.contains_key(&source)
    }

    pub(in crate::documents) fn find(&self, source: Source) -> Option<&Arc<Statement>> {
        self.0.get(&source)
    }

    /// Whether some source besides rules tells who was granted presence.
    pub(in crate::documents) fn lists_granted(&self) -> bool {
        self.has(Source::AddressBook) || self.has(Source::Granted)
    }

    /// Whether some source besides rules tells who is blocked.
    pub(in crate::documents) fn lists_blocked(&self) -> bool {
        self.has(Source::AddressBook) || self.has(Source::Blocked)
    }

    pub(super) fn statements(&self) -> impl Iterator<Item = (Source, &Arc<Statement>)> {
        self.0.iter().map(|(source, statement)| (*source, statement))
    }

    /// Whether any source says this of somebody.
    pub(super) fn says(&self, aspect: Aspect, somebody: &Address) -> bool {
        self.0.values().any(|statement| statement.says(aspect, somebody))
    }

    pub(super) fn card(&self, source: Source, somebody: &Address) -> Option<&Card> {
        self.0.get(&source)?.contacts.as_ref()?.get(somebody)
    }
}
