//! Who watches the owner: the watches, those who asked and have gone, and the list that she is shown of
//! both and of her contacts.
//!
//! A watcher's way is the machine of RFC 3857 §4.7: one whom nothing permits is pending; where he goes
//! before the owner answered, he waits, on the disk, until she answers, he asks again or his time is
//! over. Those that ended are kept only while somebody follows the list.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet, VecDeque},
    sync::Arc,
};

use compact_str::{CompactString, format_compact};

use super::{
    Effect, Shown, WatchId, WatchKind, WatchSpec, WatchState,
    permission::Permission,
    state::{Account, Effects},
    watch::{show, state_of},
};
use crate::{
    signal::{
        Address, Handling, Snapshot, Timestamp, View, Watcher, WatcherEvent, WatcherList, WatcherStatus,
    },
    storage::{WaitingWatcher, Write},
};

/// Everybody who watches. Boxed: most accounts have no watches.
#[derive(Debug, Default)]
pub(super) struct Watchers(Option<Box<Book>>);

#[derive(Debug, Default)]
struct Book {
    live: Vec<Live>,
    /// Who asked and has no answer, those that are there included.
    waiting: BTreeMap<Address, WaitingWatcher>,
    /// Those that ended lately, oldest first; at most [`ENDED`].
    ended: VecDeque<(Timestamp, Watcher)>,
    /// The list is another one than was shown last.
    is_changed: bool,
    /// What is shown to those who must believe that the owner is never there.
    closed: Option<Arc<Snapshot>>,
    /// The account is woken then.
    wake: Option<Timestamp>,
    /// The number of the last question how many messages wait, and the answer that was shown.
    asked: u32,
    counted: Option<u32>,
}

/// One watch.
#[derive(Debug, Clone)]
pub(super) struct Live {
    pub(super) watch: WatchId,
    pub(super) spec: WatchSpec,
    pub(super) state: WatchState,
    pub(super) view: Arc<View>,
    /// He is shown somebody who is never there.
    pub(super) is_closed: bool,
    since: Timestamp,
    event: WatcherEvent,
    /// He looks only once, and is not listed.
    is_fetch: bool,
}

impl Live {
    pub(super) fn presence(
        watch: WatchId,
        spec: WatchSpec,
        now: Timestamp,
        state: WatchState,
        permission: &Permission,
    ) -> Self {
        Self {
            watch,
            state,
            view: Arc::clone(&permission.view),
            is_closed: permission.handling == Handling::PoliteBlock,
            since: now,
            event: WatcherEvent::Subscribe,
            is_fetch: spec.until <= now,
            spec,
        }
    }

    /// Somebody who follows something else than presence.
    pub(super) fn follower(watch: WatchId, spec: WatchSpec, now: Timestamp) -> Self {
        let permission = Permission::everything();
        Self { is_fetch: true, ..Self::presence(watch, spec, now, WatchState::Active, &permission) }
    }

    /// Takes over what is permitted now; tells whether that is another thing.
    pub(super) fn follow(&mut self, permission: &Permission) -> bool {
        let state = state_of(permission);
        let is_closed = permission.handling == Handling::PoliteBlock;
        let is_same = self.state == state
            && (state != WatchState::Active || (self.is_closed == is_closed && self.view == permission.view));
        if self.state != state {
            self.event = match state {
                WatchState::Active => WatcherEvent::Approved,
                _ => WatcherEvent::Subscribe,
            };
        }
        self.state = state;
        self.is_closed = is_closed;
        self.view = Arc::clone(&permission.view);
        !is_same
    }

    fn is_presence(&self) -> bool {
        self.spec.kind == WatchKind::Presence
    }

    fn is_pending(&self) -> bool {
        self.is_presence() && self.state == WatchState::Pending && !self.is_fetch
    }

    /// Never used for another watcher, after a restart neither.
    fn id(&self) -> CompactString {
        format_compact!("{:x}-{:x}", self.since.0, self.watch.0)
    }

    fn listed(&self) -> Watcher {
        Watcher {
            id: self.id(),
            address: self.spec.watcher.clone(),
            name: self.spec.name.clone(),
            status: match self.state {
                WatchState::Active => WatcherStatus::Active,
                _ => WatcherStatus::Pending,
            },
            event: self.event,
            since: Some(self.since),
            until: Some(self.spec.until),
        }
    }
}

impl Watchers {
    pub(super) fn new(waiting: Vec<WaitingWatcher>) -> Self {
        if waiting.is_empty() {
            return Self::default();
        }
        let waiting = waiting.into_iter().map(|one| (one.watcher.address.clone(), one)).collect();
        Self(Some(Box::new(Book { waiting, ..Book::default() })))
    }

    /// Watches of every kind.
    pub(super) fn len(&self) -> usize {
        self.live().len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.live().is_empty()
    }

    pub(super) fn has_kind(&self, kind: WatchKind) -> bool {
        self.of_kind(kind).next().is_some()
    }

    pub(super) fn of_kind(&self, kind: WatchKind) -> impl Iterator<Item = WatchId> {
        self.live().iter().filter(move |live| live.spec.kind == kind).map(|live| live.watch)
    }

    /// Those who see the presence as it is.
    pub(super) fn open(&self) -> impl Iterator<Item = &Live> {
        let sees = |live: &&Live| live.is_presence() && live.state == WatchState::Active && !live.is_closed;
        self.live().iter().filter(sees)
    }

    pub(super) fn add(&mut self, live: Live) {
        let book = self.book();
        book.is_changed |= live.is_presence() && !live.is_fetch;
        book.live.push(live);
    }

