//! What the operator may choose about webhooks.

use std::{ops::RangeInclusive, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

/// The section `[webhooks]` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether this machine and private networks may be called. Default: false.
    pub allow_private: bool,
    /// The certificates that `https://` is trusted by, PEM. Default: Debian's.
    pub trusted: PathBuf,
    /// Calls at a time; 1 to 1000. Default: 20.
    pub at_once: usize,
    /// How often a call is tried; 1 to 10. Default: 4.
    pub tries: u32,
    /// Seconds for one try; 1 to 60. Default: 10.
    pub seconds: u32,
    /// Seconds before the second try, twice as many before each further one; 1 to 3600. Default: 5.
    pub pause_seconds: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            allow_private: false,
            trusted: PathBuf::from("/etc/ssl/certs/ca-certificates.crt"),
            at_once: 20,
            tries: 4,
            seconds: 10,
            pause_seconds: 5,
        }
    }
}

impl Config {
    /// The numbers of the section, each with its name and all that it may be.
    #[must_use]
    pub fn ranges(&self) -> Vec<(&'static str, u64, RangeInclusive<u64>)> {
        vec![
            ("at_once", self.at_once as u64, 1..=1000),
            ("tries", self.tries.into(), 1..=10),
            ("seconds", self.seconds.into(), 1..=60),
            ("pause_seconds", self.pause_seconds.into(), 1..=3600),
        ]
    }

    pub(super) fn patience(&self) -> Duration {
        Duration::from_secs(self.seconds.into())
    }

    /// The pause after the try of this number, counted from 1.
    pub(super) fn pause_after(&self, tries: u32) -> Duration {
        let doubled = 1_u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX);
        Duration::from_secs(self.pause_seconds.saturating_mul(doubled).min(LONGEST_PAUSE).into())
    }
}

/// Longest pause between two tries, in seconds.
const LONGEST_PAUSE: u32 = 3600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let config = Config::default();
        let seconds: Vec<u64> = (1..=4).map(|n| config.pause_after(n).as_secs()).collect();
        assert_eq!(seconds, [5, 10, 20, 40]);
        assert_eq!(config.pause_after(99).as_secs(), 3600);
    }
}
