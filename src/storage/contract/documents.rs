//! Documents and blocks.

use bytes::Bytes;

use super::*;
use crate::signal::{DocumentEntry, DocumentId};

fn entry(name: &str, version: u64, bytes: &str) -> (DocumentEntry, Bytes) {
    let entry = DocumentEntry {
        id: DocumentId::new("lists", name),
        version,
        hash: u64::MAX - version,
        changed: Timestamp(3),
        size: bytes.len() as u64,
    };
    (entry, Bytes::copy_from_slice(bytes.as_bytes()))
}

fn put(name: &str, version: u64, bytes: &str) -> Write {
    let (entry, bytes) = entry(name, version, bytes);
    Write::Document { entry, bytes }
}

#[test]
fn documents_are_what_was_written_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (alice, bob) = (account(&store, "alice"), account(&store, "bob"));
    let id = |name| DocumentId::new("lists", name);
    for change in [
        put("index", 1, "one"),
        put("other", 2, "two"),
        put("index", 3, "<three/>\n"),
        Write::DocumentRemoved { id: id("other"), version: 4 },
    ] {
        write(&store, alice, change).unwrap();
    }
    write(&store, bob, put("index", 1, "bob's")).unwrap();
    store.close();
    let store = open(dir.path());
    let record = load(&store, "alice");
    let (expect, bytes) = entry("index", 3, "<three/>\n");
    assert_eq!((record.documents, record.documents_version), (vec![expect.clone()], 4));
    let found = store.documents(alice, &[id("index"), id("other")]).unwrap();
    assert_eq!(found, [StoredDocument { entry: expect, bytes }]);
    assert_eq!(store.documents_in_turn(alice, vec![id("index")]), Ok(found));
    let owners = |after| -> Vec<_> {
        let all = store.documents_of_all(&id("index"), after, 9).unwrap();
        all.into_iter().map(|(_, owner, stored)| (owner, stored.bytes)).collect()
    };
    assert_eq!(owners(None).len(), 2);
    assert_eq!(owners(Some(alice)), [(address("bob"), Bytes::from_static(b"bob's"))]);
}

#[test]
fn documents_of_an_application_are_found_whatever_they_are_called() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (alice, bob) = (account(&store, "alice"), account(&store, "bob"));
    for (key, name, version) in [(bob, "b", 1), (alice, "b", 1), (alice, "a/c", 2), (bob, "index", 2)] {
        write(&store, key, put(name, version, "<x/>")).unwrap();
    }
    let Write::Document { entry, bytes } = put("a", 3, "<x/>") else { panic!("a document") };
    let entry = DocumentEntry { id: DocumentId::new("rules", "a"), ..entry };
    write(&store, bob, Write::Document { entry, bytes }).unwrap();
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let behind = after.as_ref().map(|(name, key): &(String, _)| (name.as_str(), *key));
        let page = store.documents_of_application("lists", behind, 2).unwrap();
        let Some((key, _, last)) = page.last() else { break };
        after = Some((last.entry.id.name.to_string(), *key));
        found.extend(page.into_iter().map(|(key, _, stored)| (stored.entry.id.name.to_string(), key)));
    }
    let expect = [("a/c", alice), ("b", alice), ("b", bob), ("index", bob)];
    assert_eq!(found, expect.map(|(name, key)| (name.to_owned(), key)));
}

#[test]
fn blocks_are_kept_until_they_are_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let key = account(&store, "alice");
    let domain = Address::domain_only("spam.example").unwrap();
    for change in [
        Write::Blocked(address("bob")),
        Write::Blocked(domain.clone()),
        Write::Blocked(address("bob")),
        Write::Blocked(address("carol")),
        Write::Unblocked(address("carol")),
    ] {
        write(&store, key, change).unwrap();
    }
    assert_eq!(load(&store, "alice").blocked, [address("bob"), domain]);
}

#[test]
fn writes_that_belong_together_are_all_done_or_none() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let key = account(&store, "alice");
    let both = vec![put("index", 1, "x"), Write::Blocked(address("bob"))];
    write(&store, key, Write::Together(both)).unwrap();
    let misplaced = Write::OfflineAppend(message(1, "bob", "alice"));
    let outcome = write(&store, key, Write::Together(vec![put("index", 2, "y"), misplaced]));
    assert!(outcome.is_err());
    let record = load(&store, "alice");
    assert_eq!((record.documents[0].version, record.blocked), (1, vec![address("bob")]));
}
