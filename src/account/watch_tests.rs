//! Watches over a real store and clock: who waits is kept over a restart and forgotten in time, and many
//! watchers are told at once.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::{sync::Notify, time::timeout};

use super::{
    Accounts, Config, Outbox, Reply, Request, SessionKind, SessionSpec, Shown, Watch, WatchId, WatchKind,
    WatchSink, WatchSpec, WatchState,
};
use crate::{
    signal::{
        Address, Availability, Condition, Handling, Presence, Resource, Rule, Ruleset, Timestamp,
        WatcherEvent, WatcherList, WatcherStatus,
    },
    storage::{NewAccount, Store, StoreError},
};

fn address(local: &str) -> Address {
    Address::new(local, "example.org").unwrap()
}

fn start(folder: &Path, limits: Config) -> (Accounts, Store) {
    let config = crate::storage::Config { data_dir: folder.to_owned(), ..Default::default() };
    // A thread that has just answered may hold the store of before a moment longer.
    let store = loop {
        match Store::open(&config) {
            Err(StoreError::InUse) => std::thread::yield_now(),
            opened => break opened.unwrap(),
        }
    };
    let new = NewAccount {
        address: address("bob"),
        is_admin: false,
        created: Timestamp(1),
        credential: Vec::new(),
    };
    // It exists already after a restart.
    let _ = store.create_account(new);
    let home = vec![Address::domain_only("example.org").unwrap()];
    (Accounts::new(store.clone(), home, limits), store)
}

/// Everything that one or many watches were shown.
#[derive(Default)]
struct Seen {
    shown: Mutex<Vec<(WatchState, Option<Shown>)>>,
    told: Notify,
}

impl WatchSink for Seen {
    fn show(&self, _: WatchId, state: WatchState, shown: Option<Shown>) {
        self.shown.lock().unwrap().push((state, shown));
        self.told.notify_one();
    }
}

impl Seen {
    async fn until<T>(&self, found: impl Fn(&[(WatchState, Option<Shown>)]) -> Option<T>) -> T {
        let search = async {
            loop {
                if let Some(found) = found(&self.shown.lock().unwrap()) {
                    return found;
                }
                self.told.notified().await;
            }
        };
        timeout(Duration::from_secs(30), search).await.expect("it is shown in time")
    }

    /// Waits until the last list has this.
    async fn list_with(&self, status: WatcherStatus, event: WatcherEvent) -> Arc<WatcherList> {
        self.until(|shown| match shown.last() {
            Some((WatchState::Active, Some(Shown::Watchers(list)))) => {
                let has = list.watchers.iter().any(|one| (one.status, one.event) == (status, event));
                has.then(|| Arc::clone(list))
            }
            _ => None,
        })
        .await
    }
}

fn watch(accounts: &Accounts, who: &str, kind: WatchKind, seen: &Arc<Seen>) -> Watch {
    let until = Timestamp::now().plus_seconds(60);
    let spec = WatchSpec { watcher: address(who), name: None, kind, until };
    accounts.watch(&address("bob"), spec, seen.clone()).unwrap()
}

async fn until_pending(seen: &Seen) {
    seen.until(|shown| (shown.last()? == &(WatchState::Pending, None)).then_some(())).await;
}

#[tokio::test]
async fn who_waits_is_kept_over_a_restart_without_shutdown() {
    let folder = tempfile::tempdir().unwrap();
    let (accounts, store) = start(folder.path(), Config::default());
    let seen = Arc::new(Seen::default());
    let look = watch(&accounts, "alice", WatchKind::Presence, &seen);
    until_pending(&seen).await;
    // The answer to a write that comes later is the sign that the earlier one is on the disk.
    accounts.ask(&address("bob"), Request::SetHardState(None)).await.unwrap();
    drop((look, accounts, store));
    let (accounts, _store) = start(folder.path(), Config::default());
    let owner = Arc::new(Seen::default());
    let _list = watch(&accounts, "bob", WatchKind::Watchers, &owner);
    let list = owner.list_with(WatcherStatus::Waiting, WatcherEvent::Timeout).await;
    assert_eq!((list.watchers.len(), &list.watchers[0].address), (1, &address("alice")));
    let Ok(Reply::ContactRequests(asking)) = accounts.ask(&address("bob"), Request::ContactRequests).await
    else {
        panic!("no requests");
    };
    assert_eq!(asking[0].from, address("alice"));
}

#[tokio::test]
async fn who_waits_is_forgotten_when_his_time_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Config { offline_watcher_info_seconds: 1, ..Config::default() };
    let (accounts, _store) = start(folder.path(), limits);
    let clock = tokio::spawn({
        let accounts = accounts.clone();
        async move { accounts.keep_time().await }
    });
    let owner = Arc::new(Seen::default());
    let _list = watch(&accounts, "bob", WatchKind::Watchers, &owner);
    let seen = Arc::new(Seen::default());
    let until = Timestamp::now();
    let spec = WatchSpec { watcher: address("alice"), name: None, kind: WatchKind::Presence, until };
    drop(accounts.watch(&address("bob"), spec, seen.clone()).unwrap());
    owner.list_with(WatcherStatus::Waiting, WatcherEvent::Timeout).await;
    owner.list_with(WatcherStatus::Terminated, WatcherEvent::GiveUp).await;
    let asking = accounts.ask(&address("bob"), Request::ContactRequests).await;
    assert_eq!(asking, Ok(Reply::ContactRequests(Vec::new())));
    clock.abort();
}

#[tokio::test]
async fn a_thousand_watchers_are_told_within_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let (accounts, _store) = start(folder.path(), Config::default());
    let condition = Condition::OtherIdentity;
    let rule =
        Rule { id: "all".into(), conditions: vec![condition], handling: Some(Handling::Allow), view: None };
    let rules = Ruleset { rules: vec![rule], ..Ruleset::default() };
    accounts.ask(&address("bob"), Request::SetRules(Some(Arc::new(rules)))).await.unwrap();
    let spec = SessionSpec {
        kind: SessionKind::Device,
        resource: Resource::new("phone").unwrap(),
        since: Timestamp(1),
        device: None,
        client: None,
        contact: None,
        takes_messages: true,
        takes_calls: true,
        takes_copies: false,
        follows_roster: false,
    };
    let session = accounts.open(&address("bob"), spec, Outbox::new(10)).await.unwrap();
    let seen = Arc::new(Seen::default());
    let watches: Vec<_> = (0..1000)
        .map(|number| watch(&accounts, &format!("watcher{number}"), WatchKind::Presence, &seen))
        .collect();
    seen.until(|shown| (shown.len() >= watches.len()).then_some(())).await;
    let away = Availability::Away;
    let mut fastest = Duration::MAX;
    // The fastest of a few counts: a machine with other work to do may stop anybody for a second.
    for (before, availability) in
        [Availability::Busy, Availability::ExtendedAway, away].into_iter().enumerate()
    {
        let begun = Instant::now();
        let now = Timestamp(i64::try_from(before).unwrap() + 2);
        session.announce(Arc::new(Presence { availability, ..Presence::online(now) }));
        seen.until(|shown| (shown.len() >= (before + 2) * watches.len()).then_some(())).await;
        fastest = fastest.min(begun.elapsed());
    }
    assert!(fastest < Duration::from_secs(1), "{fastest:?}");
    let shown = seen.shown.lock().unwrap();
    let told = shown.iter().skip(3 * watches.len()).filter(|(_, shown)| {
        matches!(shown, Some(Shown::Presence { snapshot, .. }) if snapshot.aggregate.availability == away)
    });
    assert_eq!(told.count(), watches.len());
}
