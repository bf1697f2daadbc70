//! HTTP digest (RFC 7616, RFC 8760) on bare values: no header, no SIP type.

use super::Login;

/// The algorithms that are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DigestAlgorithm {
    Md5,
    Md5Sess,
    Sha256,
    Sha256Sess,
}

/// What the response protects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Qop {
    Auth,
    AuthInt,
}

/// The values that come with a quality of protection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QopUse<'a> {
    pub qop: Qop,
    /// The nonce count as it was written: eight hexadecimal digits.
    pub nc: &'a str,
    pub cnonce: &'a str,
}

/// A client's answer to a challenge: the parameters, unquoted, of an Authorization header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DigestResponse<'a> {
    pub username: &'a str,
    pub realm: &'a str,
    pub nonce: &'a str,
    /// The uri parameter as the client wrote it. The door checks that it fits the request.
    pub uri: &'a str,
    /// The response in hexadecimal digits.
    pub response: &'a str,
    pub algorithm: DigestAlgorithm,
    /// `None` where the client sent no qop, as in RFC 2069; such a nonce is good once.
    pub qop: Option<QopUse<'a>>,
    pub method: &'a str,
    /// The body of the request; read for [`Qop::AuthInt`] only.
    pub body: &'a [u8],
}

/// What to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DigestVerdict {
    /// He is who he says.
    Ok(Login),
    /// The nonce is unknown, too old or used up: challenge again with `stale=true`.
    Stale,
    /// Challenge again, or refuse.
    Wrong,
    /// Too many guesses; another try makes sense after this many seconds.
    Throttled { retry_after: u32 },
    /// It could not be checked now.
    Unavailable,
}
