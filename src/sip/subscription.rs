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

mod dialog;
mod entry;
mod keeping;
mod limits;
mod list;
mod notifier;
mod rate;
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
use tracing::{debug, error, info};

use self::{
    dialog::{Dialog, Misfit, Reach},
    entry::{Condition, Entry, Record},
    list::{EVENTLIST, check_body, with_origin},
    notifier::{Ended, Notifier},
    rate::Rates,
    saved::Saved,
    table::{Outgoing, SubscriptionId, Table},
};
use super::{
    alarm::Alarm,
    answer::{Refusal, answer, check_require},
    device::Device,
    door::Door,
    events::{CallStates, Content, Memory, PACKAGES, Package, Teller, TouchedCalls, registration_of},
    message::{HeaderName, Message, NameAddr, TokenParams, Uri},
    own::own_uri,
    resource_list::{News, RECIPIENT_LIST_SUBSCRIBE},
    transaction::{ClientEvent, Failure, IncomingRequest, Layer},
    transport::{Flow, Protocol},
};
use crate::{
    account::{Accounts, Memory as DoorMemory, Request, Shown, WatchId, WatchSink, WatchSpec, WatchState},
    formats::{
        dialoginfo::{Dialogs, Identifier},
        pidf,
        reginfo::ContactEvent,
    },
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
    /// Those that were found, and are to be set going.
    found: Mutex<Vec<SubscriptionId>>,
    /// The server stops: what becomes of a NOTIFY says nothing of its watcher any more.
    is_stopping: AtomicBool,
    /// Subscriptions with something to say, or whose time has come.
    due: Alarm<SubscriptionId>,
    work: Notify,
}

/// A SUBSCRIBE that was found well-formed.
struct Asked {
    package: Package,
    /// Of a presence document.
    format: pidf::Format,
    event: TokenParams,
    duration: Duration,
    rates: Option<Rates>,
    condition: Option<Condition>,
}

