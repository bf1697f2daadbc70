//! The shell of one BOSH session: where requests of any connection meet the task of the stream.
//!
//! [`Exchange`] decides; here its deeds are done, and the stream's bytes pass. The lock is held for a decision only.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Instant,
};

use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::{Notify, oneshot},
    time::sleep_until,
};

use super::{
    body::{Answer, Body},
    exchange::{Deed, Exchange, Terms},
};
use crate::{
    net::Carrier,
    xmpp::{
        stanza::{Event, Scanner},
        web::framing::{self, print_element, print_header},
    },
};

/// The way to answer one request; dropped where its connection broke.
type Reply = oneshot::Sender<Answer>;

/// One session, shared by its requests and the task of its stream.
#[derive(Debug)]
pub(super) struct Session {
    state: Mutex<State>,
    /// The timekeeper has to look again.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    exchange: Exchange<Reply>,
    /// For the stream, and not read yet.
    fed: BytesMut,
    /// The client ended the stream, or is gone.
    is_over: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Session {
    /// A session that begins with this request.
    pub(super) fn new(
        terms: Terms,
        request: &Body,
        reply: Reply,
        greeting: Vec<(&'static str, String)>,
    ) -> Arc<Self> {
        let exchange = Exchange::new(terms, request.request, reply, greeting, Instant::now());
        let mut fed = BytesMut::new();
        fed.extend_from_slice(&header_of(request));
        let state = State { exchange, fed, is_over: false, reader: None, writer: None };
        Arc::new(Self { state: Mutex::new(state), changed: Notify::new() })
    }

    /// A request of the session.
    pub(super) fn handle_request(&self, body: Body, reply: Reply) {
        let mut state = self.state();
        let deeds = state.exchange.handle_request(body, reply, Instant::now());
        state.act(deeds);
        drop(state);
        self.changed.notify_one();
    }

    /// Answers requests in time, until the client is gone or the session is over and everybody knows it.
    pub(super) async fn keep_time(&self) {
        loop {
            let due = {
                let mut state = self.state();
                if state.exchange.is_settled() {
                    return;
                }
                match state.exchange.handle_time(Instant::now()) {
                    Some(deeds) => state.act(deeds),
                    None => return state.leave(),
                }
                state.exchange.due()
            };
            let changed = self.changed.notified();
            match due {
                Some(due) => tokio::select! {
                    () = sleep_until(due.into()) => {}
                    () = changed => {}
                },
                None => changed.await,
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn act(&mut self, deeds: Vec<Deed<Reply>>) {
        for deed in deeds {
            match deed {
                // A connection that broke meanwhile will ask again.
                Deed::Answer(reply, answer) => drop(reply.send(answer)),
                Deed::Feed(bytes) => self.fed.extend_from_slice(&bytes),
                Deed::Restart(body) => self.fed.extend_from_slice(&header_of(&body)),
                Deed::End => self.fed.extend_from_slice(b"</stream:stream>"),
            }
        }
        if !self.fed.is_empty() {
            wake(&mut self.reader);
        }
        if !self.exchange.is_full() {
            wake(&mut self.writer);
        }
    }

    /// Nobody is there any more.
    fn leave(&mut self) {
        self.is_over = true;
        wake(&mut self.reader);
        wake(&mut self.writer);
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

fn header_of(body: &Body) -> Vec<u8> {
    let opening = &body.opening;
    print_header([
        ("to", opening.to.as_deref()),
        ("from", opening.from.as_deref()),
        // Who says none is as old as the specification lets him be.
        ("version", Some(opening.version.as_deref().unwrap_or("1.0"))),
        ("xml:lang", opening.language.as_deref()),
    ])
}

/// The stream's end of a session.
#[derive(Debug)]
pub(super) struct Carried {
    session: Arc<Session>,
    scanner: Scanner,
    /// Why the stream ends, where it said so.
    condition: Option<&'static str>,
}

impl Carrier for Carried {}

impl Carried {
    pub(super) fn new(session: Arc<Session>) -> Self {
        Self { session, scanner: framing::outgoing_scanner(), condition: None }
    }

    /// Takes what the stream writes apart; tells whether the stream ended.
    fn take(&mut self, bytes: &[u8], state: &mut State) -> io::Result<bool> {
        self.scanner.feed(bytes);
        let mut is_end = false;
        while let Some(event) = framing::next_outgoing(&mut self.scanner).map_err(io::Error::other)? {
            match event {
                // The client knows by the wrapper what a header says.
                Event::Header(_) => {}
                Event::Stanza(element) => {
                    if element.is("error", framing::STREAMS) {
                        let is_shutdown = element.children().any(|child| child.name() == "system-shutdown");
                        self.condition =
                            Some(if is_shutdown { "system-shutdown" } else { "remote-stream-error" });
                    }
                    state.exchange.handle_outgoing(print_element(&element).into());
                }
                Event::End => is_end = true,
            }
        }
        self.scanner.release();
        Ok(is_end)
    }

    fn end(&self, state: &mut State) {
        let deeds = state.exchange.handle_end(self.condition, Instant::now());
        state.act(deeds);
        self.session.changed.notify_one();
    }
}

impl AsyncRead for Carried {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.session.state();
        if state.fed.is_empty() {
            if state.is_over {
                return Poll::Ready(Ok(()));
            }
            state.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        let count = state.fed.len().min(buffer.remaining());
        buffer.put_slice(state.fed.get(..count).unwrap_or_default());
        state.fed.advance(count);
        if state.fed.is_empty() {
            state.fed = BytesMut::new();
        }
        let deeds = state.exchange.handle_read(count, Instant::now());
        state.act(deeds);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Carried {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let session = Arc::clone(&this.session);
        let mut state = session.state();
        if state.is_over {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if state.exchange.is_full() {
            state.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        if this.take(bytes, &mut state)? {
            this.end(&mut state);
        }
        Poll::Ready(Ok(bytes.len()))
    }

    /// All that was written together goes together.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.session.state();
        let deeds = state.exchange.answer(Instant::now());
        state.act(deeds);
        drop(state);
        self.session.changed.notify_one();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.session.state();
        self.end(&mut state);
        Poll::Ready(Ok(()))
    }
}

impl Drop for Carried {
    /// However the stream ended: nobody waits in vain.
    fn drop(&mut self) {
        let session = Arc::clone(&self.session);
        self.end(&mut session.state());
    }
}
