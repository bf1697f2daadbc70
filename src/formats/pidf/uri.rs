//! URIs in presence documents: which texts a validator takes for one, and when two are the same.

use std::{borrow::Cow, fmt::Write as _};

/// Whether a text is a URI reference (RFC 3986 §4.1), characters beyond ASCII allowed (`xs:anyURI`).
///
/// Validators of clients are as strict as this, though the schema language is not.
pub(super) fn is_uri(text: &str) -> bool {
    let (text, fragment) = split(text, '#');
    let (text, query) = split(text, '?');
    let is_rest = |part: Option<&str>| part.is_none_or(|part| is_made_of(part, "!$&'()*+,;=:@/?"));
    if !is_rest(fragment) || !is_rest(query) {
        return false;
    }
    let path = match text.split_once(':') {
        Some((scheme, path)) if is_scheme(scheme) => path,
        // A first segment with a colon would be a scheme.
        Some((segment, _)) if !segment.contains('/') => return false,
        _ => text,
    };
    let Some(rest) = path.strip_prefix("//") else { return is_made_of(path, "!$&'()*+,;=:@/") };
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    is_authority(authority) && is_made_of(path, "!$&'()*+,;=:@/")
}

/// The text as a URI reference: what has no place in one is escaped. `None` where that does not help.
pub(super) fn to_uri(text: &str) -> Option<Cow<'_, str>> {
    if is_uri(text) {
        return Some(Cow::Borrowed(text));
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for (at, byte) in text.bytes().enumerate() {
        let is_escape = byte == b'%' && text.get(at + 1..at + 3).is_some_and(is_hex);
        let is_kept = byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?".contains(&byte) || is_escape;
        if is_kept || !byte.is_ascii() {
            // Bytes beyond ASCII are escaped too: a text is not to be put together of bytes.
            if byte.is_ascii() {
                escaped.push(char::from(byte));
                continue;
            }
        }
        // Writing to memory has no error of its own.
        let _ = write!(escaped, "%{byte:02X}");
    }
    is_uri(&escaped).then_some(Cow::Owned(escaped))
}

/// Whether two URIs name the same (RFC 5025 §3.3.1.3 "URI equivalence"): scheme, host and escapes are
/// compared in any case; an escape is the same as its character where that is no delimiter.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    normal(one) == normal(other)
}

/// The scheme in lower case; `None` where there is none.
pub(super) fn scheme(uri: &str) -> Option<String> {
    let (scheme, _) = uri.split_once(':')?;
    is_scheme(scheme).then(|| scheme.to_ascii_lowercase())
}

fn normal(uri: &str) -> String {
    let uri = super::unescape_uri(uri.trim());
    let mut text = String::with_capacity(uri.len());
    let mut rest = uri.as_str();
    while let Some(at) = rest.find('%') {
        let (before, escape) = rest.split_at(at);
        text.push_str(before);
        let hex = escape.get(1..3).filter(|hex| is_hex(hex));
        let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match byte {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                text.push(char::from(byte))
            }
            Some(byte) => {
                let _ = write!(text, "%{byte:02X}");
            }
            None => text.push('%'),
        }
        rest = escape.get(if byte.is_some() { 3 } else { 1 }..).unwrap_or_default();
    }
    text.push_str(rest);
    let Some((scheme, rest)) = text.split_once(':').filter(|(scheme, _)| is_scheme(scheme)) else {
        return text;
    };
    let scheme = scheme.to_ascii_lowercase();
    if scheme == "urn" {
        return normal_urn(rest);
    }
    // The user is compared exactly, the host is not.
    let (user, rest) = match rest.split_once('@') {
        Some((user, rest)) => (Some(user), rest),
        None => (None, rest),
    };
    let after = rest.trim_start_matches('/');
    let slashes = rest.len() - after.len();
    let end = after.find(['/', ';', '?', '#']).unwrap_or(after.len());
    let (host, tail) = after.split_at(end);
    let user = user.map(|user| format!("{user}@")).unwrap_or_default();
    format!("{scheme}:{}{user}{}{tail}", "/".repeat(slashes), host.to_ascii_lowercase())
}

