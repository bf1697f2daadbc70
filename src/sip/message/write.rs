//! Writes messages and notes the offsets on the way, so that what is made needs no second scan.

use std::{
    fmt::{self, Write as _},
    sync::Arc,
};

use bytes::{BufMut, BytesMut};

use super::{
    method::Method,
    name::HeaderName,
    reason::reason_phrase,
    span::{Head, Message, Span, Start},
    text::is_space,
};

/// A message in the making.
#[derive(Debug)]
pub(super) struct Writer {
    buffer: BytesMut,
    start: Start,
    fields: Vec<Span>,
}

impl Writer {
    pub(super) fn request(method: &Method, uri: &str, capacity: usize) -> Self {
        let mut buffer = BytesMut::with_capacity(capacity);
        buffer.put_slice(method.as_str().as_bytes());
        buffer.put_u8(b' ');
        let uri_start = buffer.len();
        push_line(&mut buffer, uri);
        let start = Start::Request { method: method.clone(), uri: uri_start..buffer.len() };
        buffer.put_slice(b" SIP/2.0\r\n");
        Self { buffer, start, fields: Vec::with_capacity(16) }
    }

    pub(super) fn response(status: u16, reason: Option<&[u8]>, capacity: usize) -> Self {
        let status = status.clamp(100, 699);
        let mut buffer = BytesMut::with_capacity(capacity);
        push_line(&mut buffer, format_args!("SIP/2.0 {status} "));
        let reason_start = buffer.len();
        for byte in reason.unwrap_or_else(|| reason_phrase(status).as_bytes()) {
            buffer.put_u8(if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte });
        }
        let reason = reason_start..buffer.len();
        buffer.put_slice(b"\r\n");
        Self { buffer, start: Start::Response { status, reason }, fields: Vec::with_capacity(16) }
    }

    /// A header line. Line breaks in the value become spaces.
    pub(super) fn field(&mut self, name: HeaderName, written: &str, value: impl fmt::Display) {
        self.line(name, written.as_bytes(), |buffer| push_line(buffer, value));
    }

    /// A header line whose value is partly bytes of another message.
    pub(super) fn line(&mut self, name: HeaderName, written: &[u8], value: impl FnOnce(&mut BytesMut)) {
        let line_start = self.buffer.len();
        self.buffer.put_slice(written);
        self.buffer.put_slice(b": ");
        let value_start = self.buffer.len();
        value(&mut self.buffer);
        let value_end = self.buffer.len();
        self.buffer.put_slice(b"\r\n");
        let value = self.buffer.get(value_start..value_end).unwrap_or_default();
        let leading = value.iter().take_while(|byte| is_space(**byte)).count();
        let trailing = value.iter().rev().take_while(|byte| is_space(**byte)).count();
        let value_start = value_start + leading;
        self.fields.push(Span {
            name,
            is_folded: value.contains(&b'\n'),
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
        self.buffer.put_slice(source.get(span.line()).unwrap_or_default());
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
        self.buffer.put_slice(b"\r\n");
        let end = self.buffer.len();
        self.buffer.put_slice(body);
        let head = Head { start: self.start, fields: self.fields, end };
        Message { bytes: self.buffer.freeze(), head: Arc::new(head) }
    }
}

/// Writes a value so that it stays in its line.
pub(super) fn push_line(buffer: &mut BytesMut, value: impl fmt::Display) {
    // Writing to memory has no error of its own.
    let _ = write!(OneLine(buffer), "{value}");
}

struct OneLine<'a>(&'a mut BytesMut);

impl fmt::Write for OneLine<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for (index, part) in text.split(['\r', '\n']).enumerate() {
            if index > 0 {
                self.0.put_u8(b' ');
            }
            self.0.put_slice(part.as_bytes());
        }
        Ok(())
    }
}

/// Messages are far smaller than 4 GiB by their limits.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
