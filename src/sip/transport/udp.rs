//! UDP sockets (RFC 3261 §18), and STUN on them (RFC 5626 §3.5.2).

use std::{
    io,
    net::SocketAddr,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use bytes::Bytes;
use socket2::SockRef;
use tokio::{
    net::UdpSocket,
    time::{Instant, sleep},
};
use tracing::{debug, warn};

use crate::sip::message::{Message, is_keep_alive};

use super::{
    SendError, Transport,
    flow::{Flow, Protocol},
    signs::Signs,
    stun,
};

/// The sockets that are served, by index; a closed one leaves its place empty.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    sockets: RwLock<Vec<Option<Served>>>,
    /// What is heard of peers who promised to be heard of.
    pub(super) signs: Signs,
}

/// A socket and the address it is bound to.
type Served = (SocketAddr, Arc<UdpSocket>);

impl Sockets {
    fn insert(&self, local: SocketAddr, socket: Arc<UdpSocket>) -> u64 {
        let mut sockets = self.sockets.write().unwrap_or_else(PoisonError::into_inner);
        sockets.push(Some((local, socket)));
        sockets.len() as u64 - 1
    }

    fn socket(&self, index: u64) -> Option<Arc<UdpSocket>> {
        let sockets = self.sockets.read().unwrap_or_else(PoisonError::into_inner);
        sockets.get(usize::try_from(index).ok()?)?.as_ref().map(|(_, socket)| Arc::clone(socket))
    }

    fn remove(&self, index: u64) {
        let mut sockets = self.sockets.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(socket) = usize::try_from(index).ok().and_then(|index| sockets.get_mut(index)) {
            *socket = None;
        }
    }

    pub(super) fn send(&self, flow: &Flow, bytes: &[u8]) -> Result<(), SendError> {
        let socket = self.socket(flow.id).ok_or(SendError::Unreachable)?;
        // Straight to the system: waiting for readiness would lose what is sent before the first poll.
        match SockRef::from(&*socket).send_to(bytes, &flow.peer.into()) {
            Ok(_) => Ok(()),
            // The datagram is lost, as it could be on the way; who needs an answer sends again.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => {
                debug!(%error, peer = %flow.peer, "datagram not sent");
                Err(SendError::Unreachable)
            }
        }
    }

    /// From the socket that is bound to `local`, or else as [`Sockets::flow_to`].
    pub(super) fn flow_again(&self, local: SocketAddr, peer: SocketAddr) -> Option<Flow> {
        let index = {
            let sockets = self.sockets.read().unwrap_or_else(PoisonError::into_inner);
            sockets.iter().position(|socket| socket.as_ref().is_some_and(|(bound, _)| *bound == local))
        };
        match index {
            Some(index) => Some(Flow { protocol: Protocol::Udp, peer, local, id: index as u64 }),
            None => self.flow_to(peer).ok(),
        }
    }

    pub(super) fn flow_to(&self, peer: SocketAddr) -> Result<Flow, SendError> {
        let sockets = self.sockets.read().unwrap_or_else(PoisonError::into_inner);
        let fits = |local: &SocketAddr| {
            local.is_ipv4() == peer.is_ipv4() && (!local.ip().is_loopback() || peer.ip().is_loopback())
        };
        let open = sockets.iter().enumerate().filter_map(|(index, socket)| Some((index, socket.as_ref()?.0)));
        let (index, local) = open.into_iter().find(|(_, local)| fits(local)).ok_or(SendError::Unreachable)?;
        Ok(Flow { protocol: Protocol::Udp, peer, local, id: index as u64 })
    }
}

impl Transport {
    /// Takes a socket in, so that it can be sent from, and gives the future that reads it until the server
    /// drains.
    ///
    /// # Errors
    /// The socket has no local address.
    pub fn serve_udp(self: Arc<Self>, socket: UdpSocket) -> io::Result<impl Future<Output = ()> + Send> {
        let local = socket.local_addr()?;
        self.enlarge_buffers(&socket);
        let socket = Arc::new(socket);
        let id = self.udp.insert(local, Arc::clone(&socket));
        Ok(async move {
            self.read_datagrams(&socket, local, id).await;
            self.udp.remove(id);
        })
    }