/// The namespace of a URN has no case, its name has one (RFC 8141 §3.1); those of UUIDs are hexadecimal.
fn normal_urn(rest: &str) -> String {
    let (space, name) = rest.split_once(':').unwrap_or((rest, ""));
    let space = space.to_ascii_lowercase();
    match space.as_str() {
        "uuid" => format!("urn:uuid:{}", name.to_ascii_lowercase()),
        _ => format!("urn:{space}:{name}"),
    }
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    match text.split_once(at) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

fn is_authority(authority: &str) -> bool {
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (host, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, after)) => {
            let is_address = address.bytes().all(|byte| byte.is_ascii_hexdigit() || b":.".contains(&byte));
            if !is_address {
                return false;
            }
            ("", after)
        }
        None => match host.rfind(':') {
            Some(at) => host.split_at(at),
            None => (host, ""),
        },
    };
    let is_port = |port: &str| {
        port.strip_prefix(':').is_some_and(|port| {
            (1..=5).contains(&port.len()) && port.bytes().all(|digit| digit.is_ascii_digit())
        })
    };
    is_made_of(user, "!$&'()*+,;=:") && is_made_of(host, "!$&'()*+,;=") && (port.is_empty() || is_port(port))
}

/// Whether a text has unreserved characters, whole escapes and these others only.
fn is_made_of(text: &str, others: &str) -> bool {
    text.char_indices().all(|(at, character)| match character {
        '%' => text.get(at + 1..at + 3).is_some_and(is_hex),
        _ if character.is_ascii() => {
            character.is_ascii_alphanumeric() || "-._~".contains(character) || others.contains(character)
        }
        _ => true,
    })
}

fn is_hex(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_validators_take_for_a_uri_is_one() {
        for (text, expected) in [
            ("sip:alice@example.org;gr=urn:uuid:f81d4fae", true),
            ("sip%3Aalice%40example.org", true),
            ("https%3A//example.org/a%23b", true),
            ("tel:+1", true),
            ("", true),
            ("http://[::1]:80/a?b=c#d", true),
            ("sip:ü@example.org", true),
            ("sip:a@[::1]:5060", false),
            ("x%zz", false),
            ("a%2", false),
            ("1:b", false),
            ("http://a:b/", false),
            ("http://a:/", false),
            ("#a#b", false),
            ("sip:a b", false),
            ("sip:a\"b", false),
        ] {
            assert_eq!(is_uri(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_uri_is_escaped_until_it_is_one() {
        for (text, expected) in [
            ("sip:a@[::1]:5060", Some("sip:a@%5B::1%5D:5060")),
            ("sip:a b", Some("sip:a%20b")),
            ("x%zz%41", Some("x%25zz%41")),
            ("sip:ü b", Some("sip:%C3%BC%20b")),
            ("1:b", None),
        ] {
            assert_eq!(to_uri(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn equivalent_uris_are_the_same() {
        for (one, other, expected) in [
            ("sip:alice@Example.ORG", "SIP:alice@example.org", true),
            ("sip:%61lice@example.org", "sip:alice@example.org", true),
            ("sip%3Aalice%40example.org", "sip:alice@example.org", true),
            ("sip:Alice@example.org", "sip:alice@example.org", false),
            ("sip:alice@example.org;a=B", "sip:alice@example.org;a=b", false),
            ("urn:uuid:F81D4FAE", "urn:UUID:f81d4fae", true),
            ("http://A/b", "http://a/b", true),
            ("http://a/B", "http://a/b", false),
            ("mailto:a@b", "sip:a@b", false),
            ("desk", "desk", true),
        ] {
            assert_eq!(is_same(one, other), expected, "{one} {other}");
        }
    }
}
