//! What the owner is told of her watchers (RFC 3857 §4.7), and of the messages that wait.

use super::*;
use crate::{
    account::{Authorization, ListAuthorization},
    signal::{WatcherEvent::*, WatcherList, WatcherStatus::*},
    storage::WaitingWatcher,
};

impl World {
    /// Bob follows his watchers.
    fn follow_watchers(&mut self) -> WatchId {
        self.follow("bob", "bob", WatchKind::Watchers, 3_600_000)
    }

    fn list(&self, watch: WatchId) -> Arc<WatcherList> {
        match self.shown.get(&watch).and_then(|shown| shown.last()) {
            Some((WatchState::Active, Some(Shown::Watchers(list)))) => Arc::clone(list),
            other => panic!("no list but {other:?}"),
        }
    }

    /// The last list that was shown, in words, without those that ended before it.
    fn listed(&self, watch: WatchId) -> Vec<String> {
        let words = |watcher: &crate::signal::Watcher| {
            let name = watcher.address.local().unwrap();
            format!("{name} {:?} {:?}", watcher.status, watcher.event)
        };
        self.list(watch).watchers.iter().map(words).collect()
    }

    fn later(&mut self, seconds: i64) {
        self.now = self.now.plus_seconds(seconds);
        self.input("bob", Input::Tick);
    }

    fn waiting_rows(&self) -> Vec<WaitingWatcher> {
        let rows = self.stored.iter().filter_map(|(_, write)| match write {
            Write::Waiting(waiting) => Some(waiting.clone()),
            _ => None,
        });
        rows.collect()
    }

    pub(super) fn is_stored(&self, wanted: &Write) -> bool {
        self.stored.iter().any(|(_, write)| write == wanted)
    }
}

#[test]
fn a_watcher_is_pending_until_approved_and_ends_with_his_watch() {
    let mut world = World::of(&["bob"]);
    let list = world.follow_watchers();
    assert_eq!(world.listed(list), [""; 0]);
    let watch = world.watch("alice", "bob");
    assert_eq!(world.listed(list), ["alice Pending Subscribe"]);
    let id = world.list(list).watchers[0].id.clone();
    world.say("bob", "alice", ContactEvent::Subscribed);
    assert_eq!(world.listed(list), ["alice Active Approved"]);
    assert_eq!(world.list(list).watchers[0].id, id);
    world.unwatch("bob", watch);
    // What was granted stays granted.
    assert_eq!(world.listed(list), ["alice Active Approved", "alice Terminated Timeout"]);
    world.now = world.now.plus_seconds(61);
    world.say("bob", "alice", ContactEvent::Unsubscribed);
    assert_eq!(world.listed(list), ["alice Terminated Rejected"]);
}

#[test]
fn who_goes_before_he_is_answered_waits_and_is_answered_then() {
    for (answer, event) in [(ContactEvent::Subscribed, Approved), (ContactEvent::Unsubscribed, Rejected)] {
        let mut world = World::of(&["bob"]);
        let list = world.follow_watchers();
        let watch = world.watch("alice", "bob");
        let id = world.list(list).watchers[0].id.clone();
        world.unwatch("bob", watch);
        assert_eq!(world.listed(list), ["alice Waiting Timeout"]);
        assert_eq!((&world.list(list).watchers[0].id, world.waiting_rows().len()), (&id, 1));
        world.say("bob", "alice", answer);
        let ended = world.list(list).watchers.iter().find(|one| one.id == id).cloned().unwrap();
        assert_eq!((ended.status, ended.event), (Terminated, event));
        assert!(world.is_stored(&Write::WaitingRemoved { watcher: address("alice") }));
    }
}

#[test]
fn a_new_watch_makes_the_waiting_one_redundant() {
    let mut world = World::of(&["bob"]);
    let list = world.follow_watchers();
    let first = world.watch("alice", "bob");
    world.unwatch("bob", first);
    let second = world.watch("alice", "bob");
    assert_eq!(world.listed(list), ["alice Terminated GiveUp", "alice Pending Subscribe"]);
    world.unwatch("bob", second);
    assert_eq!(world.listed(list), ["alice Terminated GiveUp", "alice Waiting Timeout"]);
}

#[test]
fn a_look_leaves_a_trace_only_where_it_was_not_permitted() {
    let mut world = World::of(&["alice", "bob"]);
    let list = world.follow_watchers();
    let look = world.follow("carol", "bob", WatchKind::Presence, 0);
    assert_eq!(world.last_shown(look), (WatchState::Pending, None));
    world.unwatch("bob", look);
    assert_eq!(world.listed(list), ["carol Waiting Timeout"]);
    world.befriend("alice", "bob");
    let list = world.follow_watchers();
    let look = world.follow("alice", "bob", WatchKind::Presence, 0);
    assert_eq!(world.last_shown(look).0, WatchState::Active);
    world.unwatch("bob", look);
    assert_eq!(world.listed(list), ["alice Active Approved", "carol Waiting Timeout"]);
    assert_eq!(world.shown[&list].len(), 1, "nothing changed");
}

