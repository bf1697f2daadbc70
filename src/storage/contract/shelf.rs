//! Things on shelves.

use bytes::Bytes;

use super::*;

fn shelved(shelf: &str, name: &str, number: u64, length: usize) -> Shelved {
    Shelved::new(shelf.into(), name.into(), number, Bytes::from(vec![number as u8; length]))
}

fn pick(store: &Store, key: AccountKey, shelf: &str, pick: Pick) -> Vec<Shelved> {
    let (told, tell) = mpsc::channel();
    store.pick(key, shelf.into(), pick, Box::new(move |found| told.send(found).unwrap()));
    tell.recv().unwrap().unwrap()
}

#[test]
fn shelves_hold_what_was_put_on_them_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let key = account(&store, "alice");
    let large = AT_HAND + 1;
    for change in [
        Write::Shelve(shelved("a", "x", 1, 1)),
        Write::Shelve(shelved("a", "y", 2, large)),
        Write::Shelve(shelved("a", "x", 3, 1)),
        Write::Shelve(shelved("a", "z", 4, 1)),
        Write::Shelve(shelved("b", "x", 5, 1)),
        Write::Shelve(shelved("c", "x", 6, 1)),
        Write::Unshelve { shelf: "b".into(), name: None },
        Write::Unshelve { shelf: "a".into(), name: Some("z".into()) },
    ] {
        store.submit(key, change, None);
    }
    // Not waited for: a reading sees what was submitted before.
    assert_eq!(pick(&store, key, "a", Pick::Last(1)), [shelved("a", "x", 3, 1)]);
    let all = [shelved("a", "y", 2, large), shelved("a", "x", 3, 1)];
    assert_eq!(pick(&store, key, "a", Pick::Last(9)), all);
    let named = Pick::Named(vec!["x".into(), "w".into(), "y".into()]);
    assert_eq!(pick(&store, key, "a", named), all);
    assert_eq!(pick(&store, key, "b", Pick::Last(9)), []);
    store.close();
    let [y, x] = all;
    let expect = [Shelved { content: None, ..y }, x, shelved("c", "x", 6, 1)];
    assert_eq!(load(&open(dir.path()), "alice").shelves, expect);
}

#[test]
fn shelves_go_with_their_account() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let key = account(&store, "alice");
    write(&store, key, Write::Shelve(shelved("a", "x", 1, 1))).unwrap();
    store.remove_account(&address("alice")).unwrap();
    account(&store, "alice");
    assert_eq!(load(&store, "alice").shelves, []);
    assert_eq!(pick(&store, key, "a", Pick::Last(9)), []);
}
