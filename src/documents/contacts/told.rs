//! What documents tell of people, by the place where they do.

use std::collections::{BTreeMap, BTreeSet};

use compact_str::CompactString;

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
    pub(in crate::documents) groups: BTreeSet<CompactString>,
}

/// What one source tells; `None` of what it does not speak of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::documents) struct Statement {
    pub(in crate::documents) contacts: Option<BTreeMap<Address, Card>>,
    pub(in crate::documents) granted: Option<BTreeSet<Address>>,
    pub(in crate::documents) blocked: Option<BTreeSet<Address>>,
    pub(in crate::documents) followed: Option<BTreeSet<Address>>,
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
pub(in crate::documents) struct Told(BTreeMap<Source, Statement>);

impl Statement {
    /// The people of whom it says this; `None` where it does not speak of that.
    pub(super) fn people(&self, aspect: Aspect) -> Option<BTreeSet<&Address>> {
        match aspect {
            Aspect::Contact => self.contacts.as_ref().map(|all| all.keys().collect()),
            Aspect::Granted => self.granted.as_ref().map(|all| all.iter().collect()),
            Aspect::Blocked => self.blocked.as_ref().map(|all| all.iter().collect()),
            Aspect::Followed => self.followed.as_ref().map(|all| all.iter().collect()),
        }
    }
}

impl Told {
    pub(in crate::documents) fn say(&mut self, source: Source, statement: Statement) {
        self.0.insert(source, statement);
    }

    pub(in crate::documents) fn has(&self, source: Source) -> bool {
        self.0.contains_key(&source)
    }

    pub(in crate::documents) fn find(&self, source: Source) -> Option<&Statement> {
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

    pub(super) fn sources(&self) -> impl Iterator<Item = Source> {
        self.0.keys().copied()
    }

    /// The people of whom any source says this.
    pub(super) fn everybody(&self, aspect: Aspect) -> BTreeSet<&Address> {
        self.0.values().filter_map(|statement| statement.people(aspect)).flatten().collect()
    }

    pub(super) fn card(&self, source: Source, somebody: &Address) -> Option<&Card> {
        self.0.get(&source)?.contacts.as_ref()?.get(somebody)
    }
}