#[test]
fn contacts_and_requests_are_watchers() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    world.befriend("alice", "bob");
    let list = world.follow_watchers();
    assert_eq!(world.listed(list), ["alice Active Approved"]);
    world.say("carol", "bob", ContactEvent::Subscribe);
    assert_eq!(world.listed(list), ["alice Active Approved", "carol Pending Subscribe"]);
    let id = world.list(list).watchers[1].id.clone();
    world.say("bob", "carol", ContactEvent::Subscribed);
    assert_eq!(world.listed(list), ["alice Active Approved", "carol Active Approved"]);
    assert_eq!(world.list(list).watchers[1].id, id);
    world.say("alice", "bob", ContactEvent::Unsubscribe);
    assert_eq!(world.listed(list), ["carol Active Approved", "alice Terminated Timeout"]);
}

#[test]
fn who_waits_is_forgotten_in_time_and_his_question_with_him() {
    let mut world = World::of(&["alice", "bob"]);
    let owner = world.client("bob", "desk");
    let list = world.follow_watchers();
    let watch = world.follow("eve", "bob", WatchKind::Presence, 10_000);
    world.unwatch("bob", watch);
    let until = world.waiting_rows()[0].watcher.until.unwrap();
    assert_eq!(world.wakes.last(), Some(&(address("bob"), until)));
    // Alice asks to be a contact, too: that question stays.
    let watch = world.follow("alice", "bob", WatchKind::Presence, 10_000);
    world.say("alice", "bob", ContactEvent::Subscribe);
    world.unwatch("bob", watch);
    world.heard(owner);
    world.later(259_200);
    assert_eq!(world.listed(list), ["eve Waiting Timeout", "alice Waiting Timeout"]);
    world.later(100);
    assert_eq!(world.heard(owner), ["eve@example.org settled false"]);
    let listed = world.listed(list);
    assert!(listed.contains(&"alice Pending Subscribe".to_owned()), "{listed:?}");
    assert!(listed.contains(&"eve Terminated GiveUp".to_owned()), "{listed:?}");
    assert!(world.is_stored(&Write::RequestRemoved { from: address("eve") }));
    assert!(world.is_stored(&Write::WaitingRemoved { watcher: address("alice") }));
}

#[test]
fn who_waits_is_there_when_the_account_is_read_again() {
    let mut world = World::of(&["bob"]);
    let watch = world.watch("alice", "bob");
    world.unwatch("bob", watch);
    let rows = world.waiting_rows();
    let requests = world.account("bob").requests.values().cloned().collect();
    let again = AccountRecord { waiting: rows, requests, ..record(&address("bob")) };
    let shared = Arc::clone(&world.account("bob").shared);
    world.accounts.insert(address("bob"), Account::new(again, shared, world.now));
    assert!(world.account("bob").is_to_be_woken());
    world.later(0);
    assert_eq!(world.wakes.len(), 2, "it asks to be woken for the same time");
    let list = world.follow_watchers();
    assert_eq!(world.listed(list), ["alice Waiting Timeout"]);
    let owner = world.client("bob", "desk");
    assert!(world.heard(owner).contains(&"alice@example.org says Subscribe".to_owned()));
}

#[test]
fn only_the_owner_follows_watchers_and_messages() {
    let mut world = World::of(&["bob"]);
    for kind in [WatchKind::Watchers, WatchKind::Waiting] {
        let watch = world.follow("alice", "bob", kind, 1000);
        assert_eq!(world.shown[&watch], [(WatchState::Rejected, None)]);
    }
    let open = Config { watcher_info_authorization: ListAuthorization::None, ..Config::default() };
    let mut world = World::with(&["bob"], open);
    let watch = world.follow("alice", "bob", WatchKind::Watchers, 1000);
    assert_eq!(world.list(watch).watchers.len(), 0);
    let off = Config { watcher_info: false, ..Config::default() };
    let mut world = World::with(&["bob"], off);
    let watch = world.follow_watchers();
    assert_eq!(world.shown[&watch], [(WatchState::Rejected, None)]);
}

#[test]
fn the_modes_of_authorization_decide_for_everybody_alike() {
    let mode = |authorization| Config { authorization, ..Config::default() };
    let mut world = World::with(&["bob"], mode(Authorization::None));
    let watch = world.watch("alice", "bob");
    assert_eq!(world.last_shown(watch).0, WatchState::Active);
    let mut world = World::with(&["bob"], mode(Authorization::Implicit));
    let watch = world.watch("alice", "bob");
    world.say("bob", "alice", ContactEvent::Subscribed);
    assert_eq!(world.last_shown(watch).0, WatchState::Pending);
}

