//! Why a byte stream is not the XML of RFC 6120 any more.

/// Why a stream cannot be read any further. Each maps to one stream error of RFC 6120 §4.9.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes are not XML, or not namespace-well-formed.
    #[error("not well-formed: {0}")]
    NotWellFormed(&'static str),
    /// XML that XMPP forbids: comments, processing instructions, DTDs, own entities (RFC 6120 §11.1).
    #[error("restricted xml: {0}")]
    Restricted(&'static str),
    /// A prefix without declaration.
    #[error("undeclared namespace prefix")]
    UndeclaredPrefix,
    /// The root element is not a stream, or its namespace is not the streams namespace.
    #[error("invalid namespace of the stream")]
    InvalidNamespace,
    /// Well-formed, but nothing that may stand where it stands.
    #[error("bad format: {0}")]
    BadFormat(&'static str),
    /// The bytes or the XML declaration are not UTF-8.
    #[error("unsupported encoding")]
    UnsupportedEncoding,
    /// One of the caps of [`super::Limits`] was reached.
    #[error("limit exceeded: {0}")]
    TooLarge(&'static str),
}
