//! What finds the transaction of a message (RFC 3261 §17.1.3, §17.2.3).

use std::{
    fmt,
    hash::{BuildHasher as _, Hash, Hasher, RandomState},
    sync::{Arc, LazyLock},
};

use smallvec::SmallVec;

use crate::sip::message::{Host, Method, Via};

/// The name of a transaction; cheap to clone. Two are equal when they name the same transaction.
#[derive(Clone)]
pub struct TransactionKey {
    /// Of the name, made once, under a secret: nobody can choose branches that meet in one place.
    hash: u64,
    name: Arc<[u8]>,
}

impl TransactionKey {
    /// Branch, sent-by and method, where an ACK counts as its INVITE. `None` without the magic cookie.
    pub(super) fn of_server(via: &Via, method: &Method) -> Option<Self> {
        let branch = via.branch().filter(|branch| has_cookie(branch))?;
        let method = if *method == Method::Ack { &Method::Invite } else { method };
        Some(Self::new(branch, Some(&via.host), via.port, method))
    }

    /// Branch and method of `CSeq`. The branch is one of ours, so it is sent-by enough.
    pub(super) fn of_client(branch: &str, method: &Method) -> Self {
        Self::new(branch, None, None, method)
    }

    /// Its hash: the same for the same transaction, and not to be guessed.
    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    /// No part can be taken for another, as their lengths come first.
    fn new(branch: &str, host: Option<&Host>, port: Option<u16>, method: &Method) -> Self {
        let method = method.as_str().as_bytes();
        let mut name = SmallVec::<[u8; 128]>::new();
        name.extend_from_slice(&branch.len().to_ne_bytes());
        name.extend_from_slice(&method.len().to_ne_bytes());
        name.extend_from_slice(&port.unwrap_or_default().to_ne_bytes());
        name.extend_from_slice(branch.as_bytes());
        name.extend_from_slice(method);
        match host {
            Some(Host::V4(address)) => name.extend_from_slice(&address.octets()),
            Some(Host::V6(address)) => name.extend_from_slice(&address.octets()),
            Some(Host::Name(host)) => {
                name.push(b'.');
                name.extend(host.bytes().map(|byte| byte.to_ascii_lowercase()));
            }
            None => name.push(0),
        }
        Self { hash: SECRET.hash_one(&name[..]), name: Arc::from(&name[..]) }
    }
}

impl PartialEq for TransactionKey {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.name == other.name
    }
}

impl Eq for TransactionKey {}

impl Hash for TransactionKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl fmt::Debug for TransactionKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TransactionKey({})", self.name.escape_ascii())
    }
}

static SECRET: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// What every branch since RFC 3261 begins with (§8.1.1.7).
pub(super) const COOKIE: &str = "z9hG4bK";

fn has_cookie(branch: &str) -> bool {
    branch.len() > COOKIE.len()
        && branch.get(..COOKIE.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(COOKIE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(via: &str, method: &str) -> Option<TransactionKey> {
        TransactionKey::of_server(&Via::parse(via).unwrap(), &Method::from_token(method).unwrap())
    }

    #[test]
    fn server_transactions_differ_by_branch_sent_by_and_method() {
        let invite = key("SIP/2.0/UDP host:5060;branch=z9hG4bK1", "INVITE");
        assert!(invite.is_some());
        for (via, method, is_same) in [
            ("SIP/2.0/UDP HOST:5060;branch=z9hG4bK1;received=1.2.3.4", "INVITE", true),
            ("SIP/2.0/UDP host:5060;branch=z9hG4bK1", "ACK", true),
            ("SIP/2.0/UDP host:5060;branch=z9hG4bK1", "CANCEL", false),
            ("SIP/2.0/UDP host;branch=z9hG4bK1", "INVITE", false),
            ("SIP/2.0/UDP other:5060;branch=z9hG4bK1", "INVITE", false),
            ("SIP/2.0/UDP host:5060;branch=z9hG4bK2", "INVITE", false),
            ("SIP/2.0/UDP ost:5060;branch=z9hG4bK1h", "INVITE", false),
        ] {
            assert_eq!(key(via, method) == invite, is_same, "{via} {method}");
        }
    }

    #[test]
    fn branches_without_the_cookie_name_nothing() {
        for via in ["SIP/2.0/UDP h", "SIP/2.0/UDP h;branch=1", "SIP/2.0/UDP h;branch=z9hG4bK"] {
            assert_eq!(key(via, "INVITE"), None, "{via}");
        }
    }
}
