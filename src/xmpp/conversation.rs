//! The task of one bound session, the only one that touches its socket.
//!
//! It reads as much as waits, handles all of it, takes all that the account handed over, and writes once.
//! [`Conversation::poll`] is written by hand: what an `async fn` with its `select!` would keep of each thing it
//! waits for is kilobytes per idle session, and one timer serves for everything that has a time.

use std::{
    cell::Cell,
    collections::VecDeque,
    mem,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    sync::oneshot,
    time::{Instant, Sleep, sleep_until},
};
use tracing::debug;

use super::{
    queue::Queue,
    resumption::{self, Handover},
    session::Client,
    stanza::Event as Scanned,
    stream::{Condition, StreamError},
    wire::Wire,
};
use crate::{
    account::{Delivery, Parcel},
    net::ShutdownSignal,
};

/// How a session ended.
enum End {
    /// The client said goodbye.
    Said,
    /// The connection is gone, or of no use.
    Gone,
    /// The client goes on with the session on another connection.
    Wanted(oneshot::Sender<Handover>),
    Error(StreamError),
}

impl<E: Into<StreamError>> From<E> for End {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

/// Runs the session until client, account or server ends it.
pub(super) fn run(
    client: Box<Client>,
    wire: Box<Wire>,
    queue: Arc<Queue>,
    signal: ShutdownSignal,
) -> impl Future<Output = ()> + Send {
    let mut conversation = Conversation::new(client, wire, queue);
    // What is captured is used in place: an `async fn` would keep its arguments twice.
    async move {
        let end = {
            let mut draining = pin!(signal.draining());
            let mut alarm = pin!(sleep_until(conversation.armed));
            let poll =
                |context: &mut Context<'_>| conversation.poll(context, draining.as_mut(), alarm.as_mut());
            std::future::poll_fn(poll).await
        };
        Box::pin(conversation.finish(end, signal)).await;
    }
}

struct Conversation {
    client: Box<Client>,
    wire: Box<Wire>,
    queue: Arc<Queue>,
    /// Taken from the queue and not handled yet.
    parcels: VecDeque<Parcel>,
    /// When something must have been heard of the client.
    quiet_until: Instant,
    /// When the client must have taken what is being written.
    write_by: Option<Instant>,
    /// What the alarm is set to.
    armed: Instant,
    /// The client is silent and was asked whether it is there.
    has_pinged: bool,
    /// The scanner may hold another stanza.
    has_more: bool,
}

/// What one turn came to.
enum Turn {
    /// Something happened: look again.
    Moved,
    /// Nothing to do before something comes.
    Idle,
    /// Nothing is done before the client has taken what is written to it.
    Blocked,
}

impl Conversation {
    fn new(client: Box<Client>, wire: Box<Wire>, queue: Arc<Queue>) -> Self {
        let now = Instant::now();
        let quiet_until = now + silence(&client);
        Self {
            client,
            wire,
            queue,
            parcels: VecDeque::new(),
            quiet_until,
            write_by: None,
            armed: now,
            has_pinged: false,
            has_more: true,
        }
    }

    fn poll(
        &mut self,
        context: &mut Context<'_>,
        mut draining: Pin<&mut impl Future<Output = ()>>,
        alarm: Pin<&mut Sleep>,
    ) -> Poll<End> {
        let now = Instant::now();
        borrow(&OUT, &mut self.client.out);
        borrow(&UNCONFIRMED, &mut self.client.unconfirmed);
        let turned = self.handle_time(now).and_then(|()| {
            loop {
                match self.turn(context, now)? {
                    Turn::Moved => {}
                    Turn::Blocked => return Ok(()),
                    Turn::Idle if draining.as_mut().poll(context).is_ready() => {
                        return Err(Condition::SystemShutdown.into());
                    }
                    Turn::Idle => {
                        self.release();
                        return Ok(());
                    }
                }
            }
        });
        // After the turn, since that may have enabled it.
        let wanted = self.client.seat.as_ref().map(|seat| seat.poll_wanted(context));
        match turned {
            Ok(()) if let Some(Poll::Ready(by)) = wanted => Poll::Ready(End::Wanted(by)),
            Ok(()) => self.arm(context, alarm, now),
            Err(end) => Poll::Ready(end),
        }
    }

    /// Writes what is left, reads what is there, takes what waits.
    fn turn(&mut self, context: &mut Context<'_>, now: Instant) -> Result<Turn, End> {
        if !self.flush(context, now)? {
            return Ok(Turn::Blocked);
        }
        let has_read = self.read(context, now)?;
        let has_answered = self.client.poll_jobs(context);
        let has_taken = self.take_parcels(context)?;
        let is_idle = !has_read && !has_answered && !has_taken && self.client.out.is_empty();
        Ok(if is_idle { Turn::Idle } else { Turn::Moved })
    }

