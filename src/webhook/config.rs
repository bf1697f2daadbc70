//! What the operator may choose about webhooks.

use std::{path::PathBuf, time::Duration};

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
    /// Says what is out of range, in words for the operator.
    ///
    /// # Errors
    /// The name of the first option that is wrong, and its range.
    pub fn check(&self) -> Result<(), String> {
        let ranges = [
            ("at_once", self.at_once, 1000),
            ("tries", self.tries as usize, 10),
            ("seconds", self.seconds as usize, 60),
            ("pause_seconds", self.pause_seconds as usize, 3600),
        ];
        match ranges.into_iter().find(|(_, value, most)| !(1..=*most).contains(value)) {
            Some((name, value, most)) => {
                Err(format!("webhooks.{name} is {value}, it must be between 1 and {most}"))
            }
            None => Ok(()),
        }
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

    #[test]
    fn options_out_of_range_are_named() {
        assert_eq!(Config::default().check(), Ok(()));
        for wrong in [
            Config { at_once: 0, ..Config::default() },
            Config { tries: 11, ..Config::default() },
            Config { seconds: 61, ..Config::default() },
            Config { pause_seconds: 0, ..Config::default() },
        ] {
            assert!(wrong.check().unwrap_err().contains("must be between"), "{wrong:?}");
        }
    }
}
