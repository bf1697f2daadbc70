//! GRUUs (RFC 5627): addresses of one phone of an account, wherever it is registered.
//!
//! A public one is the address of record with the phone's instance, or its name where it has none, as
//! `gr`. A temporary one hides both: its user is a sealed number, which names a run of registrations
//! without gap under one Call-ID. Nothing is kept for each temporary GRUU: the seal proves that it was given
//! out (§5.4, and the idea of appendix A.2), and it is valid as long as its run goes on.
//!
//! Pure: keys and randomness are arguments. Who is registered, [`super::locations`] knows.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use compact_str::{CompactString, format_compact};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::{
    message::{Host, Uri},
    translate,
};
use crate::signal::{Address, Resource};

/// A run of registrations of one phone. Random: no two are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Run(pub(super) u64);

/// The temporary GRUU that a phone was given last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Temporary {
    pub(super) run: Run,
    /// Random: makes each one of a run another.
    pub(super) salt: u64,
    /// The sequence number of the REGISTER that began the run (RFC 5628 §5).
    pub(super) first: u32,
}

/// Seals and opens temporary GRUUs.
pub(super) struct Seal {
    proof: Hmac<Sha256>,
    mask: Hmac<Sha256>,
}

/// What a URI with a `gr` parameter means (RFC 5627 §4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gruu<'a> {
    /// The instance or the name of a session of the account that the URI names.
    Public(&'a str),
    /// What the user of the URI is sealed for.
    Temporary,
}

impl Seal {
    /// With a secret that outlives the process, as the GRUUs do.
    pub(super) fn new(secret: &[u8; 32]) -> Self {
        let keyed = |purpose: &[u8]| {
            let mut keyed = Hmac::new_from_slice(secret).expect("a key of any length is fine");
            keyed.update(purpose);
            keyed
        };
        Self { proof: keyed(b"gruu proof"), mask: keyed(b"gruu mask") }
    }

    /// The URI, in the domain of an account.
    pub(super) fn print(&self, temporary: Temporary, domain: &str) -> Uri {
        let inside = inside_of(temporary);
        let proof = first_half(&self.proof, &inside);
        let covered = xor(inside, first_half(&self.mask, &proof));
        let user = format_compact!("{PREFIX}{}", URL_SAFE_NO_PAD.encode([proof, covered].concat()));
        let host = Host::parse(domain).unwrap_or_else(|_| Host::Name(domain.into()));
        Uri::sip(Some(&user), &host, None).with_param("gr", None)
    }

    /// The run that the user part of a temporary GRUU names; `None` where this server never gave it out.
    pub(super) fn open(&self, user: &str) -> Option<Run> {
        let sealed = user.strip_prefix(PREFIX).filter(|sealed| sealed.len() == SEALED)?;
        let bytes: [u8; 32] = URL_SAFE_NO_PAD.decode(sealed).ok()?.try_into().ok()?;
        let (proof, covered) = bytes.split_first_chunk::<16>()?;
        let inside = xor(covered.first_chunk::<16>().copied()?, first_half(&self.mask, proof));
        let is_ours: bool = first_half(&self.proof, &inside).ct_eq(proof).into();
        is_ours.then(|| inside.first_chunk().map(|run| Run(u64::from_be_bytes(*run))))?
    }
}

/// Reads the `gr` parameter; `None` where there is none.
pub(super) fn gruu_of(uri: &Uri) -> Option<Gruu<'_>> {
    let (_, value) = uri.params().find(|(name, _)| name.eq_ignore_ascii_case("gr"))?;
    Some(value.filter(|value| !value.is_empty()).map_or(Gruu::Temporary, Gruu::Public))
}

/// The public GRUU of a phone: by its instance, which it keeps wherever it goes, or else by its name.
pub(super) fn public(address: &Address, instance: Option<&str>, resource: &Resource) -> CompactString {
    translate::gruu(address, instance.unwrap_or(resource.as_str())).as_str().into()
}

