//! Messages from scratch, and responses to a request (RFC 3261 §8.1.1, §8.2.6).

use std::fmt;

use bytes::Bytes;

use super::{
    method::Method,
    name::HeaderName,
    span::{Message, Span},
    uri::Uri,
    write::Writer,
};

/// Makes a message header by header, in the order of the calls. `Content-Length` is added at the end.
#[derive(Debug)]
#[must_use]
pub struct Builder {
    writer: Writer,
    body: Bytes,
}

impl Builder {
    /// A request line. The mandatory headers are the caller's to add; the transaction layer puts `Via` on.
    pub fn request(method: &Method, uri: &Uri) -> Self {
        Self { writer: Writer::request(method, uri.as_str(), CAPACITY), body: Bytes::new() }
    }

    /// A status line, 100 to 699, with its usual phrase.
    pub fn response(status: u16) -> Self {
        Self { writer: Writer::response(status, None, CAPACITY), body: Bytes::new() }
    }

    /// A response to a request: `Via`, `From`, `To`, `Call-ID`, `CSeq` as they came, and `tag` put on `To`
    /// unless it has one or the status is 100 (RFC 3261 §8.2.6.2). `Timestamp` is copied into a 100.
    pub fn response_to(request: &Message, status: u16, tag: &str) -> Self {
        let mut builder = Self::response(status);
        for span in &request.head.fields {
            match span.name {
                HeaderName::Via | HeaderName::From | HeaderName::CallId | HeaderName::CSeq => {
                    builder.writer.copy(&request.bytes, span);
                }
                HeaderName::To => builder.copy_to(request, span, status, tag),
                HeaderName::Timestamp if status == 100 => builder.writer.copy(&request.bytes, span),
                _ => {}
            }
        }
        builder
    }

    /// Another reason phrase than the usual one. For responses.
    pub fn reason(mut self, reason: &str) -> Self {
        self.writer = self.writer.set_reason(reason);
        self
    }

    /// A header the server knows by name. Line breaks in the value become spaces.
    pub fn header(mut self, name: HeaderName, value: impl fmt::Display) -> Self {
        self.writer.field(name, name.as_str(), value);
        self
    }

    /// As [`Builder::header`], for a value that is text already.
    pub fn text(mut self, name: HeaderName, value: &str) -> Self {
        self.writer.text(name, value);
        self
    }

    /// A header by its written name; an unusable name adds nothing.
    pub fn extension(mut self, name: &str, value: impl fmt::Display) -> Self {
        if super::text::is_token(name.as_bytes()) {
            self.writer.field(HeaderName::from_bytes(name.as_bytes()), name, value);
        }
        self
    }

    /// Every field of a name from another message, byte for byte.
    pub fn copy(mut self, source: &Message, name: HeaderName) -> Self {
        for span in source.head.fields.iter().filter(|span| span.name == name) {
            self.writer.copy(&source.bytes, span);
        }
        self
    }

    /// The body and its `Content-Type`.
    pub fn body(mut self, content_type: impl fmt::Display, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.header(HeaderName::ContentType, content_type)
    }

    /// The message.
    #[must_use]
    pub fn finish(self) -> Message {
        self.writer.finish(&self.body)
    }

    fn copy_to(&mut self, request: &Message, span: &Span, status: u16, tag: &str) {
        if request.tag(HeaderName::To).is_some() || status == 100 || tag.is_empty() {
            return self.writer.copy(&request.bytes, span);
        }
        let value = request.bytes.get(span.value()).unwrap_or_default();
        let written = request.bytes.get(span.written_name()).unwrap_or_default();
        self.writer.line(HeaderName::To, written, |buffer| {
            buffer.extend_from_slice(value);
            buffer.extend_from_slice(b";tag=");
            buffer.extend_from_slice(tag.as_bytes());
        });
    }
}

/// Most messages this server makes fit.
const CAPACITY: usize = 768;
