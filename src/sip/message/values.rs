//! The smaller typed values: CSeq, Event, Subscription-State, Content-Type, Accept, Date.

use std::{borrow::Cow, fmt};

use compact_str::CompactString;
use jiff::Timestamp;

use super::{
    address::{Quality, parse_seconds},
    error::Malformed,
    method::Method,
    params::{Params, read_each},
    text::{is_space, is_token, parse_digits, trim},
};

/// `CSeq` (RFC 3261 §20.16).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CSeq {
    /// The sequence number; any of 32 bits is read.
    pub number: u32,
    /// The method.
    pub method: Method,
}

impl CSeq {
    /// Reads `number method`.
    ///
    /// # Errors
    /// A number over 32 bits, a method that is no token.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let blank = text.bytes().position(is_space).ok_or(Malformed("cseq"))?;
        let (number, method) = text.split_at_checked(blank).ok_or(Malformed("cseq"))?;
        let number = parse_digits(number).ok_or(Malformed("cseq"))?;
        let method = Method::from_token(trim(method)).ok_or(Malformed("cseq"))?;
        Ok(Self { number, method })
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.number, self.method)
    }
}

/// A token with parameters: `Event` (RFC 6665 §8.2.1), `Subscription-State` (§8.2.3), `Content-Disposition`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenParams {
    /// The token as it was written: event package, subscription state, disposition.
    pub token: CompactString,
    /// What follows it.
    pub params: Params,
}

impl TokenParams {
    /// Reads `token;params`.
    ///
    /// # Errors
    /// No token, bad parameters.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let (token, tail) =
            text.split_at_checked(text.find(';').unwrap_or(text.len())).ok_or(Malformed("token"))?;
        let token = trim(token);
        if !is_token(token.as_bytes()) {
            return Err(Malformed("token"));
        }
        Ok(Self { token: token.into(), params: Params::parse_tail(tail)? })
    }

    /// The `id` parameter of an event.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.params.raw("id")
    }

    /// The `reason` of a terminated subscription.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.params.raw("reason")
    }

    /// The `expires` parameter in seconds.
    #[must_use]
    pub fn expires(&self) -> Option<u32> {
        parse_seconds(self.params.raw("expires")?)
    }
}

impl fmt::Display for TokenParams {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", self.token, self.params)
    }
}

/// A media type with parameters: `Content-Type`, one range of `Accept` (RFC 3261 §20.1, §20.15).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaType {
    /// `text`, or `*` in a range.
    pub kind: CompactString,
    /// `plain`, or `*` in a range.
    pub subtype: CompactString,
    /// `charset`, `boundary`, `q` and others.
    pub params: Params,
}

impl MediaType {
    /// Reads `type/subtype;params`.
    ///
    /// # Errors
    /// No slash, no tokens, bad parameters.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let (media, tail) =
            text.split_at_checked(text.find(';').unwrap_or(text.len())).ok_or(Malformed("media"))?;
        let (kind, subtype) = media.split_once('/').ok_or(Malformed("media type"))?;
        let (kind, subtype) = (trim(kind), trim(subtype));
        if !is_token(kind.as_bytes()) || !is_token(subtype.as_bytes()) {
            return Err(Malformed("media type"));
        }
        Ok(Self { kind: kind.into(), subtype: subtype.into(), params: Params::parse_tail(tail)? })
    }

    /// Whether this is the type `kind/subtype`, without case and parameters.
    #[must_use]
    pub fn is(&self, essence: &str) -> bool {
        essence.split_once('/').is_some_and(|(kind, subtype)| {
            self.kind.eq_ignore_ascii_case(kind) && self.subtype.eq_ignore_ascii_case(subtype)
        })
    }

    /// Whether this range takes the type `kind/subtype`: `*/*`, `text/*` or the type itself.
    #[must_use]
    pub fn covers(&self, essence: &str) -> bool {
        essence.split_once('/').is_some_and(|(kind, subtype)| {
            self.kind == "*"
                || (self.kind.eq_ignore_ascii_case(kind)
                    && (self.subtype == "*" || self.subtype.eq_ignore_ascii_case(subtype)))
        })
    }

    /// `type/subtype` in lower case.
    #[must_use]
    pub fn essence(&self) -> String {
        format!("{}/{}", self.kind, self.subtype).to_ascii_lowercase()
    }

    /// The `q` of a range; 1 where none is written.
    #[must_use]
    pub fn q(&self) -> Quality {
        self.params.raw("q").and_then(Quality::parse).unwrap_or(Quality::ONE)
    }

    /// A parameter without quotes.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<Cow<'_, str>> {
        self.params.value(name)
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}{}", self.kind, self.subtype, self.params)
    }
}

/// A challenge or credentials: a scheme and its comma-separated parameters (RFC 3261 §20.7, §20.44).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthParams {
    /// `Digest` or another, as it was written.
    pub scheme: CompactString,
    /// The parameters; [`Params::value`] takes quotes away, [`Params::raw`] leaves them.
    pub params: Params,
}

impl AuthParams {
    /// Reads `scheme name=value, name="value"`.
    ///
    /// # Errors
    /// No scheme, an empty parameter, an open quoted string.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let (scheme, params) = Self::split(text)?;
        Ok(Self { scheme: scheme.into(), params: Params::parse_separated(params, b',')? })
    }

    /// A parameter without quotes.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<Cow<'_, str>> {
        self.params.value(name)
    }

    /// Gives each parameter that has a value to `each`, without quotes, and returns the scheme: in one walk
    /// that keeps nothing, for whoever reads nearly all of them.
    ///
    /// # Errors
    /// As [`AuthParams::parse`]; `each` may have been given some by then.
    pub fn read_each<'a>(
        text: &'a str,
        each: impl FnMut(&'a str, Cow<'a, str>),
    ) -> Result<&'a str, Malformed> {
        let (scheme, params) = Self::split(text)?;
        read_each(params, b',', each).map(|()| scheme)
    }

    fn split(text: &str) -> Result<(&str, &str), Malformed> {
        let halves = text.split_once(is_blank).ok_or(Malformed("credentials"))?;
        if is_token(halves.0.as_bytes()) { Ok(halves) } else { Err(Malformed("credentials")) }
    }
}

impl fmt::Display for AuthParams {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.scheme, self.params)
    }
}

/// Reads a `Date`; only GMT is one (RFC 3261 §20.17).
#[must_use]
pub fn parse_date(text: &str) -> Option<Timestamp> {
    if !trim(text).ends_with(" GMT") {
        return None;
    }
    let zoned = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(trim(text));
    zoned.ok()
}

/// Prints a `Date`: `Sat, 13 Nov 2010 23:29:00 GMT`. Empty for a year that has not four digits.
#[must_use]
pub fn print_date(at: Timestamp) -> String {
    jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap_or_default()
}

fn is_blank(character: char) -> bool {
    u8::try_from(character).is_ok_and(is_space)
}
