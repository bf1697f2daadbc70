//! Readers of the contact list: what the owner's devices follow where a protocol has the server show all
//! contacts in one place. They are told the whole list after each change; sessions are told changes.

use std::sync::Arc;

use super::{
    Effect, Shown, WatchId, WatchState,
    state::{Account, Effects},
};
use crate::signal::Address;

/// Everybody who reads the contact list now.
#[derive(Debug, Default)]
pub(super) struct Readers(Vec<WatchId>);

impl Readers {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn remove(&mut self, watch: WatchId) {
        self.0.retain(|reader| *reader != watch);
    }

    /// The account is gone.
    pub(super) fn end_all(&mut self, effects: &mut Effects) {
        for watch in self.0.drain(..) {
            effects.push(Effect::Show { watch, state: WatchState::Gone, shown: None });
        }
    }
}

impl Account {
    /// Somebody wants to read the contact list. Nobody but the owner may.
    pub(super) fn handle_reader(&mut self, watch: WatchId, reader: &Address, effects: &mut Effects) {
        if *reader != self.address || self.readers.0.len() >= self.shared.limits.watchers {
            effects.push(Effect::Show { watch, state: WatchState::Rejected, shown: None });
            return;
        }
        self.readers.0.push(watch);
        let shown = Some(self.contacts());
        effects.push(Effect::Show { watch, state: WatchState::Active, shown });
    }

    /// The contact list changed.
    pub(super) fn show_readers(&self, effects: &mut Effects) {
        if self.readers.is_empty() {
            return;
        }
        let contacts = self.contacts();
        for watch in &self.readers.0 {
            let shown = Some(contacts.clone());
            effects.push(Effect::Show { watch: *watch, state: WatchState::Active, shown });
        }
    }

    fn contacts(&self) -> Shown {
        Shown::Contacts(Arc::new(self.roster.iter().cloned().collect()))
    }
}
