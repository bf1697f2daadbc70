//! Addresses of accounts, services and sessions.
//!
//! One identity for all protocols: the local part is prepared by nodeprep and the domain by
//! nameprep, as RFC 6122 does it, so that `Alice@Example.org` of a phone and `alice@example.org`
//! of a chat client are the same account.

use std::{
    borrow::Cow,
    cmp, fmt,
    hash::{self, BuildHasher},
    sync::{Arc, LazyLock},
};

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

/// `local@domain` of an account, or the bare `domain` of a service. Normalised; cheap to clone.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address {
    text: Arc<str>,
    /// Of the text, made once: an address is looked up several times on its way. Peers choose
    /// addresses, so the hash is seeded at random for each process.
    hash: u32,
    /// Where the `@` is; [`NOWHERE`] where there is no local part.
    at: u16,
}

/// Why a text is not an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("the address is empty")]
    Empty,
    #[error("the part before or after '@' is longer than 1023 bytes")]
    TooLong,
    #[error("the part before '@' is empty or has a character that is not allowed")]
    Local,
    #[error("the domain is empty or has a character that is not allowed")]
    Domain,
    #[error("the resource is empty, longer than 1023 bytes or has a character that is not allowed")]
    Resource,
}

impl Address {
    /// An account's address from its two parts, in any case and normalisation form.
    ///
    /// # Errors
    /// The part that is empty, too long or has a forbidden character.
    pub fn new(local: &str, domain: &str) -> Result<Self, AddressError> {
        let local = prepare_local(local)?;
        let domain = prepare_domain(domain)?;
        let at = u16::try_from(local.len()).map_err(|_| AddressError::TooLong)?;
        let mut text = CompactString::with_capacity(local.len() + 1 + domain.len());
        text.push_str(&local);
        text.push('@');
        text.push_str(&domain);
        Ok(Self::of(&text, at))
    }

    fn of(text: &str, at: u16) -> Self {
        // Half of the hash tells a million addresses apart well enough.
        let hash = SEED.hash_one(text) as u32;
        Self { text: Arc::from(text), hash, at }
    }

    /// The address of a service: a domain without local part.
    ///
    /// # Errors
    /// [`AddressError::Domain`] or [`AddressError::TooLong`].
    pub fn domain_only(domain: &str) -> Result<Self, AddressError> {
        Ok(Self::of(&prepare_domain(domain)?, NOWHERE))
    }

    /// Reads `local@domain` or `domain`.
    ///
    /// # Errors
    /// As [`Address::new`].
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if let Some(at) = find_at_in_normal_form(text) {
            return Ok(Self::of(text, at));
        }
        match text.split_once('@') {
            _ if text.is_empty() => Err(AddressError::Empty),
            Some((local, domain)) => Self::new(local, domain),
            None => Self::domain_only(text),
        }
    }

    /// Whoever does not say who he is (RFC 3323 §4.1.1.3).
    #[must_use]
    pub fn anonymous() -> Self {
        Self::new("anonymous", ANONYMOUS).expect("letters and a dot are an address")
    }

    /// Whether this names nobody in particular.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.domain() == ANONYMOUS
    }

    /// The part before the `@`; `None` for a service.
    #[must_use]
    pub fn local(&self) -> Option<&str> {
        self.text.get(..usize::from(self.at))
    }

    /// The part after the `@`, or the whole for a service.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.text.get(usize::from(self.at) + 1..).unwrap_or(&self.text)
    }

    /// Whether this is a service's address, without local part.
    #[must_use]
    pub fn is_domain(&self) -> bool {
        self.at == NOWHERE
    }

    /// The whole address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl hash::Hash for Address {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        state.write_u32(self.hash);
    }
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.text == other.text
    }
}

impl Eq for Address {}

