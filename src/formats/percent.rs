//! Percent escapes of URIs (RFC 3986 §2.1), undone once; `+` stays.

use std::borrow::Cow;

/// The byte of an escape at the start of the text.
#[must_use]
pub fn escaped_byte(text: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = text else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? * 16 + digit(low)?)
}

/// The text without escapes; `None` for a percent sign without two digits, or where that gives no UTF-8.
#[must_use]
pub fn decode(text: &str) -> Option<Cow<'_, str>> {
    undo(text, |_| None)
}

/// The text without escapes. What is none stays; the text itself where that gives no UTF-8.
#[must_use]
pub fn unescape(text: &str) -> Cow<'_, str> {
    undo(text, Some).unwrap_or(Cow::Borrowed(text))
}

/// Escapes what may not stand in a path (RFC 3986 §3.3); slashes stay.
#[must_use]
pub fn encode_path(text: &str) -> String {
    escape(text, b"-._~!$&'()*+,;=:@/")
}

/// Escapes whatever is not unreserved (RFC 3986 §2.3), so that the text may stand anywhere.
#[must_use]
pub fn encode(text: &str) -> String {
    escape(text, b"-._~")
}

/// Letters and digits stay, and what is in `kept`.
fn escape(text: &str, kept: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || kept.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// With `stray` for a percent sign that begins no escape.
fn undo(text: &str, stray: fn(u8) -> Option<u8>) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, others @ ..] = rest {
        match escaped_byte(rest) {
            Some(byte) => {
                bytes.push(byte);
                rest = others.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(if *first == b'%' { stray(*first)? } else { *first });
                rest = others;
            }
        }
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone_once() {
        for (text, strict, lenient) in [
            ("a+b", Some("a+b"), "a+b"),
            ("sip%3Aa%40b", Some("sip:a@b"), "sip:a@b"),
            ("%2541", Some("%41"), "%41"),
            ("%c3%BC", Some("ü"), "ü"),
            ("100%", None, "100%"),
            ("%4", None, "%4"),
            ("%4g%41", None, "%4gA"),
            ("%+f", None, "%+f"),
            ("%ü", None, "%ü"),
            ("%ff%41", None, "%ff%41"),
        ] {
            assert_eq!(decode(text).as_deref(), strict, "{text}");
            assert_eq!(unescape(text), lenient, "{text}");
        }
    }

    #[test]
    fn what_is_escaped_is_read_back() {
        let text = "list[@name=\"ü /\"]";
        assert_eq!(encode_path(text), "list%5B@name=%22%C3%BC%20/%22%5D");
        assert_eq!(encode(text), "list%5B%40name%3D%22%C3%BC%20%2F%22%5D");
        for escaped in [encode(text), encode_path(text)] {
            assert_eq!(decode(&escaped).as_deref(), Some(text));
        }
    }
}
