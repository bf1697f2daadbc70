//! The scan of a message: start line, header lines, body length. One pass, no header is looked into
//! but `Content-Length`, and that one by the reader that framing uses too.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use memchr::memchr2;

use super::{
    error::ParseError,
    limits::Limits,
    method::Method,
    name::HeaderName,
    span::{Fields, Head, Message, Span, Start},
    text::{is_space, is_token_byte, parse_digits, trim},
};

/// How the scan takes what is wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Anything wrong is an error.
    Strict,
    /// Bad header lines are left out and the first line may be odd: enough to answer with an error.
    Salvage,
}

impl Message {
    /// Reads a datagram: the head, and as body what `Content-Length` says or else all the rest
    /// (RFC 3261 §18.3). Line breaks before the message are skipped; lines may end with LF alone.
    ///
    /// # Errors
    /// See [`ParseError`]; [`Message::salvage`] tells whom to answer.
    pub fn parse_datagram(mut bytes: Bytes, limits: &Limits) -> Result<Self, ParseError> {
        let head = parse_head(&bytes, limits, Mode::Strict)?.ok_or(ParseError::Unfinished)?;
        let rest = bytes.len().saturating_sub(head.end);
        let length = match content_length(&head, &bytes)? {
            Some(length) if length > limits.body as u64 => return Err(ParseError::BodyTooLarge),
            Some(length) => usize::try_from(length).map_err(|_| ParseError::BodyTooLarge)?,
            None if rest > limits.body => return Err(ParseError::BodyTooLarge),
            None => rest,
        };
        if length > rest {
            return Err(ParseError::BodyTooShort);
        }
        bytes.truncate(head.end + length);
        Ok(Self { bytes, head: Arc::new(head) })
    }

    /// Reads what can be read of a request that [`Message::parse_datagram`] refused, so that it can be
    /// answered: good header lines, no body. `None` when there is no first line of a request, or nothing
    /// a response could be sent by.
    #[must_use]
    pub fn salvage(bytes: &Bytes, limits: &Limits) -> Option<Self> {
        let bytes = bytes.slice(..bytes.len().min(limits.head));
        let head = parse_head(&bytes, limits, Mode::Salvage).ok()??;
        let bytes = bytes.slice(..head.end);
        let message = Self { bytes, head: Arc::new(head) };
        let is_answerable = message.is_request() && message.has(HeaderName::Via);
        is_answerable.then_some(message)
    }
}

/// Scans the head; `None` when the empty line has not come yet.
pub(super) fn parse_head(bytes: &[u8], limits: &Limits, mode: Mode) -> Result<Option<Head>, ParseError> {
    let begin = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let Some(line) = line_at(bytes, begin) else { return unfinished(bytes, begin, limits) };
    let start = parse_start(bytes, begin..line.end, mode)?;
    let mut fields = Fields::new();
    let mut at = line.next;
    loop {
        let Some(line) = field_at(bytes, at) else {
            if mode == Mode::Salvage {
                return Ok(Some(Head { start, fields, end: at }));
            }
            return unfinished(bytes, begin, limits);
        };
        if line.next - begin > limits.head {
            return Err(ParseError::HeadTooLarge);
        }
        if line.end == at {
            return Ok(Some(Head { start, fields, end: line.next }));
        }
        match parse_field(bytes, at, &line) {
            _ if line.next - at > limits.line || fields.len() >= limits.headers => {
                return Err(ParseError::HeadTooLarge);
            }
            Some(field) => fields.push(field),
            None if mode == Mode::Salvage => {}
            None => return Err(ParseError::HeaderLine),
        }
        at = line.next;
    }
}

/// The one reader of `Content-Length`: digits only, once. Framing on streams and parsing both ask it.
pub(super) fn content_length(head: &Head, bytes: &[u8]) -> Result<Option<u64>, ParseError> {
    let mut found = head.fields.iter().filter(|field| field.name == HeaderName::ContentLength);
    let Some(field) = found.next() else { return Ok(None) };
    if found.next().is_some() {
        return Err(ParseError::RepeatedContentLength);
    }
    let value = bytes.get(field.value()).and_then(|value| str::from_utf8(value).ok());
    value.and_then(parse_digits).map(Some).ok_or(ParseError::ContentLength)
}

fn unfinished(bytes: &[u8], begin: usize, limits: &Limits) -> Result<Option<Head>, ParseError> {
    if bytes.len() - begin > limits.head { Err(ParseError::HeadTooLarge) } else { Ok(None) }
}

/// A line: where its text ends and where the next one starts.
struct Line {
    end: usize,
    next: usize,
    is_folded: bool,
    /// A carriage return that does not end a line could end one for the next hop.
    has_stray_return: bool,
}

