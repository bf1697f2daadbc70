//! The times of RFC 3261 §17.1.1.1 and what follows from them (its appendix A table 4).

use std::time::Duration;

/// The base times of all machines. Tests make them short; the network needs the defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// Estimate of the round-trip time. Default 500 ms.
    pub t1: Duration,
    /// The longest pause between retransmissions. Default 4 s.
    pub t2: Duration,
    /// How long a message may live in the network. Default 5 s.
    pub t4: Duration,
    /// An INVITE without an answer gets a 100 after this (RFC 3261 §17.2.1). Default 200 ms.
    pub trying: Duration,
    /// A forwarded INVITE that only rings is given up after this (timer C, RFC 3261 §16.6 step 11).
    /// Default 185 s.
    pub ringing: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            trying: Duration::from_millis(200),
            ringing: Duration::from_secs(185),
        }
    }
}

impl Timers {
    /// 64·T1: timers B, D, F, H, J, L, M.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.t1 * 64
    }
}
