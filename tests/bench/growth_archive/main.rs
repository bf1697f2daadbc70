//! Growth of the archive: what a message and a page cost with 10^3 to 10^7 messages archived.
//!
//! `growth_archive [FOLDER] [LARGEST] [ACCOUNTS]`: fills a store in FOLDER (a temporary one where
//! it is not given) up to LARGEST lines (10000000) of ACCOUNTS accounts (1000), and prints a line
//! of JSON at every power of ten: CPU time and bytes written per line, and CPU time per page. What
//! is measured goes through the store's door: queue, journal and tables. Linux only: reads /proc.

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use rollcall::{
    signal::{Address, Content, Keep, Message, MessageId, MessageKind, Native, Party, Text, Timestamp},
    storage::{AccountKey, ArchiveEnd, ArchiveQuery, Config, NewAccount, Store, Write},
};

fn main() {
    let mut arguments = env::args().skip(1);
    let folder = arguments.next().map_or_else(|| env::temp_dir().join("rollcall-growth"), PathBuf::from);
    let largest = arguments.next().map_or(10_000_000, |text| text.parse().expect("a number of lines"));
    let accounts = arguments.next().map_or(1000, |text| text.parse().expect("a number of accounts"));
    assert!(!folder.exists(), "{} is there already", folder.display());
    let mut archive = Archive::new(&folder, accounts);
    let mut size = 1000;
    while size <= largest {
        let written = archive.fill_to(size);
        let pages = archive.read_pages();
        println!(
            "{{\"scenario\":\"growth archive\",\"lines\":{size},\"accounts\":{accounts},\
             \"insert_us\":{:.2},\"insert_wall_us\":{:.2},\"written_bytes\":{:.0},\
             \"page_newest_us\":{:.1},\"page_middle_us\":{:.1},\"page_peer_us\":{:.1}}}",
            written.cpu_us, written.wall_us, written.bytes, pages.newest, pages.middle, pages.peer
        );
        size *= 10;
    }
    drop(archive);
    fs::remove_dir_all(&folder).expect("the folder is ours");
}

/// A store that is filled, and how far.
struct Archive {
    store: Store,
    keys: Vec<AccountKey>,
    lines: u64,
    durable: Arc<AtomicU64>,
}

/// Per line, over the last part of a filling.
struct Written {
    cpu_us: f64,
    wall_us: f64,
    bytes: f64,
}

/// Microseconds of CPU time per page of 50 lines.
struct Pages {
    newest: f64,
    middle: f64,
    peer: f64,
}

impl Archive {
    fn new(folder: &Path, accounts: usize) -> Self {
        let config = Config { data_dir: folder.to_owned(), ..Config::default() };
        let store = Store::open(&config).expect("the store opens");
        let create = |index| {
            let new = NewAccount {
                address: address(index),
                is_admin: false,
                created: Timestamp(1),
                credential: Vec::new(),
            };
            store.create_account(new).expect("the account is new")
        };
        let keys = (0..accounts).map(create).collect();
        Self { store, keys, lines: 0, durable: Arc::default() }
    }

    /// Archives messages, each with its sender and its receiver, until there are `size` lines.
    /// Measures the last 100000 of them at most.
    fn fill_to(&mut self, size: u64) -> Written {
        let measured = (size - self.lines).min(100_000);
        self.fill(size - measured);
        let (cpu, bytes, began) = (cpu_us(), written_bytes(), Instant::now());
        self.fill(size);
        let lines = measured as f64;
        Written {
            cpu_us: (cpu_us() - cpu) / lines,
            wall_us: began.elapsed().as_micros() as f64 / lines,
            bytes: (written_bytes() - bytes) as f64 / lines,
        }
    }

