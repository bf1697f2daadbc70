//! What every backend of the store must do. A second backend runs the same cases.

mod archive_expiry;
mod automation;
mod clients;
mod credentials;
mod documents;
mod memory;
mod refusals;
mod reports;
mod retraction;
mod shelf;
mod waiting;

use std::{
    path::Path,
    sync::{Arc, Mutex, mpsc},
};

use super::*;
use crate::signal::{
    Address, Condition, Contact, ContactRequest, Content, Handling, Keep, Message, MessageId, MessageKind,
    Native, Party, Presence, Rule, Ruleset, Text, Timestamp, View,
};

fn open(data_dir: &Path) -> Store {
    Store::open(&Config { data_dir: data_dir.to_owned(), ..Config::default() }).unwrap()
}

fn address(local: &str) -> Address {
    Address::new(local, "example.org").unwrap()
}

fn account(store: &Store, local: &str) -> AccountKey {
    let new = NewAccount {
        address: address(local),
        is_admin: false,
        created: Timestamp(1),
        credential: b"sealed".to_vec(),
    };
    store.create_account(new).unwrap()
}

fn message(id: u128, from: &str, to: &str) -> Arc<Message> {
    Arc::new(Message {
        id: MessageId(id),
        from: Party::bare(address(from)),
        to: Party::bare(address(to)),
        kind: MessageKind::Chat,
        sent: Timestamp(id as i64),
        origin_id: None,
        content: Content { bodies: [Text::plain("hi")].into_iter().collect(), ..Content::default() },
        native: Native::None,
        keep: Keep::ALL,
    })
}

/// Submits and waits until it is durable.
fn write(store: &Store, key: AccountKey, write: Write) -> Result<(), StoreError> {
    let (told, tell) = mpsc::channel();
    store.submit(key, write, Some(Box::new(move |outcome| told.send(outcome).unwrap())));
    tell.recv().unwrap()
}

fn offline(store: &Store, key: AccountKey, limit: usize) -> Result<Vec<u128>, StoreError> {
    let (told, tell) = mpsc::channel();
    store.offline_read(key, limit, Box::new(move |chunk| told.send(chunk).unwrap()));
    tell.recv().unwrap().map(|chunk| chunk.messages.iter().map(|message| message.id.0).collect())
}

fn load(store: &Store, local: &str) -> AccountRecord {
    store.load_account(&address(local)).unwrap().unwrap()
}

fn contact(local: &str) -> Contact {
    Contact {
        name: Some("Bob".into()),
        groups: ["a".into(), "b".into()].into_iter().collect(),
        to: true,
        approved: true,
        ..Contact::new(address(local))
    }
}

#[test]
fn account_is_what_was_written_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let key = account(&store, "alice");
    let preferences = Preferences { accepted_senders: AcceptedSenders::Nobody, ..Preferences::default() };
    let request = ContactRequest {
        from: address("carol"),
        at: Timestamp(5),
        note: Some(Text::plain("please")),
        native: Native::None,
        origin_id: Some("s1".into()),
    };
    let rule = Rule {
        id: "1".into(),
        conditions: vec![Condition::OtherIdentity],
        handling: Some(Handling::Allow),
        view: Some(View::everything()),
    };
    let rules = Ruleset { rules: vec![rule], ..Ruleset::default() };
    for change in [
        Write::Contact { contact: contact("bob"), version: 1 },
        Write::Preferences(preferences.clone()),
        Write::Rules(Some(Arc::new(rules.clone()))),
        Write::HardState(None),
        Write::HardState(Some(Arc::new(Presence::offline(Timestamp(7))))),
        Write::Request(ContactRequest { at: Timestamp(4), ..request.clone() }),
        Write::Request(request.clone()),
        Write::OfflineAppend(message(1, "carol", "alice")),
    ] {
        write(&store, key, change).unwrap();
    }
    store.close();
    let record = load(&open(dir.path()), "alice");
    let expect = AccountRecord {
        key,
        address: address("alice"),
        is_admin: false,
        disabled: false,
        preferences,
        message_rules: None,
        call_rules: None,
        automation: None,
        replies: Vec::new(),
        late: Vec::new(),
        rules: Some(rules),
        hard_state: Some(Presence::offline(Timestamp(7))),
        roster: vec![RosterRow { contact: contact("bob"), version: 1 }],
        roster_version: 1,
        removed: Vec::new(),
        roster_floor: 0,
        requests: vec![request],
        waiting: Vec::new(),
        shelves: Vec::new(),
        has_offline: true,
        blocked: Vec::new(),
        documents: Vec::new(),
        documents_version: 0,
    };
    assert_eq!(record, expect);
}