    /// Does what is due.
    fn handle_time(&mut self, now: Instant) -> Result<(), End> {
        match self.write_by {
            Some(by) if by <= now => return Err(End::Gone),
            Some(_) => return Ok(()),
            None => {}
        }
        if self.quiet_until <= now {
            if mem::replace(&mut self.has_pinged, true) {
                return Err(Condition::ConnectionTimeout.into());
            }
            self.client.ping();
            self.quiet_until = now + self.wire.patience();
        }
        Ok(())
    }

    /// Sets the alarm to the next thing that is due. One that rings too early is set anew then, so that
    /// hearing of the client costs no work on the timer.
    fn arm(&mut self, context: &mut Context<'_>, mut alarm: Pin<&mut Sleep>, now: Instant) -> Poll<End> {
        let due = self.write_by.unwrap_or(self.quiet_until);
        let due = self.wire.rest_until(now).map_or(due, |until| until.min(due));
        if due < self.armed || self.armed <= now {
            self.armed = due;
            alarm.as_mut().reset(due);
            if alarm.poll(context).is_ready() {
                context.waker().wake_by_ref();
            }
        }
        Poll::Pending
    }

    /// Writes what there is to write; `false` when the client does not take it yet.
    fn flush(&mut self, context: &mut Context<'_>, now: Instant) -> Result<bool, End> {
        if self.parcels.is_empty() {
            if self.client.management.is_full() {
                let text = "too many stanzas are not acknowledged";
                return Err(StreamError::with_text(Condition::ResourceConstraint, text).into());
            }
            let request = self.client.management.request();
            self.client.out.extend_from_slice(request.unwrap_or_default());
        }
        if self.client.out.is_empty() {
            return Ok(true);
        }
        match self.wire.poll_write(&mut self.client.out, context) {
            Poll::Pending => {
                self.write_by.get_or_insert_with(|| now + self.wire.patience());
                Ok(false)
            }
            Poll::Ready(written) => {
                written.map_err(|_| End::Gone)?;
                self.write_by = None;
                self.client.note_written();
                Ok(true)
            }
        }
    }

    /// Reads once, unless something is left of the last time, and handles it. Tells whether there was
    /// anything.
    fn read(&mut self, context: &mut Context<'_>, now: Instant) -> Result<bool, End> {
        if !self.client.takes_input() || self.wire.rest_until(now).is_some() {
            return Ok(false);
        }
        if !self.has_more {
            match self.wire.poll_read(context, now) {
                Poll::Pending => return Ok(false),
                Poll::Ready(Ok(0) | Err(_)) => return Err(End::Gone),
                Poll::Ready(Ok(_)) => {
                    self.quiet_until = now + silence(&self.client);
                    self.has_pinged = false;
                }
            }
        }
        self.has_more = self.handle_input(now)?;
        Ok(true)
    }

    /// Handles what was read. Tells whether some is left: the client sends faster than it may or than the disk
    /// can take, or the answers fill a buffer.
    fn handle_input(&mut self, now: Instant) -> Result<bool, End> {
        while !self.wire.scanner.is_empty() {
            let is_full = self.client.out.len() > WRITE_BYTES;
            if is_full || !self.client.takes_input() || !self.wire.may_take_stanza(now) {
                return Ok(true);
            }
            if self.client.shared.accounts.is_strained() {
                self.wire.rest(now, BREATH);
                return Ok(true);
            }
            match self.wire.scanner.next_event()? {
                None => return Ok(false),
                // The client says what is wrong with us, and goes.
                Some(Scanned::Stanza(stanza)) if stanza.is("error", STREAMS) => return Err(End::Said),
                Some(Scanned::Stanza(stanza)) => self.client.handle_element(&stanza)?,
                Some(Scanned::End) => return Err(End::Said),
                Some(Scanned::Header(_)) => return Err(Condition::BadFormat.into()),
            }
        }
        Ok(false)
    }

    /// Takes what the account handed over, as much as a buffer holds. Tells whether there was anything.
    fn take_parcels(&mut self, context: &mut Context<'_>) -> Result<bool, End> {
        if self.parcels.is_empty() && self.queue.poll_drain(&mut self.parcels, context).is_pending() {
            return Ok(false);
        }
        while self.client.out.len() <= WRITE_BYTES {
            let Some(parcel) = self.parcels.pop_front() else { break };
            self.client.handle_parcel(parcel)?;
        }
        Ok(true)
    }

