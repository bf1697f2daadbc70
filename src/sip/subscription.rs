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
mod notifier;
mod rate;
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
    dialog::{Dialog, Misfit, Reach},
    entry::{Condition, Entry},
    notifier::{Ended, Notifier},
    rate::Rates,
    table::{Outgoing, SubscriptionId, Table},
};
use super::{
    alarm::Alarm,
    answer::{Refusal, answer, check_require},
    device::Device,
    events::{Content, Memory, PACKAGES, Package, Teller},
    message::{HeaderName, Message, NameAddr, TokenParams, Uri},
    own::own_uri,
    transaction::{ClientEvent, Failure, IncomingRequest, Layer},
    transport::Flow,
};
use crate::{
    account::{Accounts, Request, Shown, WatchId, WatchSink, WatchSpec, WatchState},
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
    /// Whether owners may follow who watches them.
    pub(in crate::sip) watcher_info: bool,
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
    package: Package,
    event: TokenParams,
    duration: Duration,
    rates: Option<Rates>,
    condition: Option<Condition>,
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
            Some(tag) => self.refresh(request, watcher, tag, asked),
            None => self.begin(request, watcher, asked).await,
        }
    }

    /// The event package, the duration, the formats and the conditions that are asked for.
    fn check(&self, request: &IncomingRequest) -> Result<Asked, Refusal> {
        let message = &request.message;
        check_require(request, &[])?;
        let bad_event = || Refusal::new(489).with(HeaderName::AllowEvents, PACKAGES);
        let event = message.event()?.ok_or_else(bad_event)?;
        let package = Package::parse(&event.token).ok_or_else(bad_event)?;
        if package == Package::Watchers && !self.limits.watcher_info {
            return Err(bad_event());
        }
        if !package.is_acceptable(message.accept()?.as_deref()) {
            return Err(Refusal::new(406).with(HeaderName::Accept, package.media_type()));
        }
        let duration = Duration::from_secs(self.limits.expires.grant(message.expires())?.into());
        let rates = Rates::read(&event.params, self.limits.interval, duration);
        let condition = message.values(HeaderName::SuppressIfMatch).next();
        let condition = condition.map(|text| Condition::parse(&text));
        Ok(Asked { package, event, duration, rates, condition })
    }

    /// A SUBSCRIBE within a dialog: refreshes it, or ends it where no time is asked for.
    fn refresh(
        &self,
        request: &IncomingRequest,
        watcher: &Address,
        tag: &str,
        asked: Asked,
    ) -> Result<(), Refusal> {
        let message = &request.message;
        let now = Instant::now();
        let contact = self.contact(&request.flow);
        let refreshed = self.table.refresh(tag, |entry, documents| {
            if entry.watcher != *watcher {
                return Err(Misfit::Unknown);
            }
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
            Ok(is_known)
        });
        let (id, is_known, watch) = refreshed.map_err(|misfit| match misfit {
            Misfit::Unknown => Refusal::new(481),
            Misfit::OutOfOrder => Refusal::because(500, "Server Internal Error: sequence number"),
            Misfit::Header(error) => error.into(),
        })?;
        let status = if is_known { 204 } else { 200 };
        request.transaction.respond(accepted(message, status, "", &contact, &asked));
        if let Some(watch) = watch {
            watch.renew(until(asked.duration));
        }
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
        let sink = Arc::new(Sink { subscriptions: Arc::downgrade(self), id });
        let spec = WatchSpec {
            watcher: watcher.clone(),
            name: message.from()?.display.filter(|name| !name.is_empty()),
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
            package: asked.package,
            tag: tag.to_compact_string(),
            dialog: Dialog::begin(&request.message, tag, &asked.event, contact, request.flow)?,
            notifier,
            teller: Teller::new(asked.package, of.clone(), Memory::default()),
            content: None,
            condition: asked.condition.clone(),
            first: Some(first),
            watch: None,
        })
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

    /// The connection is gone. Its watchers are told how things are when there is a way to them again.
    pub(in crate::sip) fn handle_flow_closed(&self, flow: Flow) {
        for id in self.table.of_flow(&flow) {
            self.table.lose_reach(id, Reach::Flow(flow));
        }
        self.work.notify_one();
    }

    /// A phone registered, perhaps by a new connection: its subscriptions go on there.
    pub(in crate::sip) fn handle_registered(&self, device: &Device) {
        let Some(target) = device.target() else { return };
        let is_same = |contact: &Uri| {
            contact.is_equivalent(&target.uri)
                || (contact.raw_user().is_some()
                    && contact.raw_user() == target.uri.raw_user()
                    && contact.host() == target.uri.host())
        };
        if self.table.rejoin(device.address(), target.flow, is_same) {
            self.work.notify_one();
        }
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
            let batch = self.table.take_batch(Instant::now(), Timestamp::now());
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
        let Outgoing { id, request, reach } = outgoing;
        let Some(destination) = reach.destination() else { return self.table.lose_reach(id, reach) };
        let subscriptions = Arc::downgrade(self);
        let on_event = move |event| {
            if let Some(subscriptions) = subscriptions.upgrade() {
                subscriptions.handle_event(id, &event, reach);
            }
        };
        if self.layer.send_prepared(request, &destination, on_event).is_err() {
            self.handle_event(id, &ClientEvent::Failed(Failure::Unreachable), reach);
        }
    }

    fn handle_event(&self, id: SubscriptionId, event: &ClientEvent, reach: Reach) {
        let now = Instant::now();
        let is_ready = match outcome_of(event, reach) {
            Outcome::Waiting => false,
            Outcome::Settled => self.table.change(id, |entry| {
                if let ClientEvent::Final(response) = event {
                    self.heed_wishes(entry, response, now);
                }
                entry.notifier.handle_answer()
            }),
            Outcome::Refused(pause) => self.table.change(id, |entry| {
                entry.teller.forget();
                entry.notifier.handle_refusal(pause, now);
                true
            }),
            Outcome::Unanswered => self.table.change(id, |entry| {
                entry.teller.forget();
                entry.notifier.handle_answer()
            }),
            Outcome::Lost => {
                self.table.lose_reach(id, reach);
                true
            }
            Outcome::Dead => {
                drop(self.table.remove(id));
                false
            }
        };
        if is_ready {
            self.work.notify_one();
        }
    }

    /// A watcher may change his rates in the answer to a NOTIFY (RFC 6446 §5.2).
    fn heed_wishes(&self, entry: &mut Entry, response: &Message, now: Instant) {
        if entry.notifier.rates().is_none() || !response.has(HeaderName::Event) {
            return;
        }
        if let Ok(Some(event)) = response.event() {
            let left = entry.notifier.expires().saturating_duration_since(now);
            entry.notifier.set_rates(Rates::read(&event.params, self.limits.interval, left), now);
        }
    }
}

