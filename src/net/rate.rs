//! A rate limiter in sixteen bytes: the generic cell rate algorithm (GCRA, ITU-T I.371).
//!
//! Pure: the time is an argument, so the owner decides what a refusal means (wait, reply, close).
//! Kept inside the connection or account it limits; there is no shared table and no sweep.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// How much of something is allowed: a steady rate and a burst on top of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Units per second in the long run, 1 to 1 000 000 000.
    pub per_second: u32,
    /// Units that may come at once after a pause, 1 to 1 000 000 000.
    pub burst: u32,
}

impl Rate {
    /// A rate of `per_second` units with room for `burst` at once.
    pub const fn new(per_second: u32, burst: u32) -> Self {
        Self { per_second, burst }
    }

    /// The time that `units` take at the steady rate. A rate of zero counts as one per second.
    fn time_of(self, units: u32) -> Duration {
        let nanoseconds = u64::from(units) * 1_000_000_000 / u64::from(self.per_second.max(1));
        Duration::from_nanos(nanoseconds)
    }
}

/// The state of one limited thing: the "theoretical arrival time" of its next unit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gcra {
    next: Option<Instant>,
}

impl Gcra {
    /// Takes `units` if they conform to `rate` at `now`, else says how long to wait for them.
    ///
    /// More units than the burst never conform at once; they are let through when the limiter
    /// is wholly rested, and then cost the time they are worth, so a large read is slowed, not lost.
    pub fn take(&mut self, rate: Rate, units: u32, now: Instant) -> Result<(), Duration> {
        let next = self.next.map_or(now, |next| next.max(now));
        let ahead = next.duration_since(now);
        let room = rate.time_of(rate.burst).saturating_sub(rate.time_of(units));
        if ahead > room {
            return Err(ahead - room);
        }
        self.next = Some(next + rate.time_of(units));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(rate: Rate, steps: &[(u64, u32)]) -> Vec<bool> {
        let start = Instant::now();
        let mut limiter = Gcra::default();
        let at = |ms: u64| start + Duration::from_millis(ms);
        steps.iter().map(|&(ms, units)| limiter.take(rate, units, at(ms)).is_ok()).collect()
    }

    #[test]
    fn burst_passes_and_the_next_is_refused() {
        assert_eq!(taken(Rate::new(1, 3), &[(0, 1), (0, 1), (0, 1), (0, 1)]), [true, true, true, false]);
    }

    #[test]
    fn units_come_back_at_the_steady_rate() {
        assert_eq!(
            taken(Rate::new(10, 1), &[(0, 1), (50, 1), (100, 1), (199, 1), (200, 1)]),
            [true, false, true, false, true]
        );
    }

    #[test]
    fn rest_does_not_gather_more_than_the_burst() {
        assert_eq!(taken(Rate::new(10, 2), &[(0, 1), (60_000, 2), (60_000, 1)]), [true, true, false]);
    }

    #[test]
    fn more_than_the_burst_passes_only_when_rested() {
        assert_eq!(taken(Rate::new(10, 2), &[(0, 5), (100, 1), (500, 1)]), [true, false, true]);
    }

    #[test]
    fn refusal_says_how_long_to_wait() {
        let now = Instant::now();
        let mut limiter = Gcra::default();
        let rate = Rate::new(10, 1);
        limiter.take(rate, 1, now).unwrap();
        let wait = limiter.take(rate, 1, now).unwrap_err();
        assert_eq!(wait, Duration::from_millis(100));
        limiter.take(rate, 1, now + wait).unwrap();
    }
}
