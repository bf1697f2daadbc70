//! The door of XCAP clients (RFC 4825): documents of accounts, and single nodes of them, over HTTP.
//!
//! It serves the paths below its root on the web listener, which gets it as a router and knows nothing of it.
//! What a document is, and what changing one means, is the `documents` room's; here are paths, credentials,
//! conditions and statuses.
//!
//! # Invariants
//!
//! - Nobody writes in the tree of another account or in the global tree, and nobody reads there what the
//!   application does not open to everybody; whatever the spelling of the path.
//! - Before who asks is known, nothing tells whether an account exists.
//! - A condition is checked against the very document that is then changed.
//! - Every 200 and 201 about a document that exists has its strong entity tag; every response has a length and
//!   no encoding. Errors of RFC 4825 §11 come with their document.
//! - Bodies are kept only after credentials were checked, and never more of them than a document may have; of what is
//!   refused a bounded part is thrown away.
//! - No credential and no document is logged.

mod answer;
mod body;
mod claims;
mod computed;
mod condition;
mod config;
mod conflict;
mod credentials;
mod door;
mod identity;
mod path;
mod read;
mod write;

pub use config::Config;
pub use door::{Parts, router};
