//! XEP-0114: programs of the operator's that have a domain of their own and connect to us, with a secret for each.
//!
//! To the accounts a service is like another server whose domain needs no proof but the secret: what they have for
//! it waits in a [`Link`](super::link::Link), what it says is received as from any other domain, under the same
//! policy. It may speak as any address of its domain, to our accounts, to other services and, unless the operator
//! keeps it from them, to other servers: those find its domain at our listeners and prove theirs as for one of ours.
//!
//! # Invariants
//!
//! - Nothing is taken from a connection before its proof, and nothing after it that is not from its own domain.
//! - One connection speaks for a domain at a time.
//! - What is for a service that is not here is refused at once; what waits for one is bounded by number and bytes.

mod config;
mod passing;
mod services;
mod session;

pub use config::{Config, Service};
pub(super) use passing::pass_on;
pub(in crate::xmpp) use services::Services;
pub(super) use session::serve;
