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
//! - Whether an account exists cannot be told from an answer; a password in the clear takes as long
//!   to check for an account that does not.
//! - Every guess is counted by account and by address; every table here has a bound.
//! - Argon2 runs on threads that may block, never more at once than configured; so many more wait as
//!   configured, of one network a quarter of them; who finds no place is told that the server is busy.
//! - After a change of password nothing of the old one is accepted, and [`Changed`] is sent.

mod accounts;
mod authenticator;
mod clients;
mod config;
mod credential;
mod digest;
mod error;
mod fast;
mod invitation;
mod key;
mod nonce;
mod password;
mod recent;
mod scram;
mod throttle;
mod token;
mod turns;
mod upgrade;

pub use accounts::{Device, NewDevice};
pub use authenticator::{Authenticator, Change, Changed, Login};
pub use clients::{Agent, KnownClient, Noted, Wishes};
pub use config::Config;
pub use digest::{DigestAlgorithm, DigestResponse, DigestVerdict, Qop, QopUse};
pub use error::AuthError;
pub use fast::{FastBinding, FastProof, FastToken};
pub use invitation::{Invitation, OpenInvitation};
pub use nonce::flow_of;
pub use scram::{ScramHash, ScramVerifier};
pub use upgrade::ScramTask;

pub use crate::storage::{AccountSummary, TokenKind, TokenRecord};
