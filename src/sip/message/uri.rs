//! URIs: sip and sips taken apart (RFC 3261 §19.1), tel, urn and others kept whole.
//! The text is the one of the wire; the parts are offsets into it. Nothing is unescaped twice.

use std::{borrow::Cow, fmt, ops::Range};

use compact_str::{CompactString, ToCompactString};
use memchr::memchr;

use super::{
    error::Malformed,
    host::{Host, parse_host_port},
    plain::is_plain_uri,
    text::{split_at_byte, split_before, unescape_percent},
};
use crate::formats::percent::escaped_byte;

/// The scheme of a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// RFC 3261 §19.1.
    Sip,
    /// RFC 3261 §19.1, over TLS on every hop.
    Sips,
    /// RFC 3966.
    Tel,
    /// RFC 8141; `urn:service:sos` among them.
    Urn,
    /// Any other.
    Other,
}

/// A URI of any scheme. `==` compares the text; [`Uri::is_equivalent`] follows RFC 3261 §19.1.4.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Uri {
    text: CompactString,
    scheme: Scheme,
    /// Only for sip and sips.
    parts: Option<Parts>,
}

/// Where the parts of a sip or sips URI are in its text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Parts {
    user: Option<Part>,
    password: Option<Part>,
    host: Host,
    port: Option<u16>,
    /// Between the host and the headers, the first semicolon left out.
    params: Part,
    /// After the question mark.
    headers: Part,
}

/// A part of a text by its offsets. A registered phone keeps some of these, so they are small.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Part {
    start: u32,
    end: u32,
}

impl Part {
    /// No text comes near 4 GiB; one that did would have empty parts.
    fn new(range: Range<usize>) -> Self {
        let offset = |at| u32::try_from(at).unwrap_or(u32::MAX);
        Self { start: offset(range.start), end: offset(range.end) }
    }

    fn of(self, text: &str) -> &str {
        text.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

impl Uri {
    /// Reads a URI that stands alone: in a request line or between angle brackets.
    ///
    /// # Errors
    /// No scheme, white space, or a sip or sips URI that does not follow RFC 3261 §25.1.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let (scheme, parts) = split(text)?;
        Ok(Self { text: text.into(), scheme, parts })
    }

    /// Whether [`Uri::parse`] would read this.
    pub(super) fn check(text: &str) -> Result<(), Malformed> {
        if is_plain_uri(text) { Ok(()) } else { split(text).map(|_| ()) }
    }

    /// Whether this can stand in a request line: a URI without headers, which would have no meaning and
    /// must not be forwarded (RFC 3261 §19.1.1).
    pub(super) fn is_request_uri(text: &str) -> bool {
        is_plain_uri(text)
            || split(text).is_ok_and(|(_, parts)| {
                parts.is_none_or(|parts| parts.headers.of(text).bytes().all(|byte| byte == b'&'))
            })
    }

    /// Makes `sip:user@host:port`, escaping the user.
    #[must_use]
    pub fn sip(user: Option<&str>, host: &Host, port: Option<u16>) -> Self {
        let mut text = CompactString::from("sip:");
        if let Some(user) = user {
            text.push_str(&print_escaped_user(user));
        }
        let user = user.map(|_| Part::new(4..text.len()));
        if user.is_some() {
            text.push('@');
        }
        text.push_str(&host.to_compact_string());
        if let Some(port) = port {
            text.push(':');
            text.push_str(&port.to_compact_string());
        }
        let end = Part::new(text.len()..text.len());
        let parts = Parts { user, password: None, host: host.clone(), port, params: end, headers: end };
        Self { text, scheme: Scheme::Sip, parts: Some(parts) }
    }

    /// The text as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The scheme.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Whether this is a sip or sips URI.
    #[must_use]
    pub fn is_sip(&self) -> bool {
        self.parts.is_some()
    }

    /// The user as it was written, escapes and all.
    #[must_use]
    pub fn raw_user(&self) -> Option<&str> {
        Some(self.parts.as_ref()?.user?.of(&self.text))
    }

    /// The user with its escapes undone, once.
    #[must_use]
    pub fn user(&self) -> Option<Cow<'_, str>> {
        self.raw_user().map(unescape_percent)
    }

    /// The password as it was written.
    #[must_use]
    pub fn password(&self) -> Option<&str> {
        Some(self.parts.as_ref()?.password?.of(&self.text))
    }

    /// The host of a sip or sips URI.
    #[must_use]
    pub fn host(&self) -> Option<&Host> {
        self.parts.as_ref().map(|parts| &parts.host)
    }

