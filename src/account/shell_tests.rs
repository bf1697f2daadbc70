//! The shell over a real store: what is promised is on disk, what is not confirmed comes back, and
//! many threads at once keep order.

use std::{
    collections::VecDeque,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::timeout;

use super::{
    Accounts, Carrier, CloseReason, Config, Copy, DomainReach, Event, Load, Opened, Outbox, Parcel, Reply,
    Request, Sent, Session, SessionKind, SessionSpec, Shown, WatchId, WatchKind, WatchSink, WatchSpec,
    WatchState,
};
use crate::{
    signal::{
        Address, Availability, ContactEvent, ContactSignal, Content, Keep, Message, MessageKind, Native,
        News, Party, Presence, PresenceNotice, Reason, RequestId, Resource, Signal, Text, Timestamp,
    },
    storage::{ArchiveQuery, NewAccount, Store},
};

fn address(local: &str) -> Address {
    Address::new(local, "example.org").unwrap()
}

fn start(folder: &Path, names: &[&str]) -> (Accounts, Store) {
    let config = crate::storage::Config { data_dir: folder.to_owned(), ..Default::default() };
    let store = Store::open(&config).unwrap();
    for name in names {
        let new = NewAccount {
            address: address(name),
            is_admin: false,
            created: Timestamp(1),
            credential: Vec::new(),
        };
        store.create_account(new).unwrap();
    }
    let home = vec![Address::domain_only("example.org").unwrap()];
    (Accounts::new(store.clone(), home, Config::default()), store)
}

struct Client {
    session: Session,
    outbox: Arc<Outbox>,
    waiting: VecDeque<Parcel>,
}

impl Client {
    async fn open(accounts: &Accounts, name: &str, resource: &str, bound: usize) -> Self {
        let outbox = Outbox::new(bound);
        let spec = SessionSpec {
            kind: SessionKind::Client,
            resource: Resource::new(resource).unwrap(),
            since: Timestamp(1),
            device: None,
            client: None,
            contact: None,
            takes_messages: true,
            takes_calls: false,
            takes_copies: false,
            follows_roster: false,
        };
        let session = accounts.open(&address(name), spec, outbox.clone()).await.unwrap();
        session.announce(Arc::new(Presence::online(Timestamp(1))));
        Self { session, outbox, waiting: VecDeque::new() }
    }

    async fn next(&mut self) -> Parcel {
        loop {
            if let Some(parcel) = self.waiting.pop_front() {
                return parcel;
            }
            timeout(DEADLINE, self.outbox.drain(&mut self.waiting)).await.expect("something is told in time");
        }
    }

    /// The next message, confirmed.
    async fn message(&mut self) -> (Copy, String) {
        loop {
            if let Parcel::Message(delivery) = self.next().await {
                let words = (delivery.copy, delivery.message.content.body().unwrap_or_default().to_owned());
                delivery.confirm();
                return words;
            }
        }
    }

    /// What somebody shows next.
    async fn sees(&mut self, whom: &Party) -> Availability {
        loop {
            if let Parcel::Event(Event::Presence(notice)) = self.next().await
                && notice.from == *whom
            {
                return notice.presence.availability;
            }
        }
    }

    async fn closed(&mut self) -> CloseReason {
        loop {
            if let Parcel::Event(Event::Closed(reason)) = self.next().await {
                return reason;
            }
        }
    }
}

fn message(accounts: &Accounts, from: &str, to: &str, text: &str) -> Arc<Message> {
    Arc::new(Message {
        id: accounts.new_message_id(Timestamp::now()),
        from: Party::bare(address(from)),
        to: Party::bare(address(to)),
        kind: MessageKind::Chat,
        sent: Timestamp::now(),
        origin_id: None,
        content: Content { bodies: [Text::plain(text)].into_iter().collect(), ..Content::default() },
        native: Native::None,
        keep: Keep::ALL,
    })
}

async fn send(accounts: &Accounts, to: &str, text: &str) -> Result<Reply, Reason> {
    let message = message(accounts, "alice", to, text);
    let alice = address("alice");
    let ask = accounts.ask(&alice, Request::Send(message));
    timeout(DEADLINE, ask).await.expect("an answer in time").map_err(|reject| reject.reason)
}

async fn archive(accounts: &Accounts, name: &str) -> Vec<String> {
    let query = ArchiveQuery { limit: 10_000, ..ArchiveQuery::default() };
    let page = accounts.archive(&address(name), query).await.unwrap();
    page.into_iter().map(|line| line.message.content.body().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn an_answer_means_confirmed_and_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let (accounts, _store) = start(folder.path(), &["alice", "bob"]);
    let mut bob = Client::open(&accounts, "bob", "desk", 100).await;
    let sender = accounts.clone();
    let mut sent = tokio::spawn(async move { send(&sender, "bob", "hi").await });
    let Parcel::Message(delivery) = bob.next_message().await else { unreachable!() };
    assert!(timeout(Duration::from_millis(50), &mut sent).await.is_err(), "no answer before it is confirmed");
    delivery.confirm();
    assert_eq!(sent.await.unwrap(), Ok(Reply::Sent(Sent::Delivered)));
    assert_eq!(archive(&accounts, "alice").await, ["hi"]);
    assert_eq!(archive(&accounts, "bob").await, ["hi"]);
}

impl Client {
    async fn next_message(&mut self) -> Parcel {
        loop {
            let parcel = self.next().await;
            if matches!(parcel, Parcel::Message(_)) {
                return parcel;
            }
        }
    }
}

#[tokio::test]
async fn what_was_said_about_presence_is_on_disk_with_both_once_it_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let (accounts, store) = start(folder.path(), &["alice", "bob"]);
    let asking = || {
        let bob = store.load_account(&address("bob")).unwrap().unwrap();
        bob.requests.into_iter().map(|request| request.from.to_string()).collect::<Vec<_>>()
    };
    let (event, note, native) = (ContactEvent::Subscribe, None, Native::None);
    let ask =
        |to| Request::Contact { to, event, note: note.clone(), native: native.clone(), origin_id: None };
    let said = timeout(DEADLINE, accounts.ask(&address("alice"), ask(address("bob")))).await;
    assert_eq!(said.expect("an answer in time"), Ok(Reply::Done));
    assert_eq!(asking(), ["alice@example.org"]);
    let carol = Address::parse("carol@elsewhere.example").unwrap();
    for (to, who) in [("bob", 2), ("nobody", 2)] {
        let signal = ContactSignal::plain(carol.clone(), address(to), event);
        let told = timeout(DEADLINE, accounts.signal(Signal::Contact(Arc::new(signal)))).await;
        assert_eq!(told.expect("an answer in time"), Ok(Reply::Done), "{to}");
        assert_eq!(asking().len(), who);
    }
    // That nobody is there does not show.
    let said = timeout(DEADLINE, accounts.ask(&address("alice"), ask(address("nobody")))).await;
    assert_eq!(said.expect("an answer in time"), Ok(Reply::Done));
}

#[tokio::test]
async fn what_a_dying_connection_had_not_passed_on_is_stored_and_delivered_later() {
    let folder = tempfile::tempdir().unwrap();
    let (accounts, _store) = start(folder.path(), &["alice", "bob"]);
    let bob = Client::open(&accounts, "bob", "desk", 100).await;
    let sender = accounts.clone();
    let sent = tokio::spawn(async move { send(&sender, "bob", "hi").await });
    while archive(&accounts, "bob").await.is_empty() {
        tokio::task::yield_now().await;
    }
    bob.outbox.close();
    drop(bob);
    assert_eq!(sent.await.unwrap(), Ok(Reply::Sent(Sent::Stored)));
    let mut again = Client::open(&accounts, "bob", "desk", 100).await;
    assert_eq!(again.message().await, (Copy::Offline, "hi".to_owned()));
}

#[tokio::test]
async fn offline_messages_survive_a_restart_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let texts: Vec<String> = (0..120).map(|number| number.to_string()).collect();
    {
        let (accounts, store) = start(folder.path(), &["alice", "bob"]);
        for text in &texts {
            assert_eq!(send(&accounts, "bob", text).await, Ok(Reply::Sent(Sent::Stored)));
        }
        store.close();
    }
    let (accounts, _store) = start(folder.path(), &[]);
    let mut bob = Client::open(&accounts, "bob", "desk", 1000).await;
    for text in &texts {
        assert_eq!(bob.message().await, (Copy::Offline, text.clone()));
    }
}

