//! The INVITE client transaction: RFC 3261 §17.1.1 as changed by RFC 6026 §7.2, with timer C of a proxy
//! (§16.6 step 11, §16.8) and the waiting of a CANCEL for a provisional response (§9.1).

use std::time::Duration;

use smallvec::smallvec;

use crate::sip::message::Message;

use super::{
    machine::{Action, Actions, Timer},
    request::ack_for,
    timers::Timers,
    user::{ClientEvent, Failure},
};

/// RFC 6026 §8.4 figure 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Calling,
    Proceeding,
    Completed,
    Accepted,
    Terminated,
}

/// The machine.
#[derive(Debug)]
pub(super) struct InviteClient {
    pub(super) state: State,
    /// As it was sent, `Via` on top.
    pub(super) request: Message,
    is_reliable: bool,
    timers: Timers,
    /// The pause before the next retransmission.
    interval: Duration,
    cancel: Cancel,
    /// What the CANCEL gives as its reason (RFC 3326).
    reason: Option<&'static str>,
}

/// How far cancelling is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cancel {
    No,
    /// Wanted, but nothing has come back yet.
    Wanted,
    Sent,
}

impl InviteClient {
    pub(super) fn new(request: Message, is_reliable: bool, timers: Timers) -> (Self, Actions) {
        let mut actions: Actions = smallvec![Action::Send(request.bytes().clone())];
        if !is_reliable {
            actions.push(Action::Arm(Timer::A, timers.t1));
        }
        actions.push(Action::Arm(Timer::B, timers.patience()));
        let interval = timers.t1;
        let machine = Self {
            state: State::Calling,
            request,
            is_reliable,
            timers,
            interval,
            cancel: Cancel::No,
            reason: None,
        };
        (machine, actions)
    }

    pub(super) fn handle_response(&mut self, response: Message) -> Actions {
        let status = response.status().unwrap_or_default();
        match (self.state, status) {
            (State::Calling | State::Proceeding, 100..=199) => self.handle_provisional(response),
            (State::Calling | State::Proceeding, 200..=299) => {
                self.state = State::Accepted;
                smallvec![
                    Action::Tell(ClientEvent::Final(response)),
                    Action::Arm(Timer::M, self.timers.patience())
                ]
            }
            (State::Calling | State::Proceeding, 300..) => self.handle_failure(response),
            (State::Completed, 300..) => smallvec![Action::Send(ack_for(&self.request, &response))],
            (State::Accepted, 200..=299) => smallvec![Action::Tell(ClientEvent::Final(response))],
            _ => Actions::new(),
        }
    }

    pub(super) fn handle_timer(&mut self, timer: Timer) -> Actions {
        match (self.state, timer) {
            (State::Calling, Timer::A) => {
                self.interval *= 2;
                smallvec![Action::Send(self.request.bytes().clone()), Action::Arm(Timer::A, self.interval)]
            }
            (State::Calling, Timer::B) | (State::Proceeding, Timer::Cancelled) => self.fail(Failure::Timeout),
            (State::Proceeding, Timer::C) => self.cancel(),
            (State::Completed, Timer::D) | (State::Accepted, Timer::M) => self.end(),
            _ => Actions::new(),
        }
    }

    /// The request or an ACK could not be sent.
    pub(super) fn handle_unreachable(&mut self) -> Actions {
        match self.state {
            State::Calling | State::Proceeding => self.fail(Failure::Unreachable),
            State::Completed => self.end(),
            State::Accepted | State::Terminated => Actions::new(),
        }
    }

    /// As [`InviteClient::cancel`], with a reason for the CANCEL.
    pub(super) fn cancel_because(&mut self, reason: &'static str) -> Actions {
        if self.cancel == Cancel::No {
            self.reason = Some(reason);
        }
        self.cancel()
    }

    /// Cancels as soon as RFC 3261 §9.1 allows; nothing once a final response is there.
    pub(super) fn cancel(&mut self) -> Actions {
        match (self.state, self.cancel) {
            (State::Calling, Cancel::No) => {
                self.cancel = Cancel::Wanted;
                Actions::new()
            }
            (State::Proceeding, Cancel::No | Cancel::Wanted) => {
                self.cancel = Cancel::Sent;
                smallvec![Action::Cancel(self.reason), Action::Arm(Timer::Cancelled, self.timers.patience())]
            }
            _ => Actions::new(),
        }
    }

    fn handle_provisional(&mut self, response: Message) -> Actions {
        let is_trying = response.status() == Some(100);
        let mut actions: Actions = smallvec![Action::Tell(ClientEvent::Provisional(response))];
        // A 100 is no sign that the called party is still there (RFC 3261 §16.7 step 2).
        if self.state == State::Calling || !is_trying {
            actions.push(Action::Arm(Timer::C, self.timers.ringing));
        }
        self.state = State::Proceeding;
        if self.cancel == Cancel::Wanted {
            actions.extend(self.cancel());
        }
        actions
    }

    fn handle_failure(&mut self, response: Message) -> Actions {
        let ack = Action::Send(ack_for(&self.request, &response));
        let tell = Action::Tell(ClientEvent::Final(response));
        if self.is_reliable {
            self.state = State::Terminated;
            return smallvec![ack, tell, Action::End];
        }
        self.state = State::Completed;
        smallvec![ack, tell, Action::Arm(Timer::D, self.timers.patience())]
    }

    fn fail(&mut self, failure: Failure) -> Actions {
        self.state = State::Terminated;
        smallvec![Action::Tell(ClientEvent::Failed(failure)), Action::End]
    }

    fn end(&mut self) -> Actions {
        self.state = State::Terminated;
        smallvec![Action::End]
    }
}
