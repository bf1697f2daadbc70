//! Who asked to watch and has no answer: kept on the disk until the owner answers, he asks again or his
//! time is over (the waiting state of RFC 3857 §4.7.1). And to whom the owner said no: a phone
//! subscribes again by itself, for as long as it likes, and she is not asked each time. A person who asks to be
//! a contact asks anew.

use super::{
    Effect,
    state::{Account, Effects},
    watcher_list::listed_contact,
    watchers::{Live, REFUSED},
};
use crate::{
    signal::{Address, Timestamp, Watcher, WatcherEvent, WatcherStatus},
    storage::{WaitingWatcher, Write},
};

impl Account {
    /// Keeps somebody who asks to watch, so that the owner learns of it when he has gone. One of the
    /// same address who waited already is redundant.
    pub(super) fn note_waiting(
        &mut self,
        live: &Live,
        was_asked: bool,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        let limits = &self.shared.limits;
        let (is_kept, most) = (limits.offline_watcher_info, limits.contact_requests);
        let until = live.spec.until.max(now).plus_seconds(limits.offline_watcher_info_seconds.into());
        let address = live.spec.watcher.clone();
        let older = self.watchers.waiting(&address).cloned();
        let is_full = self.watchers.0.as_ref().is_some_and(|book| book.waiting.len() >= most);
        if !is_kept || (is_full && older.is_none()) {
            return;
        }
        let is_alone = older.as_ref().map_or(!was_asked, |older| older.is_alone);
        if let Some(older) = older
            && self.watchers.pending_of(&address) == 0
        {
            self.watchers.note_ended(older.watcher, WatcherEvent::GiveUp, now);
        }
        let (status, event) = (WatcherStatus::Waiting, WatcherEvent::Timeout);
        let watcher = Watcher { status, event, until: Some(until), ..live.listed() };
        let waiting = WaitingWatcher { watcher, is_alone };
        effects.push(Effect::Store(Write::Waiting(waiting.clone())));
        let book = self.watchers.book();
        book.waiting.insert(address, waiting);
        book.is_changed = true;
        self.wake_at(until, effects);
    }

    /// Who waited waits no more: he was answered, or came back.
    pub(super) fn end_waiting(
        &mut self,
        somebody: &Address,
        event: WatcherEvent,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        let pending = self.watchers.pending_of(somebody);
        let Some(book) = &mut self.watchers.0 else { return };
        let Some(waiting) = book.waiting.remove(somebody) else { return };
        effects.push(Effect::Store(Write::WaitingRemoved { watcher: somebody.clone() }));
        if pending == 0 {
            self.watchers.note_ended(waiting.watcher, event, now);
        }
    }

    /// The owner said no to somebody who asked to watch: for a while he is refused without asking her.
    pub(super) fn note_refused(&mut self, somebody: &Address, now: Timestamp, effects: &mut Effects) {
        let until = now.plus_seconds(self.shared.limits.offline_watcher_info_seconds.into());
        let book = self.watchers.book();
        book.refused.retain(|_, until| *until > now);
        if book.refused.len() >= REFUSED || somebody.is_anonymous() {
            return;
        }
        book.refused.insert(somebody.clone(), until);
        let (status, event) = (WatcherStatus::Terminated, WatcherEvent::Rejected);
        let watcher = Watcher { status, event, until: Some(until), ..listed_contact(somebody) };
        effects.push(Effect::Store(Write::Waiting(WaitingWatcher { watcher, is_alone: false })));
    }

    /// The owner changed her mind about somebody.
    pub(super) fn forget_refused(&mut self, somebody: &Address, effects: &mut Effects) {
        let Some(book) = &mut self.watchers.0 else { return };
        if book.refused.remove(somebody).is_some() {
            effects.push(Effect::Store(Write::WaitingRemoved { watcher: somebody.clone() }));
        }
    }

    /// His asking to be a contact stands for itself, whatever becomes of his watch.
    pub(super) fn note_contact_request(&mut self, somebody: &Address, effects: &mut Effects) {
        let Some(book) = &mut self.watchers.0 else { return };
        if let Some(waiting) = book.waiting.get_mut(somebody).filter(|waiting| waiting.is_alone) {
            waiting.is_alone = false;
            effects.push(Effect::Store(Write::Waiting(waiting.clone())));
        }
    }

    /// Forgets those who waited for their time; those who are there have more.
    pub(super) fn forget_waiting(&mut self, now: Timestamp, effects: &mut Effects) {
        let kept = i64::from(self.shared.limits.offline_watcher_info_seconds);
        let is_over = |waiting: &&WaitingWatcher| waiting.watcher.until.is_none_or(|until| until <= now);
        let over: Vec<_> = self
            .watchers
            .0
            .as_ref()
            .map(|book| book.waiting.values().filter(is_over).cloned().collect())
            .unwrap_or_default();
        for mut waiting in over {
            let address = waiting.watcher.address.clone();
            if let Some(live) = self.watchers.pending(&address) {
                waiting.watcher.until = Some(live.spec.until.max(now).plus_seconds(kept));
                effects.push(Effect::Store(Write::Waiting(waiting.clone())));
                self.watchers.book().waiting.insert(address, waiting);
                continue;
            }
            self.end_waiting(&address, WatcherEvent::GiveUp, now, effects);
            if waiting.is_alone {
                self.settle(&address, WatcherEvent::GiveUp, now, effects);
            }
        }
    }

    /// When the first of those who wait is to be forgotten.
    pub(super) fn next_forgotten(&self) -> Option<Timestamp> {
        self.watchers.0.as_ref()?.waiting.values().filter_map(|waiting| waiting.watcher.until).min()
    }

    /// Has the account woken then, unless it is woken before.
    pub(super) fn wake_at(&mut self, at: Timestamp, effects: &mut Effects) {
        let book = self.watchers.book();
        if book.wake.is_none_or(|wake| at < wake) {
            book.wake = Some(at);
            effects.push(Effect::Wake(at));
        }
    }

    /// It was woken.
    pub(super) fn note_woken(&mut self) {
        if let Some(book) = &mut self.watchers.0 {
            book.wake = None;
        }
    }
}
