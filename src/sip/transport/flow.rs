//! Where a message came from and where an answer goes.

use std::net::SocketAddr;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use crate::sip::message::{Host, Uri};

/// A transport protocol of SIP. The order is that of what is on disks: a new one goes to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Protocol {
    /// Datagrams, RFC 3261 §18.
    Udp,
    /// Streams, RFC 3261 §18.
    Tcp,
    /// Streams over TLS, RFC 3261 §26.2.1.
    Tls,
}

impl Protocol {
    /// As it stands in `Via`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }

    /// As it stands in the `transport` parameter of a URI.
    #[must_use]
    pub fn uri_param(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }

    /// Whether nothing has to be sent again.
    #[must_use]
    pub fn is_reliable(self) -> bool {
        self != Self::Udp
    }

    /// The port where none is written (RFC 3261 §19.1.2).
    #[must_use]
    pub fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
        }
    }
}

/// One way to a peer and back: a UDP socket and the peer's address, or one connection. It never comes
/// to mean another connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    /// The protocol.
    pub protocol: Protocol,
    /// The peer's address.
    pub peer: SocketAddr,
    /// Our address; unspecified where the socket is bound to all.
    pub local: SocketAddr,
    /// The number of the connection, or the index of the UDP socket.
    pub(super) id: u64,
}

impl Flow {
    /// Whether nothing has to be sent again.
    #[must_use]
    pub fn is_reliable(&self) -> bool {
        self.protocol.is_reliable()
    }

    /// Whether the bytes are protected by TLS.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.protocol == Protocol::Tls
    }

    /// The number of the connection; means nothing over UDP.
    pub(in crate::sip) fn connection(&self) -> u64 {
        self.id
    }

    /// The same UDP socket towards another address.
    #[must_use]
    pub(in crate::sip) fn with_peer(self, peer: SocketAddr) -> Self {
        Self { peer, ..self }
    }

    /// A flow for tests of rules that only compare flows.
    #[cfg(test)]
    pub(in crate::sip) fn for_test(protocol: Protocol, peer: SocketAddr, id: u64) -> Self {
        Self { protocol, peer, local: SocketAddr::from(([127, 0, 0, 1], 5060)), id }
    }
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Back along a flow, as to a registered phone.
    Flow(Flow),
    /// To an address, along an open flow or a new one.
    Address {
        /// The protocol to use.
        protocol: Protocol,
        /// The address.
        peer: SocketAddr,
        /// The host name to prove, for TLS.
        name: Option<CompactString>,
    },
}

impl Destination {
    /// The destination of a URI whose host is an address (RFC 3263 §4.1, §4.2 without DNS); `None` for
    /// names and for other schemes.
    #[must_use]
    pub fn from_uri(uri: &Uri) -> Option<Self> {
        let host = uri.param("maddr").and_then(|host| Host::parse(&host).ok());
        let address = host.as_ref().or_else(|| uri.host())?.address()?;
        let is_sips = uri.scheme() == crate::sip::message::Scheme::Sips;
        let protocol = match uri.param("transport").as_deref() {
            _ if is_sips => Protocol::Tls,
            Some(name) if name.eq_ignore_ascii_case("tcp") => Protocol::Tcp,
            Some(name) if name.eq_ignore_ascii_case("tls") => Protocol::Tls,
            Some(name) if !name.eq_ignore_ascii_case("udp") => return None,
            _ => Protocol::Udp,
        };
        let port = uri.port().unwrap_or_else(|| protocol.default_port());
        Some(Self::Address { protocol, peer: SocketAddr::new(address, port), name: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_with_addresses_name_their_destination() {
        for (uri, protocol, peer) in [
            ("sip:a@192.0.2.1", Protocol::Udp, "192.0.2.1:5060"),
            ("sip:a@192.0.2.1:5070;transport=TCP", Protocol::Tcp, "192.0.2.1:5070"),
            ("sip:a@[2001:db8::1];transport=tls", Protocol::Tls, "[2001:db8::1]:5061"),
            ("sips:a@192.0.2.1;transport=tcp", Protocol::Tls, "192.0.2.1:5061"),
            ("sip:a@example.org;maddr=192.0.2.9", Protocol::Udp, "192.0.2.9:5060"),
        ] {
            let found = Destination::from_uri(&Uri::parse(uri).unwrap());
            let peer = peer.parse().unwrap();
            assert_eq!(found, Some(Destination::Address { protocol, peer, name: None }), "{uri}");
        }
        for uri in ["sip:a@example.org", "tel:+1", "sip:a@192.0.2.1;transport=sctp"] {
            assert_eq!(Destination::from_uri(&Uri::parse(uri).unwrap()), None, "{uri}");
        }
    }

    #[test]
    fn two_connections_from_one_address_are_two_flows() {
        let peer = SocketAddr::from(([192, 0, 2, 1], 5060));
        assert_ne!(Flow::for_test(Protocol::Tcp, peer, 1), Flow::for_test(Protocol::Tcp, peer, 2));
    }
}
