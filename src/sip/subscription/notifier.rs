//! When a subscription has something to say: the notifier of RFC 6665 §4.2 as a pure machine.
//!
//! Whatever happens, at most one NOTIFY is unanswered, changes that come close together become one, and
//! the last state always arrives. The machine knows no header and no document; its shell does.

use std::time::Duration;

use compact_str::CompactString;
use tokio::time::Instant;

use super::rate::{Pace, Rates};
use crate::account::WatchState;

/// One subscription as its notifier sees it.
#[derive(Debug)]
pub(super) struct Notifier {
    phase: Phase,
    /// Where the watcher stands; `None` before the account said so.
    stand: Option<WatchState>,
    due: Due,
    /// A NOTIFY is on its way.
    is_outstanding: bool,
    /// There is no way to the watcher: nothing is said until there is one.
    is_cut_off: bool,
    /// NOTIFYs in a row that the watcher refused.
    refused: u8,
    expires: Instant,
    /// Since when the owner has not decided.
    pending: Option<Instant>,
    /// The next change waits until then.
    quiet_until: Instant,
    /// When something was said last.
    last: Instant,
    /// Least time between a NOTIFY and the next for a mere change.
    interval: Duration,
    /// What the watcher wished for.
    pace: Option<Box<Pace>>,
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
    /// The rest of what found no room in the NOTIFY before: at once.
    Rest,
    /// Another standing: at once.
    Standing,
    /// An answer to a SUBSCRIBE: at once and whole.
    Answer,
}

/// Why a subscription ended (RFC 6665 §4.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// It was given up, or not refreshed.
    Timeout,
    /// The owner said no.
    Rejected,
    /// The account is gone.
    NoResource,
    /// The server stops and will not know of it afterwards: subscribe anew.
    Deactivated,
    /// The watcher refuses what it is told: let it try later.
    Probation,
    /// The owner never decided.
    GiveUp,
    /// What was watched is over and will never change again.
    Invariant,
}

impl Ended {
    /// The `reason` parameter, and the `retry-after` of those who may come again later.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Rejected => "rejected",
            Self::NoResource => "noresource",
            Self::Deactivated => "deactivated",
            Self::Probation => "probation;retry-after=300",
            Self::GiveUp => "giveup;retry-after=86400",
            Self::Invariant => "invariant",
        }
    }
}

/// A NOTIFY to be sent now.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Notice {
    pub(super) state: State,
    pub(super) cause: Cause,
    /// It shows what the watcher may see; one who waits or may not sees nothing.
    pub(super) has_content: bool,
    /// The rates that were agreed on, as parameters.
    pub(super) rates: CompactString,
}

