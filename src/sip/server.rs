//! Starts the door: sockets, layers, tasks; and stops it in order.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use compact_str::CompactString;
use thiserror::Error;
use tracing::info;

use super::{
    config::Config,
    door::{Door, User},
    message::{Host, Limits as MessageLimits},
    transaction::{self, Layer},
    transport,
};
use crate::{
    account::Accounts,
    auth::Authenticator,
    documents::Documents,
    net::{BindError, Gate, Limits, Listener, ShutdownSignal, Tasks, Tls, bind_udp},
};

/// Why the door does not open.
#[derive(Debug, Error)]
pub enum StartError {
    /// An address cannot be used.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The host in Via is no host.
    #[error("sip.host or the first domain is no host name")]
    Host,
}

/// What the door is made of besides its own section.
#[derive(Clone)]
pub struct Environment {
    pub accounts: Accounts,
    pub authenticator: Authenticator,
    /// The certificates; without them nothing listens for TLS.
    pub tls: Option<Arc<Tls>>,
    pub gate: Gate,
    pub limits: Limits,
    pub signal: ShutdownSignal,
    pub documents: Documents,
    /// The URI below which documents are served, as clients know it.
    pub xcap_root: CompactString,
}

/// The addresses in use, with the ports that were chosen for port 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addresses {
    pub udp: Vec<SocketAddr>,
    pub tcp: Vec<SocketAddr>,
    pub tls: Vec<SocketAddr>,
}

/// An open door.
pub struct Running {
    addresses: Addresses,
    door: Arc<Door>,
    tasks: Tasks,
    signal: ShutdownSignal,
}

/// Opens the door: binds every address of the configuration, or none, and serves them.
///
/// # Errors
/// The first address that cannot be used.
pub fn start(config: Config, environment: Environment) -> Result<Running, StartError> {
    let Environment { accounts, authenticator, tls, gate, limits, signal, documents, xcap_root } =
        environment;
    let bound = bind(&config, tls.as_ref(), &gate, limits.handshake())?;
    let layer = Layer::new(layer_config(&config, &accounts, &limits)?, signal.clone());
    let documents = (documents, xcap_root);
    let door = Door::new(config, accounts, authenticator, Arc::clone(&layer), signal.clone(), documents);
    door.subscriptions.restore();
    layer.start(Arc::new(User(Arc::downgrade(&door))));
    let mut tasks = Tasks::new();
    tasks.spawn(Arc::clone(&layer).run());
    let addresses = bound.addresses.clone();
    serve(bound, &door, &signal, &mut tasks);
    Ok(Running { addresses, door, tasks, signal })
}

impl Running {
    /// Where phones are served.
    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Handles what falls due, and returns when the server drains and everything of the door has ended.
    pub async fn wait(self) {
        tokio::select! {
            () = self.door.run_alarms() => {}
            () = self.signal.draining() => {}
        }
        self.door.begin_reading();
        self.door.keeper.flush(&self.door);
        self.door.subscriptions.shut_down();
        self.door.finish_tasks(&self.signal).await;
        self.tasks.finish(&self.signal).await;
        info!("sip door closed");
    }
}

/// Sockets that are bound and not served yet.
struct Bound {
    udp: Vec<tokio::net::UdpSocket>,
    listeners: Vec<Listener>,
    addresses: Addresses,
}

fn bind(
    config: &Config,
    tls: Option<&Arc<Tls>>,
    gate: &Gate,
    handshake: Duration,
) -> Result<Bound, StartError> {
    let udp = config.udp.iter().map(|address| bind_udp("sip udp", *address));
    let udp = udp.collect::<Result<Vec<_>, _>>()?;
    let mut listeners = Listener::bind_all("sip tcp", &config.tcp, gate)?;
    let tcp_addresses: Vec<_> = listeners.iter().map(Listener::address).collect();
    let mut tls_addresses = Vec::new();
    if let Some(tls) = tls {
        for listener in Listener::bind_all("sip tls", &config.tls, gate)? {
            tls_addresses.push(listener.address());
            listeners.push(listener.with_direct_tls(tls.acceptor(&["sip"], handshake)));
        }
    }
    let addresses = Addresses {
        udp: udp.iter().filter_map(|socket| socket.local_addr().ok()).collect(),
        tcp: tcp_addresses,
        tls: tls_addresses,
    };
    Ok(Bound { udp, listeners, addresses })
}

fn serve(bound: Bound, door: &Arc<Door>, signal: &ShutdownSignal, tasks: &mut Tasks) {
    let mut reading = Vec::new();
    for socket in bound.udp {
        match Arc::clone(door.layer.transport()).serve_udp(socket) {
            Ok(serving) => reading.push(serving),
            Err(error) => tracing::error!(%error, "udp socket lost"),
        }
    }
    // Phones are reached by the sockets, and are there before the first of them says anything.
    door.keeper.restore(door);
    reading.into_iter().for_each(|reading| tasks.spawn(in_time(Arc::clone(door), reading)));
    for listener in bound.listeners {
        let transport = Arc::clone(door.layer.transport());
        let serving = listener.serve(signal.clone(), move |stream| Arc::clone(&transport).serve(stream));
        tasks.spawn(in_time(Arc::clone(door), serving));
    }
}

/// What waits until phones of an earlier run can be called: until then the kernel keeps what comes.
async fn in_time(door: Arc<Door>, reading: impl Future<Output = ()>) {
    door.may_read().await;
    drop(door);
    reading.await;
}

fn layer_config(
    config: &Config,
    accounts: &Accounts,
    limits: &Limits,
) -> Result<transaction::Config, StartError> {
    let host = match config.host.as_str() {
        "" => accounts.domains().first().map(|domain| domain.domain_in_ascii().into_owned()),
        host => Some(host.to_owned()),
    };
    let host = host.and_then(|host| Host::parse(&host).ok()).ok_or(StartError::Host)?;
    let mut transport = transport::Config::new(host);
    let bounds = MessageLimits::default();
    transport.limits =
        MessageLimits { body: config.message_bytes, headers: limits.headers.min(bounds.headers), ..bounds };
    Ok(transaction::Config::new(transport))
}
