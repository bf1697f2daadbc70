//! Bodies of requests: read within a bound, or thrown away within one.

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, StatusCode, header},
};
use bytes::Bytes;
use futures_util::StreamExt as _;

use super::answer::{Outcome, Refusal};

/// Reads a body to its end, but no more than `most` bytes of it.
///
/// # Errors
/// 413 where it is larger, 415 where it is encoded, 400 where it breaks off.
pub(super) async fn read(headers: &HeaderMap, body: Body, most: usize) -> Outcome<Bytes> {
    if headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(Refusal::Status(StatusCode::UNSUPPORTED_MEDIA_TYPE, "encodings are not understood"));
    }
    if announced(headers).is_some_and(|length| length > most) {
        discard(headers, body, most.saturating_mul(4)).await;
        return Err(Refusal::TOO_LARGE);
    }
    // One more, to tell who sends too much from who breaks off.
    match to_bytes(body, most.saturating_add(1)).await {
        Ok(bytes) if bytes.len() <= most => Ok(bytes),
        Ok(_) => Err(Refusal::TOO_LARGE),
        Err(fault) if std::error::Error::source(&fault).is_some_and(is_length) => Err(Refusal::TOO_LARGE),
        Err(_) => Err(Refusal::Status(StatusCode::BAD_REQUEST, "the content breaks off")),
    }
}

fn is_length(fault: &(dyn std::error::Error + 'static)) -> bool {
    fault.to_string().contains("length limit")
}

/// Throws away what a client sends along with a request that is refused: many send it at once and hear the
/// refusal only when they are through. Who waits for a sign to send is not made to.
pub(super) async fn discard(headers: &HeaderMap, body: Body, most: usize) {
    if headers.contains_key(header::EXPECT) || announced(headers).is_some_and(|length| length > most) {
        return;
    }
    let mut left = most;
    let mut chunks = body.into_data_stream();
    while let Some(Ok(chunk)) = chunks.next().await {
        left = left.saturating_sub(chunk.len());
        if left == 0 {
            return;
        }
    }
}

fn announced(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
