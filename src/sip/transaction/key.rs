//! What finds the transaction of a message (RFC 3261 §17.1.3, §17.2.3).

use std::{fmt, sync::Arc};

use crate::sip::message::{Method, Via};

/// The name of a transaction; cheap to clone. Two are equal when they name the same transaction.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionKey(Arc<str>);

impl TransactionKey {
    /// Branch, sent-by and method, where an ACK counts as its INVITE. `None` without the magic cookie.
    pub(super) fn of_server(via: &Via, method: &Method) -> Option<Self> {
        let branch = via.branch().filter(|branch| has_cookie(branch))?;
        let method = if *method == Method::Ack { Method::Invite.as_str() } else { method.as_str() };
        let port = via.port.unwrap_or_default();
        let host = via.host.to_string().to_ascii_lowercase();
        Some(Self(format!("s {branch} {host} {port} {method}").into()))
    }

    /// Branch and method of `CSeq`. The branch is one of ours, so it is sent-by enough.
    pub(super) fn of_client(branch: &str, method: &Method) -> Self {
        Self(format!("c {branch} {}", method.as_str()).into())
    }
}

impl fmt::Debug for TransactionKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

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
