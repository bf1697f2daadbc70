//! Bodies, queries and path parts of requests, with their mistakes in our one shape of error.

use axum::{
    Json,
    body::Bytes,
    extract::{
        FromRequest, FromRequestParts, OptionalFromRequest, Path, Query, Request, rejection::JsonRejection,
    },
    http::{StatusCode, request::Parts},
};
use serde::de::DeserializeOwned;

use super::error::Failure;
use crate::signal::{Address, Reason};

/// A JSON body. Its size is bounded by the server's body limit.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let body = <Json<T> as FromRequest<S>>::from_request(request, state).await;
        body.map(|Json(value)| Self(value)).map_err(|rejection| refuse_body(&rejection))
    }
}

/// No body at all is fine too.
impl<T: DeserializeOwned, S: Send + Sync> OptionalFromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, Failure> {
        let body = <Json<T> as OptionalFromRequest<S>>::from_request(request, state).await;
        body.map(|json| json.map(|Json(value)| Self(value))).map_err(|rejection| refuse_body(&rejection))
    }
}

fn refuse_body(rejection: &JsonRejection) -> Failure {
    let reason = match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Reason::TooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Reason::UnsupportedMedia,
        _ => Reason::Malformed,
    };
    Failure::new(reason, &rejection.body_text())
}

/// A body as it came. Its size is bounded by the server's body limit.
pub(super) struct Raw(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        match Bytes::from_request(request, state).await {
            Ok(bytes) => Ok(Self(bytes)),
            Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                Err(Failure::new(Reason::TooLarge, "the body is too large"))
            }
            Err(rejection) => Err(Failure::malformed(&rejection.body_text())),
        }
    }
}

/// The query of the request's target.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(Failure::malformed(&rejection.body_text())),
        }
    }
}

/// The one variable part of a path.
pub(super) struct Part(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Part {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(text)) => Ok(Self(text)),
            Err(rejection) => Err(Failure::malformed(&rejection.body_text())),
        }
    }
}

/// Reads the address of an account.
pub(super) fn account_address(text: &str) -> Result<Address, Failure> {
    match Address::parse(text) {
        Ok(address) if address.is_domain() => {
            Err(Failure::malformed("an address looks like alice@example.org"))
        }
        Ok(address) => Ok(address),
        Err(fault) => Err(Failure::malformed(&fault.to_string())),
    }
}
