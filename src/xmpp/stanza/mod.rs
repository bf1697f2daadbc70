//! From a byte stream to stanzas and back, without trees on the way (RFC 6120 §4, §8, §11).
//!
//! The scanner checks that what came is well-formed and finds the envelope; the children stay the bytes they
//! came in; sending on is splicing a new head before them. Nothing here knows what a stanza means.
//!
//! # Invariants
//!
//! - A stanza that the scanner lets through is accepted by any namespace-aware XML parser.
//! - Memory is bounded by [`Limits`], whatever the peer sends and in whatever pieces.
//! - Every byte is looked at a bounded number of times.
//! - No tree is built before the depth was capped.

mod error;
mod head;
mod header;
mod limits;
mod names;
mod namespace;
mod scan;
#[expect(clippy::module_inception, reason = "the stanza is what this room is about")]
mod stanza;
mod tag;
mod text;

#[cfg(test)]
mod tests;

pub use error::Error;
pub use head::{Head, Jid, print_addressed};
pub use header::Header;
pub use limits::Limits;
pub use scan::{Event, Scanner};
pub use stanza::{ChildView, Kind, Stanza};
pub use text::{is_xml_character, print_attribute, print_named, print_text, unescape};

/// The content namespace of a client's stream.
pub const CLIENT: &str = "jabber:client";
/// The content namespace of a stream between servers.
pub const SERVER: &str = "jabber:server";
/// The content namespace of the stream of a component (XEP-0114).
pub const COMPONENT: &str = "jabber:component:accept";
