//! Archives are cut, one account's without another's.

use super::*;

#[test]
fn archive_forgets_what_had_its_time() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let (alice, bob) = (account(&store, "alice"), account(&store, "bob"));
    for id in 1..=6 {
        let shared = message(id, "alice", "bob");
        let line = Write::Archive { message: shared.clone(), with: address("bob"), outgoing: true };
        write(&store, alice, line).unwrap();
        let line = Write::Archive { message: shared, with: address("alice"), outgoing: false };
        write(&store, bob, line).unwrap();
    }
    // What is pending goes into the tables.
    store.close();
    store = open(dir.path());
    let left = |key| {
        let page = store.archive_page(key, &ArchiveQuery { limit: 9, ..ArchiveQuery::default() }).unwrap();
        page.into_iter().map(|line| line.message.id.0).collect::<Vec<_>>()
    };
    assert_eq!(store.forget_archive(alice, MessageId(5), 3), Ok(3));
    assert_eq!(left(alice), [4, 5, 6]);
    assert_eq!(store.forget_archive(alice, MessageId(5), 3), Ok(1));
    assert_eq!(store.forget_archive(alice, MessageId(5), 3), Ok(0));
    assert_eq!((left(alice), left(bob)), (vec![5, 6], vec![1, 2, 3, 4, 5, 6]));
    let with = ArchiveQuery { with: Some(address("bob")), limit: 9, ..ArchiveQuery::default() };
    assert_eq!(store.archive_page(alice, &with).unwrap().len(), 2);
    assert_eq!(store.forget_archive(bob, MessageId(u128::MAX), 100), Ok(6));
    assert_eq!((left(alice), left(bob)), (vec![5, 6], vec![]));
    assert_eq!(store.preferences(alice), Ok(Some(Preferences::default())));
}
