//! What is kept of a password: every protocol's verifier, made at once when it is set.
//!
//! Pure: salts are arguments. Sealing is `key`'s matter.

use std::sync::OnceLock;

use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use crate::{signal::Address, storage::AccountSummary};

use super::{
    Config,
    digest::Ha1,
    key::hmac,
    password::prepare_password,
    scram::{SALT_BYTES, ScramHash, ScramVerifier},
};

/// The verifiers of an account's own password.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Verifiers {
    argon2: Argon2Verifier,
    scram: [ScramVerifier; 3],
    pub(super) ha1: Vec<Ha1Set>,
}

/// A password of one device. It is random, so a keyed hash is enough.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct DeviceVerifier {
    keyed_hash: [u8; 32],
    pub(super) ha1: Vec<Ha1Set>,
}

/// One account with its credentials opened.
pub(super) struct Known {
    pub(super) account: AccountSummary,
    pub(super) verifiers: Verifiers,
    pub(super) devices: Vec<(i64, DeviceVerifier)>,
    /// The keyed hash of the password that was last proved right, so that a client which comes
    /// back with it need not cost tens of milliseconds again. The key lives as long as the process.
    pub(super) proved: OnceLock<[u8; 32]>,
}

/// Digest secrets `H(username:realm:password)` (RFC 7616 §3.4.2) for both names that phones are
/// given: the local part, and the whole address.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ha1Set {
    local: Ha1,
    whole: Ha1,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Argon2Verifier {
    salt: [u8; SALT_BYTES],
    memory_kib: u32,
    passes: u32,
    hash: [u8; 32],
}

/// Random bytes for the verifiers of one password.
pub(super) struct Salts {
    pub(super) argon2: [u8; SALT_BYTES],
    pub(super) scram: [[u8; SALT_BYTES]; 3],
}

impl Verifiers {
    /// All verifiers of a new password as it was typed; `None` where nobody may have it. Takes
    /// tens of milliseconds of computing.
    pub(super) fn new(address: &Address, typed: &str, salts: &Salts, config: &Config) -> Option<Self> {
        let password = prepare_password(typed)?;
        let argon2 = Argon2Verifier::new(&password, salts.argon2, config)?;
        let [sha1, sha256, sha512] = &salts.scram;
        let scram = [(ScramHash::Sha1, sha1), (ScramHash::Sha256, sha256), (ScramHash::Sha512, sha512)]
            .map(|(hash, salt)| ScramVerifier::new(hash, &password, salt, config.scram_iterations));
        let mut ha1 = vec![Ha1Set::new(address, &password)];
        // Phones hash what was typed and prepare nothing.
        if password != typed {
            ha1.push(Ha1Set::new(address, typed));
        }
        Some(Self { argon2, scram, ha1 })
    }

    /// The verifiers of a password of which another server kept only these. They are completed when somebody proves to
    /// know the password itself; see [`Verifiers::is_partial`].
    pub(super) fn from_scram(known: &[(ScramHash, ScramVerifier)], salts: &Salts, config: &Config) -> Self {
        let scram = ScramHash::ALL.map(|hash| {
            let known = known.iter().find(|(other, _)| *other == hash);
            let missing = || ScramVerifier::fake(hash, &salts.argon2, "", config.scram_iterations);
            known.map_or_else(missing, |(_, verifier)| verifier.clone())
        });
        let argon2 = Argon2Verifier { salt: salts.argon2, memory_kib: 0, passes: 0, hash: [0; 32] };
        Self { argon2, scram, ha1: Vec::new() }
    }

    /// Whether there is nothing but what another server kept.
    pub(super) fn is_partial(&self) -> bool {
        self.argon2.memory_kib == 0
    }

    /// What another server would need, without stand-ins for what was never known.
    pub(super) fn known_scram(&self) -> Vec<(ScramHash, ScramVerifier)> {
        let is_known = |(hash, verifier): &(ScramHash, ScramVerifier)| {
            !self.is_partial()
                || *verifier != ScramVerifier::fake(*hash, self.salt(), "", verifier.iterations)
        };
        ScramHash::ALL.map(|hash| (hash, self.scram(hash).clone())).into_iter().filter(is_known).collect()
    }

    fn is_scram_password(&self, password: &str) -> bool {
        self.known_scram().iter().any(|(hash, known)| {
            let verifier = ScramVerifier::new(*hash, password, &known.salt, known.iterations);
            verifier.stored_key.ct_eq(&known.stored_key).into()
        })
    }

    /// Random bytes that are others whenever the password is set.
    pub(super) fn salt(&self) -> &[u8] {
        &self.argon2.salt
    }

    /// Whether this is the password. Takes tens of milliseconds of computing.
    pub(super) fn is_password(&self, typed: &str) -> bool {
        prepare_password(typed).is_some_and(|password| match self.is_partial() {
            true => self.is_scram_password(&password),
            false => self.argon2.is_password(&password),
        })
    }

    /// The same with another verifier of this hash.
    pub(super) fn with_scram(mut self, hash: ScramHash, verifier: ScramVerifier) -> Self {
        let [sha1, sha256, sha512] = &mut self.scram;
        let place = match hash {
            ScramHash::Sha1 => sha1,
            ScramHash::Sha256 => sha256,
            ScramHash::Sha512 => sha512,
        };
        *place = verifier;
        self
    }

