//! The open connections and their queues. Sending is a lookup and a push; nothing waits.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use rustc_hash::FxHashMap;
use tokio::sync::Notify;

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
    outgoing: Arc<Queue>,
}

/// What waits to be written to a connection. Nothing is allocated while nothing waits.
#[derive(Debug, Default)]
pub(super) struct Queue {
    messages: Mutex<Waiting>,
    /// Something is to be written, or nothing more will be.
    changed: Notify,
    /// Seconds that the connection may be silent; 0 for what holds for all.
    idle: AtomicU32,
}

#[derive(Debug, Default)]
struct Waiting {
    messages: Vec<Bytes>,
    /// Bytes put into the queue and not yet written.
    bytes: usize,
    is_closed: bool,
}

impl Queue {
    /// Everything that waits; nothing once the queue is closed and empty. The bytes count as waiting until
    /// [`Queue::note_written`].
    pub(super) async fn take(&self) -> Vec<Bytes> {
        loop {
            {
                let mut waiting = locked(&self.messages);
                if !waiting.messages.is_empty() || waiting.is_closed {
                    return std::mem::take(&mut waiting.messages);
                }
            }
            self.changed.notified().await;
        }
    }

    /// So many bytes do not wait any more.
    pub(super) fn note_written(&self, bytes: usize) {
        let mut waiting = locked(&self.messages);
        waiting.bytes = waiting.bytes.saturating_sub(bytes);
    }

    /// Adds a message; `false` where it is one too many.
    fn push(&self, bytes: Bytes, messages: usize, most: usize) -> bool {
        let mut waiting = locked(&self.messages);
        // One message of any size may wait alone.
        let has_room = waiting.bytes == 0 || waiting.bytes + bytes.len() <= most;
        if !has_room || waiting.messages.len() >= messages {
            return false;
        }
        waiting.bytes += bytes.len();
        waiting.messages.push(bytes);
        if waiting.messages.len() == 1 {
            self.changed.notify_one();
        }
        true
    }

    /// How long the connection may be silent, where that differs from what holds for all.
    pub(super) fn idle(&self) -> Option<Duration> {
        let seconds = self.idle.load(Ordering::Relaxed);
        (seconds > 0).then(|| Duration::from_secs(seconds.into()))
    }

    fn close(&self) {
        locked(&self.messages).is_closed = true;
        self.changed.notify_one();
    }
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
    pub(super) fn insert(
        &self,
        protocol: Protocol,
        local: SocketAddr,
        peer: SocketAddr,
    ) -> (Flow, Arc<Queue>) {
        let flow = Flow { protocol, peer, local, id: self.next_id.fetch_add(1, Ordering::Relaxed) };
        let queue = Arc::new(Queue::default());
        let connection = Connection { flow, outgoing: Arc::clone(&queue) };
        locked(self.shard(flow.id)).insert(flow.id, connection);
        locked(&self.by_peer).insert((protocol, peer), flow);
        (flow, queue)
    }

    pub(super) fn send(&self, id: u64, bytes: Bytes) -> Result<(), SendError> {
        let sent = match locked(self.shard(id)).get(&id) {
            Some(connection) => connection.outgoing.push(bytes, self.queue, self.queue_bytes),
            None => return Err(SendError::Closed),
        };
        sent.then_some(()).ok_or_else(|| {
            tracing::debug!(id, "connection too slow");
            self.remove(id);
            SendError::Closed
        })
    }

    /// A connection that waits for its peer looks at this when it is next woken, as by what is sent to it.
    pub(super) fn set_idle(&self, id: u64, idle: Duration) {
        if let Some(connection) = locked(self.shard(id)).get(&id) {
            let seconds = u32::try_from(idle.as_secs()).unwrap_or(u32::MAX);
            connection.outgoing.idle.store(seconds, Ordering::Relaxed);
        }
    }

    /// Forgets a connection; its task writes what is queued and ends.
    pub(super) fn remove(&self, id: u64) {
        let Some(connection) = locked(self.shard(id)).remove(&id) else { return };
        connection.outgoing.close();
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
