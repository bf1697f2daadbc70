//! `Via` (RFC 3261 §20.42, RFC 3581) and what the transport stamps on it.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

use compact_str::{CompactString, ToCompactString};

use super::{
    error::Malformed,
    host::{Host, parse_host_port},
    params::Params,
    text::{is_space, is_token, parse_digits, split_at_byte, split_before, trim},
};

/// One value of `Via`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    /// `UDP`, `TCP`, `TLS`, `WS`, `WSS` or whatever the sender calls it.
    pub transport: CompactString,
    /// The host of `sent-by`.
    pub host: Host,
    /// The port of `sent-by`, where written.
    pub port: Option<u16>,
    /// `branch`, `received`, `rport` and others.
    pub params: Params,
}

impl Via {
    /// A value of this server's own.
    #[must_use]
    pub fn new(transport: &str, host: Host, port: Option<u16>, branch: &str) -> Self {
        let mut params = Params::default();
        params.set("branch", Some(branch));
        Self { transport: transport.into(), host, port, params }
    }

    /// Reads one value; white space may stand around every sign.
    ///
    /// # Errors
    /// Another protocol than SIP/2.0, a bad host, port or parameter.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let (sent, tail) = split_before(text, b';');
        let (name, rest) = split_at_byte(sent, b'/').ok_or(Malformed("via protocol"))?;
        let (version, rest) = split_at_byte(rest, b'/').ok_or(Malformed("via protocol"))?;
        if !trim(name).eq_ignore_ascii_case("SIP") || trim(version) != "2.0" {
            return Err(Malformed("via protocol"));
        }
        let rest = trim(rest);
        let blank = rest.bytes().position(is_space).ok_or(Malformed("via"))?;
        let (transport, sent_by) = rest.split_at_checked(blank).ok_or(Malformed("via"))?;
        if !is_token(transport.as_bytes()) {
            return Err(Malformed("via transport"));
        }
        let (host, port) = parse_host_port(trim(sent_by))?;
        Ok(Self { transport: transport.into(), host, port, params: Params::parse_tail(tail)? })
    }

    /// The `branch` parameter.
    #[must_use]
    pub fn branch(&self) -> Option<&str> {
        self.params.raw("branch")
    }

    /// The `received` address, in brackets or not (RFC 5118 §4.5).
    #[must_use]
    pub fn received(&self) -> Option<IpAddr> {
        let value = self.params.raw("received")?;
        let inside = value.strip_prefix('[').and_then(|inside| inside.strip_suffix(']'));
        match inside {
            Some(inside) => inside.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            None => value.parse().ok(),
        }
    }

    /// Whether the sender asks for `rport` (RFC 3581 §3).
    #[must_use]
    pub fn has_rport(&self) -> bool {
        self.params.has("rport")
    }

    /// The `rport` value, where one is filled in.
    #[must_use]
    pub fn rport(&self) -> Option<u16> {
        parse_digits(self.params.raw("rport")?)
    }

    /// The `maddr` host.
    #[must_use]
    pub fn maddr(&self) -> Option<Host> {
        Host::parse(self.params.raw("maddr")?).ok()
    }

    /// The `ttl`, 0 to 255.
    #[must_use]
    pub fn ttl(&self) -> Option<u8> {
        parse_digits(self.params.raw("ttl")?)
    }

    /// Writes down where the request really came from (RFC 3261 §18.2.1, RFC 3581 §4): `received` when
    /// it is not what `sent-by` says or `rport` was asked for, and the value of `rport`. A `received`
    /// that the sender wrote himself never stays.
    pub fn stamp(&mut self, from: std::net::SocketAddr) {
        let address = from.ip().to_canonical();
        if self.has_rport() || self.host.address() != Some(address) {
            self.params.set("received", Some(&address.to_compact_string()));
        } else {
            self.params.remove("received");
        }
        if self.has_rport() {
            self.params.set("rport", Some(&from.port().to_compact_string()));
        }
    }
}

impl fmt::Display for Via {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SIP/2.0/{} {}", self.transport, self.host)?;
        if let Some(port) = self.port {
            write!(formatter, ":{port}")?;
        }
        self.params.fmt(formatter)
    }
}