fn inside_of(temporary: Temporary) -> [u8; 16] {
    let number = u128::from(temporary.run.0) << 64 | u128::from(temporary.salt);
    number.to_be_bytes()
}

fn first_half(keyed: &Hmac<Sha256>, bytes: &[u8]) -> [u8; 16] {
    let mut hash = keyed.clone();
    hash.update(bytes);
    let hash = hash.finalize().into_bytes();
    std::array::from_fn(|index| hash[index])
}

fn xor(one: [u8; 16], two: [u8; 16]) -> [u8; 16] {
    (u128::from_be_bytes(one) ^ u128::from_be_bytes(two)).to_be_bytes()
}

/// What the user of a temporary GRUU begins with, as in the examples of RFC 5627.
const PREFIX: &str = "tgruu.";
/// Characters of 32 bytes in base64 without padding.
const SEALED: usize = 43;

#[cfg(test)]
mod tests {
    use super::*;

    fn user_of(uri: &Uri) -> String {
        uri.user().expect("a user").into_owned()
    }

    #[test]
    fn temporary_one_is_opened_by_who_sealed_it_only() {
        let (seal, other) = (Seal::new(&[1; 32]), Seal::new(&[2; 32]));
        let uri = seal.print(Temporary { run: Run(7), salt: 1, first: 1 }, "example.org");
        assert_eq!(gruu_of(&uri), Some(Gruu::Temporary));
        assert_eq!(uri.host().map(ToString::to_string).as_deref(), Some("example.org"));
        assert_eq!(seal.open(&user_of(&uri)), Some(Run(7)));
        assert_eq!(other.open(&user_of(&uri)), None);
    }

    #[test]
    fn changed_or_invented_ones_do_not_open() {
        let seal = Seal::new(&[1; 32]);
        let user = user_of(&seal.print(Temporary { run: Run(7), salt: 1, first: 1 }, "example.org"));
        for at in PREFIX.len()..user.len() - 1 {
            let other = if user.as_bytes()[at] == b'A' { "B" } else { "A" };
            let changed = format!("{}{other}{}", &user[..at], &user[at + 1..]);
            assert_eq!(seal.open(&changed), None, "{changed}");
        }
        for invented in
            ["", "tgruu.", "alice", "tgruu.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", &user[1..]]
        {
            assert_eq!(seal.open(invented), None, "{invented}");
        }
    }

    #[test]
    fn two_of_one_run_have_nothing_in_common() {
        let seal = Seal::new(&[1; 32]);
        let one = user_of(&seal.print(Temporary { run: Run(7), salt: 1, first: 1 }, "example.org"));
        let two = user_of(&seal.print(Temporary { run: Run(7), salt: 2, first: 1 }, "example.org"));
        let same = one.bytes().zip(two.bytes()).skip(PREFIX.len()).filter(|(one, two)| one == two).count();
        assert!(same < 10, "{one} {two}");
    }

    #[test]
    fn parameter_says_which_kind_it_is() {
        for (uri, expect) in [
            ("sip:a@example.org", None),
            ("sip:a@example.org;GR=urn:uuid:1", Some(Gruu::Public("urn:uuid:1"))),
            ("sip:a@example.org;gr=phone", Some(Gruu::Public("phone"))),
            ("sip:a@example.org;gr", Some(Gruu::Temporary)),
            ("sip:a@example.org;gr=", Some(Gruu::Temporary)),
        ] {
            assert_eq!(gruu_of(&Uri::parse(uri).unwrap()), expect, "{uri}");
        }
    }

    #[test]
    fn public_one_shows_the_instance_or_the_name() {
        let (address, name) = (Address::parse("a@example.org").unwrap(), Resource::new("x 1").unwrap());
        assert_eq!(public(&address, Some("urn:uuid:1"), &name), "sip:a@example.org;gr=urn:uuid:1");
        assert_eq!(public(&address, None, &name), "sip:a@example.org;gr=x%201");
    }
}
