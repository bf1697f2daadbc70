//! What the operator may choose about logging in.

use std::ops::RangeInclusive;

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
    /// Chat programs per account that are remembered, where they say which installation they are, for the
    /// owner to see and to shut out; 0 to 1000, with 0 none, and no tokens for them. Default: 50.
    pub clients: usize,
    /// Days after its last login that such a program is remembered; 1 to 3650. Default: 180.
    pub client_days: u32,
    /// Days that a chat program can log in again with the token that it was given (FAST), unless it does so
    /// before and is given a new one; 0 to 365, with 0 no tokens. Default: 30.
    pub fast_days: u32,
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
            clients: 50,
            client_days: 180,
            fast_days: 30,
        }
    }
}

impl Config {
    /// The numbers of the section, each with its name and all that it may be.
    #[must_use]
    pub fn ranges(&self) -> Vec<(&'static str, u64, RangeInclusive<u64>)> {
        vec![
            ("argon2_memory_kib", self.argon2_memory_kib.into(), 8..=1_048_576),
            ("argon2_passes", self.argon2_passes.into(), 1..=100),
            ("argon2_parallel", self.argon2_parallel as u64, 0..=256),
            ("argon2_queue", self.argon2_queue as u64, 1..=100_000),
            ("scram_iterations", self.scram_iterations.into(), 1..=10_000_000),
            ("nonce_seconds", self.nonce_seconds.into(), 10..=86_400),
            ("cached_accounts", self.cached_accounts as u64, 16..=10_000_000),
            ("guesses", self.guesses.into(), 1..=1000),
            ("guess_seconds", self.guess_seconds.into(), 1..=3600),
            ("devices", self.devices as u64, 0..=1000),
            ("session_seconds", self.session_seconds.into(), 60..=31_536_000),
            ("clients", self.clients as u64, 0..=1000),
            ("client_days", self.client_days.into(), 1..=3650),
            ("fast_days", self.fast_days.into(), 0..=365),
        ]
    }
}
