//! SUBSCRIBE and NOTIFY (RFC 6665) for the presence of accounts (RFC 3856): the notifier of this door.
//!
//! A subscription is a watch on an account and a dialog with a phone. The account shows what the
//! watcher may see; one task makes the NOTIFYs of all subscriptions, so that a state that many watch
//! is written once. What is due and when is [`notifier`]'s to say; nothing here decides who may watch.
//!
//! How a phone's user becomes a contact: subscribing to somebody who is not in the watcher's roster
//! adds him and asks him, as adding a contact does in any client. Giving up the subscription changes
//! no roster. A contact request from somebody else cannot be answered by SUBSCRIBE; it waits for a
//! client that can show it.

mod dialog;
mod notifier;
mod table;

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use compact_str::{CompactString, ToCompactString};
use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, timeout},
};
use tracing::debug;

use self::{
    dialog::{Dialog, Misfit},
    notifier::{Ended, Notifier},
    table::{Entry, Outgoing, SubscriptionId, Table},
};
use super::{
    alarm::Alarm,
    answer::{Refusal, answer, check_require},
    message::{HeaderName, MediaType, Message, NameAddr, TokenParams},
    own::own_uri,
    transaction::{ClientEvent, Failure, IncomingRequest, Layer},
    transport::{Destination, Flow},
};
use crate::{
    account::{Accounts, Request, Shown, WatchId, WatchKind, WatchSink, WatchSpec, WatchState},
    formats::pidf,
    signal::{Address, ContactEvent, Native, Timestamp},
};

/// What the operator chose about subscriptions.
#[derive(Debug, Clone, Copy)]
pub(in crate::sip) struct Limits {
    /// Seconds: the shortest subscription, the one of a phone that does not say, and the longest.
    pub(in crate::sip) expires: Range,
    /// Least time between two NOTIFYs of a subscription for mere changes.
    pub(in crate::sip) interval: Duration,
    /// Most subscriptions of one watcher.
    pub(in crate::sip) per_account: usize,
}

/// Durations that a phone may ask for, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sip) struct Range {
    pub(in crate::sip) least: u32,
    pub(in crate::sip) usual: u32,
    pub(in crate::sip) most: u32,
}

impl Range {
    /// What is granted to somebody who asks for `asked` seconds; zero stays zero.
    ///
    /// # Errors
    /// 423 with the least, where it is too short (RFC 6665 §4.2.1.1, RFC 3903 §6).
    pub(in crate::sip) fn grant(&self, asked: Option<u32>) -> Result<u32, Refusal> {
        match asked.unwrap_or(self.usual) {
            0 => Ok(0),
            asked if asked < self.least => Err(Refusal::new(423).with(HeaderName::MinExpires, self.least)),
            asked => Ok(asked.min(self.most)),
        }
    }
}

/// All subscriptions of this door.
pub(in crate::sip) struct Subscriptions {
    layer: Arc<Layer>,
    accounts: Accounts,
    limits: Limits,
    table: Table,
    /// Subscriptions with something to say, or whose time has come.
    due: Alarm<SubscriptionId>,
    work: Notify,
}

/// A SUBSCRIBE that was found well-formed.
struct Asked {
    event: TokenParams,
    duration: Duration,
}

impl Subscriptions {
    pub(in crate::sip) fn new(layer: Arc<Layer>, accounts: Accounts, limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            layer,
            accounts,
            limits,
            table: Table::default(),
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
        request: &IncomingRequest,
        watcher: &Address,
    ) -> Result<(), Refusal> {
        let asked = self.check(request)?;
        match request.message.to()?.tag() {
            Some(tag) => self.refresh(request, watcher, tag, &asked),
            None => self.begin(request, watcher, asked).await,
        }
    }

    /// The event package, the duration and the formats that are asked for.
    fn check(&self, request: &IncomingRequest) -> Result<Asked, Refusal> {
        let message = &request.message;
        check_require(request, &[])?;
        let bad_event = || Refusal::new(489).with(HeaderName::AllowEvents, EVENTS);
        let event = message.event()?.ok_or_else(bad_event)?;
        if event.token != EVENTS {
            return Err(bad_event());
        }
        let takes = |ranges: Vec<MediaType>| {
            ranges.iter().any(|range| range.covers(pidf::MEDIA_TYPE) && range.q().thousandths() > 0)
        };
        if !message.accept()?.is_none_or(takes) {
            return Err(Refusal::new(406).with(HeaderName::Accept, pidf::MEDIA_TYPE));
        }
        let seconds = self.limits.expires.grant(message.expires())?;
        Ok(Asked { event, duration: Duration::from_secs(seconds.into()) })
    }

