//! The listeners of this room, and what all their connections share.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

use super::{
    Config, conversation,
    federation::Services,
    login,
    registration::Pace,
    resumption::{self, Found, Seats},
    stream::{Settings, StreamLimits, Unacknowledged},
    web::{
        self,
        bosh::{Bosh, Newcomer},
    },
    xep::{
        announced::{Announced, Directory},
        caps,
        interests::Interests,
        push::Pushes,
    },
};
use crate::{
    account::Accounts,
    admin::Admin,
    auth::Authenticator,
    net::{Acceptor, BindError, Gate, Limits, Listener, ShutdownSignal, Stream, Tasks, Tls},
    signal::{Address, Reject, Timestamp},
};

/// What the door needs of the rest of the house.
#[derive(Clone)]
pub struct Parts {
    pub accounts: Accounts,
    pub authenticator: Authenticator,
    pub tls: Arc<Tls>,
    pub gate: Gate,
    pub limits: Limits,
    pub admin: Admin,
    /// Whether there is a web listener: files are taken there.
    pub has_web: bool,
}

/// Bound listeners, ready to serve.
pub struct Door {
    listeners: Vec<(Entrance, Listener)>,
    /// Streams that go on after the last process ended.
    found: Vec<Found>,
    /// Streams in requests and answers whose task is to be started.
    newcomers: mpsc::Receiver<Newcomer>,
    shared: Arc<Shared>,
}

/// What the server answers by itself, whoever asks. Cheap to clone.
#[derive(Clone)]
pub struct Answers(pub(super) Arc<Shared>);

/// How a connection begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entrance {
    /// In the clear, and must become TLS.
    StartTls,
    /// With TLS.
    DirectTls,
    /// In the clear for good, on a loopback address.
    Plain,
    /// Carried by HTTP, with TLS or from a loopback address.
    Web,
}

impl Entrance {
    /// What an operator calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::StartTls => "STARTTLS",
            Self::DirectTls => "TLS",
            Self::Plain => "without TLS",
            Self::Web => "web",
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
    pub(super) admin: Admin,
    pub(super) pace: Pace,
    pub(super) seats: Arc<Seats>,
    /// What resources of the server's choice are made with.
    pub(super) secret: [u8; 32],
    /// When the server began.
    pub(super) started: Instant,
    /// What clients want to hear of, by the hashes of their features.
    pub(super) interests: Interests,
    /// For STARTTLS, without ALPN.
    pub(super) acceptor: Acceptor,
    /// What the configuration makes the server announce.
    pub(super) announced: Announced,
    /// Calls to devices that sleep.
    pub(super) pushes: Arc<Pushes>,
    /// The streams in requests and answers.
    pub(super) bosh: Bosh,
    pub(super) gate: Gate,
    /// Where the web listeners are found from outside, `https://example.org:5281`.
    web_address: OnceLock<String>,
    /// Programs with domains of their own that may be here.
    services: OnceLock<Arc<Services>>,
}

impl Shared {
    /// How much a client may leave unacknowledged.
    pub(super) fn most_unacknowledged(&self) -> Unacknowledged {
        Unacknowledged { stanzas: self.config.unacknowledged, bytes: self.limits.outgoing_bytes }
    }

    /// Where the web listeners are found from outside, scheme, host and port; empty where there are none.
    pub(super) fn web_address(&self) -> &str {
        self.web_address.get().map_or("", String::as_str)
    }

    /// Names the programs that may be here. Once, before serving.
    pub(super) fn set_services(&self, services: Arc<Services>) {
        let _ = self.services.set(services);
    }

    /// The programs with domains of their own that are here, each with its name for people.
    pub(super) fn services(&self) -> Vec<(&Address, Option<&str>)> {
        self.services.get().map_or_else(Vec::new, |services| services.present())
    }