    pub(super) fn scram(&self, hash: ScramHash) -> &ScramVerifier {
        let [sha1, sha256, sha512] = &self.scram;
        match hash {
            ScramHash::Sha1 => sha1,
            ScramHash::Sha256 => sha256,
            ScramHash::Sha512 => sha512,
        }
    }
}

impl DeviceVerifier {
    /// `secret` is this server's, for device passwords.
    pub(super) fn new(address: &Address, password: &str, secret: &[u8]) -> Self {
        Self { keyed_hash: keyed(address, password, secret), ha1: vec![Ha1Set::new(address, password)] }
    }

    pub(super) fn is_password(&self, address: &Address, typed: &str, secret: &[u8]) -> bool {
        keyed(address, typed, secret).ct_eq(&self.keyed_hash).into()
    }
}

fn keyed(address: &Address, password: &str, secret: &[u8]) -> [u8; 32] {
    hmac(secret, &[address.as_str().as_bytes(), b"\0", password.as_bytes()])
}

impl Ha1Set {
    fn new(address: &Address, password: &str) -> Self {
        // Phones know no other form of a domain.
        let (realm, whole) = (address.domain_in_ascii(), address.with_ascii_domain());
        let ha1 = |username: &str| Ha1::new(username, &realm, password);
        Self { local: ha1(address.local().unwrap_or_default()), whole: ha1(&whole) }
    }

    /// The secret for the name that a client gave; `None` where it is not this account's.
    pub(super) fn of(&self, address: &Address, username: &str) -> Option<&Ha1> {
        match username {
            name if address.local() == Some(name) => Some(&self.local),
            name if name == address.with_ascii_domain() => Some(&self.whole),
            _ => None,
        }
    }
}

impl Argon2Verifier {
    fn new(password: &str, salt: [u8; SALT_BYTES], config: &Config) -> Option<Self> {
        let (memory_kib, passes) = (config.argon2_memory_kib, config.argon2_passes);
        let hash = argon2id(password, &salt, memory_kib, passes)?;
        Some(Self { salt, memory_kib, passes, hash })
    }

    fn is_password(&self, password: &str) -> bool {
        argon2id(password, &self.salt, self.memory_kib, self.passes)
            .is_some_and(|hash| hash.ct_eq(&self.hash).into())
    }
}

/// Does the work of checking a password, for an account that does not exist.
pub(super) fn waste_time(typed: &str, config: &Config) {
    let hash = argon2id(typed, &[0; SALT_BYTES], config.argon2_memory_kib, config.argon2_passes);
    std::hint::black_box(hash);
}

/// Argon2id (RFC 9106) with one lane. `None` for parameters that are out of its range.
fn argon2id(password: &str, salt: &[u8], memory_kib: u32, passes: u32) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    let parameters = Params::new(memory_kib, passes, 1, Some(hash.len())).ok()?;
    Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters)
        .hash_password_into(password.as_bytes(), salt, &mut hash)
        .ok()?;
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config { argon2_memory_kib: 8, argon2_passes: 1, scram_iterations: 2, ..Config::default() }
    }

    fn verifiers(password: &str) -> Option<Verifiers> {
        let salts = Salts { argon2: [1; 16], scram: [[2; 16], [3; 16], [4; 16]] };
        Verifiers::new(&alice(), password, &salts, &config())
    }

    fn alice() -> Address {
        Address::parse("alice@example.org").unwrap()
    }

    #[test]
    fn right_password_fits_and_no_other() {
        let verifiers = verifiers("u\u{308}-secret").unwrap();
        assert!(verifiers.is_password("\u{fc}-secret"));
        assert!(!verifiers.is_password("u-secret") && !verifiers.is_password(""));
    }

    #[test]
    fn digest_secret_fits_the_typed_and_the_prepared_form() {
        assert_eq!(verifiers("secret").unwrap().ha1.len(), 1);
        let both = verifiers("u\u{308}").unwrap().ha1;
        let single = verifiers("\u{fc}").unwrap().ha1;
        assert_eq!(both.len(), 2);
        assert!(both.contains(&single[0]));
    }

    #[test]
    fn digest_secret_is_found_by_both_names() {
        let set = &verifiers("secret").unwrap().ha1[0];
        let local = set.of(&alice(), "alice").unwrap();
        // echo -n alice:example.org:secret | md5sum
        assert_eq!(crate::formats::hex::print(&local.md5), "543e1aec5d3614f03141652d6ada51b2");
        assert!(local != set.of(&alice(), "alice@example.org").unwrap());
        assert!(set.of(&alice(), "bob").is_none() && set.of(&alice(), "Alice").is_none());
    }

    #[test]
    fn device_password_fits_its_account_only() {
        let verifier = DeviceVerifier::new(&alice(), "abcd", b"k");
        let bob = Address::parse("bob@example.org").unwrap();
        assert!(verifier.is_password(&alice(), "abcd", b"k"));
        assert!(!verifier.is_password(&alice(), "abce", b"k"));
        assert!(!verifier.is_password(&bob, "abcd", b"k"));
        assert!(!verifier.is_password(&alice(), "abcd", b"l"));
    }

    #[test]
    fn impossible_password_is_refused() {
        assert!(verifiers("").is_none() && verifiers("a\nb").is_none());
    }
}
