//! `xs:anyURI`: a URI reference of RFC 3986 §4.1, in which characters that have no place in URIs may stand
//! unescaped (XML Linking §5.4). Brackets are not among them.

/// Whether a text, without white space around it, is one.
pub(super) fn is_uri(text: &str) -> bool {
    let (text, fragment) = split(text, '#');
    let (text, query) = split(text, '?');
    if !has_whole_escapes(text)
        || query.is_some_and(|query| !is_plain(query) || !has_whole_escapes(query))
        || fragment.is_some_and(|fragment| fragment.contains('#') || !has_whole_escapes(fragment))
    {
        return false;
    }
    let first = text.split('/').next().unwrap_or_default();
    let path = match first.split_once(':') {
        None => text,
        Some((scheme, _)) if is_scheme(scheme) => text.get(scheme.len() + 1..).unwrap_or_default(),
        Some(_) => return false,
    };
    match path.strip_prefix("//") {
        Some(rest) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            is_authority(authority) && is_plain(path)
        }
        None => is_plain(path),
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

fn is_authority(authority: &str) -> bool {
    let (user, host) = authority.split_once('@').unwrap_or(("", authority));
    let (host, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((_, after)) => ("", after),
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let is_port = match port.strip_prefix(':') {
        Some(port) => (1..=9).contains(&port.len()) && port.bytes().all(|digit| digit.is_ascii_digit()),
        None => port.is_empty(),
    };
    is_port && is_plain(user) && is_plain(host) && !host.contains('@')
}

fn is_plain(text: &str) -> bool {
    !text.contains(['[', ']'])
}

/// Whether two hexadecimal digits follow every `%`.
fn has_whole_escapes(text: &str) -> bool {
    let is_hex =
        |after: &str| after.len() >= 2 && after.bytes().take(2).all(|digit| digit.is_ascii_hexdigit());
    text.split('%').skip(1).all(is_hex)
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    match text.split_once(at) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_are_told_from_other_texts() {
        for (text, expected) in [
            ("", true),
            ("sip:alice@example.org;gr=urn:uuid:f81d4fae", true),
            ("sip%3Aalice%40example.org", true),
            ("bob%40example.org", true),
            ("sip:a b|\"ü", true),
            ("http://u@[::1]:80/a?b=c#d[1]", true),
            ("http://h:99999/", true),
            ("//", true),
            (":", false),
            ("a/b:c", true),
            ("%zz", false),
            ("a%2", false),
            ("a%2ü", false),
            ("1:b", false),
            ("ü:b", false),
            ("#a#b", false),
            ("?a[b", false),
            ("http://a:/", false),
            ("http://a:b/", false),
            ("http://h:1:2/", false),
            ("http://u@v@h/", false),
            ("sip:a@[::1]", false),
            ("list[@name=\"a\"]", false),
        ] {
            assert_eq!(is_uri(text), expected, "{text}");
        }
    }
}
