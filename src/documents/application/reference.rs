//! References within documents, as clients write them: some escape a whole URI, so that not even its colon
//! is left. What a reference leads to is told by its path, never by its host.

use std::borrow::Cow;

use crate::{formats::percent::unescape, signal::Address};

/// Whether a reference is an absolute URI of HTTP.
pub(super) fn is_absolute_http(reference: &str) -> bool {
    let reference = unwrapped(reference);
    let rest = strip_scheme(&reference, "http").or_else(|| strip_scheme(&reference, "https"));
    rest.and_then(|rest| rest.strip_prefix("//"))
        .is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
}

/// Whether a reference is a path relative to the root.
pub(super) fn is_relative_path(reference: &str) -> bool {
    let reference = unwrapped(reference);
    let first = reference.split('/').next().unwrap_or_default();
    !reference.is_empty() && !reference.starts_with('/') && !first.contains(':')
}

/// Whether an absolute reference leads to a document of `auid` in the tree of `owner`.
pub(super) fn is_document_of(reference: &str, auid: &str, owner: &Address) -> bool {
    let reference = unwrapped(reference);
    let Some((_, path)) = reference.split_once("//").and_then(|(_, rest)| rest.split_once('/')) else {
        return false;
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let document = path.split("/~~").next().unwrap_or_default();
    let segments: Vec<_> = document.split('/').map(unescape).collect();
    segments.windows(4).any(|window| match window {
        [first, tree, user, name] => {
            first == auid && tree == "users" && is_user(user, owner) && !name.is_empty()
        }
        _ => false,
    })
}

/// What an entry or a service names: escapes undone, and `sip:` before what has no scheme.
pub(super) fn resource(uri: &str) -> String {
    let uri = unescape(uri.trim());
    if uri.split('@').next().is_some_and(|first| first.contains(':')) {
        uri.into_owned()
    } else {
        format!("sip:{uri}")
    }
}

/// Whether the segment of a path that names a user names this one.
fn is_user(segment: &str, owner: &Address) -> bool {
    let bare = segment.strip_prefix("sip:").or_else(|| segment.strip_prefix("sips:")).unwrap_or(segment);
    Address::parse(bare).is_ok_and(|address| address == *owner)
}

/// The reference itself, where it was escaped as a whole.
fn unwrapped(reference: &str) -> Cow<'_, str> {
    let reference = reference.trim();
    let has_scheme = reference.split(['/', '%']).next().is_some_and(|first| first.contains(':'));
    let is_wrapped = !has_scheme && reference.contains('%');
    if is_wrapped { unescape(reference) } else { Cow::Borrowed(reference) }
}

fn strip_scheme<'a>(uri: &'a str, scheme: &str) -> Option<&'a str> {
    let (found, rest) = uri.split_once(':')?;
    found.eq_ignore_ascii_case(scheme).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_told_by_their_path() {
        let owner = Address::parse("alice@example.org").unwrap();
        for (reference, expected) in [
            (
                "http://xcap.example.org/resource-lists/users/sip:alice@example.org/index/~~/resource-lists",
                true,
            ),
            ("https://alias/xcap-root/resource-lists/users/sip%3Aalice%40Example.ORG/index", true),
            ("https%3A//a/r/resource-lists/users/sip%3Aalice%40example.org/index/~~/list%5B1%5D", true),
            ("http://a/resource-lists/users/alice@example.org/index", true),
            ("http://a/resource-lists/users/sip:bob@example.org/index", false),
            ("http://a/rls-services/users/sip:alice@example.org/index", false),
            ("http://a/x/~~/resource-lists/users/sip:alice@example.org/index", false),
            ("http://a/resource-lists/users/sip:alice@example.org", false),
            ("resource-lists/users/sip:alice@example.org/index", false),
            ("http://a", false),
        ] {
            assert_eq!(is_document_of(reference, "resource-lists", &owner), expected, "{reference}");
        }
    }

    #[test]
    fn absolute_and_relative_references_are_told_apart() {
        for (reference, is_absolute, is_relative) in [
            ("http://www.example.org/xcap/resource-lists", true, false),
            ("HTTPS://a", true, false),
            ("https%3A//a/b", true, false),
            ("http:a", false, false),
            ("http:///a", false, false),
            ("ftp://a/b", false, false),
            ("resource-lists/users/sip:bill@example.com/index/~~/resource-lists", false, true),
            ("resource-lists/users/sip%3Abill%40example.com/index", false, true),
            ("/resource-lists", false, false),
            ("", false, false),
        ] {
            assert_eq!(is_absolute_http(reference), is_absolute, "{reference}");
            assert_eq!(is_relative_path(reference), is_relative, "{reference}");
        }
    }
}
