//! The rules of accounts with the shell around them, as a session runs them on its own thread.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use rollcall::{
    account::{Accounts, Config, Outbox, Parcel, Request, Session, SessionKind, SessionSpec},
    signal::{
        Address, Availability, ContactEvent, Content, Keep, Message, MessageKind, Native, Party, Presence,
        RequestId, Resource, Text, Timestamp,
    },
    storage::{self, NewAccount, Store},
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::{ROUNDS, counted};

/// A message that nobody keeps, from session to session, and its confirmation.
pub(crate) fn message() {
    exchange(Keep::NONE);
}

/// The same for two archives: what the sender's thread does for it. The writing thread is not counted.
pub(crate) fn archived_message() {
    exchange(Keep::ALL);
}

fn exchange(keep: Keep) {
    let house = House::new(2);
    let (mut alice, mut bob) = (house.open(0), house.open(1));
    let mut at_once = 0;
    for round in 0..ROUNDS + CALM {
        let message = house.message(keep);
        let mut confirmed = 0;
        let mut work = || {
            alice.session.send(Arc::clone(&message), Some(RequestId(u64::from(round))));
            bob.outbox.try_drain(&mut bob.waiting);
            confirmed = bob.confirm();
        };
        if round < CALM {
            work()
        } else {
            counted(&mut work)
        }
        at_once += confirmed;
        while confirmed == 0 {
            bob.wait(&house);
            confirmed = bob.confirm();
        }
        assert_eq!(confirmed, 1, "a message comes once");
        alice.outbox.try_drain(&mut alice.waiting);
        alice.waiting.clear();
    }
    assert!(at_once >= ROUNDS, "this thread did the work: {at_once}");
}

/// A change of presence, told to a hundred contacts.
pub(crate) fn fan_out() {
    let (house, owner, mut contacts) = friends();
    for round in 0..ROUNDS + CALM {
        let shown = [Availability::Away, Availability::Online][round as usize % 2];
        let presence = Arc::new(Presence { availability: shown, ..Presence::online(Timestamp(2)) });
        let mut work = || owner.session.announce(Arc::clone(&presence));
        if round < CALM {
            work()
        } else {
            counted(&mut work)
        }
        for contact in &mut contacts {
            contact.wait(&house);
            contact.waiting.clear();
        }
    }
}

/// A roster of a hundred contacts, read.
pub(crate) fn roster() {
    let (house, mut owner, _contacts) = friends();
    for round in 0..ROUNDS + CALM {
        let tag = Some(RequestId(u64::from(round)));
        let mut work = || owner.session.ask_tagged(Request::Roster { since: None }, tag);
        if round < CALM {
            work()
        } else {
            counted(&mut work)
        }
        owner.wait(&house);
        owner.waiting.clear();
    }
}

/// The first account, and a hundred others that see its presence.
fn friends() -> (House, Client, Vec<Client>) {
    let house = House::new(101);
    let owner = house.open(0);
    let contacts: Vec<_> = (1..=100).map(|number| house.open(number)).collect();
    for (number, contact) in (1..).zip(&contacts) {
        house.contact(&owner, number, ContactEvent::Subscribed);
        house.contact(contact, 0, ContactEvent::Subscribe);
    }
    (house, owner, contacts)
}

/// A store in a folder of its own, with accounts.
struct House {
    accounts: Accounts,
    runtime: Runtime,
    _folder: TempDir,
}

struct Client {
    session: Session,
    outbox: Arc<Outbox>,
    waiting: VecDeque<Parcel>,
}

impl Client {
    /// Waits until something was told.
    fn wait(&mut self, house: &House) {
        house.runtime.block_on(self.outbox.drain(&mut self.waiting));
    }

    /// Confirms the messages among what waits; how many they were.
    fn confirm(&mut self) -> u32 {
        let mut confirmed = 0;
        for parcel in self.waiting.drain(..) {
            if let Parcel::Message(delivery) = parcel {
                delivery.confirm();
                confirmed += 1;
            }
        }
        confirmed
    }
}

impl House {
    fn new(accounts: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let config = storage::Config { data_dir: folder.path().to_owned(), ..storage::Config::default() };
        let store = Store::open(&config).unwrap();
        for number in 0..accounts {
            let address = address(number);
            let credential = Vec::new();
            store
                .create_account(NewAccount { address, is_admin: false, created: Timestamp(1), credential })
                .unwrap();
        }
        let home = vec![Address::domain_only("example.org").unwrap()];
        let accounts = {
            let _inside = runtime.enter();
            Accounts::new(store, home, Config::default())
        };
        Self { accounts, runtime, _folder: folder }
    }

    fn open(&self, number: usize) -> Client {
        let address = address(number);
        let outbox = Outbox::new(1000);
        let spec = SessionSpec {
            kind: SessionKind::Client,
            resource: Resource::new("desk").unwrap(),
            since: Timestamp(1),
            device: None,
            client: None,
            contact: None,
            takes_messages: true,
            takes_calls: false,
            takes_copies: false,
            follows_roster: false,
        };
        let opening = self.accounts.open(&address, spec, outbox.clone());
        let session = self.runtime.block_on(opening).unwrap();
        session.announce(Arc::new(Presence::online(Timestamp(1))));
        Client { session, outbox, waiting: VecDeque::new() }
    }

    fn contact(&self, client: &Client, to: usize, event: ContactEvent) {
        let request =
            Request::Contact { to: address(to), event, note: None, native: Native::None, origin_id: None };
        self.runtime.block_on(client.session.ask(request)).unwrap();
    }

    fn message(&self, keep: Keep) -> Arc<Message> {
        let payload = Bytes::from_static(
            b"<body>hello, how are you?</body><active xmlns='http://jabber.org/protocol/chatstates'/>",
        );
        Arc::new(Message {
            id: self.accounts.new_message_id(Timestamp(1_700_000_000_000)),
            from: Party::full(address(0), Resource::new("desk").unwrap()),
            to: Party::bare(address(1)),
            kind: MessageKind::Chat,
            sent: Timestamp(1_700_000_000_000),
            origin_id: Some("4b9f4d9e-7b0c".into()),
            content: Content {
                bodies: [Text::plain("hello, how are you?")].into_iter().collect(),
                ..Content::default()
            },
            native: Native::Elements { payload, lang: None },
            keep,
        })
    }
}

fn address(number: usize) -> Address {
    Address::new(&format!("u{number}"), "example.org").unwrap()
}

/// Rounds that are not counted: the thread that read an account runs its rules until it comes to rest.
const CALM: u32 = 20;
