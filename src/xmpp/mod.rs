//! The XMPP door: client connections of RFC 6120 and RFC 6121, with the extensions in `xep`.
//!
//! A connection is one task. It reads bytes into a scanner ([`stanza`]), negotiates ([`stream`], [`sasl`]) and
//! then is a session of the account: stanzas become signals, signals become stanzas (`translate`), and
//! what waits is written at once. A connection may be carried inside HTTP (`web`). Rules about rosters, presence and delivery are the account's.
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

mod beginning;
mod chance;
mod config;
mod conversation;
mod dispatch;
mod door;
mod federation;
mod job;
mod login;
mod message;
mod portable;
mod presence;
mod queue;
mod registration;
mod resumption;
mod roster;
pub mod sasl;
mod session;
mod shares;
pub mod stanza;
pub mod stream;
mod translate;
mod web;
mod wire;
mod xep;

#[cfg(test)]
mod tests;

pub use config::Config;
pub use door::{Answers, Door, Entrance, OpenError, Parts};
pub use federation::{
    ComponentsConfig, Config as FederationConfig, Door as Federation, Entrance as FederationEntrance,
    OpenError as FederationError, Parts as FederationParts, Route, Service,
};
pub use portable::{ImportChoice, PortableError, export, import};
