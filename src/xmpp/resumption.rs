//! Streams that outlive their connection (XEP-0198 §5).
//!
//! A client that wants it is given a seat, an unguessable id by which it can go on after its connection broke.
//! Until it does, or its time is over, its session lives on without a connection: it is seen as before and
//! gathers what it would have been sent. It may also come back before anybody noticed that the old
//! connection is dead; then that one gives the session up.
//!
//! When the server stops in order, what it has of such a stream is written down; the next process opens the
//! session again as soon as it starts, so that those who see it notice nothing but a pause.
//!
//! Messages are never left to a session without connection alone: the account finds another way for them
//! (`Dormant`), and what then arrives twice is recognised here.

mod saved;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use compact_str::CompactString;
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::{sync::oneshot, time};
use tracing::{debug, warn};

pub(super) use saved::Told;

use super::{
    chance::Chance,
    door::Shared,
    login,
    queue::Queue,
    session::{Client, Kept},
    stanza::Stanza,
    stream::{Condition, Management, StreamError},
    translate::print_message,
};
use crate::{
    account::{Copy, Delivery, Memory, Parcel, SessionChange, SessionSpec, Sink},
    formats::xml::parse_boolean,
    net::ShutdownSignal,
    signal::{Address, MessageId, Reject, Timestamp},
};
use saved::Saved;

/// Every stream of this server that can be resumed. There are no more of them than sessions.
pub(super) struct Seats {
    taken: Mutex<FxHashMap<CompactString, Arc<Seat>>>,
    memory: Memory,
}

/// A stream of an earlier process that can still be resumed.
pub(super) struct Found {
    seated: Seated,
    saved: Saved,
}

/// Where the two connections of one session meet.
struct Seat {
    account: Address,
    call: Mutex<Call>,
}

#[derive(Default)]
struct Call {
    /// Who goes on with the session.
    by: Option<oneshot::Sender<Handover>>,
    /// The task that has the session now.
    waker: Option<Waker>,
}

/// A session on its way to another connection.
pub(super) struct Handover {
    pub(super) client: Box<Client>,
    pub(super) queue: Arc<Queue>,
}

/// A session's hold on its seat. The seat is given up with it.
pub(super) struct Seated {
    id: CompactString,
    seat: Arc<Seat>,
    seats: Arc<Seats>,
    /// It has no connection, and the account knows.
    is_dormant: bool,
    /// Messages that the client has, or will be sent again, and that may come from the offline file too.
    known: FxHashSet<MessageId>,
}

impl Seats {
    /// Without any stream yet.
    pub(super) fn new(memory: Memory) -> Arc<Self> {
        Arc::new(Self { taken: Mutex::default(), memory })
    }

    /// The streams that an earlier process left. Their seats are taken from now on; the sessions are opened by
    /// [`restore`]. Blocks: for the start.
    ///
    /// # Errors
    /// What the memory says.
    pub(super) fn find(self: &Arc<Self>, now: Timestamp) -> Result<Vec<Found>, Reject> {
        let mut found = Vec::new();
        for (id, value) in self.memory.all()? {
            let saved = Saved::parse(&value).filter(|saved| saved.until > now);
            if let (Ok(text), Some(saved)) = (std::str::from_utf8(&id), saved) {
                found.push(Found { seated: self.seat(text.into(), saved.account.clone()), saved });
            }
            self.memory.remove(id)?;
        }
        Ok(found)
    }

    fn seat(self: &Arc<Self>, id: CompactString, account: Address) -> Seated {
        let seat = Arc::new(Seat { account, call: Mutex::default() });
        locked(&self.taken).insert(id.clone(), Arc::clone(&seat));
        Seated { id, seat, seats: Arc::clone(self), is_dormant: false, known: FxHashSet::default() }
    }

    /// Asks whoever has the session of this id for it, on behalf of the owner of `account`. `None` where there
    /// is none, or where somebody else asks already.
    pub(super) async fn claim(&self, id: &str, account: &Address) -> Option<Handover> {
        let seat = locked(&self.taken).get(id).filter(|seat| seat.account == *account).cloned()?;
        let (by, handover) = oneshot::channel();
        {
            let mut call = locked(&seat.call);
            if call.by.as_ref().is_some_and(|other| !other.is_closed()) {
                return None;
            }
            call.by = Some(by);
            if let Some(waker) = call.waker.take() {
                waker.wake();
            }
        }
        time::timeout(HANDOVER, handover).await.ok()?.ok()
    }
}

impl Seated {
    /// What the client names the stream by.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Whether somebody goes on with the session on another connection.
    pub(super) fn poll_wanted(&self, context: &Context<'_>) -> Poll<oneshot::Sender<Handover>> {
        let mut call = locked(&self.seat.call);
        if let Some(by) = call.by.take() {
            return Poll::Ready(by);
        }
        match &mut call.waker {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        Poll::Pending
    }
}

impl Drop for Seated {
    fn drop(&mut self) {
        locked(&self.seats.taken).remove(&self.id);
        // Whoever asks for the session learns that it is gone.
        locked(&self.seat.call).by = None;
    }
}

impl Client {
    /// Gives the client a seat if `element` enables resumption.
    pub(super) fn take_seat(&mut self, element: &Stanza) {
        let resume = (element.name() == "enable").then(|| element.attribute("resume")).flatten();
        if resume.and_then(|resume| parse_boolean(&resume)) == Some(true) {
            self.sit_down();
        }
    }