    fn fill(&mut self, size: u64) {
        while self.lines < size {
            let number = self.lines / 2;
            // Pairs far apart, so that neighbours in time are not neighbours in the table.
            let from = scatter(number) as usize % self.keys.len();
            let to = (from + 1 + scatter(number / 7) as usize % 20) % self.keys.len();
            let message = message(number, from, to);
            for (owner, other, outgoing) in [(from, to, true), (to, from, false)] {
                let (message, with) = (Arc::clone(&message), address(other));
                let durable = Arc::clone(&self.durable);
                let done = Box::new(move |outcome: Result<(), _>| {
                    assert_eq!(outcome, Ok(()));
                    durable.fetch_add(1, Ordering::Release);
                });
                self.store.submit(self.keys[owner], Write::Archive { message, with, outgoing }, Some(done));
            }
            self.lines += 2;
            while self.lines - self.durable.load(Ordering::Acquire) > IN_FLIGHT {
                thread::sleep(Duration::from_micros(200));
            }
        }
        while self.durable.load(Ordering::Acquire) < self.lines {
            thread::sleep(Duration::from_micros(200));
        }
    }

    fn read_pages(&self) -> Pages {
        let newest = ArchiveQuery { limit: 50, from: ArchiveEnd::Newest, ..ArchiveQuery::default() };
        let middle =
            ArchiveQuery { after: Some(id(self.lines / 4)), from: ArchiveEnd::Oldest, ..newest.clone() };
        Pages {
            newest: self.pages(|_| newest.clone()),
            middle: self.pages(|_| middle.clone()),
            peer: self.pages(|owner| {
                let with = Some(address((owner + 7) % self.keys.len()));
                ArchiveQuery { with, ..newest.clone() }
            }),
        }
    }

    fn pages(&self, query: impl Fn(usize) -> ArchiveQuery) -> f64 {
        let owners = (0..PAGES).map(|page| scatter(page) as usize % self.keys.len());
        let began = cpu_us();
        for owner in owners {
            self.store.archive_page(self.keys[owner], &query(owner)).expect("the page is read");
        }
        (cpu_us() - began) / PAGES as f64
    }
}

fn address(index: usize) -> Address {
    Address::new(&format!("user{index}"), "example.org").expect("a good address")
}

fn id(number: u64) -> MessageId {
    MessageId::from_parts(1_600_000_000_000 + number * APART_MS, u128::from(scatter(number)))
}

/// A chat message of an XMPP client with 300 bytes of text.
fn message(number: u64, from: usize, to: usize) -> Arc<Message> {
    let text = format!("{number:0300}");
    let payload = Bytes::from(format!("<body>{text}</body>"));
    Arc::new(Message {
        id: id(number),
        from: Party::bare(address(from)),
        to: Party::bare(address(to)),
        kind: MessageKind::Chat,
        sent: Timestamp(number as i64),
        origin_id: Some(format!("m{number}").into()),
        content: Content { bodies: [Text::plain(&text)].into_iter().collect(), ..Content::default() },
        native: Native::Elements { payload, lang: None },
        keep: Keep::ALL,
    })
}

/// Numbers that look random and are the same in every run.
fn scatter(number: u64) -> u64 {
    let mixed = (number ^ 0x9e37_79b9).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed ^ (mixed >> 29)) >> 8
}

/// CPU time of this process in microseconds, that of its threads together.
fn cpu_us() -> f64 {
    let tasks = fs::read_dir("/proc/self/task").expect("Linux");
    let nanoseconds = |task: fs::DirEntry| -> Option<f64> {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse().ok()
    };
    tasks.filter_map(|task| nanoseconds(task.ok()?)).sum::<f64>() / 1000.0
}

/// Bytes that this process had written to the disk.
fn written_bytes() -> u64 {
    let text = fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// From one message to the next: ten million lines are ten months.
const APART_MS: u64 = 5_000;
/// Lines that wait for the disk at a time: a busy server.
const IN_FLIGHT: u64 = 200;
/// Pages that are read for one figure.
const PAGES: u64 = 500;
