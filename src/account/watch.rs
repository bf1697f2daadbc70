//! Watches: somebody follows the owner's presence, or she follows who does and what waits for her.
//!
//! What a watcher may see is [`Account::permission`]'s to say, what the owner is told of watchers is in
//! `watchers`. This file shows states to watches and ends them.

use std::sync::Arc;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::{
    DocumentStep, Effect, Event, WatchId, WatchState,
    announce::tell,
    automation::ContactFate,
    config::ListAuthorization,
    permission::Permission,
    state::{Account, Effects},
    temporary::glimpse,
    watchers::Live,
};
use crate::signal::{
    Address, Contact, ContactEvent, ContactSignal, Handling, Occasion, Snapshot, Timestamp, View,
    WatcherEvent, WatcherList,
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
    /// Whether the owner lets the watcher follow her calls; who follows them knows of the calls himself.
    Calls,
    /// Who watches; for the owner only.
    Watchers,
    /// How many messages wait; for the owner only.
    Waiting,
    /// The contacts; for the owner only.
    Contacts,
    /// Whatever the account's documents tell; for the owner only.
    Documents,
}

/// What a watcher is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Shown {
    /// The presence, and what of it he may see. The same state is the same snapshot for all.
    Presence { snapshot: Arc<Snapshot>, view: Arc<View> },
    /// Whether he is to see the calls; else he sees none, ever.
    Calls { is_open: bool },
    /// Who watches the owner.
    Watchers(Arc<WatcherList>),
    /// How many messages wait in the offline file.
    Waiting(u32),
    /// Every contact, in the order of their addresses.
    Contacts(Arc<Vec<Contact>>),
    /// The account is at this revision: what documents tell may be another thing than at the one before.
    Documents {
        revision: u64,
        /// What became of the documents themselves since then, in this order.
        steps: Arc<[DocumentStep]>,
    },
}

impl Account {
    /// Somebody begins to watch.
    pub(super) fn handle_watch(
        &mut self,
        watch: WatchId,
        spec: WatchSpec,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        let is_full = self.watchers.len() >= self.shared.limits.watchers;
        let is_owner = spec.watcher == self.address;
        let limits = &self.shared.limits;
        let may_follow = is_owner || limits.watcher_info_authorization == ListAuthorization::None;
        match spec.kind {
            _ if is_full => reject(watch, effects),
            WatchKind::Presence | WatchKind::Calls => self.watch_presence(watch, spec, now, effects),
            WatchKind::Watchers if limits.watcher_info && may_follow => {
                let list = self.watcher_list(now);
                self.watchers.add(Live::follower(watch, spec, now));
                show(watch, WatchState::Active, Some(Shown::Watchers(list)), effects);
            }
            WatchKind::Waiting if is_owner => {
                self.watchers.add(Live::follower(watch, spec, now));
                self.show_count(watch, effects);
            }
            WatchKind::Contacts if is_owner => {
                self.watchers.add(Live::follower(watch, spec, now));
                show(watch, WatchState::Active, Some(self.contacts()), effects);
            }
            WatchKind::Documents if is_owner => {
                self.watchers.add(Live::follower(watch, spec, now));
                let revision = self.documents.revision();
                show(
                    watch,
                    WatchState::Active,
                    Some(Shown::Documents { revision, steps: Arc::default() }),
                    effects,
                );
            }
            WatchKind::Watchers | WatchKind::Waiting | WatchKind::Contacts | WatchKind::Documents => {
                reject(watch, effects);
            }
        }
    }

