//! The door of the room: find an account, open a session, ask something of it.

use std::sync::{Arc, atomic::Ordering};

use tokio::sync::{mpsc, oneshot};
use tracing::error;

use super::{
    Config, Direct, Input, Memory, Opened, Refusal, Reply, ReplyTo, Request, SessionChange, SessionSpec,
    Sink, WatchId, WatchSink, WatchSpec, WatchState,
    mailbox::{Attach, Cell, Mail, refuse},
    outside::in_other_form,
    shell::Inner,
};
use crate::{
    bus::{Bus, Envelope, Receive},
    signal::{
        Address, Message, MessageId, News, Party, Presence, Query, Reason, Reject, RequestId, SessionId,
        Signal, Timestamp,
    },
    storage::{ArchiveQuery, ArchivedMessage, Store, StoreError},
};

/// All accounts of this server. Cheap to clone.
#[derive(Clone)]
pub struct Accounts(Arc<Inner>);

impl Accounts {
    pub(super) fn inner(&self) -> Arc<Inner> {
        Arc::clone(&self.0)
    }

    /// The accounts in `store` that belong to `domains`. Must be called within a Tokio runtime,
    /// which accounts use for what they do in the background.
    #[must_use]
    pub fn new(store: Store, domains: Vec<Address>, config: Config) -> Self {
        let bus = Bus::new(domains);
        let inner = Inner::new(store, bus, config);
        inner.bus.connect(Box::new(Local(Arc::downgrade(&inner))));
        Self(inner)
    }

    /// Whether accounts of this domain live here.
    #[must_use]
    pub fn serves(&self, domain: &str) -> bool {
        self.0.bus.serves(domain)
            || in_other_form(domain).is_some_and(|domain| self.0.bus.serves(domain.domain()))
    }

    /// Whether it can be followed who watches an account.
    #[must_use]
    pub fn has_watcher_info(&self) -> bool {
        self.0.shared.limits.watcher_info
    }

    /// Whether whoever has an account may invite people to make one.
    #[must_use]
    pub fn everybody_invites(&self) -> bool {
        self.0.shared.limits.everybody_invites()
    }

    /// Largest picture of a person, in bytes.
    #[must_use]
    pub fn avatar_bytes(&self) -> usize {
        self.0.shared.limits.avatar_bytes
    }

    /// The domains of this server, the first one being its principal name.
    #[must_use]
    pub fn domains(&self) -> &[Address] {
        self.0.bus.domains()
    }

    /// Whether more waits for the disk than it is worth to keep waiting: whoever reads from a client rests a
    /// little before he reads on. Who goes on all the same is refused in the end ([`Reason::Overloaded`]).
    #[must_use]
    pub fn is_strained(&self) -> bool {
        self.0.is_behind(STRAINED)
    }

    /// A new id for a message taken now.
    #[must_use]
    pub fn new_message_id(&self, now: Timestamp) -> MessageId {
        self.0.new_message_id(now)
    }

    /// What a door remembers over a restart, in a room of that name: its registrations, say.
    #[must_use]
    pub fn memory(&self, room: &'static str) -> Memory {
        Memory::new(self.0.store.memory(room))
    }

    /// Opens a session for the owner of `address`, who has proved to be it. What the account tells
    /// the session goes to `sink`, from now on and possibly before this returns.
    ///
    /// # Errors
    /// [`Reason::NotFound`] where there is no such account, [`Reason::PolicyViolation`] where it
    /// has too many sessions.
    pub async fn open(
        &self,
        address: &Address,
        spec: SessionSpec,
        sink: Arc<dyn Sink>,
    ) -> Result<Session, Reject> {
        let session = SessionId(self.0.next_number());
        let resource = spec.resource.clone();
        let (opened, answer) = oneshot::channel();
        let cell = self.0.cell(address);
        let attach = Attach { session, spec: Box::new(spec), sink, opened };
        cell.post(&self.0, Mail::Attach(Box::new(attach)));
        answer.await.map_err(|_| Reject::from(Reason::Internal))??;
        Ok(Session {
            id: session,
            party: Party::full(address.clone(), resource),
            cell,
            inner: self.0.clone(),
        })
    }

