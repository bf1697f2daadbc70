//! The stream: from the first byte to a bound resource, and how it ends (RFC 6120 §4 to §7, XEP-0198, XEP-0386,
//! XEP-0388, XEP-0478, XEP-0480, XEP-0484).
//!
//! [`Negotiation`] and [`Management`] are pure state; sockets, TLS, passwords and randomness belong to the
//! connection task in [`crate::xmpp`].
//!
//! # Invariants
//!
//! - Nothing but negotiation, and the making of an account, is answered before a resource is bound.
//! - Where TLS is required, no mechanism is offered before it.
//! - A stream error is the last thing on a stream, and always follows a stream header.
//! - The number of failed logins on one stream is bounded.

mod bind2;
mod error;
mod fast;
mod features;
mod limits;
mod login;
mod management;
mod negotiation;
mod registration;
mod sasl2;
mod upgrade;

#[cfg(test)]
mod tests;

pub use bind2::{Request as BindRequest, Resumable};
pub use error::{Condition, StreamError};
pub use features::StartTls;
pub use limits::StreamLimits;
pub(in crate::xmpp) use management::print_failed;
pub use management::{Management, Reply, Ticket, Unacknowledged};
pub use negotiation::{Action, Ask, Negotiation, Resume, Settings, Welcome};
pub use registration::Registration;
