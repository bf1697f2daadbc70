//! Positions in a stanza, and the way from escaped text to plain text and back.
//!
//! Reading borrows wherever nothing is escaped. Nothing here checks well-formedness: the scanner did.

use std::borrow::Cow;

/// A range of bytes of one stanza.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// The range `start..end`. Stanza sizes are capped far below 4 GiB, so nothing is cut off.
    pub(super) fn new(start: usize, end: usize) -> Self {
        Self { start: u32::try_from(start).unwrap_or(u32::MAX), end: u32::try_from(end).unwrap_or(u32::MAX) }
    }

    /// First byte.
    pub(super) fn start(self) -> usize {
        self.start as usize
    }

    /// One past the last byte.
    pub(super) fn end(self) -> usize {
        self.end as usize
    }

    /// Whether the range holds nothing.
    pub(super) fn is_empty(self) -> bool {
        self.start >= self.end
    }

    /// The bytes meant, empty when the range lies outside.
    pub(super) fn bytes(self, all: &[u8]) -> &[u8] {
        all.get(self.start()..self.end()).unwrap_or_default()
    }

    /// The text meant, empty when the range lies outside or is no UTF-8.
    pub(super) fn text(self, all: &[u8]) -> &str {
        std::str::from_utf8(self.bytes(all)).unwrap_or_default()
    }
}

/// An attribute value: where it is, and whether reading it needs work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) span: Span,
    /// It holds a reference or white space that attribute normalisation replaces.
    pub(super) escaped: bool,
}

impl Value {
    /// The value as the sender meant it.
    pub(super) fn read(self, all: &[u8]) -> Cow<'_, str> {
        let raw = self.span.text(all);
        if self.escaped { Cow::Owned(unescape_attribute(raw)) } else { Cow::Borrowed(raw) }
    }

    /// Whether the value as the sender meant it is `expected`.
    pub(super) fn is(self, all: &[u8], expected: &str) -> bool {
        if self.escaped { self.read(all) == expected } else { self.span.bytes(all) == expected.as_bytes() }
    }
}

fn unescape_attribute(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    push_unescaped(&raw.replace(['\n', '\t'], " "), &mut out);
    out
}

