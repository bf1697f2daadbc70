//! SUBSCRIBE and NOTIFY (RFC 6665) for the event packages of [`super::events`]: the notifier of this door.
//!
//! A subscription is a watch on an account and a dialog with a phone. The account shows what the
//! watcher may see; one task makes the NOTIFYs of all subscriptions, so that a state that many watch
//! is written once. What is due and when is [`notifier`]'s to say; nothing here decides who may watch.
//!
//! A subscription outlives its connection: a watcher whose connection ended is told how things are when he
//! shows up again, by SUBSCRIBE or by a registration of the same phone. What he knows already he is not told
//! again where he says so (RFC 5839), and how often he is told is his to wish (RFC 6446).
//!
//! How a phone's user becomes a contact: subscribing to somebody who is not in the watcher's roster
//! adds him and asks him, as adding a contact does in any client. Giving up the subscription changes
//! no roster. A contact request from somebody else cannot be answered by SUBSCRIBE; it waits for a
//! client that can show it.

mod asked;
mod dialog;
mod documents;
mod entry;
mod keeping;
mod limits;
mod list;
mod notifier;
mod rate;
mod restoring;
mod saved;
mod sending;
mod showing;
mod table;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use compact_str::{CompactString, ToCompactString};
use tokio::{
    sync::{Notify, oneshot},
    task::JoinSet,
    time::{Instant, timeout},
};
use tracing::debug;

use self::{
    asked::{Asked, accepted, call_of, display_of, until},
    dialog::{Dialog, Misfit, Reach},
    documents::{Changed, Followed},
    entry::{Entry, Record},
    list::{Source, check_body},
    notifier::Notifier,
    rate::Rates,
    table::{Outgoing, SubscriptionId, Table},
};
use super::{
    alarm::Alarm,
    answer::Refusal,
    device::Device,
    door::Door,
    events::{CallStates, Content, Memory, Package, Teller, TouchedCalls, registration_of},
    message::{HeaderName, Message, NameAddr, Uri},
    own::own_uri,
    resource_list::News,
    transaction::{ClientEvent, Failure, IncomingRequest, Layer},
    transport::Flow,
};
use crate::{
    account::{Accounts, Memory as DoorMemory, Request, Shown, WatchId, WatchSink, WatchSpec, WatchState},
    documents::Documents,
    formats::{dialoginfo::Dialogs, reginfo::ContactEvent},
    signal::{self, Address, Native, SessionId, Timestamp},
};

pub(in crate::sip) use limits::{Limits, Range};

/// All subscriptions of this door.
pub(in crate::sip) struct Subscriptions {
    layer: Arc<Layer>,
    accounts: Accounts,
    limits: Limits,
    table: Table,
    /// The calls of all accounts.
    calls: Mutex<CallStates>,
    /// What is found again after a restart.
    memory: DoorMemory,
    /// And where the resources of lists come from.
    lists: DoorMemory,
    /// Lists whose contacts changed.
    news: News,
    /// What documents are followed of.
    documents: Documents,
    /// The XCAP root, as documents name it.
    xcap_root: CompactString,
    /// Subscriptions whose documents may have changed.
    changed: Changed,
    /// Those that were found, and are to be set going.
    found: Mutex<Vec<SubscriptionId>>,
    /// The server stops: what becomes of a NOTIFY says nothing of its watcher any more.
    is_stopping: AtomicBool,
    /// Subscriptions with something to say, or whose time has come.
    due: Alarm<SubscriptionId>,
    work: Notify,
}

impl Subscriptions {
    pub(in crate::sip) fn new(
        layer: Arc<Layer>,
        accounts: Accounts,
        limits: Limits,
        (documents, xcap_root): (Documents, CompactString),
    ) -> Arc<Self> {
        let pictures = documents.are_served().then(|| xcap_root.clone()).zip(documents.icon_keys());
        let table = Table::writing(super::events::Documents::with_pictures_at(pictures));
        Arc::new(Self {
            layer,
            memory: accounts.memory("subscriptions"),
            lists: accounts.memory("lists"),
            news: News::default(),
            documents,
            xcap_root,
            changed: Changed::default(),
            accounts,
            limits,
            table,
            calls: Mutex::default(),
            found: Mutex::default(),
            is_stopping: AtomicBool::new(false),
            due: Alarm::default(),
            work: Notify::new(),
        })
    }

