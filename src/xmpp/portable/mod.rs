//! XEP-0227: an account as a file that other servers read, and the files of other servers.
//!
//! [`export()`] writes what an account has; [`import()`] makes accounts of what a file has. Passwords leave only as the
//! verifiers of SCRAM. Everything that an account cannot take over is named to whoever imports.
//!
//! # Invariants
//!
//! - No part of a file is held in memory but one child of a user at a time, and that is bounded.
//! - An account that is there already is changed only where the operator said so.
//! - Nothing is left out without a word.

mod export;
mod import;
mod pieces;
mod read;

pub use export::export;
pub use import::{ImportChoice, import};

/// Why an account was not written, or a file not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum PortableError {
    /// The account cannot be read or changed.
    #[error(transparent)]
    Account(#[from] crate::admin::AdminError),
    /// A file cannot be read or written.
    #[error("{0}")]
    File(#[from] std::io::Error),
    /// A file is not what it should be: where, and what is wrong.
    #[error("{file}: {what}")]
    Content { file: String, what: String },
}

const PIE: &str = "urn:xmpp:pie:0";
const SCRAM: &str = "urn:xmpp:pie:0#scram";
const ARCHIVE: &str = "urn:xmpp:pie:0#mam";
const PUBSUB: &str = "http://jabber.org/protocol/pubsub";
const PUBSUB_OWNER: &str = "http://jabber.org/protocol/pubsub#owner";
