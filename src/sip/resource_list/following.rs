//! The watches on the resources of one list, in the name of its owner: no network between them and the
//! accounts that live here. A resource of another domain is named and nothing is known about it.
//!
//! An account says something with itself at work, when no watch may begin. So a changed contact list is only
//! put down ([`News`]), and a task takes it up.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use compact_str::CompactString;
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::{sync::Notify, time::timeout};

use super::{
    Names,
    list::{Known, ResourceId, SharedList},
    wanted_of_contacts,
};
use crate::{
    account::{Accounts, Shown, Watch, WatchId, WatchKind, WatchSink, WatchSpec, WatchState},
    signal::{Address, Contact, Timestamp},
};

/// A resource that a list is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sip) struct Wanted {
    pub(in crate::sip) uri: CompactString,
    pub(in crate::sip) names: Names,
    /// The account behind it; `None` where it is none.
    pub(in crate::sip) address: Option<Address>,
    /// The owner of the list has been allowed to see it once: asking again asks nobody.
    pub(in crate::sip) is_granted: bool,
}

/// One list's watches. Dropping it ends them; it must not be dropped where anything is locked.
pub(in crate::sip) struct Following {
    owner: Address,
    accounts: Accounts,
    list: SharedList,
    watches: Mutex<Watches>,
    /// The contact list as it was said last, unless it was taken up.
    contacts: Mutex<Option<Arc<Vec<Contact>>>>,
    /// Every watch said its first word.
    settled: Notify,
    /// Tells the subscription that there is something to tell.
    tell: Box<dyn Fn() + Send + Sync>,
}

struct Watches {
    by_id: FxHashMap<ResourceId, Followed>,
    /// When they end unless they are renewed.
    until: Timestamp,
}

struct Followed {
    uri: CompactString,
    address: Option<Address>,
    is_granted: bool,
    /// `None` where nothing can be watched.
    watch: Option<Watch>,
}

