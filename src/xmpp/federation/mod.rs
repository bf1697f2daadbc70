//! XMPP between servers (RFC 6120 §4 to §7, §10.4, §13): how people of other domains are reached, and how they
//! reach ours.
//!
//! What an account has for another domain comes by [`crate::account::Carrier`] and waits in the [`link::Link`] of
//! the two domains, until a stream of ours, or one of theirs that goes both ways (XEP-0288), carries it. A stream
//! that we open finds its server by `dns` and proves our name in `initiation`; one that they open proves theirs in
//! `reception`, by its certificate (XEP-0178) or by a question back (XEP-0220). Both then are a `talk`. What arrives
//! becomes signals in `receive`, and questions to our accounts are answered in `answer`. Services of the operator's
//! with domains of their own come in by `component`.
//!
//! # Invariants
//!
//! - Nothing is taken from a server for a pair of domains that it has not proved to speak for.
//! - The two negotiations are pure state; only `dial` and `talk` touch sockets.
//! - What another server acknowledges (XEP-0198) is ours until it does: when the connection breaks before, the stream
//!   goes on on the next one; where it cannot, what is left goes on another stream, once, and after that its sender is
//!   told.
//! - Every queue is bounded by number, bytes and age; what finds no room or no way is refused to its sender.
//! - A server that cannot be reached is not asked again before a while has passed, which grows each time.

mod album;
mod answer;
mod component;
mod config;
mod custody;
mod dial;
mod dns;
mod door;
mod faces;
mod guests;
mod initiation;
mod key;
mod link;
mod links;
mod pair;
mod pictures;
mod print;
mod receive;
mod reception;
mod resumption;
mod table;
mod talk;

pub(super) use component::Services;
pub use component::{Config as ComponentsConfig, Service};
pub use config::{Config, Route};
pub use door::{Door, Entrance, OpenError, Parts};
