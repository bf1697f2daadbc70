//! The non-INVITE client transaction: RFC 3261 §17.1.2. It has no Completed state: that one only drops
//! responses that come again, and so does the layer with what belongs to no transaction.

use std::time::Duration;

use bytes::Bytes;
use smallvec::smallvec;

use crate::sip::message::Message;

use super::{
    machine::{Action, Actions, Timer},
    timers::Timers,
    user::{ClientEvent, Failure},
};

/// RFC 3261 §17.1.2.2 figure 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Trying,
    Proceeding,
    Terminated,
}

/// The machine.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) state: State,
    request: Bytes,
    /// The longest pause, T2.
    longest: Duration,
    /// The pause before the next retransmission.
    interval: Duration,
}

impl Client {
    pub(super) fn new(request: Bytes, is_reliable: bool, timers: Timers) -> (Self, Actions) {
        let mut actions: Actions = smallvec![Action::Send(request.clone())];
        if !is_reliable {
            actions.push(Action::Arm(Timer::E, timers.t1));
        }
        actions.push(Action::Arm(Timer::F, timers.patience()));
        (Self { state: State::Trying, request, longest: timers.t2, interval: timers.t1 }, actions)
    }

    pub(super) fn handle_response(&mut self, response: Message) -> Actions {
        let status = response.status().unwrap_or_default();
        match (self.state, status) {
            (State::Trying | State::Proceeding, 100..=199) => {
                self.state = State::Proceeding;
                smallvec![Action::Tell(ClientEvent::Provisional(response))]
            }
            (State::Trying | State::Proceeding, _) => {
                self.state = State::Terminated;
                smallvec![Action::Tell(ClientEvent::Final(response)), Action::End]
            }
            (State::Terminated, _) => Actions::new(),
        }
    }

    pub(super) fn handle_timer(&mut self, timer: Timer) -> Actions {
        match (self.state, timer) {
            (State::Trying, Timer::E) => {
                self.interval = (self.interval * 2).min(self.longest);
                smallvec![Action::Send(self.request.clone()), Action::Arm(Timer::E, self.interval)]
            }
            (State::Proceeding, Timer::E) => {
                smallvec![Action::Send(self.request.clone()), Action::Arm(Timer::E, self.longest)]
            }
            (State::Trying | State::Proceeding, Timer::F) => self.fail(Failure::Timeout),
            _ => Actions::new(),
        }
    }

    /// The request could not be sent.
    pub(super) fn handle_unreachable(&mut self) -> Actions {
        match self.state {
            State::Trying | State::Proceeding => self.fail(Failure::Unreachable),
            State::Terminated => Actions::new(),
        }
    }

    fn fail(&mut self, failure: Failure) -> Actions {
        self.state = State::Terminated;
        smallvec![Action::Tell(ClientEvent::Failed(failure)), Action::End]
    }
}