    /// A SUBSCRIBE within a dialog: refreshes it, or ends it where no time is asked for.
    fn refresh(
        &self,
        request: &IncomingRequest,
        watcher: &Address,
        tag: &str,
        asked: &Asked,
    ) -> Result<(), Refusal> {
        let message = &request.message;
        let now = Instant::now();
        let contact = self.contact(&request.flow);
        let id = self.table.refresh(tag, |entry| {
            if entry.watcher != *watcher {
                return Err(Misfit::Unknown);
            }
            entry.dialog.refresh(message, contact.clone(), request.flow)
        });
        let id = id.map_err(|misfit| match misfit {
            Misfit::Unknown => Refusal::new(481),
            Misfit::OutOfOrder => Refusal::because(500, "Server Internal Error: sequence number"),
            Misfit::Header(error) => error.into(),
        })?;
        request.transaction.respond(accepted(message, "", &contact, asked));
        self.table.with(id, |entry| entry.notifier.accept(asked.duration, now));
        self.wake(id);
        Ok(())
    }

    /// A SUBSCRIBE outside of dialogs. The answer waits for the account's word, so that it is right.
    async fn begin(
        self: &Arc<Self>,
        request: &IncomingRequest,
        watcher: &Address,
        asked: Asked,
    ) -> Result<(), Refusal> {
        let message = &request.message;
        let uri = message.request_uri()?;
        let presentity = super::translate::address_of(&uri).filter(|address| !address.is_domain());
        let presentity = presentity.ok_or_else(|| Refusal::new(404))?;
        let contact = self.contact(&request.flow);
        let tag = self.layer.new_token();
        let dialog = Dialog::begin(message, &tag, &asked.event, contact.clone(), request.flow)?;
        let (first, stand) = oneshot::channel();
        let entry = Entry {
            watcher: watcher.clone(),
            tag: tag.to_compact_string(),
            dialog,
            notifier: Notifier::new(self.limits.interval, Instant::now()),
            first: Some(first),
            watch: None,
        };
        let id = self.table.insert(entry, self.limits.per_account);
        let id = id.ok_or_else(|| Refusal::because(403, "Forbidden: too many subscriptions"))?;
        let begun = Begun { subscriptions: self, id };
        let sink = Arc::new(Sink { subscriptions: Arc::downgrade(self), id });
        let until = Timestamp::now().plus_seconds(asked.duration.as_secs().try_into().unwrap_or(i64::MAX));
        let spec = WatchSpec { watcher: watcher.clone(), name: None, kind: WatchKind::Presence, until };
        let watch = self.accounts.watch(&presentity, spec, sink)?;
        drop(self.table.keep_watch(id, watch));
        match timeout(PATIENCE, stand).await {
            Ok(Ok(WatchState::Gone)) => return Err(Refusal::new(404)),
            Ok(Ok(WatchState::Rejected)) => return Err(Refusal::new(403)),
            Ok(Ok(WatchState::Pending | WatchState::Active)) => {}
            // Overloaded, or the connection ended meanwhile.
            _ => return Err(Refusal::new(503).with(HeaderName::RetryAfter, 10)),
        }
        request.transaction.respond(accepted(message, &tag, &contact, &asked));
        begun.accept(asked.duration);
        if !asked.duration.is_zero() && presentity != *watcher {
            self.add_contact(watcher, presentity).await;
        }
        Ok(())
    }

    /// Who watches somebody wants him as a contact. Asking again for what is granted changes nothing.
    async fn add_contact(&self, watcher: &Address, presentity: Address) {
        let event = ContactEvent::Subscribe;
        let request = Request::Contact { to: presentity, event, note: None, native: Native::None };
        if let Err(reject) = self.accounts.ask(watcher, request).await {
            debug!(account = %watcher, %reject, "contact not added");
        }
    }

    /// Our `Contact` in a dialog with the peer of `flow`.
    fn contact(&self, flow: &Flow) -> CompactString {
        NameAddr::new(own_uri(&self.layer, flow)).to_compact_string()
    }

    /// The connection is gone, and with it the way to its watchers: they subscribe anew.
    pub(in crate::sip) fn handle_flow_closed(&self, flow: Flow) {
        drop(self.table.remove_flow(&flow));
    }

