//! Settings of the transport.

use std::time::Duration;

use crate::{
    net::Connector,
    sip::message::{Host, Limits},
};

/// How the sockets behave.
#[derive(Clone, Debug)]
pub struct Config {
    /// The host that stands in `Via` and by which peers reach this server.
    pub host: Host,
    /// Bounds on one message.
    pub limits: Limits,
    /// Messages that may wait for a slow connection, 1 or more; one more and it is closed. Default 4096.
    pub queue: usize,
    /// Bytes that may wait for a slow connection; more and it is closed. Default 1 MiB.
    pub queue_bytes: usize,
    /// A connection that says nothing for so long is closed. Default 15 minutes.
    pub idle: Duration,
    /// A message that has begun must end in this time. Default 20 s.
    pub unfinished: Duration,
    /// A write that does not get on for so long closes the connection. Default 20 s.
    pub write: Duration,
    /// Time to make a connection, handshake included. Default 5 s.
    pub dial: Duration,
    /// Kernel buffer of each UDP socket, each way, in bytes. Default 4 MiB; the system may cut it.
    pub udp_buffer: usize,
    /// How dialled TLS connections trust; without it none are dialled.
    pub tls_client: Option<Connector>,
}

impl Config {
    /// The defaults, for a server reached by `host`.
    #[must_use]
    pub fn new(host: Host) -> Self {
        Self {
            host,
            limits: Limits::default(),
            queue: 4096,
            queue_bytes: 1024 * 1024,
            idle: Duration::from_secs(15 * 60),
            unfinished: Duration::from_secs(20),
            write: Duration::from_secs(20),
            dial: Duration::from_secs(5),
            udp_buffer: 4 * 1024 * 1024,
            tls_client: None,
        }
    }
}
