//! The files of XEP-0363 on the web listeners: `PUT` of what was promised, `GET` and `HEAD` with ranges
//! (RFC 9110 §14).
//!
//! Whoever knows an address may read it, so no address can be guessed. Nothing of a file runs in a browser: what a
//! browser shows by itself is shown in a sandbox, the rest is for saving.

mod range;

use std::{sync::Arc, time::Duration};

use axum::{
    Extension,
    body::{Body, HttpBody as _},
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use tokio::time::timeout;

use self::range::Wanted;
use super::{Refusal, Web, origin};
use crate::{
    account::{OutgoingFile, SharedFile},
    net::Visitor,
    signal::{Reason, Reject, Timestamp},
};

/// Everything below the path of uploads.
pub(super) async fn serve(
    State(web): State<Arc<Web>>,
    Extension(visitor): Extension<Visitor>,
    Path((name, _)): Path<(String, String)>,
    method: Method,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let outcome = match web.admit(visitor, &headers) {
        Err(refusal) => Err(refusal),
        Ok(()) => match method {
            Method::OPTIONS => Ok(StatusCode::NO_CONTENT.into_response()),
            Method::GET | Method::HEAD => web.send(name, &headers, &method).await,
            Method::PUT => web.receive(name, &headers, body).await,
            _ => Err((StatusCode::METHOD_NOT_ALLOWED, "GET, HEAD and PUT are for this path\n")),
        },
    };
    let mut response = outcome.unwrap_or_else(|refusal| refusal.into_response());
    let answer = response.headers_mut();
    answer.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(SANDBOX));
    answer.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    origin::grant(&web.shared.config.web_origins, &headers, METHODS, answer);
    response
}

impl Web {
    async fn receive(&self, name: String, headers: &HeaderMap, mut body: Body) -> Result<Response, Refusal> {
        let file = self.shared.accounts.shared_file(name).await.map_err(|reject| refusal(&reject))?;
        let length =
            headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        match length {
            Some(length) if length == file.size => {}
            Some(_) => return Err((StatusCode::BAD_REQUEST, "the file has another size than promised\n")),
            None => return Err((StatusCode::LENGTH_REQUIRED, "the size of the file is missing\n")),
        }
        let incoming = self.shared.accounts.receive_file(file).await;
        let mut incoming = incoming.map_err(|reject| refusal(&reject))?;
        let mut gathered = Vec::new();
        while !body.is_end_stream() {
            let frame = timeout(PATIENCE, body.frame()).await;
            let frame = frame.map_err(|_| (StatusCode::REQUEST_TIMEOUT, "the file took too long\n"))?;
            let Some(frame) = frame else { break };
            let frame = frame.map_err(|_| (StatusCode::BAD_REQUEST, "the file broke off\n"))?;
            gathered.extend_from_slice(frame.data_ref().map_or(&[], Bytes::as_ref));
            if gathered.len() >= PIECE {
                let piece = std::mem::take(&mut gathered).into();
                incoming = incoming.write(piece).await.map_err(|reject| refusal(&reject))?;
            }
        }
        let incoming = incoming.write(gathered.into()).await.map_err(|reject| refusal(&reject))?;
        incoming.finish().await.map_err(|reject| refusal(&reject))?;
        Ok(StatusCode::CREATED.into_response())
    }

    async fn send(&self, name: String, headers: &HeaderMap, method: &Method) -> Result<Response, Refusal> {
        let file = self.shared.accounts.shared_file(name).await.map_err(|reject| refusal(&reject))?;
        if !file.is_whole {
            return Err(NOT_FOUND);
        }
        let tag = format!("\"{}\"", file.name);
        if has_tag(headers, header::IF_NONE_MATCH, &tag) {
            return Ok(described(&file, &tag, StatusCode::NOT_MODIFIED, Body::empty()));
        }
        let is_same = !headers.contains_key(header::IF_RANGE) || has_tag(headers, header::IF_RANGE, &tag);
        let asked = headers.get(header::RANGE).filter(|_| is_same && method == Method::GET);
        let wanted = Wanted::parse(asked.and_then(|range| range.to_str().ok()), file.size);
        let (status, first, length) = match wanted {
            Wanted::All => (StatusCode::OK, 0, file.size),
            Wanted::Part { first, last } => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
            Wanted::Nothing => (StatusCode::RANGE_NOT_SATISFIABLE, 0, 0),
        };
        let size = file.size;
        let body = if method == Method::HEAD || length == 0 {
            Body::empty()
        } else {
            let opened = self.shared.accounts.open_file(file.clone(), first).await;
            Body::from_stream(pieces(opened.map_err(|reject| refusal(&reject))?, length))
        };
        let mut response = described(&file, &tag, status, body);
        let range = match wanted {
            Wanted::All => None,
            Wanted::Part { first, last } => Some(format!("bytes {first}-{last}/{size}")),
            Wanted::Nothing => Some(format!("bytes */{size}")),
        };
        if let Some(range) = range.and_then(|range| HeaderValue::from_str(&range).ok()) {
            response.headers_mut().insert(header::CONTENT_RANGE, range);
        }
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        Ok(response)
    }
}

