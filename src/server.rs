//! The composition root: opens the store, starts the doors, and stops everything in order.
//!
//! Wiring only: no rule, no protocol. [`Server::start`] gives a running server, in tests too;
//! [`serve`] runs one until the process is told to stop.

use std::{io::Write as _, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{broadcast, mpsc},
    time,
};
use tracing::{error, info, warn};

use crate::{
    account::{Accounts, CloseReason, Opened},
    admin::Admin,
    api,
    auth::{AuthError, Authenticator, Change, Changed},
    config::Config,
    control::Control,
    documents::{Documents, IconKeys},
    net::{BindError, Gate, Shutdown, ShutdownSignal, Tasks, Tls, TlsError},
    sip,
    storage::{Store, StoreError},
    webhook,
    welcome::{self, Welcome},
    xcap, xmpp,
};

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Auth(#[from] AuthError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Xmpp(#[from] xmpp::OpenError),
    #[error(transparent)]
    Federation(#[from] xmpp::FederationError),
    #[error(transparent)]
    Listen(#[from] BindError),
    #[error("signals cannot be heard: {0}")]
    Signals(std::io::Error),
    #[error(transparent)]
    Sip(#[from] sip::StartError),
}

/// A running server.
pub struct Server {
    accounts: Accounts,
    documents: Documents,
    authenticator: Authenticator,
    store: Store,
    tls: Arc<Tls>,
    xmpp: Vec<(xmpp::Entrance, SocketAddr)>,
    federation: Vec<(xmpp::FederationEntrance, SocketAddr)>,
    components: Vec<SocketAddr>,
    http: Vec<SocketAddr>,
    https: Vec<SocketAddr>,
    sip: sip::Addresses,
    admin: Admin,
    /// The path of the XCAP root; empty where no XCAP is served.
    xcap_root: String,
    shutdown: Shutdown,
    tasks: Tasks,
    drain: Duration,
}

/// The URI below which documents are served, as clients know it: where operators say nothing of it, on the first
/// domain.
fn xcap_root(config: &Config) -> String {
    let domain = config.server.domains.first().map(|domain| domain.domain_in_ascii()).unwrap_or_default();
    let page = config.api.public_url.clone().unwrap_or_else(|| format!("https://{domain}"));
    format!("{}{}/", page.trim_end_matches('/'), config.xcap.root)
}

/// Whether a web listener is wanted.
fn has_web(config: &Config) -> bool {
    !config.api.https.is_empty() || !config.api.http.is_empty()
}

/// Where the web listeners are found from outside, scheme, host and port: where operators say nothing of it, on the
/// first domain. Empty where there are none.
fn web_address(config: &Config, api: &api::Door) -> String {
    if let Some(url) = &config.api.public_url {
        return url.trim_end_matches('/').to_owned();
    }
    let domain = config.server.domains.first().map(|domain| domain.domain_in_ascii()).unwrap_or_default();
    match (api.https_addresses().first(), api.http_addresses().first()) {
        (Some(https), _) if https.port() == 443 => format!("https://{domain}"),
        (Some(https), _) => format!("https://{domain}:{}", https.port()),
        (None, Some(http)) => format!("http://{}", welcome::place(*http)),
        (None, None) => String::new(),
    }
}

impl Server {
    /// Starts a server: opens the data folder, then the listeners.
    ///
    /// # Errors
    /// What cannot be opened, in words for the operator.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let data_dir = config.server.data_dir.clone();
        let mut store_config = config.storage.clone();
        store_config.data_dir.clone_from(&data_dir);
        let store = blocking(move || Store::open(&store_config)).await?;
        let authenticator = Authenticator::open(config.auth.clone(), &data_dir, store.clone())?;
        let tls = Tls::open(&config.tls, &data_dir, &config.server.domain_names())?;
        let accounts = Accounts::new(store.clone(), config.server.domains.clone(), config.account.clone());
        accounts.load_rules().await?;
        let gate = Gate::new(&config.limits);
        let admin = Admin::new(accounts.clone(), authenticator.clone(), store.clone());
        let (shutdown, signal) = Shutdown::new();
        let xmpp = xmpp::Door::open(
            &config.xmpp,
            xmpp::Parts {
                accounts: accounts.clone(),
                authenticator: authenticator.clone(),
                tls: Arc::clone(&tls),
                gate: gate.clone(),
                limits: config.limits.clone(),
                admin: admin.clone(),
                has_web: has_web(&config),
            },
        )?;
        let federation = open_federation(&config, &accounts, xmpp.answers(), &tls, &gate)?;
        let documents = Documents::new(accounts.clone())
            .with_root(&config.xcap.root)
            .with_icon_keys(IconKeys::new(authenticator.secret("pictures")));
        let api = api::Door::open(
            &config.api,
            api::Parts {
                accounts: accounts.clone(),
                authenticator: authenticator.clone(),
                admin: admin.clone(),
                documents: documents.clone(),
                tls: Arc::clone(&tls),
                gate: gate.clone(),
                limits: config.limits.clone(),
                session_lifetime: Duration::from_secs(config.auth.session_seconds.into()),
                takes_guests: config.xmpp.takes_guests(),
                guests: xcap::router(
                    &config.xcap,
                    xcap::Parts {
                        accounts: accounts.clone(),
                        authenticator: authenticator.clone(),
                        documents: documents.clone(),
                    },
                ),
                long_guests: xmpp.router(signal.clone()),
            },
        )?;
        xmpp.set_web_address(web_address(&config, &api));
        let sip = sip::start(
            config.sip.clone(),
            sip::Environment {
                accounts: accounts.clone(),
                authenticator: authenticator.clone(),
                tls: Some(Arc::clone(&tls)),
                gate,
                limits: config.limits.clone(),
                signal: signal.clone(),
                documents: documents.clone(),
                xcap_root: xcap_root(&config).into(),
            },
        )?;
        let sip_addresses = sip.addresses().clone();
        let mut tasks = Tasks::new();
        match Control::open(&data_dir) {
            Ok(control) => tasks.spawn(control.serve(admin.clone(), signal.clone())),
            // Phones and clients do not need it.
            Err(error) => error!(%error, "no control socket: stop the server to administer accounts"),
        }
        let xmpp_addresses = xmpp.addresses().collect();
        tasks.spawn(xmpp.serve(signal.clone()));
        let federation_addresses = federation.iter().flat_map(xmpp::Federation::addresses).collect();
        let component_addresses = federation.iter().flat_map(xmpp::Federation::component_addresses).collect();
        if let Some(federation) = federation {
            tasks.spawn(federation.serve(signal.clone()));
        }
        let (http, https) = (api.http_addresses(), api.https_addresses());
        tasks.spawn(api.serve(signal.clone()));
        tasks.spawn(sip.wait());
        tasks.spawn(follow_credentials(accounts.clone(), authenticator.changes(), signal.clone()));
        let forget_every = Duration::from_secs(config.account.offline_watcher_info_cleanup_seconds.into());
        tasks.spawn(keep_time(accounts.clone(), forget_every, signal.clone()));
        let (calls, called) = mpsc::channel(HOOKS_AT_HAND);
        let ender = accounts.clone();
        let caller = webhook::Caller::new(&config.webhooks);
        tasks.spawn(caller.run(called, move |id| ender.end_hook(id), signal.clone()));
        tasks.spawn(accounts.clone().feed_hooks(calls));
        tasks.spawn(keep_documents(documents.clone(), signal.clone()));
        tasks.spawn(forget_files(accounts.clone(), signal.clone()));
        tasks.spawn(retire_idle(accounts.clone(), signal));
        Ok(Self {
            accounts,
            documents,
            authenticator,
            store,
            tls,
            xmpp: xmpp_addresses,
            federation: federation_addresses,
            components: component_addresses,
            http,
            https,
            sip: sip_addresses,
            admin,
            xcap_root: config.xcap.root.clone(),
            shutdown,
            tasks,
            drain: config.limits.drain(),
        })
    }

    /// The accounts, for the doors of a test and for administration.
    #[must_use]
    pub fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// The documents of the accounts.
    #[must_use]
    pub fn documents(&self) -> &Documents {
        &self.documents
    }

    /// Who may log in.
    #[must_use]
    pub fn authenticator(&self) -> &Authenticator {
        &self.authenticator
    }

    /// Administration of accounts.
    #[must_use]
    pub fn admin(&self) -> &Admin {
        &self.admin
    }

    /// Where XMPP clients are served, with the ports that were chosen for port 0.
    #[must_use]
    pub fn xmpp_addresses(&self) -> &[(xmpp::Entrance, SocketAddr)] {
        &self.xmpp
    }

    /// Where other XMPP servers are served, with the ports that were chosen for port 0.
    #[must_use]
    pub fn federation_addresses(&self) -> &[(xmpp::FederationEntrance, SocketAddr)] {
        &self.federation
    }

    /// Where XMPP components connect, with the ports that were chosen for port 0.
    #[must_use]
    pub fn component_addresses(&self) -> &[SocketAddr] {
        &self.components
    }

    /// Where plain HTTP is served, with the ports that were chosen for port 0.
    #[must_use]
    pub fn http_addresses(&self) -> &[SocketAddr] {
        &self.http
    }

    /// Where HTTPS is served, with the ports that were chosen for port 0.
    #[must_use]
    pub fn https_addresses(&self) -> &[SocketAddr] {
        &self.https
    }

    /// Where phones are served, with the ports that were chosen for port 0.
    #[must_use]
    pub fn sip_addresses(&self) -> &sip::Addresses {
        &self.sip
    }

    /// What a newcomer needs to know.
    fn welcome(&self, public_url: Option<String>, self_signed: bool, setup: Option<String>) -> Welcome {
        let page = |scheme: &str, addresses: &[SocketAddr]| {
            addresses.first().map(|address| format!("{scheme}://{}/", welcome::place(*address)))
        };
        let public = public_url.map(|url| format!("{}/", url.trim_end_matches('/')));
        let each = |kind, addresses: &[SocketAddr]| -> Vec<(&'static str, SocketAddr)> {
            addresses.iter().map(|address| (kind, *address)).collect()
        };
        let domain = self.accounts.domains().first().map(ToString::to_string).unwrap_or_default();
        let https = self.https.first().map(|address| format!("https://{domain}:{}/", address.port()));
        let xcap = public.clone().or(https).filter(|_| !self.xcap_root.is_empty());
        Welcome {
            xcap: xcap.map(|page| format!("{}{}", page.trim_end_matches('/'), self.xcap_root)),
            domain,
            page: public.or_else(|| page("http", &self.http)).or_else(|| page("https", &self.https)),
            xmpp: self.xmpp.iter().map(|(entrance, address)| (entrance.name(), *address)).collect(),
            federation: services(&self.federation),
            sip: [each("UDP", &self.sip.udp), each("TCP", &self.sip.tcp), each("TLS", &self.sip.tls)]
                .concat(),
            self_signed,
            setup,
        }
    }

    /// Reads the certificates again. Those in use stay where the new ones are no good.
    pub fn reload(&self) {
        match self.tls.reload() {
            Ok(()) => info!("certificates read again"),
            Err(fault) => error!(%fault, "certificates in use stay"),
        }
    }

    /// Stops: takes nothing new, lets what is open end, makes everything durable.
    pub async fn stop(self) {
        self.shutdown.drain(self.drain);
        self.accounts.shut_down();
        let aborted = self.tasks.finish(&self.shutdown.signal()).await;
        self.accounts.settle().await;
        self.shutdown.stop();
        let store = self.store;
        blocking(move || store.close()).await;
        info!(aborted, "stopped");
    }
}

/// What other servers look for in DNS, each service once.
fn services(addresses: &[(xmpp::FederationEntrance, SocketAddr)]) -> Vec<(&'static str, u16)> {
    let service = |(entrance, address): &(xmpp::FederationEntrance, SocketAddr)| match entrance {
        xmpp::FederationEntrance::StartTls => ("_xmpp-server", address.port()),
        xmpp::FederationEntrance::DirectTls => ("_xmpps-server", address.port()),
    };
    let mut services: Vec<_> = addresses.iter().map(service).collect();
    services.dedup();
    services
}

/// The door to other servers and to services, unless the operator wants neither.
fn open_federation(
    config: &Config,
    accounts: &Accounts,
    answers: xmpp::Answers,
    tls: &Arc<Tls>,
    gate: &Gate,
) -> Result<Option<xmpp::Federation>, xmpp::FederationError> {
    if !config.federation.enabled && config.components.services.is_empty() {
        return Ok(None);
    }
    let parts = xmpp::FederationParts {
        accounts: accounts.clone(),
        answers,
        tls: Arc::clone(tls),
        gate: gate.clone(),
        limits: config.limits.clone(),
    };
    xmpp::Federation::open(&config.federation, &config.components, parts).map(Some)
}

/// Runs a server until the process gets SIGTERM or SIGINT. SIGHUP reads the certificates again.
///
/// # Errors
/// As [`Server::start`].
pub async fn serve(config: Config) -> Result<(), StartError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(StartError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(StartError::Signals)?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(StartError::Signals)?;
    let public_url = config.api.public_url.clone();
    let self_signed = config.tls.certificates.is_empty();
    let server = Server::start(config).await?;
    let setup = server.admin.setup_token().await.unwrap_or_else(|fault| {
        error!(%fault, "no link for the first account");
        None
    });
    // Nobody may be listening to the standard output: that is no reason to stop.
    let _ = writeln!(std::io::stdout(), "{}", server.welcome(public_url, self_signed, setup));
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hang_up.recv() => server.reload(),
        }
    }
    info!("stopping");
    server.stop().await;
    Ok(())
}