    /// Every datagram waiting is handled before the task waits again; after each batch others get their turn.
    async fn read_datagrams(&self, socket: &UdpSocket, local: SocketAddr, id: u64) {
        let mut buffer = vec![0; LARGEST];
        let mut drained = pin!(self.drained());
        loop {
            // Waits only: a datagram is taken off the socket nowhere but where it is handled.
            let ready = tokio::select! {
                ready = socket.readable() => ready,
                () = &mut drained => return,
            };
            if let Err(error) = ready {
                debug!(%error, "datagram error");
            }
            let batch = self.read_batch(socket, &mut buffer, local, id);
            if batch.is_full {
                tokio::task::yield_now().await;
            } else if self.crowd.take(&batch, Instant::now()) {
                sleep(GATHERING).await;
            }
        }
    }

    /// Handles at most a batch of what is waiting.
    fn read_batch(&self, socket: &UdpSocket, buffer: &mut [u8], local: SocketAddr, id: u64) -> Batch {
        let mut batch = Batch { is_full: false, answers: 0, others: 0 };
        for _ in 0..BATCH {
            match socket.try_recv_from(buffer) {
                Ok((length, peer)) => {
                    let flow = Flow { protocol: Protocol::Udp, peer, local, id };
                    match self.handle_datagram(buffer.get(..length).unwrap_or_default(), flow) {
                        Kind::Answer => batch.answers += 1,
                        Kind::Other => batch.others += 1,
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return batch,
                // An earlier datagram of ours met a closed port; it says nothing of this socket.
                Err(error) => debug!(%error, "datagram error"),
            }
        }
        Batch { is_full: true, ..batch }
    }

    fn handle_datagram(&self, datagram: &[u8], flow: Flow) -> Kind {
        self.udp.signs.note(&flow);
        if is_keep_alive(datagram) {
            return Kind::Other;
        }
        if let Some(answer) = stun::answer(datagram, flow.peer) {
            let _ = self.udp.send(&flow, &answer);
            return Kind::Other;
        }
        match Message::parse_datagram(Bytes::copy_from_slice(datagram), &self.config.limits) {
            Ok(message) => {
                let kind = if message.is_request() { Kind::Other } else { Kind::Answer };
                self.tell(|inbound| inbound.handle_message(message, flow));
                kind
            }
            Err(error) => {
                debug!(%error, peer = %flow.peer, "malformed datagram");
                let bytes = Bytes::copy_from_slice(datagram);
                self.tell(|inbound| inbound.handle_malformed(bytes, error, flow));
                Kind::Other
            }
        }
    }

    fn enlarge_buffers(&self, socket: &UdpSocket) {
        let socket = SockRef::from(socket);
        let size = self.config.udp_buffer;
        if let Err(error) = socket.set_recv_buffer_size(size).and_then(|()| socket.set_send_buffer_size(size))
        {
            warn!(%error, size, "udp buffers");
        }
    }
}

/// What was read from a socket in one go.
#[derive(Debug, Clone, Copy)]
struct Batch {
    /// There may be more.
    is_full: bool,
    /// Responses.
    answers: usize,
    /// Whatever else.
    others: usize,
}

enum Kind {
    Answer,
    Other,
}

/// The answers that are about to come because one change was told to many. They come one by one, each would
/// wake the server, and nobody waits for what it does with them: so while a crowd answers, and nothing but its
/// answers comes, they are gathered for a moment. A request that comes in such a moment waits for its end.
#[derive(Debug, Default)]
pub(super) struct Crowd(Mutex<Awaited>);

#[derive(Debug, Default)]
struct Awaited {
    answers: usize,
    /// Whoever has not answered by then is waited for no more.
    until: Option<Instant>,
}

impl Crowd {
    /// So many requests went out.
    pub(super) fn expect(&self, count: usize, now: Instant) {
        let mut awaited = self.awaited();
        if awaited.until.is_none_or(|until| until <= now) {
            awaited.answers = 0;
        }
        awaited.answers += count;
        awaited.until = Some(now + PATIENCE);
    }

    /// This has come; tells whether to gather before more is read.
    fn take(&self, batch: &Batch, now: Instant) -> bool {
        let mut awaited = self.awaited();
        awaited.answers = awaited.answers.saturating_sub(batch.answers);
        let comes_more = awaited.answers >= CROWD && awaited.until.is_some_and(|until| now < until);
        comes_more && batch.answers > 0 && batch.others == 0
    }

    /// It is whole after every statement, so a panic elsewhere cannot have broken it.
    fn awaited(&self) -> MutexGuard<'_, Awaited> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long answers are gathered, at least; a tick of the timers more at most.
const GATHERING: Duration = Duration::from_millis(1);
/// Fewer answers than this are not worth a pause.
const CROWD: usize = 8;
/// How long after its requests a crowd is waited for: T1, when the first of them are sent again.
const PATIENCE: Duration = Duration::from_millis(500);
/// The largest datagram there is.
const LARGEST: usize = 65_535;
/// Datagrams handled before other tasks get their turn.
const BATCH: usize = 64;

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;
    use crate::{
        net::Shutdown,
        sip::{
            message::{Host, ParseError},
            transport::{Config, Inbound},
        },
    };

    #[test]
    fn answers_are_gathered_while_a_crowd_answers_and_nothing_else_comes() {
        let (crowd, now) = (Crowd::default(), Instant::now());
        let batch = |answers, others| Batch { is_full: false, answers, others };
        assert!(!crowd.take(&batch(1, 0), now), "nothing is expected");
        crowd.expect(50, now);
        assert!(crowd.take(&batch(10, 0), now));
        assert!(!crowd.take(&batch(10, 1), now), "a request is not kept waiting twice");
        assert!(!crowd.take(&batch(0, 0), now));
        assert!(!crowd.take(&batch(1, 0), now + PATIENCE), "who is silent is not waited for");
        crowd.expect(10, now + PATIENCE);
        assert!(!crowd.take(&batch(3, 0), now + PATIENCE), "the silent ones are forgotten");
        crowd.expect(10, now + PATIENCE);
        assert!(crowd.take(&batch(9, 0), now + PATIENCE));
        assert!(!crowd.take(&batch(1, 0), now + PATIENCE), "the last few are not worth it");
    }

    struct Teller(mpsc::UnboundedSender<Message>);

    impl Inbound for Teller {
        fn handle_message(self: Arc<Self>, message: Message, _: Flow) {
            let _ = self.0.send(message);
        }

        fn handle_malformed(self: Arc<Self>, _: Bytes, error: ParseError, _: Flow) {
            panic!("{error}");
        }

        fn handle_flow_closed(self: Arc<Self>, _: Flow) {}
    }

    #[tokio::test]
    async fn more_datagrams_than_a_batch_all_arrive_in_their_order() {
        let (shutdown, signal) = Shutdown::new();
        let transport = Transport::new(Config::new(Host::parse("127.0.0.1").unwrap()), signal);
        let (sender, mut told) = mpsc::unbounded_channel();
        let teller = Arc::new(Teller(sender));
        transport.start(Arc::downgrade(&teller) as std::sync::Weak<dyn Inbound>);
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let peer = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        for number in 0..3 * BATCH {
            let text = format!("OPTIONS sip:h SIP/2.0\r\nCall-ID: {number}\r\n\r\n");
            peer.send_to(text.as_bytes(), address).unwrap();
        }
        let reading = tokio::spawn(transport.serve_udp(socket).unwrap());
        for number in 0..3 * BATCH {
            let message = tokio::time::timeout(Duration::from_secs(20), told.recv()).await;
            let message = message.expect("every datagram arrives").unwrap();
            assert_eq!(message.call_id().unwrap(), number.to_string());
        }
        reading.abort();
        drop(shutdown);
    }
}
