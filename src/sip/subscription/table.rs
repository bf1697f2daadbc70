//! All subscriptions, by number, by our dialog tag and by connection, and which of them are due.
//!
//! What leaves the table is given to the caller to be dropped: dropping a watch runs the account's
//! rules, which show things to this table, and must never happen while it is locked.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use compact_str::CompactString;
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::{sync::oneshot, time::Instant};

use super::{
    dialog::{Dialog, Misfit},
    notifier::Notifier,
};
use crate::{
    account::{Watch, WatchState},
    formats::pidf,
    signal::{Address, Snapshot},
    sip::{transaction::Prepared, transport::Flow},
};

/// Names a subscription; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct SubscriptionId(u64);

/// One subscription.
pub(super) struct Entry {
    pub(super) watcher: Address,
    /// Our tag, which names the dialog.
    pub(super) tag: CompactString,
    pub(super) dialog: Dialog,
    pub(super) notifier: Notifier,
    /// Who waits for the account's first word.
    pub(super) first: Option<oneshot::Sender<WatchState>>,
    /// Ends with the entry; `None` until it is there.
    pub(super) watch: Option<Watch>,
}

/// A NOTIFY to be sent.
pub(super) struct Outgoing {
    pub(super) id: SubscriptionId,
    pub(super) request: Prepared,
    pub(super) flow: Flow,
}

/// What one walk over the due subscriptions gives.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) outgoing: Vec<Outgoing>,
    /// When to look at which one again.
    pub(super) deadlines: Vec<(Instant, SubscriptionId)>,
    /// Those that are over, to be dropped.
    pub(super) finished: Vec<Entry>,
    /// How many were looked at.
    pub(super) taken: usize,
}

#[derive(Default)]
pub(super) struct Table(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    last: u64,
    entries: FxHashMap<SubscriptionId, Kept>,
    by_tag: FxHashMap<CompactString, SubscriptionId>,
    by_flow: FxHashMap<Flow, FxHashSet<SubscriptionId>>,
    by_watcher: FxHashMap<Address, usize>,
    /// Each id at most once: see [`Kept::is_ready`].
    ready: VecDeque<SubscriptionId>,
    documents: Documents,
}

struct Kept {
    entry: Entry,
    is_ready: bool,
    /// The soonest alarm that is set.
    alarm: Option<Instant>,
}

impl Table {
    /// Takes a new subscription; `None` where its watcher has `most` already.
    pub(super) fn insert(&self, entry: Entry, most: usize) -> Option<SubscriptionId> {
        let mut inner = self.lock();
        let count = inner.by_watcher.entry(entry.watcher.clone()).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        inner.last += 1;
        let id = SubscriptionId(inner.last);
        inner.by_tag.insert(entry.tag.clone(), id);
        inner.by_flow.entry(entry.dialog.flow).or_default().insert(id);
        inner.entries.insert(id, Kept { entry, is_ready: false, alarm: None });
        Some(id)
    }

    /// Keeps the watch of a subscription; gives it back where that is gone.
    #[must_use]
    pub(super) fn keep_watch(&self, id: SubscriptionId, watch: Watch) -> Option<Watch> {
        let mut inner = self.lock();
        let Some(kept) = inner.entries.get_mut(&id) else { return Some(watch) };
        kept.entry.watch = Some(watch);
        None
    }

    /// Looks at a subscription or changes it; `None` where it is gone. `change` must not change its
    /// flow, watcher or tag, nor call anything that comes back here.
    pub(super) fn with<T>(&self, id: SubscriptionId, change: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        self.lock().entries.get_mut(&id).map(|kept| change(&mut kept.entry))
    }

    /// Changes the dialog that has our tag, which may move to another flow.
    pub(super) fn refresh(
        &self,
        tag: &str,
        change: impl FnOnce(&mut Entry) -> Result<(), Misfit>,
    ) -> Result<SubscriptionId, Misfit> {
        let mut inner = self.lock();
        let id = *inner.by_tag.get(tag).ok_or(Misfit::Unknown)?;
        let kept = inner.entries.get_mut(&id).ok_or(Misfit::Unknown)?;
        if kept.entry.notifier.is_over() {
            return Err(Misfit::Unknown);
        }
        let before = kept.entry.dialog.flow;
        let outcome = change(&mut kept.entry);
        let after = kept.entry.dialog.flow;
        if before != after {
            inner.forget_flow(&before, id);
            inner.by_flow.entry(after).or_default().insert(id);
        }
        outcome.map(|()| id)
    }

    /// Takes a subscription out, to be dropped by the caller.
    #[must_use]
    pub(super) fn remove(&self, id: SubscriptionId) -> Option<Entry> {
        self.lock().remove(id)
    }

    /// Takes out all subscriptions of a connection, to be dropped by the caller.
    #[must_use]
    pub(super) fn remove_flow(&self, flow: &Flow) -> Vec<Entry> {
        let mut inner = self.lock();
        let ids = inner.by_flow.get(flow).cloned().unwrap_or_default();
        ids.into_iter().filter_map(|id| inner.remove(id)).collect()
    }

