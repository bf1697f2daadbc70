//! Who watches the owner: the watches, those who asked and have gone, and those that ended lately, which
//! are kept only while somebody follows the list.
//!
//! A watcher's way is the machine of RFC 3857 §4.7: one whom nothing permits is pending; where he goes
//! before the owner answered, he waits.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use compact_str::{CompactString, format_compact};

use super::{
    WatchId, WatchKind, WatchSpec, WatchState,
    permission::Permission,
    state::Effects,
    watch::{show, state_of},
};
use crate::{
    signal::{Address, Handling, Snapshot, Timestamp, View, Watcher, WatcherEvent, WatcherStatus},
    storage::WaitingWatcher,
};

/// Everybody who watches. Boxed: most accounts have no watches.
#[derive(Debug, Default)]
pub(super) struct Watchers(pub(super) Option<Box<Book>>);

/// What there is to know of them.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) live: Vec<Live>,
    /// Who asked and has no answer, those that are there included.
    pub(super) waiting: BTreeMap<Address, WaitingWatcher>,
    /// To whom the owner said no, until then; at most [`REFUSED`].
    pub(super) refused: BTreeMap<Address, Timestamp>,
    /// Those that ended lately, oldest first; at most [`ENDED`].
    pub(super) ended: VecDeque<(Timestamp, Watcher)>,
    /// The list is another one than was shown last.
    pub(super) is_changed: bool,
    /// When it was shown last.
    pub(super) shown: Option<Timestamp>,
    /// What is shown to those who must believe that the owner is never there.
    closed: Option<Arc<Snapshot>>,
    /// The account is woken then.
    pub(super) wake: Option<Timestamp>,
    /// The number of the last question how many messages wait, and the answer that was shown.
    pub(super) asked: u32,
    pub(super) counted: Option<u32>,
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
    pub(super) is_fetch: bool,
    /// He sees that she is there, for a moment, without being a contact.
    pub(super) is_glimpse: bool,
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
            is_glimpse: false,
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

    /// Whether it is for the owner to permit.
    pub(super) fn is_presence(&self) -> bool {
        matches!(self.spec.kind, WatchKind::Presence | WatchKind::Calls)
    }

    pub(super) fn is_pending(&self) -> bool {
        self.is_presence() && self.state == WatchState::Pending && !self.is_fetch
    }

    /// Never used for another watcher, after a restart neither.
    fn id(&self) -> CompactString {
        format_compact!("{:x}-{:x}", self.since.0, self.watch.0)
    }

    pub(super) fn listed(&self) -> Watcher {
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
        let is_refused = |one: &WaitingWatcher| one.watcher.status == WatcherStatus::Terminated;
        let (refused, waiting): (Vec<_>, Vec<_>) = waiting.into_iter().partition(is_refused);
        let waiting = waiting.into_iter().map(|one| (one.watcher.address.clone(), one)).collect();
        let until = |one: WaitingWatcher| Some((one.watcher.address, one.watcher.until?));
        let refused = refused.into_iter().filter_map(until).collect();
        Self(Some(Box::new(Book { waiting, refused, ..Book::default() })))
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
        let sees = |live: &&Live| {
            live.spec.kind == WatchKind::Presence && live.state == WatchState::Active && !live.is_closed
        };
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
                WatchKind::Presence | WatchKind::Calls | WatchKind::Contacts | WatchKind::Documents => {}
                WatchKind::Watchers => book.ended.clear(),
                WatchKind::Waiting => book.counted = None,
            }
        }
        if book.is_forgettable() {
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

    /// The watches of his of this kind.
    pub(super) fn ids_of(&self, somebody: &Address, kind: WatchKind) -> Vec<WatchId> {
        self.of(somebody).filter(|live| live.spec.kind == kind).map(|live| live.watch).collect()
    }

    pub(super) fn pending_of(&self, somebody: &Address) -> usize {
        self.of(somebody).filter(|live| live.is_pending()).count()
    }

    /// The latest watch of his that waits for the owner's answer.
    pub(super) fn pending<'a>(&'a self, somebody: &'a Address) -> Option<&'a Live> {
        self.of(somebody).filter(|live| live.is_pending()).last()
    }

    /// Takes out the watches of his of this kind.
    pub(super) fn take_of(&mut self, somebody: &Address, kind: WatchKind) -> Vec<Live> {
        let is_his = |live: &mut Live| live.spec.kind == kind && live.spec.watcher == *somebody;
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

    /// Whether the owner said no to him and it still counts.
    pub(super) fn is_refused(&self, somebody: &Address, now: Timestamp) -> bool {
        let until = self.0.as_ref().and_then(|book| book.refused.get(somebody));
        until.is_some_and(|until| *until > now)
    }

    pub(super) fn waiting(&self, somebody: &Address) -> Option<&WaitingWatcher> {
        self.0.as_ref()?.waiting.get(somebody)
    }

    pub(super) fn live(&self) -> &[Live] {
        self.0.as_ref().map_or(&[], |book| &book.live)
    }

    fn of<'a>(&'a self, somebody: &'a Address) -> impl Iterator<Item = &'a Live> {
        self.live().iter().filter(move |live| live.is_presence() && live.spec.watcher == *somebody)
    }

    pub(super) fn book(&mut self) -> &mut Book {
        self.0.get_or_insert_default()
    }
}

impl Book {
    fn is_forgettable(&self) -> bool {
        self.live.is_empty() && self.waiting.is_empty() && self.refused.is_empty() && self.wake.is_none()
    }

    pub(super) fn has_followers(&self) -> bool {
        self.has_kind(WatchKind::Watchers)
    }

    pub(super) fn has_kind(&self, kind: WatchKind) -> bool {
        self.live.iter().any(|live| live.spec.kind == kind)
    }
}

/// Most of those that ended that are listed.
const ENDED: usize = 1000;
/// Most to whom a no is remembered; to one more it is said anew.
pub(super) const REFUSED: usize = 1000;
