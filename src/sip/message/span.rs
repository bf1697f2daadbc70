//! A message as its bytes and the offsets of its parts. Cloning shares both.

use std::{borrow::Cow, ops::Range, sync::Arc};

use bytes::Bytes;
use smallvec::SmallVec;

use super::{
    method::Method,
    name::HeaderName,
    text::{piece_end, trim, unfold},
};

/// A request or response. Reading it is [`Message::parse_datagram`], making one is
/// [`super::Builder`]; the typed views are in this type too.
#[derive(Clone, Debug)]
pub struct Message {
    pub(super) bytes: Bytes,
    pub(super) head: Arc<Head>,
}

/// What the scan of the head finds.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) start: Start,
    /// The headers in their order; those of most messages have room in the head itself.
    pub(super) fields: Fields,
    /// Where the body begins.
    pub(super) end: usize,
}

pub(super) type Fields = SmallVec<[Span; 12]>;

#[derive(Clone, Debug)]
pub(super) enum Start {
    Request { method: Method, uri: Range<usize> },
    Response { status: u16, reason: Range<usize> },
}

/// Offsets of one header field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) name: HeaderName,
    pub(super) is_folded: bool,
    pub(super) name_length: u16,
    pub(super) line_start: u32,
    /// After the line break.
    pub(super) line_end: u32,
    /// Without the white space around it.
    pub(super) value_start: u32,
    pub(super) value_end: u32,
}

impl Span {
    pub(super) fn line(&self) -> Range<usize> {
        self.line_start as usize..self.line_end as usize
    }

    pub(super) fn value(&self) -> Range<usize> {
        self.value_start as usize..self.value_end as usize
    }

    pub(super) fn written_name(&self) -> Range<usize> {
        let start = self.line_start as usize;
        start..start + usize::from(self.name_length)
    }
}

/// The first line of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartLine<'a> {
    /// `METHOD uri SIP/2.0`.
    Request {
        /// The method.
        method: &'a Method,
        /// The request URI as it was written; [`Message::request_uri`] reads it.
        uri: &'a str,
    },
    /// `SIP/2.0 status reason`.
    Response {
        /// 100 to 699.
        status: u16,
        /// The reason phrase as it was written; U+FFFD stands for what is not UTF-8 only in logs.
        reason: &'a [u8],
    },
}

/// One header field of a message.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    bytes: &'a [u8],
    span: &'a Span,
}

impl<'a> Field<'a> {
    /// The name, or [`HeaderName::Other`].
    #[must_use]
    pub fn name(&self) -> HeaderName {
        self.span.name
    }

    /// The name as it was written.
    #[must_use]
    pub fn written_name(&self) -> &'a str {
        str::from_utf8(self.slice(self.span.written_name())).unwrap_or_default()
    }

    /// The value as it was written, folding included, without white space around it.
    #[must_use]
    pub fn raw(&self) -> &'a [u8] {
        self.slice(self.span.value())
    }

    /// The value as one line. U+FFFD stands for bytes that are not UTF-8.
    #[must_use]
    pub fn text(&self) -> Cow<'a, str> {
        unfold(self.raw(), self.span.is_folded)
    }

    /// The trimmed values of a comma-separated header, empty ones included (RFC 3261 §7.3.1). Only for
    /// headers whose grammar is a list.
    pub fn values(&self) -> impl Iterator<Item = Cow<'a, str>> + use<'a> {
        let is_folded = self.span.is_folded;
        let mut rest = Some(self.raw());
        std::iter::from_fn(move || {
            let text = rest?;
            let (piece, tail) = text.split_at_checked(piece_end(text, b','))?;
            rest = tail.get(1..);
            Some(match unfold(piece, is_folded) {
                Cow::Borrowed(text) => Cow::Borrowed(trim(text)),
                Cow::Owned(text) => Cow::Owned(trim(&text).to_owned()),
            })
        })
    }

    fn slice(&self, range: Range<usize>) -> &'a [u8] {
        self.bytes.get(range).unwrap_or_default()
    }
}

impl Message {
    /// The whole message, ready for a socket.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The first line.
    #[must_use]
    pub fn start(&self) -> StartLine<'_> {
        match &self.head.start {
            Start::Request { method, uri } => StartLine::Request { method, uri: self.str(uri.clone()) },
            Start::Response { status, reason } => StartLine::Response {
                status: *status,
                reason: self.bytes.get(reason.clone()).unwrap_or_default(),
            },
        }
    }

    /// Whether this is a request.
    #[must_use]
    pub fn is_request(&self) -> bool {
        matches!(self.head.start, Start::Request { .. })
    }

    /// The method of a request; none for a response, whose method is in [`Message::cseq`].
    #[must_use]
    pub fn method(&self) -> Option<&Method> {
        match &self.head.start {
            Start::Request { method, .. } => Some(method),
            Start::Response { .. } => None,
        }
    }

    /// The status code of a response, 100 to 699.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match &self.head.start {
            Start::Request { .. } => None,
            Start::Response { status, .. } => Some(*status),
        }
    }

    /// The body; shares the memory of the message.
    #[must_use]
    pub fn body(&self) -> Bytes {
        self.bytes.slice(self.head.end.min(self.bytes.len())..)
    }

    /// Every header field in its order.
    pub fn fields(&self) -> impl Iterator<Item = Field<'_>> {
        self.head.fields.iter().map(|span| Field { bytes: &self.bytes, span })
    }

    /// The fields of one name. Unknown names are found by [`Message::extension`].
    pub fn fields_of(&self, name: HeaderName) -> impl Iterator<Item = Field<'_>> {
        self.fields().filter(move |field| field.name() == name)
    }

    /// The first field of a name.
    #[must_use]
    pub fn field(&self, name: HeaderName) -> Option<Field<'_>> {
        self.fields_of(name).next()
    }

    /// Whether a header is there.
    #[must_use]
    pub fn has(&self, name: HeaderName) -> bool {
        self.field(name).is_some()
    }

    /// The first field of a name that [`HeaderName`] has no variant for, in any case.
    #[must_use]
    pub fn extension(&self, name: &str) -> Option<Field<'_>> {
        self.fields_of(HeaderName::Other).find(|field| field.written_name().eq_ignore_ascii_case(name))
    }

    fn str(&self, range: Range<usize>) -> &str {
        self.bytes.get(range).and_then(|bytes| str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}
