//! Tells programs on the web what automated rules want them to know: one HTTP POST each (RFC 9110), signed.
//!
//! A call is tried a few times and then given up. Whoever gives it keeps it until then, over a restart, too; after one
//! it is tried as often again.
//!
//! # Invariants
//!
//! - The address that is called is the address that was checked: none of this machine or of a private
//!   network, unless the operator allows it. Redirections are not followed.
//! - Calls at a time, tries, time and bytes of an answer are bounded. One address that does not answer holds
//!   up no other for longer than its time.
//! - Neither keys nor texts are logged.

mod caller;
mod config;
mod guard;
mod request;

pub use caller::Caller;
pub use config::Config;
