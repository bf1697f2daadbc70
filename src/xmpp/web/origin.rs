//! Which pages may use XMPP here (RFC 6454). No credential of a browser's own goes along with a stream, so an
//! operator may well allow all of them.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// Whether a page of this origin is allowed by the list, where `*` stands for all.
pub(super) fn is_allowed(allowed: &[String], origin: &str) -> bool {
    allowed.iter().any(|one| one == "*" || one.eq_ignore_ascii_case(origin))
}

/// Whether a text of the configuration is an origin, or `*`.
pub(in crate::xmpp) fn is_origin(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_host = |c: char| c.is_ascii_alphanumeric() || "-_.:[]".contains(c);
    text == "*" || rest.is_some_and(|rest| !rest.is_empty() && rest.chars().all(is_host))
}

/// Tells the browser which page may read the answer, and what it may send (the CORS protocol of Fetch).
pub(super) fn grant(allowed: &[String], asked: &HeaderMap, methods: &'static str, answer: &mut HeaderMap) {
    let everybody = allowed.iter().any(|one| one == "*");
    let origin = asked.get(header::ORIGIN);
    let granted = match origin {
        _ if everybody => HeaderValue::from_static("*"),
        Some(origin) if origin.to_str().is_ok_and(|origin| is_allowed(allowed, origin)) => {
            answer.append(header::VARY, HeaderValue::from_static("Origin"));
            origin.clone()
        }
        _ => return,
    };
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, granted),
        (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods)),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Content-Type, Authorization")),
        (header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400")),
        // The page itself is kept apart from others; what is granted here is meant to be read by them.
        (RESOURCE_POLICY, HeaderValue::from_static("cross-origin")),
    ] {
        answer.insert(name, value);
    }
}

const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_allowed_by_the_list() {
        let list = ["https://chat.example.org".to_owned()];
        for (allowed, origin, expected) in [
            (&list[..], "https://chat.example.org", true),
            (&list[..], "HTTPS://chat.example.org", true),
            (&list[..], "https://chat.example.org.evil.example", false),
            (&list[..], "null", false),
            (&["*".to_owned()], "null", true),
            (&[], "https://chat.example.org", false),
        ] {
            assert_eq!(is_allowed(allowed, origin), expected, "{origin}");
        }
    }

    #[test]
    fn origins_are_scheme_and_host() {
        for (text, expected) in [
            ("*", true),
            ("https://a.example:8443", true),
            ("http://localhost", true),
            ("https://a.example/", false),
            ("a.example", false),
            ("https://", false),
        ] {
            assert_eq!(is_origin(text), expected, "{text}");
        }
    }

    #[test]
    fn only_allowed_pages_are_told_that_they_may_read() {
        let mut asked = HeaderMap::new();
        asked.insert(header::ORIGIN, HeaderValue::from_static("https://a.example"));
        for (allowed, expected) in
            [("*", Some("*")), ("https://a.example", Some("https://a.example")), ("https://b.example", None)]
        {
            let mut answer = HeaderMap::new();
            grant(&[allowed.to_owned()], &asked, "POST", &mut answer);
            let granted = answer.get(header::ACCESS_CONTROL_ALLOW_ORIGIN);
            assert_eq!(granted.and_then(|value| value.to_str().ok()), expected, "{allowed}");
        }
    }
}
