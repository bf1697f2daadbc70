//! What is answered: statuses, entity tags, and the reasons of refusals.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use bytes::Bytes;

use super::conflict;
use crate::{
    auth::AuthError,
    documents::{Conflict, NodeEditError, ParseError, SelectorError},
    signal::{Reason, Reject},
};

/// Why a request is not done.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Refusal {
    /// A status and words for people.
    Status(StatusCode, &'static str),
    /// Another method may help: these.
    Method(&'static str),
    /// 409, and why.
    Conflict(Conflict),
    /// 412, with the tag that the document has.
    Precondition(Option<String>),
    /// Whoever asks has to say who he is: 401 with these challenges.
    Challenge(Vec<String>),
    /// Later: after this many seconds.
    Later(StatusCode, u32),
    /// Something has to be found out first; never answered.
    Undecided,
}

/// What a handler gives back.
pub(super) type Outcome<T> = Result<T, Refusal>;

impl Refusal {
    pub(super) const NOT_FOUND: Self = Self::Status(StatusCode::NOT_FOUND, "there is nothing of this name");
    pub(super) const INTERNAL: Self = Self::Status(StatusCode::INTERNAL_SERVER_ERROR, "this did not work");
    pub(super) const FORBIDDEN: Self =
        Self::Status(StatusCode::FORBIDDEN, "this is somebody else's, or nobody's to change");
    pub(super) const TOO_LARGE: Self = Self::Status(StatusCode::PAYLOAD_TOO_LARGE, "this is too large");
}

impl From<Conflict> for Refusal {
    fn from(conflict: Conflict) -> Self {
        Self::Conflict(conflict)
    }
}

impl From<SelectorError> for Refusal {
    /// RFC 4825 §8: 404 for extensions that nobody knows, 400 for prefixes that nothing binds.
    fn from(fault: SelectorError) -> Self {
        match fault {
            SelectorError::Extension(_) => Self::NOT_FOUND,
            SelectorError::UnboundPrefix(_) => {
                Self::Status(StatusCode::BAD_REQUEST, "a prefix is not bound by the query")
            }
            SelectorError::Encoding | SelectorError::Query => {
                Self::Status(StatusCode::BAD_REQUEST, "the node selector or its query cannot be read")
            }
            SelectorError::TooLong => Self::Status(StatusCode::URI_TOO_LONG, "the node selector is too long"),
        }
    }
}

impl From<NodeEditError> for Refusal {
    fn from(fault: NodeEditError) -> Self {
        let text = fault.to_string();
        Self::Conflict(match fault {
            NodeEditError::NotFound => return Self::NOT_FOUND,
            NodeEditError::ReadOnly => return Self::Method(READ_ONLY),
            NodeEditError::Document(ParseError::TooLarge { .. }) => return Self::TOO_LARGE,
            NodeEditError::NoParent => Conflict::NoParent { ancestor: None },
            NodeEditError::NotAnElement(fault) => Conflict::NotXmlFragment(fault.to_string()),
            NodeEditError::NotAnAttributeValue => Conflict::NotAttributeValue(text),
            NodeEditError::NotUtf8 => Conflict::NotUtf8,
            NodeEditError::CannotInsert => Conflict::CannotInsert(text),
            NodeEditError::CannotDelete => Conflict::CannotDelete(text),
            NodeEditError::Root | NodeEditError::Document(_) => Conflict::SchemaValidation(text),
        })
    }
}

impl From<ParseError> for Refusal {
    fn from(fault: ParseError) -> Self {
        match fault {
            ParseError::TooLarge { .. } => Self::TOO_LARGE,
            ParseError::NotUtf8 => Self::Conflict(Conflict::NotUtf8),
            ParseError::Malformed { .. } | ParseError::DocumentType => {
                Self::Conflict(Conflict::NotWellFormed(fault.to_string()))
            }
        }
    }
}

impl From<Reject> for Refusal {
    fn from(reject: Reject) -> Self {
        match reject.reason {
            Reason::NotFound => Self::NOT_FOUND,
            Reason::TooLarge => Self::TOO_LARGE,
            Reason::Forbidden => Self::FORBIDDEN,
            Reason::PolicyViolation | Reason::NotAcceptable => {
                let text =
                    reject.text.map_or_else(|| "the account is full".to_owned(), |text| text.to_string());
                Self::Conflict(Conflict::Constraint(text))
            }
            Reason::Overloaded | Reason::Timeout => {
                Self::Later(StatusCode::SERVICE_UNAVAILABLE, reject.retry_after.unwrap_or(BUSY_SECONDS))
            }
            reason => {
                tracing::error!(?reason, "a document cannot be read or changed");
                Self::INTERNAL
            }
        }
    }
}

impl From<AuthError> for Refusal {
    fn from(fault: AuthError) -> Self {
        match fault {
            AuthError::Throttled { retry_after } => Self::Later(StatusCode::TOO_MANY_REQUESTS, retry_after),
            AuthError::Overloaded => Self::Later(StatusCode::SERVICE_UNAVAILABLE, BUSY_SECONDS),
            fault => {
                tracing::error!(%fault, "credentials cannot be checked");
                Self::INTERNAL
            }
        }
    }
}

impl Refusal {
    /// As a response.
    pub(super) fn into_response(self) -> Response {
        match self {
            Self::Status(status, text) => plain(status, text),
            Self::Conflict(conflict) => {
                content(StatusCode::CONFLICT, None, conflict::MEDIA_TYPE, conflict::print(&conflict).into())
            }
            Self::Precondition(tag) => {
                let mut response = plain(StatusCode::PRECONDITION_FAILED, "the document is not what it was");
                insert(&mut response, header::ETAG, tag.as_deref());
                response
            }
            Self::Method(allowed) => {
                let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "this method is not for this path");
                insert(&mut response, header::ALLOW, Some(allowed));
                response
            }
            Self::Challenge(challenges) => {
                let mut response = plain(StatusCode::UNAUTHORIZED, "please say who you are");
                for challenge in challenges {
                    if let Ok(value) = HeaderValue::try_from(challenge) {
                        response.headers_mut().append(header::WWW_AUTHENTICATE, value);
                    }
                }
                response
            }
            Self::Undecided => Self::INTERNAL.into_response(),
            Self::Later(status, seconds) => {
                let mut response = plain(status, "please try again later");
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
                response
            }
        }
    }
}

/// A response without content; its length is told all the same.
pub(super) fn empty(status: StatusCode, tag: Option<&str>) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    insert(&mut response, header::ETAG, tag);
    // RFC 4825 §9: what others write must not be kept by caches.
    insert(&mut response, header::CACHE_CONTROL, Some("no-cache"));
    response
}

/// A response with content.
pub(super) fn content(
    status: StatusCode,
    tag: Option<&str>,
    media_type: &'static str,
    bytes: Bytes,
) -> Response {
    let mut response = empty(status, tag);
    let length = HeaderValue::from(bytes.len());
    response.headers_mut().insert(header::CONTENT_LENGTH, length);
    insert(&mut response, header::CONTENT_TYPE, Some(media_type));
    *response.body_mut() = Body::from(bytes);
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response {
    content(status, None, "text/plain; charset=utf-8", Bytes::from(format!("{text}\n")))
}

fn insert(response: &mut Response, name: header::HeaderName, value: Option<&str>) {
    if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
        response.headers_mut().insert(name, value);
    }
}

/// Methods for what can only be read.
pub(super) const READ_ONLY: &str = "GET, HEAD";
/// Methods for what its owner may change.
pub(super) const READ_WRITE: &str = "GET, HEAD, PUT, DELETE";
const BUSY_SECONDS: u32 = 5;
