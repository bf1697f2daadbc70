//! Writes messages and notes the offsets on the way, so that what is made needs no second scan.

use std::{
    fmt::{self, Write as _},
    sync::Arc,
};

use bytes::Bytes;
use memchr::{memchr, memchr2};

use super::{
    method::Method,
    name::HeaderName,
    reason::reason_phrase,
    span::{Fields, Head, Message, Span, Start},
    text::is_space,
};

/// A message in the making.
#[derive(Debug)]
pub(super) struct Writer {
    buffer: Vec<u8>,
    start: Start,
    fields: Fields,
}

impl Writer {
    pub(super) fn request(method: &Method, uri: &str, capacity: usize) -> Self {
        let mut buffer = Vec::with_capacity(capacity);
        buffer.extend_from_slice(method.as_str().as_bytes());
        buffer.push(b' ');
        let uri_start = buffer.len();
        push_line(&mut buffer, uri);
        let start = Start::Request { method: method.clone(), uri: uri_start..buffer.len() };
        buffer.extend_from_slice(b" SIP/2.0\r\n");
        Self { buffer, start, fields: Fields::new() }
    }

    pub(super) fn response(status: u16, reason: Option<&[u8]>, capacity: usize) -> Self {
        let status = status.clamp(100, 699);
        let mut buffer = Vec::with_capacity(capacity);
        buffer.extend_from_slice(b"SIP/2.0 ");
        push_line(&mut buffer, status);
        buffer.push(b' ');
        let reason_start = buffer.len();
        push_one_line(&mut buffer, reason.unwrap_or_else(|| reason_phrase(status).as_bytes()));
        let reason = reason_start..buffer.len();
        buffer.extend_from_slice(b"\r\n");
        Self { buffer, start: Start::Response { status, reason }, fields: Fields::new() }
    }

    /// A header line. Line breaks in the value become spaces.
    pub(super) fn field(&mut self, name: HeaderName, written: &str, value: impl fmt::Display) {
        self.line(name, written.as_bytes(), |buffer| push_line(buffer, value));
    }

    /// As [`Writer::field`], for a value that is text already.
    pub(super) fn text(&mut self, name: HeaderName, value: &str) {
        self.line(name, name.as_str().as_bytes(), |buffer| push_one_line(buffer, value.as_bytes()));
    }

    /// A header line whose value is partly bytes of another message.
    pub(super) fn line(&mut self, name: HeaderName, written: &[u8], value: impl FnOnce(&mut Vec<u8>)) {
        let line_start = self.buffer.len();
        self.buffer.extend_from_slice(written);
        self.buffer.extend_from_slice(b": ");
        let value_start = self.buffer.len();
        value(&mut self.buffer);
        let value_end = self.buffer.len();
        self.buffer.extend_from_slice(b"\r\n");
        let value = self.buffer.get(value_start..value_end).unwrap_or_default();
        let leading = value.iter().position(|byte| !is_space(*byte)).unwrap_or(value.len());
        let trailing = value.iter().rev().position(|byte| !is_space(*byte)).unwrap_or(value.len());
        let value_start = value_start + leading;
        self.fields.push(Span {
            name,
            is_folded: memchr(b'\n', value).is_some(),
            name_length: u16::try_from(written.len()).unwrap_or(u16::MAX),
            line_start: offset(line_start),
            line_end: offset(self.buffer.len()),
            value_start: offset(value_start),
            value_end: offset(value_end.saturating_sub(trailing).max(value_start)),
        });
    }

    /// A header line of another message, byte for byte.
    pub(super) fn copy(&mut self, source: &[u8], span: &Span) {
        let shift = |at: u32| offset(self.buffer.len() + (at - span.line_start) as usize);
        let copied = Span {
            line_start: shift(span.line_start),
            line_end: shift(span.line_end),
            value_start: shift(span.value_start),
            value_end: shift(span.value_end),
            ..*span
        };
        self.buffer.extend_from_slice(source.get(span.line()).unwrap_or_default());
        self.fields.push(copied);
    }

    pub(super) fn has(&self, name: HeaderName) -> bool {
        self.fields.iter().any(|field| field.name == name)
    }

    /// Puts another reason phrase into the status line.
    pub(super) fn set_reason(self, reason: &str) -> Self {
        let Start::Response { status, .. } = self.start else { return self };
        let mut changed = Self::response(status, Some(reason.as_bytes()), self.buffer.len() + reason.len());
        for field in &self.fields {
            changed.copy(&self.buffer, field);
        }
        changed
    }

    /// Ends the head with `Content-Length`, unless there is one, and adds the body.
    pub(super) fn finish(mut self, body: &[u8]) -> Message {
        if !self.has(HeaderName::ContentLength) {
            self.field(HeaderName::ContentLength, HeaderName::ContentLength.as_str(), body.len());
        }
        self.buffer.extend_from_slice(b"\r\n");
        let end = self.buffer.len();
        self.buffer.extend_from_slice(body);
        let head = Head { start: self.start, fields: self.fields, end };
        Message { bytes: Bytes::from(self.buffer), head: Arc::new(head) }
    }
}

/// Writes a value so that it stays in its line.
pub(super) fn push_line(buffer: &mut Vec<u8>, value: impl fmt::Display) {
    // Writing to memory has no error of its own.
    let _ = write!(OneLine(buffer), "{value}");
}

struct OneLine<'a>(&'a mut Vec<u8>);

impl fmt::Write for OneLine<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        push_one_line(self.0, text.as_bytes());
        Ok(())
    }
}

/// Writes bytes with spaces in place of line breaks.
pub(super) fn push_one_line(buffer: &mut Vec<u8>, text: &[u8]) {
    let from = buffer.len();
    buffer.extend_from_slice(text);
    if memchr2(b'\r', b'\n', text).is_some() {
        let written = buffer.iter_mut().skip(from);
        written.filter(|byte| matches!(byte, b'\r' | b'\n')).for_each(|byte| *byte = b' ');
    }
}

/// Messages are far smaller than 4 GiB by their limits.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
