//! Hosts and ports as they stand in URIs and Via (RFC 3261 §25.1, RFC 5118).

use std::{
    fmt,
    hash::{Hash, Hasher},
    io::Write as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use compact_str::CompactString;
use memchr::memchr;

use super::{
    error::Malformed,
    text::{TOKEN, parse_digits},
};

/// A host name or address.
#[derive(Clone, Debug, Eq)]
pub enum Host {
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address; printed in brackets.
    V6(Ipv6Addr),
    /// A name, as it was written.
    Name(CompactString),
}

impl Host {
    /// Reads a name, an IPv4 address or a bracketed IPv6 address.
    ///
    /// # Errors
    /// An empty host, a bad address in brackets, or a byte no host name has.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        if let Some(inside) = text.strip_prefix('[') {
            let address = inside.strip_suffix(']').and_then(|address| address.parse().ok());
            return address.map(Self::V6).ok_or(Malformed("host"));
        }
        if text.starts_with(|first: char| first.is_ascii_digit())
            && let Ok(address) = text.parse()
        {
            return Ok(Self::V4(address));
        }
        let is_name = !text.is_empty() && text.bytes().all(|byte| NAME[usize::from(byte)]);
        if is_name { Ok(Self::Name(text.into())) } else { Err(Malformed("host")) }
    }

    /// Writes it behind what is there.
    pub fn put(&self, buffer: &mut Vec<u8>) {
        match self {
            Self::Name(name) => buffer.extend_from_slice(name.as_bytes()),
            // Writing to memory has no error of its own.
            address => _ = write!(buffer, "{address}"),
        }
    }

    /// The address, unless it is a name.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Self::V4(address) => Some((*address).into()),
            Self::V6(address) => Some((*address).into()),
            Self::Name(_) => None,
        }
    }
}

/// Names are compared without case (RFC 3261 §19.1.4).
impl PartialEq for Host {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::V4(one), Self::V4(two)) => one == two,
            (Self::V6(one), Self::V6(two)) => one == two,
            (Self::Name(one), Self::Name(two)) => one.eq_ignore_ascii_case(two),
            _ => false,
        }
    }
}

impl Hash for Host {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::V4(address) => address.hash(state),
            Self::V6(address) => address.hash(state),
            Self::Name(name) => name.to_ascii_lowercase().hash(state),
        }
    }
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6(address),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => address.fmt(formatter),
            Self::V6(address) => write!(formatter, "[{address}]"),
            Self::Name(name) => formatter.write_str(name),
        }
    }
}

/// Splits `host[:port]`; white space is allowed around the colon where headers allow it.
pub(super) fn parse_host_port(text: &str) -> Result<(Host, Option<u16>), Malformed> {
    let host_end = memchr(b']', text.as_bytes()).map_or(0, |bracket| bracket + 1);
    let (host, port) = match text.get(host_end..).and_then(|tail| memchr(b':', tail.as_bytes())) {
        Some(colon) => text.split_at_checked(host_end + colon).ok_or(Malformed("host"))?,
        None => (text, ""),
    };
    let port = match port.strip_prefix(':') {
        Some(port) => Some(parse_digits::<u16>(port.trim()).ok_or(Malformed("port"))?),
        None => None,
    };
    Ok((Host::parse(host.trim_end())?, port))
}

/// What may stand in a name: bytes of tokens without the signs that no host has.
const NAME: [bool; 256] = {
    let mut table = TOKEN;
    let (signs, mut index) = (b"!%*+`'~", 0);
    while index < signs.len() {
        table[signs[index] as usize] = false;
        index += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports_are_told_apart() {
        for (text, host, port) in [
            ("example.com", "example.com", None),
            ("example.com:5060", "example.com", Some(5060)),
            ("192.0.2.1:0", "192.0.2.1", Some(0)),
            ("[2001:db8::10]", "[2001:db8::10]", None),
            ("[2001:db8::10]:5070", "[2001:db8::10]", Some(5070)),
            ("[2001:db8::10:5070]", "[2001:db8::10:5070]", None),
            ("[2001:db8::192.0.2.1]", "[2001:db8::c000:201]", None),
        ] {
            let (found, found_port) = parse_host_port(text).expect(text);
            assert_eq!((found.to_string().as_str(), found_port), (host, port));
        }
        for bad in [
            "",
            ":5060",
            "2001:db8::10",
            "[2001:db8:::192.0.2.1]",
            "[::1",
            "h:",
            "h:x",
            "h:65536",
            "a b",
            "[::1]x:1",
        ] {
            assert!(parse_host_port(bad).is_err(), "{bad}");
        }
    }
}