    /// Gives the client a seat, where the configuration has any and it can still be used.
    pub(super) fn sit_down(&mut self) {
        if !self.management.is_enabled() && self.shared.config.resume_seconds > 0 {
            let account = self.session.party().address.clone();
            let id = CompactString::from(Chance::default().text());
            self.seat = Some(Box::new(self.shared.seats.seat(id, account)));
        }
    }

    /// The connection is gone. What was sent and not acknowledged goes another way, and is kept.
    fn fall_asleep(&mut self) {
        // Sent before it could be acknowledged: nobody knows whether it arrived.
        self.unconfirmed.clear();
        self.out.clear();
        if let Some(seat) = &mut self.seat {
            seat.is_dormant = true;
        }
        // The account must know first, or it would send what it gets back here again.
        self.session.change(SessionChange::Dormant(true));
        let mut missed = Vec::new();
        for kept in self.management.unacknowledged() {
            if let Kept::Message(delivery) = kept {
                missed.push(Arc::clone(&delivery.message));
                delivery.give_back();
            }
        }
        if !missed.is_empty() {
            self.session.miss(missed);
        }
    }

    /// Writes down what the next process needs to go on with the stream. What cannot be written is lost with it;
    /// messages are not among that.
    pub(super) async fn save(&mut self) {
        // Written down with the rest, which is more than what waits can be.
        let _ = self.write_held();
        self.out.clear();
        let Some(seat) = &self.seat else { return };
        let origin = self.origin.as_deref().copied().unwrap_or_default();
        let party = self.session.party();
        let (Some(resource), seconds) = (party.resource.clone(), self.shared.config.resume_seconds) else {
            return;
        };
        let saved = Saved {
            account: party.address.clone(),
            resource,
            device: origin.device,
            client: origin.client,
            told: self.told.clone(),
            language: self.language.clone(),
            handled: self.management.handled(),
            acknowledged: self.management.acknowledged(),
            unacknowledged: self.management.unacknowledged().map(|kept| saved::Stanza::of(kept)).collect(),
            until: Timestamp::now().plus_seconds(seconds.into()),
            follows_blocks: self.follows_blocks,
        };
        let written = self.shared.seats.memory.put_durably(seat.id.to_string().into(), saved.print());
        if let Err(fault) = written.await {
            warn!(session = %self.session.party(), %fault, "stream cannot be kept for the next start");
        }
    }

    /// Goes on on another connection, whose client has handled so many stanzas of this stream: the rest is
    /// written again.
    ///
    /// # Errors
    /// The client cannot have handled so many.
    pub(super) fn resume(&mut self, handled: u32) -> Result<(), StreamError> {
        self.out.clear();
        let ids = self.management.unacknowledged().filter_map(|kept| match kept {
            Kept::Message(delivery) => Some(delivery.message.id),
            Kept::Stanza(_) | Kept::Counted => None,
        });
        let known = ids.collect();
        let reply = self.management.resume(handled);
        self.handle_management(reply)?;
        let Some(seat) = &mut self.seat else { return Ok(()) };
        seat.known = known;
        let was_dormant = std::mem::take(&mut seat.is_dormant);
        self.write_again(was_dormant);
        // Somebody looks, until the client says otherwise (XEP-0352 §5).
        self.write_held()?;
        if self.held.take().is_some() {
            self.session.change(SessionChange::Attended(true));
        }
        if was_dormant {
            self.session.change(SessionChange::Dormant(false));
        }
        Ok(())
    }

    /// Writes what is not acknowledged; `late` messages say when they were sent (XEP-0198 §5).
    fn write_again(&mut self, late: bool) {
        let owner = self.session.party().clone();
        for kept in self.management.unacknowledged() {
            match kept {
                Kept::Message(delivery) => {
                    let copy = match delivery.copy {
                        Copy::Original if late => Copy::Offline,
                        copy => copy,
                    };
                    print_message(&delivery.message, copy, &owner, &mut self.out);
                }
                Kept::Stanza(bytes) => self.out.extend_from_slice(bytes),
                Kept::Counted => {}
            }
        }
    }