impl Following {
    /// Follows nothing yet, and what it will follow until then. `tell` is called with nothing locked here whenever the list has something new to
    /// tell after it had nothing.
    pub(in crate::sip) fn new(
        owner: Address,
        accounts: Accounts,
        list: SharedList,
        until: Timestamp,
        tell: impl Fn() + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            owner,
            accounts,
            list,
            watches: Mutex::new(Watches { by_id: FxHashMap::default(), until }),
            contacts: Mutex::default(),
            settled: Notify::new(),
            tell: Box::new(tell),
        })
    }

    /// Makes these the resources of the list: new ones are watched, the others are let go.
    pub(in crate::sip) fn set(self: &Arc<Self>, wanted: Vec<Wanted>) {
        let kept: FxHashSet<_> = wanted.iter().map(|wanted| wanted.uri.clone()).collect();
        let mut watches = self.watches();
        let until = watches.until;
        // Nobody who shows anything to the list locks the watches: they may begin and end under this lock.
        watches.by_id.retain(|id, followed| {
            let stays = kept.contains(&followed.uri);
            if !stays {
                self.list.lock().remove(*id);
            }
            stays
        });
        for wanted in wanted {
            let Wanted { uri, names, address, is_granted } = wanted;
            let known = self.list.lock().find(&uri);
            if let Some(id) = known {
                self.list.lock().rename(id, names);
                if let Some(followed) = watches.by_id.get_mut(&id) {
                    followed.is_granted = is_granted;
                }
                continue;
            }
            let Some(id) = self.list.lock().add(uri.clone(), names) else { continue };
            let watch = address.as_ref().and_then(|address| self.watch(id, address, until));
            watches.by_id.insert(id, Followed { uri, address, is_granted, watch });
        }
        drop(watches);
        self.settled.notify_one();
        (self.tell)();
    }

    /// The watches go on until then. What had ended and may be there again is asked for once more.
    pub(in crate::sip) fn renew(self: &Arc<Self>, until: Timestamp) {
        let mut watches = self.watches();
        watches.until = until;
        for (id, followed) in &mut watches.by_id {
            let has_ended = match self.list.lock().known(*id) {
                Some(Known::NoResource) => true,
                // Who was refused is not to ask again and again.
                Some(Known::Rejected) => followed.is_granted,
                _ => false,
            };
            match (&followed.watch, &followed.address) {
                (Some(_), Some(address)) if has_ended => followed.watch = self.watch(*id, address, until),
                (Some(watch), _) => watch.renew(until),
                (None, _) => {}
            }
        }
    }

    /// Waits until something is known about every resource that can be watched, and not much longer.
    pub(in crate::sip) async fn settle(&self) {
        let is_settled = async {
            while !self.list.lock().is_settled() {
                self.settled.notified().await;
            }
        };
        // The first NOTIFY tells what is known by then, the next one the rest.
        let _ = timeout(GATHERING, is_settled).await;
    }

    /// The accounts of the list that are there, whether or not they show anything.
    pub(in crate::sip) fn living(&self) -> Vec<Address> {
        let watches = self.watches();
        let list = self.list.lock();
        let is_there =
            |id: &ResourceId| matches!(list.known(*id), Some(Known::Pending | Known::Active { .. }));
        let living = watches.by_id.iter().filter(|(id, _)| is_there(id));
        living.filter_map(|(_, followed)| followed.address.clone()).collect()
    }

    /// The list that is shown.
    pub(in crate::sip) fn list(&self) -> &SharedList {
        &self.list
    }

    /// Puts down the owner's contacts, to be taken up by [`Following::take_up`]; tells whether nothing was
    /// put down before.
    pub(in crate::sip) fn put_down(&self, contacts: Arc<Vec<Contact>>) -> bool {
        self.contacts.lock().unwrap_or_else(PoisonError::into_inner).replace(contacts).is_none()
    }

    /// Makes the contacts that were put down the resources of the list.
    pub(in crate::sip) fn take_up(self: &Arc<Self>) {
        let contacts = mem::take(&mut *self.contacts.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(contacts) = contacts {
            self.set(wanted_of_contacts(&contacts));
        }
    }

    fn watch(self: &Arc<Self>, id: ResourceId, address: &Address, until: Timestamp) -> Option<Watch> {
        let spec = WatchSpec { watcher: self.owner.clone(), name: None, kind: WatchKind::Presence, until };
        let sink = Arc::new(Ear { following: Arc::downgrade(self), id });
        if !self.accounts.serves(address.domain()) && !self.accounts.reaches(address.domain()) {
            return None;
        }
        self.list.lock().expect(id);
        let watch = self.accounts.watch(address, spec, sink).ok();
        if watch.is_none() {
            self.handle_shown(id, Known::Unknown);
        }
        watch
    }

    fn handle_shown(&self, id: ResourceId, known: Known) {
        let (has_news, is_settled) = {
            let mut list = self.list.lock();
            let had_news = list.is_changed();
            list.show(id, known);
            (!had_news, list.is_settled())
        };
        if is_settled {
            self.settled.notify_one();
        }
        if has_news {
            (self.tell)();
        }
    }

    fn watches(&self) -> MutexGuard<'_, Watches> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An account's way to one resource of a list.
struct Ear {
    following: Weak<Following>,
    id: ResourceId,
}

impl WatchSink for Ear {
    fn show(&self, _watch: WatchId, state: WatchState, shown: Option<Shown>) {
        let Some(following) = self.following.upgrade() else { return };
        let known = match (state, shown) {
            (WatchState::Active, Some(Shown::Presence { snapshot, view })) => {
                Known::Active { snapshot, view }
            }
            (WatchState::Active, _) => Known::Unknown,
            (WatchState::Pending, _) => Known::Pending,
            (WatchState::Rejected, _) => Known::Rejected,
            (WatchState::Gone, _) => Known::NoResource,
        };
        following.handle_shown(self.id, known);
    }
}

/// Lists whose contacts changed and wait to be followed. There is one entry for a list at most, as
/// [`Following::put_down`] says.
#[derive(Default)]
pub(in crate::sip) struct News {
    waiting: Mutex<Vec<Weak<Following>>>,
    work: Notify,
}

impl News {
    pub(in crate::sip) fn push(&self, following: &Arc<Following>) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(following));
        self.work.notify_one();
    }

    /// Follows changes until it is dropped. Runs once.
    pub(in crate::sip) async fn run(&self) {
        loop {
            self.work.notified().await;
            let waiting = mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
            for following in waiting.iter().filter_map(Weak::upgrade) {
                following.take_up();
            }
        }
    }
}

/// How long the first NOTIFY waits for the accounts of the list: those in memory answer at once, the others
/// are read from the disk.
const GATHERING: Duration = Duration::from_secs(1);