    /// The port, where one is written.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.parts.as_ref()?.port
    }

    /// Every URI parameter with its value as written.
    pub fn params(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let text = self.parts.as_ref().map(|parts| parts.params.of(&self.text));
        text.unwrap_or_default().split(';').filter(|piece| !piece.is_empty()).map(split_pair)
    }

    /// Whether a URI parameter is there, with or without a value.
    #[must_use]
    pub fn has_param(&self, name: &str) -> bool {
        self.params().any(|(found, _)| is_same(found, name))
    }

    /// The value of a URI parameter, its escapes undone.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<Cow<'_, str>> {
        let (_, value) = self.params().find(|(found, _)| is_same(found, name))?;
        value.map(unescape_percent)
    }

    /// Every header of the URI: name and value as written.
    pub fn headers(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let text = self.parts.as_ref().map(|parts| parts.headers.of(&self.text));
        text.unwrap_or_default().split('&').filter(|piece| !piece.is_empty()).map(split_pair)
    }

    /// Whether the URI has headers; in a request line that is an error (RFC 3261 §19.1.1).
    #[must_use]
    pub fn has_headers(&self) -> bool {
        self.headers().next().is_some()
    }

    /// The URI without password, parameters and headers: the form of an address of record
    /// (RFC 3261 §10.3 step 5). Other schemes stay whole.
    #[must_use]
    pub fn without_params(&self) -> Self {
        let Some(parts) = &self.parts else { return self.clone() };
        let user = self.user();
        let mut plain = Self::sip(user.as_deref(), &parts.host, parts.port);
        if self.scheme == Scheme::Sips {
            plain = Self::parse(&format!("sips{}", plain.text.get(3..).unwrap_or_default())).unwrap_or(plain);
        }
        plain
    }

    /// The URI with a parameter more, put before the headers. A value that is not plain is escaped.
    /// Other schemes than sip and sips stay as they are.
    #[must_use]
    pub fn with_param(&self, name: &str, value: Option<&str>) -> Self {
        let Some(parts) = &self.parts else { return self.clone() };
        let (before, after) =
            self.text.split_at_checked(parts.params.end as usize).unwrap_or((&self.text, ""));
        let value =
            value.map(|value| format!("={}", print_escaped(value, is_param_byte))).unwrap_or_default();
        Self::parse(&format!("{before};{name}{value}{after}")).unwrap_or_else(|_| self.clone())
    }

    /// Whether two URIs mean the same resource by RFC 3261 §19.1.4. Not transitive, as the RFC has it.
    #[must_use]
    pub fn is_equivalent(&self, other: &Self) -> bool {
        if self.scheme != other.scheme {
            return false;
        }
        match (&self.parts, &other.parts) {
            (Some(one), Some(two)) => {
                one.host == two.host
                    && one.port == two.port
                    && self.raw_user().map(normal_form) == other.raw_user().map(normal_form)
                    && self.password().map(normal_form) == other.password().map(normal_form)
                    && has_equivalent_params(self, other)
                    && has_equivalent_headers(self, other)
            }
            _ if self.scheme == Scheme::Tel => {
                without_separators(&self.text) == without_separators(&other.text)
            }
            _ => self.text.eq_ignore_ascii_case(&other.text),
        }
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

fn is_scheme(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

fn split(text: &str) -> Result<(Scheme, Option<Parts>), Malformed> {
    let (name, rest) = split_at_byte(text, b':').ok_or(Malformed("uri"))?;
    if text.as_bytes().iter().any(|byte| NO_URI[usize::from(*byte)]) || rest.is_empty() || !is_scheme(name) {
        return Err(Malformed("uri"));
    }
    let scheme = match name {
        _ if name.eq_ignore_ascii_case("sip") => Scheme::Sip,
        _ if name.eq_ignore_ascii_case("sips") => Scheme::Sips,
        _ if name.eq_ignore_ascii_case("tel") => Scheme::Tel,
        _ if name.eq_ignore_ascii_case("urn") => Scheme::Urn,
        _ => Scheme::Other,
    };
    let parts = match scheme {
        Scheme::Sip | Scheme::Sips => Some(parse_parts(text, name.len() + 1)?),
        _ => None,
    };
    Ok((scheme, parts))
}

fn parse_parts(text: &str, start: usize) -> Result<Parts, Malformed> {
    let rest = text.get(start..).unwrap_or_default();
    // A user may hold `;` and `?`, nothing after the host may hold a bare `@`: so the one `@` is the border.
    let (first, second) = split_before(rest, b'@');
    if memchr(b'@', second.as_bytes().get(1..).unwrap_or_default()).is_some() || !has_sound_escapes(rest) {
        return Err(Malformed("sip uri"));
    }
    let (host_start, user, password) = match second {
        "" => (start, None, None),
        _ if first.is_empty() => return Err(Malformed("sip uri")),
        _ => {
            let end = start + first.len();
            let user_end = start + memchr(b':', first.as_bytes()).unwrap_or(first.len());
            let password = (user_end < end).then(|| Part::new(user_end + 1..end));
            (end + 1, Some(Part::new(start..user_end)), password)
        }
    };
    let tail = text.get(host_start..).unwrap_or_default();
    let (before_headers, _) = split_before(tail, b'?');
    let headers_at = host_start + before_headers.len();
    let (host, _) = split_before(before_headers, b';');
    let params_at = host_start + host.len();
    let (host, port) = parse_host_port(host)?;
    let params = Part::new((params_at + 1).min(headers_at)..headers_at);
    let headers = Part::new((headers_at + 1).min(text.len())..text.len());
    Ok(Parts { user, password, host, port, params, headers })
}

fn has_sound_escapes(text: &str) -> bool {
    memchr::memchr_iter(b'%', text.as_bytes())
        .all(|at| text.as_bytes().get(at..).is_some_and(|rest| escaped_byte(rest).is_some()))
}

fn split_pair(piece: &str) -> (&str, Option<&str>) {
    match piece.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (piece, None),
    }
}

fn has_equivalent_params(one: &Uri, two: &Uri) -> bool {
    let agrees = |from: &Uri, to: &Uri| {
        from.params().all(|(name, value)| match to.params().find(|(other, _)| is_same(other, name)) {
            Some((_, other)) => is_same(value.unwrap_or_default(), other.unwrap_or_default()),
            None => !MUST_MATCH.iter().any(|must| is_same(must, name)),
        })
    };
    agrees(one, two) && agrees(two, one)
}

fn has_equivalent_headers(one: &Uri, two: &Uri) -> bool {
    let agrees = |from: &Uri, to: &Uri| {
        from.headers().all(|(name, value)| {
            to.headers().any(|(other, found)| {
                is_same(other, name) && found.map(normal_form) == value.map(normal_form)
            })
        })
    };
    agrees(one, two) && agrees(two, one)
}

/// Whether two names or values are the same without case and whichever way they are escaped.
fn is_same(one: &str, two: &str) -> bool {
    normal_form(one).eq_ignore_ascii_case(&normal_form(two))
}

/// Undoes the escapes of unreserved characters and leaves those of reserved ones, in upper case.
fn normal_form(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut normal = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        let (plain, tail) = rest.split_at(at);
        normal.push_str(plain);
        match escaped_byte(tail.as_bytes()) {
            Some(byte) if is_unreserved(byte) => normal.push(char::from(byte)),
            Some(byte) => normal.push_str(&format!("%{byte:02X}")),
            None => normal.push('%'),
        }
        let taken = if escaped_byte(tail.as_bytes()).is_some() { 3 } else { 1 };
        rest = tail.get(taken..).unwrap_or_default();
    }
    normal.push_str(rest);
    Cow::Owned(normal)
}

