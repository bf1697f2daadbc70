//! The sizes, counts, times and rates that bound what a peer can make the server do.
//!
//! They are the bounds that more than one door needs, with neutral names; a bound that only one
//! protocol has stands in that door's own `Config`. The defaults suit a server of a few thousand
//! people on a small machine.

use std::{ops::RangeInclusive, time::Duration};

use serde::{Deserialize, Serialize};

use super::Rate;

/// Section `[limits]` of the configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Open connections over all stream listeners, 1 to 1 000 000. When full, new ones wait.
    pub connections: usize,
    /// Open connections from one IPv4 host or IPv6 /64, 1 to `connections`. More are closed at once.
    pub connections_per_address: usize,
    /// Time a TLS handshake may take, 1 to 300 seconds.
    pub handshake_seconds: u32,
    /// Time from connecting until the peer must have logged in, 1 to 3600 seconds.
    pub login_seconds: u32,
    /// Time that open connections get to end when the server stops, 0 to 300 seconds.
    pub drain_seconds: u32,
    /// Largest unit (stanza, message, request) from a peer that is not logged in, 1024 bytes to 16 MiB.
    pub unauthenticated_bytes: usize,
    /// Largest unit (stanza, message, request) from a peer that is logged in, 4096 bytes to 64 MiB.
    pub message_bytes: usize,
    /// Deepest nesting of elements in a document, 8 to 256.
    pub depth: usize,
    /// Most attributes of one element, 8 to 1024.
    pub attributes: usize,
    /// Most header lines of one message, 16 to 4096.
    pub headers: usize,
    /// Bytes that may wait to be written to one slow peer before it is closed, 64 KiB to 256 MiB.
    pub outgoing_bytes: usize,
    /// Bytes that one connection may send; faster peers are read more slowly, never cut off.
    pub bytes: Rate,
    /// Units (stanzas, messages, requests) that one connection or datagram source may send.
    pub messages: Rate,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            connections_per_address: 256,
            handshake_seconds: 20,
            login_seconds: 60,
            drain_seconds: 10,
            unauthenticated_bytes: 16 * 1024,
            message_bytes: 256 * 1024,
            depth: 64,
            attributes: 64,
            headers: 128,
            outgoing_bytes: 2 * 1024 * 1024,
            bytes: Rate::new(1024 * 1024, 4 * 1024 * 1024),
            messages: Rate::new(200, 2000),
        }
    }
}

impl Limits {
    /// How long a TLS handshake may take.
    pub fn handshake(&self) -> Duration {
        Duration::from_secs(self.handshake_seconds.into())
    }

    /// How long a peer may take to log in.
    pub fn login(&self) -> Duration {
        Duration::from_secs(self.login_seconds.into())
    }

    /// How long connections may take to end when the server stops.
    pub fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds.into())
    }

    /// The numbers of the section, each with its name and all that it may be.
    #[must_use]
    pub fn ranges(&self) -> Vec<(&'static str, u64, RangeInclusive<u64>)> {
        vec![
            ("connections", self.connections as u64, 1..=1_000_000),
            ("connections_per_address", self.connections_per_address as u64, 1..=self.connections as u64),
            ("handshake_seconds", self.handshake_seconds.into(), 1..=300),
            ("login_seconds", self.login_seconds.into(), 1..=3600),
            ("drain_seconds", self.drain_seconds.into(), 0..=300),
            ("unauthenticated_bytes", self.unauthenticated_bytes as u64, 1024..=16 << 20),
            ("message_bytes", self.message_bytes as u64, 4096..=64 << 20),
            ("depth", self.depth as u64, 8..=256),
            ("attributes", self.attributes as u64, 8..=1024),
            ("headers", self.headers as u64, 16..=4096),
            ("outgoing_bytes", self.outgoing_bytes as u64, 64 << 10..=256 << 20),
            ("bytes.per_second", self.bytes.per_second.into(), 1..=1_000_000_000),
            ("bytes.burst", self.bytes.burst.into(), 1..=1_000_000_000),
            ("messages.per_second", self.messages.per_second.into(), 1..=1_000_000_000),
            ("messages.burst", self.messages.burst.into(), 1..=1_000_000_000),
        ]
    }
}
