//! The INVITE server transaction: RFC 3261 §17.2.1 as changed by RFC 6026 §7.1.

use std::time::Duration;

use bytes::Bytes;
use smallvec::smallvec;

use crate::sip::message::{Builder, Message};

use super::{
    machine::{Action, Actions, Timer},
    timers::Timers,
};

/// RFC 6026 §8.7 figure 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Proceeding,
    Completed,
    Confirmed,
    Accepted,
    Terminated,
}

/// The machine.
#[derive(Debug)]
pub(super) struct InviteServer {
    pub(super) state: State,
    is_reliable: bool,
    timers: Timers,
    /// A provisional response was sent: the sender does not repeat the INVITE any more.
    is_awaited: bool,
    /// Until the first response: what the 100 is made from.
    request: Option<Message>,
    /// The last response; sent again when the request comes again.
    last: Bytes,
    /// The pause before the next retransmission.
    interval: Duration,
}

impl InviteServer {
    pub(super) fn new(request: Message, is_reliable: bool, timers: Timers) -> (Self, Actions) {
        let machine = Self {
            state: State::Proceeding,
            is_reliable,
            timers,
            is_awaited: false,
            request: Some(request),
            last: Bytes::new(),
            interval: timers.t1,
        };
        (machine, smallvec![Action::Arm(Timer::Trying, timers.trying)])
    }

    /// The INVITE came again.
    pub(super) fn handle_request(&mut self) -> Actions {
        match self.state {
            State::Proceeding if self.last.is_empty() => self.handle_timer(Timer::Trying),
            State::Proceeding | State::Completed => smallvec![Action::Send(self.last.clone())],
            State::Confirmed | State::Accepted | State::Terminated => Actions::new(),
        }
    }

    /// The transaction user responds.
    pub(super) fn respond(&mut self, status: u16, response: Bytes) -> Actions {
        match (self.state, status) {
            (State::Proceeding, 100..=199) => {
                self.is_awaited = true;
                self.request = None;
                self.last = response.clone();
                smallvec![Action::Send(response)]
            }
            (State::Proceeding, 200..=299) => {
                self.state = State::Accepted;
                self.request = None;
                self.last = Bytes::new();
                smallvec![Action::Send(response), Action::Arm(Timer::L, self.timers.patience())]
            }
            (State::Proceeding, _) => self.refuse(response),
            (State::Accepted, 200..=299) => smallvec![Action::Send(response)],
            _ => Actions::new(),
        }
    }

    pub(super) fn handle_ack(&mut self) -> Actions {
        match self.state {
            State::Completed if self.is_reliable => self.end(),
            State::Completed => {
                self.state = State::Confirmed;
                self.last = Bytes::new();
                smallvec![Action::Arm(Timer::I, self.timers.t4)]
            }
            State::Accepted => smallvec![Action::PassAck],
            State::Proceeding | State::Confirmed | State::Terminated => Actions::new(),
        }
    }

    pub(super) fn handle_timer(&mut self, timer: Timer) -> Actions {
        match (self.state, timer) {
            (State::Proceeding, Timer::Trying) => match self.request.take() {
                Some(request) => {
                    self.is_awaited = true;
                    self.last = Builder::response_to(&request, 100, "").finish().bytes().clone();
                    smallvec![Action::Send(self.last.clone())]
                }
                None => Actions::new(),
            },
            (State::Completed, Timer::G) => {
                self.interval = (self.interval * 2).min(self.timers.t2);
                smallvec![Action::Send(self.last.clone()), Action::Arm(Timer::G, self.interval)]
            }
            (State::Completed, Timer::H) | (State::Confirmed, Timer::I) | (State::Accepted, Timer::L) => {
                self.end()
            }
            _ => Actions::new(),
        }
    }

    /// A response could not be sent. RFC 6026 §7.1 lets the transaction stay for another way; there is none.
    pub(super) fn handle_unreachable(&mut self) -> Actions {
        self.end()
    }

    /// Timer G is for a sender who was told to wait. Any other asks again by himself until he hears, and
    /// gets this again; so a datagram with a false source address brings its victim one answer, not a dozen
    /// (RFC 3261 §26.3.2.4).
    fn refuse(&mut self, response: Bytes) -> Actions {
        self.state = State::Completed;
        self.request = None;
        self.last = response.clone();
        let mut actions: Actions = smallvec![Action::Send(response)];
        if !self.is_reliable && self.is_awaited {
            actions.push(Action::Arm(Timer::G, self.timers.t1));
        }
        actions.push(Action::Arm(Timer::H, self.timers.patience()));
        actions
    }

    fn end(&mut self) -> Actions {
        self.state = State::Terminated;
        smallvec![Action::End]
    }
}
