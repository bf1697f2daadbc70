//! The XMPP door.

pub mod sasl;
pub mod stanza;
pub mod stream;
