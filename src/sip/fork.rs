//! One request on its way to several places, and one answer back: the response context of RFC 3261
//! §16.7, with §16.10 (CANCEL). Timer C (§16.8) is the client transaction's own.
//!
//! Pure: responses and failures in, steps out. It knows neither what the request is about nor how
//! anything is sent.

use smallvec::{SmallVec, smallvec};

use super::{message::Message, transaction::Failure};

/// A request on its way.
#[derive(Debug)]
pub(super) struct Fork {
    branches: SmallVec<[State; 2]>,
    /// The best final response so far, none of them 2xx.
    best: Option<Candidate>,
    /// A final response went back.
    is_answered: bool,
    /// The sender wants no answer any more.
    is_cancelled: bool,
    /// Somebody is asked before a request that nobody took ends.
    asks: bool,
}

/// RFC 3261 §16.7, a branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// It was told to end, and has not.
    Cancelled(Why),
    Done,
}

/// A final response that may go back.
#[derive(Debug, Clone)]
enum Candidate {
    /// One that a branch gave.
    Given(Message),
    /// One of our own, where a branch gave none.
    Own(u16),
}

/// What to do.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Pass this response back.
    Forward(Message),
    /// Answer with this status.
    Respond(u16),
    /// No branch is left; this is the best that any of them said. Somebody may know more.
    Ask(u16),
    /// Cancel a branch.
    Cancel(usize, Why),
}

/// Why a branch is cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// Another branch was answered.
    Answered,
    /// Another branch said no for all.
    Declined,
    /// The sender gave up.
    Sender,
    /// It goes elsewhere.
    Moved,
}

pub(super) type Steps = SmallVec<[Step; 2]>;

impl Fork {
    /// A request that goes nowhere yet: see [`Fork::open`].
    pub(super) fn new() -> Self {
        Self { branches: SmallVec::new(), best: None, is_answered: false, is_cancelled: false, asks: false }
    }

    /// Opens so many branches. `false` where the sender has given up already.
    pub(super) fn open(&mut self, branches: usize) -> bool {
        if self.is_answered || self.is_cancelled {
            return false;
        }
        self.branches = smallvec![State::Open; branches];
        true
    }

    /// From now on somebody is asked before a request that nobody took ends: see [`Step::Ask`].
    pub(super) fn ask_at_end(&mut self) {
        self.asks = true;
    }

    /// Opens further branches; the index of the first. `None` where nobody waits for them any more.
    pub(super) fn open_more(&mut self, branches: usize) -> Option<usize> {
        if !self.is_pending() {
            return None;
        }
        let first = self.branches.len();
        self.branches.extend(std::iter::repeat_n(State::Open, branches));
        Some(first)
    }

    /// The request goes elsewhere: branches before this one are to end.
    pub(super) fn leave(&mut self, first: usize) -> Steps {
        self.cancel_open(first, Why::Moved)
    }

    /// Nobody knows more: a request that no branch took ends.
    pub(super) fn release(&mut self) -> Steps {
        self.asks = false;
        if !self.is_pending() || !self.is_exhausted() {
            return Steps::new();
        }
        self.is_answered = true;
        self.best.take().map(|best| self.last_step(best)).into_iter().collect()
    }

    /// The request is refused, whatever its branches say.
    pub(super) fn refuse(&mut self, status: u16) -> Steps {
        if !self.is_pending() {
            return Steps::new();
        }
        self.is_answered = true;
        let mut steps = smallvec![Step::Respond(status)];
        steps.extend(self.cancel_open(usize::MAX, Why::Moved));
        steps
    }

    /// Whether the sender still waits.
    pub(super) fn is_pending(&self) -> bool {
        !self.is_answered && !self.is_cancelled
    }

    fn is_exhausted(&self) -> bool {
        self.branches.iter().all(|state| *state == State::Done)
    }

    /// A branch responds.
    pub(super) fn handle_response(&mut self, branch: usize, response: Message) -> Steps {
        match response.status().unwrap_or_default() {
            ..=100 => Steps::new(),
            // RFC 3261 §16.7 step 5.
            101..=199 if self.is_answered => Steps::new(),
            101..=199 => smallvec![Step::Forward(response)],
            200..=299 => self.handle_success(branch, response),
            status => self.settle(branch, status, Candidate::Given(response)),
        }
    }

    /// A branch will not respond.
    pub(super) fn handle_failure(&mut self, branch: usize, failure: Failure) -> Steps {
        let status = match failure {
            Failure::Timeout => 408,
            // Nobody is at the other end: as if he had not been registered.
            Failure::Unreachable => 480,
        };
        self.settle(branch, status, Candidate::Own(status))
    }

    /// The sender gives up (RFC 3261 §16.10).
    pub(super) fn cancel(&mut self) -> Steps {
        if self.is_answered {
            return Steps::new();
        }
        self.is_cancelled = true;
        if self.is_exhausted() {
            self.is_answered = true;
            return smallvec![Step::Respond(487)];
        }
        self.cancel_open(usize::MAX, Why::Sender)
    }