    /// Answers a SUBSCRIBE of `watcher`, who has proved to be it.
    ///
    /// # Errors
    /// The refusal to send.
    pub(in crate::sip) async fn handle_subscribe(
        self: &Arc<Self>,
        door: &Door,
        request: &IncomingRequest,
        watcher: &Address,
    ) -> Result<(), Refusal> {
        let asked = self.check(request)?;
        let message = &request.message;
        match message.to()?.tag() {
            Some(tag) if asked.package == Package::Documents => {
                self.refresh_documents(door, request, watcher, (tag, asked)).await
            }
            Some(tag) => {
                check_body(message, asked.package)?;
                self.refresh(door, request, watcher, (tag, asked, None)).map(drop)
            }
            None if asked.package == Package::Documents => {
                self.begin_documents(door, request, watcher, asked).await
            }
            None => match self.list_of(message, watcher, asked.package).await? {
                Some(source) => self.begin_list(door, request, watcher, (asked, source)).await,
                None => self.begin(door, request, watcher, asked).await,
            },
        }
    }

    /// The list that a SUBSCRIBE outside of dialogs is for, wherever that comes from; `None` where it is for a
    /// single resource.
    async fn list_of(
        &self,
        message: &Message,
        watcher: &Address,
        package: Package,
    ) -> Result<Option<Source>, Refusal> {
        match self.origin_of(message, watcher, package)? {
            Some(source) => Ok(Some(source)),
            None => self.service_of(message, watcher, package).await,
        }
    }

    /// A SUBSCRIBE within a dialog: refreshes it, or ends it where no time is asked for.
    fn refresh(
        &self,
        door: &Door,
        request: &IncomingRequest,
        watcher: &Address,
        (tag, mut asked, followed): (&str, Asked, Option<Followed>),
    ) -> Result<SubscriptionId, Refusal> {
        let message = &request.message;
        let now = Instant::now();
        let contact = self.contact(&request.flow);
        let refreshed = self.table.refresh(tag, |entry, documents| {
            if entry.watcher != *watcher {
                return Err(Misfit::Unknown);
            }
            let (package, before) = (entry.package, entry.dialog.reach());
            entry.dialog.refresh(message, contact.clone(), request.flow)?;
            // What is on its way to where he was he will not hear: this is answered at once (RFC 6665 §4.2.1.2).
            if entry.dialog.reach() != before && entry.notifier.redirect() {
                entry.teller.forget();
            }
            if let Some(Followed { wanted, state }) = followed {
                entry.wanted = Some(wanted);
                entry.content = Some(state);
                entry.teller.set_mode(asked.mode);
            }
            if message.has(HeaderName::Accept) {
                entry.teller.set_format(asked.format);
            }
            entry.notifier.set_rates(asked.rates, now);
            let is_known =
                asked.condition.as_ref().is_some_and(|condition| entry.is_known(condition, documents));
            entry.condition = asked.condition.clone().filter(|_| is_known);
            if is_known {
                if let Some(content) = &entry.content {
                    entry.teller.assume(content);
                }
                entry.notifier.accept_silently(asked.duration, now);
            } else {
                entry.notifier.accept(asked.duration, now);
            }
            Ok((is_known, package))
        });
        let (id, (is_known, package), watch) = refreshed.map_err(|misfit| match misfit {
            Misfit::Unknown => Refusal::new(481),
            Misfit::OutOfOrder => Refusal::because(500, "Server Internal Error: sequence number"),
            Misfit::Header(error) => error.into(),
        })?;
        self.aim(door, id);
        asked.package = package;
        let status = if is_known { 204 } else { 200 };
        request.transaction.respond(accepted(message, status, "", &contact, &asked));
        if let Some(watch) = watch {
            watch.renew(until(asked.duration));
        }
        self.renew_list(id, &asked);
        if !asked.duration.is_zero() {
            self.save(id);
        }
        self.wake(id);
        Ok(id)
    }

