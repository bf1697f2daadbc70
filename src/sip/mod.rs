//! The SIP door: the wire of phones, translated to signals.
//!
//! The lower half knows nothing of accounts: [`message`] reads and writes bytes, `transaction` keeps
//! the machines of RFC 3261 §17 and RFC 6026, `transport` owns the sockets.

pub mod message;
