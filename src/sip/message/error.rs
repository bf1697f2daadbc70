//! What can be wrong with a message, and the status code that says so to the peer.

use thiserror::Error;

use super::name::HeaderName;

/// Why some bytes are not a SIP message.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ParseError {
    /// The first line is neither a request line nor a status line.
    #[error("malformed start line")]
    StartLine,
    /// The first line is a request or status line of another protocol version.
    #[error("protocol version is not SIP/2.0")]
    Version,
    /// A header line without a colon, with a bad name or with a stray carriage return.
    #[error("malformed header line")]
    HeaderLine,
    /// The datagram ends before the empty line.
    #[error("message ends inside the headers")]
    Unfinished,
    /// `Content-Length` is not a number.
    #[error("malformed content-length")]
    ContentLength,
    /// `Content-Length` appears more than once.
    #[error("repeated content-length")]
    RepeatedContentLength,
    /// A message on a stream without `Content-Length` (RFC 3261 §20.14).
    #[error("no content-length on a stream")]
    MissingContentLength,
    /// The datagram is shorter than `Content-Length` says (RFC 3261 §18.3).
    #[error("body is shorter than content-length")]
    BodyTooShort,
    /// The body is larger than the limit.
    #[error("body too large")]
    BodyTooLarge,
    /// The headers, one line or their number exceed the limit.
    #[error("headers too large")]
    HeadTooLarge,
}

impl ParseError {
    /// The status code that answers a request with this fault.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Version => 505,
            Self::BodyTooLarge | Self::HeadTooLarge => 513,
            _ => 400,
        }
    }
}

/// Why a typed view of a header cannot be had.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum HeaderError {
    /// The message lacks the header.
    #[error("missing {0}")]
    Missing(HeaderName),
    /// The value does not follow the grammar.
    #[error("malformed {0}")]
    Malformed(HeaderName),
    /// A header that may appear once appears again.
    #[error("repeated {0}")]
    Repeated(HeaderName),
    /// The request URI does not follow the grammar of its scheme.
    #[error("malformed request-uri")]
    RequestUri,
    /// The method of `CSeq` is not the method of the request (RFC 3261 §8.1.1.5).
    #[error("method mismatch in cseq")]
    MethodMismatch,
}

/// A value that does not follow its grammar.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("malformed {0}")]
pub struct Malformed(
    /// The name of the grammar rule.
    pub &'static str,
);
