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
        drop(open_all(&accounts, SessionKind::Device).await);
        retire_all(&accounts).await;

        let before = held();
        for (kind, most) in [(SessionKind::Device, 1050), (SessionKind::Client, 1050)] {
            let sessions = open_all(&accounts, kind).await;
            let each = (held() - before) / ACCOUNTS as isize;
            println!("{kind:?}: {each} bytes per account with a session");
            assert!(each <= most, "{kind:?}: {each} bytes per account with a session");
            drop(sessions);
            retire_all(&accounts).await;
            let each = (held() - before) / ACCOUNTS as isize;
            println!("{each} bytes per account that was retired");
            assert!(each <= 8, "{each} bytes per account that was retired");
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

async fn retire_all(accounts: &Accounts) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while accounts.loaded() > 0 {
        assert!(Instant::now() < deadline, "{} accounts stay in memory", accounts.loaded());
        tokio::time::sleep(Duration::from_millis(50)).await;
        accounts.retire_idle();
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