#[test]
fn without_offline_watcher_info_nobody_waits() {
    let off = Config { offline_watcher_info: false, ..Config::default() };
    let mut world = World::with(&["bob"], off);
    let list = world.follow_watchers();
    let watch = world.watch("alice", "bob");
    world.unwatch("bob", watch);
    assert_eq!(world.listed(list), ["alice Pending Subscribe", "alice Terminated Timeout"]);
    assert!(world.waiting_rows().is_empty());
}

#[test]
fn one_watcher_has_so_many_unanswered_watches_and_no_more() {
    let mut world = World::of(&["bob"]);
    for _ in 0..10 {
        let watch = world.watch("eve", "bob");
        assert_eq!(world.last_shown(watch).0, WatchState::Pending);
    }
    let watch = world.watch("eve", "bob");
    assert_eq!(world.last_shown(watch).0, WatchState::Rejected);
}

#[test]
fn the_number_of_messages_follows_the_file() {
    let mut world = World::of(&["alice", "bob"]);
    let watch = world.follow("bob", "bob", WatchKind::Waiting, 1000);
    let asked = world.counts.pop().unwrap().1;
    world.input("bob", Input::OfflineCounted { asked, count: 2 });
    assert_eq!(world.shown[&watch], [(WatchState::Active, Some(Shown::Waiting(2)))]);
    world.send("alice", "bob", "hello").unwrap();
    world.send("alice", "bob", "again").unwrap();
    let last = world.counts.pop().unwrap().1;
    world.input("bob", Input::OfflineCounted { asked: last, count: 4 });
    // The answer to the question before comes late.
    let before = world.counts.pop().unwrap().1;
    world.input("bob", Input::OfflineCounted { asked: before, count: 3 });
    assert_eq!(world.shown[&watch].last(), Some(&(WatchState::Active, Some(Shown::Waiting(4)))));
    let other = world.follow("bob", "bob", WatchKind::Waiting, 1000);
    assert_eq!(world.shown[&other], [(WatchState::Active, Some(Shown::Waiting(4)))]);
}

/// A phone subscribes again by itself; a person who asks again is heard (RFC 6121 §3.1).
#[test]
fn a_no_is_remembered_until_the_owner_changes_her_mind() {
    let mut world = World::of(&["alice", "bob"]);
    let owner = world.client("bob", "desk");
    let watch = world.watch("alice", "bob");
    world.say("bob", "alice", ContactEvent::Unsubscribed);
    assert_eq!(world.last_shown(watch).0, WatchState::Rejected);
    world.heard(owner);
    let again = world.watch("alice", "bob");
    assert_eq!(world.last_shown(again).0, WatchState::Rejected);
    assert_eq!(world.heard(owner), [""; 0], "she is not asked again");
    // It is remembered when the account is read again, as long as those who wait are.
    let rows = world.waiting_rows();
    let again = AccountRecord { waiting: rows, ..record(&address("bob")) };
    let shared = Arc::clone(&world.account("bob").shared);
    world.accounts.insert(address("bob"), Account::new(again, shared, world.now));
    let list = world.follow_watchers();
    assert_eq!(world.listed(list), [""; 0], "who was refused does not wait");
    let watch = world.watch("alice", "bob");
    assert_eq!(world.last_shown(watch).0, WatchState::Rejected);
    world.say("alice", "bob", ContactEvent::Subscribe);
    world.say("bob", "alice", ContactEvent::Subscribed);
    assert!(world.is_stored(&Write::WaitingRemoved { watcher: address("alice") }));
    let watch = world.watch("alice", "bob");
    assert_eq!(world.last_shown(watch).0, WatchState::Active);
}

#[test]
fn a_no_is_forgotten_in_time() {
    let mut world = World::of(&["bob"]);
    world.watch("alice", "bob");
    world.say("bob", "alice", ContactEvent::Unsubscribed);
    world.later(259_201);
    let watch = world.watch("alice", "bob");
    assert_eq!(world.last_shown(watch).0, WatchState::Pending);
}

#[test]
fn a_storm_of_watchers_is_shown_from_time_to_time() {
    let mut world = World::of(&["bob"]);
    let list = world.follow_watchers();
    for number in 0..500 {
        world.follow(&format!("w{number}"), "bob", WatchKind::Presence, 3_600_000);
    }
    let shown = world.shown[&list].len();
    assert!(shown < 110, "{shown} lists");
    world.later(1);
    assert_eq!(world.list(list).watchers.len(), 500, "the last state arrives");
    assert_eq!(world.shown[&list].len(), shown + 1);
}
