//! What the operator may choose about the store.

use std::{ops::RangeInclusive, path::PathBuf};

use serde::{Deserialize, Serialize};

/// The section `[storage]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The folder of everything that is kept; set from `server.data_dir`. Made on first start.
    #[serde(skip)]
    pub data_dir: PathBuf,
    /// Most writes in one commit; 1 to 10000. Default: 512.
    pub group: usize,
    /// Most writes that wait; 1 to 10000000. From a sixteenth of it on, clients of XMPP and web are read more slowly;
    /// from the half on, new messages are refused. Default: 65536.
    pub queue: usize,
    /// Connections for reading; 1 to 64. Default: 3.
    pub readers: usize,
    /// Largest offline file of an account, in bytes; at least 1024. Default: 16 MiB.
    pub offline_bytes: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("data"),
            group: 512,
            queue: 65_536,
            readers: 3,
            offline_bytes: 16 << 20,
        }
    }
}

impl Config {
    /// The numbers of the section, each with its name and all that it may be.
    #[must_use]
    pub fn ranges(&self) -> Vec<(&'static str, u64, RangeInclusive<u64>)> {
        vec![
            ("group", self.group as u64, 1..=10_000),
            ("queue", self.queue as u64, 1..=10_000_000),
            ("readers", self.readers as u64, 1..=64),
            ("offline_bytes", self.offline_bytes, 1024..=1 << 40),
        ]
    }
}
