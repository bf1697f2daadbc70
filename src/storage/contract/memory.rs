//! The small values of doors.

use bytes::Bytes;

use super::*;

#[test]
fn memory_of_a_room_is_what_was_put_last() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let memory = store.memory("phones");
    let bytes = |text: &'static str| Bytes::from_static(text.as_bytes());
    for value in ["1", "2", "3"] {
        memory.change(bytes("a"), Some(bytes(value)), None).unwrap();
        memory.change(bytes("b"), Some(bytes(value)), None).unwrap();
    }
    memory.change(bytes("b"), None, None).unwrap();
    store.memory("others").change(bytes("a"), Some(bytes("x")), None).unwrap();
    let (told, tell) = mpsc::channel();
    let done = Box::new(move |outcome| told.send(outcome).unwrap());
    store.memory("phones").change(bytes("c"), Some(bytes("")), Some(done)).unwrap();
    assert_eq!(tell.recv().unwrap(), Ok(()));
    let expected = [(bytes("a"), bytes("3")), (bytes("c"), bytes(""))];
    assert_eq!(memory.all().unwrap(), expected);
    memory.change(bytes("c"), None, None).unwrap();
    store.close();
    assert_eq!(memory.change(bytes("a"), None, None), Err(StoreError::Closed));
    drop((memory, store));
    let store = open(dir.path());
    assert_eq!(store.memory("phones").all().unwrap(), expected[..1]);
    assert_eq!(store.memory("others").all().unwrap(), [(bytes("a"), bytes("x"))]);
}

#[test]
fn memory_of_many_keys_is_read_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let memory = store.memory("phones");
    let key = |number: u32| Bytes::copy_from_slice(&number.to_be_bytes());
    let value = Bytes::from(vec![7; 200]);
    (0..100_000).for_each(|number| memory.change(key(number), Some(value.clone()), None).unwrap());
    store.close();
    drop((memory, store));
    let memory = open(dir.path()).memory("phones");
    let before = std::time::Instant::now();
    let all = memory.all().unwrap();
    println!("read in {:?}", before.elapsed());
    assert_eq!(all.len(), 100_000);
    assert!(all.iter().map(|(key, _)| key).eq((0..100_000).map(key).collect::<Vec<_>>().iter()));
}
