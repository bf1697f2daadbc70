//! A domain of ours and one of somebody else: what a stream is authorised for (RFC 6120 §4.7, XEP-0220 §2.5).

use std::fmt;

use crate::signal::Address;

/// Two domains that talk to each other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Pair {
    /// Ours.
    pub(super) local: Address,
    /// Theirs.
    pub(super) remote: Address,
}

impl Pair {
    /// The pair of a stanza between two addresses; `None` where a domain cannot stand alone.
    pub(super) fn of(local: &Address, remote: &Address) -> Option<Self> {
        Some(Self { local: domain_of(local)?, remote: domain_of(remote)? })
    }
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} and {}", self.local, self.remote)
    }
}

/// The domain of an address, as the address of a service.
pub(super) fn domain_of(address: &Address) -> Option<Address> {
    if address.is_domain() { Some(address.clone()) } else { Address::domain_only(address.domain()).ok() }
}
