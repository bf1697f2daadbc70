//! What is on its way to one phone: a bounded queue and the MESSAGE transactions that empty it.
//!
//! - Over UDP one transaction at a time (RFC 3428 §8), over a connection a few, whose order it keeps.
//! - Offline messages go strictly one at a time: each is confirmed before the next one leaves.
//! - A full queue drops what comes, and a phone that does not answer loses all that waits: dropped
//!   deliveries go back to the account, which finds another way.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::Instant;
use tracing::debug;

use super::{
    device::{Device, locked},
    door::{Door, Due},
    message::Message as SipMessage,
    transaction::{ClientEvent, Failure},
    translate::{self, Form, Rendering},
};
use crate::{
    account::{Copy, Delivery, Event, Parcel, SessionChange, Sink, SinkFull},
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
    since: Instant,
}

/// What is to be sent next.
struct Next {
    id: u64,
    message: Arc<Message>,
    copy: Copy,
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

    /// Takes a delivery, or gives it back.
    fn push(&mut self, delivery: Delivery) -> Result<(), Delivery> {
        if self.is_closed || self.is_silent || self.waiting.len() >= self.bound {
            return Err(delivery);
        }
        self.waiting.push_back(delivery);
        Ok(())
    }

    /// What may leave now, if `window` may be in flight at once.
    fn next(&mut self, window: usize, now: Instant) -> Option<Next> {
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
        let (id, message, copy) = (self.next_id, Arc::clone(&delivery.message), delivery.copy);
        self.next_id += 1;
        self.flying.push(Flying { id, delivery, form: Form::Native, since: now });
        Some(Next { id, message, copy })
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
                self.close();
                if let Some(door) = self.door.upgrade() {
                    door.locations.forget(self);
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
        let window = if self.flow().is_reliable() { WINDOW } else { 1 };
        loop {
            let next = locked(&self.queue).next(window, Instant::now());
            let Some(Next { id, message, copy }) = next else { return };
            self.send(&door, id, &message, copy, Form::Native);
        }
    }

    fn send(&self, door: &Arc<Door>, id: u64, message: &Message, copy: Copy, form: Form) {
        let target = self.target();
        let taste = translate::Taste {
            cpim: self.takes_cpim.load(Ordering::Relaxed),
            composing: !self.refuses_composing.load(Ordering::Relaxed),
        };
        let now = Timestamp::now();
        let request = match translate::render(message, copy, form, taste, now) {
            // It has no words for it, or it is too old: so it is as good as delivered.
            Rendering::Nothing => return self.settle(id, Landed::Taken),
            Rendering::Body(body) => {
                translate::request_for(message, copy, &target.uri, &body, &door.layer.new_token())
            }
        };
        let itself = self.itself.clone();
        let on_event = move |event| {
            if let Some(device) = itself.upgrade() {
                device.handle_event(id, event);
            }
        };
        match door.layer.send_prepared(request, &target.destination, on_event) {
            Ok(_) => self.watch(door),
            Err(error) => {
                debug!(account = %self.address(), resource = %self.resource(), %error, "message not sent");
                self.fall_silent();
            }
        }
    }

    fn handle_event(&self, id: u64, event: ClientEvent) {
        match event {
            ClientEvent::Provisional(_) => {}
            ClientEvent::Final(response) => self.handle_response(id, &response),
            ClientEvent::Failed(Failure::Timeout | Failure::Unreachable) => {
                // One that was given up before changes nothing any more.
                if locked(&self.queue).flying.iter().any(|flying| flying.id == id) {
                    self.fall_silent();
                }
            }
        }
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
                (Arc::clone(&flying.delivery.message), flying.delivery.copy)
            })
        };
        let Some(((message, copy), door)) = again.zip(self.door.upgrade()) else {
            return self.land(id, Landed::RefusedForGood);
        };
        if message.content.typing.is_some() && message.content.body().is_none() {
            self.refuses_composing.store(true, Ordering::Relaxed);
        }
        if !translate::has_neutral_form(&message) {
            return self.land(id, Landed::RefusedForGood);
        }
        self.send(&door, id, &message, copy, Form::Neutral);
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
        let is_late = {
            let mut queue = locked(&self.queue);
            queue.is_watched = false;
            let now = Instant::now();
            queue.flying.iter().any(|flying| flying.since + patience(&door) <= now)
        };
        if is_late { self.fall_silent() } else { self.watch(&door) }
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

/// Messages in flight at once on a connection.
const WINDOW: usize = 16;