    /// Gives back all memory that an idle session has no use for.
    fn release(&mut self) {
        self.wire.scanner.release();
        self.parcels = VecDeque::new();
        lend(&OUT, &mut self.client.out, LENT_BYTES);
        lend(&UNCONFIRMED, &mut self.client.unconfirmed, LENT_DELIVERIES);
    }

    /// Says goodbye, and gives back to the account what was not confirmed; or leaves the session to the client's
    /// next connection.
    async fn finish(self, end: End, signal: ShutdownSignal) {
        match end {
            End::Wanted(by) => self.hand_over(by, signal).await,
            end if self.client.seat.is_none() => self.say_goodbye(end).await,
            End::Gone | End::Error(StreamError { condition: Condition::ConnectionTimeout, .. }) => {
                self.fall_asleep(signal).await;
            }
            End::Error(StreamError { condition: Condition::SystemShutdown, .. }) => {
                self.interrupt(end).await;
            }
            end => self.say_goodbye(end).await,
        }
    }

    /// The server stops; the client can go on with the next one.
    async fn interrupt(mut self, end: End) {
        // The last thing the account says is that it is over.
        let _ = self.handle_rest();
        // Their answers are kept with the rest.
        self.client.finish_jobs().await;
        self.client.save().await;
        self.say_goodbye(end).await;
    }

    /// Handles what the account handed over last. What is written with it is not sent here any more.
    fn handle_rest(&mut self) -> Result<(), StreamError> {
        let mut parcels = mem::take(&mut self.parcels);
        parcels.drain(..).try_for_each(|parcel| self.client.handle_parcel(parcel))
    }

    async fn fall_asleep(mut self, signal: ShutdownSignal) {
        if self.handle_rest().is_err() {
            return self.say_goodbye(End::Gone).await;
        }
        let Self { client, queue, mut wire, .. } = self;
        wire.close().await;
        drop(wire);
        resumption::sleep(client, queue, signal).await;
    }

    async fn hand_over(mut self, by: oneshot::Sender<Handover>, signal: ShutdownSignal) {
        if self.handle_rest().is_err() {
            return self.say_goodbye(End::Gone).await;
        }
        let Self { client, queue, mut wire, .. } = self;
        match by.send(Handover { client, queue }) {
            Ok(()) => {
                let mut last = Vec::new();
                StreamError::from(Condition::Conflict).print(&mut last);
                let _ = wire.write(&last).await;
                wire.close().await;
            }
            Err(Handover { client, queue }) => {
                wire.close().await;
                drop(wire);
                resumption::sleep(client, queue, signal).await;
            }
        }
    }

    async fn say_goodbye(mut self, end: End) {
        // What the client asked for may be why the session ends, and the client is to know that it was done.
        self.client.finish_jobs().await;
        let mut last = mem::take(&mut self.client.out);
        match end {
            End::Error(error) => {
                debug!(condition = error.condition.name(), text = error.text, "stream closed");
                error.print(&mut last);
            }
            End::Said => last.extend_from_slice(b"</stream:stream>"),
            End::Gone | End::Wanted(_) => last.clear(),
        }
        let is_written = last.is_empty() || self.wire.write(&last).await.is_ok();
        if is_written && !last.is_empty() {
            self.client.note_written();
        }
        let Self { client, parcels, queue, mut wire, .. } = self;
        drop(client);
        drop(parcels);
        queue.close();
        wire.close().await;
    }
}

fn silence(client: &Client) -> Duration {
    Duration::from_secs(client.shared.config.ping_seconds.into())
}

thread_local! {
    /// Buffers that the sessions of this thread use in turn: only one of them is at work at a time, and one
    /// that waits for its client keeps what it has.
    static OUT: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static UNCONFIRMED: Cell<Vec<Delivery>> = const { Cell::new(Vec::new()) };
}

fn borrow<T>(from: &'static std::thread::LocalKey<Cell<Vec<T>>>, into: &mut Vec<T>) {
    if into.capacity() == 0 {
        *into = from.take();
    }
}

/// Leaves an empty buffer to the next session, unless it has grown large.
fn lend<T>(to: &'static std::thread::LocalKey<Cell<Vec<T>>>, from: &mut Vec<T>, most: usize) {
    let buffer = mem::take(from);
    if buffer.is_empty() && buffer.capacity() <= most {
        to.set(buffer);
    }
}

const STREAMS: &str = "http://etherx.jabber.org/streams";
/// Bytes that are gathered before they are written.
const WRITE_BYTES: usize = 64 * 1024;
/// How long a client is left waiting when the disk is behind.
const BREATH: Duration = Duration::from_millis(20);
const LENT_BYTES: usize = 2 * WRITE_BYTES;
const LENT_DELIVERIES: usize = 1024;

#[cfg(test)]
mod tests;