#[test]
fn account_exists_once_and_is_found_while_it_exists() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    assert_eq!(store.load_account(&address("alice")), Ok(None));
    assert_eq!(store.remove_account(&address("alice")), Err(StoreError::NoSuchAccount));
    let key = account(&store, "alice");
    let again = NewAccount {
        address: address("alice"),
        is_admin: true,
        created: Timestamp(2),
        credential: Vec::new(),
    };
    assert_eq!(store.create_account(again), Err(StoreError::AccountExists));
    store.set_admin(key, true).unwrap();
    store.set_disabled(key, true).unwrap();
    assert!(load(&store, "alice").is_admin && load(&store, "alice").disabled);
    assert_eq!(store.set_admin(AccountKey(99), true), Err(StoreError::NoSuchAccount));
}

#[test]
fn accounts_are_listed_in_pages() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for local in ["carol", "alice", "bob"] {
        account(&store, local);
    }
    let locals = |page: Vec<AccountSummary>| -> Vec<String> {
        page.iter().map(|account| account.address.local().unwrap().to_owned()).collect()
    };
    assert_eq!(locals(store.list_accounts(None, 2).unwrap()), ["alice", "bob"]);
    assert_eq!(locals(store.list_accounts(Some(&address("bob")), 2).unwrap()), ["carol"]);
}

#[test]
fn removed_account_takes_everything_along() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let key = account(&store, "alice");
    let note = message(1, "bob", "alice");
    write(&store, key, Write::OfflineAppend(Arc::clone(&note))).unwrap();
    write(&store, key, Write::Archive { message: note, with: address("bob"), outgoing: false }).unwrap();
    write(&store, key, Write::Contact { contact: contact("bob"), version: 1 }).unwrap();
    store.remove_account(&address("alice")).unwrap();
    assert_eq!(offline(&store, key, 9), Err(StoreError::NoSuchAccount));
    for late in [
        Write::OfflineAppend(message(2, "bob", "alice")),
        Write::Contact { contact: contact("bob"), version: 2 },
        Write::ContactRemoved { address: address("bob"), version: 2 },
        Write::Preferences(Preferences::default()),
        Write::Archive { message: message(2, "bob", "alice"), with: address("bob"), outgoing: false },
    ] {
        assert_eq!(write(&store, key, late), Err(StoreError::NoSuchAccount));
    }
    let successor = account(&store, "alice");
    assert_ne!(successor, key);
    let record = load(&store, "alice");
    assert!(record.roster.is_empty() && !record.has_offline);
    assert_eq!(
        store.archive_page(key, &ArchiveQuery { limit: 9, ..ArchiveQuery::default() }),
        Ok(Vec::new())
    );
}

#[test]
fn removed_contacts_leave_a_bounded_number_of_tombstones() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let key = account(&store, "alice");
    let total = TOMBSTONES as u64 + 3;
    for version in 1..=total {
        let address = address(&format!("c{version}"));
        store.submit(key, Write::ContactRemoved { address, version }, None);
    }
    write(&store, key, Write::RequestRemoved { from: address("nobody") }).unwrap();
    let record = load(&store, "alice");
    assert_eq!((record.removed.len(), record.roster_floor, record.roster_version), (TOMBSTONES, 3, total));
    assert_eq!(record.removed[0], (address("c4"), 4));
    write(&store, key, Write::Contact { contact: contact("c4"), version: total + 1 }).unwrap();
    let record = load(&store, "alice");
    assert_eq!((record.removed.len(), record.roster.len()), (TOMBSTONES - 1, 1));
    assert_eq!(record.roster_version, total + 1);
}

#[test]
fn preferences_of_a_newer_version_are_kept() {
    let text = r#"{"accepted-senders":"same-domain","new-thing":{"a":1}}"#;
    let preferences: Preferences = serde_json::from_str(text).unwrap();
    assert!(preferences.offline_storage && preferences.other.contains_key("new-thing"));
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let key = account(&store, "alice");
    write(&store, key, Write::Preferences(preferences.clone())).unwrap();
    assert_eq!(load(&store, "alice").preferences, preferences);
}

