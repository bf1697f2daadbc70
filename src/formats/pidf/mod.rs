//! Presence documents: PIDF (RFC 3863) with the data model (RFC 4479), RPID (RFC 4480), CIPID (RFC 4482)
//! and service capabilities (RFC 5196), and the older and smaller formats that say less.
//!
//! [`Document::parse`] reads what somebody published, in any order of its parts, and keeps what it does
//! not understand; [`compose()`] makes one document of everything that an account shows, [`filter()`] takes
//! away what one watcher must not see, and [`Format`] writes it as he wants it ([`choose`]).
//!
//! # Invariants
//!
//! - A document is always composed anew: parts of published documents are never pasted together.
//! - What is composed is valid against the schemas of all namespaces named above, whatever was published;
//!   an extension that would not be is left out.
//! - Ids of tuples stay as published unless two are the same.

mod activity;
mod compose;
mod diff;
mod element;
mod filter;
mod format;
mod icon;
mod identity;
mod lpidf;
mod merge;
mod model;
mod neutral;
mod read;
mod schema;
#[cfg(test)]
mod tests;
mod tree;
mod uri;
mod write;
mod xpidf;

use compact_str::CompactString;

use crate::formats::percent;

pub use compose::{compose, tuple_id};
pub use element::{Attribute, Element, Namespace, Node};
pub use filter::filter;
pub use format::{Format, choose, print_changes, print_full};
pub use model::{Basic, Contact, Device, Document, Extended, Moment, Person, PidfError, Status, Tuple};

use crate::signal::Availability;

/// The media type of PIDF.
pub const MEDIA_TYPE: &str = "application/pidf+xml";
/// The media type of PIDF before it was an RFC.
pub const CPIM_MEDIA_TYPE: &str = "application/cpim-pidf+xml";

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
    if text.contains(':') { text.into() } else { percent::unescape(text).into() }
}

const PIDF: &str = "urn:ietf:params:xml:ns:pidf";
/// The namespace of PIDF before it was an RFC; the elements are the same.
const CPIM_PIDF: &str = "urn:ietf:params:xml:ns:cpim-pidf";
const PIDF_DIFF: &str = "urn:ietf:params:xml:ns:pidf-diff";
const DATA_MODEL: &str = "urn:ietf:params:xml:ns:pidf:data-model";
const RPID: &str = "urn:ietf:params:xml:ns:pidf:rpid";
const CIPID: &str = "urn:ietf:params:xml:ns:pidf:cipid";
const CAPS: &str = "urn:ietf:params:xml:ns:pidf:caps";
const AG_PROJECTS: &str = "urn:ag-projects:xml:ns:pidf";
const AG_PROJECTS_CAPS: &str = "urn:ag-projects:xml:ns:pidf:caps";
const CLIENT: &str = "jabber:client";

/// The namespaces that most documents use, with the prefixes they are written with; none for those that
/// are written as default namespace.
const KNOWN_NAMESPACES: &[(&str, &str)] = &[
    ("", PIDF),
    ("dm", DATA_MODEL),
    ("rpid", RPID),
    ("caps", CAPS),
    ("agp-pidf", AG_PROJECTS),
    ("c", CIPID),
    ("agp-caps", AG_PROJECTS_CAPS),
    ("", CLIENT),
    ("", CPIM_PIDF),
    ("", PIDF_DIFF),
];
