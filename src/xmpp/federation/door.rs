//! The listeners of this room, what all its streams share, and who looks for ways.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::{Semaphore, mpsc},
    time::{sleep, timeout},
};
use tracing::{Instrument, debug, info, info_span, warn};

use super::{
    Config,
    album::{Album, Bounds},
    component::{self, Config as ComponentsConfig, Services},
    dial::{self, Reached},
    dns::Dns,
    initiation::Purpose,
    key::Secret,
    link::Link,
    links::Links,
    pair::Pair,
    pictures,
    reception::{self, Answer, Reception},
    resumption::Berths,
    talk::{self, Role},
};
use crate::{
    account::{Accounts, DomainReach},
    net::{Acceptor, BindError, Gate, Limits, Listener, MutualConnector, ShutdownSignal, Tasks, Tls, Trust},
    signal::Address,
    xmpp::{door::Answers, stanza, xep::caps},
};

/// What the door needs of the rest of the house.
#[derive(Clone)]
pub struct Parts {
    pub accounts: Accounts,
    pub answers: Answers,
    pub tls: Arc<Tls>,
    pub gate: Gate,
    pub limits: Limits,
}

/// Bound listeners, ready to serve, and the way out.
pub struct Door {
    listeners: Vec<(Entrance, Listener)>,
    /// Where services connect.
    components: Vec<Listener>,
    sought: mpsc::Receiver<Arc<Link>>,
    shared: Arc<Shared>,
}

/// How a connection of another server begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entrance {
    /// In the clear, and becomes TLS.
    StartTls,
    /// With TLS.
    DirectTls,
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
    /// The system has no random numbers.
    #[error("no random numbers: {0}")]
    Random(String),
}

/// What all streams share.
pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) components: ComponentsConfig,
    pub(super) settings: Arc<reception::Settings>,
    pub(super) limits: Limits,
    pub(super) accounts: Accounts,
    pub(super) answers: Answers,
    pub(super) links: Arc<Links>,
    /// Streams of other servers that may go on.
    pub(super) berths: Arc<Berths>,
    pub(super) dns: Dns,
    pub(super) trust: Trust,
    /// For STARTTLS, without ALPN.
    pub(super) acceptor: Acceptor,
    /// For STARTTLS, without ALPN.
    pub(super) connector: MutualConnector,
    pub(super) direct_connector: MutualConnector,
    /// Bounds how many keys are asked about at a time.
    asking: Semaphore,
}

impl Door {
    /// Listens on every configured address, or on none, and carries what the accounts have for other domains and for
    /// services.
    ///
    /// # Errors
    /// The configuration is out of range, or an address cannot be listened on.
    pub fn open(config: &Config, components: &ComponentsConfig, parts: Parts) -> Result<Self, OpenError> {
        config.check().map_err(OpenError::Config)?;
        components.check(parts.accounts.domains()).map_err(OpenError::Config)?;
        let direct = parts.tls.mutual_acceptor(&[ALPN], parts.limits.handshake());
        let mut listeners = Vec::new();
        for (entrance, name, addresses) in [
            (Entrance::StartTls, "xmpp-server", &config.starttls),
            (Entrance::DirectTls, "xmpps-server", &config.direct_tls),
        ] {
            let addresses = if config.enabled { addresses.as_slice() } else { &[] };
            for listener in Listener::bind_all(name, addresses, &parts.gate)? {
                let listener = match entrance {
                    Entrance::DirectTls => listener.with_direct_tls(direct.clone()),
                    Entrance::StartTls => listener,
                };
                listeners.push((entrance, listener));
            }
        }
        let addresses = if components.services.is_empty() { &[] } else { components.listen.as_slice() };
        let entrances = Listener::bind_all("xmpp-components", addresses, &parts.gate)?;
        let local = parts.accounts.domains().first().cloned();
        let local = local.ok_or_else(|| OpenError::Config("server.domains is empty".to_owned()))?;
        let services = Arc::new(Services::new(components, &local));
        parts.answers.0.set_services(Arc::clone(&services));
        let bounds = Bounds { pictures: config.pictures, bytes: config.picture_bytes };
        let album = Album::open(parts.accounts.memory("pictures"), bounds);
        let (links, sought) = Links::new(config, services, album);
        parts.accounts.carry_by(Arc::<Links>::clone(&links));
        let shared = Arc::new(Shared::new(config, components, parts, links)?);
        Ok(Self { listeners, components: entrances, sought, shared })
    }

    /// Where services connect, with the ports that were chosen for port 0.
    pub fn component_addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.components.iter().map(Listener::address)
    }

    /// The addresses in use, with the ports that were chosen for port 0.
    pub fn addresses(&self) -> impl Iterator<Item = (Entrance, SocketAddr)> {
        self.listeners.iter().map(|(entrance, listener)| (*entrance, listener.address()))
    }

    /// Serves until the signal drains and every stream has ended.
    pub async fn serve(self, signal: ShutdownSignal) {
        let mut tasks = Tasks::new();
        for (_, listener) in self.listeners {
            let (shared, signal) = (Arc::clone(&self.shared), signal.clone());
            tasks.spawn(async move {
                let stop = signal.clone();
                let handler = move |stream| talk::receive(Arc::clone(&shared), stream, signal.clone());
                listener.serve(stop, handler).await;
            });
        }
        for listener in self.components {
            let (shared, signal) = (Arc::clone(&self.shared), signal.clone());
            tasks.spawn(async move {
                let stop = signal.clone();
                let handler = move |stream| component::serve(Arc::clone(&shared), stream, signal.clone());
                listener.serve(stop, handler).await;
            });
        }
        let mut sought = self.sought;
        loop {
            let link = tokio::select! {
                link = sought.recv() => link,
                () = tasks.reap() => continue,
                () = sleep(pictures::PATIENCE) => {
                    self.shared.links.pictures.expire(Instant::now());
                    continue;
                }
                () = signal.draining() => break,
            };
            let Some(link) = link else { break };
            let span = info_span!("link", pair = %link.pair);
            tasks.spawn(carry(Arc::clone(&self.shared), link, signal.clone()).instrument(span));
        }
        // What still wants a way gets none: its senders are told.
        drop(sought);
        tasks.finish(&signal).await;
    }
}

