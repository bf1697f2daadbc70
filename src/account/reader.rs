//! Readers of the contact list: what the owner's devices follow where a protocol has the server show all
//! contacts in one place. They are told the whole list after each input that changed it, however much it changed;
//! sessions are told changes.

use std::sync::Arc;

use super::{
    Shown, WatchKind, WatchState,
    state::{Account, Effects},
    watch::show,
};

impl Account {
    /// The contact list changed.
    pub(super) fn show_readers(&self, effects: &mut Effects) {
        if !self.watchers.has_kind(WatchKind::Contacts) {
            return;
        }
        let contacts = self.contacts();
        for watch in self.watchers.of_kind(WatchKind::Contacts) {
            show(watch, WatchState::Active, Some(contacts.clone()), effects);
        }
    }

    /// The contact list, as its readers are shown it.
    pub(super) fn contacts(&self) -> Shown {
        Shown::Contacts(Arc::new(self.roster.iter().cloned().collect()))
    }
}