    pub(super) fn remove(&mut self, watch: WatchId) -> Option<Live> {
        let book = self.0.as_mut()?;
        let index = book.live.iter().position(|live| live.watch == watch)?;
        let live = book.live.remove(index);
        if !book.has_kind(live.spec.kind) {
            match live.spec.kind {
                WatchKind::Presence | WatchKind::Contacts => {}
                WatchKind::Watchers => book.ended.clear(),
                WatchKind::Waiting => book.counted = None,
            }
        }
        if book.live.is_empty() && book.waiting.is_empty() && book.wake.is_none() {
            self.0 = None;
        }
        Some(live)
    }

    pub(super) fn find_mut(&mut self, watch: WatchId) -> Option<&mut Live> {
        self.0.as_mut()?.live.iter_mut().find(|live| live.watch == watch)
    }

    /// A watch goes on until then.
    pub(super) fn renew(&mut self, watch: WatchId, until: Timestamp) {
        if let Some(live) = self.find_mut(watch) {
            live.spec.until = until;
        }
    }

    pub(super) fn has_of(&self, somebody: &Address) -> bool {
        self.of(somebody).next().is_some()
    }

    /// Who watches the presence.
    pub(super) fn addresses(&self) -> BTreeSet<Address> {
        self.live().iter().filter(|live| live.is_presence()).map(|live| live.spec.watcher.clone()).collect()
    }

    /// Whether he asked to watch, and not to be a contact.
    pub(super) fn asks_to_watch_only(&self, somebody: &Address) -> bool {
        self.waiting(somebody).is_some_and(|waiting| waiting.is_alone)
    }

    /// The watches of his on the presence.
    pub(super) fn ids_of(&self, somebody: &Address) -> Vec<WatchId> {
        self.of(somebody).map(|live| live.watch).collect()
    }

    pub(super) fn pending_of(&self, somebody: &Address) -> usize {
        self.of(somebody).filter(|live| live.is_pending()).count()
    }

    /// The latest watch of his that waits for the owner's answer.
    pub(super) fn pending<'a>(&'a self, somebody: &'a Address) -> Option<&'a Live> {
        self.of(somebody).filter(|live| live.is_pending()).last()
    }

    /// Takes out the watches of his on the presence.
    pub(super) fn take_of(&mut self, somebody: &Address) -> Vec<Live> {
        let is_his = |live: &mut Live| live.is_presence() && live.spec.watcher == *somebody;
        self.0.as_mut().map(|book| book.live.extract_if(.., is_his).collect()).unwrap_or_default()
    }

    /// Ends every watch.
    pub(super) fn end_all(&mut self, state: WatchState, effects: &mut Effects) {
        for live in self.0.take().map(|book| book.live).unwrap_or_default() {
            show(live.watch, state, None, effects);
        }
    }

    /// The list is another one: a contact or a request came or went.
    pub(super) fn touch(&mut self) {
        if let Some(book) = &mut self.0 {
            book.is_changed = true;
        }
    }

    /// The list says for a while that a watch ended, unless its watcher waits now.
    pub(super) fn note_end(&mut self, live: &Live, event: WatcherEvent, now: Timestamp) {
        if !live.is_presence() || live.is_fetch {
            return;
        }
        let waits = event == WatcherEvent::Timeout
            && live.is_pending()
            && self.waiting(&live.spec.watcher).is_some_and(|waiting| waiting.watcher.id == live.id());
        if waits {
            self.touch();
        } else {
            self.note_ended(live.listed(), event, now);
        }
    }

    /// The list says for a while that this entry ended.
    pub(super) fn note_ended(&mut self, watcher: Watcher, event: WatcherEvent, now: Timestamp) {
        let Some(book) = &mut self.0 else { return };
        book.is_changed = true;
        if book.has_followers() {
            if book.ended.len() >= ENDED {
                book.ended.pop_front();
            }
            let status = WatcherStatus::Terminated;
            book.ended.push_back((now, Watcher { status, event, until: None, ..watcher }));
        }
    }

    /// The snapshot that says nothing; the same one as long as somebody watches.
    pub(super) fn closed(&mut self, make: impl FnOnce() -> Snapshot) -> Arc<Snapshot> {
        Arc::clone(self.book().closed.get_or_insert_with(|| Arc::new(make())))
    }

    fn waiting(&self, somebody: &Address) -> Option<&WaitingWatcher> {
        self.0.as_ref()?.waiting.get(somebody)
    }

    fn live(&self) -> &[Live] {
        self.0.as_ref().map_or(&[], |book| &book.live)
    }

    fn of<'a>(&'a self, somebody: &'a Address) -> impl Iterator<Item = &'a Live> {
        self.live().iter().filter(move |live| live.is_presence() && live.spec.watcher == *somebody)
    }

    fn book(&mut self) -> &mut Book {
        self.0.get_or_insert_default()
    }
}

impl Book {
    fn has_followers(&self) -> bool {
        self.has_kind(WatchKind::Watchers)
    }

    fn has_kind(&self, kind: WatchKind) -> bool {
        self.live.iter().any(|live| live.spec.kind == kind)
    }
}

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

    /// Shows the list to those who follow it, where it changed.
    pub(super) fn show_list(&mut self, now: Timestamp, effects: &mut Effects) {
        let Some(book) = &mut self.watchers.0 else { return };
        if !std::mem::take(&mut book.is_changed) || !book.has_followers() {
            return;
        }
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

/// Seconds for which the list says that a watch ended.
const LINGER: i64 = 60;
/// Most of those that ended that are listed.
const ENDED: usize = 1000;