/// The next `length` bytes of a file, piece by piece, as whoever reads takes them.
fn pieces(
    file: OutgoingFile,
    length: u64,
) -> impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static {
    futures_util::stream::unfold((file, length), async |(mut file, left)| {
        let most = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        if most == 0 {
            return None;
        }
        match file.read(most).await {
            Ok(bytes) if bytes.is_empty() => Some((Err(std::io::ErrorKind::UnexpectedEof.into()), (file, 0))),
            Ok(bytes) => {
                let left = left - bytes.len() as u64;
                Some((Ok(bytes), (file, left)))
            }
            Err(reject) => Some((Err(std::io::Error::other(reject.to_string())), (file, 0))),
        }
    })
}

/// An answer with all that is said of a file.
fn described(file: &SharedFile, tag: &str, status: StatusCode, body: Body) -> Response {
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    let left = (file.expires.0 - Timestamp::now().0).max(0) / 1000;
    let kind = if is_shown(&file.media_type) { "inline" } else { "attachment" };
    let texts = [
        (header::CONTENT_TYPE, file.media_type.clone()),
        (header::CONTENT_DISPOSITION, format!("{kind}; filename*=UTF-8''{}", escape(&file.title))),
        (header::CACHE_CONTROL, format!("private, max-age={left}, immutable")),
        (header::ETAG, tag.to_owned()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
    ];
    for (name, text) in texts {
        // What was checked when the place was promised can stand in a header.
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    }
    response
}

/// Whether a browser may show it by itself: pictures, sound, moving pictures and plain text, none of which runs.
fn is_shown(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_media = essence.starts_with("audio/") || essence.starts_with("video/");
    is_media || SHOWN.contains(&essence.as_str())
}

fn has_tag(headers: &HeaderMap, name: header::HeaderName, tag: &str) -> bool {
    let tags = headers.get(name).and_then(|tags| tags.to_str().ok()).unwrap_or_default();
    tags.split(',').map(str::trim).any(|one| one == tag || one == "*" || one.strip_prefix("W/") == Some(tag))
}

/// As an extended parameter (RFC 8187 §3.2).
fn escape(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn refusal(reject: &Reject) -> Refusal {
    match reject.reason {
        Reason::NotFound => NOT_FOUND,
        Reason::Conflict => (StatusCode::CONFLICT, "this file is here already, or on its way\n"),
        Reason::TooLarge => (StatusCode::BAD_REQUEST, "the file has another size than promised\n"),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "something went wrong here\n"),
    }
}

const NOT_FOUND: Refusal = (StatusCode::NOT_FOUND, "there is no such file\n");
const SANDBOX: &str = "default-src 'none'; frame-ancestors 'none'; sandbox";
const METHODS: &str = "GET, HEAD, PUT, OPTIONS";
const EXPOSED: &str = "Content-Disposition, Content-Range, ETag, Accept-Ranges";
const SHOWN: [&str; 6] = ["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "text/plain"];
/// Bytes that are written or read at a time.
const PIECE: usize = 256 * 1024;
/// How long the next bytes of a file may take.
const PATIENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_runs_is_shown() {
        for (media_type, expected) in [
            ("image/png", true),
            ("IMAGE/JPEG", true),
            ("text/plain; charset=utf-8", true),
            ("video/mp4", true),
            ("image/svg+xml", false),
            ("text/html", false),
            ("application/pdf", false),
            ("application/octet-stream", false),
        ] {
            assert_eq!(is_shown(media_type), expected, "{media_type}");
        }
    }
}
