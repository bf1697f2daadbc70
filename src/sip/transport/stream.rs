//! One TCP or TLS connection: reads frames, answers pings, writes its queue in as few writes as it can.

use std::{
    io,
    pin::pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{Instant, timeout, timeout_at},
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
    pub(super) async fn converse(&self, stream: impl AsyncRead + AsyncWrite, flow: Flow, queue: Queue) {
        let (reader, writer) = tokio::io::split(stream);
        let mut reading = pin!(self.read_frames(reader, flow));
        let mut writing = pin!(write_queue(writer, queue, self.config.write));
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

    async fn read_frames(&self, mut reader: impl AsyncRead + Unpin, flow: Flow) {
        let (mut framer, mut buffer) = (Framer::default(), BytesMut::new());
        let mut begun = None;
        loop {
            if buffer.is_empty() {
                buffer = BytesMut::with_capacity(CHUNK);
            } else {
                buffer.reserve(CHUNK);
            }
            let deadline = match begun {
                Some(begun) => begun + self.config.unfinished,
                None => Instant::now() + self.config.idle,
            };
            match timeout_at(deadline, reader.read_buf(&mut buffer)).await {
                Ok(Ok(count)) if count > 0 => {}
                Ok(Err(error)) => return debug!(%error, "connection lost"),
                _ => return,
            }
            if !self.take_frames(&mut framer, &mut buffer, flow) {
                return;
            }
            begun = framer.is_inside_message().then(|| begun.unwrap_or_else(Instant::now));
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

/// Writes whatever waits in one go, until the queue is closed and empty.
async fn write_queue(
    mut writer: impl AsyncWrite + Unpin,
    mut queue: Queue,
    patience: Duration,
) -> io::Result<()> {
    let mut waiting = Vec::new();
    while queue.messages.recv_many(&mut waiting, BATCH).await > 0 {
        let bytes = match &mut waiting[..] {
            [one] => std::mem::take(one),
            several => several.concat().into(),
        };
        waiting.clear();
        let writing = async {
            writer.write_all(&bytes).await?;
            writer.flush().await
        };
        timeout(patience, writing).await??;
        queue.waiting.fetch_sub(bytes.len(), Ordering::Relaxed);
    }
    timeout(patience, writer.shutdown()).await?
}

/// Bytes a connection is ready to read at a time; all an idle one holds.
const CHUNK: usize = 2048;
/// Messages put into one write.
const BATCH: usize = 32;