/// What an event says of the NOTIFY and its subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Waiting,
    /// The next NOTIFY may go.
    Settled,
    /// The watcher may not know what he was told; the next NOTIFY may go.
    Unanswered,
    /// Something is in the way that may pass: the same again after a while.
    Refused(Duration),
    /// The connection is gone, the watcher perhaps not.
    Lost,
    /// The watcher knows nothing of the subscription, or cannot be reached.
    Dead,
}

/// RFC 6665 §4.2.2. Where nothing answers, a connection that stands says that the watcher is there; a
/// datagram that is never answered says that he is not.
fn outcome_of(event: &ClientEvent, reach: Reach) -> Outcome {
    match event {
        ClientEvent::Provisional(_) => Outcome::Waiting,
        ClientEvent::Final(response) => match response.status().unwrap_or_default() {
            200..=299 => Outcome::Settled,
            404 | 405 | 410 | 416 | 480..=485 | 489 | 501 | 604 => Outcome::Dead,
            _ => {
                let after = response.text(HeaderName::RetryAfter);
                let digits = after.as_deref().map(|text| text.split([' ', ';', '(']).next().unwrap_or(text));
                let seconds = digits.and_then(|digits| digits.parse::<u32>().ok());
                Outcome::Refused(Duration::from_secs(seconds.unwrap_or(30).clamp(1, 3600).into()))
            }
        },
        ClientEvent::Failed(Failure::Timeout) if reach.is_reliable() => Outcome::Unanswered,
        ClientEvent::Failed(Failure::Unreachable) if reach.is_reliable() => Outcome::Lost,
        ClientEvent::Failed(_) => Outcome::Dead,
    }
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
        let content = shown.and_then(Content::of_account);
        let Some(subscriptions) = self.subscriptions.upgrade() else { return };
        let (mut first, now) = (None, Instant::now());
        let is_ready = subscriptions.table.change(self.id, |entry| {
            entry.show(state, content, now);
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

/// The 200 to a SUBSCRIBE (RFC 6665 §4.2.1.1), or the 204 of RFC 5839 §7.1.
fn accepted(request: &Message, status: u16, tag: &str, contact: &str, asked: &Asked) -> Message {
    answer(request, status, tag)
        .header(HeaderName::Expires, asked.duration.as_secs())
        .copy(request, HeaderName::RecordRoute)
        .header(HeaderName::Contact, contact)
        .finish()
}

/// The event package that can be published.
pub(in crate::sip) const EVENTS: &str = "presence";
/// How long an account may take to say where a watcher stands. Accounts are read from the disk.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::{message::Limits as MessageLimits, transport::Protocol};

    fn answered(status: &str) -> ClientEvent {
        let text = format!("SIP/2.0 {status}\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n\r\n");
        ClientEvent::Final(Message::parse_datagram(text.into(), &MessageLimits::default()).unwrap())
    }

    #[test]
    fn answers_to_a_notify_decide_about_the_subscription() {
        let flow = |protocol| Reach::Flow(Flow::for_test(protocol, ([192, 0, 2, 1], 5060).into(), 1));
        let (udp, tcp) = (flow(Protocol::Udp), flow(Protocol::Tcp));
        let seconds = |seconds| Outcome::Refused(Duration::from_secs(seconds));
        for (event, reach, expected) in [
            (answered("200 OK"), udp, Outcome::Settled),
            (answered("481 Gone"), udp, Outcome::Dead),
            (answered("489 Bad Event"), tcp, Outcome::Dead),
            (answered("500 Oops"), udp, seconds(30)),
            (answered("503 Busy\r\nRetry-After: 7;duration=3"), udp, seconds(7)),
            (ClientEvent::Failed(Failure::Timeout), udp, Outcome::Dead),
            (ClientEvent::Failed(Failure::Timeout), tcp, Outcome::Unanswered),
            (ClientEvent::Failed(Failure::Unreachable), tcp, Outcome::Lost),
            (ClientEvent::Failed(Failure::Unreachable), udp, Outcome::Dead),
        ] {
            assert_eq!(outcome_of(&event, reach), expected, "{event:?}");
        }
    }
}
