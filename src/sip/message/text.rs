//! The lexical ground of RFC 3261 §25: tokens, white space, folding, quoted strings and lists.
//! Nothing here knows a header.

use std::borrow::Cow;

use memchr::{memchr, memchr2, memchr3};

use crate::formats::percent::escaped_byte;

/// Whether a byte may stand in a `token` (RFC 3261 §25.1).
pub(super) fn is_token_byte(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

/// Whether the bytes are a non-empty `token`.
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| is_token_byte(*byte))
}

/// Whether a byte is linear white space, folding included.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Cuts linear white space from both ends.
pub(super) fn trim(text: &str) -> &str {
    let bytes = text.as_bytes();
    // Nearly always there is none.
    if let ([first, ..], [.., last]) = (bytes, bytes)
        && !is_space(*first)
        && !is_space(*last)
    {
        return text;
    }
    let begin = bytes.iter().position(|byte| !is_space(*byte)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|byte| !is_space(*byte)).map_or(begin, |last| last + 1);
    text.get(begin..end).unwrap_or_default()
}

/// What stands before and after the first `byte`, an ASCII sign.
pub(super) fn split_at_byte(text: &str, byte: u8) -> Option<(&str, &str)> {
    let at = memchr(byte, text.as_bytes())?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// The text up to the first `byte`, an ASCII sign, and the rest with it.
pub(super) fn split_before(text: &str, byte: u8) -> (&str, &str) {
    let at = memchr(byte, text.as_bytes()).unwrap_or(text.len());
    text.split_at_checked(at).unwrap_or((text, ""))
}

/// Makes a folded value one line: each line break with the white space around it is one space
/// (RFC 3261 §7.3.1). Bytes that are not UTF-8 become U+FFFD in this view; the message keeps them.
pub(super) fn unfold(value: &[u8], is_folded: bool) -> Cow<'_, str> {
    // Nearly all is UTF-8, which is quicker to check than to mend.
    let text = str::from_utf8(value).map_or_else(|_| String::from_utf8_lossy(value), Cow::Borrowed);
    if !is_folded {
        return text;
    }
    let mut line = String::with_capacity(text.len());
    for (index, part) in text.split(['\r', '\n']).map(trim).filter(|part| !part.is_empty()).enumerate() {
        if index > 0 {
            line.push(' ');
        }
        line.push_str(part);
    }
    Cow::Owned(line)
}

/// The end of the first piece of a list, outside quoted strings and angle brackets: the offset of
/// `separator`, or the length of the text.
pub(super) fn piece_end(text: &[u8], separator: u8) -> usize {
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| memchr3(separator, b'"', b'<', rest)) {
        let sign = at + found;
        at = match text.get(sign) {
            Some(b'"') => closing_quote(text, sign + 1).map_or(text.len(), |quote| quote + 1),
            Some(b'<') => {
                text.get(sign..).and_then(|rest| memchr(b'>', rest)).map_or(text.len(), |end| sign + end)
            }
            _ => return sign,
        };
    }
    text.len()
}

/// Where the quoted string ends whose inside begins at `at`.
fn closing_quote(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let found = at + memchr2(b'\\', b'"', text.get(at..)?)?;
        if text.get(found) == Some(&b'"') {
            return Some(found);
        }
        at = found + 2;
    }
}

/// The trimmed pieces of a list, outside quoted strings and angle brackets. Empty pieces are given too.
pub(super) fn pieces(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let (piece, tail) = text.split_at_checked(piece_end(text.as_bytes(), separator))?;
        rest = tail.get(1..);
        Some(trim(piece))
    })
}

/// Reads a quoted string at the start of the text: its inside still escaped, and what follows it.
pub(super) fn split_quoted(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix('"')?;
    let quote = closing_quote(inside.as_bytes(), 0)?;
    Some((inside.get(..quote)?, inside.get(quote + 1..)?))
}

/// Takes the backslashes of quoted pairs away.
pub(super) fn unescape_quoted(inside: &str) -> Cow<'_, str> {
    if !inside.contains('\\') {
        return Cow::Borrowed(inside);
    }
    let mut text = String::with_capacity(inside.len());
    let mut characters = inside.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => text.extend(characters.next()),
            other => text.push(other),
        }
    }
    Cow::Owned(text)
}

/// Writes text as a quoted string. Line breaks become spaces.
pub(super) fn print_quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\r' | '\n' => quoted.push(' '),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// Reads decimal digits only: no sign, no white space, an error on overflow.
pub(super) fn parse_digits<T: TryFrom<u64>>(text: &str) -> Option<T> {
    if text.is_empty() || text.len() > 64 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse::<u64>().ok().and_then(|number| T::try_from(number).ok())
}

/// Undoes `%HH` escapes once; the inverse of escaping, never applied twice (RFC 3986 §2.4).
pub(super) fn unescape_percent(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        match escaped_byte(rest) {
            Some(byte) => {
                bytes.push(byte);
                rest = rest.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

/// The bytes of a `token`.
pub(super) const TOKEN: [bool; 256] = token_table();

const fn token_table() -> [bool; 256] {
    let mut table = [false; 256];
    let mut index = 0;
    while index < 256 {
        #[allow(clippy::cast_possible_truncation, reason = "the index is below 256")]
        let byte = index as u8;
        table[index] = byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~');
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_split_outside_quotes_and_brackets_only() {
        let list = r#""a, \", b" <sip:x,y@h>;q=1 , <sip:z@h>,"#;
        let found: Vec<_> = pieces(list, b',').collect();
        assert_eq!(found, [r#""a, \", b" <sip:x,y@h>;q=1"#, "<sip:z@h>", ""]);
    }

    #[test]
    fn folding_becomes_one_space() {
        assert_eq!(
            unfold(b"newfangled value\r\n continued\n\tagain", true),
            "newfangled value continued again"
        );
        assert_eq!(unfold(b"\xff plain", false), "\u{fffd} plain");
    }

    #[test]
    fn quoted_strings_survive_a_round_trip() {
        for text in ["", "plain", r#"J Rosenberg \""#, "a <sip:x@y> b"] {
            let quoted = print_quoted(text);
            let (inside, rest) = split_quoted(&quoted).expect("a quoted string");
            assert_eq!((unescape_quoted(inside).as_ref(), rest), (text, ""));
        }
        assert_eq!(split_quoted(r#""open \""#), None);
    }

    #[test]
    fn escapes_are_undone_once() {
        assert_eq!(unescape_percent("v%61lue%25%34%31"), "value%41");
        assert_eq!(unescape_percent("100%"), "100%");
    }

    #[test]
    fn digits_have_no_sign_and_no_overflow() {
        assert_eq!(parse_digits::<u8>("0068"), Some(68));
        for bad in ["", "+1", "-1", " 1", "256", "18446744073709551616"] {
            assert_eq!(parse_digits::<u8>(bad), None, "{bad}");
        }
    }
}
