//! All subscriptions, by number, by our dialog tag and by connection, and which of them are due.
//!
//! What leaves the table is given to the caller to be dropped: dropping a watch runs the account's
//! rules, which show things to this table, and must never happen while it is locked.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use compact_str::CompactString;
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::time::Instant;

use super::{
    dialog::{Misfit, Reach},
    entry::{Entry, Record, Urgency},
};
use crate::{
    account::Watch,
    signal::{Address, Timestamp},
    sip::{
        events::{Content, Documents, Package},
        message::Uri,
        transaction::Prepared,
        transport::Flow,
    },
};

/// Names a subscription; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct SubscriptionId(u64);

/// A NOTIFY to be sent.
pub(super) struct Outgoing {
    pub(super) id: SubscriptionId,
    pub(super) request: Prepared,
    pub(super) reach: Reach,
    /// What has to be on the disk before it goes out.
    pub(super) first: Option<Record>,
}

/// What one walk over the due subscriptions gives.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) outgoing: Vec<Outgoing>,
    /// When to look at which one again.
    pub(super) deadlines: Vec<(Instant, SubscriptionId)>,
    /// Those that are over, to be dropped.
    pub(super) finished: Vec<Entry>,
    /// What is to be remembered soon.
    pub(super) records: Vec<Record>,
    /// How many were looked at.
    pub(super) taken: usize,
}

#[derive(Default)]
pub(super) struct Table(Mutex<Inner>);

impl Table {
    /// An empty one, which writes these documents.
    pub(super) fn writing(documents: Documents) -> Self {
        Self(Mutex::new(Inner { documents, ..Inner::default() }))
    }
}