/// A tel URI for comparison: visual separators away, lower case (RFC 3966 §4).
fn without_separators(text: &str) -> String {
    let (number, params) = text.split_at(text.find(';').unwrap_or(text.len()));
    let digits = number.chars().filter(|character| !matches!(character, '-' | '.' | '(' | ')'));
    digits.chain(params.chars()).map(|character| character.to_ascii_lowercase()).collect()
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')')
}

fn is_param_byte(byte: u8) -> bool {
    is_unreserved(byte) || matches!(byte, b'[' | b']' | b'/' | b':' | b'&' | b'+' | b'$')
}

/// Escapes a user name for the user part of a URI (`user`, RFC 3261 §25.1).
#[must_use]
pub fn print_escaped_user(user: &str) -> Cow<'_, str> {
    print_escaped(user, |byte| {
        is_unreserved(byte) || matches!(byte, b'&' | b'=' | b'+' | b'$' | b',' | b';' | b'?' | b'/')
    })
}

fn print_escaped(text: &str, is_plain: impl Fn(u8) -> bool) -> Cow<'_, str> {
    if text.bytes().all(&is_plain) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for byte in text.bytes() {
        if is_plain(byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    Cow::Owned(escaped)
}

/// Parameters that make URIs different when only one has them (RFC 3261 §19.1.4).
const MUST_MATCH: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];

/// Bytes that stand in no URI: white space, control characters, brackets and quotes.
static NO_URI: [bool; 256] = {
    let mut table = [false; 256];
    let mut index = 0;
    while index <= b' ' as usize {
        table[index] = true;
        index += 1;
    }
    table[0x7f] = true;
    table[b'<' as usize] = true;
    table[b'>' as usize] = true;
    table[b'"' as usize] = true;
    table
};
