//! One TCP or TLS connection: reads frames, answers pings, writes its queue in as few writes as it can.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf},
    time::{Instant, Sleep, sleep_until, timeout},
};
use tracing::debug;

use crate::{
    net::Stream,
    sip::message::{Frame, Framer},
};

use super::{
    Transport,
    connections::Queue,
    flow::{Flow, Protocol},
};

impl Transport {
    /// Serves an accepted connection until it ends; what a listener gives its connections to.
    pub async fn serve(self: Arc<Self>, stream: Stream) {
        let protocol = if stream.is_secure() { Protocol::Tls } else { Protocol::Tcp };
        let (flow, queue) = self.connections.insert(protocol, stream.local(), stream.peer());
        self.converse(stream, flow, queue).await;
    }

    /// Reads and writes a connection until either end closes it, then tells that it closed.
    pub(super) async fn converse(&self, stream: impl AsyncRead + AsyncWrite, flow: Flow, queue: Arc<Queue>) {
        let (reader, writer) = tokio::io::split(stream);
        let mut reading = pin!(self.read_frames(reader, flow, &queue));
        let mut writing = pin!(write_queue(writer, &queue, self.config.write));
        let is_written = tokio::select! {
            () = &mut reading => false,
            _ = &mut writing => true,
            () = self.drained() => false,
        };
        self.connections.remove(flow.id);
        if !is_written {
            // What was queued before the end, such as the answer to a broken request, still goes out.
            let _ = timeout(self.config.write, writing).await;
        }
        self.tell(|inbound| inbound.handle_flow_closed(flow));
    }

    async fn read_frames(&self, mut reader: impl AsyncRead + Unpin, flow: Flow, queue: &Queue) {
        let (mut framer, mut buffer) = (Framer::default(), BytesMut::new());
        let (mut begun, mut heard) = (None, Instant::now());
        let mut alarm = pin!(sleep_until(heard + self.config.idle));
        loop {
            let read = tokio::select! {
                read = poll_fn(|context| poll_read(&mut reader, context, &mut buffer)) => read,
                () = poll_fn(|context| poll_alarm(alarm.as_mut(), context, || self.deadline(begun, heard, queue))) => return,
            };
            match read {
                Ok(count) if count > 0 => {}
                Ok(_) => return,
                Err(error) => return debug!(%error, "connection lost"),
            }
            if !self.take_frames(&mut framer, &mut buffer, flow) {
                return;
            }
            if buffer.is_empty() {
                buffer = BytesMut::new();
            }
            heard = Instant::now();
            begun = framer.is_inside_message().then(|| begun.unwrap_or(heard));
        }
    }

    /// When a connection is closed: for a message that has begun and does not end, or for silence.
    fn deadline(&self, begun: Option<Instant>, heard: Instant, queue: &Queue) -> Instant {
        match begun {
            Some(begun) => begun + self.config.unfinished,
            None => heard + queue.idle().unwrap_or(self.config.idle),
        }
    }

    /// Hands over the whole messages of the buffer; `false` when the connection is to end.
    fn take_frames(&self, framer: &mut Framer, buffer: &mut BytesMut, flow: Flow) -> bool {
        loop {
            match framer.next(buffer, &self.config.limits) {
                Ok(Some(Frame::Message(message))) => {
                    self.tell(|inbound| inbound.handle_message(message, flow));
                }
                Ok(Some(Frame::Ping)) => {
                    if self.connections.send(flow.id, Bytes::from_static(b"\r\n")).is_err() {
                        return false;
                    }
                }
                Ok(None) => return true,
                Err(error) => {
                    debug!(%error, "malformed stream");
                    self.tell(|inbound| inbound.handle_malformed(buffer.split().freeze(), error, flow));
                    return false;
                }
            }
        }
    }
}

/// Waits for a deadline that moves: an earlier one counts as soon as the task wakes, a later one is looked at
/// when the alarm goes off, so it is seldom set.
fn poll_alarm(
    mut alarm: Pin<&mut Sleep>,
    context: &mut Context<'_>,
    deadline: impl Fn() -> Instant,
) -> Poll<()> {
    loop {
        let due = deadline();
        if due < alarm.deadline() {
            alarm.as_mut().reset(due);
        }
        ready!(alarm.as_mut().poll(context));
        if due <= Instant::now() {
            return Poll::Ready(());
        }
        alarm.as_mut().reset(due);
    }
}

/// Reads by way of the thread's buffer, so that a connection that waits holds none of its own.
fn poll_read(
    reader: &mut (impl AsyncRead + Unpin),
    context: &mut Context<'_>,
    buffer: &mut BytesMut,
) -> Poll<io::Result<usize>> {
    SCRATCH.with_borrow_mut(|scratch| {
        let mut read = ReadBuf::new(scratch);
        ready!(Pin::new(reader).poll_read(context, &mut read))?;
        buffer.extend_from_slice(read.filled());
        Poll::Ready(Ok(read.filled().len()))
    })
}