#[test]
fn archive_gives_pages_in_order_of_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (alice, bob) = (account(&store, "alice"), account(&store, "bob"));
    for (id, peer) in [(3, "bob"), (1, "bob"), (2, "carol"), (300, "bob"), (1, "bob")] {
        let (message, with) = (message(id, "alice", peer), address(peer));
        write(&store, alice, Write::Archive { message, with, outgoing: true }).unwrap();
    }
    let other = Write::Archive { message: message(7, "x", "bob"), with: address("x"), outgoing: false };
    write(&store, bob, other).unwrap();
    check_pages(&store, alice);
    let line = store.archive_page(bob, &ArchiveQuery { limit: 1, ..ArchiveQuery::default() }).unwrap();
    let expect = ArchivedMessage {
        message: Message::clone(&message(7, "x", "bob")),
        with: address("x"),
        outgoing: false,
    };
    assert_eq!(line, [expect]);
}

#[test]
fn archive_gives_the_same_pages_whatever_is_settled() {
    let lines = [(3, "bob"), (1, "bob"), (2, "carol"), (300, "bob"), (1, "bob")];
    for settled in 0..=lines.len() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(dir.path());
        let alice = account(&store, "alice");
        for (index, (id, peer)) in lines.into_iter().enumerate() {
            if index == settled {
                store.close();
                store = open(dir.path());
            }
            let (message, with) = (message(id, "alice", peer), address(peer));
            write(&store, alice, Write::Archive { message, with, outgoing: true }).unwrap();
        }
        check_pages(&store, alice);
    }
}

#[test]
fn archive_pages_cross_the_parts_of_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let alice = account(&store, "alice");
    let id = |day: u64| MessageId::from_parts(1_700_000_000_000 + day * 86_400_000, 5).0;
    for day in 0..20 {
        let peer = if day % 4 == 0 { "bob" } else { "carol" };
        let (message, with) = (message(id(day), peer, "alice"), address(peer));
        write(&store, alice, Write::Archive { message, with, outgoing: false }).unwrap();
    }
    store.close();
    let store = open(dir.path());
    let bob = ArchiveQuery { with: Some(address("bob")), limit: 3, ..ArchiveQuery::default() };
    let newest = ArchiveQuery { from: ArchiveEnd::Newest, ..bob.clone() };
    for (query, expect) in [
        (bob.clone(), &[0, 4, 8][..]),
        (newest.clone(), &[8, 12, 16]),
        (ArchiveQuery { after: Some(MessageId(id(4))), ..bob.clone() }, &[8, 12, 16]),
        (ArchiveQuery { before: Some(MessageId(id(12))), ..newest }, &[0, 4, 8]),
        (ArchiveQuery { after: Some(MessageId(id(9))), before: Some(MessageId(id(16))), ..bob }, &[12]),
    ] {
        let page = store.archive_page(alice, &query).unwrap();
        let found: Vec<_> = page.iter().map(|line| line.message.id.0).collect();
        assert_eq!(found, expect.iter().map(|day| id(*day)).collect::<Vec<_>>(), "{query:?}");
    }
}

/// Asks for pages of lines with bob (1, 3, 300) and carol (2).
fn check_pages(store: &Store, alice: AccountKey) {
    let all = ArchiveQuery { limit: 9, ..ArchiveQuery::default() };
    let newest = ArchiveQuery { from: ArchiveEnd::Newest, limit: 2, ..all.clone() };
    let with = Some(address("bob"));
    for (query, expect) in [
        (all.clone(), &[1, 2, 3, 300][..]),
        (ArchiveQuery { limit: 2, ..all.clone() }, &[1, 2]),
        (newest.clone(), &[3, 300]),
        (ArchiveQuery { with: with.clone(), ..all.clone() }, &[1, 3, 300]),
        (ArchiveQuery { with: with.clone(), ..newest.clone() }, &[3, 300]),
        (ArchiveQuery { after: Some(MessageId(2)), ..all.clone() }, &[3, 300]),
        (ArchiveQuery { before: Some(MessageId(300)), ..newest }, &[2, 3]),
        (ArchiveQuery { after: Some(MessageId(1)), before: Some(MessageId(3)), with, ..all.clone() }, &[]),
        (ArchiveQuery { limit: 0, ..all }, &[]),
    ] {
        let page = store.archive_page(alice, &query).unwrap();
        let found: Vec<_> = page.iter().map(|line| line.message.id.0).collect();
        assert_eq!(found, expect, "{query:?}");
    }
}

#[test]
fn offline_messages_are_read_and_trimmed_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let key = account(&store, "alice");
    for id in 1..=5 {
        store.submit(key, Write::OfflineAppend(message(id, "bob", "alice")), None);
    }
    assert_eq!(offline(&store, key, 3), Ok(vec![1, 2, 3]));
    store.submit(key, Write::OfflineTrim { through: MessageId(3) }, None);
    assert_eq!(offline(&store, key, 9), Ok(vec![4, 5]));
    write(&store, key, Write::OfflineTrim { through: MessageId(5) }).unwrap();
    assert!(!load(&store, "alice").has_offline);
}

