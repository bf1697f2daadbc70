//! What is on its way to one phone: a bounded queue and the MESSAGE transactions that empty it.
//!
//! - Over UDP one transaction at a time (RFC 3428 §8), over a connection a few, whose order it keeps.
//! - Offline messages go strictly one at a time: each is confirmed before the next one leaves.
//! - What one flow of the phone does not carry is sent by its next one (RFC 5626 §7).
//! - A full queue drops what comes, and a phone that does not answer loses all that waits: dropped
//!   deliveries go back to the account, which finds another way.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use smallvec::SmallVec;
use tokio::time::Instant;
use tracing::debug;

use super::{
    device::{Device, locked},
    door::{Door, Due},
    message::Message as SipMessage,
    registrar,
    target::Target,
    transaction::{ClientEvent, Failure},
    translate::{self, Form, Rendering},
};
use crate::{
    account::{Copy, Delivery, Event, Parcel, SessionChange, Sink, SinkFull},
    formats::reginfo::ContactEvent,
    signal::{Message, SessionId, Timestamp},
};

/// The queue of one phone.
#[derive(Debug)]
pub(super) struct Queue {
    bound: usize,
    /// Nothing leaves before the phone knows that it is registered.
    has_begun: bool,
    is_closed: bool,
    /// It left a message without answer, and has not registered since.
    is_silent: bool,
    /// An alarm looks after the oldest in flight.
    is_watched: bool,
    next_id: u64,
    waiting: VecDeque<Delivery>,
    flying: Vec<Flying>,
}

#[derive(Debug)]
struct Flying {
    id: u64,
    delivery: Delivery,
    form: Form,
    /// Ways to the phone that have failed.
    failed: usize,
    since: Instant,
}

/// A message as it is sent once.
#[derive(Debug, Clone)]
struct Attempt {
    id: u64,
    message: Arc<Message>,
    copy: Copy,
    form: Form,
    /// Ways to the phone that have failed.
    failed: usize,
}

impl Flying {
    fn attempt(&self) -> Attempt {
        let (message, copy) = (Arc::clone(&self.delivery.message), self.delivery.copy);
        Attempt { id: self.id, message, copy, form: self.form, failed: self.failed }
    }
}

impl Queue {
    pub(super) fn new(bound: usize) -> Self {
        Self {
            bound,
            has_begun: false,
            is_closed: false,
            is_silent: false,
            is_watched: false,
            next_id: 0,
            waiting: VecDeque::new(),
            flying: Vec::new(),
        }
    }

    /// Takes nothing until the phone gives a sign of life.
    pub(super) fn expect_silence(&mut self) {
        self.is_silent = true;
    }

    /// Takes a delivery, or gives it back.
    fn push(&mut self, delivery: Delivery) -> Result<(), Delivery> {
        if self.is_closed || self.is_silent || self.waiting.len() >= self.bound {
            return Err(delivery);
        }
        self.waiting.push_back(delivery);
        Ok(())
    }

    /// What may leave now, if `window` may be in flight at once.
    fn next(&mut self, window: usize, now: Instant) -> Option<Attempt> {
        let is_strict = |delivery: &Delivery| delivery.copy == Copy::Offline;
        let window = match self.waiting.front() {
            Some(front) if is_strict(front) => 1,
            _ if self.flying.iter().any(|flying| is_strict(&flying.delivery)) => 1,
            _ => window,
        };
        if !self.has_begun || self.flying.len() >= window {
            return None;
        }
        let delivery = self.waiting.pop_front()?;
        let flying = Flying { id: self.next_id, delivery, form: Form::Native, failed: 0, since: now };
        let attempt = flying.attempt();
        self.next_id += 1;
        self.flying.push(flying);
        Some(attempt)
    }

    /// A message is to be sent by the next way.
    fn try_next(&mut self, id: u64, now: Instant) -> Option<Attempt> {
        let flying = self.flying.iter_mut().find(|flying| flying.id == id)?;
        flying.failed += 1;
        flying.since = now;
        Some(flying.attempt())
    }

    fn land(&mut self, id: u64) -> Option<Flying> {
        let index = self.flying.iter().position(|flying| flying.id == id)?;
        Some(self.flying.remove(index))
    }

    /// Everything there is, for whoever drops it.
    fn take_all(&mut self) -> Vec<Delivery> {
        let flying = std::mem::take(&mut self.flying).into_iter().map(|flying| flying.delivery);
        flying.chain(std::mem::take(&mut self.waiting)).collect()
    }

    /// Takes nothing more.
    pub(super) fn close(&mut self) -> Vec<Delivery> {
        self.is_closed = true;
        self.take_all()
    }
}