/// Why a NOTIFY is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// What is shown changed.
    Change,
    /// Nothing changed for as long as the watcher wants to wait at most.
    Silence,
    /// A SUBSCRIBE, another standing, or the end: it must go.
    Must,
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
            due: Due::Nothing,
            is_outstanding: false,
            is_cut_off: false,
            refused: 0,
            expires: now,
            pending: None,
            quiet_until: now,
            last: now,
            interval,
            pace: None,
        }
    }

    /// A SUBSCRIBE, the first or a later one, was answered with this duration: the state is due at once;
    /// none left means the end (RFC 6665 §4.2.1).
    pub(super) fn accept(&mut self, duration: Duration, now: Instant) {
        if matches!(self.phase, Phase::Ending(_) | Phase::Over) {
            return;
        }
        self.due = Due::Answer;
        self.extend(duration, now);
        if duration.is_zero() {
            self.phase = Phase::Ending(Ended::Timeout);
        } else if self.pending.is_some_and(|since| now.duration_since(since) >= DECIDED) {
            self.phase = Phase::Ending(Ended::GiveUp);
        }
        self.heed_stand();
    }

    /// A SUBSCRIBE was answered by 204: it goes on, or is over, without a NOTIFY (RFC 5839 §6.3).
    pub(super) fn accept_silently(&mut self, duration: Duration, now: Instant) {
        self.extend(duration, now);
        if duration.is_zero() {
            self.phase = Phase::Over;
        }
    }

    fn extend(&mut self, duration: Duration, now: Instant) {
        self.is_cut_off = false;
        self.refused = 0;
        self.expires = now + duration;
        if self.phase == Phase::Held {
            self.phase = Phase::Open;
        }
    }

    /// It will be accepted until then.
    pub(super) fn expect_until(&mut self, expires: Instant) {
        self.expires = expires;
    }

    /// The subscription goes on after a restart, until then; the state is due when the account shows it.
    pub(super) fn resume(&mut self, expires: Instant) {
        self.phase = Phase::Open;
        self.expires = expires;
    }

    /// The watcher wishes to be told so often, or has no wishes.
    pub(super) fn set_rates(&mut self, rates: Option<Rates>, now: Instant) {
        if self.rates() != rates {
            self.pace = rates.map(|rates| Box::new(Pace::new(rates, now)));
        }
    }

    /// What was agreed on.
    pub(super) fn rates(&self) -> Option<Rates> {
        self.pace.as_ref().map(|pace| pace.rates)
    }

    /// The account says where the watcher stands.
    pub(super) fn show(&mut self, stand: WatchState, now: Instant) {
        let due = if self.stand == Some(stand) { Due::Change } else { Due::Standing };
        self.due = self.due.max(due);
        self.stand = Some(stand);
        self.pending = (stand == WatchState::Pending).then(|| self.pending.unwrap_or(now));
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
        self.refused = 0;
        self.due > Due::Nothing || matches!(self.phase, Phase::Ending(_)) || self.pace.is_some()
    }

    /// The NOTIFY on its way was refused in a way that may pass: it is said again after `pause`, and at last
    /// the watcher is sent away.
    pub(super) fn handle_refusal(&mut self, pause: Duration, now: Instant) {
        self.is_outstanding = false;
        self.refused = self.refused.saturating_add(1);
        self.due = if self.due == Due::Rest { Due::Change } else { self.due.max(Due::Change) };
        self.quiet_until = self.quiet_until.max(now + pause);
        if self.refused >= REFUSED {
            self.end(Ended::Probation);
        }
    }

    /// There is no way to the watcher any more; what is on its way is lost. All is said again when he is
    /// back.
    pub(super) fn cut_off(&mut self) {
        self.is_cut_off = true;
        self.is_outstanding = false;
        self.due = Due::Answer;
    }

    /// The watcher is reached in another way: nothing is heard any more of the NOTIFY that is on its way. Tells
    /// whether there is one.
    pub(super) fn redirect(&mut self) -> bool {
        std::mem::replace(&mut self.is_outstanding, false)
    }

    /// All is to be said again, at once.
    pub(super) fn repeat(&mut self) {
        self.due = Due::Answer;
    }

    /// There is a way to the watcher again; tells whether there was none.
    pub(super) fn rejoin(&mut self) -> bool {
        std::mem::replace(&mut self.is_cut_off, false)
    }

    /// There is something new to tell, perhaps. Tells whether to poll.
    pub(super) fn touch(&mut self, now: Instant) -> bool {
        if let Some(stand) = self.stand {
            self.show(stand, now);
        }
        self.stand.is_some()
    }

    /// The notice that [`Notifier::poll`] gave had no room for everything. Who wishes to be told seldom waits.
    pub(super) fn go_on(&mut self) {
        let rest = if self.pace.is_some() { Due::Change } else { Due::Rest };
        self.due = self.due.max(rest);
    }

    /// The notice that [`Notifier::poll`] gave is not sent: it would say nothing new.
    pub(super) fn withdraw(&mut self) {
        self.is_outstanding = false;
    }

    /// What is to be sent now. Ask again after every input, and at [`Notifier::deadline`].
    pub(super) fn poll(&mut self, now: Instant) -> Option<Notice> {
        if self.phase == Phase::Open && now >= self.expires {
            self.phase = Phase::Ending(Ended::Timeout);
        }
        if self.is_cut_off {
            if matches!(self.phase, Phase::Ending(_)) {
                self.phase = Phase::Over;
            }
            return None;
        }
        if self.is_outstanding {
            return None;
        }
        match self.phase {
            Phase::Held | Phase::Over => None,
            Phase::Ending(ended) => {
                self.phase = Phase::Over;
                let has_content = matches!(ended, Ended::Timeout | Ended::Invariant)
                    && self.stand == Some(WatchState::Active);
                let state = State::Terminated(ended);
                Some(Notice { state, cause: Cause::Must, has_content, rates: CompactString::default() })
            }
            Phase::Open => self.poll_open(now),
        }
    }

    fn poll_open(&mut self, now: Instant) -> Option<Notice> {
        // After a restart the account has not spoken yet.
        self.stand?;
        let cause = match self.due {
            Due::Nothing if self.silent_until(now).is_some_and(|until| now >= until) => Cause::Silence,
            Due::Nothing => return None,
            Due::Change if now < self.quiet_until => return None,
            Due::Change | Due::Rest => Cause::Change,
            Due::Standing | Due::Answer => Cause::Must,
        };
        self.due = Due::Nothing;
        self.is_outstanding = true;
        self.last = now;
        let pause = self.rates().map_or(Duration::ZERO, |rates| rates.pause());
        self.quiet_until = now + self.interval.max(pause);
        let rates = self.pace.as_mut().map(|pace| {
            pace.note(now);
            pace.rates.print()
        });
        let expires = (self.expires - now).as_secs();
        let has_content = self.stand == Some(WatchState::Active);
        let state = if has_content { State::Active { expires } } else { State::Pending { expires } };
        Some(Notice { state, cause, has_content, rates: rates.unwrap_or_default() })
    }

    /// When something is said although nothing changed.
    fn silent_until(&self, now: Instant) -> Option<Instant> {
        Some(self.last + self.pace.as_ref()?.longest(now)?)
    }

    /// When to poll although nothing happened.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Open if self.is_cut_off || self.is_outstanding || self.stand.is_none() => {
                Some(self.expires)
            }
            Phase::Open if self.due == Due::Change => Some(self.quiet_until.min(self.expires)),
            Phase::Open => {
                let silent = self.silent_until(self.last).map(|until| until.max(self.last + TICK));
                Some(silent.map_or(self.expires, |until| until.min(self.expires)))
            }
            Phase::Held | Phase::Ending(_) | Phase::Over => None,
        }
    }

    /// When it ends unless it is refreshed.
    pub(super) fn expires(&self) -> Instant {
        self.expires
    }

    /// Where the watcher stands.
    pub(super) fn stand(&self) -> Option<WatchState> {
        self.stand
    }

    /// The first SUBSCRIBE is not answered yet.
    pub(super) fn is_held(&self) -> bool {
        self.phase == Phase::Held
    }

    /// The last NOTIFY was made.
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

/// How long an owner may leave a watcher without an answer.
const DECIDED: Duration = Duration::from_secs(7 * 86_400);
/// NOTIFYs in a row that a watcher may refuse.
const REFUSED: u8 = 5;
/// Least time between two looks at a watcher who wants to be told though nothing changes.
const TICK: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