    /// A SUBSCRIBE outside of dialogs. The answer waits for the account's word, so that it is right.
    async fn begin(
        self: &Arc<Self>,
        door: &Door,
        request: &IncomingRequest,
        watcher: &Address,
        asked: Asked,
    ) -> Result<(), Refusal> {
        let message = &request.message;
        let uri = message.request_uri()?;
        let presentity = super::translate::address_of(&uri).filter(|address| !address.is_domain());
        let presentity = presentity.ok_or_else(|| Refusal::new(404))?;
        if asked.package.is_for_owner_only() && presentity != *watcher {
            return Err(Refusal::because(403, "Forbidden: not yours"));
        }
        if presentity != *watcher {
            // Nobody follows whom she has blocked herself.
            self.accounts.ask(watcher, Request::MayTell(presentity.clone())).await?;
        }
        let contact = self.contact(&request.flow);
        let tag = self.layer.new_token();
        let (first, stand) = oneshot::channel();
        let entry = self.entry(request, watcher, &presentity, &asked, (&tag, first))?;
        let id = self.table.insert(entry, self.limits.per_account);
        let id = id.ok_or_else(|| Refusal::because(403, "Forbidden: too many subscriptions"))?;
        let begun = Begun { subscriptions: self, id };
        self.show_first(door, id);
        self.aim(door, id);
        let sink = Arc::new(Sink { subscriptions: Arc::downgrade(self), id });
        let is_anonymous = asked.is_anonymous && presentity != *watcher;
        let spec = WatchSpec {
            watcher: if is_anonymous { Address::anonymous() } else { watcher.clone() },
            name: display_of(message)?.filter(|_| !is_anonymous),
            kind: asked.package.kind(),
            until: until(asked.duration),
        };
        let watch = Arc::new(self.accounts.watch(&presentity, spec, sink)?);
        drop(self.table.keep_watch(id, watch));
        match timeout(PATIENCE, stand).await {
            Ok(Ok(WatchState::Gone)) => return Err(Refusal::new(404)),
            Ok(Ok(WatchState::Rejected)) => return Err(Refusal::new(403)),
            Ok(Ok(WatchState::Pending | WatchState::Active)) => {}
            // Overloaded, or the connection ended meanwhile.
            _ => return Err(Refusal::new(503).with(HeaderName::RetryAfter, 10)),
        }
        self.save_first(id, asked.duration).await;
        request.transaction.respond(accepted(message, 200, &tag, &contact, &asked));
        begun.accept(asked.duration);
        let is_new = asked.package == Package::Presence && presentity != *watcher && !is_anonymous;
        if is_new && !asked.duration.is_zero() {
            self.add_contact(watcher, presentity).await;
        }
        Ok(())
    }

    /// The subscription that a SUBSCRIBE asks for, under our tag.
    fn entry(
        &self,
        request: &IncomingRequest,
        watcher: &Address,
        of: &Address,
        asked: &Asked,
        (tag, first): (&str, oneshot::Sender<WatchState>),
    ) -> Result<Entry, Refusal> {
        let now = Instant::now();
        let contact = self.contact(&request.flow);
        let mut notifier = Notifier::new(self.limits.interval, now);
        notifier.set_rates(asked.rates, now);
        Ok(Entry {
            watcher: watcher.clone(),
            name: display_of(&request.message)?,
            is_anonymous: asked.is_anonymous && of != watcher,
            package: asked.package,
            tag: tag.to_compact_string(),
            dialog: Dialog::begin(&request.message, tag, &asked.event, contact, request.flow)?,
            notifier,
            teller: Teller::new(asked.package, asked.format, of.clone(), Memory::default()),
            call: call_of(asked).map(Box::new),
            content: None,
            hides_calls: false,
            condition: asked.condition.clone(),
            first: Some(first),
            watch: None,
            origin: None,
            following: None,
            wanted: None,
            saved: None,
        })
    }

    /// Who watches somebody wants him as a contact. Asking again for what is granted changes nothing.
    async fn add_contact(&self, watcher: &Address, presentity: Address) {
        let event = signal::ContactEvent::Subscribe;
        let request =
            Request::Contact { to: presentity, event, note: None, native: Native::None, origin_id: None };
        if let Err(reject) = self.accounts.ask(watcher, request).await {
            debug!(account = %watcher, %reject, "contact not added");
        }
    }

    /// Our `Contact` in a dialog with the peer of `flow`.
    fn contact(&self, flow: &Flow) -> CompactString {
        NameAddr::new(own_uri(&self.layer, flow)).to_compact_string()
    }