    /// Every subscription there is.
    pub(super) fn ids(&self) -> Vec<SubscriptionId> {
        self.lock().entries.keys().copied().collect()
    }

    /// Has a subscription looked at by [`Table::take_batch`].
    pub(super) fn push_ready(&self, id: SubscriptionId) {
        self.change(id, |_| true);
    }

    /// Changes a subscription, as [`Table::with`], and where `change` says so has it looked at by
    /// [`Table::take_batch`]; tells whether it will be.
    pub(super) fn change(&self, id: SubscriptionId, change: impl FnOnce(&mut Entry) -> bool) -> bool {
        let mut inner = self.lock();
        let Some(kept) = inner.entries.get_mut(&id) else { return false };
        let is_ready = change(&mut kept.entry);
        if is_ready && !std::mem::replace(&mut kept.is_ready, true) {
            inner.ready.push_back(id);
        }
        is_ready
    }

    /// Makes the NOTIFYs of some of the ready subscriptions. The caller sends them, sets the alarms,
    /// and drops what is finished.
    pub(super) fn take_batch(&self, now: Instant) -> Batch {
        let mut batch = Batch::default();
        let mut locked = self.lock();
        let inner = &mut *locked;
        while batch.taken < BATCH {
            let Some(id) = inner.ready.pop_front() else { break };
            batch.taken += 1;
            let Some(kept) = inner.entries.get_mut(&id) else { continue };
            kept.is_ready = false;
            if let Some(notice) = kept.entry.notifier.poll(now) {
                let document = notice.snapshot.map(|snapshot| inner.documents.print(snapshot));
                let request = kept.entry.dialog.notify(notice.state, document);
                batch.outgoing.push(Outgoing { id, request, flow: kept.entry.dialog.flow });
            }
            batch.deadlines.extend(kept.next_alarm(now).map(|at| (at, id)));
            if kept.entry.notifier.is_over() {
                batch.finished.extend(inner.remove(id));
            }
        }
        batch
    }

    /// The table is whole after every statement, so a panic elsewhere cannot have broken it.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// When an alarm is to be set; `None` where one that is set is soon enough.
    fn next_alarm(&mut self, now: Instant) -> Option<Instant> {
        let deadline = self.entry.notifier.deadline()?;
        if self.alarm.is_some_and(|alarm| alarm > now && alarm <= deadline) {
            return None;
        }
        self.alarm = Some(deadline);
        Some(deadline)
    }
}

impl Inner {
    fn remove(&mut self, id: SubscriptionId) -> Option<Entry> {
        let entry = self.entries.remove(&id)?.entry;
        self.by_tag.remove(&entry.tag);
        self.forget_flow(&entry.dialog.flow, id);
        if let Some(count) = self.by_watcher.get_mut(&entry.watcher) {
            *count -= 1;
            if *count == 0 {
                self.by_watcher.remove(&entry.watcher);
            }
        }
        Some(entry)
    }

    fn forget_flow(&mut self, flow: &Flow, id: SubscriptionId) {
        if let Some(ids) = self.by_flow.get_mut(flow) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_flow.remove(flow);
            }
        }
    }
}

/// The last documents: a state that many watch is written once, though some watchers are told later than
/// others because they have not answered the NOTIFY before. There are never more than [`DOCUMENTS`].
#[derive(Default)]
struct Documents(VecDeque<(Arc<Snapshot>, Bytes)>);

impl Documents {
    fn print(&mut self, snapshot: Arc<Snapshot>) -> Bytes {
        // They are held here, so that no other snapshot can have the address of one.
        if let Some((_, document)) = self.0.iter().find(|(known, _)| Arc::ptr_eq(known, &snapshot)) {
            return document.clone();
        }
        let entity = crate::sip::translate::uri_of(&snapshot.of);
        let document = Bytes::from(pidf::print_snapshot(&snapshot, entity.as_str()));
        if self.0.len() >= DOCUMENTS {
            self.0.pop_front();
        }
        self.0.push_back((snapshot, document.clone()));
        document
    }
}

/// Most documents that are kept.
const DOCUMENTS: usize = 16;
/// Most subscriptions looked at while the table is locked.
const BATCH: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::{Presence, Timestamp};

    fn snapshot() -> Arc<Snapshot> {
        let of = Address::parse("alice@example.org").unwrap();
        Arc::new(Snapshot { of, aggregate: Arc::new(Presence::offline(Timestamp(0))), resources: Vec::new() })
    }

    #[test]
    fn a_state_is_written_once_and_few_are_remembered() {
        let (mut documents, state) = (Documents::default(), snapshot());
        let first = documents.print(Arc::clone(&state));
        assert_eq!(documents.print(Arc::clone(&state)).as_ptr(), first.as_ptr());
        assert_ne!(documents.print(snapshot()).as_ptr(), first.as_ptr(), "another state");
        for _ in 0..DOCUMENTS * 2 {
            documents.print(snapshot());
        }
        assert_eq!(documents.0.len(), DOCUMENTS);
        assert_ne!(documents.print(state).as_ptr(), first.as_ptr(), "forgotten by now");
    }
}
