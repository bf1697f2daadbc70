//! Fills a data folder for measurements: accounts, an archive, or a roster, by the thousand.
//!
//! Goes through the library, so that it writes what this version of the server reads. No server may
//! use the folder meanwhile. Accounts are `u0@DOMAIN` and so on, with the password `secret`.
//!
//! ```text
//! fill CONFIG accounts FROM TO              the accounts from number FROM up to TO, TO excluded
//! fill CONFIG archive ACCOUNT FROM TO START messages FROM up to TO of its archive, with a thousand people
//!                                           in turn, a millisecond apart; START is the time of the very
//!                                           first, in milliseconds since 1970
//! fill CONFIG roster ACCOUNT FROM TO        u(FROM)... as mutual contacts, in the rosters of both
//! fill CONFIG ring COUNT EACH               each of the first COUNT accounts and the EACH that follow it as
//!                                           mutual contacts; the first one follows the last
//! ```

use std::{
    env,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, bail};
use rollcall::{
    auth::Authenticator,
    config::Config,
    signal::{
        Address, Contact, Content, Keep, Message, MessageId, MessageKind, Native, Party, Text, Timestamp,
    },
    storage::{AccountKey, Store, StoreError, Write},
};
use tokio::{runtime::Runtime, task::JoinSet};

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let [file, what, rest @ ..] = &words[..] else {
        bail!("usage: fill CONFIG accounts|archive|roster|ring ...")
    };
    let filler = Filler::open(Path::new(file))?;
    match (*what, rest) {
        ("accounts", [from, to]) => filler.add_accounts(from.parse()?, to.parse()?)?,
        ("archive", [owner, from, to, start]) => {
            filler.add_messages(owner, from.parse()?, to.parse()?, start.parse()?)?;
        }
        ("roster", [owner, from, to]) => filler.add_contacts(owner, from.parse()?, to.parse()?)?,
        ("ring", [count, each]) => filler.add_ring(count.parse()?, each.parse()?)?,
        _ => bail!("fill knows no {what} with {} arguments", rest.len()),
    }
    filler.store.close();
    Ok(())
}

struct Filler {
    store: Store,
    authenticator: Authenticator,
    domain: String,
    runtime: Runtime,
    failed: Arc<AtomicUsize>,
}

impl Filler {
    fn open(file: &Path) -> anyhow::Result<Self> {
        let config = Config::load(file)?;
        let mut storage = config.storage.clone();
        storage.data_dir.clone_from(&config.server.data_dir);
        let runtime = Runtime::new()?;
        let store = Store::open(&storage)?;
        let authenticator = Authenticator::open(config.auth, &config.server.data_dir, store.clone())?;
        let domain = config.server.domains.first().context("a domain")?.to_string();
        Ok(Self { store, authenticator, domain, runtime, failed: Arc::default() })
    }

    fn address(&self, name: &str) -> anyhow::Result<Address> {
        Ok(Address::new(name, &self.domain)?)
    }

    fn key_of(&self, address: &Address) -> anyhow::Result<AccountKey> {
        let account = self.store.account(address)?;
        Ok(account.with_context(|| format!("there is no account {address}"))?.key)
    }

    fn add_accounts(&self, from: usize, to: usize) -> anyhow::Result<()> {
        self.runtime.block_on(async {
            let mut running = JoinSet::new();
            for number in from..to {
                if running.len() == TOGETHER {
                    running.join_next().await.context("one is running")???;
                }
                let (address, authenticator) =
                    (self.address(&format!("u{number}"))?, self.authenticator.clone());
                running.spawn(async move { authenticator.create_account(&address, PASSWORD, false).await });
            }
            while let Some(outcome) = running.join_next().await {
                outcome??;
            }
            Ok(())
        })
    }

