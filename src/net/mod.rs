//! Listeners, TLS, limits and shutdown, written once for every door.
//!
//! The room knows sockets and nothing of what is said on them: no protocol's name or byte appears
//! here, except as an argument (an ALPN name, a size). A door binds a [`Listener`], gives it a
//! handler, and gets a [`Stream`] per connection, plain or TLS.
//!
//! # Invariants
//!
//! - Every connection has an owner: the accept loop that spawned it awaits or aborts it.
//! - No peer gets more than its share: every connection holds a place from [`Gate`], counted in
//!   total and per remote address (IPv6 by /64), for as long as its [`Stream`] lives.
//! - The TLS provider is always named explicitly (ring), never the process default.
//! - A failed reload changes nothing: the certificates in use stay in use.
//! - An idle connection holds no buffer of ours.

mod aftermath;
mod gate;
mod limits;
mod listener;
mod rate;
mod shutdown;
mod stream;
mod tls;
mod visitor;

pub use aftermath::{Aftermath, Aftermaths};
pub use gate::{Full, Gate, Place};
pub use limits::Limits;
pub use listener::{BindError, Listener, bind_udp};
pub use rate::{Gcra, Rate};
pub use shutdown::{Phase, Shutdown, ShutdownSignal, Tasks};
pub use stream::{Carrier, Stream};
pub use tls::{
    Acceptor, CertificateFiles, Connector, HandshakeError, MutualConnector, Proof, Tls, TlsConfig, TlsError,
    Trust,
};
pub use visitor::Visitor;