#[derive(Default)]
struct Inner {
    last: u64,
    /// Boxed: a map has many empty places, and they shall be small.
    entries: FxHashMap<SubscriptionId, Box<Kept>>,
    by_tag: FxHashMap<CompactString, SubscriptionId>,
    by_flow: FxHashMap<Flow, FxHashSet<SubscriptionId>>,
    by_watcher: FxHashMap<Address, usize>,
    /// Those that this door shows something itself, by what and whose.
    by_source: FxHashMap<(Package, Address), FxHashSet<SubscriptionId>>,
    /// Those whose watcher takes requests at a GRUU, by watcher.
    by_gruu: FxHashMap<Address, FxHashSet<SubscriptionId>>,
    /// Those whose watcher cannot be reached, by watcher.
    cut_off: FxHashMap<Address, FxHashSet<SubscriptionId>>,
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
        inner.note_reach(entry.dialog.reach(), &entry.watcher, id);
        inner.note_gruu(entry.dialog.has_gruu(), &entry.watcher, id);
        if entry.package.is_shown_by_door() {
            let source = (entry.package, entry.teller.of().clone());
            inner.by_source.entry(source).or_default().insert(id);
        }
        inner.entries.insert(id, Box::new(Kept { entry, is_ready: false, alarm: None }));
        Some(id)
    }

    /// Keeps the watch of a subscription; gives it back where that is gone.
    #[must_use]
    pub(super) fn keep_watch(&self, id: SubscriptionId, watch: Arc<Watch>) -> Option<Arc<Watch>> {
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

    /// Looks at the subscription whose dialog has our tag, as [`Table::with`].
    pub(super) fn find<T>(&self, tag: &str, look: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        let id = *self.lock().by_tag.get(tag)?;
        self.with(id, look)
    }

    /// Changes the dialog that has our tag, which may move to another flow; gives what `change` gave, and the
    /// watch, to be renewed by the caller.
    pub(super) fn refresh<T>(
        &self,
        tag: &str,
        change: impl FnOnce(&mut Entry, &mut Documents) -> Result<T, Misfit>,
    ) -> Result<(SubscriptionId, T, Option<Arc<Watch>>), Misfit> {
        let mut locked = self.lock();
        let inner = &mut *locked;
        let id = *inner.by_tag.get(tag).ok_or(Misfit::Unknown)?;
        let kept = inner.entries.get_mut(&id).ok_or(Misfit::Unknown)?;
        if kept.entry.notifier.is_over() {
            return Err(Misfit::Unknown);
        }
        let before = kept.entry.dialog.reach();
        let outcome = change(&mut kept.entry, &mut inner.documents);
        let (after, watcher) = (kept.entry.dialog.reach(), kept.entry.watcher.clone());
        let (watch, has_gruu) = (kept.entry.watch.clone(), kept.entry.dialog.has_gruu());
        inner.note_gruu(has_gruu, &watcher, id);
        inner.move_reach(before, after, &watcher, id);
        outcome.map(|given| (id, given, watch))
    }

    /// The way by which a NOTIFY went is no way any more: the next one takes another, or waits until the
    /// watcher shows up again. Where he is reached in another way already, nothing becomes of it.
    pub(super) fn lose_reach(&self, id: SubscriptionId, gone: Reach) {
        let mut locked = self.lock();
        let inner = &mut *locked;
        let Some(kept) = inner.entries.get_mut(&id) else { return };
        let entry = &mut kept.entry;
        if entry.dialog.reach() != gone {
            return;
        }
        match gone {
            Reach::Flow(_) => entry.dialog.lose_flow(),
            Reach::Address(..) | Reach::Nowhere => entry.dialog.set_reach(Reach::Nowhere),
        }
        let (after, watcher) = (entry.dialog.reach(), entry.watcher.clone());
        entry.notifier.cut_off();
        entry.teller.forget();
        if after != Reach::Nowhere {
            entry.notifier.rejoin();
        }
        inner.move_reach(gone, after, &watcher, id);
        inner.make_ready(id);
    }

    /// The watcher is reached by `flow` again: those of his subscriptions that `is_there` says belong to
    /// that phone go on there. Gives those.
    pub(super) fn rejoin(
        &self,
        watcher: &Address,
        flow: Flow,
        is_there: impl Fn(&Uri) -> bool,
    ) -> Vec<SubscriptionId> {
        let mut locked = self.lock();
        let inner = &mut *locked;
        let Some(ids) = inner.cut_off.get(watcher) else { return Vec::new() };
        let is_there = |id: &SubscriptionId| {
            inner.entries.get(id).is_some_and(|kept| is_there(kept.entry.dialog.target()))
        };
        let ids: Vec<_> = ids.iter().copied().filter(is_there).collect();
        for id in &ids {
            if let Some(kept) = inner.entries.get_mut(id) {
                kept.entry.dialog.set_reach(Reach::Flow(flow));
                kept.entry.notifier.rejoin();
            }
            inner.move_reach(Reach::Nowhere, Reach::Flow(flow), watcher, *id);
            inner.make_ready(*id);
        }
        ids
    }

    /// A phone of the watcher registered: those of his subscriptions that take requests at a GRUU of it, as
    /// `is_its` says, find it there, by `flow`. Tells whether any of them has something to say there.
    pub(super) fn aim(
        &self,
        watcher: &Address,
        (contact, flow): (&Uri, Flow),
        is_its: impl Fn(&Uri) -> bool,
    ) -> bool {
        let mut locked = self.lock();
        let inner = &mut *locked;
        let mut is_any_ready = false;
        for id in inner.by_gruu.get(watcher).cloned().unwrap_or_default() {
            let Some(kept) = inner.entries.get_mut(&id) else { continue };
            if !is_its(kept.entry.dialog.target()) {
                continue;
            }
            kept.entry.dialog.aim(contact);
            let before = kept.entry.dialog.reach();
            let after = Reach::Flow(flow);
            if !matches!(before, Reach::Flow(_)) || before == after {
                continue;
            }
            kept.entry.dialog.set_reach(after);
            let is_ready = kept.entry.notifier.redirect();
            if is_ready {
                kept.entry.teller.forget();
                kept.entry.notifier.repeat();
            }
            inner.move_reach(before, after, watcher, id);
            if is_ready {
                inner.make_ready(id);
                is_any_ready = true;
            }
        }
        is_any_ready
    }

    /// Shows what this door knows itself to all who follow it; tells whether anybody does.
    pub(super) fn show_own(
        &self,
        package: Package,
        of: &Address,
        now: Instant,
        content: impl Fn(&Address) -> Content,
    ) -> bool {
        let mut locked = self.lock();
        let inner = &mut *locked;
        let ids: Vec<_> =
            inner.by_source.get(&(package, of.clone())).into_iter().flatten().copied().collect();
        for id in &ids {
            if let Some(kept) = inner.entries.get_mut(id) {
                let content = content(&kept.entry.watcher);
                kept.entry.show_own(content, now);
            }
            inner.make_ready(*id);
        }
        !ids.is_empty()
    }

    /// A watcher is reached in another way.
    pub(super) fn set_reach(&self, id: SubscriptionId, reach: Reach) {
        let mut locked = self.lock();
        let inner = &mut *locked;
        let Some(kept) = inner.entries.get_mut(&id) else { return };
        let before = kept.entry.dialog.reach();
        kept.entry.dialog.set_reach(reach);
        let watcher = kept.entry.watcher.clone();
        inner.move_reach(before, reach, &watcher, id);
    }

    /// Whether anybody follows this of an account.
    pub(super) fn has_readers(&self, package: Package, of: &Address) -> bool {
        self.lock().by_source.contains_key(&(package, of.clone()))
    }

    /// Takes a subscription out, to be dropped by the caller.
    #[must_use]
    pub(super) fn remove(&self, id: SubscriptionId) -> Option<Entry> {
        self.lock().remove(id)
    }

    /// The subscriptions of a connection.
    pub(super) fn of_flow(&self, flow: &Flow) -> Vec<SubscriptionId> {
        self.lock().by_flow.get(flow).into_iter().flatten().copied().collect()
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
        if is_ready {
            inner.make_ready(id);
        }
        is_ready
    }

    /// As [`Table::change`], where the watcher is still reached in this way.
    pub(super) fn change_at(
        &self,
        (id, reach): (SubscriptionId, Reach),
        change: impl FnOnce(&mut Entry) -> bool,
    ) -> bool {
        self.change(id, |entry| entry.dialog.reach() == reach && change(entry))
    }

    /// As [`Table::remove`], where the watcher is still reached in this way.
    #[must_use]
    pub(super) fn remove_at(&self, id: SubscriptionId, reach: Reach) -> Option<Entry> {
        let mut inner = self.lock();
        inner.entries.get(&id).filter(|kept| kept.entry.dialog.reach() == reach)?;
        inner.remove(id)
    }

    /// Makes the NOTIFYs of some of the ready subscriptions. The caller sends them, sets the alarms,
    /// and drops what is finished.
    pub(super) fn take_batch(&self, now: Instant, clock: Timestamp) -> Batch {
        let mut batch = Batch::default();
        let mut locked = self.lock();
        let inner = &mut *locked;
        inner.documents.patches.rest();
        while batch.taken < BATCH && !inner.documents.patches.is_tired() {
            let Some(id) = inner.ready.pop_front() else { break };
            batch.taken += 1;
            let Some(kept) = inner.entries.get_mut(&id) else { continue };
            kept.is_ready = false;
            if let Some(request) = kept.entry.next(now, clock, &mut inner.documents) {
                let first = match kept.entry.changed(now, clock) {
                    Some((record, Urgency::First)) => Some(record),
                    Some((record, Urgency::Soon)) => {
                        batch.records.push(record);
                        None
                    }
                    None => None,
                };
                batch.outgoing.push(Outgoing { id, request, reach: kept.entry.dialog.reach(), first });
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
        self.forget_reach(entry.dialog.reach(), &entry.watcher, id);
        forget(&mut self.by_gruu, &entry.watcher, id);
        if entry.package.is_shown_by_door() {
            forget(&mut self.by_source, &(entry.package, entry.teller.of().clone()), id);
        }
        if let Some(count) = self.by_watcher.get_mut(&entry.watcher) {
            *count -= 1;
            if *count == 0 {
                self.by_watcher.remove(&entry.watcher);
            }
        }
        Some(entry)
    }

    fn make_ready(&mut self, id: SubscriptionId) {
        if let Some(kept) = self.entries.get_mut(&id)
            && !std::mem::replace(&mut kept.is_ready, true)
        {
            self.ready.push_back(id);
        }
    }

    fn note_gruu(&mut self, has_gruu: bool, watcher: &Address, id: SubscriptionId) {
        if has_gruu {
            self.by_gruu.entry(watcher.clone()).or_default().insert(id);
        } else {
            forget(&mut self.by_gruu, watcher, id);
        }
    }

    fn move_reach(&mut self, before: Reach, after: Reach, watcher: &Address, id: SubscriptionId) {
        if before != after {
            self.forget_reach(before, watcher, id);
            self.note_reach(after, watcher, id);
        }
    }

    fn note_reach(&mut self, reach: Reach, watcher: &Address, id: SubscriptionId) {
        match reach {
            Reach::Flow(flow) => {
                self.by_flow.entry(flow).or_default().insert(id);
            }
            Reach::Nowhere => {
                self.cut_off.entry(watcher.clone()).or_default().insert(id);
            }
            Reach::Address(..) => {}
        }
    }

    fn forget_reach(&mut self, reach: Reach, watcher: &Address, id: SubscriptionId) {
        match reach {
            Reach::Flow(flow) => forget(&mut self.by_flow, &flow, id),
            Reach::Nowhere => forget(&mut self.cut_off, watcher, id),
            Reach::Address(..) => {}
        }
    }
}

fn forget<K: std::hash::Hash + Eq>(
    map: &mut FxHashMap<K, FxHashSet<SubscriptionId>>,
    key: &K,
    id: SubscriptionId,
) {
    if let Some(ids) = map.get_mut(key) {
        ids.remove(&id);
        if ids.is_empty() {
            map.remove(key);
        }
    }
}

/// Most subscriptions looked at while the table is locked; fewer where much work goes into what they are told.
const BATCH: usize = 128;
