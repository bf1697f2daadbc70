//! Who is at the other end of a web request, a trusted proxy looked through.

use std::net::IpAddr;

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visitor {
    pub address: IpAddr,
    /// The visitor's own connection is protected by TLS.
    pub is_secure: bool,
}