    /// Tells every watcher to subscribe anew, because the server stops.
    pub(in crate::sip) fn shut_down(self: &Arc<Self>) {
        for id in self.table.ids() {
            self.table.with(id, |entry| entry.notifier.end(Ended::Deactivated));
            self.table.push_ready(id);
        }
        self.send_all();
    }

    /// Makes and sends what is due, until it is dropped. Runs once.
    pub(in crate::sip) async fn run(self: Arc<Self>) {
        let alarms = self.due.run(|id| self.wake(id));
        let work = async {
            loop {
                self.work.notified().await;
                self.send_all();
            }
        };
        tokio::join!(alarms, work);
    }

    fn wake(&self, id: SubscriptionId) {
        self.table.push_ready(id);
        self.work.notify_one();
    }

    /// Sends until nothing is ready. No lock is held while something is sent or dropped.
    fn send_all(self: &Arc<Self>) {
        loop {
            let batch = self.table.take_batch(Instant::now());
            for (at, id) in batch.deadlines {
                self.due.set(at, id);
            }
            for outgoing in batch.outgoing {
                self.send(outgoing);
            }
            if batch.taken == 0 {
                return;
            }
        }
    }

    fn send(self: &Arc<Self>, outgoing: Outgoing) {
        let Outgoing { id, request, flow } = outgoing;
        let subscriptions = Arc::downgrade(self);
        let on_event = move |event| {
            if let Some(subscriptions) = subscriptions.upgrade() {
                subscriptions.handle_outcome(id, outcome_of(&event, flow));
            }
        };
        if self.layer.send_prepared(request, &Destination::Flow(flow), on_event).is_err() {
            self.handle_outcome(id, Outcome::Dead);
        }
    }

    fn handle_outcome(&self, id: SubscriptionId, outcome: Outcome) {
        match outcome {
            Outcome::Waiting => {}
            Outcome::Settled => {
                if self.table.change(id, |entry| entry.notifier.handle_answer()) {
                    self.work.notify_one();
                }
            }
            Outcome::Dead => drop(self.table.remove(id)),
        }
    }
}

/// What an event says of the NOTIFY and its subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Waiting,
    /// The next NOTIFY may go.
    Settled,
    /// The watcher knows nothing of the subscription, or cannot be reached.
    Dead,
}

/// RFC 6665 §4.2.2. Where nothing answers, a connection that stands says that the watcher is there; a
/// datagram that is never answered says that he is not.
fn outcome_of(event: &ClientEvent, flow: Flow) -> Outcome {
    match event {
        ClientEvent::Provisional(_) => Outcome::Waiting,
        ClientEvent::Final(response) => match response.status().unwrap_or_default() {
            404 | 405 | 410 | 416 | 480..=485 | 489 | 501 | 604 => Outcome::Dead,
            _ => Outcome::Settled,
        },
        ClientEvent::Failed(Failure::Timeout) if flow.is_reliable() => Outcome::Settled,
        ClientEvent::Failed(_) => Outcome::Dead,
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
        drop(self.subscriptions.table.remove(self.id));
    }
}

/// The account's way to one subscription.
struct Sink {
    subscriptions: Weak<Subscriptions>,
    id: SubscriptionId,
}

impl WatchSink for Sink {
    fn show(&self, _watch: WatchId, state: WatchState, shown: Option<Shown>) {
        let snapshot = shown.and_then(|shown| match shown {
            Shown::Presence { snapshot, .. } => Some(snapshot),
            Shown::Watchers(_) | Shown::Waiting(_) => None,
        });
        let Some(subscriptions) = self.subscriptions.upgrade() else { return };
        let mut first = None;
        let is_ready = subscriptions.table.change(self.id, |entry| {
            entry.notifier.show(state, snapshot);
            first = entry.first.take();
            first.is_none()
        });
        match first {
            // Who waits for it wakes the notifier when the answer is out.
            Some(first) => drop(first.send(state)),
            None if is_ready => subscriptions.work.notify_one(),
            None => {}
        }
    }
}

/// The 200 to a SUBSCRIBE (RFC 6665 §4.2.1.1).
fn accepted(request: &Message, tag: &str, contact: &str, asked: &Asked) -> Message {
    answer(request, 200, tag)
        .header(HeaderName::Expires, asked.duration.as_secs())
        .copy(request, HeaderName::RecordRoute)
        .header(HeaderName::Contact, contact)
        .finish()
}

/// The event packages that can be subscribed to.
pub(in crate::sip) const EVENTS: &str = "presence";
/// How long an account may take to say where a watcher stands. Accounts are read from the disk.
const PATIENCE: Duration = Duration::from_secs(10);
