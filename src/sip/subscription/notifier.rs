//! When a subscription has something to say: the notifier of RFC 6665 §4.2 as a pure machine.
//!
//! Whatever happens, at most one NOTIFY is unanswered, changes that come close together become one, and
//! the last state always arrives. The machine knows no header and no document; its shell does.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{account::WatchState, signal::Snapshot};

/// One subscription as its notifier sees it.
#[derive(Debug)]
pub(super) struct Notifier {
    phase: Phase,
    /// Where the watcher stands; `None` before the account said so.
    stand: Option<WatchState>,
    /// What the watcher may see.
    snapshot: Option<Arc<Snapshot>>,
    due: Due,
    /// A NOTIFY is on its way.
    is_outstanding: bool,
    expires: Instant,
    /// The next change waits until then.
    quiet_until: Instant,
    /// Least time between a NOTIFY and the next for a mere change.
    interval: Duration,
}

/// How far the subscription is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The SUBSCRIBE is not answered: nothing may be said.
    Held,
    Open,
    /// The last NOTIFY has to be made.
    Ending(Ended),
    Over,
}

/// What waits to be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Nothing,
    /// A change, which may wait a little.
    Change,
    /// An answer to a SUBSCRIBE, or another standing: at once.
    AtOnce,
}

/// Why a subscription ended, as far as this server ever says (RFC 6665 §4.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Timeout,
    Rejected,
    NoResource,
    /// The server stops: subscribe anew.
    Deactivated,
}

impl Ended {
    /// The `reason` parameter.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Rejected => "rejected",
            Self::NoResource => "noresource",
            Self::Deactivated => "deactivated",
        }
    }
}

/// A NOTIFY to be sent now.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Notice {
    pub(super) state: State,
    /// What the watcher may see; nothing while he waits or where he may not.
    pub(super) snapshot: Option<Arc<Snapshot>>,
}

/// `Subscription-State`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Active {
        /// Seconds left.
        expires: u64,
    },
    Pending {
        /// Seconds left.
        expires: u64,
    },
    Terminated(Ended),
}

impl Notifier {
    /// A subscription whose SUBSCRIBE is not answered yet.
    pub(super) fn new(interval: Duration, now: Instant) -> Self {
        Self {
            phase: Phase::Held,
            stand: None,
            snapshot: None,
            due: Due::Nothing,
            is_outstanding: false,
            expires: now,
            quiet_until: now,
            interval,
        }
    }

    /// A SUBSCRIBE, the first or a later one, was answered with this duration: the state is due at once;
    /// none left means the end (RFC 6665 §4.2.1).
    pub(super) fn accept(&mut self, duration: Duration, now: Instant) {
        if matches!(self.phase, Phase::Ending(_) | Phase::Over) {
            return;
        }
        self.expires = now + duration;
        self.due = Due::AtOnce;
        self.phase = if duration.is_zero() { Phase::Ending(Ended::Timeout) } else { Phase::Open };
        self.heed_stand();
    }

    /// The account says where the watcher stands and what he may see.
    pub(super) fn show(&mut self, stand: WatchState, snapshot: Option<Arc<Snapshot>>) {
        let due = if self.stand == Some(stand) { Due::Change } else { Due::AtOnce };
        self.due = self.due.max(due);
        self.stand = Some(stand);
        self.snapshot = if stand == WatchState::Active { snapshot } else { None };
        self.heed_stand();
    }

    /// The subscription is over, with one NOTIFY more.
    pub(super) fn end(&mut self, ended: Ended) {
        if matches!(self.phase, Phase::Open | Phase::Held) {
            self.phase = Phase::Ending(ended);
        }
    }

    /// The NOTIFY on its way was answered, or will never be. Tells whether to poll: while nothing waits to
    /// be said there is no other deadline than before.
    pub(super) fn handle_answer(&mut self) -> bool {
        self.is_outstanding = false;
        self.due > Due::Nothing || matches!(self.phase, Phase::Ending(_))
    }

    /// What is to be sent now. Ask again after every input, and at [`Notifier::deadline`].
    pub(super) fn poll(&mut self, now: Instant) -> Option<Notice> {
        if self.phase == Phase::Open && now >= self.expires {
            self.phase = Phase::Ending(Ended::Timeout);
        }
        if self.is_outstanding {
            return None;
        }
        match self.phase {
            Phase::Held | Phase::Over => None,
            Phase::Ending(ended) => {
                self.phase = Phase::Over;
                let snapshot = self.snapshot.take().filter(|_| ended == Ended::Timeout);
                Some(Notice { state: State::Terminated(ended), snapshot })
            }
            Phase::Open => self.poll_open(now),
        }
    }

    fn poll_open(&mut self, now: Instant) -> Option<Notice> {
        let is_due = match self.due {
            Due::Nothing => false,
            Due::Change => now >= self.quiet_until,
            Due::AtOnce => true,
        };
        if !is_due {
            return None;
        }
        self.due = Due::Nothing;
        self.is_outstanding = true;
        self.quiet_until = now + self.interval;
        let expires = (self.expires - now).as_secs();
        let state = match self.stand {
            Some(WatchState::Active) => State::Active { expires },
            _ => State::Pending { expires },
        };
        Some(Notice { state, snapshot: self.snapshot.clone() })
    }

