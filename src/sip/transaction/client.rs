//! The non-INVITE client transaction: RFC 3261 §17.1.2.

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
    Completed,
    Terminated,
}

/// The machine.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) state: State,
    request: Bytes,
    is_reliable: bool,
    timers: Timers,
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
        (Self { state: State::Trying, request, is_reliable, timers, interval: timers.t1 }, actions)
    }

    pub(super) fn handle_response(&mut self, response: Message) -> Actions {
        let status = response.status().unwrap_or_default();
        match (self.state, status) {
            (State::Trying | State::Proceeding, 100..=199) => {
                self.state = State::Proceeding;
                smallvec![Action::Tell(ClientEvent::Provisional(response))]
            }
            (State::Trying | State::Proceeding, _) => {
                let tell = Action::Tell(ClientEvent::Final(response));
                self.request = Bytes::new();
                if self.is_reliable {
                    self.state = State::Terminated;
                    return smallvec![tell, Action::End];
                }
                self.state = State::Completed;
                smallvec![tell, Action::Arm(Timer::K, self.timers.t4)]
            }
            (State::Completed | State::Terminated, _) => Actions::new(),
        }
    }

    pub(super) fn handle_timer(&mut self, timer: Timer) -> Actions {
        match (self.state, timer) {
            (State::Trying, Timer::E) => {
                self.interval = (self.interval * 2).min(self.timers.t2);
                smallvec![Action::Send(self.request.clone()), Action::Arm(Timer::E, self.interval)]
            }
            (State::Proceeding, Timer::E) => {
                smallvec![Action::Send(self.request.clone()), Action::Arm(Timer::E, self.timers.t2)]
            }
            (State::Trying | State::Proceeding, Timer::F) => self.fail(Failure::Timeout),
            (State::Completed, Timer::K) => {
                self.state = State::Terminated;
                smallvec![Action::End]
            }
            _ => Actions::new(),
        }
    }

    /// The request could not be sent.
    pub(super) fn handle_unreachable(&mut self) -> Actions {
        match self.state {
            State::Trying | State::Proceeding => self.fail(Failure::Unreachable),
            State::Completed | State::Terminated => Actions::new(),
        }
    }

    fn fail(&mut self, failure: Failure) -> Actions {
        self.state = State::Terminated;
        smallvec![Action::Tell(ClientEvent::Failed(failure)), Action::End]
    }
}
