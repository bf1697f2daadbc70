//! The one integration binary: whole-server tests, and the checks on the sources.

mod architecture;
mod support;
mod xmpp;
mod xmpp_interop;
