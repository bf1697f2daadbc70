//! Programs that log in to an account.

use super::*;

#[test]
fn clients_are_kept_by_name_and_forgotten_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (key, other) = (account(&store, "alice"), account(&store, "bob"));
    let phone = store.add_device(key, "phone".to_owned(), b"p".to_vec(), Timestamp(2), 2).unwrap();
    let client = |agent: &str, at| ClientRecord {
        id: 0,
        agent: agent.to_owned(),
        software: Some("Chat".to_owned()),
        name: None,
        first_seen: Timestamp(at),
        last_seen: Timestamp(at),
        device: None,
        knows_password: true,
        tokens: Some(b"sealed".to_vec()),
    };
    let put = |key, client, before, most| store.put_client(key, client, Timestamp(before), most).unwrap();
    let one = put(key, client("one", 10), 0, 9);
    put(other, client("one", 20), 0, 9);
    let again = ClientRecord { name: Some("desk".to_owned()), device: phone, ..client("one", 30) };
    assert_eq!(put(key, again.clone(), 0, 9), one);
    let kept = ClientRecord { id: one, first_seen: Timestamp(10), ..again };
    assert_eq!(store.client(key, "one"), Ok(Some(kept.clone())));
    assert_eq!(store.client(key, "two"), Ok(None));
    let two = put(key, client("two", 40), 0, 9);
    assert_eq!(store.clients(key).unwrap().iter().map(|it| it.id).collect::<Vec<_>>(), [two, one]);
    // The one that was not seen for longest goes, and whoever was not seen for too long.
    let three = put(key, client("three", 50), 25, 2);
    assert_eq!(store.clients(key).unwrap().iter().map(|it| it.id).collect::<Vec<_>>(), [three, two]);
    assert_eq!(store.clients(other), Ok(Vec::new()));
    assert_eq!((store.remove_client(other, two), store.remove_client(key, two)), (Ok(false), Ok(true)));

    // A new password ends what rests on the old one.
    store.set_credential(key, b"new".to_vec(), Timestamp(60)).unwrap();
    let left = store.client(key, "three").unwrap().unwrap();
    assert_eq!((left.knows_password, left.tokens), (false, None));
    put(key, ClientRecord { device: phone, ..client("four", 70) }, 0, 9);
    store.remove_device(key, phone.unwrap()).unwrap();
    assert_eq!(store.client(key, "four"), Ok(None));
}
