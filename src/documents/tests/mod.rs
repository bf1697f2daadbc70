//! Documents over a real store: bytes, tags, refusals, and changes made at the same time.

mod icon;
mod model;
mod people;
mod policy;

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::{Change, ChangeError, Changed, Document, Documents};
use crate::{
    account::{
        Accounts, Amendment, Config, FactChange, Reply, Request, Shown, WatchId, WatchSink, WatchState,
    },
    signal::{Address, DocumentId, Reason, Timestamp},
    storage::{NewAccount, Store, StoreError},
};

pub(super) fn alice() -> Address {
    Address::parse("alice@example.org").unwrap()
}

pub(super) fn start(folder: &Path, limits: Config) -> (Documents, Accounts, Store) {
    let config = crate::storage::Config { data_dir: folder.to_owned(), ..Default::default() };
    // A thread that has just answered may hold the store of before a moment longer.
    let store = loop {
        match Store::open(&config) {
            Err(StoreError::InUse) => std::thread::yield_now(),
            opened => break opened.unwrap(),
        }
    };
    for address in ["alice@example.org", "bob@example.org", "carol@example.org"] {
        let address = Address::parse(address).unwrap();
        let new = NewAccount { address, is_admin: false, created: Timestamp(1), credential: Vec::new() };
        // It exists already after a restart.
        let _ = store.create_account(new);
    }
    let home = vec![Address::domain_only("example.org").unwrap()];
    let accounts = Accounts::new(store.clone(), home, limits);
    (Documents::new(accounts.clone()), accounts, store)
}

fn id(name: &str) -> DocumentId {
    DocumentId::new("test-application", name)
}

async fn put(documents: &Documents, name: &str, bytes: &'static str) -> Document {
    let edit = |_: Option<&Document>| Ok::<_, ()>(Change::Put(Bytes::from_static(bytes.as_bytes())));
    documents.change(&alice(), &id(name), edit).await.unwrap().after.unwrap()
}

#[tokio::test]
async fn document_comes_back_as_it_was_put_with_a_new_tag_for_each_change() {
    let folder = tempfile::tempdir().unwrap();
    let (documents, _, store) = start(folder.path(), Config::default());
    assert_eq!(documents.read(&alice(), &id("index")).await, Ok(None));
    let first = put(&documents, "index", "<a/>\n").await;
    let second = put(&documents, "index", "<b/>").await;
    let third = put(&documents, "index", "<a/>\n").await;
    assert!(first.etag() != second.etag() && first.etag() != third.etag());
    assert!(first.etag().starts_with('"') && first.etag().ends_with('"'));
    drop((documents, store));
    let (documents, ..) = start(folder.path(), Config::default());
    assert_eq!(documents.read(&alice(), &id("index")).await, Ok(Some(third.clone())));
    assert_eq!(documents.index(&alice()).await.unwrap(), [(id("index"), third.etag())]);
    let removed = documents.change(&alice(), &id("index"), |_| Ok::<_, ()>(Change::Remove)).await.unwrap();
    assert_eq!(removed, Changed { before: Some(third.clone()), after: None });
    let again = put(&documents, "index", "<a/>\n").await;
    assert!(again.etag() != third.etag() && again.etag() != first.etag());
}

