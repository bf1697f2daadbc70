//! HTTP digest (RFC 7616, RFC 8760) on bare values: no header, no SIP type.

use md5::Md5;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::Login;
use crate::formats::hex;

/// The algorithms that are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DigestAlgorithm {
    Md5,
    Md5Sess,
    Sha256,
    Sha256Sess,
}

impl DigestAlgorithm {
    /// Reads the name in an algorithm parameter, in any case; `None` for one not understood.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Md5, Self::Md5Sess, Self::Sha256, Self::Sha256Sess]
            .into_iter()
            .find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(name))
    }

    /// Its name (RFC 7616 §6.1).
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Md5Sess => "MD5-sess",
            Self::Sha256 => "SHA-256",
            Self::Sha256Sess => "SHA-256-sess",
        }
    }

    fn is_session(self) -> bool {
        matches!(self, Self::Md5Sess | Self::Sha256Sess)
    }
}

/// What the response protects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Qop {
    Auth,
    AuthInt,
}

impl Qop {
    /// Reads the word in a qop parameter, in any case; `None` for one not understood.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Auth, Self::AuthInt].into_iter().find(|qop| qop.as_str().eq_ignore_ascii_case(word))
    }

    /// Its word (RFC 7616 §3.3).
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::AuthInt => "auth-int",
        }
    }
}

/// The values that come with a quality of protection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QopUse<'a> {
    pub qop: Qop,
    /// The nonce count as it was written: eight hexadecimal digits.
    pub nc: &'a str,
    pub cnonce: &'a str,
}

/// A client's answer to a challenge: the parameters, unquoted, of an Authorization header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DigestResponse<'a> {
    pub username: &'a str,
    pub realm: &'a str,
    pub nonce: &'a str,
    /// The uri parameter as the client wrote it. The door checks that it fits the request.
    pub uri: &'a str,
    /// The response in hexadecimal digits.
    pub response: &'a str,
    pub algorithm: DigestAlgorithm,
    /// `None` where the client sent no qop, as in RFC 2069; such a nonce is good once.
    pub qop: Option<QopUse<'a>>,
    pub method: &'a str,
    /// The body of the request; read for [`Qop::AuthInt`] only.
    pub body: &'a [u8],
}

/// What to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DigestVerdict {
    /// He is who he says.
    Ok(Login),
    /// The nonce is unknown, too old or used up: challenge again with `stale=true`.
    Stale,
    /// Challenge again, or refuse.
    Wrong,
    /// Too many guesses; another try makes sense after this many seconds.
    Throttled { retry_after: u32 },
    /// It could not be checked now.
    Unavailable,
}

/// `H(username:realm:password)` for both hashes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ha1 {
    pub(super) md5: [u8; 16],
    pub(super) sha256: [u8; 32],
}

impl Ha1 {
    pub(super) fn new(username: &str, realm: &str, password: &str) -> Self {
        let parts = [username.as_bytes(), realm.as_bytes(), password.as_bytes()];
        Self { md5: hash_joined::<Md5>(&parts).into(), sha256: hash_joined::<Sha256>(&parts).into() }
    }
}

impl DigestResponse<'_> {
    /// The nonce count as a number; 1 where there is none. `None` where it is no hexadecimal
    /// number of 32 bits.
    pub(super) fn count(&self) -> Option<u32> {
        let Some(used) = &self.qop else { return Some(1) };
        let is_number = used.nc.len() <= 8 && used.nc.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_number.then(|| u32::from_str_radix(used.nc, 16).ok()).flatten()
    }

    /// Whether the response was computed from this secret (RFC 7616 §3.4.1).
    pub(super) fn is_made_with(&self, ha1: &Ha1) -> bool {
        let Some(expect) = self.expected(ha1) else { return false };
        let given = self.response.to_ascii_lowercase();
        given.as_bytes().ct_eq(expect.as_bytes()).into()
    }

    /// The response that fits, in lower-case digits; `None` where a value for it is missing.
    pub(super) fn expected(&self, ha1: &Ha1) -> Option<String> {
        let mut secret = match self.algorithm {
            DigestAlgorithm::Md5 | DigestAlgorithm::Md5Sess => hex::print(&ha1.md5),
            DigestAlgorithm::Sha256 | DigestAlgorithm::Sha256Sess => hex::print(&ha1.sha256),
        };
        if self.algorithm.is_session() {
            secret = self.hash(&[&secret, self.nonce, self.qop?.cnonce]);
        }
        let request = match self.qop {
            Some(QopUse { qop: Qop::AuthInt, .. }) => {
                let body = self.hash_bytes(&[self.body]);
                self.hash(&[self.method, self.uri, &body])
            }
            _ => self.hash(&[self.method, self.uri]),
        };
        Some(match &self.qop {
            Some(used) => {
                self.hash(&[&secret, self.nonce, used.nc, used.cnonce, used.qop.as_str(), &request])
            }
            None => self.hash(&[&secret, self.nonce, &request]),
        })
    }

    fn hash(&self, parts: &[&str]) -> String {
        let parts: smallvec::SmallVec<[&[u8]; 6]> = parts.iter().map(|part| part.as_bytes()).collect();
        self.hash_bytes(&parts)
    }

    fn hash_bytes(&self, parts: &[&[u8]]) -> String {
        match self.algorithm {
            DigestAlgorithm::Md5 | DigestAlgorithm::Md5Sess => hex::print(&hash_joined::<Md5>(parts)),
            DigestAlgorithm::Sha256 | DigestAlgorithm::Sha256Sess => {
                hex::print(&hash_joined::<Sha256>(parts))
            }
        }
    }
}