    /// A message that comes from the offline file may be here already, since it was on its way to the client
    /// when the connection broke, or was gathered here: then only the way it came by is taken over.
    pub(super) fn recognise(&mut self, delivery: Delivery) -> Option<Delivery> {
        let Some(seat) = &mut self.seat else { return Some(delivery) };
        if delivery.copy == Copy::Original && !delivery.is_awaited() {
            // It was handed over before the account heard that the stream goes on.
            seat.known.insert(delivery.message.id);
            return Some(delivery);
        }
        if delivery.copy != Copy::Offline || !seat.known.remove(&delivery.message.id) {
            return Some(delivery);
        }
        let mut earlier = self.management.unacknowledged().filter_map(|kept| match kept {
            Kept::Message(earlier) if earlier.message.id == delivery.message.id => Some(earlier),
            _ => None,
        });
        match earlier.next() {
            Some(earlier) => earlier.stand_for(delivery),
            None => delivery.confirm(),
        }
        None
    }
}

/// Keeps the session of a client whose connection is gone until it goes on elsewhere, its time is over, it has
/// more waiting than it may, or the server stops.
pub(super) async fn sleep(mut client: Box<Client>, queue: Arc<Queue>, signal: ShutdownSignal) {
    client.fall_asleep();
    debug!(session = %client.session.party(), "connection lost, the stream can be resumed");
    sleep_on(client, queue, signal).await;
}

/// Opens the session of a stream of an earlier process, and keeps it as [`sleep`] does.
pub(super) async fn restore(shared: Arc<Shared>, found: Found, signal: ShutdownSignal) {
    let Found { mut seated, saved } = found;
    let queue = login::queue(&shared);
    let sink: Arc<dyn Sink> = Arc::<Queue>::clone(&queue);
    let told = saved.told;
    let spec = SessionSpec {
        takes_copies: told.takes_copies,
        follows_roster: told.follows_roster,
        client: saved.client,
        ..login::spec(saved.resource, saved.device)
    };
    let session = match shared.accounts.open(&saved.account, spec, sink).await {
        Ok(session) => session,
        Err(reject) => return debug!(account = %saved.account, %reject, "stream cannot be restored"),
    };
    seated.is_dormant = true;
    session.change(SessionChange::Dormant(true));
    if let Some(topics) = &told.topics {
        session.change(SessionChange::Follows(Arc::clone(topics)));
    }
    if let Some(presence) = &told.presence {
        session.announce(Arc::clone(presence));
    }
    let unacknowledged = saved.unacknowledged.into_iter().map(|stanza| stanza.into_kept()).map(sized);
    let management =
        Management::restored(shared.most_unacknowledged(), saved.handled, saved.acknowledged, unacknowledged);
    let mut client = Box::new(Client::new(shared, session, saved.device, saved.language));
    if saved.client.is_some() {
        client.origin().client = saved.client;
    }
    client.management = management;
    client.told = told;
    client.follows_blocks = saved.follows_blocks;
    client.seat = Some(Box::new(seated));
    sleep_on(client, queue, signal).await;
}

/// With the bytes that it counts.
fn sized(kept: Kept) -> (Kept, usize) {
    let bytes = match &kept {
        Kept::Stanza(bytes) => bytes.len(),
        Kept::Message(_) | Kept::Counted => 0,
    };
    (kept, bytes)
}

/// What came up for a session without a connection.
enum Stir {
    /// The account handed something over.
    Parcels,
    /// Something that was begun is answered.
    Answered,
    /// The client goes on on another connection.
    Wanted(oneshot::Sender<Handover>),
}

/// What is there is taken in before the session goes on elsewhere.
fn poll_stir(
    client: &mut Client,
    queue: &Queue,
    parcels: &mut VecDeque<Parcel>,
    context: &mut Context<'_>,
) -> Poll<Stir> {
    if queue.poll_drain(parcels, context).is_ready() {
        return Poll::Ready(Stir::Parcels);
    }
    if client.poll_jobs(context) {
        return Poll::Ready(Stir::Answered);
    }
    match &client.seat {
        Some(seat) => seat.poll_wanted(context).map(Stir::Wanted),
        None => Poll::Pending,
    }
}

async fn sleep_on(mut client: Box<Client>, queue: Arc<Queue>, signal: ShutdownSignal) {
    let seconds = client.shared.config.resume_seconds;
    let mut over = std::pin::pin!(time::sleep(Duration::from_secs(seconds.into())));
    let mut parcels = VecDeque::new();
    let is_kept = loop {
        let stir = std::future::poll_fn(|context| poll_stir(&mut client, &queue, &mut parcels, context));
        let stir = tokio::select! {
            stir = stir => stir,
            () = &mut over => break false,
            () = signal.draining() => break true,
        };
        let handled = match stir {
            Stir::Wanted(by) => match by.send(Handover { client, queue: Arc::clone(&queue) }) {
                Ok(()) => return,
                // He has gone away meanwhile.
                Err(back) => {
                    client = back.client;
                    continue;
                }
            },
            Stir::Parcels => parcels.drain(..).try_for_each(|parcel| client.handle_parcel(parcel)),
            Stir::Answered => Ok(()),
        };
        client.out.clear();
        match handled {
            Ok(()) if !client.management.is_full() => {}
            outcome => break outcome.is_err_and(|error| error.condition == Condition::SystemShutdown),
        }
    };
    client.finish_jobs().await;
    if is_kept {
        client.save().await;
    }
    debug!(session = %client.session.party(), "nobody resumed the stream");
    // The account must know that the session is over before it gets back what was not confirmed.
    drop(client);
    queue.close();
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long the old connection's task may take to give the session up.
const HANDOVER: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