    /// When to poll although nothing happened.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Open if self.due == Due::Change && !self.is_outstanding => {
                Some(self.quiet_until.min(self.expires))
            }
            Phase::Open => Some(self.expires),
            Phase::Held | Phase::Ending(_) | Phase::Over => None,
        }
    }

    /// Whether the last NOTIFY was given out.
    pub(super) fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    fn heed_stand(&mut self) {
        let ended = match self.stand {
            Some(WatchState::Rejected) => Ended::Rejected,
            Some(WatchState::Gone) => Ended::NoResource,
            Some(WatchState::Pending | WatchState::Active) | None => return,
        };
        if self.phase == Phase::Open {
            self.phase = Phase::Ending(ended);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::{Address, Presence, Timestamp};

    const SECOND: Duration = Duration::from_secs(1);

    fn snapshot() -> Option<Arc<Snapshot>> {
        let of = Address::parse("bob@example.org").unwrap();
        let aggregate = Arc::new(Presence::offline(Timestamp(0)));
        Some(Arc::new(Snapshot { of, aggregate, resources: Vec::new() }))
    }

    /// An accepted subscription of 100 seconds that was told its first state.
    fn open(stand: WatchState, now: Instant) -> Notifier {
        let mut notifier = Notifier::new(SECOND, now);
        notifier.show(stand, snapshot());
        assert_eq!(notifier.poll(now), None);
        notifier.accept(100 * SECOND, now);
        notifier
    }

    fn state(notice: Option<Notice>) -> Option<(State, bool)> {
        notice.map(|notice| (notice.state, notice.snapshot.is_some()))
    }

    #[test]
    fn first_state_is_told_at_once_and_a_pending_watcher_sees_nothing() {
        let now = Instant::now();
        let mut active = open(WatchState::Active, now);
        assert_eq!(state(active.poll(now)), Some((State::Active { expires: 100 }, true)));
        let mut pending = open(WatchState::Pending, now);
        assert_eq!(state(pending.poll(now)), Some((State::Pending { expires: 100 }, false)));
    }

    #[test]
    fn changes_are_gathered_and_the_last_one_arrives() {
        let now = Instant::now();
        let mut notifier = open(WatchState::Active, now);
        assert!(notifier.poll(now).is_some());
        notifier.show(WatchState::Active, snapshot());
        assert_eq!(notifier.poll(now), None, "the first one is unanswered");
        notifier.handle_answer();
        assert_eq!(notifier.poll(now), None, "too soon");
        assert_eq!(notifier.deadline(), Some(now + SECOND));
        let last = snapshot();
        notifier.show(WatchState::Active, last.clone());
        let notice = notifier.poll(now + SECOND).unwrap();
        assert!(Arc::ptr_eq(notice.snapshot.as_ref().unwrap(), last.as_ref().unwrap()));
        notifier.handle_answer();
        assert_eq!(notifier.poll(now + 50 * SECOND), None, "nothing new");
    }

    #[test]
    fn a_decision_of_the_owner_does_not_wait() {
        let now = Instant::now();
        let mut notifier = open(WatchState::Pending, now);
        assert!(notifier.poll(now).is_some());
        notifier.handle_answer();
        notifier.show(WatchState::Active, snapshot());
        assert_eq!(state(notifier.poll(now)), Some((State::Active { expires: 100 }, true)));
        notifier.handle_answer();
        notifier.show(WatchState::Rejected, None);
        assert_eq!(state(notifier.poll(now)), Some((State::Terminated(Ended::Rejected), false)));
        assert!(notifier.is_over());
    }

    #[test]
    fn refresh_repeats_the_state_and_moves_the_end() {
        let now = Instant::now();
        let mut notifier = open(WatchState::Active, now);
        assert!(notifier.poll(now).is_some());
        notifier.handle_answer();
        notifier.accept(200 * SECOND, now + SECOND);
        assert_eq!(state(notifier.poll(now + SECOND)), Some((State::Active { expires: 200 }, true)));
        assert_eq!(notifier.deadline(), Some(now + 201 * SECOND));
    }

    #[test]
    fn expiry_and_unsubscribing_end_with_one_more_notice() {
        let now = Instant::now();
        let mut expired = open(WatchState::Active, now);
        assert!(expired.poll(now).is_some());
        expired.handle_answer();
        assert_eq!(expired.deadline(), Some(now + 100 * SECOND));
        assert_eq!(state(expired.poll(now + 100 * SECOND)), Some((State::Terminated(Ended::Timeout), true)));
        assert_eq!(expired.poll(now + 101 * SECOND), None);

        let mut fetch = Notifier::new(SECOND, now);
        fetch.show(WatchState::Pending, None);
        fetch.accept(Duration::ZERO, now);
        assert_eq!(state(fetch.poll(now)), Some((State::Terminated(Ended::Timeout), false)));
        assert!(fetch.is_over());
    }

    #[test]
    fn the_end_waits_for_the_answer_before() {
        let now = Instant::now();
        let mut notifier = open(WatchState::Active, now);
        assert!(notifier.poll(now).is_some());
        notifier.end(Ended::Deactivated);
        assert_eq!(notifier.poll(now), None);
        notifier.handle_answer();
        assert_eq!(state(notifier.poll(now)), Some((State::Terminated(Ended::Deactivated), false)));
        notifier.show(WatchState::Active, snapshot());
        notifier.accept(SECOND, now);
        assert_eq!(notifier.poll(now), None);
    }

    #[test]
    fn an_account_that_vanished_before_the_answer_ends_it() {
        let now = Instant::now();
        let mut notifier = open(WatchState::Gone, now);
        assert_eq!(state(notifier.poll(now)), Some((State::Terminated(Ended::NoResource), false)));
    }
}
