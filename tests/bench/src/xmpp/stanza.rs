//! The messages that are sent: a number, the time, padding. Whoever gets one knows whether it is the next
//! one, and how long it took.

use std::fmt::Write as _;

use anyhow::{Context as _, bail};
use memchr::{memchr, memmem};

use crate::measure::now_ns;

/// A chat message of `size` bytes in all; `extra` are further children.
pub fn write_message(out: &mut String, to: &str, number: u32, size: usize, extra: &str) {
    let start = out.len();
    let _ = write!(out, "<message to='{to}' type='chat' id='m{number:08}'><body>{} ", stamp(number));
    let rest = "</body></message>".len() + extra.len();
    while out.len() - start + rest < size {
        out.push('x');
    }
    out.push_str("</body>");
    out.push_str(extra);
    out.push_str("</message>");
}

/// A number and the time, in 25 characters.
pub fn stamp(number: u32) -> String {
    format!("{number:08} {:016x}", now_ns())
}

/// The number and the time of a stamp at the start of `text`.
pub fn read_stamp(text: &[u8]) -> Option<(u32, u64)> {
    let text = std::str::from_utf8(text.get(..25)?).ok()?;
    let (number, time) = text.split_once(' ')?;
    Some((number.parse().ok()?, u64::from_str_radix(time, 16).ok()?))
}

/// The stamp of a message, or `None` for any other stanza.
///
/// # Errors
/// A message that is an error, or has another text.
pub fn read_message(stanza: &[u8]) -> anyhow::Result<Option<(u32, u64)>> {
    if !stanza.starts_with(b"<message") {
        return Ok(None);
    }
    if is_error(stanza) {
        bail!("{}", String::from_utf8_lossy(stanza));
    }
    let Some(text) = inside(stanza, b"<body>") else { return Ok(None) };
    let stamp =
        read_stamp(text).with_context(|| format!("unknown text {}", String::from_utf8_lossy(stanza)))?;
    Ok(Some(stamp))
}

/// What follows `mark`.
pub fn inside<'a>(stanza: &'a [u8], mark: &[u8]) -> Option<&'a [u8]> {
    stanza.get(memmem::find(stanza, mark)? + mark.len()..)
}

/// What stands between `from` and `to`.
pub fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(from)?;
    rest.split_once(to).map(|(inside, _)| inside)
}

/// Whether the stanza's own type is `error`.
pub fn is_error(stanza: &[u8]) -> bool {
    let tag = stanza.get(..memchr(b'>', stanza).unwrap_or(stanza.len())).unwrap_or_default();
    memmem::find(tag, b"type='error'").is_some() || memmem::find(tag, b"type=\"error\"").is_some()
}