    /// Where shared files are found; empty where none are taken.
    pub(super) fn uploads(&self) -> String {
        let (base, path) = (self.web_address(), &self.config.upload);
        let is_open = !base.is_empty() && !path.is_empty() && self.accounts.file_bytes() > 0;
        if is_open { format!("{base}{path}") } else { String::new() }
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
                    Entrance::StartTls | Entrance::Plain | Entrance::Web => listener,
                };
                listeners.push((entrance, listener));
            }
        }
        let (bosh, newcomers) = Bosh::new();
        let shared = Arc::new(Shared::new(config, parts, bosh));
        let found = shared.seats.find(Timestamp::now()).map_err(OpenError::Memory)?;
        Ok(Self { listeners, found, newcomers, shared })
    }

    /// What the server answers by itself, for another door.
    #[must_use]
    pub fn answers(&self) -> Answers {
        Answers(Arc::clone(&self.shared))
    }

    /// The addresses in use, with the ports that were chosen for port 0.
    pub fn addresses(&self) -> impl Iterator<Item = (Entrance, SocketAddr)> {
        self.listeners.iter().map(|(entrance, listener)| (*entrance, listener.address()))
    }

    /// Says where the web listeners are found from outside, as in `https://example.org:5281`. Once, before serving.
    pub fn set_web_address(&self, address: String) {
        let _ = self.shared.web_address.set(address);
    }

    /// The routes by which streams come over the web listeners. Every request must have a
    /// [`Visitor`](crate::net::Visitor) and an [`Aftermath`](crate::net::Aftermath) among its extensions.
    pub fn router(&self, signal: ShutdownSignal) -> axum::Router {
        web::router(Arc::clone(&self.shared), signal)
    }

    /// Serves until the signal drains and every connection has ended.
    pub async fn serve(mut self, signal: ShutdownSignal) {
        let mut tasks = Tasks::new();
        for found in self.found {
            tasks.spawn(resumption::restore(Arc::clone(&self.shared), found, signal.clone()));
        }
        for (entrance, listener) in self.listeners {
            let (shared, signal) = (Arc::clone(&self.shared), signal.clone());
            tasks.spawn(async move {
                let stop = signal.clone();
                let handler = move |stream| serve(Arc::clone(&shared), entrance, stream, signal.clone());
                listener.serve(stop, handler).await;
            });
        }
        loop {
            let newcomer = tokio::select! {
                newcomer = self.newcomers.recv() => newcomer,
                () = tasks.reap() => continue,
                () = signal.draining() => break,
            };
            let Some(newcomer) = newcomer else { break };
            tasks.spawn(newcomer.live(Arc::clone(&self.shared), signal.clone()));
        }
        tasks.finish(&signal).await;
    }
}

impl Shared {
    fn new(config: &Config, parts: Parts, bosh: Bosh) -> Self {
        let domains = parts.accounts.domains().iter().map(|domain| domain.domain().to_owned()).collect();
        let limits = StreamLimits {
            before_login: parts.limits.unauthenticated_bytes,
            after_login: parts.limits.message_bytes,
            idle_seconds: config.ping_seconds,
        };
        let directory = if parts.accounts.has_directory() { Directory::Open } else { Directory::None };
        let file_bytes = if parts.has_web { parts.accounts.file_bytes() } else { 0 };
        let announced = Announced::new(config, file_bytes, directory);
        let (login_attempts, features) = (config.login_attempts, caps::print(&announced));
        let registration = config.registration;
        let pushes = Arc::new(Pushes::new(config));
        parts.accounts.rouse_by(Arc::<Pushes>::clone(&pushes));
        let settings = Settings { domains, login_attempts, features, limits, registration };
        Self {
            config: config.clone(),
            settings: Arc::new(settings),
            acceptor: parts.tls.acceptor(&[], parts.limits.handshake()),
            limits: parts.limits,
            seats: Seats::new(parts.accounts.memory("xmpp-streams")),
            started: Instant::now(),
            secret: parts.authenticator.secret("xmpp resources"),
            accounts: parts.accounts,
            authenticator: parts.authenticator,
            admin: parts.admin,
            pace: Pace::default(),
            interests: Interests::default(),
            announced,
            pushes,
            bosh,
            gate: parts.gate,
            web_address: OnceLock::new(),
            services: OnceLock::new(),
        }
    }
}

/// One connection's life.
pub(super) fn serve(
    shared: Arc<Shared>,
    entrance: Entrance,
    stream: Stream,
    signal: ShutdownSignal,
) -> impl Future<Output = ()> + Send {
    // Boxed: the state of a login is large, and gone once the session begins.
    let login = Box::pin(login::log_in(shared, entrance, stream));
    converse(login, signal)
}

async fn converse(login: Pin<Box<impl Future<Output = Option<login::Bound>>>>, signal: ShutdownSignal) {
    let bound = tokio::select! {
        bound = login => bound,
        () = signal.draining() => None,
    };
    if let Some(login::Bound { client, wire, queue }) = bound {
        conversation::run(client, wire, queue, signal).await;
    }
}
