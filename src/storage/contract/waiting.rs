//! What waits for the owner: watchers, and the number of messages.

use super::*;
use crate::signal::{Watcher, WatcherEvent, WatcherStatus};

#[test]
fn waiting_watchers_are_kept_until_they_are_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let key = account(&store, "alice");
    let waiting = |local: &str, until: i64, is_alone| WaitingWatcher {
        watcher: Watcher {
            id: local.into(),
            address: address(local),
            name: Some("N".into()),
            status: WatcherStatus::Waiting,
            event: WatcherEvent::Timeout,
            since: Some(Timestamp(5)),
            until: Some(Timestamp(until)),
        },
        is_alone,
    };
    let request = |local: &str| {
        Write::Request(ContactRequest {
            from: address(local),
            at: Timestamp(5),
            note: None,
            native: Native::None,
            origin_id: None,
        })
    };
    for local in ["bob", "carol", "dave"] {
        write(&store, key, request(local)).unwrap();
    }
    for change in [
        Write::Waiting(waiting("bob", 10, true)),
        Write::Waiting(waiting("bob", 20, true)),
        Write::Waiting(waiting("carol", 20, false)),
        Write::Waiting(waiting("dave", 21, true)),
        Write::Waiting(waiting("eve", 99, true)),
        Write::WaitingRemoved { watcher: address("eve") },
    ] {
        write(&store, key, change).unwrap();
    }
    let all = [waiting("bob", 20, true), waiting("carol", 20, false), waiting("dave", 21, true)];
    assert_eq!(load(&store, "alice").waiting, all);
    assert_eq!(store.forget_waiting(Timestamp(20)), Ok(2));
    let record = load(&store, "alice");
    assert_eq!(record.waiting, all[2..]);
    let asking: Vec<_> = record.requests.into_iter().map(|request| request.from).collect();
    assert_eq!(asking, [address("carol"), address("dave")]);
}

#[test]
fn messages_are_counted_wherever_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let key = account(&store, "alice");
    let count = |store: &Store| {
        let (told, tell) = mpsc::channel();
        store.offline_count(key, Box::new(move |count| told.send(count).unwrap()));
        tell.recv().unwrap()
    };
    assert_eq!(count(&store), Ok(0));
    for id in 1..=100 {
        store.submit(key, Write::OfflineAppend(message(id, "bob", "alice")), None);
    }
    assert_eq!(count(&store), Ok(100));
    store.submit(key, Write::OfflineTrim { through: MessageId(30) }, None);
    assert_eq!(count(&store), Ok(70));
    drop(store);
    let store = open(dir.path());
    assert_eq!(count(&store), Ok(70));
    store.submit(key, Write::OfflineAppend(message(101, "bob", "alice")), None);
    assert_eq!(count(&store), Ok(71));
}
