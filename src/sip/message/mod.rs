//! SIP messages as bytes with offsets (RFC 3261 §7, §25): read by one scan, looked at through typed
//! views made on demand, written from scratch or by splicing. Transport and rules stand above this room;
//! it knows no socket, no clock and no transaction.
//!
//! Read with [`Message::parse_datagram`] or [`Framer::next`]; check the mandatory headers with
//! [`Message::check_request`] or [`Message::check_response`]; make with [`Builder`]; forward with
//! [`Message::splice`].
//!
//! ```
//! use rollcall::sip::message::{Builder, HeaderName, Limits, Message};
//!
//! let bytes = "OPTIONS sip:a@example.org SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
//!              From: <sip:b@example.org>;tag=1\r\nTo: <sip:a@example.org>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n";
//! let request = Message::parse_datagram(bytes.into(), &Limits::default())?;
//! assert_eq!(request.from()?.tag(), Some("1"));
//! let answer = Builder::response_to(&request, 200, "tag2").header(HeaderName::Allow, "OPTIONS").finish();
//! assert_eq!(answer.to()?.tag(), Some("tag2"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Invariants
//! - A message keeps the bytes it came in; what is not edited goes out as it came in.
//! - One reader decides what `Content-Length` says, for framing on streams and for parsing alike.
//! - Every parser survives any input: a typed error, memory bounded by [`Limits`], no panic.
//! - Views are lazy: a header nobody asks for is never parsed and can never make a message fail.
//! - Header names are found in any case and by compact form; methods are case-sensitive.
//! - Nothing this room writes lets a value break out of its line: CR and LF become spaces.

mod address;
mod build;
mod check;
mod error;
mod host;
mod limits;
mod lines;
mod method;
mod name;
mod params;
mod parse;
mod plain;
mod reason;
mod span;
mod splice;
mod stamp;
mod stream;
mod tag;
mod text;
mod uri;
mod values;
mod via;
mod view;
mod write;

#[cfg(test)]
mod tests;

pub use address::{Contacts, NameAddr, Quality};
pub use build::Builder;
pub use error::{HeaderError, Malformed, ParseError};
pub use host::Host;
pub use limits::Limits;
pub use lines::{Lines, put_number};
pub use method::Method;
pub use name::HeaderName;
pub use params::Params;
pub use reason::reason_phrase;
pub use span::{Field, Message, StartLine};
pub use splice::Splice;
pub use stream::{Frame, Framer, is_keep_alive};
pub use uri::{Scheme, Uri, print_escaped_user};
pub use values::{AuthParams, CSeq, MediaType, TokenParams, parse_date, print_date};
pub use via::Via;
