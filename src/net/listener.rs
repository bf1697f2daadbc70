//! The accept loop, written once.
//!
//! A [`Listener`] is one bound socket with the gate it asks for places. [`Listener::serve`] gives each
//! connection to the door's handler in a task of its own, with a tracing span, performs the TLS
//! handshake first where the listener is for direct TLS, and owns the tasks until they have ended.
//! It knows nothing of what is said on a connection.

use std::{io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tracing::{Instrument, debug, info, info_span, warn};

use super::{Acceptor, Gate, ShutdownSignal, Stream, Tasks};

/// A bound socket that is ready to serve.
#[derive(Debug)]
pub struct Listener {
    name: &'static str,
    socket: TcpListener,
    address: SocketAddr,
    gate: Gate,
    direct_tls: Option<Acceptor>,
}

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} for {name}: {cause}{}", advice(.cause))]
pub struct BindError {
    /// What the address was for.
    pub name: &'static str,
    /// The address.
    pub address: SocketAddr,
    /// What the system said. Said in the message already, so it is no source of its own.
    pub cause: io::Error,
}

/// What a newcomer should try.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; another program uses it, or this server runs already",
        io::ErrorKind::PermissionDenied => "; ports below 1024 need CAP_NET_BIND_SERVICE",
        io::ErrorKind::AddrNotAvailable => "; this machine has no such address",
        _ => "",
    }
}

impl Listener {
    /// Listens on one address; port 0 takes a free one. `name` is for logs and errors.
    pub fn bind(name: &'static str, address: SocketAddr, gate: &Gate) -> Result<Self, BindError> {
        let bound = || -> io::Result<(TcpListener, SocketAddr)> {
            let socket = socket(address, Type::STREAM, Protocol::TCP)?;
            socket.set_reuse_address(true)?;
            socket.bind(&address.into())?;
            socket.listen(BACKLOG)?;
            let socket = TcpListener::from_std(socket.into())?;
            let address = socket.local_addr()?;
            Ok((socket, address))
        };
        let (socket, address) = bound().map_err(|cause| BindError { name, address, cause })?;
        Ok(Self { name, socket, address, gate: gate.clone(), direct_tls: None })
    }

    /// Listens on all of `addresses`, or on none: the first failure is the error.
    pub fn bind_all(
        name: &'static str,
        addresses: &[SocketAddr],
        gate: &Gate,
    ) -> Result<Vec<Self>, BindError> {
        addresses.iter().map(|&address| Self::bind(name, address, gate)).collect()
    }

    /// Makes every connection begin with a TLS handshake.
    pub fn with_direct_tls(mut self, acceptor: Acceptor) -> Self {
        self.direct_tls = Some(acceptor);
        self
    }

    /// The address in use, with the port that was chosen for port 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts until the signal drains, then closes the socket and waits for the connections.
    ///
    /// The handler should listen to the same signal and say goodbye in its protocol's way; what has
    /// not ended by the deadline is aborted. When the gate is full, one accepted connection waits for a
    /// place and the rest wait in the kernel's backlog; an address with too many is closed at once.
    pub async fn serve<H, F>(self, signal: ShutdownSignal, handler: H)
    where
        H: Fn(Stream) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let (name, address) = (self.name, self.address);
        info!(name, %address, "listening");
        let mut tasks = Tasks::new();
        self.accept_all(&signal, &mut tasks, Arc::new(handler)).await;
        debug!(name, %address, open = tasks.len(), "no longer listening");
        tasks.finish(&signal).await;
    }

    /// Spawns a task per connection until the signal drains; the socket closes on return.
    async fn accept_all<H, F>(self, signal: &ShutdownSignal, tasks: &mut Tasks, handler: Arc<H>)
    where
        H: Fn(Stream) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        // Kept over the turns of the loop: a connection that waits for a place must not lose its turn.
        let mut next = pin!(admit(&self.socket, &self.gate));
        loop {
            let admitted = tokio::select! {
                admitted = &mut next => admitted,
                () = tasks.reap() => continue,
                () = signal.draining() => return,
            };
            next.set(admit(&self.socket, &self.gate));
            let Some(stream) = admitted else { continue };
            let span = info_span!("connection", name = self.name, peer = %stream.peer());
            // Boxed: the state of a handshake is large, and gone once the handler is at work.
            let opening = Box::pin(open(stream, self.direct_tls.clone(), Arc::clone(&handler)));
            let connection = async move {
                if let Some(handling) = opening.await {
                    handling.await;
                }
            };
            tasks.spawn(connection.instrument(span));
        }
    }
}

/// A bound datagram socket; the door reads and writes it itself.
pub fn bind_udp(name: &'static str, address: SocketAddr) -> Result<UdpSocket, BindError> {
    let bound = || -> io::Result<UdpSocket> {
        let socket = socket(address, Type::DGRAM, Protocol::UDP)?;
        socket.bind(&address.into())?;
        UdpSocket::from_std(socket.into())
    };
    bound().map_err(|cause| BindError { name, address, cause })
}

/// An unbound socket. IPv6 sockets are for IPv6 only, so `0.0.0.0` and `[::]` can stand side by side.
fn socket(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// The next connection that may stay; `None` when one had to be turned away.
async fn admit(socket: &TcpListener, gate: &Gate) -> Option<Stream> {
    let (tcp, peer) = accept(socket).await;
    let place = match gate.enter(peer.ip()).await {
        Ok(place) => place,
        Err(full) => {
            debug!(%peer, %full, "connection refused");
            return None;
        }
    };
    // Both can fail only for a peer that is gone already.
    tcp.set_nodelay(true).ok()?;
    Some(Stream::from_tcp(tcp).ok()?.with_place(place))
}

/// Accepts one connection, waiting out the errors that waiting can cure.
async fn accept(socket: &TcpListener) -> (TcpStream, SocketAddr) {
    let mut backoff = Backoff::default();
    loop {
        let error = match socket.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => error,
        };
        let Some(wait) = backoff.after(&error) else { continue };
        warn!(%error, ?wait, "accept");
        tokio::time::sleep(wait).await;
    }
}

/// How a connection's life begins: the handshake where there is one, then what the door's handler does.
async fn open<H, F>(stream: Stream, direct_tls: Option<Acceptor>, handler: Arc<H>) -> Option<F>
where
    H: Fn(Stream) -> F,
{
    let stream = match direct_tls {
        None => stream,
        Some(acceptor) => match stream.upgrade(&acceptor).await {
            Ok(stream) => stream,
            Err(error) => {
                debug!(%error, "handshake");
                return None;
            }
        },
    };
    Some(handler(stream))
}

/// How long to wait after failed accepts: doubling from [`FIRST_WAIT`] to [`LONGEST_WAIT`].
#[derive(Debug, Default)]
struct Backoff {
    last: Option<Duration>,
}

impl Backoff {
    /// `None` when the error was of that one connection only (accept(2)), else the time to wait, as
    /// when the process is out of file descriptors.
    fn after(&mut self, error: &io::Error) -> Option<Duration> {
        use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
        if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted) {
            return None;
        }
        let wait = self.last.map_or(FIRST_WAIT, |last| (last * 2).min(LONGEST_WAIT));
        self.last = Some(wait);
        Some(wait)
    }
}

/// Connections that the kernel queues while we are busy or full.
const BACKLOG: i32 = 1024;
const FIRST_WAIT: Duration = Duration::from_millis(10);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
