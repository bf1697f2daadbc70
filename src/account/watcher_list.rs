//! What the owner is shown of her watchers, and of the messages that wait for her.

use std::{collections::HashSet, sync::Arc};

use compact_str::format_compact;

use super::{
    Effect, Shown, WatchId, WatchKind, WatchState,
    state::{Account, Effects},
    watch::show,
    watchers::Live,
};
use crate::signal::{Address, Timestamp, Watcher, WatcherEvent, WatcherList, WatcherStatus};

impl Account {
    /// Shows the list to those who follow it, where it changed. A storm of watchers is shown from time to time.
    pub(super) fn show_list(&mut self, now: Timestamp, effects: &mut Effects) {
        let Some(book) = &mut self.watchers.0 else { return };
        if !book.is_changed || !book.has_followers() {
            book.is_changed = false;
            return;
        }
        let next = book.shown.map(|at| at.plus_seconds(PAUSE)).filter(|next| *next > now);
        if let Some(next) = next.filter(|_| book.live.len() > LONG) {
            return self.wake_at(next, effects);
        }
        (book.is_changed, book.shown) = (false, Some(now));
        let list = self.watcher_list(now);
        for watch in self.watchers.of_kind(WatchKind::Watchers) {
            show(watch, WatchState::Active, Some(Shown::Watchers(Arc::clone(&list))), effects);
        }
    }

    /// Everybody who watches, in whatever way.
    pub(super) fn watcher_list(&mut self, now: Timestamp) -> Arc<WatcherList> {
        if let Some(book) = &mut self.watchers.0 {
            book.ended.retain(|(at, _)| at.plus_seconds(LINGER) > now);
        }
        let live = || self.watchers.live().iter().filter(|live| live.is_presence() && !live.is_fetch);
        let there: HashSet<&Address> = live().map(|live| &live.spec.watcher).collect();
        let pending: HashSet<&Address> =
            live().filter(|live| live.is_pending()).map(|live| &live.spec.watcher).collect();
        let mut watchers: Vec<_> = live().map(Live::listed).collect();
        let contacts = self.roster.iter().filter(|contact| contact.from && !there.contains(&contact.address));
        watchers.extend(contacts.map(|contact| listed_contact(&contact.address)));
        let book = self.watchers.0.as_ref();
        for request in self.requests.values().filter(|request| !pending.contains(&request.from)) {
            let waiting = self.watchers.waiting(&request.from);
            watchers.push(match waiting {
                Some(waiting) => waiting.watcher.clone(),
                None => listed_request(&request.from, request.at),
            });
        }
        watchers.extend(book.iter().flat_map(|book| &book.ended).map(|(_, watcher)| watcher.clone()));
        watchers.sort_by_key(|watcher| watcher.since);
        Arc::new(WatcherList { of: self.address.clone(), watchers })
    }

    /// Has the messages that wait counted, where the owner follows their number.
    pub(super) fn count_waiting(&mut self, effects: &mut Effects) {
        let Some(book) = &mut self.watchers.0 else { return };
        if book.has_kind(WatchKind::Waiting) {
            book.asked = book.asked.wrapping_add(1);
            effects.push(Effect::CountOffline { asked: book.asked });
        }
    }

    /// Shows a new watch the number that was counted last; where none was, all wait for the count.
    pub(super) fn show_count(&mut self, watch: WatchId, effects: &mut Effects) {
        match self.watchers.0.as_ref().and_then(|book| book.counted) {
            Some(count) => show(watch, WatchState::Active, Some(Shown::Waiting(count)), effects),
            None => self.count_waiting(effects),
        }
    }

    /// They were counted. An older answer may come behind a newer one.
    pub(super) fn handle_offline_count(&mut self, asked: u32, count: u32, effects: &mut Effects) {
        let Some(book) = &mut self.watchers.0 else { return };
        if asked != book.asked || book.counted == Some(count) {
            return;
        }
        book.counted = Some(count);
        for live in book.live.iter().filter(|live| live.spec.kind == WatchKind::Waiting) {
            show(live.watch, WatchState::Active, Some(Shown::Waiting(count)), effects);
        }
    }
}

/// How a contact is listed who was granted presence and has no watch.
pub(super) fn listed_contact(address: &Address) -> Watcher {
    Watcher {
        id: format_compact!("c.{address}"),
        address: address.clone(),
        name: None,
        status: WatcherStatus::Active,
        event: WatcherEvent::Approved,
        since: None,
        until: None,
    }
}

/// How somebody is listed who asked to be a contact. The same entry as when he is granted it.
pub(super) fn listed_request(address: &Address, at: Timestamp) -> Watcher {
    let (status, event) = (WatcherStatus::Pending, WatcherEvent::Subscribe);
    Watcher { status, event, since: Some(at), ..listed_contact(address) }
}

/// Watches of which a list is a long one: what changes in it is gathered, as it is made anew each time.
const LONG: usize = 100;
/// Least seconds between two showings of a long list.
const PAUSE: i64 = 1;
/// Seconds for which the list says that a watch ended.
const LINGER: i64 = 60;
