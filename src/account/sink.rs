//! How the shell hands things to doors, and how they confirm what must not be lost.

use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
};

use smallvec::SmallVec;

use super::{Copy, Event, Shown, WatchId, WatchState, slip::Slip};
use crate::signal::{Message, SessionId};

/// One thing handed to a session.
#[derive(Debug)]
pub enum Parcel {
    Event(Event),
    Message(Delivery),
}

/// A message on its way to one session.
///
/// Whoever takes it out of the sink either passes it to the client and then calls
/// [`Delivery::confirm`], or drops it: a message that every session dropped goes back to the
/// account, which finds another way. Nothing is lost when a connection dies with a full queue.
#[derive(Debug)]
pub struct Delivery {
    pub message: Arc<Message>,
    pub copy: Copy,
    pub(super) slip: Option<Slip>,
}

impl Delivery {
    /// A message that a session had before, and nobody waits to hear of.
    #[must_use]
    pub fn again(message: Arc<Message>, copy: Copy) -> Self {
        Self { message, copy, slip: None }
    }

    /// Whether somebody waits to hear what becomes of it.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        self.slip.is_some()
    }

    /// The client has it, as surely as its protocol can tell.
    pub fn confirm(mut self) {
        if let Some(slip) = self.slip.take() {
            slip.confirm();
        }
    }

    /// It is not known whether the client will ever have it: the account finds another way for it. The
    /// message stays here, to be shown if the client comes back.
    pub fn give_back(&mut self) {
        self.slip = None;
    }

    /// The same message came once more, by a way that must know whether it arrives: what is confirmed now
    /// counts for that one.
    pub fn stand_for(&mut self, later: Self) {
        self.slip = later.slip;
    }
}

/// The way to a session, implemented by its door.
pub trait Sink: Send + Sync + 'static {
    /// Hands over one thing. Called with the account at work: must return at once and must not call
    /// back into the account.
    ///
    /// # Errors
    /// [`SinkFull`] when the session's bounded queue is full: the account then closes the session,
    /// and what it was handed and did not confirm goes another way.
    fn push(&self, session: SessionId, parcel: Parcel) -> Result<(), SinkFull>;
}

/// The way to a watcher, implemented by its door.
pub trait WatchSink: Send + Sync + 'static {
    /// Tells where the watcher stands, and what he may see. As [`Sink::push`], this must return at
    /// once. Only the newest state counts: a door may skip older ones.
    fn show(&self, watch: WatchId, state: WatchState, shown: Option<Shown>);
}

/// The queue of a session is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the session's queue is full")]
pub struct SinkFull;

/// A ready-made [`Sink`] for a session with a task of its own: a bounded queue that costs nothing
/// while it is empty. The task takes all that waits at once, so that it can write it in one go.
#[derive(Debug)]
pub struct Outbox {
    /// Things that may wait; one more and the session is closed as too slow.
    bound: usize,
    inner: Mutex<OutboxInner>,
}

#[derive(Debug, Default)]
struct OutboxInner {
    /// One thing or two find room without an allocation.
    waiting: SmallVec<[Parcel; 2]>,
    waker: Option<Waker>,
    closed: bool,
}

impl Outbox {
    /// An outbox for at most `bound` waiting things.
    #[must_use]
    pub fn new(bound: usize) -> Arc<Self> {
        Arc::new(Self { bound, inner: Mutex::default() })
    }

    /// Waits until something is there and moves all of it to the end of `into`.
    pub async fn drain(&self, into: &mut VecDeque<Parcel>) {
        std::future::poll_fn(|context| self.poll_drain(into, context)).await;
    }

    /// As [`Outbox::drain`], for a hand-written poll loop.
    pub fn poll_drain(&self, into: &mut VecDeque<Parcel>, context: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.waiting.is_empty() {
            match &mut inner.waker {
                Some(waker) => waker.clone_from(context.waker()),
                none => *none = Some(context.waker().clone()),
            }
            return Poll::Pending;
        }
        into.extend(mem::take(&mut inner.waiting));
        Poll::Ready(())
    }

    /// Moves what waits to the end of `into`, without waiting; tells whether there was anything.
    pub fn try_drain(&self, into: &mut VecDeque<Parcel>) -> bool {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let any = !inner.waiting.is_empty();
        into.extend(mem::take(&mut inner.waiting));
        any
    }

    /// Takes nothing more; what waits is dropped, and so goes back to the account.
    pub fn close(&self) {
        let waiting = {
            let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            inner.closed = true;
            mem::take(&mut inner.waiting)
        };
        drop(waiting);
    }
}

impl Sink for Outbox {
    fn push(&self, _session: SessionId, parcel: Parcel) -> Result<(), SinkFull> {
        let waker = {
            let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            // The notice that the session is closed finds room even in a full queue.
            let must = matches!(parcel, Parcel::Event(Event::Closed(_)));
            if inner.closed || (inner.waiting.len() >= self.bound && !must) {
                return Err(SinkFull);
            }
            inner.waiting.push(parcel);
            inner.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }
}
