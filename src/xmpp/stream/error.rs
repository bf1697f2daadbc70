//! Stream errors (RFC 6120 §4.9).

use crate::xmpp::stanza::{self, print_text};

/// The defined conditions of RFC 6120 §4.9.3, in its order; those that only servers use among themselves
/// are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    BadFormat,
    /// Another session took the resource.
    Conflict,
    ConnectionTimeout,
    HostUnknown,
    ImproperAddressing,
    InternalServerError,
    InvalidFrom,
    InvalidNamespace,
    NotAuthorized,
    NotWellFormed,
    PolicyViolation,
    /// Something that the stream rests on changed, such as the password.
    Reset,
    ResourceConstraint,
    RestrictedXml,
    SystemShutdown,
    UndefinedCondition,
    UnsupportedEncoding,
    UnsupportedStanzaType,
    UnsupportedVersion,
}

/// Why the server ends a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamError {
    pub condition: Condition,
    /// Words for people, in English.
    pub text: Option<&'static str>,
    /// An application's own condition, as markup of ours.
    pub detail: Option<String>,
}

impl From<Condition> for StreamError {
    fn from(condition: Condition) -> Self {
        Self { condition, text: None, detail: None }
    }
}

impl From<stanza::Error> for StreamError {
    fn from(error: stanza::Error) -> Self {
        use stanza::Error;
        let (condition, text) = match error {
            Error::NotWellFormed(text) => (Condition::NotWellFormed, Some(text)),
            Error::Restricted(text) => (Condition::RestrictedXml, Some(text)),
            Error::UndeclaredPrefix => (Condition::NotWellFormed, Some("undeclared namespace prefix")),
            Error::InvalidNamespace => (Condition::InvalidNamespace, None),
            Error::BadFormat(text) => (Condition::BadFormat, Some(text)),
            Error::UnsupportedEncoding => (Condition::UnsupportedEncoding, None),
            Error::TooLarge(text) => (Condition::PolicyViolation, Some(text)),
        };
        Self { condition, text, detail: None }
    }
}

impl StreamError {
    /// An error with words for people.
    pub fn with_text(condition: Condition, text: &'static str) -> Self {
        Self { condition, text: Some(text), detail: None }
    }

    /// Appends the error element and the end of the stream.
    pub fn print(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"<stream:error><");
        out.extend_from_slice(self.condition.name().as_bytes());
        out.extend_from_slice(b" xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>");
        if let Some(text) = self.text {
            out.extend_from_slice(b"<text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>");
            print_text(text, out);
            out.extend_from_slice(b"</text>");
        }
        if let Some(detail) = &self.detail {
            out.extend_from_slice(detail.as_bytes());
        }
        out.extend_from_slice(b"</stream:error></stream:stream>");
    }
}

impl Condition {
    /// The element name.
    pub fn name(self) -> &'static str {
        match self {
            Self::BadFormat => "bad-format",
            Self::Conflict => "conflict",
            Self::ConnectionTimeout => "connection-timeout",
            Self::HostUnknown => "host-unknown",
            Self::ImproperAddressing => "improper-addressing",
            Self::InternalServerError => "internal-server-error",
            Self::InvalidFrom => "invalid-from",
            Self::InvalidNamespace => "invalid-namespace",
            Self::NotAuthorized => "not-authorized",
            Self::NotWellFormed => "not-well-formed",
            Self::PolicyViolation => "policy-violation",
            Self::Reset => "reset",
            Self::ResourceConstraint => "resource-constraint",
            Self::RestrictedXml => "restricted-xml",
            Self::SystemShutdown => "system-shutdown",
            Self::UndefinedCondition => "undefined-condition",
            Self::UnsupportedEncoding => "unsupported-encoding",
            Self::UnsupportedStanzaType => "unsupported-stanza-type",
            Self::UnsupportedVersion => "unsupported-version",
        }
    }
}
