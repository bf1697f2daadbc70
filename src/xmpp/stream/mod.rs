//! The stream: from the first byte to a bound resource, and how it ends (RFC 6120 §4 to §7, XEP-0198).
//!
//! [`Negotiation`] and [`Management`] are pure state; sockets, TLS, passwords and randomness belong to the
//! connection task in [`crate::xmpp`].
//!
//! # Invariants
//!
//! - Nothing but negotiation is answered before a resource is bound.
//! - Where TLS is required, no mechanism is offered before it.
//! - A stream error is the last thing on a stream, and always follows a stream header.
//! - The number of failed logins on one stream is bounded.

mod error;
mod features;
mod management;
mod negotiation;

#[cfg(test)]
mod tests;

pub use error::{Condition, StreamError};
pub use features::StartTls;
pub use management::{Management, Reply, Ticket, Unacknowledged};
pub use negotiation::{Action, Ask, Negotiation, Resume, Settings};
