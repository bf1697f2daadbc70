//! The open connections and their queues. Sending is a lookup and a push; nothing waits.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use rustc_hash::FxHashMap;
use tokio::sync::mpsc;

use super::{
    SendError,
    flow::{Flow, Protocol},
};

/// All connections, in shards so that senders seldom meet.
#[derive(Debug)]
pub(super) struct Connections {
    queue: usize,
    queue_bytes: usize,
    next_id: AtomicU64,
    shards: [Mutex<FxHashMap<u64, Connection>>; SHARDS],
    /// The newest connection to each peer.
    by_peer: Mutex<FxHashMap<(Protocol, SocketAddr), Flow>>,
}

#[derive(Debug)]
struct Connection {
    flow: Flow,
    outgoing: mpsc::Sender<Bytes>,
    waiting: Arc<AtomicUsize>,
}

/// What waits to be written to a connection.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) messages: mpsc::Receiver<Bytes>,
    /// Bytes put into the queue and not yet written; the writer takes off what it has written.
    pub(super) waiting: Arc<AtomicUsize>,
}

impl Connections {
    pub(super) fn new(queue: usize, queue_bytes: usize) -> Self {
        Self {
            queue: queue.max(1),
            queue_bytes,
            next_id: AtomicU64::new(1),
            shards: std::array::from_fn(|_| Mutex::default()),
            by_peer: Mutex::default(),
        }
    }

    /// A new connection: its flow, and the queue its task writes from. When the queue is full the
    /// connection is closed.
    pub(super) fn insert(&self, protocol: Protocol, local: SocketAddr, peer: SocketAddr) -> (Flow, Queue) {
        let flow = Flow { protocol, peer, local, id: self.next_id.fetch_add(1, Ordering::Relaxed) };
        let (outgoing, messages) = mpsc::channel(self.queue);
        let waiting = Arc::new(AtomicUsize::new(0));
        let queue = Queue { messages, waiting: Arc::clone(&waiting) };
        locked(self.shard(flow.id)).insert(flow.id, Connection { flow, outgoing, waiting });
        locked(&self.by_peer).insert((protocol, peer), flow);
        (flow, queue)
    }

    pub(super) fn send(&self, id: u64, bytes: Bytes) -> Result<(), SendError> {
        let sent = match locked(self.shard(id)).get(&id) {
            Some(connection) => {
                let before = connection.waiting.fetch_add(bytes.len(), Ordering::Relaxed);
                // One message of any size may wait alone.
                let has_room = before == 0 || before + bytes.len() <= self.queue_bytes;
                has_room && connection.outgoing.try_send(bytes).is_ok()
            }
            None => return Err(SendError::Closed),
        };
        sent.then_some(()).ok_or_else(|| {
            tracing::debug!(id, "connection too slow");
            self.remove(id);
            SendError::Closed
        })
    }

    /// Forgets a connection; its task writes what is queued and ends.
    pub(super) fn remove(&self, id: u64) {
        let Some(connection) = locked(self.shard(id)).remove(&id) else { return };
        let mut by_peer = locked(&self.by_peer);
        let key = (connection.flow.protocol, connection.flow.peer);
        if by_peer.get(&key).is_some_and(|flow| flow.id == id) {
            by_peer.remove(&key);
        }
    }

    pub(super) fn open_to(&self, protocol: Protocol, peer: SocketAddr) -> Option<Flow> {
        locked(&self.by_peer).get(&(protocol, peer)).copied()
    }

    fn shard(&self, id: u64) -> &Mutex<FxHashMap<u64, Connection>> {
        #[allow(clippy::cast_possible_truncation, reason = "the remainder is below the number of shards")]
        let index = (id % SHARDS as u64) as usize;
        &self.shards[index]
    }
}

/// No code panics while it holds one of these locks; were it to, the map would still be sound.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const SHARDS: usize = 16;