impl Sink for Device {
    fn push(&self, _session: SessionId, parcel: Parcel) -> Result<(), SinkFull> {
        match parcel {
            Parcel::Message(delivery) => {
                let refused = locked(&self.queue).push(delivery).err();
                drop(refused);
                self.pump();
            }
            Parcel::Event(Event::Closed(reason)) => {
                debug!(account = %self.address(), resource = %self.resource(), ?reason, "session closed");
                match self.door.upgrade() {
                    Some(door) => registrar::end(&door, self, ContactEvent::Rejected),
                    None => self.close(),
                }
            }
            // A phone watches whom it wants to see, and asks for nothing by its session.
            Parcel::Event(_) => {}
        }
        Ok(())
    }
}

impl Device {
    /// The phone knows that it is registered: what waits may leave.
    pub(super) fn begin(&self) {
        locked(&self.queue).has_begun = true;
        self.pump();
    }

    /// The phone has given a sign of life; tells whether it had been thought silent.
    pub(super) fn wake_up(&self) -> bool {
        std::mem::take(&mut locked(&self.queue).is_silent)
    }

    /// Sends what may leave. A loop, and nothing below it comes back here: peers decide how much there is.
    fn pump(&self) {
        let Some(door) = self.door.upgrade() else { return };
        let window = if self.flow().is_some_and(|flow| flow.is_reliable()) { WINDOW } else { 1 };
        loop {
            let next = locked(&self.queue).next(window, Instant::now());
            let Some(attempt) = next else { return };
            self.send(&door, attempt);
        }
    }

    /// Sends a message by the first way that takes it.
    fn send(&self, door: &Arc<Door>, attempt: Attempt) {
        let (id, mut failed) = (attempt.id, attempt.failed);
        let mut next = Some(attempt);
        while let Some(attempt) = next {
            let Some(target) = self.target_at(failed) else { return self.fall_silent() };
            if self.send_by(door, attempt, &target) {
                return;
            }
            next = locked(&self.queue).try_next(id, Instant::now());
            failed += 1;
        }
    }

    /// Sends a message; `false` where this way does not take it.
    fn send_by(&self, door: &Arc<Door>, attempt: Attempt, target: &Target) -> bool {
        let Attempt { id, message, copy, form, failed } = attempt;
        let taste = translate::Taste {
            cpim: self.takes_cpim.load(Ordering::Relaxed),
            composing: !self.refuses_composing.load(Ordering::Relaxed),
        };
        let now = Timestamp::now();
        let request = match translate::render(&message, copy, form, taste, now) {
            // It has no words for it, or it is too old: so it is as good as delivered.
            Rendering::Nothing => {
                self.settle(id, Landed::Taken);
                return true;
            }
            Rendering::Body(body) => {
                let contact = (&target.uri, target.routes.as_deref().unwrap_or_default());
                translate::request_for(&message, copy, contact, &body, &door.layer.new_token())
            }
        };
        let itself = self.itself.clone();
        let on_event = move |event| {
            if let Some(device) = itself.upgrade() {
                device.handle_event(id, failed, event);
            }
        };
        match door.layer.send_prepared(request, &target.destination, on_event) {
            Ok(_) => self.watch(door),
            Err(error) => {
                debug!(account = %self.address(), resource = %self.resource(), %error, "message not sent");
                return false;
            }
        }
        true
    }

    fn handle_event(&self, id: u64, failed: usize, event: ClientEvent) {
        match event {
            ClientEvent::Provisional(_) => {}
            // RFC 5626 §7: the flow failed, not the phone.
            ClientEvent::Final(response) if response.status() == Some(FLOW_FAILED) => {
                if !self.try_next(id, failed) {
                    self.land(id, Landed::Refused);
                }
            }
            ClientEvent::Final(response) => self.handle_response(id, &response),
            ClientEvent::Failed(Failure::Timeout | Failure::Unreachable) => {
                if !self.try_next(id, failed) && self.is_flying(id, failed) {
                    self.fall_silent();
                }
            }
        }
    }

    /// Whether a message waits for the answer by this way. One that was given up before, or is tried by
    /// another way, does not.
    fn is_flying(&self, id: u64, failed: usize) -> bool {
        locked(&self.queue).flying.iter().any(|flying| flying.id == id && flying.failed == failed)
    }

    /// Sends a message by the next way, after `failed` before this one; `false` where there is none.
    fn try_next(&self, id: u64, failed: usize) -> bool {
        if self.target_at(failed + 1).is_none() || !self.is_flying(id, failed) {
            return false;
        }
        let Some(door) = self.door.upgrade() else { return false };
        let attempt = locked(&self.queue).try_next(id, Instant::now());
        if let Some(attempt) = attempt {
            self.send(&door, attempt);
        }
        true
    }

