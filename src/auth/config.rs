//! What the operator may choose about logging in.

use serde::{Deserialize, Serialize};

/// The section `[auth]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Memory of one Argon2id computation in KiB; 8 to 1048576. Default: 19456.
    pub argon2_memory_kib: u32,
    /// Passes of Argon2id; 1 to 100. Default: 2.
    pub argon2_passes: u32,
    /// Argon2id computations at once; 0 takes the number of cores less one. 0 to 256. Default: 0.
    pub argon2_parallel: usize,
    /// Passwords that may wait to be checked, a quarter of them from one network; 1 to 100000.
    /// Default: 256.
    pub argon2_queue: usize,
    /// PBKDF2 iterations of SCRAM-SHA-1, -SHA-256 and -SHA-512 for passwords set from now on; 1 to
    /// 10000000. Default: 10000. RFC 7677 §4 asks for at least 4096. The verifiers are sealed by the
    /// key file, so more iterations protect only where that file is stolen too, while every
    /// client, phones included, pays for each of them at login.
    pub scram_iterations: u32,
    /// How long a digest nonce is good, in seconds; 10 to 86400. Default: 3600.
    pub nonce_seconds: u32,
    /// Accounts whose verifiers are kept in memory; 16 to 10000000. Default: 20000.
    pub cached_accounts: usize,
    /// Wrong guesses in a row for one account from one network before it has to wait; 1 to 1000.
    /// Default: 10.
    pub guesses: u32,
    /// Seconds after which one more guess is allowed; 1 to 3600. Default: 20.
    pub guess_seconds: u32,
    /// Device passwords per account; 0 to 1000. Default: 50.
    pub devices: usize,
    /// How long a browser stays logged in after its last use, in seconds; 60 to 31536000.
    /// Default: 2592000 (30 days).
    pub session_seconds: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            argon2_memory_kib: 19_456,
            argon2_passes: 2,
            argon2_parallel: 0,
            argon2_queue: 256,
            scram_iterations: 10_000,
            nonce_seconds: 3600,
            cached_accounts: 20_000,
            guesses: 10,
            guess_seconds: 20,
            devices: 50,
            session_seconds: 30 * 24 * 3600,
        }
    }
}

impl Config {
    /// Says what is out of range, in words for the operator.
    ///
    /// # Errors
    /// The name of the first option that is wrong and its range.
    pub fn check(&self) -> Result<(), String> {
        let ranges = [
            ("argon2_memory_kib", u64::from(self.argon2_memory_kib), 8, 1_048_576),
            ("argon2_passes", u64::from(self.argon2_passes), 1, 100),
            ("argon2_parallel", self.argon2_parallel as u64, 0, 256),
            ("argon2_queue", self.argon2_queue as u64, 1, 100_000),
            ("scram_iterations", u64::from(self.scram_iterations), 1, 10_000_000),
            ("nonce_seconds", u64::from(self.nonce_seconds), 10, 86_400),
            ("cached_accounts", self.cached_accounts as u64, 16, 10_000_000),
            ("guesses", u64::from(self.guesses), 1, 1000),
            ("guess_seconds", u64::from(self.guess_seconds), 1, 3600),
            ("devices", self.devices as u64, 0, 1000),
            ("session_seconds", u64::from(self.session_seconds), 60, 31_536_000),
        ];
        match ranges.into_iter().find(|(_, value, least, most)| !(least..=most).contains(&value)) {
            Some((name, value, least, most)) => {
                Err(format!("auth.{name} is {value}, it must be between {least} and {most}"))
            }
            None => Ok(()),
        }
    }
}
