//! Pure presence rules: many sessions to one state; who may see what.
//!
//! # Invariants
//!
//! - Functions of their arguments only: no clock, no I/O, no account state kept here.
//! - No protocol's presence words: doors translate to and from [`crate::signal::Presence`].

mod aggregate;
mod rules;
mod visibility;

pub use aggregate::{aggregate, during_call};
pub use rules::{Context, Verdict, Why, next_change, verdict};
pub use visibility::{Standing, is_session_seen, seen_by, standing};
