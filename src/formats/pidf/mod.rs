//! Presence documents: PIDF (RFC 3863) with the person of the data model (RFC 4479) and the activities
//! and idle times of RPID (RFC 4480).
//!
//! [`Document::parse`] reads what somebody published, in any order of its parts; [`print_snapshot`]
//! writes what a watcher may see, in the order that the schema wants. A document is always written
//! anew from the neutral state: parts of published documents are never pasted together.

mod activity;
mod read;
#[cfg(test)]
mod tests;
mod write;

use compact_str::CompactString;

pub use read::{Document, Extended, PidfError, Tuple};
pub use write::{print_offline, print_snapshot, tuple_id};

use crate::signal::Availability;

/// The media type of what is read and written here.
pub const MEDIA_TYPE: &str = "application/pidf+xml";

/// Words of `show` (RFC 6121 §4.7.2.1) that some documents carry within `status`.
fn show_of(availability: Availability, eager: bool) -> Option<&'static str> {
    match availability {
        Availability::Online if eager => Some("chat"),
        Availability::Away => Some("away"),
        Availability::ExtendedAway => Some("xa"),
        Availability::Busy => Some("dnd"),
        Availability::Online | Availability::Offline => None,
    }
}

/// Undoes `%3A` and kin. COMPAT(Blink): it escapes whole URIs, `sip%3Aalice%40example.org`.
fn unescape_uri(text: &str) -> CompactString {
    if text.contains(':') || !text.contains('%') {
        return text.into();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escaped = (*first == b'%')
            .then(|| tail.get(..2).and_then(|hex| str::from_utf8(hex).ok()))
            .flatten()
            .filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(escaped.unwrap_or(*first));
        rest = tail.get(if escaped.is_some() { 2 } else { 0 }..).unwrap_or_default();
    }
    String::from_utf8(bytes).map_or_else(|_| text.into(), CompactString::from)
}

const PIDF: &str = "urn:ietf:params:xml:ns:pidf";
/// The namespace of PIDF before it was an RFC; the elements are the same.
const CPIM_PIDF: &str = "urn:ietf:params:xml:ns:cpim-pidf";
const DATA_MODEL: &str = "urn:ietf:params:xml:ns:pidf:data-model";
const RPID: &str = "urn:ietf:params:xml:ns:pidf:rpid";
const AG_PROJECTS: &str = "urn:ag-projects:xml:ns:pidf";
const CLIENT: &str = "jabber:client";
