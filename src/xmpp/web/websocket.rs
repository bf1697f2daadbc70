//! RFC 7395: XMPP over WebSocket. The subprotocol is `xmpp`, and each frame is one element.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::{
    Extension,
    extract::{
        State,
        ws::{Message, WebSocket, WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use bytes::{Buf, Bytes};
use futures_util::{Sink, Stream as _};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    Web,
    framing::{Inbound, Outbound},
};
use crate::{
    net::{Aftermath, Carrier, Stream, Visitor},
    xmpp::door::{Entrance, serve},
};

/// `GET` with an upgrade.
pub(super) async fn open(
    State(web): State<Arc<Web>>,
    Extension(visitor): Extension<Visitor>,
    Extension(aftermath): Extension<Aftermath>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    if let Err(refusal) = web.admit(visitor, &headers) {
        return refusal.into_response();
    }
    let Ok(upgrade) = upgrade else {
        return (StatusCode::UPGRADE_REQUIRED, "this address is for WebSockets\n").into_response();
    };
    let upgrade = upgrade.protocols([SUBPROTOCOL]);
    if upgrade.selected_protocol().is_none() {
        return (StatusCode::BAD_REQUEST, "the subprotocol must be xmpp (RFC 7395)\n").into_response();
    }
    let limits = &web.shared.limits;
    let (most, waiting) = (limits.message_bytes, limits.outgoing_bytes);
    upgrade
        .max_message_size(most)
        .max_frame_size(most)
        .read_buffer_size(SOCKET_BUFFER)
        .write_buffer_size(SOCKET_BUFFER)
        .max_write_buffer_size(waiting.max(2 * SOCKET_BUFFER))
        .on_upgrade(async move |socket| {
            let carrier = Box::new(Framed::new(socket, Inbound::new(web.shared.limits_after_login())));
            let stream = Stream::carried(carrier, visitor.address, visitor.is_secure);
            aftermath.leave(serve(Arc::clone(&web.shared), Entrance::Web, stream, web.signal.clone()));
        })
}

/// The bytes of a stream in the frames of a WebSocket.
struct Framed {
    socket: WebSocket,
    inbound: Inbound,
    outbound: Outbound,
    /// Heard, and not read yet.
    heard: Bytes,
    /// To be sent; no longer than what was written last.
    frames: VecDeque<Vec<u8>>,
}

impl Carrier for Framed {}

impl std::fmt::Debug for Framed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Framed").finish_non_exhaustive()
    }
}

impl Framed {
    fn new(socket: WebSocket, inbound: Inbound) -> Self {
        let (heard, frames) = (Bytes::new(), VecDeque::new());
        Self { socket, inbound, outbound: Outbound::new(), heard, frames }
    }

    /// Gives the frames to the socket, which may keep them until it is flushed.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut socket = Pin::new(&mut self.socket);
        while !self.frames.is_empty() {
            ready!(socket.as_mut().poll_ready(context)).map_err(io::Error::other)?;
            let Some(frame) = self.frames.pop_front() else { break };
            // What the scanner let through is UTF-8.
            let text = String::from_utf8(frame).map_err(io::Error::other)?;
            socket.as_mut().start_send(Message::text(text)).map_err(io::Error::other)?;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Framed {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.heard.is_empty() {
            match ready!(Pin::new(&mut this.socket).poll_next(context)) {
                Some(Ok(Message::Text(text))) => this.heard = this.inbound.translate(text.into()),
                // "The data frames MUST be text" (RFC 7395 §3.2): they are taken for what they hold.
                Some(Ok(Message::Binary(bytes))) => this.heard = this.inbound.translate(bytes),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                None | Some(Ok(Message::Close(_))) => return Poll::Ready(Ok(())),
                Some(Err(fault)) => return Poll::Ready(Err(io::Error::other(fault))),
            }
        }
        let count = this.heard.len().min(buffer.remaining());
        buffer.put_slice(this.heard.get(..count).unwrap_or_default());
        this.heard.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Framed {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_send(context))?;
        let Self { outbound, frames, .. } = this;
        outbound.translate(bytes, |frame| frames.push_back(frame)).map_err(io::Error::other)?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(context))?;
        this.frames = VecDeque::new();
        Pin::new(&mut this.socket).poll_flush(context).map_err(io::Error::other)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(context))?;
        Pin::new(&mut self.socket).poll_close(context).map_err(io::Error::other)
    }
}

const SUBPROTOCOL: &str = "xmpp";
/// Bytes that a WebSocket reads and writes at a time.
const SOCKET_BUFFER: usize = 4096;