    /// The connection is gone. Its watchers are told how things are when there is a way to them again.
    pub(in crate::sip) fn handle_flow_closed(&self, flow: Flow) {
        for id in self.table.of_flow(&flow) {
            self.table.lose_reach(id, Reach::Flow(flow));
        }
        self.work.notify_one();
    }

    /// Drops what is over, and forgets it.
    fn finish(&self, entry: Entry) {
        if entry.saved.is_some() {
            self.forget(entry.key());
        }
        if entry.origin.is_some() {
            self.forget_origin(&entry.tag);
        }
        drop(entry);
    }

    /// Makes and sends what is due, until it is dropped. Runs once.
    pub(in crate::sip) async fn run(self: Arc<Self>, door: &Door) {
        let alarms = self.due.run(|id| self.wake(id));
        let work = async {
            let mut sending = JoinSet::new();
            loop {
                tokio::select! {
                    () = self.work.notified() => self.send_all(&mut sending),
                    Some(_) = sending.join_next() => {}
                }
            }
        };
        tokio::join!(alarms, work, self.resume(door), self.news.run(), self.follow_documents());
    }

    fn wake(&self, id: SubscriptionId) {
        self.table.push_ready(id);
        self.work.notify_one();
    }

    /// Sends until nothing is ready. No lock is held while something is sent or dropped. What has to be on
    /// the disk first is sent by a task among `sending`, one for all of a walk.
    fn send_all(self: &Arc<Self>, sending: &mut JoinSet<()>) {
        // Whoever is shown as gone because the server stops is there again when it has started.
        if !self.layer.transport().is_running() && !self.is_stopping.load(Ordering::Relaxed) {
            return;
        }
        loop {
            let batch = self.table.take_batch(Instant::now(), Timestamp::now());
            for (at, id) in batch.deadlines {
                self.due.set(at, id);
            }
            batch.records.into_iter().for_each(|record| _ = self.put(record));
            let (mut later, mut datagrams) = (Vec::new(), 0);
            for mut outgoing in batch.outgoing {
                datagrams += usize::from(!outgoing.reach.is_reliable());
                match outgoing.first.take() {
                    Some((key, value)) => later.push((self.memory.put_durably(key, value), outgoing)),
                    None => self.send(outgoing),
                }
            }
            if datagrams > 0 {
                self.layer.transport().expect_answers(datagrams);
            }
            if !later.is_empty() {
                let this = Arc::clone(self);
                sending.spawn(async move {
                    for (durable, outgoing) in later {
                        if let Err(reject) = durable.await {
                            debug!(%reject, "subscription not remembered");
                        }
                        this.send(outgoing);
                    }
                });
            }
            batch.finished.into_iter().for_each(|entry| self.finish(entry));
            if batch.taken == 0 {
                return;
            }
        }
    }
}

/// A subscription whose SUBSCRIBE is not answered: gone unless it is accepted.
struct Begun<'a> {
    subscriptions: &'a Subscriptions,
    id: SubscriptionId,
}

impl Begun<'_> {
    fn accept(self, duration: Duration) {
        let now = Instant::now();
        self.subscriptions.table.with(self.id, |entry| entry.notifier.accept(duration, now));
        self.subscriptions.wake(self.id);
        std::mem::forget(self);
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        if let Some(entry) = self.subscriptions.table.remove(self.id) {
            self.subscriptions.finish(entry);
        }
    }
}

/// The account's way to one subscription.
struct Sink {
    subscriptions: Weak<Subscriptions>,
    id: SubscriptionId,
}

impl WatchSink for Sink {
    fn show(&self, _watch: WatchId, state: WatchState, shown: Option<Shown>) {
        let content = shown.and_then(Content::of_account);
        let Some(subscriptions) = self.subscriptions.upgrade() else { return };
        let (mut first, now) = (None, Instant::now());
        let is_ready = subscriptions.table.change(self.id, |entry| {
            entry.show(state, content, now);
            first = entry.first.take();
            // Who answers a SUBSCRIBE wakes the notifier when the answer is out.
            !entry.notifier.is_held()
        });
        if let Some(first) = first {
            // Who asked may have given up.
            let _ = first.send(state);
        }
        if is_ready {
            subscriptions.work.notify_one();
        }
    }
}

/// The event package that can be published.
pub(in crate::sip) const EVENTS: &str = "presence";
/// How long an account may take to say where a watcher stands. Accounts are read from the disk.
const PATIENCE: Duration = Duration::from_secs(10);
