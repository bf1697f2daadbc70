//! Which bytes and characters may stand where (XML 1.0 §2.2, §2.3; Namespaces in XML §3).

use super::Error;

/// May start a name. Bytes above ASCII count here and are looked at as characters afterwards.
pub(super) const NAME_START: u8 = 1;
/// May continue a name.
pub(super) const NAME: u8 = 2;
/// Needs a look inside an attribute value: quotes, markup, control characters.
pub(super) const VALUE_STOP: u8 = 4;

const CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        let mut class = 0;
        if b.is_ascii_alphabetic() || b == b'_' || b >= 0x80 {
            class |= NAME_START | NAME;
        }
        if b.is_ascii_digit() || b == b'-' || b == b'.' {
            class |= NAME;
        }
        if b < b' ' || b == b'<' || b == b'&' {
            class |= VALUE_STOP;
        }
        if b == b'"' || b == b'\'' {
            class |= VALUE_STOP;
        }
        table[byte] = class;
        byte += 1;
    }
    table
}

/// Whether `byte` belongs to any class of `class`.
#[inline]
pub(super) fn is(byte: u8, class: u8) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}

/// How far plain text goes, and the markup (`<`, `>` or `&`) that ends it.
///
/// Looks for the two kinds of trouble apart, each many bytes at a time: most of what clients send is text.
///
/// # Errors
///
/// A control character before the markup.
pub(super) fn find_text_stop(bytes: &[u8]) -> Result<(usize, Option<u8>), Error> {
    let end = memchr::memchr3(b'<', b'>', b'&', bytes);
    let text = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
    let is_control = |byte: u8| byte < b' ' && byte != b'\t' && byte != b'\n' && byte != b'\r';
    if text.iter().fold(false, |any, byte| any | is_control(*byte)) {
        return Err(Error::NotWellFormed("control character"));
    }
    Ok((text.len(), end.and_then(|end| bytes.get(end)).copied()))
}

/// The four characters of XML white space.
#[inline]
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Whether a name that passed the byte classes is a name: only those with bytes above ASCII need this.
pub(super) fn is_name(name: &[u8]) -> bool {
    if name.is_ascii() {
        return true;
    }
    let Ok(name) = std::str::from_utf8(name) else { return false };
    let mut characters = name.chars();
    characters.next().is_some_and(is_name_start) && characters.all(is_name_character)
}

fn is_name_start(character: char) -> bool {
    matches!(character,
        'A'..='Z' | '_' | 'a'..='z' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}'
        | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}' | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}'
        | '\u{2c00}'..='\u{2fef}' | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}'
        | '\u{10000}'..='\u{effff}')
}

fn is_name_character(character: char) -> bool {
    is_name_start(character)
        || matches!(character,
            '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
}
