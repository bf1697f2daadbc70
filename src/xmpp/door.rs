//! The listeners of this room, and what all their connections share.

use std::{net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use super::{
    Config, conversation, login,
    resumption::{self, Found, Seats},
    stream::{Settings, Unacknowledged},
    xep::{caps, interests::Interests},
};
use crate::{
    account::Accounts,
    auth::Authenticator,
    net::{Acceptor, BindError, Gate, Limits, Listener, ShutdownSignal, Tasks, Tls},
    signal::{Reject, Timestamp},
};

/// What the door needs of the rest of the house.
#[derive(Clone)]
pub struct Parts {
    pub accounts: Accounts,
    pub authenticator: Authenticator,
    pub tls: Arc<Tls>,
    pub gate: Gate,
    pub limits: Limits,
}

/// Bound listeners, ready to serve.
pub struct Door {
    listeners: Vec<(Entrance, Listener)>,
    /// Streams that go on after the last process ended.
    found: Vec<Found>,
    shared: Arc<Shared>,
}

/// How a connection begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entrance {
    /// In the clear, and must become TLS.
    StartTls,
    /// With TLS.
    DirectTls,
    /// In the clear for good, on a loopback address.
    Plain,
}

impl Entrance {
    /// What an operator calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::StartTls => "STARTTLS",
            Self::DirectTls => "TLS",
            Self::Plain => "without TLS",
        }
    }
}

/// Why the door cannot open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The configuration is out of range.
    #[error("{0}")]
    Config(String),
    /// An address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// What an earlier process left cannot be read.
    #[error("streams to resume cannot be read: {0}")]
    Memory(Reject),
}

/// What all connections share.
pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) settings: Arc<Settings>,
    pub(super) limits: Limits,
    pub(super) accounts: Accounts,
    pub(super) authenticator: Authenticator,
    pub(super) seats: Arc<Seats>,
    /// What clients want to hear of, by the hashes of their features.
    pub(super) interests: Interests,
    /// For STARTTLS, without ALPN.
    pub(super) acceptor: Acceptor,
}

impl Shared {
    /// How much a client may leave unacknowledged.
    pub(super) fn most_unacknowledged(&self) -> Unacknowledged {
        Unacknowledged { stanzas: self.config.unacknowledged, bytes: self.limits.outgoing_bytes }
    }

    pub(super) fn patience(&self) -> Duration {
        Duration::from_secs(self.config.patience_seconds.into())
    }
}

impl Door {
    /// Listens on every configured address, or on none.
    ///
    /// # Errors
    /// The configuration is out of range (a plain listener beyond loopback, for one), or an address cannot be
    /// listened on.
    pub fn open(config: &Config, parts: Parts) -> Result<Self, OpenError> {
        config.check().map_err(OpenError::Config)?;
        let direct = parts.tls.acceptor(&["xmpp-client"], parts.limits.handshake());
        let mut listeners = Vec::new();
        for (entrance, name, addresses) in [
            (Entrance::StartTls, "xmpp", &config.starttls),
            (Entrance::DirectTls, "xmpps", &config.direct_tls),
            (Entrance::Plain, "xmpp-plain", &config.plain),
        ] {
            for listener in Listener::bind_all(name, addresses, &parts.gate)? {
                let listener = match entrance {
                    Entrance::DirectTls => listener.with_direct_tls(direct.clone()),
                    Entrance::StartTls | Entrance::Plain => listener,
                };
                listeners.push((entrance, listener));
            }
        }
        let shared = Arc::new(Shared::new(config, parts));
        let found = shared.seats.find(Timestamp::now()).map_err(OpenError::Memory)?;
        Ok(Self { listeners, found, shared })
    }

    /// The addresses in use, with the ports that were chosen for port 0.
    pub fn addresses(&self) -> impl Iterator<Item = (Entrance, SocketAddr)> {
        self.listeners.iter().map(|(entrance, listener)| (*entrance, listener.address()))
    }

    /// Serves until the signal drains and every connection has ended.
    pub async fn serve(self, signal: ShutdownSignal) {
        let mut tasks = Tasks::new();
        for found in self.found {
            tasks.spawn(resumption::restore(Arc::clone(&self.shared), found, signal.clone()));
        }
        for (entrance, listener) in self.listeners {
            let (shared, signal) = (Arc::clone(&self.shared), signal.clone());
            tasks.spawn(async move {
                let stop = signal.clone();
                let handler = move |stream| {
                    // Boxed: the state of a login is large, and gone once the session begins.
                    let login = Box::pin(login::log_in(Arc::clone(&shared), entrance, stream));
                    converse(login, signal.clone())
                };
                listener.serve(stop, handler).await;
            });
        }
        tasks.finish(&signal).await;
    }
}

impl Shared {
    fn new(config: &Config, parts: Parts) -> Self {
        let domains = parts.accounts.domains().iter().map(|domain| domain.domain().to_owned()).collect();
        let settings = Settings { domains, login_attempts: config.login_attempts, features: caps::print() };
        Self {
            config: config.clone(),
            settings: Arc::new(settings),
            acceptor: parts.tls.acceptor(&[], parts.limits.handshake()),
            limits: parts.limits,
            seats: Seats::new(parts.accounts.memory("xmpp-streams")),
            accounts: parts.accounts,
            authenticator: parts.authenticator,
            interests: Interests::default(),
        }
    }
}

/// One connection's life.
async fn converse(login: Pin<Box<impl Future<Output = Option<login::Bound>>>>, signal: ShutdownSignal) {
    let bound = tokio::select! {
        bound = login => bound,
        () = signal.draining() => None,
    };
    if let Some(login::Bound { client, wire, queue }) = bound {
        conversation::run(client, wire, queue, signal).await;
    }
}