    fn add_messages(&self, owner: &str, from: u64, to: u64, start: u64) -> anyhow::Result<()> {
        let owner = self.address(owner)?;
        let key = self.key_of(&owner)?;
        for number in from..to {
            let with = self.address(&format!("p{}", number % PEERS))?;
            let message = Arc::new(message(&owner, &with, number, start + number));
            self.submit(key, Write::Archive { message, with, outgoing: number % 2 == 0 })?;
        }
        self.settle()
    }

    fn add_contacts(&self, owner: &str, from: usize, to: usize) -> anyhow::Result<()> {
        let owner = self.address(owner)?;
        let key = self.key_of(&owner)?;
        for number in from..to {
            let contact = self.address(&format!("u{number}"))?;
            self.submit(
                key,
                Write::Contact { contact: mutual(&contact), version: u64::try_from(number)? + 1 },
            )?;
            let other = self.key_of(&contact)?;
            self.submit(other, Write::Contact { contact: mutual(&owner), version: 1 })?;
        }
        self.settle()
    }

    fn add_ring(&self, count: usize, each: usize) -> anyhow::Result<()> {
        let addresses = (0..count).map(|number| self.address(&format!("u{number}")));
        let addresses = addresses.collect::<anyhow::Result<Vec<_>>>()?;
        let keys =
            addresses.iter().map(|address| self.key_of(address)).collect::<anyhow::Result<Vec<_>>>()?;
        for one in 0..count {
            for step in 1..=each {
                let other = (one + step) % count;
                let version = u64::try_from(2 * step)?;
                self.submit(keys[one], Write::Contact { contact: mutual(&addresses[other]), version })?;
                let version = version + 1;
                self.submit(keys[other], Write::Contact { contact: mutual(&addresses[one]), version })?;
            }
        }
        self.settle()
    }

    /// Submits a write; waits where the store has enough to do.
    fn submit(&self, key: AccountKey, write: Write) -> anyhow::Result<()> {
        while self.store.backlog() > BACKLOG {
            thread::sleep(Duration::from_millis(1));
        }
        let failed = Arc::clone(&self.failed);
        let done = move |outcome: Result<(), StoreError>| {
            if outcome.is_err() {
                failed.fetch_add(1, Ordering::Relaxed);
            }
        };
        self.store.submit(key, write, Some(Box::new(done)));
        Ok(())
    }

    fn settle(&self) -> anyhow::Result<()> {
        while self.store.backlog() > 0 {
            thread::sleep(Duration::from_millis(1));
        }
        match self.failed.load(Ordering::Relaxed) {
            0 => Ok(()),
            failed => bail!("{failed} writes failed"),
        }
    }
}

fn mutual(address: &Address) -> Contact {
    Contact { to: true, from: true, ..Contact::new(address.clone()) }
}

/// A message as a chat client sends it, of some three hundred bytes.
fn message(owner: &Address, with: &Address, number: u64, at: u64) -> Message {
    let text =
        format!("message {number} of many, about as long as what people write to each other in a chat");
    let payload = format!("<body>{text}</body><origin-id xmlns='urn:xmpp:sid:0' id='fill-{number:016x}'/>");
    let (from, to) = if number.is_multiple_of(2) { (owner, with) } else { (with, owner) };
    Message {
        id: MessageId::from_parts(at, u128::from(number) << 16),
        from: Party::bare(from.clone()),
        to: Party::bare(to.clone()),
        kind: MessageKind::Chat,
        sent: Timestamp(i64::try_from(at).unwrap_or_default()),
        origin_id: None,
        content: Content { bodies: [Text::plain(&text)].into_iter().collect(), ..Content::default() },
        native: Native::Elements { payload: payload.into_bytes().into(), lang: None },
        keep: Keep::ALL,
    }
}

/// Accounts made at a time: their writes share a commit.
const TOGETHER: usize = 256;
/// Writes that wait for the disk at most.
const BACKLOG: usize = 4096;
/// People with whom an archive was written.
const PEERS: u64 = 1000;
const PASSWORD: &str = "secret";