impl Subscriptions {
    pub(in crate::sip) fn new(layer: Arc<Layer>, accounts: Accounts, limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            layer,
            memory: accounts.memory("subscriptions"),
            lists: accounts.memory("lists"),
            news: News::default(),
            accounts,
            limits,
            table: Table::default(),
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
            Some(tag) => {
                check_body(message, asked.package)?;
                self.refresh(request, watcher, tag, asked)
            }
            None => match self.origin_of(message, watcher, asked.package)? {
                Some(source) => self.begin_list(request, watcher, asked, source).await,
                None => self.begin(door, request, watcher, asked).await,
            },
        }
    }

    /// The event package, the duration, the formats and the conditions that are asked for.
    fn check(&self, request: &IncomingRequest) -> Result<Asked, Refusal> {
        let message = &request.message;
        check_require(request, &[EVENTLIST, RECIPIENT_LIST_SUBSCRIBE])?;
        let bad_event = || Refusal::new(489).with(HeaderName::AllowEvents, PACKAGES);
        let event = message.event()?.ok_or_else(bad_event)?;
        let package = Package::parse(&event.token).ok_or_else(bad_event)?;
        if package == Package::Watchers && !self.accounts.has_watcher_info() {
            return Err(bad_event());
        }
        let format = package.choose(message.accept()?.as_deref());
        let format =
            format.ok_or_else(|| Refusal::new(406).with(HeaderName::Accept, package.media_types()))?;
        let duration = Duration::from_secs(self.limits.expires.grant(message.expires())?.into());
        let rates = Rates::read(&event.params, self.limits.interval, duration);
        let condition = message.values(HeaderName::SuppressIfMatch).next();
        let condition = condition.map(|text| Condition::parse(&text));
        Ok(Asked { package, format, event, duration, rates, condition })
    }

    /// A SUBSCRIBE within a dialog: refreshes it, or ends it where no time is asked for.
    fn refresh(
        &self,
        request: &IncomingRequest,
        watcher: &Address,
        tag: &str,
        mut asked: Asked,
    ) -> Result<(), Refusal> {
        let message = &request.message;
        let now = Instant::now();
        let contact = self.contact(&request.flow);
        let refreshed = self.table.refresh(tag, |entry, documents| {
            if entry.watcher != *watcher {
                return Err(Misfit::Unknown);
            }
            let package = entry.package;
            entry.dialog.refresh(message, contact.clone(), request.flow)?;
            entry.notifier.set_rates(asked.rates, now);
            let is_known =
                asked.condition.as_ref().is_some_and(|condition| entry.is_known(condition, documents));
            entry.condition = asked.condition.clone().filter(|_| is_known);
            if is_known {
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
        Ok(())
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
        let contact = self.contact(&request.flow);
        let tag = self.layer.new_token();
        let (first, stand) = oneshot::channel();
        let entry = self.entry(request, watcher, &presentity, &asked, (&tag, first))?;
        let id = self.table.insert(entry, self.limits.per_account);
        let id = id.ok_or_else(|| Refusal::because(403, "Forbidden: too many subscriptions"))?;
        let begun = Begun { subscriptions: self, id };
        self.show_first(door, id);
        let sink = Arc::new(Sink { subscriptions: Arc::downgrade(self), id });
        let spec = WatchSpec {
            watcher: watcher.clone(),
            name: display_of(message)?,
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
        if !asked.duration.is_zero() && asked.package == Package::Presence && presentity != *watcher {
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
            package: asked.package,
            tag: tag.to_compact_string(),
            dialog: Dialog::begin(&request.message, tag, &asked.event, contact, request.flow)?,
            notifier,
            teller: Teller::new(asked.package, asked.format, of.clone(), Memory::default()),
            call: call_of(asked).map(Box::new),
            content: None,
            condition: asked.condition.clone(),
            first: Some(first),
            watch: None,
            origin: None,
            following: None,
            saved: None,
        })
    }

    /// Who watches somebody wants him as a contact. Asking again for what is granted changes nothing.
    async fn add_contact(&self, watcher: &Address, presentity: Address) {
        let event = signal::ContactEvent::Subscribe;
        let request = Request::Contact { to: presentity, event, note: None, native: Native::None };
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

    /// The server stops. Its subscriptions go on when it starts again, so that nobody has to be told; only
    /// those that are not remembered, because the disk was behind, have to subscribe anew.
    pub(in crate::sip) fn shut_down(self: &Arc<Self>) {
        self.is_stopping.store(true, Ordering::Relaxed);
        for id in self.table.ids() {
            let is_lost = self.table.with(id, |entry| {
                if entry.saved.is_none() {
                    entry.notifier.end(Ended::Deactivated);
                }
                entry.saved.is_none()
            });
            if is_lost == Some(true) {
                self.table.push_ready(id);
            }
        }
        self.send_all(&mut JoinSet::new());
    }

    /// Finds the subscriptions from before a restart. Blocks while it reads; to be called before phones are
    /// served, so that a refresh meets its dialog. [`Subscriptions::run`] sets them going.
    pub(in crate::sip) fn restore(&self) {
        let records = match self.memory.all() {
            Ok(records) => records,
            Err(reject) => return error!(%reject, "subscriptions cannot be read"),
        };
        let (now, clock) = (Instant::now(), Timestamp::now());
        let mut origins = self.read_origins();
        let mut found = Vec::new();
        for (key, value) in records {
            let tag = str::from_utf8(&key).ok();
            let saved = Saved::from_bytes(&value);
            let entry =
                tag.zip(saved).and_then(|(tag, saved)| saved.restore(tag, self.limits.interval, now, clock));
            let entry = entry.and_then(|entry| with_origin(entry, &mut origins));
            match entry.and_then(|entry| self.table.insert(entry, usize::MAX)) {
                Some(id) => found.push(id),
                None => self.forget(key),
            }
        }
        origins.into_keys().for_each(|tag| self.forget_origin(&tag));
        info!(count = found.len(), "subscriptions go on");
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = found;
    }

    /// Sets the subscriptions going that were found after a restart, some at a time: each is told its state.
    async fn resume(self: &Arc<Self>, door: &Door) {
        let ids = std::mem::take(&mut *self.found.lock().unwrap_or_else(PoisonError::into_inner));
        for some in ids.chunks(RESUMED) {
            let waiting: Vec<_> = some.iter().filter_map(|id| self.resume_one(door, *id)).collect();
            for first in waiting {
                // An account that takes longer shows its state when it can.
                drop(timeout(PATIENCE, first).await);
            }
        }
    }

    fn resume_one(
        self: &Arc<Self>,
        door: &Door,
        id: SubscriptionId,
    ) -> Option<oneshot::Receiver<WatchState>> {
        self.show_first(door, id);
        let (told, first) = oneshot::channel();
        let clock = Timestamp::now();
        let (of, spec, reach, list) = self.table.with(id, |entry| {
            entry.first = Some(told);
            let left = entry.notifier.expires().saturating_duration_since(Instant::now());
            let spec = WatchSpec {
                watcher: entry.watcher.clone(),
                name: entry.name.clone(),
                kind: entry.package.kind(),
                until: clock.plus_seconds(left.as_secs().try_into().unwrap_or(i64::MAX)),
            };
            let list = entry.origin.clone().map(|origin| (origin, entry.tag.clone()));
            (entry.teller.of().clone(), spec, entry.dialog.reach(), list)
        })?;
        if let Reach::Address(Protocol::Udp, _) = reach
            && let Some(Ok(flow)) =
                reach.destination().map(|destination| self.layer.transport().flow_to(&destination))
        {
            self.table.set_reach(id, Reach::Flow(flow));
        }
        let sink: Arc<dyn WatchSink> = match list {
            Some((origin, tag)) => self.resume_list(id, (&tag, &of), &origin, spec.until),
            None => Arc::new(Sink { subscriptions: Arc::downgrade(self), id }),
        };
        match self.accounts.watch(&of, spec, sink) {
            Ok(watch) => drop(self.table.keep_watch(id, Arc::new(watch))),
            // Its domain is served no more.
            Err(_) => self.table.with(id, |entry| entry.notifier.end(Ended::NoResource)).unwrap_or_default(),
        }
        self.wake(id);
        Some(first)
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
        tokio::join!(alarms, work, self.resume(door), self.news.run());
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
            let mut later = Vec::new();
            for mut outgoing in batch.outgoing {
                match outgoing.first.take() {
                    Some((key, value)) => later.push((self.memory.put_durably(key, value), outgoing)),
                    None => self.send(outgoing),
                }
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

/// The one call that is to be followed (RFC 4235 §3.2): `to-tag` is the tag of whoever is watched.
fn call_of(asked: &Asked) -> Option<Identifier> {
    let param = |name| asked.event.params.value(name).map(CompactString::from);
    (asked.package == Package::Calls).then_some(())?;
    Some(Identifier {
        call_id: param("call-id")?,
        local_tag: param("to-tag")?,
        remote_tag: param("from-tag"),
    })
}

/// As the sender of a request calls himself.
fn display_of(message: &Message) -> Result<Option<CompactString>, Refusal> {
    Ok(message.from()?.display.filter(|name| !name.is_empty()))
}

/// When a subscription that is granted so long ends.
fn until(duration: Duration) -> Timestamp {
    Timestamp::now().plus_seconds(duration.as_secs().try_into().unwrap_or(i64::MAX))
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

/// The 200 to a SUBSCRIBE (RFC 6665 §4.2.1.1), or the 204 of RFC 5839 §7.1.
fn accepted(request: &Message, status: u16, tag: &str, contact: &str, asked: &Asked) -> Message {
    let builder = answer(request, status, tag);
    let builder = match asked.package {
        Package::PresenceList => builder.text(HeaderName::Require, EVENTLIST),
        _ => builder,
    };
    builder
        .header(HeaderName::Expires, asked.duration.as_secs())
        .copy(request, HeaderName::RecordRoute)
        .header(HeaderName::Contact, contact)
        .finish()
}

/// The event package that can be published.
pub(in crate::sip) const EVENTS: &str = "presence";
/// How long an account may take to say where a watcher stands. Accounts are read from the disk.
const PATIENCE: Duration = Duration::from_secs(10);
/// Subscriptions that are set going at a time after a restart.
const RESUMED: usize = 256;