/// Finds a way for what waits in a link, and carries it.
async fn carry(shared: Arc<Shared>, link: Arc<Link>, signal: ShutdownSignal) {
    let purpose = Purpose::Carry { acknowledges: link.acknowledges() };
    let found = tokio::select! {
        found = dial::dial(&shared, &link.pair, purpose) => found,
        () = signal.draining() => Err(crate::signal::Reason::RemoteTimeout.into()),
    };
    match found {
        Ok(Reached::Ready { wire, is_bidirectional, acknowledges }) => {
            info!(is_bidirectional, acknowledges, "stream to another server");
            if link.note_found() {
                shared.note_back(&link.pair);
            }
            let proved = if is_bidirectional { vec![link.pair.clone()] } else { Vec::new() };
            talk::run(shared, *wire, Role::Ours { proved, link, acknowledges }, signal).await;
        }
        Ok(Reached::Answered(_)) => {}
        Err(reject) => {
            info!(%reject, "no way to another server");
            if link.fail(&reject, Instant::now(), |failures| shared.config.pause(failures)) {
                shared.note_lost(&link.pair);
            }
        }
    }
}

impl Shared {
    fn new(
        config: &Config,
        components: &ComponentsConfig,
        parts: Parts,
        links: Arc<Links>,
    ) -> Result<Self, OpenError> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|error| OpenError::Random(error.to_string()))?;
        let trust = if config.enabled { Trust::open(&config.trusted) } else { Ok(Trust::nobody()) };
        let trust = trust.unwrap_or_else(|error| {
            warn!(%error, "no other server can be trusted by its certificate");
            Trust::nobody()
        });
        let federated = components.services.iter().filter(|service| service.federated);
        let federated = federated.map(|service| service.domain.clone());
        let settings = reception::Settings {
            domains: parts.accounts.domains().iter().cloned().chain(federated).collect(),
            features: caps::print(&parts.answers.0.announced),
            require_tls: config.require_tls,
            dialback: config.dialback,
            pairs: config.pairs,
            secret: Secret::new(&secret),
        };
        let limits = Limits { messages: config.stanzas, ..parts.limits };
        Ok(Self {
            settings: Arc::new(settings),
            accounts: parts.accounts,
            answers: parts.answers,
            links,
            berths: Arc::default(),
            dns: Dns::new(config),
            trust,
            acceptor: parts.tls.mutual_acceptor(&[], limits.handshake()),
            connector: MutualConnector::new(&parts.tls, &[], limits.handshake()),
            direct_connector: MutualConnector::new(&parts.tls, &[ALPN], limits.handshake()),
            asking: Semaphore::new(ASKING),
            limits,
            config: config.clone(),
            components: components.clone(),
        })
    }

    /// A new stream of theirs.
    pub(super) fn reception(&self) -> Reception {
        let (config, services) = (self.config.clone(), Arc::clone(&self.links.services));
        // Who speaks for a service comes with its secret.
        let allows = move |domain: &Address| config.allows(domain.domain()) && !services.has(domain);
        Reception::new(Arc::clone(&self.settings), Arc::new(allows))
    }

    /// What a server may send us that has not proved who it is.
    pub(super) fn limits_before_proof(&self) -> stanza::Limits {
        stanza::Limits { stanza_bytes: self.limits.unauthenticated_bytes, ..stanza::Limits::before_login() }
    }

    /// What any other server may send us.
    pub(super) fn limits_of_peers(&self) -> stanza::Limits {
        stanza::Limits {
            stanza_bytes: self.limits.message_bytes,
            depth: self.limits.depth,
            attributes: self.limits.attributes,
            ..stanza::Limits::default()
        }
    }

    /// Asks the server of the pair's remote domain whether it gave this key.
    pub(super) async fn ask(&self, pair: &Pair, stream_id: String, key: String) -> Answer {
        let Ok(Ok(_place)) = timeout(ASKING_WAIT, self.asking.acquire()).await else { return Answer::Busy };
        match dial::dial(self, pair, Purpose::Ask { stream_id, key }).await {
            Ok(Reached::Answered(true)) => Answer::Valid,
            Ok(Reached::Answered(false)) => Answer::Invalid,
            Ok(Reached::Ready { .. }) => Answer::None,
            Err(reject) => {
                debug!(%pair, %reject, "key cannot be checked");
                Answer::None
            }
        }
    }

    /// A domain cannot be reached any more.
    fn note_lost(&self, pair: &Pair) {
        // Whom a service does not reach the accounts may.
        if self.accounts.serves(pair.local.domain()) {
            self.accounts.note_reach(&pair.remote, DomainReach::Lost);
        }
    }

    /// A domain can be reached again.
    pub(super) fn note_back(&self, pair: &Pair) {
        if self.accounts.serves(pair.local.domain()) {
            self.accounts.note_reach(&pair.remote, DomainReach::Back);
        }
    }
}

/// XEP-0368 §4.
const ALPN: &str = "xmpp-server";
/// Keys that are asked about at a time.
const ASKING: usize = 100;
/// How long a key waits until it can be asked about.
const ASKING_WAIT: Duration = Duration::from_secs(5);
