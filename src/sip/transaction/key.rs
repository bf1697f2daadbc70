//! What finds the transaction of a message (RFC 3261 §17.1.3, §17.2.3), and the branches of this server's own
//! requests, which are made so that finding is reading them.

use std::{
    fmt,
    hash::{BuildHasher as _, Hash, Hasher, RandomState},
    sync::{Arc, LazyLock},
};

use smallvec::SmallVec;

use crate::{
    formats::hex,
    sip::message::{Host, Method, Via},
};

/// The name of a transaction; cheap to clone. Two are equal when they name the same transaction.
#[derive(Clone)]
pub struct TransactionKey {
    /// Of the name, made once, under a secret: nobody can choose branches that meet in one place.
    hash: u64,
    name: Name,
}

#[derive(Clone, PartialEq, Eq)]
enum Name {
    /// The number of a branch of ours, whose seal is the hash, and the method.
    Own(u64, Method),
    /// Whatever tells a transaction of a peer from others.
    Peer(Arc<[u8]>),
}

/// The branch of a request of ours: a number that counts up, and a seal that only this process makes for it.
/// It is printed as the magic cookie, sixteen digits of the seal and the digits of the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Branch {
    pub(super) seal: u64,
    pub(super) number: u64,
}

impl Branch {
    /// Reads one that is printed as ours are; whether it is ours shows when nothing has its name.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(COOKIE)?;
        let (seal, number) = (digits.get(..16)?, digits.get(16..)?);
        (!number.starts_with('0')).then_some(())?;
        Some(Self { seal: parse_hex(seal)?, number: parse_hex(number)? })
    }

    /// Writes it behind what is there.
    pub(super) fn put(self, buffer: &mut Vec<u8>) {
        buffer.extend_from_slice(COOKIE.as_bytes());
        buffer.extend_from_slice(&hex::digits(self.seal));
        let unused = hex::digits(0).len() - Self::digits(self.number) as usize;
        buffer.extend_from_slice(hex::digits(self.number).get(unused..).unwrap_or_default());
    }

    /// How many digits a number is printed in, 1 to 16.
    pub(super) fn digits(number: u64) -> u32 {
        (u64::BITS - number.leading_zeros()).div_ceil(4).max(1)
    }

    /// Most bytes that one is printed in.
    pub(super) const LENGTH: usize = COOKIE.len() + 32;
}

impl fmt::Display for Branch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(COOKIE)?;
        hex::push_number(formatter, self.seal, 16);
        hex::push_number(formatter, self.number, Self::digits(self.number));
        Ok(())
    }
}

/// One to sixteen digits in lower case.
fn parse_hex(digits: &str) -> Option<u64> {
    if !(1..=16).contains(&digits.len()) {
        return None;
    }
    digits.bytes().try_fold(0, |number, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u64::from(digit))
    })
}

impl TransactionKey {
    /// Branch, sent-by and method, where an ACK counts as its INVITE. `None` without the magic cookie.
    pub(super) fn of_server(via: &Via, method: &Method) -> Option<Self> {
        let branch = via.branch().filter(|branch| has_cookie(branch))?;
        let method = if *method == Method::Ack { &Method::Invite } else { method };
        Some(Self::of_peer(branch, &via.host, via.port, method))
    }

    /// Branch and method of `CSeq`. The branch is one of ours, so it is sent-by enough.
    pub(super) fn of_client(branch: Branch, method: &Method) -> Self {
        Self { hash: branch.seal, name: Name::Own(branch.number, method.clone()) }
    }

    /// Its hash: the same for the same transaction, and not to be guessed.
    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    /// No part can be taken for another, as their lengths come first.
    fn of_peer(branch: &str, host: &Host, port: Option<u16>, method: &Method) -> Self {
        let method = method.as_str().as_bytes();
        let mut name = SmallVec::<[u8; 128]>::new();
        name.extend_from_slice(&branch.len().to_ne_bytes());
        name.extend_from_slice(&method.len().to_ne_bytes());
        name.extend_from_slice(&port.unwrap_or_default().to_ne_bytes());
        name.extend_from_slice(branch.as_bytes());
        name.extend_from_slice(method);
        match host {
            Host::V4(address) => name.extend_from_slice(&address.octets()),
            Host::V6(address) => name.extend_from_slice(&address.octets()),
            Host::Name(host) => {
                name.push(b'.');
                name.extend(host.bytes().map(|byte| byte.to_ascii_lowercase()));
            }
        }
        Self { hash: SECRET.hash_one(&name[..]), name: Name::Peer(Arc::from(&name[..])) }
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
        match &self.name {
            Name::Own(number, method) => write!(formatter, "TransactionKey({method} {number})"),
            Name::Peer(name) => write!(formatter, "TransactionKey({})", name.escape_ascii()),
        }
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
    fn a_branch_is_read_as_it_is_printed_and_in_no_other_way() {
        for (seal, number) in [(0, 1), (u64::MAX, u64::MAX), (0x12ab, 0xcafe), (1 << 63, 0x10)] {
            let branch = Branch { seal, number };
            let text = branch.to_string();
            assert!(text.len() <= Branch::LENGTH);
            assert_eq!(Branch::parse(&text), Some(branch), "{text}");
        }
        let text = Branch { seal: 0xabc, number: 5 }.to_string();
        assert_eq!(text, "z9hG4bK0000000000000abc5");
        for other in [
            "z9hG4bK",
            "z9hG4bK0000000000000abc",
            "z9hG4bK0000000000000ABC5",
            "z9hG4bK0000000000000abc05",
            "z9hG4bK0000000000000abc12345678901234567",
            "Z9hG4bK0000000000000abc5",
            "z9hG4bK000000000000€abc5",
        ] {
            assert_eq!(Branch::parse(other), None, "{other}");
        }
    }

    #[test]
    fn client_transactions_differ_by_seal_number_and_method() {
        let key = |seal, number, method: &Method| TransactionKey::of_client(Branch { seal, number }, method);
        let one = key(7, 1, &Method::Invite);
        assert!(one == key(7, 1, &Method::Invite));
        assert!(one != key(7, 1, &Method::Cancel) && one != key(7, 2, &Method::Invite));
        assert!(one != key(8, 1, &Method::Invite));
    }

    #[test]
    fn branches_without_the_cookie_name_nothing() {
        for via in ["SIP/2.0/UDP h", "SIP/2.0/UDP h;branch=1", "SIP/2.0/UDP h;branch=z9hG4bK"] {
            assert_eq!(key(via, "INVITE"), None, "{via}");
        }
    }
}