    /// Somebody begins to watch the presence, or the calls. A stranger is a question to the owner, and waits.
    fn watch_presence(&mut self, watch: WatchId, spec: WatchSpec, now: Timestamp, effects: &mut Effects) {
        let mut permission = self.permission_to_watch(&spec.watcher, spec.kind, now);
        if permission.handling == Handling::Confirm && !self.requests.contains_key(&spec.watcher) {
            match self.rules_on_contact(&spec.watcher, now, effects) {
                ContactFate::Open => {}
                ContactFate::Grant => {
                    self.grant_at_once(&self.question_of(&spec.watcher), now, effects);
                    permission = self.permission_to_watch(&spec.watcher, spec.kind, now);
                }
                ContactFate::Deny => return reject(watch, effects),
                ContactFate::Ignore => {
                    let live = Live::presence(watch, spec, now, WatchState::Pending, &permission);
                    show(watch, WatchState::Pending, None, effects);
                    return self.watchers.add(live);
                }
            }
        }
        let is_short =
            spec.kind == WatchKind::Presence && spec.until.0 <= now.0.saturating_add(GLIMPSE_MILLIS);
        if permission.handling == Handling::Confirm
            && is_short
            && self.may_glimpse(&spec.watcher, Occasion::Untold, now)
        {
            return self.show_glimpse(watch, spec, now, effects);
        }
        let asks = permission.handling == Handling::Confirm;
        let waits_too_often = asks && self.watchers.pending_of(&spec.watcher) >= PENDING_EACH;
        let was_refused = asks && self.watchers.is_refused(&spec.watcher, now);
        if permission.handling == Handling::Block || waits_too_often || was_refused {
            return reject(watch, effects);
        }
        let state = state_of(&permission);
        let live = Live::presence(watch, spec, now, state, &permission);
        if asks {
            self.ask_owner(&live, now, effects);
        } else {
            self.end_waiting(&live.spec.watcher, WatcherEvent::GiveUp, now, effects);
        }
        show(watch, state, self.shown_to(&live), effects);
        self.watchers.add(live);
    }

    /// Somebody looks for a moment, and she chose to let him see that she is there. It asks her nothing, and
    /// leaves no trace.
    fn show_glimpse(&mut self, watch: WatchId, spec: WatchSpec, now: Timestamp, effects: &mut Effects) {
        let view = self.shared_view(Arc::new(glimpse()));
        let permission = Permission { handling: Handling::Allow, view };
        let mut live = Live::presence(watch, spec, now, WatchState::Active, &permission);
        (live.is_fetch, live.is_glimpse) = (true, true);
        show(watch, WatchState::Active, self.shown_to(&live), effects);
        self.watchers.add(live);
    }

    /// A watch is over, because it was given up or was not renewed.
    pub(super) fn handle_unwatch(&mut self, watch: WatchId, now: Timestamp) {
        if self.end_follow(watch) {
            return;
        }
        if let Some(live) = self.watchers.remove(watch) {
            self.watchers.note_end(&live, WatcherEvent::Timeout, now);
        }
    }

    /// Shows every permitted watcher how things are now.
    pub(super) fn show_watchers(&mut self, effects: &mut Effects) {
        if !self.watchers.has_kind(WatchKind::Presence) {
            return;
        }
        let snapshot = Arc::new(self.snapshot());
        for live in self.watchers.open() {
            let shown = Shown::Presence { snapshot: Arc::clone(&snapshot), view: Arc::clone(&live.view) };
            show(live.watch, WatchState::Active, Some(shown), effects);
        }
    }

    /// The owner said no: the watches of `somebody` are over.
    pub(super) fn reject_watchers(&mut self, somebody: &Address, now: Timestamp, effects: &mut Effects) {
        for kind in PERMITTED {
            self.reject_watches(somebody, kind, now, effects);
        }
    }

    fn reject_watches(&mut self, somebody: &Address, kind: WatchKind, now: Timestamp, effects: &mut Effects) {
        for live in self.watchers.take_of(somebody, kind) {
            self.watchers.note_end(&live, WatcherEvent::Rejected, now);
            reject(live.watch, effects);
        }
    }

    /// What `somebody` may see may have changed: his watches follow.
    pub(super) fn review_watchers(&mut self, somebody: &Address, now: Timestamp, effects: &mut Effects) {
        for kind in PERMITTED {
            self.review_watches(somebody, kind, now, effects);
        }
    }

