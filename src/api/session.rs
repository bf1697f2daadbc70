//! A WebSocket as a session of the account (RFC 6455): the page's or a program's live side.
//!
//! One task reads, writes and waits. Messages stay unconfirmed until the client acknowledges them;
//! at most a window of them is out, the rest waits in the outbox, and what was not acknowledged when
//! the socket ends goes back to the account. What frames mean is `translate`'s business.

use std::{
    collections::VecDeque,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::extract::ws::{CloseFrame, Message as Wire, WebSocket};
use futures_util::{FutureExt, SinkExt};
use tokio::time::{sleep_until, timeout};
use tracing::debug;

use super::{
    identity::Identity,
    pace::{Clock, Pace, Tick},
    pending::Pending,
    server::Shared,
    translate::{
        Farewell, Sender, Wish, parse_frame, print_event, print_face, print_message, print_outcome,
        print_ready, print_reply,
    },
    window::Window,
};
use crate::{
    account::{
        CloseReason, Event, Outbox, Parcel, Replied, Reply, Request, Session, SessionChange, SessionKind,
        SessionSpec,
    },
    auth::AuthError,
    signal::{Reason, Reject, Resource, Timestamp, Topic},
};

/// Serves one WebSocket until it ends.
pub(super) async fn converse(mut socket: WebSocket, shared: Arc<Shared>, identity: Identity) {
    let outbox = Outbox::new(shared.config.queue);
    let opened = match specify(Timestamp::now()) {
        Ok(spec) => shared.accounts.open(&identity.address, spec, outbox.clone()).await,
        Err(reject) => Err(reject),
    };
    match opened {
        Ok(session) => {
            debug!(account = %identity.address, session = session.id().0, "page connected");
            // Boxed: it is held over every wait, and moved from one to the next.
            Box::new(Conversation::new(socket, shared, identity, outbox, session)).run().await;
        }
        Err(reject) => {
            let reason = match reject.reason {
                Reason::PolicyViolation => CloseReason::TooMany,
                Reason::NotFound => CloseReason::AccountGone,
                _ => CloseReason::Fault,
            };
            say_goodbye(&mut socket, Some(Farewell::Account(reason))).await;
        }
    }
}

fn specify(since: Timestamp) -> Result<SessionSpec, Reject> {
    let random = getrandom::u64().map_err(|_| Reason::Internal)?;
    let resource = Resource::new(&format!("web-{random:016x}")).map_err(|_| Reason::Internal)?;
    Ok(SessionSpec {
        kind: SessionKind::Page,
        resource,
        since,
        contact: None,
        device: None,
        client: None,
        takes_messages: true,
        takes_calls: false,
        takes_copies: true,
        follows_roster: true,
    })
}

struct Conversation {
    socket: WebSocket,
    shared: Arc<Shared>,
    identity: Identity,
    outbox: Arc<Outbox>,
    session: Session,
    /// Taken from the outbox and not written yet, because the window is full. When it holds as much
    /// as the outbox may, nothing more is taken, and the outbox fills up in turn.
    held: VecDeque<Parcel>,
    /// Frames that are written at the end of the turn.
    out: Vec<String>,
    window: Window,
    pending: Pending,
    pace: Pace,
    clock: Clock,
}

/// What a turn of the loop is about.
enum Turn {
    Frame(Option<Result<Wire, axum::Error>>),
    Parcels,
    Time,
    Shutdown,
}

/// The end of a conversation: `None` where the peer is gone already.
type End = Option<Farewell>;

impl Conversation {
    fn new(
        socket: WebSocket,
        shared: Arc<Shared>,
        identity: Identity,
        outbox: Arc<Outbox>,
        session: Session,
    ) -> Self {
        let config = &shared.config;
        let clock = Clock::new(Duration::from_secs(config.ping_seconds.into()), Instant::now());
        let window = Window::new(config.unacknowledged, Duration::from_secs(config.ack_seconds.into()));
        let pending = Pending::new(config.pending);
        let (held, out, pace) = (VecDeque::new(), Vec::new(), Pace::default());
        Self { socket, shared, identity, outbox, session, held, out, window, pending, pace, clock }
    }

    async fn run(mut self: Box<Self>) {
        let end = match self.greet().await {
            Ok(()) => self.talk().await,
            Err(end) => end,
        };
        let Self { mut socket, identity, outbox, session, held, window, .. } = *self;
        debug!(
            account = %identity.address,
            session = session.id().0,
            reason = end.map_or("gone", Farewell::word),
            "page disconnected"
        );
        // The session first: what goes back to the account must not come here again.
        outbox.close();
        drop(session);
        drop((held, window));
        say_goodbye(&mut socket, end).await;
    }

    /// Tells the client who and where it is.
    async fn greet(&mut self) -> Result<(), End> {
        let fault = Some(Farewell::Account(CloseReason::Fault));
        let Ok(Reply::Summary(summary)) = self.session.ask(Request::Summary).await else { return Err(fault) };
        let ready = print_ready(self.session.party(), &summary, self.identity.is_admin, self.session.id());
        self.out.push(ready);
        self.session.change(SessionChange::Follows(Arc::from([Topic::Avatar])));
        self.write().await
    }

    async fn talk(&mut self) -> End {
        let signal = self.shared.signal.clone();
        let mut draining = pin!(signal.draining());
        let mut armed = Instant::now();
        let mut alarm = pin!(sleep_until(armed.into()));
        loop {
            let now = Instant::now();
            let deadlines = [self.window.deadline(), self.pace.resumes()];
            let wake = deadlines.into_iter().flatten().fold(self.clock.next(), Instant::min).max(now);
            // An alarm that rings too early costs less than one that is set anew for every frame.
            if wake < armed || armed <= now {
                armed = wake;
                alarm.as_mut().reset(armed.into());
            }
            let may_hold = self.held.len() < self.shared.config.queue;
            let turn = tokio::select! {
                frame = self.socket.recv(), if self.pace.may_read(now) => Turn::Frame(frame),
                () = self.outbox.drain(&mut self.held), if may_hold => Turn::Parcels,
                () = &mut alarm => Turn::Time,
                () = &mut draining => Turn::Shutdown,
            };
            let done = match turn {
                Turn::Frame(frame) => self.handle_wires(frame),
                Turn::Parcels => Ok(()),
                Turn::Time => self.handle_time().await,
                Turn::Shutdown => Err(Some(Farewell::Account(CloseReason::Shutdown))),
            };
            if let Err(end) = done {
                // Who is still there gets the answers to what it sent before.
                if end.is_some() {
                    let _ = self.write().await;
                }
                return end;
            }
            if self.held.len() < self.shared.config.queue {
                self.outbox.try_drain(&mut self.held);
            }
            let done = self.print_held();
            if let Err(end) = self.write().await.and(done) {
                return end;
            }
        }
    }

    /// Handles a frame, and those that wait behind it.
    fn handle_wires(&mut self, first: Option<Result<Wire, axum::Error>>) -> Result<(), End> {
        let now = Instant::now();
        self.clock.hear(now);
        self.handle_wire(first, now)?;
        for _ in 1..FRAMES {
            if !self.pace.may_read(now) {
                break;
            }
            match self.socket.recv().now_or_never() {
                Some(next) => self.handle_wire(next, now)?,
                None => break,
            }
        }
        Ok(())
    }

    fn handle_wire(&mut self, wire: Option<Result<Wire, axum::Error>>, now: Instant) -> Result<(), End> {
        let wire = match wire {
            None | Some(Ok(Wire::Close(_))) => return Err(None),
            Some(Err(fault)) => {
                debug!(account = %self.identity.address, %fault, "socket cannot be read");
                return Err(Some(Farewell::Unreadable));
            }
            Some(Ok(wire)) => wire,
        };
        self.pace.count(&self.shared.limits, &wire, now);
        if self.shared.accounts.is_strained() {
            self.pace.rest(now, BREATH);
        }
        match wire {
            Wire::Text(text) => self.handle_text(text.as_str()),
            Wire::Binary(_) => {
                let reject = Reject::with_text(Reason::UnsupportedMedia, "frames are JSON text");
                self.out.push(print_outcome(None, Some(&reject)));
            }
            Wire::Ping(_) | Wire::Pong(_) | Wire::Close(_) => {}
        }
        Ok(())
    }

    fn handle_text(&mut self, text: &str) {
        let now = Timestamp::now();
        let message = self.shared.accounts.new_message_id(now);
        let sender = Sender { party: self.session.party(), now, message };
        let (id, wish) = parse_frame(text, &sender);
        let outcome = match wish {
            Ok(Wish::Ask(request)) => return self.ask(id, request, None),
            Ok(Wish::AskBoth(first, then)) => return self.ask(id, first, Some(then)),
            Ok(Wish::Acknowledge(message)) => return self.window.acknowledge(message),
            Ok(Wish::Announce(presence)) => {
                self.session.announce(Arc::new(presence));
                match id {
                    Some(_) => Ok(()),
                    None => return,
                }
            }
            Ok(Wish::Ping) => Ok(()),
            Err(reject) => Err(reject),
        };
        self.out.push(print_outcome(id.as_deref(), outcome.as_ref().err()));
    }

    /// Asks the account; the reply comes through the outbox.
    fn ask(&mut self, id: Option<String>, request: Request, then: Option<Request>) {
        match self.pending.add(id, then) {
            Ok(tag) => self.session.ask_tagged(request, Some(tag)),
            Err(id) => {
                let reject = Reject::with_text(Reason::Overloaded, "too many requests wait for replies");
                self.out.push(print_outcome(id.as_deref(), Some(&reject)));
            }
        }
    }

    /// Prints what is held, as far as the window goes.
    fn print_held(&mut self) -> Result<(), End> {
        if !self.window.has_room() {
            // The end of a session is the last thing that it is told, and waits for no window.
            return match self.held.back() {
                Some(Parcel::Event(Event::Closed(reason))) => Err(Some(Farewell::Account(*reason))),
                _ => Ok(()),
            };
        }
        let now = Instant::now();
        while self.window.has_room()
            && let Some(parcel) = self.held.pop_front()
        {
            match parcel {
                Parcel::Message(delivery) => {
                    self.out.push(print_message(&delivery.message, delivery.copy));
                    self.window.add(delivery, now);
                }
                Parcel::Event(Event::Reply(replied)) => {
                    let reply = self.settle(&replied);
                    self.out.extend(reply);
                }
                Parcel::Event(Event::Closed(reason)) => return Err(Some(Farewell::Account(reason))),
                Parcel::Event(Event::Face(face)) => self.out.extend(print_face(&face)),
                Parcel::Event(event) => self.out.extend(print_event(&event)),
            }
        }
        if self.held.is_empty() {
            self.held = VecDeque::new();
        }
        Ok(())
    }

    /// Finds whom a reply is for. A first request that succeeded may be followed by a second one.
    fn settle(&mut self, replied: &Replied) -> Option<String> {
        let waiting = replied.request.and_then(|tag| self.pending.remove(tag));
        let Some(waiting) = waiting else { return Some(print_reply(None, replied)) };
        if let (Some(then), Ok(_)) = (waiting.then, &replied.outcome) {
            return match self.pending.add(waiting.id, None) {
                Ok(tag) => {
                    self.session.ask_tagged(then, Some(tag));
                    None
                }
                Err(id) => Some(print_outcome(id.as_deref(), Some(&Reason::Overloaded.into()))),
            };
        }
        // Who gave no id is told of failures only.
        (waiting.id.is_some() || replied.outcome.is_err())
            .then(|| print_reply(waiting.id.as_deref(), replied))
    }

    async fn handle_time(&mut self) -> Result<(), End> {
        let now = Instant::now();
        self.pace.resume(now);
        if self.window.deadline().is_some_and(|at| at <= now) {
            return Err(Some(Farewell::TooSlow));
        }
        match self.clock.tick(now) {
            Tick::Nothing => Ok(()),
            Tick::Silent => Err(Some(Farewell::Silent)),
            Tick::Ask => {
                self.check_login().await?;
                let ping = self.socket.send(Wire::Ping(Vec::new().into()));
                written(timeout(self.window.patience(), ping).await)
            }
            Tick::Check => self.check_login().await,
        }
    }

    /// Ends the session of somebody who logged out, or whose login expired.
    async fn check_login(&mut self) -> Result<(), End> {
        let proof = &self.identity.proof;
        match self.shared.authenticator.verify_token(proof.kind, &proof.token).await {
            Err(AuthError::Wrong) => Err(Some(Farewell::LoggedOut)),
            // What cannot be checked now is checked the next time.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Writes what this turn has printed, in one go.
    async fn write(&mut self) -> Result<(), End> {
        if self.out.is_empty() {
            return Ok(());
        }
        let frames = std::mem::take(&mut self.out);
        let writing = async {
            for frame in frames {
                self.socket.feed(Wire::Text(frame.into())).await?;
            }
            self.socket.flush().await
        };
        written(timeout(self.window.patience(), writing).await)
    }
}

fn written(outcome: Result<Result<(), axum::Error>, tokio::time::error::Elapsed>) -> Result<(), End> {
    match outcome {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(None),
        Err(_) => Err(Some(Farewell::TooSlow)),
    }
}

/// Says why the socket ends, and gives the peer a moment to hear it.
async fn say_goodbye(socket: &mut WebSocket, end: End) {
    let Some(farewell) = end else { return };
    let goodbye = async {
        socket.feed(Wire::Text(farewell.print().into())).await?;
        let frame = CloseFrame { code: farewell.code(), reason: farewell.word().into() };
        socket.send(Wire::Close(Some(frame))).await?;
        while let Some(Ok(_)) = socket.recv().await {}
        Ok::<(), axum::Error>(())
    };
    let _ = timeout(GOODBYE, goodbye).await;
}

/// How long the closing handshake may take.
const GOODBYE: Duration = Duration::from_secs(2);
/// How long a client is left waiting when the disk is behind.
const BREATH: Duration = Duration::from_millis(20);
/// Frames that are handled before what they set off is written.
const FRAMES: usize = 64;
