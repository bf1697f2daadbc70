//! Watchers: those who follow the account's presence as a whole, one snapshot at a time.

use std::sync::Arc;

use super::{
    Effect, Event, WatchId, WatchState,
    announce::tell,
    state::{Account, Effects},
};
use crate::{
    presence::Standing,
    signal::{Address, ContactEvent, ContactSignal, Native, Snapshot, Timestamp},
};

/// Everybody who watches now.
#[derive(Debug, Default)]
pub(super) struct Watchers(Vec<Watcher>);

#[derive(Debug)]
struct Watcher {
    watch: WatchId,
    address: Address,
    state: WatchState,
}

impl Watchers {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn remove(&mut self, watch: WatchId) {
        self.0.retain(|watcher| watcher.watch != watch);
    }

    /// Ends every watch.
    pub(super) fn end_all(&mut self, state: WatchState, effects: &mut Effects) {
        for watcher in self.0.drain(..) {
            effects.push(Effect::Show { watch: watcher.watch, state, snapshot: None });
        }
    }
}

impl Account {
    /// Somebody begins to watch. A stranger is a question to the owner, and waits.
    pub(super) fn handle_watch(
        &mut self,
        watch: WatchId,
        address: Address,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        if self.watchers.0.len() >= self.shared.limits.watchers {
            effects.push(Effect::Show { watch, state: WatchState::Rejected, snapshot: None });
            return;
        }
        let state = self.watch_state(&address);
        if state == WatchState::Pending && !self.requests.contains_key(&address) {
            self.ask_owner(&address, now, effects);
        }
        self.watchers.0.push(Watcher { watch, address, state });
        let snapshot = (state == WatchState::Active).then(|| self.snapshot());
        effects.push(Effect::Show { watch, state, snapshot });
    }

    /// Shows every permitted watcher how things are now.
    pub(super) fn show_watchers(&self, effects: &mut Effects) {
        if self.watchers.is_empty() {
            return;
        }
        let snapshot = self.snapshot();
        for watcher in self.watchers.0.iter().filter(|watcher| watcher.state == WatchState::Active) {
            let snapshot = Some(Arc::clone(&snapshot));
            effects.push(Effect::Show { watch: watcher.watch, state: WatchState::Active, snapshot });
        }
    }

    /// The owner said no: the watches of `somebody` are over.
    pub(super) fn reject_watchers(&mut self, somebody: &Address, effects: &mut Effects) {
        self.watchers.0.retain(|watcher| {
            let goes = watcher.address == *somebody;
            if goes {
                let state = WatchState::Rejected;
                effects.push(Effect::Show { watch: watcher.watch, state, snapshot: None });
            }
            !goes
        });
    }

    /// What `somebody` may see may have changed: his watches follow.
    pub(super) fn review_watchers(&mut self, somebody: &Address, effects: &mut Effects) {
        if self.watchers.is_empty() {
            return;
        }
        let state = self.watch_state(somebody);
        let snapshot = self.snapshot();
        for watcher in self.watchers.0.iter_mut().filter(|w| w.address == *somebody && w.state != state) {
            watcher.state = state;
            let snapshot = (state == WatchState::Active).then(|| Arc::clone(&snapshot));
            effects.push(Effect::Show { watch: watcher.watch, state, snapshot });
        }
    }

    fn watch_state(&self, somebody: &Address) -> WatchState {
        match self.standing(somebody) {
            Standing::Allowed => WatchState::Active,
            Standing::Undecided => WatchState::Pending,
        }
    }

    fn ask_owner(&mut self, from: &Address, now: Timestamp, effects: &mut Effects) {
        let signal = ContactSignal {
            from: from.clone(),
            to: self.address.clone(),
            event: ContactEvent::Subscribe,
            note: None,
            native: Native::None,
        };
        if self.note_request(&signal, now, effects) {
            let sessions = self.endpoints.ids(|endpoint| endpoint.takes_questions());
            tell(sessions, Event::Contact(Arc::new(signal)), effects);
        }
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::new(Snapshot {
            of: self.address.clone(),
            aggregate: Arc::clone(&self.aggregate),
            resources: self.endpoints.states(),
        })
    }
}