    /// Asks something on behalf of the owner of `address`, without a session.
    ///
    /// # Errors
    /// What the account refuses, and [`Reason::NotFound`] where there is no such account.
    pub async fn ask(&self, address: &Address, request: Request) -> Result<Reply, Reject> {
        let cell = self.0.cell(address);
        self.0.wait(|reply| self.0.admit(&cell, Input::of_request(None, request, reply))).await
    }

    /// Passes on a signal from outside, and waits for what becomes of it.
    ///
    /// # Errors
    /// What the receiving account refuses.
    pub async fn signal(&self, signal: Signal) -> Result<Reply, Reject> {
        self.0.wait(|reply| self.0.route(signal, reply)).await
    }

    /// Follows something of `presentity`, until the [`Watch`] is dropped. The first state is shown at
    /// once, possibly before this returns.
    ///
    /// # Errors
    /// [`Reason::NotFound`] where no such account can be here. An account of a served domain that
    /// does not exist is shown as [`WatchState::Gone`].
    pub fn watch(
        &self,
        presentity: &Address,
        spec: WatchSpec,
        sink: Arc<dyn WatchSink>,
    ) -> Result<Watch, Reject> {
        let watch = WatchId(self.0.next_number());
        // Somebody of another domain is watched by the watcher's own account, which his server tells.
        let (account, input) = if self.serves(presentity.domain()) {
            (presentity, Input::Watch { watch, spec: Box::new(spec.clone()) })
        } else if self.may_follow(presentity, &spec) {
            (&spec.watcher, Input::Follow { watch, of: presentity.clone() })
        } else {
            return Err(Reason::NotFound.into());
        };
        self.0.add_watch(watch, sink);
        let cell = self.0.cell(account);
        cell.post(&self.0, Mail::Input(input));
        Ok(Watch { id: watch, cell, inner: Arc::clone(&self.0) })
    }

    /// A page of the account's archive, in order of time.
    ///
    /// # Errors
    /// [`Reason::NotFound`] where there is no such account, [`Reason::Internal`] where the archive
    /// cannot be read.
    pub async fn archive(
        &self,
        address: &Address,
        query: ArchiveQuery,
    ) -> Result<Vec<ArchivedMessage>, Reject> {
        let store = self.0.store.clone();
        let address = address.clone();
        let read = move || {
            let account = store.account(&address)?;
            account.map(|account| store.archive_page(account.key, &query)).transpose()
        };
        reading(read, "archive").await
    }

    /// Accounts that have documents and of which something has changed that these may tell. For one who keeps
    /// documents up to them; a second one gets `None`. At most 10000 wait; more are left out.
    #[must_use]
    pub fn documents_to_keep(&self) -> Option<mpsc::Receiver<Address>> {
        self.0.keeper()
    }

    /// How large documents may be.
    #[must_use]
    pub fn document_bytes(&self) -> usize {
        self.0.shared.limits.document_bytes
    }

    /// What the account's policy refused lately, newest first; at most [`crate::storage::REFUSALS`].
    ///
    /// # Errors
    /// [`Reason::NotFound`] where there is no such account, [`Reason::Internal`] where it cannot be read.
    pub async fn refusals(&self, address: &Address) -> Result<Vec<Refusal>, Reject> {
        let store = self.0.store.clone();
        let address = address.clone();
        let read = move || {
            let account = store.account(&address)?;
            account.map(|account| store.refusals(account.key)).transpose()
        };
        match tokio::task::spawn_blocking(read).await {
            Ok(Ok(Some(refusals))) => Ok(refusals),
            Ok(Ok(None)) => Err(Reason::NotFound.into()),
            Ok(Err(fault)) => {
                error!(%fault, "refusals cannot be read");
                Err(Reason::Internal.into())
            }
            Err(_) => Err(Reason::Internal.into()),
        }
    }