#[test]
fn offline_messages_go_on_where_an_earlier_run_ended() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let key = account(&store, "alice");
    let append = |store: &Store, id| write(store, key, Write::OfflineAppend(message(id, "bob", "alice")));
    let trim = |store: &Store, id| write(store, key, Write::OfflineTrim { through: MessageId(id) });
    for id in [5, 3, 4] {
        append(&store, id).unwrap();
    }
    store.close();
    let store = open(dir.path());
    append(&store, 1).unwrap();
    assert_eq!(offline(&store, key, 9), Ok(vec![5, 3, 4, 1]));
    assert_eq!(offline(&store, key, 2), Ok(vec![5, 3]));
    trim(&store, 3).unwrap();
    trim(&store, 77).unwrap();
    assert_eq!(offline(&store, key, 9), Ok(vec![4, 1]));
    store.close();
    let store = open(dir.path());
    assert_eq!(offline(&store, key, 9), Ok(vec![4, 1]));
    append(&store, 2).unwrap();
    trim(&store, 1).unwrap();
    assert!(load(&store, "alice").has_offline);
    assert_eq!(offline(&store, key, 9), Ok(vec![2]));
    trim(&store, 2).unwrap();
    assert!(!load(&store, "alice").has_offline);
    store.close();
    let store = open(dir.path());
    assert!(!load(&store, "alice").has_offline);
    append(&store, 9).unwrap();
    assert_eq!(offline(&store, key, 9), Ok(vec![9]));
}

#[test]
fn full_offline_file_takes_no_more_until_it_is_trimmed() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { data_dir: dir.path().to_owned(), offline_bytes: 1024, ..Config::default() };
    let append =
        |store: &Store, key, id| write(store, key, Write::OfflineAppend(message(id, "bob", "alice")));
    let store = Store::open(&config).unwrap();
    let key = account(&store, "alice");
    let taken = (1..100).take_while(|id| append(&store, key, *id).is_ok()).count();
    assert!((5..40).contains(&taken), "{taken}");
    assert_eq!(append(&store, key, 100), Err(StoreError::OfflineFull));
    store.close();
    let store = Store::open(&config).unwrap();
    assert_eq!(append(&store, key, 100), Err(StoreError::OfflineFull));
    write(&store, key, Write::OfflineTrim { through: MessageId(1) }).unwrap();
    assert_eq!(append(&store, key, 100), Ok(()));
}

#[test]
fn message_outlives_the_one_of_two_accounts_that_is_removed() {
    for settled in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(dir.path());
        let (alice, bob) = (account(&store, "alice"), account(&store, "bob"));
        let shared = message(1, "alice", "bob");
        for (key, with, outgoing) in [(alice, "bob", true), (bob, "alice", false)] {
            let (message, with) = (Arc::clone(&shared), address(with));
            store.submit(key, Write::Archive { message, with, outgoing }, None);
        }
        if settled {
            store.close();
            store = open(dir.path());
        }
        store.remove_account(&address("alice")).unwrap();
        let page = |store: &Store, key| {
            store.archive_page(key, &ArchiveQuery { limit: 9, ..ArchiveQuery::default() }).unwrap().len()
        };
        assert_eq!((page(&store, alice), page(&store, bob)), (0, 1));
        store.close();
        let store = open(dir.path());
        assert_eq!((page(&store, alice), page(&store, bob)), (0, 1));
    }
}

#[test]
fn done_is_called_in_order_of_submission() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let key = account(&store, "alice");
    let order = Arc::new(Mutex::new(Vec::new()));
    for id in 0..2000 {
        let order = Arc::clone(&order);
        let done = Box::new(move |outcome: Result<(), _>| order.lock().unwrap().push((id, outcome.is_ok())));
        let message = message(id, "bob", "alice");
        store.submit(key, Write::Archive { message, with: address("bob"), outgoing: false }, Some(done));
    }
    store.close();
    let expect: Vec<_> = (0..2000).map(|id| (id, true)).collect();
    assert_eq!(*order.lock().unwrap(), expect);
}

