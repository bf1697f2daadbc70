//! `name-addr` and `addr-spec` with header parameters (RFC 3261 §20): From, To, Contact, Route and kin.
//! What stands inside a quoted display name is never taken for a URI.

use std::{borrow::Cow, fmt};

use compact_str::CompactString;

use super::{
    error::Malformed,
    params::Params,
    plain::is_plain_address,
    text::{
        is_space, is_token_byte, parse_digits, print_quoted, split_at_byte, split_before, split_quoted, trim,
        unescape_quoted,
    },
    uri::Uri,
};

/// A URI with a display name and header parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameAddr {
    /// The display name, quotes and escapes taken away.
    pub display: Option<CompactString>,
    /// The address.
    pub uri: Uri,
    /// Parameters of the header, not of the URI.
    pub params: Params,
}

impl NameAddr {
    /// An address without display name and parameters.
    #[must_use]
    pub fn new(uri: Uri) -> Self {
        Self { display: None, uri, params: Params::default() }
    }

    /// The address with a header parameter more.
    #[must_use]
    pub fn with_param(mut self, name: &str, value: Option<&str>) -> Self {
        self.params.set(name, value);
        self
    }

    /// Reads one value: `"name" <uri>;params`, `<uri>;params` or `uri;params`. Without brackets the
    /// parameters are the header's, and `,` and `?` cannot stand in the URI (RFC 3261 §20).
    ///
    /// # Errors
    /// An open quote or bracket, a bad display name, URI or parameter.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let Pieces { display, uri, tail } = Pieces::split(text)?;
        let display = display.filter(|name| !name.is_empty()).map(CompactString::from);
        Ok(Self { display, uri: Uri::parse(uri)?, params: Params::parse_tail(tail)? })
    }

    /// Whether [`NameAddr::parse`] would read this, found without keeping anything.
    pub(super) fn check(text: &str) -> Result<(), Malformed> {
        if is_plain_address(text.as_bytes()) {
            return Ok(());
        }
        let pieces = Pieces::split(text)?;
        Uri::check(pieces.uri)?;
        Params::check_tail(pieces.tail)
    }

    /// The `tag` parameter.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.params.raw("tag")
    }

    /// The `expires` parameter of a contact in seconds; out of range is the largest number, and a value
    /// that is no number is none (RFC 3261 §10.2.1.1, RFC 4475 §3.1.2.4).
    #[must_use]
    pub fn expires(&self) -> Option<u32> {
        parse_seconds(&self.params.value("expires")?)
    }

    /// The `q` parameter of a contact.
    #[must_use]
    pub fn q(&self) -> Option<Quality> {
        Quality::parse(self.params.raw("q")?)
    }

    /// The `+sip.instance` parameter without quotes and angle brackets (RFC 5626 §4.1).
    #[must_use]
    pub fn instance(&self) -> Option<CompactString> {
        let value = self.params.value("+sip.instance")?;
        Some(value.trim_start_matches('<').trim_end_matches('>').into())
    }

    /// The `reg-id` parameter (RFC 5626 §4.2).
    #[must_use]
    pub fn reg_id(&self) -> Option<u32> {
        parse_digits(self.params.raw("reg-id")?)
    }
}

/// The parts of a value as they stand in it.
struct Pieces<'a> {
    display: Option<Cow<'a, str>>,
    uri: &'a str,
    /// The parameters with the semicolon before them.
    tail: &'a str,
}

impl<'a> Pieces<'a> {
    fn split(text: &'a str) -> Result<Self, Malformed> {
        let text = trim(text);
        let (display, rest) = match split_quoted(text) {
            Some((inside, rest)) => (Some(unescape_quoted(inside)), trim(rest)),
            None if text.starts_with('"') => return Err(Malformed("display name")),
            None => match split_before(text, b'<') {
                ("", rest) => (None, rest),
                (name, rest) if !rest.is_empty() && is_display(name.as_bytes()) => {
                    (Some(Cow::Borrowed(trim(name))), rest)
                }
                _ => return Self::split_bare(text),
            },
        };
        let inside = rest.strip_prefix('<').ok_or(Malformed("name-addr"))?;
        let (uri, tail) = split_at_byte(inside, b'>').ok_or(Malformed("name-addr"))?;
        Ok(Self { display, uri: trim(uri), tail })
    }

    fn split_bare(text: &'a str) -> Result<Self, Malformed> {
        let (uri, tail) = split_before(text, b';');
        if uri.contains(['?', ',']) {
            return Err(Malformed("addr-spec"));
        }
        Ok(Self { display: None, uri: trim(uri), tail })
    }
}

/// Prints with angle brackets always, so that URI parameters stay the URI's.
impl fmt::Display for NameAddr {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(display) = &self.display {
            write!(formatter, "{} ", print_quoted(display))?;
        }
        write!(formatter, "<{}>{}", self.uri, self.params)
    }
}

/// The value of `Contact`: addresses or the asterisk of a REGISTER (RFC 3261 §10.2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contacts {
    /// `Contact: *`, alone.
    Wildcard,
    /// The addresses in their order; empty when there is no such header.
    List(Vec<NameAddr>),
}

/// A `q` value in thousandths, 0 to 1000 (RFC 3261 §25.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quality(u16);

impl Quality {
    /// The highest, also the value where none is written.
    pub const ONE: Self = Self(1000);

    /// Reads `0`, `0.33`, `1.000`; `None` when out of range or malformed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let thousandths = format!("{fraction:0<3}").parse::<u16>().ok()?;
        match (whole, thousandths) {
            ("0", _) => Some(Self(thousandths)),
            ("1", 0) => Some(Self::ONE),
            _ => None,
        }
    }

    /// The value in thousandths.
    #[must_use]
    pub fn thousandths(self) -> u16 {
        self.0
    }
}

/// Reads delta-seconds; more than fits is the largest value.
pub(super) fn parse_seconds(text: &str) -> Option<u32> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u32::MAX))
}

/// Tokens and white space; text outside ASCII is let through, as many phones send it bare.
fn is_display(name: &[u8]) -> bool {
    name.iter().all(|byte| is_token_byte(*byte) || is_space(*byte) || *byte >= 0x80 || is_lax(*byte))
}

/// COMPAT(several phones): these stand unquoted in display names and mean nothing there.
fn is_lax(byte: u8) -> bool {
    matches!(byte, b'(' | b')' | b'/' | b'&' | b'#' | b'$' | b'|')
}