    /// The labels of the messages of an archive page, in order of the messages.
    ///
    /// # Errors
    /// As [`Accounts::archive`].
    pub async fn marks(
        &self,
        address: &Address,
        first: MessageId,
        last: MessageId,
    ) -> Result<Vec<(MessageId, String)>, Reject> {
        let store = self.0.store.clone();
        let address = address.clone();
        let read = move || {
            let account = store.account(&address)?;
            account.map(|account| store.marks(account.key, first, last)).transpose()
        };
        match tokio::task::spawn_blocking(read).await {
            Ok(Ok(marks)) => Ok(marks.unwrap_or_default()),
            Ok(Err(fault)) => {
                error!(%fault, "labels cannot be read");
                Err(Reason::Internal.into())
            }
            Err(_) => Err(Reason::Internal.into()),
        }
    }

    /// Tells a loaded account of something that happened outside of it; one that is not loaded will
    /// see it in the store.
    pub fn inform(&self, address: &Address, input: Input) {
        if let Some(cell) = self.0.cells.find(address) {
            cell.post(&self.0, Mail::Input(input));
        }
    }

    /// Ends these sessions of the account. With [`super::CloseReason::AccountGone`] its state is forgotten: the next use reads it anew.
    pub fn evict(&self, address: &Address, reason: super::CloseReason, which: Opened) {
        self.inform(address, Input::Evict { reason, which });
    }

    /// Ends every session of every account, because the server stops.
    pub fn shut_down(&self) {
        for cell in self.0.cells.values() {
            cell.post(
                &self.0,
                Mail::Input(Input::Evict { reason: super::CloseReason::Shutdown, which: Opened::Anyhow }),
            );
        }
    }

    /// Lets accounts that were not used for a while leave the memory. Call it now and then.
    pub fn retire_idle(&self) {
        self.retire_unused_since(
            Timestamp::now().plus_seconds(-i64::from(self.0.shared.limits.idle_seconds)),
        );
    }

    /// Waits until every message that a closed session gave back found its place. For a server that
    /// stops: after the doors are closed, before the store is.
    pub async fn settle(&self) {
        self.0.settle().await;
    }

    /// Lets the store forget watchers who waited for their time. Call it now and then; accounts in
    /// memory see to it themselves.
    ///
    /// # Errors
    /// [`Reason::Internal`] where the store cannot.
    pub async fn forget_waiting(&self) -> Result<usize, Reject> {
        let store = self.0.store.clone();
        let forgotten = tokio::task::spawn_blocking(move || store.forget_waiting(Timestamp::now())).await;
        match forgotten {
            Ok(Ok(count)) => Ok(count),
            Ok(Err(fault)) => {
                error!(%fault, "waiting watchers cannot be forgotten");
                Err(Reason::Internal.into())
            }
            Err(_) => Err(Reason::Internal.into()),
        }
    }

    /// Wakes accounts when their rules asked for it, until it is dropped. Runs once.
    pub async fn keep_time(&self) {
        self.0.alarms.run(|account| self.inform(&account, Input::Tick)).await;
    }

    /// The accounts in memory: all that have sessions, and some more.
    #[must_use]
    pub fn in_memory(&self) -> Vec<Address> {
        self.0.cells.values().iter().map(|cell| cell.address.clone()).collect()
    }

    /// How many accounts are in memory.
    #[must_use]
    pub fn loaded(&self) -> usize {
        self.0.cells.len()
    }

    pub(super) fn retire_unused_since(&self, before: Timestamp) {
        for cell in self.0.cells.values() {
            cell.retire_if_idle(&self.0, before);
        }
    }
}

