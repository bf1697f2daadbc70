//! Addresses of accounts, services and sessions.
//!
//! One identity for all protocols: the local part is prepared by nodeprep, as RFC 6122 does it, and
//! the domain is mapped by UTS 46, as RFC 5895 suggests, and written with U-labels (RFC 7622 §3.2),
//! so that `Alice@xn--bcher-kva.example` of a phone and `alice@bücher.example` of a chat client are
//! the same account. Protocols that know no other than A-labels ask for these.

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

    /// The domain as DNS, certificates and SIP have it: with A-labels (RFC 5890 §2.3.2.1).
    #[must_use]
    pub fn domain_in_ascii(&self) -> Cow<'_, str> {
        domain_in_ascii(self.domain())
    }

    /// The whole address with A-labels in its domain; the local part is as it is.
    #[must_use]
    pub fn with_ascii_domain(&self) -> Cow<'_, str> {
        let domain = self.domain_in_ascii();
        match (&domain, self.local()) {
            (Cow::Borrowed(_), _) => Cow::Borrowed(&self.text),
            (Cow::Owned(domain), Some(local)) => Cow::Owned(format!("{local}@{domain}")),
            (Cow::Owned(_), None) => domain,
        }
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
    let (mut label, mut has_hyphens) = (0, false);
    for byte in domain.bytes().skip(1) {
        has_hyphens |= byte == b'-';
        label = match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => label + 1,
            b'.' if (1..=63).contains(&label) => 0,
            _ => return None,
        };
    }
    let is_normal = (1..=63).contains(&label)
        && !(has_hyphens && domain.get(1..).is_some_and(has_a_label))
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
    let prepared = if !text.is_ascii() || has_a_label(text) {
        match in_unicode(text) {
            Ok(unicode) => Cow::Owned(unicode),
            // What only looks like an A-label is a name like any other, of somebody who is found nowhere.
            Err(_) if text.is_ascii() => Cow::Owned(text.to_ascii_lowercase()),
            Err(error) => return Err(error),
        }
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

/// Whether a label is one that stands for another (RFC 5890 §2.3.1).
fn has_a_label(domain: &str) -> bool {
    let is_one = |label: &str| label.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(A_LABEL_START));
    domain.split('.').any(is_one)
}

/// The domain with U-labels; it must have a form with A-labels, too.
fn in_unicode(domain: &str) -> Result<String, AddressError> {
    let (mut unicode, outcome) = idna::domain_to_unicode(domain);
    outcome.map_err(|_| AddressError::Domain)?;
    if unicode.ends_with('.') {
        unicode.pop();
    }
    let ascii = idna::domain_to_ascii(&unicode).map_err(|_| AddressError::Domain)?;
    let fits = ascii.len() <= DOMAIN_BYTES && ascii.split('.').all(|label| label.len() <= 63);
    if fits { Ok(unicode) } else { Err(AddressError::Domain) }
}

/// A domain as DNS, certificates and SIP have it: with A-labels. One that has no such form is as it is, and found
/// nowhere.
#[must_use]
pub fn domain_in_ascii(domain: &str) -> Cow<'_, str> {
    if domain.is_ascii() {
        return domain.into();
    }
    idna::domain_to_ascii(domain).map_or(Cow::Borrowed(domain), Cow::Owned)
}

fn is_domain_name(text: &str) -> bool {
    // Which others there can be was seen when they were mapped.
    let allowed = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || c == '-' || c == '_';
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
/// Longest domain in bytes with A-labels (RFC 1035 §2.3.4).
const DOMAIN_BYTES: usize = 253;
/// RFC 5890 §2.3.2.1.
const A_LABEL_START: &str = "xn--";
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
            ("alice@xn--bcher-kva.example", "alice@bücher.example"),
            ("alice@XN--BCHER-KVA.Example", "alice@BU\u{308}CHER.example."),
            ("alice@xn--strae-oqa.example", "alice@straße.example"),
            ("alice@xn--r8jz45g.example", "alice@例え。example"),
            ("xn--bcher-kva.example", "bücher.example"),
            ("alice@xn--11b5bs3a9aj6g", "alice@परीक्षा"),
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
            ("alice@xn--\u{fc}", AddressError::Domain),
            ("alice@b\u{3000}c", AddressError::Domain),
            (&format!("alice@{}", "ü".repeat(63)), AddressError::Domain),
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
            "a@xn--bcher-kva.example",
            "a@b.xn--bcher-kva",
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
    fn address_has_a_form_for_those_who_know_ascii_alone() {
        for (address, ascii) in [
            ("alice@example.org", "alice@example.org"),
            ("jürgen@bücher.example", "jürgen@xn--bcher-kva.example"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("alice@xn--a", "alice@xn--a"),
            ("alice@Xn--BCHER-.example", "alice@xn--bcher-.example"),
        ] {
            let found = Address::parse(address).map(|address| address.with_ascii_domain().into_owned());
            assert_eq!(found.unwrap_or_default(), ascii, "{address}");
        }
    }

    proptest::proptest! {
        #[test]
        fn domain_and_its_ascii_form_are_one_address(domain in "[a-z\u{df}-\u{f6}\u{430}-\u{44f}0-9]{1,20}(\\.[a-z\u{e0}-\u{f6}]{1,9}){0,2}") {
            if let Ok(address) = Address::new("alice", &domain) {
                let ascii = address.with_ascii_domain().into_owned();
                proptest::prop_assert!(ascii.is_ascii());
                proptest::prop_assert_eq!(Address::parse(&ascii), Ok(address.clone()));
                proptest::prop_assert_eq!(Address::parse(address.as_str()), Ok(address));
            }
        }

        #[test]
        fn what_was_taken_is_taken_again(text in "\\PC{0,30}") {
            if let Ok(address) = Address::parse(&text) {
                proptest::prop_assert_eq!(Address::parse(address.as_str()), Ok(address));
            }
        }
    }

    #[test]
    fn resource_keeps_its_case() {
        let party = Party::parse("Alice@Example.org/My Phone").unwrap();
        assert_eq!(party.to_string(), "alice@example.org/My Phone");
        assert!(Party::parse("alice@example.org/").is_err());
    }
}
