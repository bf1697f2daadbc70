//! The transaction-stateful proxy of RFC 3261 §16: requests on their way to one or several places.
//!
//! What becomes of a request is [`super::fork`]'s to say; this file sends, and passes responses back.
//! Which places, and what the request means, is the caller's business, who may watch the events.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use compact_str::CompactString;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::{
    answer::{Refusal, answer},
    fork::{Fork, Step, Steps, Why},
    message::{HeaderName, Message},
    own::own_route,
    transaction::{
        ClientEvent, ClientTransaction, Failure, IncomingRequest, Layer, ServerTransaction, TransactionKey,
    },
    transport::{Destination, Flow},
};

/// All requests on their way through.
pub(in crate::sip) struct Proxy {
    layer: Arc<Layer>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    last: u64,
    passages: FxHashMap<PassageId, Passage>,
    by_key: FxHashMap<TransactionKey, PassageId>,
}

/// Names a passage; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct PassageId(u64);

/// One request on its way.
struct Passage {
    server: ServerTransaction,
    request: Message,
    fork: Fork,
    /// By branch; `None` until it was sent.
    clients: SmallVec<[Option<ClientTransaction>; 2]>,
    /// By branch: where it is tried next. Empty where no branch has more than one place.
    spares: Vec<Branch>,
}

/// One phone that a request goes to: the places where it may be, each tried when the one before has failed
/// (RFC 5626 §7).
pub(super) type Branch = VecDeque<Hop>;

/// One place that a request goes to.
pub(super) struct Hop {
    pub(super) request: Message,
    pub(super) destination: Destination,
}

/// Sees what happens to a request on its way. Called without any lock held.
pub(super) trait Observer: Send + Sync + 'static {
    /// Something happened to a branch, and nobody was told yet.
    fn handle_event(&self, branch: usize, event: &ClientEvent);

    /// A branch is tried at another place.
    fn handle_hop(&self, _branch: usize, _destination: &Destination) {}

    /// No branch is left that might succeed, and somebody is to be asked: see [`Proxy::ask_at_end`].
    fn handle_exhausted(&self, _best: u16) {}

    /// Every branch has come to its end, or none was begun. May be told more than once.
    fn handle_end(&self) {}
}

/// How far a passage is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Going,
    /// It waits for somebody's word.
    Held(u16),
    /// Just now.
    Over,
    /// Some time ago.
    Gone,
}

impl Proxy {
    pub(in crate::sip) fn new(layer: Arc<Layer>) -> Arc<Self> {
        Arc::new(Self { layer, inner: Mutex::default() })
    }

    /// A request begins its way: from now on it can be cancelled. It ends by [`Proxy::send`] or
    /// [`Proxy::refuse`].
    pub(super) fn begin(&self, request: &IncomingRequest) -> PassageId {
        let server = request.transaction.clone();
        let mut inner = self.lock();
        inner.last += 1;
        let id = PassageId(inner.last);
        inner.by_key.insert(server.key().clone(), id);
        let request = request.message.clone();
        let (fork, clients, spares) = (Fork::new(), SmallVec::new(), Vec::new());
        inner.passages.insert(id, Passage { server, request, fork, clients, spares });
        id
    }

    /// Answers a request that goes nowhere; nothing where it was cancelled meanwhile.
    pub(super) fn refuse(&self, id: PassageId, refusal: &Refusal) {
        let passage = self.lock().remove(id);
        if let Some(passage) = passage {
            passage.server.respond(refusal.response(&passage.request, &self.layer.new_token()));
        }
    }

    /// The observer is asked before a request that nobody took ends. He has it go on by [`Proxy::send_more`],
    /// or end by [`Proxy::release`] or [`Proxy::refuse_late`].
    pub(super) fn ask_at_end(&self, id: PassageId) {
        if let Some(passage) = self.lock().passages.get_mut(&id) {
            passage.fork.ask_at_end();
        }
    }

    /// Sends a request on its way to further phones; with `leave`, those that ring now are to end.
    /// `false` where nobody waits for it any more.
    pub(super) fn send_more(
        self: &Arc<Self>,
        id: PassageId,
        mut branches: Vec<Branch>,
        leave: bool,
        observer: &Arc<dyn Observer>,
    ) -> bool {
        let hops: SmallVec<[Option<Hop>; 2]> = branches.iter_mut().map(VecDeque::pop_front).collect();
        let Some((server, first)) = self.open_more(id, branches) else { return false };
        for (index, hop) in (first..).zip(hops) {
            match hop {
                Some(hop) => self.send_hop(id, index, &hop, &server, observer),
                None => self.handle(id, index, &server, observer, ClientEvent::Failed(Failure::Unreachable)),
            }
        }
        if leave {
            self.drive(id, |fork| fork.leave(first));
        }
        true
    }

