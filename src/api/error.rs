//! Refusals as HTTP says them (RFC 9110 §15): one table from reason to status and word, one JSON
//! shape for every error of every route.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use tracing::error;

use crate::{
    auth::AuthError,
    signal::{Reason, Reject},
};

/// A refusal on its way to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure(pub(super) Reject);

/// What a handler gives back.
pub(super) type Outcome<T> = Result<T, Failure>;

impl Failure {
    /// A refusal with words for people.
    pub(super) fn new(reason: Reason, text: &str) -> Self {
        Self(Reject::with_text(reason, text))
    }

    /// The request makes no sense, and why.
    pub(super) fn malformed(text: &str) -> Self {
        Self::new(Reason::Malformed, text)
    }
}

impl From<Reject> for Failure {
    fn from(reject: Reject) -> Self {
        Self(reject)
    }
}

impl From<Reason> for Failure {
    fn from(reason: Reason) -> Self {
        Self(reason.into())
    }
}

impl From<AuthError> for Failure {
    fn from(fault: AuthError) -> Self {
        let text = fault.to_string();
        let reason = match fault {
            AuthError::Wrong | AuthError::Expired => Reason::NotAuthenticated,
            AuthError::Throttled { retry_after } => {
                let reject = Reject::with_text(Reason::Overloaded, &text);
                return Self(Reject { retry_after: Some(retry_after), ..reject });
            }
            AuthError::Overloaded => Reason::Overloaded,
            AuthError::Password => Reason::NotAcceptable,
            AuthError::Limit(_) => Reason::PolicyViolation,
            AuthError::NoSuchAccount => Reason::NotFound,
            AuthError::AccountExists => Reason::Conflict,
            _ => {
                error!(%fault, "credentials cannot be used");
                return Reason::Internal.into();
            }
        };
        Self::new(reason, &text)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Self(reject) = self;
        let mut response = (status(&reject), Json(Body { error: Refusal::from(&reject) })).into_response();
        let is_busy = reject.reason == Reason::Overloaded;
        if let Some(seconds) = reject.retry_after.or_else(|| is_busy.then_some(BUSY_SECONDS)) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// The one shape of an error in a response.
#[derive(Serialize)]
struct Body<'a> {
    error: Refusal<'a>,
}

/// A refusal in JSON, in responses and in WebSocket frames alike.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Refusal<'a> {
    reason: &'static str,
    text: Option<&'a str>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u32>,
}

impl<'a> From<&'a Reject> for Refusal<'a> {
    fn from(reject: &'a Reject) -> Self {
        let (_, reason) = row(reject.reason);
        Self { reason, text: reject.text.as_deref(), retry_after: reject.retry_after }
    }
}

/// The status of a refusal. Who is too fast is told otherwise than who meets a busy server.
fn status(reject: &Reject) -> StatusCode {
    match reject.reason {
        Reason::Overloaded if reject.retry_after.is_some() => StatusCode::TOO_MANY_REQUESTS,
        reason => row(reason).0,
    }
}

/// When it makes sense to ask a busy server again (RFC 9110 §15.6.4).
const BUSY_SECONDS: u32 = 5;

/// The table.
fn row(reason: Reason) -> (StatusCode, &'static str) {
    match reason {
        Reason::Malformed => (StatusCode::BAD_REQUEST, "malformed"),
        Reason::NotAuthenticated => (StatusCode::UNAUTHORIZED, "not-authenticated"),
        Reason::Forbidden => (StatusCode::FORBIDDEN, "forbidden"),
        Reason::NotFound => (StatusCode::NOT_FOUND, "not-found"),
        Reason::NoSession => (StatusCode::CONFLICT, "no-session"),
        Reason::NotAcceptable => (StatusCode::UNPROCESSABLE_ENTITY, "not-acceptable"),
        Reason::UnsupportedMedia => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media"),
        Reason::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large"),
        Reason::PolicyViolation => (StatusCode::FORBIDDEN, "policy-violation"),
        Reason::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "overloaded"),
        Reason::Timeout => (StatusCode::GATEWAY_TIMEOUT, "timeout"),
        Reason::RemoteNotFound => (StatusCode::BAD_GATEWAY, "remote-not-found"),
        Reason::RemoteTimeout => (StatusCode::GATEWAY_TIMEOUT, "remote-timeout"),
        Reason::Gone => (StatusCode::GONE, "gone"),
        Reason::Conflict => (StatusCode::CONFLICT, "conflict"),
        Reason::Unsupported => (StatusCode::NOT_IMPLEMENTED, "unsupported"),
        Reason::Unexpected => (StatusCode::CONFLICT, "unexpected"),
        Reason::Busy => (StatusCode::CONFLICT, "busy"),
        Reason::Declined => (StatusCode::FORBIDDEN, "declined"),
        Reason::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        Reason::Blocked => (StatusCode::FORBIDDEN, "blocked"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_word_and_an_error_status() {
        let all = [
            (Reason::Malformed, 400, "malformed"),
            (Reason::NotAuthenticated, 401, "not-authenticated"),
            (Reason::Forbidden, 403, "forbidden"),
            (Reason::NotFound, 404, "not-found"),
            (Reason::NoSession, 409, "no-session"),
            (Reason::NotAcceptable, 422, "not-acceptable"),
            (Reason::UnsupportedMedia, 415, "unsupported-media"),
            (Reason::TooLarge, 413, "too-large"),
            (Reason::PolicyViolation, 403, "policy-violation"),
            (Reason::Overloaded, 503, "overloaded"),
            (Reason::Timeout, 504, "timeout"),
            (Reason::RemoteNotFound, 502, "remote-not-found"),
            (Reason::RemoteTimeout, 504, "remote-timeout"),
            (Reason::Gone, 410, "gone"),
            (Reason::Conflict, 409, "conflict"),
            (Reason::Unsupported, 501, "unsupported"),
            (Reason::Unexpected, 409, "unexpected"),
            (Reason::Busy, 409, "busy"),
            (Reason::Declined, 403, "declined"),
            (Reason::Internal, 500, "internal"),
            (Reason::Blocked, 403, "blocked"),
        ];
        for (reason, code, word) in all {
            let reject = Reject::from(reason);
            assert_eq!(status(&reject).as_u16(), code, "{reason:?}");
            let json = serde_json::to_value(Refusal::from(&reject)).unwrap();
            assert_eq!(json, serde_json::json!({ "reason": word, "text": null }), "{reason:?}");
        }
    }

    #[test]
    fn login_faults_are_refusals_of_their_own() {
        for (fault, code) in [
            (AuthError::Wrong, 401),
            (AuthError::Throttled { retry_after: 7 }, 429),
            (AuthError::Overloaded, 503),
            (AuthError::Password, 422),
            (AuthError::Limit("too many devices"), 403),
            (AuthError::NoSuchAccount, 404),
            (AuthError::AccountExists, 409),
            (AuthError::Sealed, 500),
        ] {
            assert_eq!(Failure::from(fault.clone()).into_response().status().as_u16(), code, "{fault:?}");
        }
    }

    #[test]
    fn throttled_client_is_told_when_to_come_back() {
        let response = Failure::from(AuthError::Throttled { retry_after: 7 }).into_response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "7");
        let response = Failure::from(AuthError::Overloaded).into_response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "5");
    }
}
