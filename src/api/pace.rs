//! How fast a WebSocket is read, and when to see whether its client is still there.
//!
//! Pure: the time is an argument.

use std::time::{Duration, Instant};

use axum::extract::ws::Message as Wire;

use crate::net::{Gcra, Limits};

/// How fast the client may go on: who is too fast is read more slowly.
#[derive(Default)]
pub(super) struct Pace {
    frames: Gcra,
    bytes: Gcra,
    /// Nothing is read before.
    resumes: Option<Instant>,
}

impl Pace {
    pub(super) fn count(&mut self, limits: &Limits, wire: &Wire, now: Instant) {
        let length = match wire {
            Wire::Text(text) => text.len(),
            Wire::Binary(data) | Wire::Ping(data) | Wire::Pong(data) => data.len(),
            Wire::Close(_) => 0,
        };
        let bytes = u32::try_from(length).unwrap_or(u32::MAX);
        let mut wait = Duration::ZERO;
        for (limiter, rate, units) in
            [(&mut self.frames, limits.messages, 1), (&mut self.bytes, limits.bytes, bytes)]
        {
            if let Err(time) = limiter.take(rate, units, now) {
                // Taken in advance, and waited for.
                let _ = limiter.take(rate, units, now + time);
                wait = wait.max(time);
            }
        }
        if !wait.is_zero() {
            self.resumes = Some(now + wait);
        }
    }

    /// Reads nothing for a while.
    pub(super) fn rest(&mut self, now: Instant, pause: Duration) {
        let until = now + pause;
        self.resumes = Some(self.resumes.map_or(until, |before| before.max(until)));
    }

    pub(super) fn may_read(&self, now: Instant) -> bool {
        self.resumes.is_none_or(|at| at <= now)
    }

    pub(super) fn resumes(&self) -> Option<Instant> {
        self.resumes
    }

    pub(super) fn resume(&mut self, now: Instant) {
        if self.may_read(now) {
            self.resumes = None;
        }
    }
}

/// When to ask the client for a sign of life, and when to look whether it is still logged in.
pub(super) struct Clock {
    period: Duration,
    heard: Instant,
    asked: bool,
    check: Instant,
}

/// What the clock asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tick {
    Nothing,
    /// Send a ping.
    Ask,
    /// The ping had no answer.
    Silent,
    /// Look whether the login is still good.
    Check,
}

impl Clock {
    pub(super) fn new(period: Duration, now: Instant) -> Self {
        Self { period, heard: now, asked: false, check: now + CHECK }
    }

    pub(super) fn hear(&mut self, now: Instant) {
        self.heard = now;
        self.asked = false;
    }

    pub(super) fn next(&self) -> Instant {
        let silence = self.heard + self.period * (1 + u32::from(self.asked));
        silence.min(self.check)
    }

    pub(super) fn tick(&mut self, now: Instant) -> Tick {
        if self.heard + self.period * (1 + u32::from(self.asked)) <= now {
            if self.asked {
                return Tick::Silent;
            }
            self.asked = true;
            return Tick::Ask;
        }
        if self.check <= now {
            self.check = now + CHECK;
            return Tick::Check;
        }
        Tick::Nothing
    }
}

/// How often a login is checked again.
const CHECK: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Rate;

    #[test]
    fn silent_client_is_asked_once_and_then_given_up() {
        let start = Instant::now();
        let mut clock = Clock::new(Duration::from_secs(10), start);
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(clock.tick(at(9)), Tick::Nothing);
        assert_eq!(clock.tick(at(10)), Tick::Ask);
        assert_eq!(clock.next(), at(20));
        assert_eq!(clock.tick(at(19)), Tick::Nothing);
        assert_eq!(clock.tick(at(20)), Tick::Silent);
        clock.hear(at(20));
        assert_eq!(clock.tick(at(21)), Tick::Nothing);
    }

    #[test]
    fn login_is_checked_while_the_client_talks() {
        let start = Instant::now();
        let mut clock = Clock::new(Duration::from_secs(3600), start);
        assert_eq!(clock.next(), start + CHECK);
        assert_eq!(clock.tick(start + CHECK), Tick::Check);
        assert_eq!(clock.tick(start + CHECK), Tick::Nothing);
    }

    #[test]
    fn fast_client_is_read_more_slowly() {
        let limits = Limits { messages: Rate::new(10, 2), ..Limits::default() };
        let (mut pace, now) = (Pace::default(), Instant::now());
        let frame = Wire::Text("{}".into());
        for reads in [true, true, false] {
            pace.count(&limits, &frame, now);
            assert_eq!(pace.may_read(now), reads);
        }
        assert_eq!(pace.resumes(), Some(now + Duration::from_millis(100)));
        pace.resume(now + Duration::from_millis(100));
        assert!(pace.may_read(now));
    }
}
