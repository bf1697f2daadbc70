//! Subscriptions over a restart: they stop without a word, and go on with the same dialogs.

use std::sync::{Arc, atomic::Ordering};

use tokio::{
    sync::oneshot,
    task::JoinSet,
    time::{Instant, timeout},
};
use tracing::{error, info};

use super::{
    PATIENCE, Sink, Subscriptions, dialog::Reach, list::with_origin, notifier::Ended, saved::Saved,
    table::SubscriptionId,
};
use crate::{
    account::{WatchSink, WatchSpec, WatchState},
    signal::{Address, Timestamp},
    sip::{clock::Clock, device::locked, door::Door, events::Package, transport::Protocol},
};

impl Subscriptions {
    /// The server stops. Its subscriptions go on when it starts again, so that nobody has to be told; only
    /// those that are not remembered, because the disk was behind, have to subscribe anew.
    pub(in crate::sip) fn shut_down(self: &Arc<Self>) {
        self.is_stopping.store(true, Ordering::Relaxed);
        for id in self.table.ids() {
            let is_lost = self.table.with(id, |entry| {
                if entry.saved.is_none() {
                    entry.notifier.end(Ended::Deactivated);
                }
                entry.saved.is_none()
            });
            if is_lost == Some(true) {
                self.table.push_ready(id);
            }
        }
        self.send_all(&mut JoinSet::new());
    }

    /// Finds the subscriptions from before a restart. Blocks while it reads; to be called before phones are
    /// served, so that a refresh meets its dialog. [`Subscriptions::run`] sets them going.
    pub(in crate::sip) fn restore(&self) {
        let records = match self.memory.all() {
            Ok(records) => records,
            Err(reject) => return error!(%reject, "subscriptions cannot be read"),
        };
        let now = Clock::now();
        let mut origins = self.read_origins();
        let mut found = Vec::new();
        for (key, value) in records {
            let tag = str::from_utf8(&key).ok();
            let saved = Saved::from_bytes(&value);
            let entry = tag.zip(saved).and_then(|(tag, saved)| saved.restore(tag, self.limits.interval, now));
            let entry = entry.and_then(|entry| with_origin(entry, &mut origins));
            match entry.and_then(|entry| self.table.insert(entry, usize::MAX)) {
                Some(id) => found.push(id),
                None => self.forget(key),
            }
        }
        origins.into_keys().for_each(|tag| self.forget_origin(&tag));
        info!(count = found.len(), "subscriptions go on");
        *locked(&self.found) = found;
    }

    /// Sets the subscriptions going that were found after a restart, some at a time: each is told its state.
    pub(super) async fn resume(self: &Arc<Self>, door: &Door) {
        let ids = std::mem::take(&mut *locked(&self.found));
        for some in ids.chunks(RESUMED) {
            let waiting: Vec<_> = some.iter().filter_map(|id| self.resume_one(door, *id)).collect();
            for first in waiting {
                // An account that takes longer shows its state when it can.
                drop(timeout(PATIENCE, first).await);
            }
        }
    }

    fn resume_one(
        self: &Arc<Self>,
        door: &Door,
        id: SubscriptionId,
    ) -> Option<oneshot::Receiver<WatchState>> {
        self.show_first(door, id);
        self.aim(door, id);
        let (told, first) = oneshot::channel();
        let clock = Timestamp::now();
        let (of, spec, reach, list) = self.table.with(id, |entry| {
            entry.first = Some(told);
            let left = entry.notifier.expires().saturating_duration_since(Instant::now());
            let spec = WatchSpec {
                watcher: if entry.is_anonymous { Address::anonymous() } else { entry.watcher.clone() },
                name: entry.name.clone().filter(|_| !entry.is_anonymous),
                kind: match &entry.origin {
                    Some(origin) => origin.kind(entry.package),
                    None => entry.package.kind(),
                },
                until: clock.plus_seconds(left.as_secs().try_into().unwrap_or(i64::MAX)),
            };
            let list = entry.origin.clone().map(|origin| (origin, entry.tag.clone(), entry.package));
            (entry.teller.of().clone(), spec, entry.dialog.reach(), list)
        })?;
        if let Reach::Address(Protocol::Udp, _) = reach
            && let Some(Ok(flow)) =
                reach.destination().map(|destination| self.layer.transport().flow_to(&destination))
        {
            self.table.set_reach(id, Reach::Flow(flow));
        }
        let sink: Arc<dyn WatchSink> = match list {
            Some((origin, _, Package::Documents)) => self.resume_documents(id, &of, &origin),
            Some((origin, tag, _)) => self.resume_list(id, (&tag, &of), &origin, spec.until),
            None => Arc::new(Sink { subscriptions: Arc::downgrade(self), id }),
        };
        match self.accounts.watch(&of, spec, sink) {
            Ok(watch) => drop(self.table.keep_watch(id, Arc::new(watch))),
            // Its domain is served no more.
            Err(_) => self.table.with(id, |entry| entry.notifier.end(Ended::NoResource)).unwrap_or_default(),
        }
        self.wake(id);
        Some(first)
    }
}

/// Subscriptions that are set going at a time after a restart.
const RESUMED: usize = 256;