    /// Whether every branch has come to its end.
    pub(super) fn is_over(&self) -> bool {
        self.is_answered && self.branches.iter().all(|state| *state == State::Done)
    }

    /// Whether a branch that failed may be tried at another place: nobody has answered or given up.
    pub(super) fn is_open(&self, branch: usize) -> bool {
        !self.is_answered && !self.is_cancelled && self.branches.get(branch) == Some(&State::Open)
    }

    /// Whether a branch waits for its final response.
    fn is_waiting(&self, branch: usize) -> bool {
        self.branches.get(branch).is_some_and(|state| *state != State::Done)
    }

    /// Why a branch was told to end; `None` where it was not, or has.
    pub(super) fn cancelled(&self, branch: usize) -> Option<Why> {
        match self.branches.get(branch) {
            Some(State::Cancelled(why)) => Some(*why),
            _ => None,
        }
    }

    /// Every 2xx goes back at once, and ends the other branches (RFC 3261 §16.7 steps 5 and 10).
    fn handle_success(&mut self, branch: usize, response: Message) -> Steps {
        self.finish(branch);
        self.is_answered = true;
        let mut steps = smallvec![Step::Forward(response)];
        steps.extend(self.cancel_open(usize::MAX, Why::Answered));
        steps
    }

    /// A branch ends without success.
    fn settle(&mut self, branch: usize, status: u16, candidate: Candidate) -> Steps {
        if !self.is_waiting(branch) {
            return Steps::new();
        }
        self.finish(branch);
        if self.best.as_ref().is_none_or(|best| rank(status) < rank(best.status())) {
            self.best = Some(candidate);
        }
        let mut steps = Steps::new();
        if status >= 600 {
            steps.extend(self.cancel_open(usize::MAX, Why::Declined));
        }
        if self.asks && self.is_pending() && self.is_exhausted() {
            steps.push(Step::Ask(self.best.as_ref().map_or(480, Candidate::status)));
        } else if !self.is_answered && self.is_exhausted() {
            self.is_answered = true;
            steps.extend(self.best.take().map(|best| self.last_step(best)));
        }
        steps
    }

    fn last_step(&self, best: Candidate) -> Step {
        match best {
            // What a cancelled request ends with, whatever became of its branches.
            Candidate::Own(_) if self.is_cancelled => Step::Respond(487),
            // RFC 3261 §16.7 step 6: that one branch is overloaded says nothing about us.
            Candidate::Given(response) if response.status() == Some(503) => Step::Respond(500),
            Candidate::Given(response) => Step::Forward(response),
            Candidate::Own(status) => Step::Respond(status),
        }
    }

    /// Cancels what is open of the first so many branches.
    fn cancel_open(&mut self, first: usize, why: Why) -> Steps {
        let mut steps = Steps::new();
        for (branch, state) in self.branches.iter_mut().enumerate().take(first) {
            if *state == State::Open {
                *state = State::Cancelled(why);
                steps.push(Step::Cancel(branch, why));
            }
        }
        steps
    }

    fn finish(&mut self, branch: usize) {
        if let Some(state) = self.branches.get_mut(branch) {
            *state = State::Done;
        }
    }
}

impl Candidate {
    fn status(&self) -> u16 {
        match self {
            Self::Given(response) => response.status().unwrap_or_default(),
            Self::Own(status) => *status,
        }
    }
}

