//! Watchers: those who follow the account's presence as a whole, one snapshot at a time.

use std::sync::Arc;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::{
    Effect, Event, WatchId, WatchState,
    announce::tell,
    state::{Account, Effects},
};
use crate::{
    presence::Standing,
    signal::{Address, Contact, ContactEvent, ContactSignal, Native, Snapshot, Timestamp, View, WatcherList},
};

/// What somebody wants to follow, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchSpec {
    pub watcher: Address,
    /// As the watcher calls himself.
    pub name: Option<CompactString>,
    pub kind: WatchKind,
    /// When the watch ends unless it is renewed; a moment that is over already: he looks only once.
    pub until: Timestamp,
}

/// What of an account can be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum WatchKind {
    /// The presence, as far as the owner lets the watcher see it.
    Presence,
    /// Who watches; for the owner only.
    Watchers,
    /// How many messages wait; for the owner only.
    Waiting,
    /// The contacts; for the owner only.
    Contacts,
}

/// What a watcher is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Shown {
    /// The presence, and what of it he may see. The same state is the same snapshot for all.
    Presence { snapshot: Arc<Snapshot>, view: Arc<View> },
    /// Who watches the owner.
    Watchers(Arc<WatcherList>),
    /// How many messages wait in the offline file.
    Waiting(u32),
    /// Every contact, in the order of their addresses.
    Contacts(Arc<Vec<Contact>>),
}

/// Everybody who watches now.
#[derive(Debug, Default)]
pub(super) struct Watchers(Vec<Watcher>);

#[derive(Debug)]
struct Watcher {
    watch: WatchId,
    spec: WatchSpec,
    state: WatchState,
}

impl Watchers {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn remove(&mut self, watch: WatchId) {
        self.0.retain(|watcher| watcher.watch != watch);
    }

    /// A watch goes on until then.
    pub(super) fn renew(&mut self, watch: WatchId, until: Timestamp) {
        if let Some(watcher) = self.0.iter_mut().find(|watcher| watcher.watch == watch) {
            watcher.spec.until = until;
        }
    }

    /// Ends every watch.
    pub(super) fn end_all(&mut self, state: WatchState, effects: &mut Effects) {
        for watcher in self.0.drain(..) {
            effects.push(Effect::Show { watch: watcher.watch, state, shown: None });
        }
    }
}

impl Account {
    /// Somebody begins to watch. A stranger is a question to the owner, and waits.
    pub(super) fn handle_watch(
        &mut self,
        watch: WatchId,
        spec: WatchSpec,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        if spec.kind == WatchKind::Contacts {
            return self.handle_reader(watch, &spec.watcher, effects);
        }
        let is_full = self.watchers.0.len() >= self.shared.limits.watchers;
        if is_full || spec.kind != WatchKind::Presence {
            effects.push(Effect::Show { watch, state: WatchState::Rejected, shown: None });
            return;
        }
        let state = self.watch_state(&spec.watcher);
        if state == WatchState::Pending && !self.requests.contains_key(&spec.watcher) {
            self.ask_owner(&spec.watcher, now, effects);
        }
        self.watchers.0.push(Watcher { watch, spec, state });
        let shown = (state == WatchState::Active).then(|| self.shown());
        effects.push(Effect::Show { watch, state, shown });
    }

    /// Shows every permitted watcher how things are now.
    pub(super) fn show_watchers(&self, effects: &mut Effects) {
        if self.watchers.is_empty() {
            return;
        }
        let shown = self.shown();
        for watcher in self.watchers.0.iter().filter(|watcher| watcher.state == WatchState::Active) {
            let shown = Some(shown.clone());
            effects.push(Effect::Show { watch: watcher.watch, state: WatchState::Active, shown });
        }
    }

    /// The owner said no: the watches of `somebody` are over.
    pub(super) fn reject_watchers(&mut self, somebody: &Address, effects: &mut Effects) {
        self.watchers.0.retain(|watcher| {
            let goes = watcher.spec.watcher == *somebody;
            if goes {
                let state = WatchState::Rejected;
                effects.push(Effect::Show { watch: watcher.watch, state, shown: None });
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
        let shown = self.shown();
        let changed = |watcher: &&mut Watcher| watcher.spec.watcher == *somebody && watcher.state != state;
        for watcher in self.watchers.0.iter_mut().filter(changed) {
            watcher.state = state;
            let shown = (state == WatchState::Active).then(|| shown.clone());
            effects.push(Effect::Show { watch: watcher.watch, state, shown });
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

    fn shown(&self) -> Shown {
        let snapshot = Arc::new(Snapshot {
            of: self.address.clone(),
            aggregate: Arc::clone(&self.aggregate),
            resources: self.endpoints.states(),
        });
        Shown::Presence { snapshot, view: Arc::new(View::everything()) }
    }
}
