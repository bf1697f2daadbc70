//! The XMPP door.

pub mod sasl;
pub mod stanza;
