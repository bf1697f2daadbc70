//! The SIP door.
