//! Connections this server makes. The order is given without waiting; one loop owns the tasks.

use std::{net::SocketAddr, sync::Arc};

use compact_str::CompactString;
use tokio::{
    net::TcpStream,
    sync::{Mutex, mpsc},
    time::timeout,
};
use tracing::debug;

use crate::net::{Stream, Tasks};

use super::{
    SendError, Transport,
    connections::Queue,
    flow::{Flow, Protocol},
};

/// Orders on their way to the loop. When it is full the destination counts as unreachable.
#[derive(Debug)]
pub(super) struct Dialler {
    orders: mpsc::Sender<Order>,
    /// Taken by the one [`Transport::run`].
    incoming: Mutex<mpsc::Receiver<Order>>,
}

#[derive(Debug)]
struct Order {
    flow: Flow,
    name: Option<CompactString>,
    queue: Arc<Queue>,
}

impl Default for Dialler {
    fn default() -> Self {
        let (orders, incoming) = mpsc::channel(ORDERS);
        Self { orders, incoming: Mutex::new(incoming) }
    }
}

impl Transport {
    pub(super) fn dial(
        &self,
        protocol: Protocol,
        peer: SocketAddr,
        name: Option<&str>,
    ) -> Result<Flow, SendError> {
        if protocol == Protocol::Tls && self.config.tls_client.is_none() {
            return Err(SendError::Unreachable);
        }
        let unspecified: std::net::IpAddr = match peer {
            SocketAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
        };
        let (flow, queue) = self.connections.insert(protocol, SocketAddr::new(unspecified, 0), peer);
        let order = Order { flow, name: name.map(CompactString::from), queue };
        self.dialler.orders.try_send(order).map_err(|_| {
            self.connections.remove(flow.id);
            SendError::Unreachable
        })?;
        Ok(flow)
    }

    /// Makes the connections that are ordered and owns them, until the server drains. Runs once.
    pub async fn run(self: Arc<Self>) {
        let mut incoming = self.dialler.incoming.lock().await;
        let mut tasks = Tasks::new();
        loop {
            let order = tokio::select! {
                order = incoming.recv() => order,
                () = tasks.reap() => continue,
                () = self.signal.draining() => None,
            };
            let Some(order) = order else { break };
            tasks.spawn(Arc::clone(&self).connect(order));
        }
        tasks.finish(&self.signal).await;
    }

    async fn connect(self: Arc<Self>, order: Order) {
        let Order { flow, name, queue } = order;
        let connecting = async {
            let stream = TcpStream::connect(flow.peer).await?;
            stream.set_nodelay(true)?;
            Ok::<_, std::io::Error>(stream)
        };
        match timeout(self.config.dial, connecting).await {
            Ok(Ok(stream)) if flow.protocol == Protocol::Tcp => self.converse(stream, flow, queue).await,
            Ok(Ok(stream)) => self.secure(stream, flow, name, queue).await,
            failure => {
                debug!(?failure, peer = %flow.peer, "not connected");
                self.give_up(flow);
            }
        }
    }

    async fn secure(&self, stream: TcpStream, flow: Flow, name: Option<CompactString>, queue: Arc<Queue>) {
        let name = name.map_or_else(|| flow.peer.ip().to_string(), String::from);
        let (Some(connector), Ok(stream)) = (&self.config.tls_client, Stream::from_tcp(stream)) else {
            return self.give_up(flow);
        };
        match timeout(self.config.dial, stream.secure(connector, &name)).await {
            Ok(Ok(stream)) => self.converse(stream, flow, queue).await,
            failure => {
                debug!(?failure, peer = %flow.peer, "no handshake");
                self.give_up(flow);
            }
        }
    }

    fn give_up(&self, flow: Flow) {
        self.connections.remove(flow.id);
        self.tell(|inbound| inbound.handle_flow_closed(flow));
    }
}

/// Connections that may wait to be dialled.
const ORDERS: usize = 256;
