//! Credentials and their verification: who somebody is, proved in the ways of every protocol.
//!
//! The door is [`Authenticator`]. When a password is set, all verifiers are made from it at once:
//! Argon2id for a password in the clear, SCRAM (RFC 5802, RFC 7677), and HTTP digest (RFC 7616,
//! RFC 8760). Headers and stanzas stay in the doors; this room sees their values only.
//!
//! # Invariants
//!
//! - A verifier leaves this room sealed by the key file, bound to its account; a stolen database
//!   alone cannot be attacked offline.
//! - Whether an account exists cannot be told from an answer or from the time it takes.
//! - Every guess is counted by account and by address; every table here has a bound.
//! - Argon2 runs on threads that may block, never more at once than configured.
//! - After a change of password nothing of the old one is accepted, and [`Changed`] is sent.

mod authenticator;
mod config;
mod digest;
mod error;
mod scram;

pub use authenticator::{Authenticator, Change, Changed, Device, Login, NewDevice};
pub use config::Config;
pub use digest::{DigestAlgorithm, DigestResponse, DigestVerdict, Qop, QopUse};
pub use error::AuthError;
pub use scram::{ScramHash, ScramVerifier};

pub use crate::storage::{AccountSummary, TokenKind, TokenRecord};
