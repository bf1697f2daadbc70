//! The messages that a WebSocket has and has not acknowledged: bounded in number and in time.
//!
//! A message that is dropped with the window goes back to the account.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::{
    account::{Copy, Delivery},
    signal::MessageId,
};

pub(super) struct Window {
    /// Most messages in it. Full: nothing more is written until the client acknowledges.
    bound: usize,
    patience: Duration,
    /// In the order in which they were written.
    waiting: VecDeque<(Instant, Delivery)>,
}

impl Window {
    pub(super) fn new(bound: usize, patience: Duration) -> Self {
        Self { bound, patience, waiting: VecDeque::new() }
    }

    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < self.bound
    }

    /// How long the client may take to acknowledge a message.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// Notes a message that is being written. Copies need no acknowledgement: another session, or
    /// another account, answers for them.
    pub(super) fn add(&mut self, delivery: Delivery, now: Instant) {
        match delivery.copy {
            Copy::Original | Copy::Offline => self.waiting.push_back((now + self.patience, delivery)),
            Copy::Received | Copy::Sent => delivery.confirm(),
        }
    }

    /// The client has this message. Another one's id changes nothing.
    pub(super) fn acknowledge(&mut self, id: MessageId) {
        let at = self.waiting.iter().position(|(_, delivery)| delivery.message.id == id);
        if let Some((_, delivery)) = at.and_then(|at| self.waiting.remove(at)) {
            delivery.confirm();
        }
    }

    /// When the oldest message has waited too long.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.waiting.front().map(|(at, _)| *at)
    }
}