#[tokio::test]
async fn a_session_that_takes_nothing_is_closed_and_its_mail_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (accounts, _store) = start(folder.path(), &["alice", "bob"]);
    let mut bob = Client::open(&accounts, "bob", "desk", 10).await;
    let alice = address("alice");
    for number in 0..20 {
        let message = message(&accounts, "alice", "bob", &number.to_string());
        let reply = accounts.ask(&alice, Request::Send(message));
        let _ = timeout(Duration::from_millis(20), reply).await;
    }
    assert_eq!(bob.closed().await, CloseReason::TooSlow);
    drop(bob);
    let mut again = Client::open(&accounts, "bob", "desk", 100).await;
    let mut seen = Vec::new();
    while seen.len() < 20 {
        seen.push(again.message().await.1.parse::<u32>().unwrap());
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..20).collect::<Vec<_>>());
}

#[tokio::test]
async fn nobody_is_there_for_unknown_names_and_foreign_domains() {
    let folder = tempfile::tempdir().unwrap();
    let (accounts, _store) = start(folder.path(), &["alice"]);
    assert_eq!(send(&accounts, "nobody", "hi").await, Err(Reason::NotFound));
    let mut foreign = (*message(&accounts, "alice", "bob", "hi")).clone();
    foreign.to = Party::parse("bob@elsewhere.example").unwrap();
    let reply = accounts.ask(&address("alice"), Request::Send(Arc::new(foreign))).await;
    assert_eq!(reply.unwrap_err().reason, Reason::RemoteNotFound);
    let unknown = accounts.ask(&address("nobody"), Request::Summary).await;
    assert_eq!(unknown.unwrap_err().reason, Reason::NotFound);
}