/// Reads what may take a while, on a thread for that.
pub(super) async fn reading<T: Send + 'static>(
    read: impl FnOnce() -> Result<Option<T>, StoreError> + Send + 'static,
    what: &'static str,
) -> Result<T, Reject> {
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(Some(found))) => Ok(found),
        Ok(Ok(None)) => Err(Reason::NotFound.into()),
        Ok(Err(fault)) => {
            error!(%fault, what, "cannot be read");
            Err(Reason::Internal.into())
        }
        Err(_) => Err(Reason::Internal.into()),
    }
}

/// Receives for the accounts of this process.
struct Local(std::sync::Weak<Inner>);

impl Receive<ReplyTo> for Local {
    fn receive(&self, Envelope { signal, reply }: Envelope<ReplyTo>) {
        let Some(inner) = self.0.upgrade() else { return };
        let cell = match &signal {
            // Presence is for sessions: an account without any need not be read for it.
            Signal::Presence { to, .. } => inner.cells.find(&to.address),
            signal => Some(inner.cell(signal.to())),
        };
        let Some(cell) = cell else { return };
        // The sender's own account has it on disk, and would never say it again.
        let must_arrive = matches!(&signal, Signal::Contact(it) if inner.bus.serves(it.from.domain()));
        let input = Input::Signal { signal, reply };
        if must_arrive { cell.post(&inner, Mail::Input(input)) } else { inner.admit(&cell, input) }
    }

    fn receive_all(&self, to: Vec<Address>, news: &News) {
        let Some(inner) = self.0.upgrade() else { return };
        for address in to {
            if let Some(cell) = inner.cells.find(&address) {
                inner.admit(&cell, Input::Signal { signal: news.signal(address), reply: None });
            }
        }
    }
}

/// An open session. Dropping it closes the session.
///
/// Its functions run the account's rules before they return, unless another thread runs them now.
pub struct Session {
    id: SessionId,
    party: Party,
    cell: Arc<Cell>,
    inner: Arc<Inner>,
}

impl Session {
    /// The session's number, as its sink hears it.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// The account and the session's name in it.
    #[must_use]
    pub fn party(&self) -> &Party {
        &self.party
    }

    /// Sends a message. With `request`, its outcome comes as [`super::Event::Reply`] with that tag;
    /// without, only a failure does.
    pub fn send(&self, message: Arc<Message>, request: Option<RequestId>) {
        self.ask_tagged(Request::Send(message), request);
    }

    /// Passes on a question to, or an answer for, another session.
    pub fn query(&self, query: Arc<Query>) {
        self.ask_tagged(Request::Query(query), None);
    }

    /// Says how the person is, to everybody who may know.
    pub fn announce(&self, presence: Arc<Presence>) {
        self.input(Input::Presence { session: self.id, presence });
    }

    /// Shows presence to one party only, and may ask to see that party in turn.
    pub fn show(&self, direct: Direct) {
        self.input(Input::Direct { session: self.id, direct: Box::new(direct) });
    }

    /// Says that nobody knows whether these messages arrived, which were on their way when the connection broke.
    pub fn miss(&self, messages: Vec<Arc<Message>>) {
        self.input(Input::Missed { session: self.id, messages });
    }

    /// Changes what the session takes.
    pub fn change(&self, change: SessionChange) {
        self.input(Input::Change { session: self.id, change });
    }

    /// Asks something; the reply comes as [`super::Event::Reply`] with the tag `request`, in order
    /// with the events that its consequences cause.
    pub fn ask_tagged(&self, request: Request, tag: Option<RequestId>) {
        let reply = ReplyTo::Session { account: self.party.address.clone(), session: self.id, request: tag };
        self.inner.admit(&self.cell, Input::of_request(Some(self.id), request, Some(reply)));
    }

    /// Asks something and waits for the reply.
    ///
    /// # Errors
    /// What the account refuses.
    pub async fn ask(&self, request: Request) -> Result<Reply, Reject> {
        let input = |reply| Input::of_request(Some(self.id), request, reply);
        self.inner.wait(|reply| self.inner.admit(&self.cell, input(reply))).await
    }

    fn input(&self, input: Input) {
        self.cell.post(&self.inner, Mail::Input(input));
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.inner.remove_session(self.id);
        self.input(Input::Close { session: self.id });
    }
}