/// Ends sessions whose credentials are no longer good.
async fn follow_credentials(
    accounts: Accounts,
    mut changes: broadcast::Receiver<Changed>,
    shutdown: ShutdownSignal,
) {
    loop {
        let change = tokio::select! {
            change = changes.recv() => change,
            () = shutdown.draining() => return,
        };
        match change {
            Ok(Changed { address, change }) => match change {
                Change::Password => accounts.evict(&address, CloseReason::CredentialsChanged, Opened::Anyhow),
                Change::Removed | Change::Disabled => {
                    accounts.evict(&address, CloseReason::AccountGone, Opened::Anyhow)
                }
                Change::DeviceRemoved(id) => {
                    accounts.evict(&address, CloseReason::CredentialsChanged, Opened::ByDevice(id));
                }
                Change::ClientRemoved(id) => {
                    accounts.evict(&address, CloseReason::CredentialsChanged, Opened::ByClient(id));
                }
            },
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                // Nobody knows which: everybody logs in again.
                warn!(missed, "changes of credentials were missed, every session ends");
                accounts.shut_down();
            }
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

/// Lets accounts that nobody uses leave the memory.
async fn retire_idle(accounts: Accounts, shutdown: ShutdownSignal) {
    let mut tick = time::interval(RETIRE_EVERY);
    loop {
        tokio::select! {
            _ = tick.tick() => accounts.retire_idle(),
            () = shutdown.draining() => return,
        }
    }
}

/// Wakes accounts in time, and lets the store forget what nobody waits for any more or had its time.
async fn keep_time(accounts: Accounts, forget_every: Duration, shutdown: ShutdownSignal) {
    let forget = async {
        let mut tick = time::interval(forget_every);
        loop {
            tick.tick().await;
            // What failed is in the log, and tried again.
            let _ = accounts.forget_waiting().await;
            accounts.forget_archived().await;
        }
    };
    tokio::select! {
        () = accounts.keep_time() => {}
        () = forget => {}
        () = shutdown.draining() => {}
    }
}

/// Lets shared files go in time.
async fn forget_files(accounts: Accounts, shutdown: ShutdownSignal) {
    let mut tick = time::interval(FORGET_FILES_EVERY);
    loop {
        tokio::select! {
            // What failed is in the log, and tried again.
            _ = tick.tick() => drop(accounts.forget_files().await),
            () = shutdown.draining() => return,
        }
    }
}

/// Brings documents up to the accounts until the server stops.
async fn keep_documents(documents: Documents, shutdown: ShutdownSignal) {
    tokio::select! {
        () = documents.keep_in_step() => {}
        () = shutdown.draining() => {}
    }
}

/// Runs something that blocks on a thread that may.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

const FORGET_FILES_EVERY: Duration = Duration::from_secs(300);
const RETIRE_EVERY: Duration = Duration::from_secs(15);
/// Calls of programs on the web that are read before one can be made.
const HOOKS_AT_HAND: usize = 100;
