//! The non-INVITE server transaction: RFC 3261 §17.2.2.

use std::time::Duration;

use bytes::Bytes;
use smallvec::smallvec;

use super::{
    machine::{Action, Actions, Timer},
    timers::Timers,
};

/// RFC 3261 §17.2.2 figure 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Trying,
    Proceeding,
    Completed,
    Terminated,
}

/// The machine.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) state: State,
    is_reliable: bool,
    /// How long the last response is kept, 64·T1.
    patience: Duration,
    /// The last response; sent again when the request comes again.
    pub(super) last: Bytes,
}

impl Server {
    pub(super) fn new(is_reliable: bool, timers: Timers) -> Self {
        Self { state: State::Trying, is_reliable, patience: timers.patience(), last: Bytes::new() }
    }

    /// The request came again.
    pub(super) fn handle_request(&mut self) -> Actions {
        match self.state {
            State::Proceeding | State::Completed => smallvec![Action::Send(self.last.clone())],
            State::Trying | State::Terminated => Actions::new(),
        }
    }

    /// The transaction user responds.
    pub(super) fn respond(&mut self, status: u16, response: Bytes) -> Actions {
        match (self.state, status) {
            (State::Trying | State::Proceeding, 100..=199) => {
                self.state = State::Proceeding;
                self.last = response.clone();
                smallvec![Action::Send(response)]
            }
            (State::Trying | State::Proceeding, _) if self.is_reliable => {
                self.state = State::Terminated;
                smallvec![Action::Send(response), Action::End]
            }
            (State::Trying | State::Proceeding, _) => {
                self.state = State::Completed;
                self.last = response.clone();
                smallvec![Action::Send(response), Action::Arm(Timer::J, self.patience)]
            }
            (State::Completed | State::Terminated, _) => Actions::new(),
        }
    }

    pub(super) fn handle_timer(&mut self, timer: Timer) -> Actions {
        match (self.state, timer) {
            (State::Completed, Timer::J) => self.handle_unreachable(),
            _ => Actions::new(),
        }
    }

    /// A response could not be sent.
    pub(super) fn handle_unreachable(&mut self) -> Actions {
        self.state = State::Terminated;
        smallvec![Action::End]
    }
}
