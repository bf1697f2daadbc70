//! SCRAM verifiers (RFC 5802 §3, RFC 7677): what a server keeps so that it can check a proof.
//!
//! The exchange of messages belongs to the door that speaks it.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha1::{Digest as _, Sha1};
use sha2::{Sha256, Sha512};

use super::key::hmac;

/// The hash of a SCRAM mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ScramHash {
    Sha1,
    Sha256,
    Sha512,
}

impl ScramHash {
    /// All of them, the oldest first.
    pub const ALL: [Self; 3] = [Self::Sha1, Self::Sha256, Self::Sha512];

    /// The mechanism without binding to a channel, as it is registered.
    #[must_use]
    pub fn mechanism(self) -> &'static str {
        match self {
            Self::Sha1 => "SCRAM-SHA-1",
            Self::Sha256 => "SCRAM-SHA-256",
            Self::Sha512 => "SCRAM-SHA-512",
        }
    }

    /// Length of its keys in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "no hash is empty")]
    pub fn len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

/// What is kept of a password for one hash. The keys are as long as the hash.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScramVerifier {
    pub salt: Vec<u8>,
    pub iterations: u32,
    /// `H(HMAC(SaltedPassword, "Client Key"))`
    pub stored_key: Vec<u8>,
    /// `HMAC(SaltedPassword, "Server Key")`
    pub server_key: Vec<u8>,
}

impl ScramVerifier {
    /// What is kept of `password`, which is in its prepared form.
    pub(super) fn new(hash: ScramHash, password: &str, salt: &[u8], iterations: u32) -> Self {
        let mut salted = vec![0; hash.len()];
        let password = password.as_bytes();
        match hash {
            ScramHash::Sha1 => pbkdf2::pbkdf2_hmac::<Sha1>(password, salt, iterations, &mut salted),
            ScramHash::Sha256 => pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, iterations, &mut salted),
            ScramHash::Sha512 => pbkdf2::pbkdf2_hmac::<Sha512>(password, salt, iterations, &mut salted),
        }
        Self::from_salted(hash, &salted, salt, iterations)
    }

    /// What is kept of a password of which only the salted form is known.
    pub(super) fn from_salted(hash: ScramHash, salted: &[u8], salt: &[u8], iterations: u32) -> Self {
        let (stored_key, server_key) = match hash {
            ScramHash::Sha1 => {
                let mac = |text: &[u8]| hmac_of(Hmac::<Sha1>::new_from_slice(salted), text);
                (Sha1::digest(mac(CLIENT_KEY)).to_vec(), mac(SERVER_KEY))
            }
            ScramHash::Sha256 => {
                let mac = |text: &[u8]| hmac_of(Hmac::<Sha256>::new_from_slice(salted), text);
                (Sha256::digest(mac(CLIENT_KEY)).to_vec(), mac(SERVER_KEY))
            }
            ScramHash::Sha512 => {
                let mac = |text: &[u8]| hmac_of(Hmac::<Sha512>::new_from_slice(salted), text);
                (Sha512::digest(mac(CLIENT_KEY)).to_vec(), mac(SERVER_KEY))
            }
        };
        Self { salt: salt.to_vec(), iterations, stored_key, server_key }
    }

    /// A verifier for somebody who does not exist: the same each time, and no proof fits it.
    pub(super) fn fake(hash: ScramHash, secret: &[u8], name: &str, iterations: u32) -> Self {
        let part = |what: &[u8]| hmac(secret, &[what, &[hash.len() as u8], name.as_bytes()]);
        let long = |what: u8| [part(&[what, 1]), part(&[what, 2])].concat()[..hash.len()].to_vec();
        let salt = part(b"salt")[..SALT_BYTES].to_vec();
        Self { salt, iterations, stored_key: long(b'c'), server_key: long(b's') }
    }
}

/// Prints no key.
impl fmt::Debug for ScramVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramVerifier").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

fn hmac_of<M: Mac>(mac: Result<M, hmac::digest::InvalidLength>, text: &[u8]) -> Vec<u8> {
    let mut mac = mac.expect("a key of any length is fine");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

/// Bytes of a salt.
pub(super) const SALT_BYTES: usize = 16;
const CLIENT_KEY: &[u8] = b"Client Key";
const SERVER_KEY: &[u8] = b"Server Key";

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::*;

    /// Checks the example exchange of an RFC: the proof must fit the stored key, and the server's
    /// signature must come out.
    fn check(hash: ScramHash, salt: &str, iterations: u32, auth: &str, proof: &str, signature: &str) {
        let verifier = ScramVerifier::new(hash, "pencil", &STANDARD.decode(salt).unwrap(), iterations);
        let sign = |key: &[u8]| match hash {
            ScramHash::Sha1 => hmac_of(Hmac::<Sha1>::new_from_slice(key), auth.as_bytes()),
            _ => hmac_of(Hmac::<Sha256>::new_from_slice(key), auth.as_bytes()),
        };
        let proof = STANDARD.decode(proof).unwrap();
        let mask = sign(&verifier.stored_key);
        let client_key: Vec<u8> = proof.iter().zip(&mask).map(|(a, b)| a ^ b).collect();
        let digest = match hash {
            ScramHash::Sha1 => Sha1::digest(&client_key).to_vec(),
            _ => Sha256::digest(&client_key).to_vec(),
        };
        assert_eq!(digest, verifier.stored_key);
        assert_eq!(STANDARD.encode(sign(&verifier.server_key)), signature);
    }

    #[test]
    fn example_of_rfc_5802_section_5_fits() {
        check(
            ScramHash::Sha1,
            "QSXCR+Q6sek8bf92",
            4096,
            "n=user,r=fyko+d2lbbFgONRv9qkxdawL,\
             r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096,\
             c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j",
            "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
            "rmF9pqV8S7suAoZWja4dJRkFsKQ=",
        );
    }

    #[test]
    fn example_of_rfc_7677_section_3_fits() {
        check(
            ScramHash::Sha256,
            "W22ZaJ0SNY7soEsUEjb6gQ==",
            4096,
            "n=user,r=rOprNGfwEbeRWgbNEkqO,\
             r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
             c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
            "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        );
    }

    #[test]
    fn fake_verifier_is_the_same_each_time_and_looks_real() {
        for hash in [ScramHash::Sha1, ScramHash::Sha256, ScramHash::Sha512] {
            let fake = ScramVerifier::fake(hash, b"k", "nobody@example.org", 10);
            let real = ScramVerifier::new(hash, "x", &[1; SALT_BYTES], 10);
            assert_eq!(fake, ScramVerifier::fake(hash, b"k", "nobody@example.org", 10));
            assert_eq!(
                (fake.salt.len(), fake.stored_key.len(), fake.server_key.len()),
                (real.salt.len(), real.stored_key.len(), real.server_key.len())
            );
            assert_ne!(fake.salt, ScramVerifier::fake(hash, b"k", "other@example.org", 10).salt);
            assert_ne!(fake.salt, ScramVerifier::fake(hash, b"l", "nobody@example.org", 10).salt);
        }
    }
}
