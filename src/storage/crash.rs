//! Kills a process in the middle of writing, again and again, and counts what is left.
//!
//! The process is this test binary itself, told by an environment variable to run the test
//! `writes_until_it_is_killed` and nothing else.

use std::{
    collections::HashSet,
    env,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, mpsc},
};

use bytes::Bytes;

use super::*;
use crate::signal::{
    Address, Content, Keep, Message, MessageId, MessageKind, Native, Party, Text, Timestamp,
};

/// Names the data folder to the process that is to be killed.
const FOLDER: &str = "ROLLCALL_TEST_CRASH_FOLDER";
const ACCOUNTS: usize = 4;
const ROUNDS: u128 = 6;

fn open(data_dir: &Path) -> Store {
    Store::open(&Config { data_dir: data_dir.to_owned(), ..Config::default() }).unwrap()
}

fn address(index: usize) -> Address {
    Address::new(&format!("user{index}"), "example.org").unwrap()
}

fn message(id: u128) -> Arc<Message> {
    let party = Party::bare(address(0));
    Arc::new(Message {
        id: MessageId(id),
        from: party.clone(),
        to: party,
        kind: MessageKind::Chat,
        sent: Timestamp(1),
        origin_id: None,
        content: Content { bodies: [Text::plain("hello")].into_iter().collect(), ..Content::default() },
        native: Native::None,
        keep: Keep::ALL,
    })
}

/// Archives and appends messages from `first` on, and prints the id of each that is durable.
#[test]
fn writes_until_it_is_killed() {
    let Some(folder) = env::var_os(FOLDER) else { return };
    let store = open(Path::new(&folder));
    let keys: Vec<_> =
        (0..ACCOUNTS).map(|index| store.account(&address(index)).unwrap().unwrap().key).collect();
    let first: u128 = env::var("ROLLCALL_TEST_CRASH_FIRST").unwrap().parse().unwrap();
    let (told, tell) = mpsc::channel();
    for id in first.. {
        let key = keys[id as usize % ACCOUNTS];
        let both = Arc::new(Mutex::new(0));
        let archive = Write::Archive { message: message(id), with: address(9), outgoing: false };
        for write in [archive, Write::OfflineAppend(message(id))] {
            let (told, both) = (told.clone(), Arc::clone(&both));
            let done = Box::new(move |outcome: Result<(), StoreError>| {
                outcome.unwrap();
                let mut both = both.lock().unwrap();
                *both += 1;
                if *both == 2 {
                    told.send(id).unwrap();
                }
            });
            store.submit(key, write, Some(done));
        }
        while let Ok(id) = tell.try_recv() {
            println!("\ndurable {id}");
        }
        if store.backlog() > 200 {
            println!("\ndurable {}", tell.recv().unwrap());
        }
    }
}

/// Puts small values, a few keys again and again, and prints what is durable.
#[test]
fn remembers_until_it_is_killed() {
    let Some(folder) = env::var_os(FOLDER) else { return };
    let memory = open(Path::new(&folder)).memory("test");
    let first: u128 = env::var("ROLLCALL_TEST_CRASH_FIRST").unwrap().parse().unwrap();
    let (told, tell) = mpsc::channel();
    for (count, id) in (1..).zip(first..) {
        let told = told.clone();
        let done = Box::new(move |outcome: Result<(), StoreError>| {
            outcome.unwrap();
            told.send(id).unwrap();
        });
        let key = Bytes::from((id % 10).to_string());
        memory.change(key, Some(Bytes::from(id.to_string())), Some(done)).unwrap();
        if count % 20 == 0 {
            println!("\ndurable {}", tell.iter().take(20).last().unwrap());
        }
    }
}

fn start(folder: &Path, first: u128) -> Child {
    start_test("writes_until_it_is_killed", folder, first)
}

fn start_test(test: &str, folder: &Path, first: u128) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", &format!("storage::crash::{test}"), "--nocapture"])
        .env(FOLDER, folder)
        .env("ROLLCALL_TEST_CRASH_FIRST", first.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The ids that the process said were durable, until there are `enough`; then it is killed.
fn kill_after(mut child: Child, enough: usize) -> Vec<u128> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut ids = Vec::new();
    for line in lines {
        if let Some(id) = line.unwrap().strip_prefix("durable ").and_then(|id| id.parse().ok()) {
            ids.push(id);
        }
        if ids.len() == enough {
            // SIGKILL; what it still printed is read, too.
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    ids
}

fn offline_ids(store: &Store, key: AccountKey) -> Vec<u128> {
    let (told, tell) = mpsc::channel();
    store.offline_read(key, usize::MAX, Box::new(move |chunk| told.send(chunk).unwrap()));
    tell.recv().unwrap().unwrap().messages.iter().map(|message| message.id.0).collect()
}

#[test]
fn everything_acknowledged_survives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for index in 0..ACCOUNTS {
        let new = NewAccount {
            address: address(index),
            is_admin: false,
            created: Timestamp(1),
            credential: Vec::new(),
        };
        store.create_account(new).unwrap();
    }
    drop(store);
    let mut durable = HashSet::new();
    for round in 0..ROUNDS {
        let enough = 100 + 37 * round as usize;
        durable.extend(kill_after(start(dir.path(), round * 1_000_000), enough));
        let store = open(dir.path());
        let (mut archived, mut waiting) = (HashSet::new(), HashSet::new());
        for index in 0..ACCOUNTS {
            let key = store.account(&address(index)).unwrap().unwrap().key;
            let all = ArchiveQuery { limit: usize::MAX, ..ArchiveQuery::default() };
            archived.extend(store.archive_page(key, &all).unwrap().iter().map(|line| line.message.id.0));
            let ids = offline_ids(&store, key);
            assert!(ids.is_sorted(), "order of submission is kept");
            waiting.extend(ids);
        }
        assert!(durable.len() >= enough);
        assert_eq!(durable.difference(&archived).count(), 0, "archived, round {round}");
        assert_eq!(durable.difference(&waiting).count(), 0, "waiting, round {round}");
    }
}

#[test]
fn memory_survives_a_kill_and_never_goes_back() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    for round in 1..4 {
        let child = start_test("remembers_until_it_is_killed", dir.path(), round * 1_000_001);
        let last = *kill_after(child, 5).iter().max().unwrap();
        let all = open(dir.path()).memory("test").all().unwrap();
        let number = |bytes: &Bytes| std::str::from_utf8(bytes).unwrap().parse::<u128>().unwrap();
        assert_eq!(all.len(), 10);
        for (key, value) in all {
            assert_eq!(number(&value) % 10, number(&key));
            assert!(number(&value) + 10 > last, "{last} was durable, {value:?} is older than it may be");
        }
    }
}
