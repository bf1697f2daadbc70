//! The browser's page, built into the binary from `web/dist`, and the headers that keep it safe.
//!
//! Files that have a twin compressed at build time (`.br`, `.gz`) are sent so where the browser
//! takes that (RFC 9110 §12.5.3). A path that is no file is the page's own business: it gets the page.

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::{error::Failure, identity::Client};
use crate::{formats::hex, signal::Reason};

#[derive(RustEmbed)]
#[folder = "web/dist"]
#[allow_missing = true]
struct Files;

/// Every path that is no route.
pub(super) async fn serve(request: Request) -> Response {
    let path = request.uri().path();
    if path == "/api" || path.starts_with("/api/") {
        return Failure::new(Reason::NotFound, "there is no such path").into_response();
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let name = path.trim_start_matches('/');
    match find(name) {
        Some(name) => send(name, request.headers()),
        None if looks_like_file(name) => (StatusCode::NOT_FOUND, "there is no such file\n").into_response(),
        None if Files::get(PAGE).is_some() => send(PAGE, request.headers()),
        None => (StatusCode::SERVICE_UNAVAILABLE, Html(NOT_BUILT)).into_response(),
    }
}

/// The file of this name; the compressed twins have none of their own.
fn find(name: &str) -> Option<&str> {
    let is_twin = ENCODINGS.iter().any(|(_, ending)| name.ends_with(ending));
    (!name.is_empty() && !is_twin && Files::get(name).is_some()).then_some(name)
}

/// Whether a missing path is rather a forgotten file than a view of the page.
fn looks_like_file(name: &str) -> bool {
    name.rsplit('/').next().is_some_and(|last| last.contains('.'))
}

fn send(name: &str, asked: &HeaderMap) -> Response {
    let Some(Variant { file, encoding }) = choose(name, asked) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let tag = entity_tag(&file);
    let caching = if name.starts_with(HASHED) { FOREVER } else { "no-cache" };
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Ok(tag) = HeaderValue::try_from(&tag) {
        headers.insert(header::ETAG, tag);
    }
    if asked.get(header::IF_NONE_MATCH).is_some_and(|known| names(known, &tag)) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type(name)));
    if let Some(encoding) = encoding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    (headers, Body::from(file.data)).into_response()
}

struct Variant {
    file: EmbeddedFile,
    encoding: Option<&'static str>,
}

/// The smallest form of a file that the browser takes.
fn choose(name: &str, asked: &HeaderMap) -> Option<Variant> {
    let accepted =
        asked.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let twin = ENCODINGS.iter().filter(|(encoding, _)| accepts(accepted, encoding)).find_map(
        |(encoding, ending)| {
            let file = Files::get(&format!("{name}{ending}"))?;
            Some(Variant { file, encoding: Some(*encoding) })
        },
    );
    twin.or_else(|| Files::get(name).map(|file| Variant { file, encoding: None }))
}

/// Whether an Accept-Encoding header takes an encoding.
fn accepts(header: &str, encoding: &str) -> bool {
    header.split(',').any(|entry| {
        let (name, weight) = entry.split_once(';').unwrap_or((entry, ""));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case(encoding) && weight.unwrap_or(1.0) > 0.0
    })
}

fn entity_tag(file: &EmbeddedFile) -> String {
    let hash = file.metadata.sha256_hash();
    let digits = hex::print(hash.get(..16).unwrap_or_default());
    format!("\"{digits}\"")
}

/// Whether an If-None-Match header has this tag.
fn names(header: &HeaderValue, tag: &str) -> bool {
    let text = header.to_str().unwrap_or_default();
    text.split(',')
        .map(|entry| entry.trim().trim_start_matches("W/"))
        .any(|entry| entry == tag || entry == "*")
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" => "text/plain; charset=utf-8",
        "mp3" => "audio/mpeg",
        "ogg" => "audio/ogg",
        _ => "application/octet-stream",
    }
}

/// Adds to a response what keeps a browser from being turned against its user.
pub(super) fn secure(headers: &mut HeaderMap, client: Client) {
    for (name, value) in SAFETY {
        headers.entry(HeaderName::from_static(name)).or_insert(HeaderValue::from_static(value));
    }
    // On the loopback, a browser would take it for every other server that is tried out there.
    if client.is_secure && !client.address.is_loopback() {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
}

/// Headers of every response. The address of the setup page holds a secret, so no referrer.
const SAFETY: [(&str, &str); 5] = [
    (
        "content-security-policy",
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
    ),
    ("cross-origin-opener-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
];

/// Encodings by preference, with the ending of the compressed twin.
const ENCODINGS: [(&str, &str); 2] = [("br", ".br"), ("gzip", ".gz")];

/// Where the build puts files whose names change with their contents.
const HASHED: &str = "assets/";
const FOREVER: &str = "public, max-age=31536000, immutable";

const PAGE: &str = "index.html";

const NOT_BUILT: &str = "<!doctype html><meta charset=utf-8><title>Rollcall</title>\
<h1>The web client is not built in</h1>\
<p>The server runs; only its page is missing. Build it with <code>make web</code> (it needs Node) and start \
the server again.</p>\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoding_is_taken_only_where_it_is_wanted() {
        for (header, encoding, expect) in [
            ("gzip, deflate, br", "br", true),
            ("gzip, deflate", "br", false),
            ("br;q=0, gzip;q=0.5", "br", false),
            ("br;q=0, gzip;q=0.5", "gzip", true),
            ("brotli", "br", false),
            ("", "gzip", false),
        ] {
            assert_eq!(accepts(header, encoding), expect, "{header} {encoding}");
        }
    }

    #[test]
    fn tag_is_found_in_a_list() {
        for (header, expect) in [("\"a\"", true), ("\"b\", W/\"a\"", true), ("*", true), ("\"ab\"", false)] {
            assert_eq!(names(&HeaderValue::from_static(header), "\"a\""), expect, "{header}");
        }
    }

    #[test]
    fn view_of_the_page_is_told_from_a_missing_file() {
        for (name, expect) in [("", false), ("setup", false), ("a.b/c", false), ("assets/x.js", true)] {
            assert_eq!(looks_like_file(name), expect, "{name}");
        }
    }
}
