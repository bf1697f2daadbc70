//! What an account and its session keep in memory, counted by the allocator: a test of its own
//! process, because the count is of the whole process. The store's database counts with its own
//! allocator and is not in it; neither is the connection, which the doors keep.

use std::{
    alloc::System,
    sync::Arc,
    time::{Duration, Instant},
};

use rollcall::{
    account::{Accounts, Config, Parcel, Session, SessionKind, SessionSpec, Sink, SinkFull},
    signal::{Address, Presence, Resource, SessionId, Timestamp},
    storage::{NewAccount, Store},
};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn a_session_takes_a_few_hundred_bytes_and_an_unused_account_none() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let config = rollcall::storage::Config { data_dir: folder.path().to_owned(), ..Default::default() };
        let store = Store::open(&config).expect("a store");
        create_accounts(&store);
        let home = vec![Address::domain_only("example.org").expect("a domain")];
        let accounts = Accounts::new(store.clone(), home, Config { idle_seconds: 1, ..Config::default() });

        // The first round pays for what stays once and for all.
        close_all(open_all(&accounts, SessionKind::Device).await, &store).await;
        retire_all(&accounts, &store).await;

        let before = held();
        for (kind, most) in [(SessionKind::Device, 1130), (SessionKind::Client, 1130)] {
            let sessions = open_all(&accounts, kind).await;
            let each = (held() - before) / ACCOUNTS as isize;
            println!("{kind:?}: {each} bytes per account with a session");
            assert!(each <= most, "{kind:?}: {each} bytes per account with a session");
            close_all(sessions, &store).await;
            retire_all(&accounts, &store).await;
            let left = || (held() - before) / ACCOUNTS as isize;
            let deadline = Instant::now() + Duration::from_secs(30);
            // Whoever waited for the disk hears of it, and forgets.
            while left() > 8 && Instant::now() < deadline {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            println!("{} bytes per account that was retired", left());
            assert!(left() <= 8, "{} bytes per account that was retired", left());
        }
    });
}

fn create_accounts(store: &Store) {
    let makers: Vec<_> = (0..MAKERS)
        .map(|maker| {
            let store = store.clone();
            std::thread::spawn(move || {
                for number in (maker..ACCOUNTS).step_by(MAKERS) {
                    let address = address(number);
                    let new = NewAccount {
                        address,
                        is_admin: false,
                        created: Timestamp(1),
                        credential: Vec::new(),
                    };
                    store.create_account(new).expect("an account is made");
                }
            })
        })
        .collect();
    for maker in makers {
        maker.join().expect("accounts are made");
    }
}

async fn open_all(accounts: &Accounts, kind: SessionKind) -> Vec<Session> {
    let sink: Arc<dyn Sink> = Arc::new(Nowhere);
    let mut sessions = Vec::with_capacity(ACCOUNTS);
    for number in 0..ACCOUNTS {
        let spec = SessionSpec {
            kind,
            resource: Resource::new("some-resource-of-20b").expect("a resource"),
            since: Timestamp(1),
            device: None,
            client: None,
            contact: None,
            takes_messages: true,
            takes_calls: false,
            takes_copies: true,
            follows_roster: true,
        };
        let session = accounts.open(&address(number), spec, Arc::clone(&sink)).await.expect("a session");
        session.announce(Arc::new(Presence::online(Timestamp(2))));
        sessions.push(session);
    }
    sessions
}

/// A few at a time: when its owner was last there is written down for each, and the queue to the disk keeps the room
/// that it once needed.
async fn close_all(mut sessions: Vec<Session>, store: &Store) {
    while !sessions.is_empty() {
        sessions.truncate(sessions.len().saturating_sub(25));
        tokio::task::yield_now().await;
        wait_for_disk(store);
    }
}

async fn retire_all(accounts: &Accounts, store: &Store) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while accounts.loaded() > 0 {
        assert!(Instant::now() < deadline, "{} accounts stay in memory", accounts.loaded());
        tokio::time::sleep(Duration::from_millis(50)).await;
        accounts.retire_idle();
    }
    wait_for_disk(store);
}

/// A change that waits for its turn waits for all before it; once a second one is done, what was taken up with the
/// first is forgotten.
fn wait_for_disk(store: &Store) {
    for _ in 0..2 {
        assert_eq!(store.remove_report(0), Ok(false));
    }
}

/// Bytes that are allocated now.
fn held() -> isize {
    let stats = ALLOCATOR.stats();
    (stats.bytes_allocated as isize) - (stats.bytes_deallocated as isize)
}

fn address(number: usize) -> Address {
    Address::new(&format!("user{number:05}"), "example.org").expect("an address")
}

/// A door that keeps nothing.
struct Nowhere;

impl Sink for Nowhere {
    fn push(&self, _: SessionId, _: Parcel) -> Result<(), SinkFull> {
        Ok(())
    }
}

const ACCOUNTS: usize = 2000;
const MAKERS: usize = 64;
