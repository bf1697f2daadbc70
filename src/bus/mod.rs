//! Carries signals to the account they are for, wherever it lives.
//!
//! Today every account lives in this process, and the [`Bus`] hands a signal straight to whoever
//! receives for it. Nodes of a cluster will be another kind of bus behind the same door.
//!
//! # Invariants
//!
//! - An [`Envelope`] is plain data: it could be sent to another machine.
//! - Signals from one account to another arrive in the order in which they were sent.
//! - The bus decides nothing: who may say what is the account's business.

mod local;

pub use local::{Bus, Envelope, Receive};