/// Writes whatever waits in one go, until the queue is closed and empty.
async fn write_queue(
    mut writer: impl AsyncWrite + Unpin,
    queue: &Queue,
    patience: Duration,
) -> io::Result<()> {
    loop {
        let waiting = queue.take().await;
        let bytes = match &waiting[..] {
            [] => break,
            [one] => one.clone(),
            several => several.concat().into(),
        };
        drop(waiting);
        let writing = async {
            writer.write_all(&bytes).await?;
            writer.flush().await
        };
        timeout(patience, writing).await??;
        queue.note_written(bytes.len());
    }
    timeout(patience, writer.shutdown()).await?
}

thread_local! {
    /// What a thread reads a connection into; all its connections share it.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; CHUNK]);
}

/// Bytes read from a connection at a time.
const CHUNK: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, DuplexStream},
        sync::mpsc::{self, UnboundedReceiver, UnboundedSender},
        time::sleep,
    };

    use super::*;
    use crate::{
        net::Shutdown,
        sip::{
            message::{Host, Message, ParseError},
            transport::{Config, Inbound},
        },
    };

    /// Tells of messages, and of the end with `None`.
    struct Teller(UnboundedSender<Option<Message>>);

    impl Inbound for Teller {
        fn handle_message(self: Arc<Self>, message: Message, _: Flow) {
            let _ = self.0.send(Some(message));
        }

        fn handle_malformed(self: Arc<Self>, _: Bytes, error: ParseError, _: Flow) {
            panic!("{error}");
        }

        fn handle_flow_closed(self: Arc<Self>, _: Flow) {
            let _ = self.0.send(None);
        }
    }

    struct Connected {
        transport: Arc<Transport>,
        flow: Flow,
        far: DuplexStream,
        told: UnboundedReceiver<Option<Message>>,
        _kept: (Arc<Teller>, Shutdown),
    }

    fn connect(change: impl FnOnce(&mut Config)) -> Connected {
        let mut config = Config::new(Host::parse("127.0.0.1").unwrap());
        change(&mut config);
        let (shutdown, signal) = Shutdown::new();
        let transport = Transport::new(config, signal);
        let (sender, told) = mpsc::unbounded_channel();
        let teller = Arc::new(Teller(sender));
        transport.start(Arc::downgrade(&teller) as std::sync::Weak<dyn Inbound>);
        let address = ([127, 0, 0, 1], 1).into();
        let (flow, queue) = transport.connections.insert(Protocol::Tcp, address, address);
        let (near, far) = tokio::io::duplex(64);
        let this = Arc::clone(&transport);
        tokio::spawn(async move { this.converse(near, flow, queue).await });
        Connected { transport, flow, far, told, _kept: (teller, shutdown) }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_is_closed_and_one_that_speaks_stays() {
        let mut it = connect(|config| config.idle = Duration::from_secs(60));
        for _ in 0..3 {
            sleep(Duration::from_secs(50)).await;
            it.far.write_all(b"\r\n\r\n").await.unwrap();
            let mut pong = [0; 2];
            it.far.read_exact(&mut pong).await.unwrap();
            assert_eq!(&pong, b"\r\n");
        }
        let silent = Instant::now();
        assert!(it.told.recv().await.unwrap().is_none());
        assert_eq!(silent.elapsed().as_secs(), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_may_be_given_less_time_or_more() {
        for (seconds, expect) in [(10, 10), (600, 600)] {
            let mut it = connect(|config| config.idle = Duration::from_secs(60));
            sleep(Duration::from_secs(5)).await;
            it.far.write_all(b"\r\n\r\n").await.unwrap();
            it.far.read_exact(&mut [0; 2]).await.unwrap();
            it.transport.set_idle(&it.flow, Duration::from_secs(seconds));
            // What is sent now wakes the connection's task.
            it.transport.send(&it.flow, Bytes::from_static(b"ok")).unwrap();
            it.far.read_exact(&mut [0; 2]).await.unwrap();
            let silent = Instant::now();
            assert!(it.told.recv().await.unwrap().is_none());
            assert_eq!(silent.elapsed().as_secs(), expect);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_trickles_in_must_end_in_time() {
        let mut it = connect(|config| config.unfinished = Duration::from_secs(20));
        let text = b"OPTIONS sip:h SIP/2.0\r\nCall-ID: 1\r\nContent-Length: 0\r\n\r\n";
        it.far.write_all(text).await.unwrap();
        assert_eq!(it.told.recv().await.unwrap().unwrap().call_id().unwrap(), "1");
        let begun = Instant::now();
        for byte in text.chunks(1) {
            if it.far.write_all(byte).await.is_err() {
                break;
            }
            sleep(Duration::from_secs(1)).await;
        }
        assert!(it.told.recv().await.unwrap().is_none());
        assert!(begun.elapsed().as_secs() <= 21, "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_does_not_take_its_messages_is_closed() {
        for (messages, bytes, taken) in [(4, 1024 * 1024, 4), (4096, 100, 1), (4096, 128, 2)] {
            let mut it = connect(|config| (config.queue, config.queue_bytes) = (messages, bytes));
            let sent =
                (0..9).position(|_| it.transport.send(&it.flow, Bytes::from_static(&[0; 64])).is_err());
            assert_eq!(sent, Some(taken), "{messages} {bytes}");
            assert!(it.told.recv().await.unwrap().is_none());
        }
    }
}
