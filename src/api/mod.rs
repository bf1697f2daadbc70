//! The door of browsers and programs: HTTP, and a WebSocket that is a session of the account.
//!
//! REST routes ask and change what an account keeps; the WebSocket is live. Everything is JSON with
//! camelCase keys, RFC 3339 times and text ids; `docs/api.md` is the contract in full. The page
//! itself is served from here too. No rule of the account is here: requests are translated, asked,
//! and the answers translated back.
//!
//! # Invariants
//!
//! - JSON and signals meet in `translate` only; reasons become statuses in `error` only.
//! - Every error of every route has one shape, `{"error": {"reason", "text"}}`.
//! - A cookie counts for a change, or a WebSocket, only where the request comes from our own page.
//! - A message counts as delivered when the client acknowledged it, not when it was written.
//! - Every body, frame, queue, window and rate has a bound; who does not keep up is disconnected.
//! - No password or token is logged.

mod access;
mod account;
mod administration;
mod archive;
mod assets;
mod avatar;
mod blocks;
mod config;
mod contacts;
mod directory;
mod error;
mod extract;
mod identity;
mod invitation;
mod invitations;
mod login;
mod pace;
mod pending;
mod policy;
mod presence;
mod reports;
mod rules;
mod server;
mod session;
mod translate;
mod window;

pub use config::Config;
pub use server::{Door, Parts};
