//! XMPP clients against the whole server in raw text, for what must be exact. Real clients are in `xmpp_interop`.

mod archive;
mod blocking;
mod eventing;
mod login;
mod messages;
mod presence;
mod resumption;
mod server;
mod stream;
mod strict;