    fn handle_response(&self, id: u64, response: &SipMessage) {
        match response.status().unwrap_or_default() {
            200..=299 => self.land(id, Landed::Taken),
            405 | 501 => {
                self.refuses_messages.store(true, Ordering::Relaxed);
                self.change(SessionChange::TakesMessages(false));
                self.drop_all();
            }
            status if is_about_media(status) => self.retry(id),
            status if is_for_good(status) => self.land(id, Landed::RefusedForGood),
            _ => self.land(id, Landed::Refused),
        }
    }

    /// The phone does not know the media type: once more in words that all know.
    fn retry(&self, id: u64) {
        let again = {
            let mut queue = locked(&self.queue);
            let flying = queue.flying.iter_mut().find(|flying| flying.id == id);
            flying.filter(|flying| flying.form == Form::Native).map(|flying| {
                flying.form = Form::Neutral;
                flying.since = Instant::now();
                flying.attempt()
            })
        };
        let Some((attempt, door)) = again.zip(self.door.upgrade()) else {
            return self.land(id, Landed::RefusedForGood);
        };
        let message = &attempt.message;
        if message.content.typing.is_some() && message.content.body().is_none() {
            self.refuses_composing.store(true, Ordering::Relaxed);
        }
        if !translate::has_neutral_form(message) {
            return self.land(id, Landed::RefusedForGood);
        }
        self.send(&door, attempt);
        // It may have had no words for it.
        self.pump();
    }

    /// A message is at its end, and the next may leave.
    fn land(&self, id: u64, how: Landed) {
        self.settle(id, how);
        self.pump();
    }

    /// A message is at its end.
    fn settle(&self, id: u64, how: Landed) {
        let Some(flying) = locked(&self.queue).land(id) else { return };
        match how {
            Landed::Taken => flying.delivery.confirm(),
            // It must not stand in the way of the messages behind it for ever.
            Landed::RefusedForGood if flying.delivery.copy == Copy::Offline => flying.delivery.confirm(),
            Landed::RefusedForGood | Landed::Refused => drop(flying),
        }
    }

    /// The phone does not answer: until it registers again it is not sent anything.
    fn fall_silent(&self) {
        debug!(account = %self.address(), resource = %self.resource(), "phone does not answer");
        locked(&self.queue).is_silent = true;
        self.change(SessionChange::TakesMessages(false));
        self.drop_all();
    }

    fn drop_all(&self) {
        let left = locked(&self.queue).take_all();
        drop(left);
    }

    /// Makes sure that an alarm looks after the oldest message in flight.
    fn watch(&self, door: &Door) {
        let oldest = {
            let mut queue = locked(&self.queue);
            let oldest = queue.flying.iter().map(|flying| flying.since).min();
            match oldest {
                Some(_) if std::mem::replace(&mut queue.is_watched, true) => None,
                oldest => oldest,
            }
        };
        if let Some(oldest) = oldest {
            door.alarm.set(oldest + patience(door), Due::Message(self.itself.clone()));
        }
    }

    /// The alarm went off: a message may have been in flight for too long.
    pub(super) fn handle_due(&self) {
        let Some(door) = self.door.upgrade() else { return };
        let late: SmallVec<[(u64, usize); 1]> = {
            let mut queue = locked(&self.queue);
            queue.is_watched = false;
            let now = Instant::now();
            let late = queue.flying.iter().filter(|flying| flying.since + patience(&door) <= now);
            late.map(|flying| (flying.id, flying.failed)).collect()
        };
        // One way that does not answer says nothing of the others.
        if late.iter().all(|(id, failed)| self.try_next(*id, *failed)) {
            self.watch(&door);
        } else {
            self.fall_silent();
        }
    }
}

/// How a message ended.
#[derive(Debug, Clone, Copy)]
enum Landed {
    Taken,
    /// Not now.
    Refused,
    /// Another try would end the same way.
    RefusedForGood,
}

fn patience(door: &Door) -> Duration {
    door.config.answer()
}

/// The phone cannot show this kind of content (RFC 3261 §21.4.6, §21.4.13, §21.4.26).
fn is_about_media(status: u16) -> bool {
    matches!(status, 406 | 415 | 488)
}

/// The message itself is at fault, or a person said no; a phone that is busy or has lost its user may
/// take it another time.
fn is_for_good(status: u16) -> bool {
    matches!(status, 400 | 413 | 420 | 493 | 513 | 600..=699)
}

/// RFC 5626 §11.5: a proxy on the way lost its flow to the phone.
const FLOW_FAILED: u16 = 430;
/// Messages in flight at once on a connection.
const WINDOW: usize = 16;
