//! The XMPP door.

pub mod stanza;