fn push_unescaped(raw: &str, out: &mut String) {
    let mut rest = raw;
    while let Some(at) = rest.find('&') {
        let (before, reference) = rest.split_at(at);
        out.push_str(before);
        match parse_reference(reference.as_bytes()) {
            Some(Some((character, length))) => {
                out.push(character);
                rest = reference.get(length..).unwrap_or_default();
            }
            _ => {
                out.push('&');
                rest = reference.get(1..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
}

/// The text directly inside an element: references and CDATA resolved, line ends made `\n`, inner
/// elements left out. Borrows when there is nothing to do. `inner` has passed the scanner.
pub fn unescape(inner: &str) -> Cow<'_, str> {
    if memchr::memchr3(b'<', b'&', b'\r', inner.as_bytes()).is_none() {
        return Cow::Borrowed(inner);
    }
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    let mut depth = 0_usize;
    while !rest.is_empty() {
        let Some(at) = rest.find('<') else {
            push_text(rest, depth, &mut out);
            break;
        };
        let (text, markup) = rest.split_at(at);
        push_text(text, depth, &mut out);
        rest = if let Some(cdata) = markup.strip_prefix("<![CDATA[") {
            let (raw, after) = cdata.split_once("]]>").unwrap_or((cdata, ""));
            if depth == 0 {
                out.push_str(&fold_line_ends(raw));
            }
            after
        } else {
            let end = tag_end(markup);
            let tag = markup.get(..end).unwrap_or(markup);
            if tag.starts_with("</") {
                depth = depth.saturating_sub(1);
            } else if !tag.ends_with("/>") {
                depth += 1;
            }
            markup.get(end..).unwrap_or_default()
        };
    }
    Cow::Owned(out)
}

fn push_text(raw: &str, depth: usize, out: &mut String) {
    if depth == 0 {
        push_unescaped(&fold_line_ends(raw), out);
    }
}

fn fold_line_ends(raw: &str) -> Cow<'_, str> {
    if raw.contains('\r') {
        Cow::Owned(raw.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(raw)
    }
}

/// One past the `>` of the tag at the start of `markup`; a `>` inside quotes does not count.
fn tag_end(markup: &str) -> usize {
    let mut quote = None;
    for (at, byte) in markup.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return at + 1,
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
    }
    markup.len()
}

/// Reads the reference at the start of `bytes` (which begins with `&`): the character and the bytes used.
/// `None` for garbage, `Some(None)` when more bytes are needed.
pub(super) fn parse_reference(bytes: &[u8]) -> Option<Option<(char, usize)>> {
    let window = bytes.get(..bytes.len().min(LONGEST_REFERENCE))?;
    let body = window.get(1..)?;
    let Some(length) = body.iter().position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'#') else {
        return (window.len() < LONGEST_REFERENCE).then_some(None);
    };
    if body.get(length) != Some(&b';') {
        return None;
    }
    let character = match body.get(..length)? {
        b"lt" => '<',
        b"gt" => '>',
        b"amp" => '&',
        b"quot" => '"',
        b"apos" => '\'',
        [b'#', b'x', digits @ ..] => parse_character(digits, 16)?,
        [b'#', digits @ ..] => parse_character(digits, 10)?,
        _ => return None,
    };
    Some(Some((character, length + 2)))
}

fn parse_character(digits: &[u8], radix: u32) -> Option<char> {
    let mut code = 0_u32;
    if digits.is_empty() {
        return None;
    }
    for digit in digits {
        code = code.checked_mul(radix)?.checked_add(char::from(*digit).to_digit(radix)?)?;
    }
    char::from_u32(code).filter(|character| is_xml_character(*character))
}

/// Whether XML 1.0 §2.2 allows the character at all.
pub fn is_xml_character(character: char) -> bool {
    match character {
        '\t' | '\n' | '\r' => true,
        '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => false,
        _ => true,
    }
}

/// Appends `text` so that it may stand in element content. Characters that XML cannot hold are left out,
/// because one of them would end the stream of whoever reads it.
pub fn print_text(text: &str, out: &mut Vec<u8>) {
    print_escaped(text, out, false);
}

/// Appends `text` so that it may stand between single or double quotes.
pub fn print_attribute(text: &str, out: &mut Vec<u8>) {
    print_escaped(text, out, true);
}

/// Appends ` name='value'`.
pub fn print_named(name: &str, value: &str, out: &mut Vec<u8>) {
    out.push(b' ');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"='");
    print_attribute(value, out);
    out.push(b'\'');
}

fn print_escaped(text: &str, out: &mut Vec<u8>, quoted: bool) {
    if text
        .bytes()
        .all(|byte| (b' '..0x80).contains(&byte) && !matches!(byte, b'<' | b'>' | b'&' | b'"' | b'\''))
    {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    for character in text.chars().filter(|character| is_xml_character(*character)) {
        match character {
            '<' => out.extend_from_slice(b"&lt;"),
            '>' => out.extend_from_slice(b"&gt;"),
            '&' => out.extend_from_slice(b"&amp;"),
            '"' if quoted => out.extend_from_slice(b"&quot;"),
            '\'' if quoted => out.extend_from_slice(b"&apos;"),
            '\r' => out.extend_from_slice(b"&#xd;"),
            '\n' if quoted => out.extend_from_slice(b"&#xa;"),
            '\t' if quoted => out.extend_from_slice(b"&#x9;"),
            plain => out.extend_from_slice(plain.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// `&#x10FFFF;` and `&#1114111;` are the longest references that mean anything.
const LONGEST_REFERENCE: usize = 10;