/// Which response goes back: the lowest (RFC 3261 §16.7 step 6). A 6xx speaks for all branches; else the
/// lowest class, and in it what tells the caller most.
fn rank(status: u16) -> (u16, u8) {
    let class = if status >= 600 { 0 } else { status / 100 };
    let within = match status {
        401 | 407 | 415 | 420 | 484 => 0,
        486 => 1,
        480 => 3,
        408 | 487 => 4,
        _ => 2,
    };
    (class, within)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::message::Builder;

    fn response(status: u16) -> Message {
        Builder::response(status).finish()
    }

    /// What the steps say, in short: `>180`, `=487` for one of our own, `x1` for a cancelled branch.
    fn show(steps: &Steps) -> String {
        let show = |step: &Step| match step {
            Step::Forward(response) => format!(">{}", response.status().unwrap()),
            Step::Respond(status) => format!("={status}"),
            Step::Cancel(branch, _) => format!("x{branch}"),
            Step::Ask(status) => format!("?{status}"),
        };
        steps.iter().map(show).collect::<Vec<_>>().join(" ")
    }

    /// Plays `branch status` pairs against a fork and tells what came out of each.
    fn play(branches: usize, events: &[(usize, u16)]) -> Vec<String> {
        let mut fork = Fork::new();
        assert!(fork.open(branches));
        events
            .iter()
            .map(|(branch, status)| show(&fork.handle_response(*branch, response(*status))))
            .collect()
    }

    #[test]
    fn provisional_responses_go_back_and_trying_does_not() {
        assert_eq!(play(2, &[(0, 100), (0, 180), (1, 183)]), ["", ">180", ">183"]);
    }

    #[test]
    fn first_success_goes_back_and_the_others_are_cancelled() {
        assert_eq!(
            play(3, &[(1, 180), (1, 200), (0, 487), (2, 180), (2, 487)]),
            [">180", ">200 x0 x2", "", "", ""]
        );
    }

    #[test]
    fn a_second_success_goes_back_as_well() {
        assert_eq!(play(2, &[(0, 200), (1, 200), (1, 200)]), [">200 x1", ">200", ">200"]);
    }

    #[test]
    fn best_refusal_goes_back_when_all_have_refused() {
        for (statuses, expect) in [
            ([486, 480], ">486"),
            ([480, 486], ">486"),
            ([408, 404], ">404"),
            ([500, 486], ">486"),
            ([486, 302], ">302"),
            ([407, 486], ">407"),
            ([603, 486], ">603"),
            ([503, 503], "=500"),
            ([503, 404], ">404"),
        ] {
            let steps = play(2, &[(0, statuses[0]), (1, statuses[1])]);
            assert_eq!(steps[1], expect, "{statuses:?}");
        }
    }

    #[test]
    fn a_no_for_all_ends_the_other_branches_first() {
        assert_eq!(play(2, &[(0, 603), (1, 487)]), ["x1", ">603"]);
        assert_eq!(play(2, &[(0, 603), (1, 200)]), ["x1", ">200"]);
    }

    #[test]
    fn silence_and_dead_connections_are_answers_too() {
        let mut fork = Fork::new();
        fork.open(2);
        assert_eq!(show(&fork.handle_failure(0, Failure::Unreachable)), "");
        assert_eq!(show(&fork.handle_failure(1, Failure::Timeout)), "=480");
        assert!(fork.is_over());
    }

    #[test]
    fn giving_up_ends_every_branch_and_the_request() {
        let mut fork = Fork::new();
        fork.open(2);
        assert_eq!(show(&fork.cancel()), "x0 x1");
        assert_eq!(show(&fork.cancel()), "");
        assert_eq!(show(&fork.handle_response(0, response(487))), "");
        assert_eq!(show(&fork.handle_response(1, response(487))), ">487");
        let mut silent = Fork::new();
        silent.open(1);
        silent.cancel();
        assert_eq!(show(&silent.handle_failure(0, Failure::Timeout)), "=487");
    }

    #[test]
    fn giving_up_before_anybody_was_asked_is_answered_at_once() {
        let mut fork = Fork::new();
        assert_eq!(show(&fork.cancel()), "=487");
        assert!(!fork.open(2));
        assert!(fork.is_over());
    }

    #[test]
    fn a_call_that_is_answered_cannot_be_cancelled() {
        let mut fork = Fork::new();
        fork.open(1);
        fork.handle_response(0, response(200));
        assert_eq!(show(&fork.cancel()), "");
        assert!(fork.is_over());
    }

    fn asking(branches: usize) -> Fork {
        let mut fork = Fork::new();
        fork.ask_at_end();
        fork.open(branches);
        fork
    }

    #[test]
    fn somebody_is_asked_before_a_request_that_nobody_took_ends() {
        let mut fork = asking(2);
        assert_eq!(show(&fork.handle_response(0, response(480))), "");
        assert_eq!(show(&fork.handle_response(1, response(486))), "?486");
        assert!(!fork.is_over());
        assert_eq!(show(&fork.release()), ">486");
        assert!(fork.is_over());
        let mut fork = asking(1);
        assert_eq!(show(&fork.handle_response(0, response(200))), ">200");
        assert_eq!(show(&fork.release()), "");
    }

    #[test]
    fn further_branches_ring_when_the_first_ones_do_not() {
        let mut fork = asking(1);
        assert_eq!(show(&fork.handle_response(0, response(486))), "?486");
        assert_eq!(fork.open_more(2), Some(1));
        assert_eq!(show(&fork.handle_response(1, response(180))), ">180");
        assert_eq!(show(&fork.handle_response(2, response(200))), ">200 x1");
        assert_eq!(fork.open_more(1), None);
    }

    #[test]
    fn a_request_that_goes_elsewhere_leaves_its_branches() {
        let mut fork = asking(2);
        let first = fork.open_more(1).unwrap();
        assert_eq!(show(&fork.leave(first)), "x0 x1");
        assert_eq!(show(&fork.handle_response(0, response(487))), "");
        assert_eq!(show(&fork.handle_response(1, response(487))), "");
        assert_eq!(show(&fork.handle_response(2, response(200))), ">200");
    }

    #[test]
    fn a_request_may_be_refused_while_it_rings() {
        let mut fork = asking(2);
        assert_eq!(show(&fork.refuse(486)), "=486 x0 x1");
        assert_eq!(show(&fork.handle_response(0, response(487))), "");
        assert_eq!(show(&fork.handle_response(1, response(487))), "");
        assert!(fork.is_over());
    }

    #[test]
    fn who_gives_up_while_somebody_is_asked_is_answered_at_once() {
        let mut fork = asking(1);
        fork.handle_response(0, response(480));
        assert_eq!(show(&fork.cancel()), "=487");
        assert_eq!(fork.open_more(1), None);
        assert_eq!(show(&fork.release()), "");
        assert!(fork.is_over());
    }
}