/// A watcher's following of one account. Dropping it ends the watch.
pub struct Watch {
    id: WatchId,
    cell: Arc<Cell>,
    inner: Arc<Inner>,
}

impl Watch {
    /// The watch's number, as its sink hears it.
    #[must_use]
    pub fn id(&self) -> WatchId {
        self.id
    }

    /// The watch goes on until then, unless it is dropped before.
    pub fn renew(&self, until: Timestamp) {
        self.cell.post(&self.inner, Mail::Input(Input::WatchRenewed { watch: self.id, until }));
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.inner.remove_watch(self.id);
        self.cell.post(&self.inner, Mail::Input(Input::Unwatch { watch: self.id }));
    }
}

impl Inner {
    /// The account's cell; reads the account where it is not in memory.
    pub(super) fn cell(self: &Arc<Self>, address: &Address) -> Arc<Cell> {
        let (cell, is_new) = self.cells.find_or_insert(address, || Cell::new(address.clone()));
        if is_new {
            self.load(&cell);
        }
        cell
    }

    pub(super) fn post_to(self: &Arc<Self>, address: &Address, mail: Mail) {
        self.cell(address).post(self, mail);
    }

    fn load(self: &Arc<Self>, cell: &Arc<Cell>) {
        let inner = Arc::clone(self);
        let cell = Arc::clone(cell);
        self.loading.fetch_add(1, Ordering::Relaxed);
        self.runtime.spawn_blocking(move || {
            match inner.store.load_account(&cell.address) {
                Ok(Some(record)) if !record.disabled => cell.loaded(&inner, record),
                Ok(_) => cell.vanish(&inner, Reason::NotFound),
                Err(fault) => {
                    error!(account = %cell.address, %fault, "account cannot be read");
                    cell.vanish(&inner, Reason::Internal);
                }
            }
            inner.loading.fetch_sub(1, Ordering::Relaxed);
        });
    }

    /// Posts an input that asks for work, unless the account or the store has too much already: then
    /// it is refused as overloaded.
    pub(super) fn admit(self: &Arc<Self>, cell: &Arc<Cell>, input: Input) {
        let input = Mail::Input(input);
        let taken = if self.is_behind(CONGESTED) || self.loading.load(Ordering::Relaxed) >= LOADING {
            Err(input)
        } else {
            cell.post_within(self.shared.limits.mailbox, self, input)
        };
        if let Err(mail) = taken {
            refuse(self, mail, Reason::Overloaded);
        }
    }

    /// Whether the writes that wait for the disk fill this part of their queue.
    fn is_behind(&self, part: usize) -> bool {
        self.store.backlog() >= (self.store.room() / part).max(1)
    }

    pub(super) fn watch_gone(&self, watch: WatchId) {
        if let Some(sink) = self.find_watch(watch) {
            sink.show(watch, WatchState::Gone, None);
        }
    }

    /// Starts something that replies to a waiter, and waits for the reply.
    async fn wait(&self, start: impl FnOnce(Option<ReplyTo>)) -> Result<Reply, Reject> {
        let (request, reply) = self.add_waiter();
        let waiting = Waiting { inner: self, request };
        start(Some(ReplyTo::Waiter(request)));
        let reply = reply.await.unwrap_or_else(|_| Err(Reason::Internal.into()));
        drop(waiting);
        reply
    }
}

/// Forgets a waiter that gives up before its reply came.
struct Waiting<'a> {
    inner: &'a Inner,
    request: RequestId,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.inner.remove_waiter(self.request);
    }
}

/// The part of the queue for the disk from which on clients are read more slowly: by default 4,096 writes, some
/// tens of milliseconds' worth.
const STRAINED: usize = 16;
/// The part of it from which on nothing new is taken. The rest is for what follows from what was taken.
const CONGESTED: usize = 2;
/// Accounts that may be read at a time before nothing new is taken.
const LOADING: usize = 4096;
