//! The contacts of one account and their versions.
//!
//! Every change of a contact gets the next version number, so that a client with an old copy is
//! told the changes alone (RFC 6121 §2.6).

use std::collections::BTreeMap;

use thin_vec::ThinVec;

use super::{event::ContactChange, request::RosterView};
use crate::{
    signal::{Address, Contact},
    storage::{AccountRecord, TOMBSTONES, Write},
};

/// The contacts, with the version that last changed each.
#[derive(Debug)]
pub(super) struct Roster {
    contacts: BTreeMap<Address, (Contact, u64)>,
    version: u64,
    /// Removed contacts, oldest first; at most [`TOMBSTONES`].
    removed: ThinVec<(Address, u64)>,
    /// Copies older than this cannot be brought up to date by changes.
    floor: u64,
}

impl Roster {
    pub(super) fn new(record: &mut AccountRecord) -> Self {
        let rows = std::mem::take(&mut record.roster);
        let contacts =
            rows.into_iter().map(|row| (row.contact.address.clone(), (row.contact, row.version))).collect();
        Self {
            contacts,
            version: record.roster_version,
            removed: std::mem::take(&mut record.removed).into(),
            floor: record.roster_floor,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.contacts.len()
    }

    /// Another one after every change.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn find(&self, address: &Address) -> Option<&Contact> {
        self.contacts.get(address).map(|(contact, _)| contact)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Contact> {
        self.contacts.values().map(|(contact, _)| contact)
    }

    /// Takes over a contact as it is now: what to write, and what to tell.
    pub(super) fn set(&mut self, contact: Contact) -> (Write, ContactChange) {
        self.version += 1;
        let version = self.version;
        self.removed.retain(|(address, _)| *address != contact.address);
        self.contacts.insert(contact.address.clone(), (contact.clone(), version));
        let change = ContactChange { version, contact: contact.clone(), removed: false };
        (Write::Contact { contact, version }, change)
    }

    /// Removes a contact: what to write, and what to tell.
    pub(super) fn remove(&mut self, address: &Address) -> Option<(Write, ContactChange)> {
        let (contact, _) = self.contacts.remove(address)?;
        self.version += 1;
        let version = self.version;
        if self.removed.len() >= TOMBSTONES {
            let (_, forgotten) = self.removed.remove(0);
            self.floor = forgotten;
        }
        self.removed.push((address.clone(), version));
        let change = ContactChange { version, contact, removed: true };
        Some((Write::ContactRemoved { address: address.clone(), version }, change))
    }

    /// The roster, or only what changed after `since` where that is known.
    pub(super) fn view(&self, since: Option<u64>) -> RosterView {
        let version = self.version;
        match since {
            Some(since) if (self.floor..=version).contains(&since) => {
                RosterView { version, complete: false, contacts: Vec::new(), changes: self.changed(since) }
            }
            _ => {
                let contacts = self.iter().cloned().collect();
                RosterView { version, complete: true, contacts, changes: Vec::new() }
            }
        }
    }

    fn changed(&self, since: u64) -> Vec<ContactChange> {
        // Most clients come back with the newest copy, whatever its size.
        if since == self.version {
            return Vec::new();
        }
        let kept = self.contacts.values().filter(|(_, version)| *version > since);
        let kept = kept.map(|(contact, version)| ContactChange {
            version: *version,
            contact: contact.clone(),
            removed: false,
        });
        let gone = self.removed.iter().filter(|(_, version)| *version > since);
        let gone = gone.map(|(address, version)| ContactChange {
            version: *version,
            contact: Contact::new(address.clone()),
            removed: true,
        });
        let mut changes: Vec<_> = kept.chain(gone).collect();
        changes.sort_by_key(|change| change.version);
        changes
    }
}