#[tokio::test]
async fn refusals_leave_the_document_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Config { documents: 2, document_bytes: 1024, documents_bytes: 1500, ..Config::default() };
    let (documents, ..) = start(folder.path(), limits);
    let first = put(&documents, "one", "<a/>").await;
    let refused = documents
        .change(&alice(), &id("one"), |found| {
            assert_eq!(found, Some(&first));
            Err("no")
        })
        .await;
    assert_eq!(refused, Err(ChangeError::Edit("no")));
    let reason = async |name: &str, size: usize| {
        let edit = |_: Option<&Document>| Ok::<_, ()>(Change::Put(vec![b'x'; size].into()));
        match documents.change(&alice(), &id(name), edit).await {
            Err(ChangeError::Rejected(reject)) => Some(reject.reason),
            _ => None,
        }
    };
    assert_eq!(reason("one", 1025).await, Some(Reason::TooLarge));
    assert_eq!(reason("two", 1000).await, None);
    assert_eq!(reason("one", 1000).await, Some(Reason::TooLarge));
    assert_eq!(reason("three", 1).await, Some(Reason::PolicyViolation));
    assert_eq!(documents.read(&alice(), &id("one")).await, Ok(Some(first)));
    let nobody = Address::parse("nobody@example.org").unwrap();
    assert_eq!(documents.index(&nobody).await.unwrap_err().reason, Reason::NotFound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn changes_at_the_same_time_are_all_made() {
    let folder = tempfile::tempdir().unwrap();
    let (documents, accounts, _store) = start(folder.path(), Config::default());
    let append = |word: String| {
        let documents = documents.clone();
        tokio::spawn(async move {
            loop {
                let edit = |found: Option<&Document>| {
                    let mut bytes = found.map(|found| found.bytes.to_vec()).unwrap_or_default();
                    bytes.extend_from_slice(word.as_bytes());
                    Ok::<_, ()>(Change::Put(bytes.into()))
                };
                match documents.change(&alice(), &id("index"), edit).await {
                    // Others were faster so many times: begin anew.
                    Err(ChangeError::Rejected(reject)) if reject.reason == Reason::Overloaded => {}
                    outcome => break outcome.unwrap(),
                }
            }
        })
    };
    let tasks: Vec<_> = (0..20).map(|number| append(format!("<{number}>"))).collect();
    for number in 0..20 {
        let address = Address::parse(&format!("friend{number}@example.org")).unwrap();
        let request = Request::SetContact { address, name: None, groups: Default::default() };
        accounts.ask(&alice(), request).await.unwrap();
    }
    for task in tasks {
        task.await.unwrap();
    }
    let found = documents.read(&alice(), &id("index")).await.unwrap().unwrap();
    let text = String::from_utf8(found.bytes.to_vec()).unwrap();
    assert!((0..20).all(|number| text.matches(&format!("<{number}>")).count() == 1), "{text}");
}

#[tokio::test]
async fn amendment_for_another_revision_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (_, accounts, _store) = start(folder.path(), Config::default());
    let bob = Address::parse("bob@example.org").unwrap();
    let facts = async || match accounts.ask(&alice(), Request::Facts { unless: None }).await {
        Ok(Reply::Facts(Some(facts))) => facts,
        other => panic!("{other:?}"),
    };
    let before = facts().await;
    let block = |revision| {
        let facts = vec![FactChange::Block(bob.clone())];
        Request::Amend(Box::new(Amendment { revision, documents: Vec::new(), facts }))
    };
    let stale = accounts.ask(&alice(), block(before.revision.wrapping_sub(1))).await;
    assert_eq!(stale.unwrap_err().reason, Reason::Conflict);
    assert_eq!(facts().await, before);
    accounts.ask(&alice(), block(before.revision)).await.unwrap();
    let after = facts().await;
    assert_eq!(after.blocked, [bob]);
    assert!(after.revision > before.revision);
    let unchanged = accounts.ask(&alice(), Request::Facts { unless: Some(after.revision) }).await;
    assert_eq!(unchanged, Ok(Reply::Facts(None)));
}

struct Revisions(mpsc::UnboundedSender<Option<u64>>);

impl WatchSink for Revisions {
    fn show(&self, _: WatchId, _: WatchState, shown: Option<Shown>) {
        let revision = shown.map(|shown| match shown {
            Shown::Documents { revision, .. } => revision,
            other => panic!("{other:?}"),
        });
        self.0.send(revision).unwrap();
    }
}

#[tokio::test]
async fn owner_is_told_of_whatever_may_change_documents_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let (documents, accounts, _store) = start(folder.path(), Config::default());
    let (told, mut tell) = mpsc::unbounded_channel();
    let until = Timestamp(i64::MAX);
    let watch = documents.watch(&alice(), alice(), until, Arc::new(Revisions(told))).unwrap();
    let mut last = tell.recv().await.unwrap().unwrap();
    let bob = Address::parse("bob@example.org").unwrap();
    put(&documents, "index", "<a/>").await;
    for request in [
        Request::SetContact { address: bob.clone(), name: Some("B".into()), groups: Default::default() },
        Request::Block(vec![bob.clone()]),
        Request::Unblock(None),
        Request::SetRules(None),
        Request::SetHardState(None),
        Request::RemoveContact { address: bob },
    ] {
        accounts.ask(&alice(), request.clone()).await.unwrap();
    }
    for _ in 0..7 {
        let next = tell.recv().await.unwrap().unwrap();
        assert!(next > last);
        last = next;
    }
    drop(watch);
    let (told, mut tell) = mpsc::unbounded_channel();
    let stranger = Address::parse("carol@example.org").unwrap();
    let _watch = documents.watch(&alice(), stranger, until, Arc::new(Revisions(told))).unwrap();
    assert_eq!(tell.recv().await, Some(None));
}