impl PartialOrd for Address {
    fn partial_cmp(&self, other: &Self) -> Option<cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Address {
    fn cmp(&self, other: &Self) -> cmp::Ordering {
        self.text.cmp(&other.text)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::str::FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        Self::parse(&text)
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.text.as_ref().to_owned()
    }
}

/// The name of one session within its account, case-sensitive: `phone` in `alice@example.org/phone`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Resource(CompactString);

impl Resource {
    /// A resource of 1 to 1023 bytes, prepared by resourceprep (RFC 6122 §2.4).
    ///
    /// # Errors
    /// [`AddressError::Resource`].
    pub fn new(text: &str) -> Result<Self, AddressError> {
        let plain = text.bytes().all(|b| (0x20..0x7f).contains(&b));
        let prepared = if plain {
            Cow::Borrowed(text)
        } else {
            stringprep::resourceprep(text).map_err(|_| AddressError::Resource)?
        };
        if prepared.is_empty() || prepared.len() > PART_BYTES {
            return Err(AddressError::Resource);
        }
        Ok(Self(CompactString::from(prepared)))
    }

    /// The resource as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Resource {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        Self::new(&text)
    }
}

impl From<Resource> for String {
    fn from(resource: Resource) -> Self {
        resource.0.into()
    }
}

/// Somebody a signal comes from or goes to: an account, or one session of it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Party {
    pub address: Address,
    /// The session that is meant; `None` for the account as a whole.
    pub resource: Option<Resource>,
}

impl Party {
    /// The account as a whole.
    #[must_use]
    pub fn bare(address: Address) -> Self {
        Self { address, resource: None }
    }

    /// One session of the account.
    #[must_use]
    pub fn full(address: Address, resource: Resource) -> Self {
        Self { address, resource: Some(resource) }
    }

    /// Reads `address` or `address/resource`.
    ///
    /// # Errors
    /// As [`Address::parse`] and [`Resource::new`].
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        match text.split_once('/') {
            Some((address, resource)) => Ok(Self::full(Address::parse(address)?, Resource::new(resource)?)),
            None => Ok(Self::bare(Address::parse(text)?)),
        }
    }
}

impl From<Address> for Party {
    fn from(address: Address) -> Self {
        Self::bare(address)
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.resource {
            Some(resource) => write!(f, "{}/{resource}", self.address),
            None => write!(f, "{}", self.address),
        }
    }
}

/// Where the `@` is in an account's address that is in normal form already, as nearly every one is.
/// `None` says nothing: the long way decides.
fn find_at_in_normal_form(text: &str) -> Option<u16> {
    let (local, domain) = text.split_at_checked(memchr::memchr(b'@', text.as_bytes())?)?;
    let mut label = 0;
    for byte in domain.bytes().skip(1) {
        label = match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => label + 1,
            b'.' if (1..=63).contains(&label) => 0,
            _ => return None,
        };
    }
    let is_normal = (1..=63).contains(&label)
        && domain.len() <= PART_BYTES
        && (1..=PART_BYTES).contains(&local.len())
        && local.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'+'));
    is_normal.then(|| u16::try_from(local.len()).ok())?
}

fn prepare_local(text: &str) -> Result<Cow<'_, str>, AddressError> {
    if text.len() > PART_BYTES {
        return Err(AddressError::TooLong);
    }
    let prepared = if !text.is_ascii() {
        stringprep::nodeprep(text).map_err(|_| AddressError::Local)?
    } else if text.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    };
    // RFC 6122 appendix A.5: what nodeprep forbids beyond the tables of RFC 3454.
    let forbidden = |c: char| c.is_control() || c.is_whitespace() || "\"&'/:<>@".contains(c);
    match prepared.len() {
        0 => Err(AddressError::Local),
        n if n > PART_BYTES => Err(AddressError::TooLong),
        _ if prepared.chars().any(forbidden) => Err(AddressError::Local),
        _ => Ok(prepared),
    }
}

fn prepare_domain(text: &str) -> Result<Cow<'_, str>, AddressError> {
    let text = text.strip_suffix('.').unwrap_or(text);
    if text.len() > PART_BYTES {
        return Err(AddressError::TooLong);
    }
    let prepared = if !text.is_ascii() {
        stringprep::nameprep(text).map_err(|_| AddressError::Domain)?
    } else if text.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    };
    if is_domain_name(&prepared) || is_v6_literal(&prepared) {
        Ok(prepared)
    } else {
        Err(AddressError::Domain)
    }
}

