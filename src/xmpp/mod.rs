//! The XMPP door: client connections of RFC 6120 and RFC 6121, with the extensions in `xep`.
//!
//! A connection is one task. It reads bytes into a scanner ([`stanza`]), negotiates ([`stream`], [`sasl`]) and
//! then is a session of the account: stanzas become signals, signals become stanzas (`translate`), and
//! what waits is written at once. Rules about rosters, presence and delivery are the account's.
//!
//! # Invariants
//!
//! - Only the connection's task touches its socket.
//! - A message passes from one client to another as the bytes it came in, under a new head; a tree is built
//!   only for what the server itself answers.
//! - A message is confirmed to the account once it is written, or acknowledged where the client does that;
//!   what is not confirmed goes back.
//! - An acknowledgement (XEP-0198) of a message says that it is delivered or stored.
//! - An idle session holds no buffer.

mod chance;
mod config;
mod conversation;
mod dispatch;
mod door;
mod login;
mod message;
mod presence;
mod queue;
mod resumption;
mod roster;
pub mod sasl;
mod session;
pub mod stanza;
pub mod stream;
mod translate;
mod wire;
mod xep;

pub use config::Config;
pub use door::{Door, Entrance, OpenError, Parts};