#[test]
fn one_failed_write_does_not_harm_its_group() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let key = account(&store, "alice");
    let (told, tell) = mpsc::channel();
    for (id, key) in [(1, key), (2, AccountKey(99)), (3, key)] {
        let told = told.clone();
        let write =
            Write::Archive { message: message(id, "bob", "alice"), with: address("bob"), outgoing: false };
        store.submit(key, write, Some(Box::new(move |outcome| told.send(outcome).unwrap())));
    }
    let outcomes: Vec<_> = tell.iter().take(3).collect();
    assert_eq!(outcomes, [Ok(()), Err(StoreError::NoSuchAccount), Ok(())]);
    let page = store.archive_page(key, &ArchiveQuery { limit: 9, ..ArchiveQuery::default() }).unwrap();
    assert_eq!(page.len(), 2);
}

#[test]
fn full_queue_refuses_and_closed_store_too() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { data_dir: dir.path().to_owned(), queue: 1, ..Config::default() };
    let store = Store::open(&config).unwrap();
    let key = account(&store, "alice");
    // The first write holds the writer until the queue was seen full.
    let (release, held) = mpsc::channel::<()>();
    let (began, begun) = mpsc::channel();
    let hold = Box::new(move |_: Result<(), _>| {
        began.send(()).unwrap();
        held.recv().unwrap();
    });
    store.submit(key, Write::RequestRemoved { from: address("x") }, Some(hold));
    begun.recv().unwrap();
    store.submit(key, Write::RequestRemoved { from: address("x") }, None);
    assert_eq!(write(&store, key, Write::RequestRemoved { from: address("x") }), Err(StoreError::Overloaded));
    assert_eq!(store.set_setting("a", Vec::new()), Err(StoreError::Overloaded));
    assert_eq!(store.backlog(), 2);
    release.send(()).unwrap();
    store.close();
    assert_eq!(store.backlog(), 0);
    assert_eq!(write(&store, key, Write::RequestRemoved { from: address("x") }), Err(StoreError::Closed));
    assert_eq!(store.remove_account(&address("alice")), Err(StoreError::Closed));
}

/// What documentation promises about backups: the server is stopped, every file is copied.
#[test]
fn copy_of_a_closed_folder_is_complete() {
    let (dir, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(dir.path());
    let key = account(&store, "alice");
    for id in 1..=300 {
        let with = address("bob");
        let archive = Write::Archive { message: message(id, "bob", "alice"), with, outgoing: false };
        store.submit(key, archive, None);
        write(&store, key, Write::OfflineAppend(message(id, "bob", "alice"))).unwrap();
    }
    store.close();
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    let store = open(copy.path());
    let all = ArchiveQuery { limit: 999, ..ArchiveQuery::default() };
    let archived = store.archive_page(key, &all).unwrap();
    assert!(archived.iter().map(|line| line.message.id.0).eq(1..=300));
    assert_eq!(offline(&store, key, 999).unwrap(), (1..=300).collect::<Vec<_>>());
}

/// While a generation moves into the tables, nothing is missing and nothing is there twice.
#[test]
fn reader_sees_each_message_once_while_the_tables_are_filled() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let key = account(&store, "alice");
    for id in 1..=500 {
        write(&store, key, Write::OfflineAppend(message(id, "bob", "alice"))).unwrap();
        if id % 7 == 0 {
            let first = offline(&store, key, 1).unwrap()[0];
            assert_eq!(offline(&store, key, 999).unwrap(), (first..=id).collect::<Vec<_>>());
            write(&store, key, Write::OfflineTrim { through: MessageId(first + 2) }).unwrap();
            assert!(load(&store, "alice").has_offline);
        }
    }
}

/// The database is the filler's meanwhile, and what is for it comes after.
#[test]
fn changes_are_made_while_the_tables_are_filled() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let key = account(&store, "alice");
    for id in 1..=400 {
        let with = address("bob");
        let archive = Write::Archive { message: message(id, "bob", "alice"), with, outgoing: true };
        store.submit(key, archive, None);
        if id % 20 == 0 {
            store.set_setting("last", id.to_be_bytes().to_vec()).unwrap();
            assert_eq!(store.setting("last").unwrap(), Some(id.to_be_bytes().to_vec()));
        }
    }
    store.remove_account(&address("alice")).unwrap();
    drop(store);
    let store = open(dir.path());
    let all = ArchiveQuery { limit: 999, ..ArchiveQuery::default() };
    assert!(store.archive_page(key, &all).unwrap().is_empty());
}

#[test]
fn second_process_is_kept_away() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let config = Config { data_dir: dir.path().to_owned(), ..Config::default() };
    assert_eq!(Store::open(&config).err(), Some(StoreError::InUse));
    drop(store);
    assert!(Store::open(&config).is_ok());
}
