//! Rollcall: a self-hosted unified-communications account server.
//!
//! One account is one person, reached by SIP phones, XMPP clients and browsers at once. What is
//! true of the person (contacts, presence, policy, messages) is kept once, in the account.
//!
//! # The arrows
//!
//! ```text
//! signal                      the vocabulary: plain data, no I/O, no protocol
//!   ^
//! formats  presence  storage  bus
//!   ^          ^        ^      ^
//! auth      account ----+------+      the account: rules as a pure state machine, a shell around it
//!   ^          ^
//!   |      documents                  XML documents of the account, kept in step with it
//!   |          ^
//!   |          |      admin           what operators and administrators may have done, beside the account
//!   |          |        ^
//!   sip xcap   |   api  xmpp          the doors: each translates its wire to signals
//!              ^
//!   config  control  cli  server      composition root: wiring and administration
//!   webhook                           what rules tell programs: knows signal and net alone
//! ```
//!
//! - A door imports `signal`, `formats`, `net`, `auth` and `account`. Never another door, never
//!   `storage`, `bus` or `presence`. `api` and `xmpp` let administrators in and so know `admin` too,
//!   which stands beside `account` and knows no door.
//! - `documents` stands above `account` and knows `signal` and `formats` besides; `sip`, `xcap` and `api`
//!   may know it. It names no status of HTTP and no header of SIP.
//! - `account` names no protocol: no header, element, status code, XML or SIP type.
//! - `tests/it/architecture.rs` reads the `use` lines and fails on a wrong arrow.

pub mod account;
pub mod admin;
pub mod api;
pub mod auth;
pub mod bus;
pub mod cli;
pub mod config;
pub mod control;
pub mod documents;
pub mod formats;
pub mod net;
pub mod presence;
pub mod server;
pub mod signal;
pub mod sip;
pub mod storage;
pub mod webhook;
pub mod welcome;
pub mod xcap;
pub mod xmpp;