fn line_at(bytes: &[u8], at: usize) -> Option<Line> {
    let mut from = at;
    loop {
        let sign = from + memchr2(b'\r', b'\n', bytes.get(from..)?)?;
        let is_feed = bytes.get(sign) == Some(&b'\n');
        let next = if is_feed { sign + 1 } else { sign + 2 };
        if is_feed || bytes.get(sign + 1)? == &b'\n' {
            return Some(Line { end: sign, next, is_folded: false, has_stray_return: from > at });
        }
        from = sign + 1;
    }
}

/// A header line with the lines folded into it (RFC 3261 §7.3.1).
fn field_at(bytes: &[u8], at: usize) -> Option<Line> {
    let mut line = line_at(bytes, at)?;
    if line.end == at {
        return Some(line);
    }
    while matches!(bytes.get(line.next), Some(b' ' | b'\t')) {
        let more = line_at(bytes, line.next)?;
        let has_stray_return = line.has_stray_return || more.has_stray_return;
        line = Line { is_folded: true, has_stray_return, ..more };
    }
    Some(line)
}

fn parse_field(bytes: &[u8], at: usize, line: &Line) -> Option<Span> {
    let text = bytes.get(at..line.end)?;
    let name_length = text.iter().position(|byte| !is_token_byte(*byte)).filter(|length| *length > 0)?;
    let (name, rest) = text.split_at_checked(name_length)?;
    let colon = name_length + rest.iter().position(|byte| !byte.is_ascii_whitespace())?;
    if text.get(colon) != Some(&b':') || line.has_stray_return {
        return None;
    }
    let value = text.get(colon + 1..)?;
    let leading = value.iter().position(|byte| !is_space(*byte)).unwrap_or(value.len());
    let trailing = value.iter().rev().position(|byte| !is_space(*byte)).unwrap_or(value.len());
    let value_start = at + colon + 1 + leading;
    Some(Span {
        name: HeaderName::from_bytes(name),
        is_folded: line.is_folded,
        name_length: u16::try_from(name_length).ok()?,
        line_start: u32::try_from(at).ok()?,
        line_end: u32::try_from(line.next).ok()?,
        value_start: u32::try_from(value_start).ok()?,
        value_end: u32::try_from(line.end.saturating_sub(trailing).max(value_start)).ok()?,
    })
}

fn parse_start(bytes: &[u8], range: Range<usize>, mode: Mode) -> Result<Start, ParseError> {
    let line = bytes.get(range.clone()).unwrap_or_default();
    if line.get(..4).is_some_and(|begin| begin.eq_ignore_ascii_case(b"SIP/")) {
        return parse_status_line(line, range.start);
    }
    let line = str::from_utf8(line).map_err(|_| ParseError::StartLine)?;
    let trimmed = if mode == Mode::Salvage { line.trim_end() } else { line };
    let (method, rest) = trimmed.split_once(' ').ok_or(ParseError::StartLine)?;
    let (uri, version) = rest.rsplit_once(' ').ok_or(ParseError::StartLine)?;
    let method = Method::from_token(method).ok_or(ParseError::StartLine)?;
    let uri_start = range.start + method.as_str().len() + 1;
    let start = Start::Request { method, uri: uri_start..uri_start + uri.len() };
    match mode {
        Mode::Strict if !is_plain_uri(uri) || !is_version(version) => Err(ParseError::StartLine),
        Mode::Strict if !version.eq_ignore_ascii_case("SIP/2.0") => Err(ParseError::Version),
        Mode::Salvage if !is_version(version) => Err(ParseError::StartLine),
        _ => Ok(start),
    }
}

fn parse_status_line(line: &[u8], at: usize) -> Result<Start, ParseError> {
    let version = line.get(..8).ok_or(ParseError::StartLine)?;
    if !version.eq_ignore_ascii_case(b"SIP/2.0 ") {
        return Err(ParseError::Version);
    }
    let rest = line.get(8..).unwrap_or_default();
    let (code, reason) = rest.split_at_checked(3).ok_or(ParseError::StartLine)?;
    let code = str::from_utf8(code).ok().and_then(parse_digits::<u16>);
    let status = code.filter(|code| (100..700).contains(code)).ok_or(ParseError::StartLine)?;
    let end = at + line.len();
    match reason.first() {
        None => Ok(Start::Response { status, reason: end..end }),
        Some(b' ') if !reason.contains(&b'\r') => Ok(Start::Response { status, reason: at + 12..end }),
        Some(_) => Err(ParseError::StartLine),
    }
}

/// No white space, no brackets, no control characters; what is in it is seen when it is asked for.
fn is_plain_uri(uri: &str) -> bool {
    !uri.is_empty()
        && trim(uri).len() == uri.len()
        && uri.bytes().all(|byte| byte > b' ' && byte != 0x7f && !matches!(byte, b'<' | b'>' | b'"'))
}

fn is_version(text: &str) -> bool {
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    text.get(..4).is_some_and(|begin| begin.eq_ignore_ascii_case("SIP/"))
        && text
            .get(4..)
            .and_then(|rest| rest.split_once('.'))
            .is_some_and(|(one, two)| is_number(one) && is_number(two))
}