    /// Whether the sender still waits for his answer.
    pub(super) fn is_pending(&self, id: PassageId) -> bool {
        self.lock().passages.get(&id).is_some_and(|passage| passage.fork.is_pending())
    }

    /// A request that nobody took ends, if it waits for that.
    pub(super) fn release(&self, id: PassageId, observer: &Arc<dyn Observer>) {
        if matches!(self.drive(id, Fork::release), Progress::Over | Progress::Gone) {
            observer.handle_end();
        }
    }

    /// A request ends by a refusal, whatever its phones do.
    pub(super) fn refuse_late(&self, id: PassageId, status: u16, observer: &Arc<dyn Observer>) {
        if matches!(self.drive(id, |fork| fork.refuse(status)), Progress::Over | Progress::Gone) {
            observer.handle_end();
        }
    }

    /// Sends a request to all phones at once; nothing where it was cancelled meanwhile.
    pub(super) fn send(
        self: &Arc<Self>,
        id: PassageId,
        mut branches: Vec<Branch>,
        observer: &Arc<dyn Observer>,
    ) {
        let hops: SmallVec<[Option<Hop>; 2]> = branches.iter_mut().map(VecDeque::pop_front).collect();
        let Some(server) = self.open(id, branches) else { return observer.handle_end() };
        for (index, hop) in hops.into_iter().enumerate() {
            match hop {
                Some(hop) => self.send_hop(id, index, &hop, &server, observer),
                None => self.handle(id, index, &server, observer, ClientEvent::Failed(Failure::Unreachable)),
            }
        }
    }

    fn send_hop(
        self: &Arc<Self>,
        id: PassageId,
        index: usize,
        hop: &Hop,
        server: &ServerTransaction,
        observer: &Arc<dyn Observer>,
    ) {
        let on_event = self.on_event(id, index, server, observer);
        match self.layer.send_request(&hop.request, &hop.destination, on_event) {
            Ok(client) => self.keep_client(id, index, client),
            Err(_) => self.handle(id, index, server, observer, ClientEvent::Failed(Failure::Unreachable)),
        }
    }

    /// Makes room for the branches; `None` where nobody waits for them any more.
    fn open(&self, id: PassageId, spares: Vec<Branch>) -> Option<ServerTransaction> {
        let mut inner = self.lock();
        let passage = inner.passages.get_mut(&id)?;
        if !passage.fork.open(spares.len()) {
            return None;
        }
        passage.clients = spares.iter().map(|_| None).collect();
        if spares.iter().any(|branch| !branch.is_empty()) {
            passage.spares = spares;
        }
        Some(passage.server.clone())
    }

    /// Makes room for further branches; the index of the first.
    fn open_more(&self, id: PassageId, mut spares: Vec<Branch>) -> Option<(ServerTransaction, usize)> {
        let mut inner = self.lock();
        let passage = inner.passages.get_mut(&id)?;
        let first = passage.fork.open_more(spares.len())?;
        passage.clients.extend(spares.iter().map(|_| None));
        if !passage.spares.is_empty() || spares.iter().any(|branch| !branch.is_empty()) {
            passage.spares.resize_with(first, VecDeque::new);
            passage.spares.append(&mut spares);
        }
        Some((passage.server.clone(), first))
    }

    /// Where a branch is tried next, if this event says that its place has failed, not its phone.
    fn next_hop(&self, id: PassageId, index: usize, event: &ClientEvent) -> Option<Hop> {
        let has_failed = match event {
            ClientEvent::Provisional(_) => false,
            ClientEvent::Final(response) => matches!(response.status(), Some(408 | 430)),
            ClientEvent::Failed(_) => true,
        };
        let mut inner = self.lock();
        let passage = inner.passages.get_mut(&id).filter(|_| has_failed)?;
        let is_open = passage.fork.is_open(index);
        passage.spares.get_mut(index).filter(|_| is_open)?.pop_front()
    }

    /// The sender of a request gives up.
    pub(in crate::sip) fn handle_cancel(&self, transaction: &ServerTransaction) {
        let id = self.lock().by_key.get(transaction.key()).copied();
        if let Some(id) = id {
            self.drive(id, Fork::cancel);
        }
    }

    fn on_event(
        self: &Arc<Self>,
        id: PassageId,
        index: usize,
        server: &ServerTransaction,
        observer: &Arc<dyn Observer>,
    ) -> impl Fn(ClientEvent) + Send + Sync + use<> {
        let (proxy, server, observer) = (Arc::downgrade(self), server.clone(), Arc::clone(observer));
        move |event| {
            if let Some(proxy) = proxy.upgrade() {
                proxy.handle(id, index, &server, &observer, event);
            }
        }
    }