#[derive(Default)]
struct Seen(AtomicUsize);

impl WatchSink for Seen {
    fn show(&self, _: WatchId, state: WatchState, _: Option<Shown>) {
        self.0.store(state as usize + 1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_watch_of_nobody_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let (accounts, _store) = start(folder.path(), &["alice"]);
    let seen = Arc::new(Seen::default());
    let until = Timestamp::now().plus_seconds(60);
    let spec = WatchSpec { watcher: address("alice"), name: None, kind: WatchKind::Presence, until };
    let _watch = accounts.watch(&address("nobody"), spec, seen.clone()).unwrap();
    while seen.0.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(seen.0.load(Ordering::SeqCst), WatchState::Gone as usize + 1);
}

#[tokio::test]
async fn idle_accounts_leave_the_memory_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let (accounts, _store) = start(folder.path(), &["alice", "bob"]);
    let stay = Client::open(&accounts, "alice", "desk", 10).await;
    send(&accounts, "bob", "hi").await.unwrap();
    assert_eq!(accounts.loaded(), 2);
    accounts.retire_unused_since(Timestamp::now().plus_seconds(1));
    assert_eq!(accounts.loaded(), 1, "an account with a session stays");
    let mut bob = Client::open(&accounts, "bob", "desk", 10).await;
    assert_eq!(bob.message().await.1, "hi");
    drop(stay);
}

#[tokio::test]
async fn eviction_ends_sessions_and_lets_the_account_be_read_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (accounts, store) = start(folder.path(), &["alice"]);
    let mut desk = Client::open(&accounts, "alice", "desk", 10).await;
    store.remove_account(&address("alice")).unwrap();
    accounts.evict(&address("alice"), CloseReason::AccountGone, Opened::Anyhow);
    assert_eq!(desk.closed().await, CloseReason::AccountGone);
    let gone = accounts.ask(&address("alice"), Request::Summary).await;
    assert_eq!(gone.unwrap_err().reason, Reason::NotFound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_threads_lose_nothing_and_keep_each_senders_order() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["alice", "bob", "carol", "dave"];
    let (accounts, _store) = start(folder.path(), &names);
    let each = 200;
    let mut tasks = Vec::new();
    for name in names {
        let mut client = Client::open(&accounts, name, "desk", 10_000).await;
        let accounts = accounts.clone();
        tasks.push(tokio::spawn(async move {
            let others: Vec<_> = names.into_iter().filter(|other| *other != name).collect();
            for number in 0..each {
                for other in &others {
                    let sent = message(&accounts, name, other, &format!("{name} {number}"));
                    client.session.send(sent, Some(RequestId(number)));
                }
            }
            let mut last = std::collections::HashMap::new();
            for _ in 0..each * 3 {
                let (_, text) = client.message().await;
                let (from, number) = text.split_once(' ').unwrap();
                let number: i64 = number.parse().unwrap();
                let before = last.insert(from.to_owned(), number).unwrap_or(-1);
                assert_eq!(number, before + 1, "{from} out of order");
            }
        }));
    }
    for task in tasks {
        timeout(Duration::from_secs(60), task).await.expect("all arrive in time").unwrap();
    }
    // Deliveries do not wait for the disk: the archive is complete a moment later.
    let complete = async { while archive(&accounts, "alice").await.len() < each as usize * 6 {} };
    timeout(Duration::from_secs(60), complete).await.expect("the archive is complete in time");
    assert_eq!(archive(&accounts, "alice").await.len(), each as usize * 6);
}

const DEADLINE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn what_a_door_remembers_durably_is_there_after_a_start_without_shutdown() {
    let dir = tempfile::tempdir().unwrap();
    let (accounts, store) = start(dir.path(), &[]);
    let memory = accounts.memory("phones");
    let bytes = |text: &'static str| bytes::Bytes::from_static(text.as_bytes());
    memory.put(bytes("a"), bytes("1")).unwrap();
    let later = memory.put_durably(bytes("a"), bytes("2"));
    memory.remove(bytes("a")).unwrap();
    memory.put(bytes("b"), bytes("3")).unwrap();
    later.await.unwrap();
    memory.remove_durably(bytes("c")).await.unwrap();
    assert_eq!(accounts.memory("phones").all(), Ok(vec![(bytes("b"), bytes("3"))]));
    assert_eq!(memory.put_durably(bytes("d"), vec![0; 2 << 20].into()).await, Err(Reason::TooLarge.into()));
    drop((memory, accounts, store));
    let (accounts, _store) = start(dir.path(), &[]);
    assert_eq!(accounts.memory("phones").all(), Ok(vec![(bytes("b"), bytes("3"))]));
}

/// Other servers: they take everything, and keep of whom they were asked how he is.
#[derive(Default)]
struct Elsewhere(Mutex<Vec<Address>>);

impl Elsewhere {
    fn asked(&self) -> Vec<Address> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Carrier for Elsewhere {
    fn reaches(&self, _: &str) -> bool {
        true
    }

    fn carry(&self, load: Load) {
        load.settle(Ok(Reply::Done));
    }

    fn carry_all(&self, to: Vec<Address>, news: &News) {
        if let News::Probe(_) = news {
            self.0.lock().unwrap().extend(to);
        }
    }
}

#[tokio::test]
async fn domain_that_comes_and_goes_concerns_its_followers_and_wakes_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let (accounts, _store) = start(dir.path(), &["alice", "bob"]);
    let elsewhere = Arc::new(Elsewhere::default());
    accounts.carry_by(Arc::<Elsewhere>::clone(&elsewhere));
    let (alice, carol) = (address("alice"), Party::parse("carol@other.example/desk").unwrap());
    let request = Request::Contact {
        to: carol.address.clone(),
        event: ContactEvent::Subscribe,
        note: None,
        native: Native::None,
        origin_id: None,
    };
    accounts.ask(&alice, request).await.unwrap();
    let taken = ContactSignal::plain(carol.address.clone(), alice.clone(), ContactEvent::Subscribed);
    accounts.tell(Signal::Contact(Arc::new(taken)));
    let mut client = Client::open(&accounts, "alice", "desk", 100).await;
    let notice = PresenceNotice::new(carol.clone(), Arc::new(Presence::online(Timestamp(1))), None);
    accounts.tell(Signal::Presence { to: alice.into(), notice: Arc::new(notice) });
    assert_eq!(client.sees(&carol).await, Availability::Online);
    assert_eq!(elsewhere.asked(), std::slice::from_ref(&carol.address));

    accounts.ask(&address("bob"), Request::Blocked).await.unwrap();
    let used = Timestamp::now();
    while Timestamp::now() <= used {
        tokio::task::yield_now().await;
    }
    let before = Timestamp::now();
    for domain in ["other.example", "another.example"] {
        accounts.note_reach(&Address::parse(domain).unwrap(), DomainReach::Lost);
    }
    assert_eq!(client.sees(&carol).await, Availability::Offline);
    accounts.settle().await;
    accounts.note_reach(&Address::parse("other.example").unwrap(), DomainReach::Back);
    accounts.settle().await;
    assert_eq!(elsewhere.asked(), [carol.address]);
    let retired = async {
        while accounts.in_memory().contains(&address("bob")) {
            accounts.retire_unused_since(before);
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, retired).await.expect("bob was of no use since");
}
