//! Two clocks at one moment: what is kept in memory runs by the one, what is on the disk or told to others by
//! the other.

use std::time::Duration;

use tokio::time::Instant;

use crate::signal::Timestamp;

/// One moment by both clocks.
#[derive(Debug, Clone, Copy)]
pub(in crate::sip) struct Clock {
    pub(in crate::sip) instant: Instant,
    pub(in crate::sip) time: Timestamp,
}

impl Clock {
    /// Now.
    pub(in crate::sip) fn now() -> Self {
        Self { instant: Instant::now(), time: Timestamp::now() }
    }

    /// The time of day at an instant; this moment's for one that is over.
    pub(in crate::sip) fn time_at(self, instant: Instant) -> Timestamp {
        let left = instant.saturating_duration_since(self.instant).as_millis();
        Timestamp(self.time.0.saturating_add(i64::try_from(left).unwrap_or(i64::MAX)))
    }

    /// How long it is until a time of day; `None` where that is over.
    pub(in crate::sip) fn until(self, time: Timestamp) -> Option<Duration> {
        let left = u64::try_from(time.0.saturating_sub(self.time.0)).ok().filter(|left| *left > 0)?;
        Some(Duration::from_millis(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_clock_is_read_by_the_other() {
        let clock = Clock { instant: Instant::now(), time: Timestamp(1000) };
        let later = clock.instant + Duration::from_millis(500);
        assert_eq!(clock.time_at(later), Timestamp(1500));
        assert_eq!(clock.until(Timestamp(1500)), Some(Duration::from_millis(500)));
        let late = Clock { instant: later, time: Timestamp(1500) };
        assert_eq!(late.time_at(clock.instant), Timestamp(1500));
        assert_eq!((late.until(Timestamp(1500)), late.until(Timestamp(1000))), (None, None));
    }
}