    fn handle(
        self: &Arc<Self>,
        id: PassageId,
        index: usize,
        server: &ServerTransaction,
        observer: &Arc<dyn Observer>,
        event: ClientEvent,
    ) {
        observer.handle_event(index, &event);
        if let Some(hop) = self.next_hop(id, index, &event) {
            observer.handle_hop(index, &hop.destination);
            return self.send_hop(id, index, &hop, server, observer);
        }
        let progress = match event.clone() {
            ClientEvent::Provisional(response) | ClientEvent::Final(response) => {
                self.drive(id, |fork| fork.handle_response(index, response))
            }
            ClientEvent::Failed(failure) => self.drive(id, |fork| fork.handle_failure(index, failure)),
        };
        // A 2xx that comes again, or from a second phone, after everything else is over (RFC 6026 §7.1).
        if let (Progress::Gone, ClientEvent::Final(response)) = (progress, event)
            && response.status().is_some_and(|status| status < 300)
        {
            server.respond(response.splice().pop_via().finish());
        }
        match progress {
            Progress::Over => observer.handle_end(),
            Progress::Held(best) => observer.handle_exhausted(best),
            Progress::Going | Progress::Gone => {}
        }
    }

    /// Tells the fork something and does what it says.
    fn drive(&self, id: PassageId, event: impl FnOnce(&mut Fork) -> Steps) -> Progress {
        let (steps, server, request, clients, mut progress) = {
            let mut inner = self.lock();
            let Some(passage) = inner.passages.get_mut(&id) else { return Progress::Gone };
            let steps = event(&mut passage.fork);
            let progress = if passage.fork.is_over() { Progress::Over } else { Progress::Going };
            let (server, request) = (passage.server.clone(), passage.request.clone());
            let clients = passage.clients.clone();
            if progress == Progress::Over {
                inner.remove(id);
            }
            (steps, server, request, clients, progress)
        };
        for step in steps {
            match step {
                Step::Forward(response) => server.respond(response.splice().pop_via().finish()),
                Step::Respond(status) => {
                    server.respond(answer(&request, status, &self.layer.new_token()).finish());
                }
                Step::Ask(best) => progress = Progress::Held(best),
                Step::Cancel(branch, why) => {
                    if let Some(Some(client)) = clients.get(branch) {
                        cancel(client, why);
                    }
                }
            }
        }
        progress
    }

    /// A branch was sent; it may have been cancelled at the same moment.
    fn keep_client(&self, id: PassageId, index: usize, client: ClientTransaction) {
        let cancelled = {
            let mut inner = self.lock();
            let Some(passage) = inner.passages.get_mut(&id) else { return };
            if let Some(place) = passage.clients.get_mut(index) {
                *place = Some(client.clone());
            }
            passage.fork.cancelled(index)
        };
        if let Some(why) = cancelled {
            cancel(&client, why);
        }
    }

    /// Nothing calls back while the lock is held, and the table is whole after every statement.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn remove(&mut self, id: PassageId) -> Option<Passage> {
        let passage = self.passages.remove(&id)?;
        self.by_key.remove(passage.server.key());
        Some(passage)
    }
}

/// RFC 3326 §2: a phone that rang in vain tells a call that was taken elsewhere from one that was missed.
fn cancel(client: &ClientTransaction, why: Why) {
    match why {
        Why::Answered => client.cancel_because("SIP;cause=200;text=\"Call completed elsewhere\""),
        Why::Declined => client.cancel_because("SIP;cause=600;text=\"Busy Everywhere\""),
        Why::Sender | Why::Moved => client.cancel(),
    }
}

/// `Max-Forwards` of the request as it goes on (RFC 3261 §16.3 step 3, §16.6 step 3).
///
/// # Errors
/// 483 where it has come too far.
pub(super) fn next_hops(message: &Message) -> Result<u8, Refusal> {
    match message.max_forwards()? {
        Some(0) => Err(Refusal::new(483)),
        Some(left) => Ok(left - 1),
        None => Ok(70),
    }
}

/// RFC 3261 §16.3 step 5: this proxy has no extension.
///
/// # Errors
/// 420 with what is required.
pub(super) fn check_proxy_require(message: &Message) -> Result<(), Refusal> {
    let required: Vec<_> = message.values(HeaderName::ProxyRequire).collect();
    if required.is_empty() {
        return Ok(());
    }
    Err(Refusal::new(420).with(HeaderName::Unsupported, required.join(", ")))
}

/// Our `Record-Route` values for a dialog between the peers of two flows, the top one first: one, or two
/// where the peers reach us in different ways (RFC 5658 §3.1).
pub(super) fn record_routes(
    layer: &Layer,
    token: &str,
    from: &Flow,
    to: &Flow,
) -> SmallVec<[CompactString; 2]> {
    let near = own_route(layer, to, token);
    let far = own_route(layer, from, token);
    if near == far { smallvec::smallvec![near] } else { smallvec::smallvec![near, far] }
}
