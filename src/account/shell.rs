//! The shell around the rules: performs effects, and is the only place where an account meets the
//! store, the bus and the sinks of its sessions.

use std::sync::{
    Arc, Mutex, OnceLock, Weak,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use smallvec::SmallVec;
use tokio::{
    runtime,
    sync::{Notify, Semaphore, mpsc, oneshot},
};
use tracing::error;

use super::{
    Answer, ArchiveReading, DomainReach, Effect, Event, Fetch, Input, Parcel, ReplyTo, Sink, WatchId,
    WatchSink,
    alarms::Alarms,
    archive,
    endpoints::Sessions,
    event::Replied,
    herald::{self, Herald},
    hooks::Hooks,
    mailbox::{Cell, Mail},
    reach::{self, Reaches},
    registry::Registry,
    sink::Delivery,
    slip::{Batch, Live, Slip},
    state::Shared,
};
use crate::{
    bus::{Bus, Envelope},
    signal::{Address, Message, MessageId, Reason, Reject, RequestId, SessionId, Signal, Timestamp},
    storage::{AccountKey, Store, Write},
};

/// What all accounts of this process share.
pub(super) struct Inner {
    pub(super) store: Store,
    pub(super) bus: Bus<ReplyTo>,
    pub(super) runtime: runtime::Handle,
    /// What the rules of every account know.
    pub(super) shared: Arc<Shared>,
    pub(super) cells: Registry<Address, Arc<Cell>>,
    sessions: Registry<SessionId, Arc<dyn Sink>>,
    watches: Registry<WatchId, Arc<dyn WatchSink>>,
    waiters: Registry<RequestId, oneshot::Sender<Result<super::Reply, Reject>>>,
    pub(super) alarms: Alarms,
    pub(super) hooks: Hooks,
    /// What became of other domains, for who follows somebody there.
    pub(super) reaches: Reaches,
    /// Who searches the directory: one at a time.
    pub(super) searches: Arc<Semaphore>,
    /// Whoever sets the rules of administrators.
    pub(super) rules_turn: Mutex<()>,
    /// Who calls devices that sleep.
    pub(super) herald: OnceLock<Arc<dyn Herald>>,
    /// Accounts whose documents may have to be changed, for whoever does that.
    keeper: OnceLock<mpsc::Sender<Address>>,
    next: AtomicU64,
    /// Inputs on their way to a mailbox by a task of their own.
    errands: AtomicUsize,
    idle: Notify,
    /// Accounts that are being read now.
    pub(super) loading: AtomicUsize,
    /// Told apart from other processes and earlier runs.
    random: u64,
    itself: OnceLock<Weak<Self>>,
}

impl Inner {
    pub(super) fn new(store: Store, bus: Bus<ReplyTo>, limits: super::Config) -> Arc<Self> {
        let home = bus.domains().into();
        let shared = Arc::new(Shared { limits, home, automation: Arc::default() });
        let inner = Arc::new(Self {
            store,
            bus,
            runtime: runtime::Handle::current(),
            shared,
            cells: Registry::default(),
            sessions: Registry::default(),
            watches: Registry::default(),
            waiters: Registry::default(),
            alarms: Alarms::default(),
            hooks: Hooks::default(),
            reaches: Reaches::default(),
            searches: Arc::new(Semaphore::new(1)),
            rules_turn: Mutex::default(),
            herald: OnceLock::new(),
            keeper: OnceLock::new(),
            next: AtomicU64::new(1),
            errands: AtomicUsize::new(0),
            idle: Notify::new(),
            loading: AtomicUsize::new(0),
            random: getrandom::u64().unwrap_or_else(|_| Timestamp::now().0.unsigned_abs()),
            itself: OnceLock::new(),
        });
        let _ = inner.itself.set(Arc::downgrade(&inner));
        inner
    }

    /// The next number for a session, watch or waiter: never given twice in this process.
    pub(super) fn next_number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Another domain cannot be reached any more, or can be again: a task of its own tells who follows people there.
    pub(super) fn note_reach(self: &Arc<Self>, domain: &Address, reach: DomainReach) {
        if self.reaches.note(domain, reach) {
            let errand = Errand::begin(self);
            self.runtime.spawn(async move { reach::tell(&errand.0).await });
        }
    }

    /// Waits until nothing is on its way to a mailbox.
    pub(super) async fn settle(&self) {
        loop {
            let mut idle = std::pin::pin!(self.idle.notified());
            idle.as_mut().enable();
            if self.errands.load(Ordering::Acquire) == 0 {
                return;
            }
            idle.await;
        }
    }

    /// A new id for a message taken now: its low bits are a counter on a random start.
    pub(super) fn new_message_id(&self, now: Timestamp) -> MessageId {
        let low = u128::from(self.random).wrapping_add(u128::from(self.next_number()));
        MessageId::from_parts(
            u64::try_from(now.0).unwrap_or_default(),
            low | (u128::from(self.random >> 48) << 64),
        )
    }

    pub(super) fn post(&self) -> Post {
        Post(self.itself.get().cloned().unwrap_or_default())
    }

    pub(super) fn add_session(&self, session: SessionId, sink: Arc<dyn Sink>) {
        self.sessions.insert(session, sink);
    }

    pub(super) fn remove_session(&self, session: SessionId) {
        self.sessions.remove(&session);
    }

    pub(super) fn add_watch(&self, watch: WatchId, sink: Arc<dyn WatchSink>) {
        self.watches.insert(watch, sink);
    }

    pub(super) fn remove_watch(&self, watch: WatchId) {
        self.watches.remove(&watch);
    }

    pub(super) fn find_watch(&self, watch: WatchId) -> Option<Arc<dyn WatchSink>> {
        self.watches.find(&watch)
    }

    /// A number and a channel on which the reply to it arrives.
    pub(super) fn add_waiter(&self) -> (RequestId, oneshot::Receiver<Result<super::Reply, Reject>>) {
        let request = RequestId(self.next_number());
        let (sender, receiver) = oneshot::channel();
        self.waiters.insert(request, sender);
        (request, receiver)
    }

    pub(super) fn remove_waiter(&self, request: RequestId) {
        self.waiters.remove(&request);
    }

    /// Gives an answer to whom it is for; one who is gone misses nothing.
    pub(super) fn answer(&self, answer: Answer) {
        match answer.to {
            ReplyTo::Waiter(request) => {
                if let Some(waiter) = self.waiters.remove(&request) {
                    let _ = waiter.send(answer.outcome);
                }
            }
            ReplyTo::Call(call) => {
                let (account, at) = *call;
                if answer.outcome.is_err() {
                    herald::note_lost(&self.post(), &account, at);
                }
            }
            ReplyTo::Question(question) => {
                if let Err(why) = answer.outcome {
                    self.post().input(&question.from.clone(), question.into_failure(why));
                }
            }
            ReplyTo::Session { session, request, .. } => {
                if request.is_none() && answer.outcome.is_ok() {
                    return;
                }
                if let Some(sink) = self.sessions.find(&session) {
                    let replied = Replied { request, about: answer.about, outcome: answer.outcome };
                    // A full queue closes the session at the next event of its account.
                    let _ = sink.push(session, Parcel::Event(Event::Reply(Box::new(replied))));
                }
            }
        }
    }

    /// Sends a signal on its way to an account here or elsewhere.
    pub(super) fn route(self: &Arc<Self>, signal: Signal, reply: Option<ReplyTo>) {
        if let Err(Envelope { signal, reply }) = self.bus.send(Envelope { signal, reply }) {
            self.refuse(&signal, reply, Reason::RemoteNotFound);
        }
    }

    /// Performs the effects of one input. Stores come first, so that whatever another account writes
    /// on account of these effects is durable no sooner than they are.
    pub(super) fn perform(self: &Arc<Self>, cell: &Arc<Cell>, key: AccountKey, effects: &mut Vec<Effect>) {
        if effects.iter().any(|effect| matches!(effect, Effect::Store(_))) {
            self.store_first(cell, key, effects);
        }
        for effect in effects.drain(..) {
            match effect {
                Effect::Deliver { sessions, message, reply, tries } => {
                    let group = Live::new(message, cell.address.clone(), reply, tries, self.post(), false);
                    self.deliver(cell, sessions, &group);
                }
                other => self.perform_other(cell, key, other),
            }
        }
    }

    /// Submits the stores among `effects`, and takes out with them what has to wait for the disk.
    fn store_first(self: &Arc<Self>, cell: &Arc<Cell>, key: AccountKey, effects: &mut Vec<Effect>) {
        let mut writes: SmallVec<[Write; 4]> = SmallVec::new();
        let mut after = After::default();
        let mut deliveries: SmallVec<[(Sessions, Arc<Live>); 1]> = SmallVec::new();
        for effect in effects.extract_if(.., |effect| waits(effect)) {
            match effect {
                Effect::Store(write) => writes.push(write),
                Effect::Answer(answer) => after.answers.push(answer),
                Effect::Deliver { sessions, message, reply, tries } => {
                    let group = Live::new(message, cell.address.clone(), reply, tries, self.post(), true);
                    after.groups.push(Arc::clone(&group));
                    deliveries.push((sessions, group));
                }
                _ => {}
            }
        }
        self.submit(key, writes, after);
        for (sessions, group) in deliveries {
            self.deliver(cell, sessions, &group);
        }
    }

    fn submit(self: &Arc<Self>, key: AccountKey, mut writes: SmallVec<[Write; 4]>, after: After) {
        // Whoever waits for the last one waits for what others would be told of, too.
        writes.sort_by_key(place_in_line);
        let last = writes.pop();
        for write in writes {
            let done = matches!(write, Write::Hook(_)).then(|| self.note_hook());
            self.store.submit(key, write, done);
        }
        let Some(last) = last else { return };
        let note = matches!(last, Write::Hook(_)).then(|| self.note_hook());
        let done = (after.is_wanted() || note.is_some()).then(|| -> crate::storage::Done {
            let post = self.post();
            Box::new(move |result| {
                after.run(&post, result.is_ok());
                if let Some(note) = note {
                    note(result);
                }
            })
        });
        self.store.submit(key, last, done);
    }

    /// Says that a webhook is stored, once it is.
    fn note_hook(self: &Arc<Self>) -> crate::storage::Done {
        let inner = Arc::downgrade(self);
        Box::new(move |_| {
            if let Some(inner) = inner.upgrade() {
                inner.hooks.note_added();
            }
        })
    }

    fn deliver(self: &Arc<Self>, cell: &Arc<Cell>, sessions: Sessions, group: &Arc<Live>) {
        for session in sessions {
            let slip = Some(Slip::live(group));
            let message = Arc::clone(group.message());
            let delivery = Delivery { message, copy: super::Copy::Original, slip };
            self.push(cell, session, Parcel::Message(delivery));
        }
        group.release();
    }

    fn perform_other(self: &Arc<Self>, cell: &Arc<Cell>, key: AccountKey, effect: Effect) {
        match effect {
            Effect::Copy { sessions, message, copy } => {
                for session in sessions {
                    let delivery = Delivery { message: Arc::clone(&message), copy, slip: None };
                    self.push(cell, session, Parcel::Message(delivery));
                }
            }
            Effect::DeliverOffline { session, messages } => self.deliver_offline(cell, session, messages),
            Effect::Tell { session, event } => self.push(cell, session, Parcel::Event(event)),
            Effect::TellAll { sessions, event } => {
                for session in sessions {
                    self.push(cell, session, Parcel::Event(event.clone()));
                }
            }
            Effect::Show { watch, state, shown } => {
                if let Some(sink) = self.watches.find(&watch) {
                    sink.show(watch, state, shown);
                }
            }
            Effect::Route { signal, reply } => self.route(signal, reply),
            Effect::RouteAll { to, news } => self.bus.send_all(to, &news),
            Effect::Answer(answer) => self.answer(answer),
            Effect::ReadOffline { session } => self.read_offline(cell, key, session),
            Effect::CountOffline { asked } => self.count_offline(cell, key, asked),
            Effect::ReadArchive { reading, reply } => self.read_archive(key, *reading, reply),
            Effect::Fetch(fetch) => self.fetch(cell, key, *fetch),
            Effect::KeepDocuments => self.call_keeper(&cell.address),
            Effect::Rouse(wake) => self.rouse(&cell.address, &wake),
            Effect::Wake(at) => self.alarms.set(at, cell.address.clone()),
            Effect::End { session, reason } => self.end_session(session, reason),
            Effect::Store(_) | Effect::Deliver { .. } => {}
        }
    }

    /// Becomes the one that is called when documents may have to be changed; `None` for a second one.
    pub(super) fn keeper(&self) -> Option<mpsc::Receiver<Address>> {
        let (call, called) = mpsc::channel(CALLS);
        self.keeper.set(call).is_ok().then_some(called)
    }

    fn call_keeper(&self, account: &Address) {
        if let Some(keeper) = self.keeper.get() {
            // Where too many wait, the documents are kept when somebody reads them.
            let _ = keeper.try_send(account.clone());
        }
    }

    /// Tells a session that it is over, and forgets its sink.
    pub(super) fn end_session(&self, session: SessionId, reason: super::CloseReason) {
        if let Some(sink) = self.sessions.remove(&session) {
            let _ = sink.push(session, Parcel::Event(Event::Closed(reason)));
        }
    }

    /// Hands over one parcel; a session that takes no more is closed.
    fn push(self: &Arc<Self>, cell: &Arc<Cell>, session: SessionId, parcel: Parcel) {
        let Some(sink) = self.sessions.find(&session) else { return };
        if sink.push(session, parcel).is_err() {
            self.end_session(session, super::CloseReason::TooSlow);
            cell.post(self, Mail::Input(Input::Close { session }));
        }
    }

    fn deliver_offline(self: &Arc<Self>, cell: &Arc<Cell>, session: SessionId, messages: Vec<Arc<Message>>) {
        let ids: Vec<MessageId> = messages.iter().map(|message| message.id).collect();
        let batch = Batch::new(cell.address.clone(), session, ids, self.post());
        for (index, message) in messages.into_iter().enumerate() {
            let slip = Some(Slip::offline(&batch, index));
            self.push(cell, session, Parcel::Message(Delivery { message, copy: super::Copy::Offline, slip }));
        }
        batch.release();
    }

    fn count_offline(self: &Arc<Self>, cell: &Arc<Cell>, key: AccountKey, asked: u32) {
        let post = self.post();
        let address = cell.address.clone();
        let done = Box::new(move |result| match result {
            Ok(count) => post.input(&address, Input::OfflineCounted { asked, count }),
            Err(fault) => error!(account = %address, %fault, "offline file cannot be counted"),
        });
        self.store.offline_count(key, done);
    }

    /// Reads a page once all that was written before is durable, and so to be seen.
    fn read_archive(self: &Arc<Self>, key: AccountKey, reading: ArchiveReading, to: ReplyTo) {
        let (post, store, runtime) = (self.post(), self.store.clone(), self.runtime.clone());
        self.store.after_writes(Box::new(move |settled| {
            runtime.spawn_blocking(move || {
                let page = match settled {
                    Ok(()) => archive::read(&store, key, &reading),
                    Err(_) => Err(Reason::Internal.into()),
                };
                let outcome = page.map(|page| super::Reply::Archive(Box::new(page)));
                post.answer(Answer { to, about: None, outcome });
            });
        }));
    }

    fn fetch(self: &Arc<Self>, cell: &Arc<Cell>, key: AccountKey, fetch: Fetch) {
        let post = self.post();
        let address = cell.address.clone();
        let Fetch { shelf, pick, purpose } = fetch;
        let done = Box::new(move |found: Result<_, _>| {
            if let Err(fault) = &found {
                error!(account = %address, %fault, "a shelf cannot be read");
            }
            post.input(&address, Input::Fetched { purpose: Box::new(purpose), found: found.ok() });
        });
        self.store.pick(key, shelf, pick, done);
    }

    fn read_offline(self: &Arc<Self>, cell: &Arc<Cell>, key: AccountKey, session: SessionId) {
        let post = self.post();
        let address = cell.address.clone();
        self.store.offline_read(
            key,
            self.shared.limits.offline_batch,
            Box::new(move |result| {
                let (messages, more) = match result {
                    Ok(chunk) => (chunk.messages.into_iter().map(Arc::new).collect(), chunk.more),
                    Err(fault) => {
                        error!(account = %address, %fault, "offline file cannot be read");
                        (Vec::new(), false)
                    }
                };
                post.input(&address, Input::OfflineRead { session, messages, more });
            }),
        );
    }
}

/// Most calls to whoever keeps documents that may wait.
const CALLS: usize = 10_000;

/// Whether an effect is a store, or promises what the stores before it do.
fn waits(effect: &Effect) -> bool {
    match effect {
        Effect::Store(_) | Effect::Answer(_) => true,
        // Who wants to hear of failures only is promised nothing.
        Effect::Deliver { reply: Some(to), .. } => to.wants_success(),
        _ => false,
    }
}

/// Writes in the order in which they are submitted. What goes into the tables may be written later than a message,
/// so what must not be lost with an acknowledged message comes last.
fn place_in_line(write: &Write) -> u8 {
    match write {
        Write::Late(_) | Write::LateRemoved { .. } => 1,
        Write::Hook(_) => 2,
        _ => 0,
    }
}

/// What happens once the last store of an input is durable, or failed.
#[derive(Default)]
struct After {
    answers: Vec<Answer>,
    groups: Vec<Arc<Live>>,
}

impl After {
    fn is_wanted(&self) -> bool {
        !self.answers.is_empty() || !self.groups.is_empty()
    }

    fn run(self, post: &Post, durable: bool) {
        for mut answer in self.answers {
            if !durable && answer.outcome.is_ok() {
                answer.outcome = Err(Reason::Internal.into());
            }
            post.answer(answer);
        }
        for group in self.groups {
            group.stored(durable);
        }
    }
}

/// A way back into the accounts for things that outlive a call: slips, and the store's replies.
/// Never runs rules on the caller's thread, which may be the store's own.
#[derive(Clone)]
pub(super) struct Post(Weak<Inner>);

impl Post {
    pub(super) fn answer(&self, answer: Answer) {
        if let Some(inner) = self.0.upgrade() {
            inner.answer(answer);
        }
    }

    pub(super) fn input(&self, account: &Address, input: Input) {
        if let Some(inner) = self.0.upgrade() {
            let account = account.clone();
            let runtime = inner.runtime.clone();
            let errand = Errand::begin(&inner);
            runtime.spawn(async move {
                inner.post_to(&account, Mail::Input(input));
                drop(errand);
            });
        }
    }
}

/// One input on its way, counted so that a stopping server can wait for it.
struct Errand(Arc<Inner>);

impl Errand {
    fn begin(inner: &Arc<Inner>) -> Self {
        inner.errands.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(inner))
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        if self.0.errands.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}

impl std::fmt::Debug for Post {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Post")
    }
}