fn is_domain_name(text: &str) -> bool {
    let allowed = |c: char| {
        if c.is_ascii() { c.is_ascii_alphanumeric() || c == '-' || c == '_' } else { c.is_alphanumeric() }
    };
    !text.is_empty()
        && text
            .split('.')
            .all(|label| (1..=63).contains(&label.chars().count()) && label.chars().all(allowed))
}

fn is_v6_literal(text: &str) -> bool {
    text.strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok())
}

/// Longest local part, domain or resource in bytes (RFC 6122 §2.1).
const PART_BYTES: usize = 1023;
/// Behind the longest local part.
const NOWHERE: u16 = u16::MAX;

static SEED: LazyLock<foldhash::fast::RandomState> = LazyLock::new(Default::default);

/// The domain of those who do not say who they are: it can never exist (RFC 2606 §2).
const ANONYMOUS: &str = "anonymous.invalid";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_form_do_not_make_a_second_identity() {
        for (left, right) in [
            ("Alice@Example.ORG", "alice@example.org"),
            ("alice@example.org.", "alice@example.org"),
            ("JÜRGEN@example.org", "jürgen@example.org"),
            ("u\u{308}@example.org", "ü@example.org"),
        ] {
            assert_eq!(Address::parse(left), Address::parse(right), "{left}");
        }
    }

    #[test]
    fn parts_are_found_again() {
        let address = Address::parse("alice@example.org").unwrap();
        assert_eq!((address.local(), address.domain()), (Some("alice"), "example.org"));
        let service = Address::parse("example.org").unwrap();
        assert_eq!((service.local(), service.domain(), service.is_domain()), (None, "example.org", true));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = "a".repeat(1024);
        for (text, error) in [
            ("", AddressError::Empty),
            ("@example.org", AddressError::Local),
            ("a b@example.org", AddressError::Local),
            ("a<b@example.org", AddressError::Local),
            ("alice@", AddressError::Domain),
            ("alice@exa mple", AddressError::Domain),
            ("alice@a..b", AddressError::Domain),
            ("alice@[::zz]", AddressError::Domain),
            ("alice@bob@example.org", AddressError::Domain),
            (&format!("{long}@example.org"), AddressError::TooLong),
        ] {
            assert_eq!(Address::parse(text), Err(error), "{text}");
        }
        assert!(Address::parse("alice@[::1]").is_ok());
    }

    #[test]
    fn the_short_way_and_the_long_way_agree() {
        let longest = format!("{}@{}", "a".repeat(1023), "b.".repeat(31) + &"c".repeat(63));
        for text in ["alice@example.org", "a.b+c-d_9@x", "a@9-_.example", &longest] {
            assert!(find_at_in_normal_form(text).is_some(), "{text}");
            let (local, domain) = text.split_once('@').unwrap();
            assert_eq!(Address::parse(text), Address::new(local, domain), "{text}");
            assert_eq!(Address::parse(text).unwrap().local(), Some(local), "{text}");
        }
        let (long, label) = ("a".repeat(1024), "b".repeat(64));
        for text in [
            "",
            "@",
            "a@",
            "@b",
            "A@b",
            "a@B",
            "a@b.",
            "a@.b",
            "a@b..c",
            "a@b@c",
            "a b@c",
            "a:b@c",
            "ü@b",
            "a@ü",
            "example.org",
            &format!("{long}@b"),
            &format!("a@{label}"),
            &format!("a@{}b", "b.".repeat(512)),
        ] {
            assert_eq!(find_at_in_normal_form(text), None, "{text}");
        }
    }

    #[test]
    fn resource_keeps_its_case() {
        let party = Party::parse("Alice@Example.org/My Phone").unwrap();
        assert_eq!(party.to_string(), "alice@example.org/My Phone");
        assert!(Party::parse("alice@example.org/").is_err());
    }
}