    fn review_watches(&mut self, somebody: &Address, kind: WatchKind, now: Timestamp, effects: &mut Effects) {
        let watches = self.watchers.ids_of(somebody, kind);
        if watches.is_empty() {
            return;
        }
        let permission = self.permission_to_watch(somebody, kind, now);
        if permission.handling == Handling::Block {
            return self.reject_watches(somebody, kind, now, effects);
        }
        let mut asks = false;
        for watch in watches {
            let Some(live) = self.watchers.find_mut(watch) else { continue };
            if live.is_glimpse && permission.handling == Handling::Confirm {
                continue;
            }
            let was = live.state;
            if live.follow(&permission) {
                let live = live.clone();
                self.watchers.touch();
                show(watch, live.state, self.shown_to(&live), effects);
                asks |= was == WatchState::Active && live.state == WatchState::Pending;
            }
        }
        if asks && let Some(live) = self.watchers.pending(somebody).cloned() {
            self.ask_owner(&live, now, effects);
        }
    }

    /// What somebody may see, with the one copy of the view.
    fn permission_to_watch(&mut self, somebody: &Address, kind: WatchKind, now: Timestamp) -> Permission {
        let Permission { handling, view } = match kind {
            WatchKind::Calls => self.permission_for_calls(somebody, now),
            _ => self.permission(somebody, now),
        };
        Permission { handling, view: self.shared_view(view) }
    }

    /// What a watch is shown now.
    fn shown_to(&mut self, live: &Live) -> Option<Shown> {
        if live.state != WatchState::Active {
            return None;
        }
        if live.spec.kind == WatchKind::Calls {
            return Some(Shown::Calls { is_open: !live.is_closed });
        }
        let snapshot = if live.is_closed { self.closed_snapshot() } else { Arc::new(self.snapshot()) };
        Some(Shown::Presence { snapshot, view: Arc::clone(&live.view) })
    }

    /// Notes that somebody asks to watch, and asks the owner unless she was asked. An answer to one who does not
    /// say who he is would be none to the next: he waits for a rule.
    fn ask_owner(&mut self, live: &Live, now: Timestamp, effects: &mut Effects) {
        let from = &live.spec.watcher;
        if from.is_anonymous() {
            return;
        }
        let was_asked = self.requests.contains_key(from);
        if !was_asked {
            let signal = self.question_of(from);
            if !self.note_request(&signal, now, effects) {
                return;
            }
            let sessions = self.endpoints.ids(|endpoint| endpoint.takes_questions());
            tell(sessions, Event::Contact(Arc::new(signal)), effects);
        }
        self.note_waiting(live, was_asked, now, effects);
    }

    /// What somebody asks who begins to watch.
    fn question_of(&self, watcher: &Address) -> ContactSignal {
        ContactSignal::plain(watcher.clone(), self.address.clone(), ContactEvent::Subscribe)
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            of: self.address.clone(),
            aggregate: Arc::clone(&self.aggregate),
            resources: self.endpoints.states(),
            picture: self.avatar().map(|avatar| avatar.hash),
        }
    }
}

/// The state of a watch that is handled so.
pub(super) fn state_of(permission: &Permission) -> WatchState {
    match permission.handling {
        Handling::Block => WatchState::Rejected,
        Handling::Confirm => WatchState::Pending,
        Handling::PoliteBlock | Handling::Allow => WatchState::Active,
    }
}

pub(super) fn show(watch: WatchId, state: WatchState, shown: Option<Shown>, effects: &mut Effects) {
    effects.push(Effect::Show { watch, state, shown });
}

fn reject(watch: WatchId, effects: &mut Effects) {
    show(watch, WatchState::Rejected, None, effects);
}

/// What others than the owner may follow where she lets them.
const PERMITTED: [WatchKind; 2] = [WatchKind::Presence, WatchKind::Calls];
/// Who watches no longer than this looks for a moment only, in milliseconds.
const GLIMPSE_MILLIS: i64 = 60_000;
/// Most watches of one watcher that wait for the owner's answer.
const PENDING_EACH: usize = 10;
