//! How often a watcher wants to be told (RFC 6446): at most, at least, and at least on the average.
//!
//! Rates are notifications per second. What the operator set is the floor: nobody is told more often.

use std::{collections::VecDeque, time::Duration};

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::sip::message::Params;

/// The rates that were agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Rates {
    most: Option<f64>,
    least: Option<f64>,
    adaptive: Option<f64>,
}

impl Rates {
    /// Reads the parameters of an `Event`; `None` where there are none. `floor` is the least time between
    /// two notifications, `left` what is left of the subscription.
    pub(super) fn read(params: &Params, floor: Duration, left: Duration) -> Option<Self> {
        let read = |name| params.raw(name).and_then(parse_rate);
        let (most, least, adaptive) = (read("max-rate"), read("min-rate"), read("adaptive-min-rate"));
        most.or(least).or(adaptive)?;
        let ceiling = 1.0 / floor.as_secs_f64().max(SHORTEST);
        // RFC 6446 §5.3: at least one notification before the subscription ends.
        let lowest = 1.0 / left.as_secs_f64().max(1.0);
        let most = most.map(|rate| rate.max(lowest).min(ceiling));
        let top = most.unwrap_or(ceiling).min(OFTEN);
        let adaptive = adaptive.map(|rate| rate.min(top));
        // RFC 6446 §8: a least rate that is not below the adaptive one says nothing.
        let least = least.map(|rate| rate.min(top)).filter(|least| adaptive.is_none_or(|rate| *least < rate));
        Some(Self { most, least, adaptive })
    }

    /// Least time between two notifications.
    pub(super) fn pause(&self) -> Duration {
        self.most.map_or(Duration::ZERO, |rate| span(1.0 / rate))
    }

    /// As parameters of `Subscription-State`, each after a semicolon.
    pub(super) fn print(&self) -> CompactString {
        let mut text = CompactString::default();
        for (name, rate) in
            [("max-rate", self.most), ("min-rate", self.least), ("adaptive-min-rate", self.adaptive)]
        {
            if let Some(rate) = rate {
                let digits = compact_str::format_compact!("{rate:.10}");
                let digits = digits.trim_end_matches('0').trim_end_matches('.');
                text.push_str(&compact_str::format_compact!(";{name}={digits}"));
            }
        }
        text
    }
}

/// The rates of a subscription, and when it was told something.
#[derive(Debug)]
pub(super) struct Pace {
    pub(super) rates: Rates,
    began: Instant,
    /// The notifications of the last period, oldest first.
    told: VecDeque<Instant>,
}

impl Pace {
    pub(super) fn new(rates: Rates, now: Instant) -> Self {
        Self { rates, began: now, told: VecDeque::new() }
    }

    /// A notification goes out.
    pub(super) fn note(&mut self, now: Instant) {
        if self.rates.adaptive.is_none() {
            return;
        }
        let period = self.period();
        while self.told.front().is_some_and(|at| now.duration_since(*at) > period) || self.told.len() >= TOLD
        {
            self.told.pop_front();
        }
        self.told.push_back(now);
    }

    /// Longest time until the next notification, though nothing changed (RFC 6446 §6.2, §7.4).
    pub(super) fn longest(&self, now: Instant) -> Option<Duration> {
        let least = self.rates.least.map(|rate| span(1.0 / rate));
        let adaptive = self.rates.adaptive.map(|rate| {
            let period = self.period();
            let since = now.duration_since(self.began).as_secs_f64();
            // It begins as if the wanted number had been sent in the period before.
            let before = (period.as_secs_f64() - since).max(0.0) * rate;
            let recent = self.told.iter().filter(|at| now.duration_since(**at) <= period).count();
            #[allow(clippy::cast_precision_loss, reason = "there are at most TOLD")]
            let count = before + recent as f64;
            span(count / (rate * rate * period.as_secs_f64())).max(self.rates.pause()).max(span(SHORTEST))
        });
        match (least, adaptive) {
            (Some(least), Some(adaptive)) => Some(least.min(adaptive)),
            (one, other) => one.or(other),
        }
    }

    /// Ten times the wanted interval, so that the average means something.
    fn period(&self) -> Duration {
        self.rates.adaptive.map_or(Duration::ZERO, |rate| span(10.0 / rate))
    }
}

/// `1*2DIGIT ["." 1*10DIGIT]`, and not zero (RFC 6446 §9.2).
fn parse_rate(text: &str) -> Option<f64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number =
        |text: &str, most| (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole, 2) || !is_number(fraction, 10) {
        return None;
    }
    text.parse().ok().filter(|rate: &f64| *rate > 0.0)
}

fn span(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST).min(LONGEST)
}

/// Seconds: no rate asks for more.
const SHORTEST: f64 = 0.01;
/// Notifications per second without a change, at most: one in five seconds.
const OFTEN: f64 = 0.2;
/// Longer than any subscription.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);
/// Most notifications of a period that are remembered.
const TOLD: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(params: &str) -> Option<Rates> {
        let params = Params::parse(params).unwrap();
        Rates::read(&params, Duration::from_secs(1), Duration::from_secs(100))
    }

    #[test]
    fn rates_are_agreed_on_within_bounds() {
        for (params, printed) in [
            ("max-rate=0.5", ";max-rate=0.5"),
            ("max-rate=50", ";max-rate=1"),
            ("max-rate=0.0001", ";max-rate=0.01"),
            ("min-rate=0.05", ";min-rate=0.05"),
            ("min-rate=9", ";min-rate=0.2"),
            ("max-rate=0.1;min-rate=0.2", ";max-rate=0.1;min-rate=0.1"),
            ("adaptive-min-rate=0.1;min-rate=0.15", ";adaptive-min-rate=0.1"),
            ("adaptive-min-rate=0.1;min-rate=0.02", ";min-rate=0.02;adaptive-min-rate=0.1"),
        ] {
            assert_eq!(read(params).unwrap().print(), printed, "{params}");
        }
        for bad in ["id=7", "max-rate=0", "max-rate=-1", "max-rate=1e3", "max-rate=100", "max-rate=.5"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_adaptive_rate_slows_down_after_much_news() {
        let now = Instant::now();
        let mut pace = Pace::new(read("adaptive-min-rate=0.1").unwrap(), now);
        let first = pace.longest(now).unwrap();
        assert!((9..=11).contains(&first.as_secs()), "{first:?}");
        for second in 0..20 {
            pace.note(now + Duration::from_secs(second));
        }
        let busy = pace.longest(now + Duration::from_secs(20)).unwrap();
        assert!(busy > first + Duration::from_secs(10), "{busy:?}");
        let quiet = pace.longest(now + Duration::from_secs(300)).unwrap();
        assert!(quiet < first, "{quiet:?}");
        let mut steady = Pace::new(read("min-rate=0.05").unwrap(), now);
        steady.note(now);
        assert_eq!(steady.longest(now), Some(Duration::from_secs(20)));
    }
}
