//! The XMPP door.