/// The hash of the parts with colons between them.
fn hash_joined<D: sha2::Digest>(parts: &[&[u8]]) -> sha2::digest::Output<D> {
    let mut hash = D::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            hash.update(b":");
        }
        hash.update(part);
    }
    hash.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7616 §3.9.1.
    fn example(algorithm: DigestAlgorithm, response: &str) -> DigestResponse<'_> {
        DigestResponse {
            username: "Mufasa",
            realm: "http-auth@example.org",
            nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            uri: "/dir/index.html",
            response,
            algorithm,
            qop: Some(QopUse {
                qop: Qop::Auth,
                nc: "00000001",
                cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
            }),
            method: "GET",
            body: b"",
        }
    }

    fn mufasa() -> Ha1 {
        Ha1::new("Mufasa", "http-auth@example.org", "Circle of Life")
    }

    #[test]
    fn examples_of_rfc_7616_fit() {
        let sha256 = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1";
        for (algorithm, response) in [
            (DigestAlgorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec"),
            (DigestAlgorithm::Sha256, sha256),
            (DigestAlgorithm::Sha256, &sha256.to_uppercase()),
        ] {
            assert!(example(algorithm, response).is_made_with(&mufasa()), "{response}");
        }
        assert!(!example(DigestAlgorithm::Sha256, "").is_made_with(&mufasa()));
        assert!(!example(DigestAlgorithm::Md5, sha256).is_made_with(&mufasa()));
    }

    #[test]
    fn example_of_rfc_2069_without_qop_fits() {
        let response = DigestResponse {
            username: "Mufasa",
            realm: "testrealm@host.com",
            nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
            uri: "/dir/index.html",
            // The value that the errata of RFC 2069 gives.
            response: "1949323746fe6a43ef61f9606e7febea",
            algorithm: DigestAlgorithm::Md5,
            qop: None,
            method: "GET",
            body: b"",
        };
        assert!(response.is_made_with(&Ha1::new("Mufasa", "testrealm@host.com", "CircleOfLife")));
        assert_eq!(response.count(), Some(1));
    }

    #[test]
    fn every_value_is_protected() {
        let good = example(DigestAlgorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec");
        let used = good.qop.unwrap();
        for bad in [
            DigestResponse { uri: "/dir/other.html", ..good },
            DigestResponse { method: "PUT", ..good },
            DigestResponse { nonce: "x", ..good },
            DigestResponse { qop: None, ..good },
            DigestResponse { qop: Some(QopUse { nc: "00000002", ..used }), ..good },
            DigestResponse { qop: Some(QopUse { cnonce: "x", ..used }), ..good },
            DigestResponse { qop: Some(QopUse { qop: Qop::AuthInt, ..used }), ..good },
            DigestResponse { algorithm: DigestAlgorithm::Md5Sess, ..good },
        ] {
            assert!(!bad.is_made_with(&mufasa()), "{bad:?}");
        }
    }

    /// Values computed with Python's hashlib after RFC 7616 §3.4.
    #[test]
    fn session_algorithm_and_body_protection_fit() {
        let used = QopUse { qop: Qop::AuthInt, nc: "0000000a", cnonce: "c" };
        let response = DigestResponse {
            username: "alice",
            realm: "example.org",
            nonce: "n",
            uri: "sip:example.org",
            response: "3bea54dcfa855733a8de33fb5a7b9cf5e4ff2d97ca6fed85d29dba74deb042ff",
            algorithm: DigestAlgorithm::Sha256Sess,
            qop: Some(used),
            method: "MESSAGE",
            body: b"hello",
        };
        let ha1 = Ha1::new("alice", "example.org", "secret");
        assert!(response.is_made_with(&ha1));
        assert!(!DigestResponse { body: b"hellO", ..response }.is_made_with(&ha1));
        let without = DigestResponse { qop: None, ..response };
        assert!(!without.is_made_with(&ha1), "a session needs a cnonce");
    }

    #[test]
    fn nonce_count_is_hexadecimal() {
        let good = example(DigestAlgorithm::Md5, "");
        for (nc, expect) in [
            ("0000000a", Some(10)),
            ("FFFFFFFF", Some(u32::MAX)),
            ("1", Some(1)),
            ("+1", None),
            ("", None),
            ("000000001", None),
            ("xyz", None),
        ] {
            let used = QopUse { nc, ..good.qop.unwrap() };
            assert_eq!(DigestResponse { qop: Some(used), ..good }.count(), expect, "{nc}");
        }
    }

    #[test]
    fn names_are_read_in_any_case() {
        assert_eq!(DigestAlgorithm::parse("sha-256"), Some(DigestAlgorithm::Sha256));
        assert_eq!(DigestAlgorithm::parse("SHA-512-256"), None);
        assert_eq!(Qop::parse("AUTH-INT"), Some(Qop::AuthInt));
        assert_eq!(Qop::parse("auth,auth-int"), None);
    }
}
