//! The one integration binary: whole-server tests, and the checks on the sources.

mod architecture;
mod operator;
mod support;
mod xmpp_interop;
