//! Transactions: the machines of RFC 3261 §17 with RFC 6026, and the layer that finds the right one for
//! each message, arms its timers and sends what it says. It knows no dialog and no account.
//!
//! The machines are pure: an event in, [`machine::Action`]s out, timers as returned data, so 32 seconds
//! pass in no time in a test. [`Layer`] is their shell; [`TransactionUser`] is what stands above it.
//!
//! # Invariants
//! - A machine has no clock, no socket and no task; one file each, states in the order of the RFC.
//! - One task fires all timers; no task is made for a transaction.
//! - No lock is held while the transaction user is called or a message is sent.
//! - The table is bounded: beyond the bound answered transactions are forgotten, the oldest first, and when
//!   none is left new requests get 503.
//! - A request is handed up once, however often it comes; its last response is sent again from memory.

mod answered;
mod client;
mod connections;
mod invite_client;
mod invite_server;
mod key;
mod layer;
mod machine;
mod prepared;
mod receive;
mod request;
mod send;
mod server;
mod table;
mod timers;
mod user;

#[cfg(test)]
mod tests;

pub use key::TransactionKey;
pub use layer::{Config, Layer};
pub use prepared::Prepared;
pub use timers::Timers;
pub use user::{
    ClientEvent, ClientTransaction, Failure, IncomingRequest, ServerTransaction, TransactionUser,
};
