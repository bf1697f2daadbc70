//! The sockets of the SIP door: UDP, TCP and TLS (RFC 3261 §18), rport (RFC 3581), keep-alives and
//! flows (RFC 5626 §3.5, §4.4). It frames, stamps and sends; who answers what is above it.
//!
//! A [`Flow`] says where a message came from, and sending to it goes the same way back: by the same
//! UDP socket, by the same connection.
//!
//! # Invariants
//! - Nothing here waits for a slow peer: a UDP datagram that cannot go at once is dropped as the network
//!   might, a connection whose queue is full is closed.
//! - Every connection has an owner: the listener's task, or for dialled ones [`Transport::run`].
//! - A closed connection is told once, by [`Inbound::handle_flow_closed`], and its flow never comes back.
//! - Messages of one connection are handed over in their order.

mod config;
mod connections;
mod dial;
mod flow;
mod signs;
mod stream;
mod stun;
mod udp;

use std::{
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use bytes::Bytes;
use thiserror::Error;
use tokio::time::{Instant, sleep};

use crate::net::ShutdownSignal;

use super::message::{Message, ParseError};
use connections::Connections;

pub use config::Config;
pub use flow::{Destination, Flow, Protocol};

/// What the transport tells the layer above. Called by the task that reads the socket: never block.
pub trait Inbound: Send + Sync {
    /// A message that could be parsed; nothing in it is checked.
    fn handle_message(self: Arc<Self>, message: Message, flow: Flow);

    /// Bytes that could not be parsed. On a connection it closes after this.
    fn handle_malformed(self: Arc<Self>, bytes: Bytes, error: ParseError, flow: Flow);

    /// A connection ended, whoever ended it, or could not be made.
    fn handle_flow_closed(self: Arc<Self>, flow: Flow);
}

/// Why a message was not sent.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SendError {
    /// The connection is gone, or its queue was full and it has been closed.
    #[error("flow closed")]
    Closed,
    /// There is no socket for this protocol and address family, or the system refuses the address.
    #[error("no way to the destination")]
    Unreachable,
}

/// All sockets of the SIP door.
#[derive(Debug)]
pub struct Transport {
    config: Config,
    signal: ShutdownSignal,
    inbound: OnceLock<InboundHandle>,
    udp: udp::Sockets,
    crowd: udp::Crowd,
    connections: Connections,
    dialler: dial::Dialler,
}

impl Transport {
    /// A transport without sockets. It stops taking messages soon after the signal drains.
    #[must_use]
    pub fn new(config: Config, signal: ShutdownSignal) -> Arc<Self> {
        let connections = Connections::new(config.queue, config.queue_bytes);
        let dialler = dial::Dialler::default();
        let udp = udp::Sockets::default();
        let crowd = udp::Crowd::default();
        Arc::new(Self { config, signal, inbound: OnceLock::new(), udp, crowd, connections, dialler })
    }

    /// Names the one who gets the messages, as long as he lives. What comes before this is dropped; a second
    /// call does nothing.
    pub fn start(&self, inbound: Weak<dyn Inbound>) {
        let _ = self.inbound.set(InboundHandle(inbound));
    }

    /// The settings in force.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Sends without waiting. A UDP datagram that the system cannot take at once is dropped.
    ///
    /// # Errors
    /// The flow is closed, or nothing can be sent there.
    pub fn send(&self, flow: &Flow, bytes: Bytes) -> Result<(), SendError> {
        match flow.protocol {
            Protocol::Udp => self.udp.send(flow, &bytes),
            Protocol::Tcp | Protocol::Tls => self.connections.send(flow.id, bytes),
        }
    }

    /// So many datagrams went out together whose answers nobody is waiting for: they may be taken together.
    pub(in crate::sip) fn expect_answers(&self, count: usize) {
        self.crowd.expect(count, Instant::now());
    }

    /// The flow to a destination: an open one where there is one (RFC 3261 §18.1.1, RFC 5923), else a new
    /// one. A connection is dialled by [`Transport::run`]; what is sent meanwhile waits in its queue.
    ///
    /// # Errors
    /// No UDP socket of the address family, TLS to dial without a client configuration, or too many dials.
    pub fn flow_to(&self, destination: &Destination) -> Result<Flow, SendError> {
        match destination {
            Destination::Flow(flow) => Ok(*flow),
            Destination::Address { protocol: Protocol::Udp, peer, .. } => self.udp.flow_to(*peer),
            Destination::Address { protocol, peer, name } => match self.connections.open_to(*protocol, *peer)
            {
                Some(flow) => Ok(flow),
                None => self.dial(*protocol, *peer, name.as_deref()),
            },
        }
    }

    /// An open connection of any kind to this peer, for requests too large for UDP.
    #[must_use]
    pub fn connection_to(&self, peer: std::net::SocketAddr) -> Option<Flow> {
        self.connections
            .open_to(Protocol::Tcp, peer)
            .or_else(|| self.connections.open_to(Protocol::Tls, peer))
    }

    /// A flow of an earlier run of the server: datagrams go on by the same address where that is still ours,
    /// a connection is one that has ended. `None` where there is no socket of its address family.
    #[must_use]
    pub(in crate::sip) fn flow_again(
        &self,
        protocol: Protocol,
        local: std::net::SocketAddr,
        peer: std::net::SocketAddr,
    ) -> Option<Flow> {
        match protocol {
            Protocol::Udp => self.udp.flow_again(local, peer),
            Protocol::Tcp | Protocol::Tls => Some(Flow { protocol, peer, local, id: u64::MAX }),
        }
    }

    /// How long a connection may say nothing before it is closed; nothing for UDP.
    pub fn set_idle(&self, flow: &Flow, idle: Duration) {
        if flow.is_reliable() {
            self.connections.set_idle(flow.id, idle);
        }
    }

    /// Listens for signs of life on a datagram flow, from now on; tells whether it did not before. For the
    /// caller to forget, by [`Transport::forget_signs`].
    pub fn expect_signs(&self, flow: &Flow) -> bool {
        self.udp.signs.expect(*flow, Instant::now())
    }

    /// When something came by a flow last; `None` where nobody expects signs of it.
    #[must_use]
    pub fn last_sign(&self, flow: &Flow) -> Option<Instant> {
        self.udp.signs.last(flow)
    }

    /// Listens for no more signs on a flow.
    pub fn forget_signs(&self, flow: &Flow) {
        self.udp.signs.forget(flow);
    }

    /// Closes a connection after what is queued; nothing for UDP.
    pub fn close(&self, flow: &Flow) {
        self.connections.remove(flow.id);
    }

    /// Whether the server runs: when it stops, connections end for no fault of their peers.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.signal.is_running()
    }

    /// Some time after the signal drains, so that open transactions can end.
    pub async fn drained(&self) {
        self.signal.draining().await;
        tokio::select! {
            () = sleep(GRACE) => {}
            () = self.signal.stopped() => {}
        }
    }

    fn tell(&self, tell: impl FnOnce(Arc<dyn Inbound>)) {
        if let Some(inbound) = self.inbound.get().and_then(|inbound| inbound.0.upgrade()) {
            tell(inbound);
        }
    }
}

struct InboundHandle(Weak<dyn Inbound>);

impl std::fmt::Debug for InboundHandle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Inbound")
    }
}

/// Time for open transactions once the server drains.
const GRACE: Duration = Duration::from_millis(500);
