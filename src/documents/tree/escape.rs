//! From written text to what it means (XML 1.0 §2.11, §3.3.3, §4.6), and back.
//!
//! Reading checks nothing: the scanner did.

use std::borrow::Cow;

/// What text between tags means: references resolved, line ends made `\n`.
pub(super) fn unescape_text(raw: &str) -> Cow<'_, str> {
    if memchr::memchr2(b'&', b'\r', raw.as_bytes()).is_none() {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len());
    push_unescaped(&fold_line_ends(raw), &mut out);
    Cow::Owned(out)
}

/// What text between quotes means: references resolved, white space made blanks.
pub(super) fn unescape_attribute(raw: &str) -> Cow<'_, str> {
    if !raw.bytes().any(|byte| matches!(byte, b'&' | b'\r' | b'\n' | b'\t')) {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len());
    push_unescaped(&fold_line_ends(raw).replace(['\n', '\t'], " "), &mut out);
    Cow::Owned(out)
}

pub(super) fn fold_line_ends(raw: &str) -> Cow<'_, str> {
    if raw.contains('\r') {
        Cow::Owned(raw.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(raw)
    }
}

fn push_unescaped(raw: &str, out: &mut String) {
    let mut rest = raw;
    while let Some((before, reference)) = rest.split_once('&') {
        out.push_str(before);
        if let Some((character, length)) = parse_reference(reference) {
            out.push(character);
            rest = reference.get(length..).unwrap_or_default();
        } else {
            out.push('&');
            rest = reference;
        }
    }
    out.push_str(rest);
}

/// Reads a reference from behind its `&`: the character, and the bytes up to and with the `;`.
pub(super) fn parse_reference(text: &str) -> Option<(char, usize)> {
    let window = text.as_bytes().get(..text.len().min(LONGEST_REFERENCE))?;
    let length = window.iter().position(|byte| *byte == b';')?;
    let character = match text.get(..length)? {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        name => parse_character(name.strip_prefix('#')?)?,
    };
    Some((character, length + 1))
}

fn parse_character(digits: &str) -> Option<char> {
    let (digits, radix) = digits.strip_prefix('x').map_or((digits, 10), |digits| (digits, 16));
    // A sign would be read by the standard library.
    let is_number = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let code = is_number.then(|| u32::from_str_radix(digits, radix).ok()).flatten()?;
    char::from_u32(code).filter(|character| is_character(*character))
}

/// Whether a document may have this character at all (XML 1.0 §2.2).
pub(super) fn is_character(character: char) -> bool {
    match character {
        '\t' | '\n' | '\r' => true,
        '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => false,
        _ => true,
    }
}

/// Text as it may stand between tags. Characters that XML has no place for are left out.
#[must_use]
pub fn escape_text(text: &str) -> String {
    escape(text, Place::Text)
}

/// Text as it may stand between quotes of either kind. Characters that XML has no place for are left out.
#[must_use]
pub fn escape_attribute(text: &str) -> String {
    escape(text, Place::Attribute)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Text,
    Attribute,
}

fn escape(text: &str, place: Place) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars().filter(|character| is_character(*character)) {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\r' => out.push_str("&#13;"),
            '"' if place == Place::Attribute => out.push_str("&quot;"),
            '\'' if place == Place::Attribute => out.push_str("&apos;"),
            '\n' if place == Place::Attribute => out.push_str("&#10;"),
            '\t' if place == Place::Attribute => out.push_str("&#9;"),
            plain => out.push(plain),
        }
    }
    out
}

/// Leading zeros make references as long as anybody likes; nobody needs more than these bytes.
const LONGEST_REFERENCE: usize = 32;
