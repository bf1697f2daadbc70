//! Calls between accounts: INVITE as a forking proxy (RFC 3261 §16), and what follows within the call.
//!
//! The account says where a call rings; the request goes to all those phones at once. A token in our
//! Record-Route names the call afterwards: ACK, BYE, re-INVITE and kin are passed on where it is known,
//! by the connection of the phone they are for, and nowhere else. Bodies are never looked at.
//!
//! While a phone talks its account shows it: busy, on the phone. That ends with BYE, with the phone's
//! registration, or when the call has lasted longer than any call should.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError, Weak,
    atomic::{AtomicBool, AtomicU16, Ordering},
};

use compact_str::{CompactString, ToCompactString};
use tokio::{sync::mpsc, time::Instant};
use tracing::debug;

use super::{
    alarm::Alarm,
    answer::Refusal,
    astray,
    auth::{Role, Sender},
    call_book::{Call, CallBook, Counts, End, Token, Way},
    call_stages::{self, Follower, Following, News, expand, want_more},
    device::Device,
    door::Door,
    events::{Beginning, CallEnd, Heard},
    gruu::gruu_of,
    message::{HeaderName, Message, Method, StartLine, Uri},
    onward::{strip, to_target},
    proxy::{Branch, Hop, Observer, PassageId, check_proxy_require, next_hops, record_routes},
    succession::{parse_referrer, parse_replaces},
    target::Target,
    transaction::{ClientEvent, IncomingRequest},
    transport::{Destination, Flow},
};
use crate::{
    account::{Request, Ring, SessionChange},
    signal::{Address, CallId, CallOffer, SessionId, Timestamp},
};

/// The calls of this door.
#[derive(Default)]
pub(in crate::sip) struct Calls {
    book: Mutex<CallBook>,
    /// Calls that may have lasted too long.
    due: Alarm<Token>,
}

/// Takes an INVITE that begins a call.
pub(in crate::sip) fn handle_invite(door: &Arc<Door>, request: IncomingRequest) {
    let passage = door.proxy.begin(&request);
    let this = Arc::clone(door);
    door.run(async move {
        match place_call(&this, &request, passage).await {
            Ok(Start { branches, placed, follower }) => {
                let observer: Arc<dyn Observer> = placed;
                match follower {
                    None => this.proxy.send(passage, branches, &observer),
                    Some(follower) => {
                        this.proxy.ask_at_end(passage);
                        this.proxy.send(passage, branches, &observer);
                        follower.run(Arc::clone(&this)).await;
                    }
                }
            }
            Err(refusal) => {
                debug!(status = refusal.status, peer = %request.flow.peer, "call refused");
                this.proxy.refuse(passage, &refusal);
            }
        }
    });
}

/// Passes on a request within a call; gives it back where it belongs to none that goes through here.
pub(in crate::sip) fn handle_within(door: &Arc<Door>, request: IncomingRequest) -> Option<IncomingRequest> {
    let Some(within) = door.calls.find(&request.message) else { return Some(request) };
    door.calls.note_flow(&within, request.flow);
    let passage = door.proxy.begin(&request);
    match onward(door, &request.message, &within) {
        Ok(hop) => {
            let is_bye = request.message.method() == Some(&Method::Bye);
            let observer: Arc<dyn Observer> = Arc::new(WithinObserver {
                door: Arc::downgrade(door),
                way: within.way,
                from: within.from,
                is_bye,
            });
            door.proxy.send(passage, vec![Branch::from([hop])], &observer);
        }
        Err(refusal) => door.proxy.refuse(passage, &refusal),
    }
    None
}

/// Passes on the ACK of a 2xx, which has no transaction (RFC 3261 §16.11).
pub(in crate::sip) fn handle_ack(door: &Door, ack: &Message, flow: Flow) {
    let Some(within) = door.calls.find(ack) else {
        return astray::handle_ack(door, ack, flow);
    };
    door.calls.note_flow(&within, flow);
    if let Ok(hop) = onward(door, ack, &within)
        && let Err(error) = door.layer.send_stateless(&hop.request, &hop.destination)
    {
        debug!(%error, "ack not passed on");
    }
}

/// A call that is about to ring.
struct Start {
    branches: Vec<Branch>,
    placed: Arc<Placed>,
    /// Who follows it, where an account wants to be asked again.
    follower: Option<Follower>,
}

/// What the INVITEs of a call are made of.
pub(super) struct Origin {
    message: Message,
    flow: Flow,
    /// `Max-Forwards` as it goes on.
    hops: u8,
    /// The phone that calls: no call rings where it comes from.
    caller: Option<SessionId>,
}

/// Asks the account where a call rings.
async fn place_call(
    door: &Arc<Door>,
    request: &IncomingRequest,
    passage: PassageId,
) -> Result<Start, Refusal> {
    let message = &request.message;
    let hops = next_hops(message)?;
    check_proxy_require(message)?;
    let sender = door.authenticate(request, Role::Proxy).await?;
    let target = door.find_target(message)?;
    // Nobody calls whom she has blocked herself.
    door.accounts.ask(&sender.login.address, Request::MayTell(target.address.clone())).await?;
    door.calls.check_loop(message)?;
    let token = Token::from(format!("c{}", door.layer.new_token()));
    let callee = target.address.clone();
    let offer = CallOffer::new(CallId(token.clone()), sender.party(), target);
    let rings = expand(door, call_stages::offer(door, offer).await?).await;
    let caller = sender.device.as_ref().and_then(|device| device.session_id());
    let origin = Origin { message: message.clone(), flow: request.flow, hops, caller };
    let (notes, heard) = mpsc::channel(NOTES);
    let placed = Arc::new(Placed::new(door, token.clone(), want_more(&rings).then_some(notes)));
    let branches = placed.branches(door, &origin, &rings);
    if branches.is_empty() {
        return Err(Refusal::new(480));
    }
    door.calls.begin(door, &token, request, &sender)?;
    let beginning = beginning_of(message, &sender, callee)?;
    door.subscriptions.note_calls(|calls| calls.begin(&token, beginning));
    let follower = want_more(&rings).then(|| {
        let now = Instant::now();
        let rings = rings.into_iter().map(|ring| Following::new(ring, now)).collect();
        Follower { passage, origin, placed: Arc::clone(&placed), heard, rings }
    });
    Ok(Start { branches, placed, follower })
}

/// What the package `dialog` tells of a call.
fn beginning_of(message: &Message, sender: &Sender, called: Address) -> Result<Beginning, Refusal> {
    let from = message.from()?;
    Ok(Beginning {
        caller: sender.login.address.clone(),
        called,
        call_id: message.call_id()?.into(),
        caller_tag: from.tag().unwrap_or_default().into(),
        caller_session: sender.device.as_ref().and_then(|device| device.session_id()),
        caller_name: from.display.filter(|name| !name.is_empty()),
        caller_target: message.contact().ok().map(|contact| contact.uri.as_str().into()),
        replaces: message.text(HeaderName::Replaces).as_deref().and_then(parse_replaces),
        referred_by: message.text(HeaderName::ReferredBy).as_deref().and_then(parse_referrer),
        at: Timestamp::now(),
    })
}

/// The INVITE as it goes to one phone (RFC 3261 §16.6).
fn hop_to(door: &Door, origin: &Origin, target: &Arc<Target>, token: &Token) -> Option<Hop> {
    let flow = door.layer.transport().flow_to(&target.destination).ok()?;
    let mut splice = strip(&origin.message, origin.hops).remove(HeaderName::Route);
    // The last one that is pushed stands on top.
    for route in record_routes(&door.layer, token, &origin.flow, &flow).iter().rev() {
        splice = splice.push_record_route(route);
    }
    Some(to_target(splice, target))
}

/// A request within a call as it goes on: our Route values are taken off (RFC 3261 §16.4, §16.6), and a
/// GRUU becomes the place where its phone is (RFC 5627 §6.1).
///
/// # Errors
/// 483; 480 where the phone of a GRUU is not registered.
fn onward(door: &Door, message: &Message, within: &Within) -> Result<Hop, Refusal> {
    let mut splice = strip(message, next_hops(message)?);
    for _ in 0..within.routes {
        splice = splice.pop_route();
    }
    let Some(uri) = own_gruu(door, message) else {
        return Ok(Hop { request: splice.finish(), destination: destination(door, &within.way) });
    };
    let target = door.find_phone(&uri).and_then(|device| device.target());
    let target = target.ok_or_else(|| Refusal::new(480))?;
    // Where the dialog has proxies of its own, those of the registration do not come on top of them.
    if message.values(HeaderName::Route).nth(within.routes).is_none() {
        return Ok(to_target(splice, &target));
    }
    let request = splice.request_uri(&target.uri).finish();
    Ok(Hop { request, destination: destination(door, &within.way) })
}

/// The request URI, where it is a GRUU of this server's domains.
fn own_gruu(door: &Door, message: &Message) -> Option<Uri> {
    let StartLine::Request { uri, .. } = message.start() else { return None };
    let uri = uri.contains(';').then(|| Uri::parse(uri).ok())??;
    let is_ours = gruu_of(&uri).is_some() && door.accounts.serves(&uri.host()?.to_string());
    is_ours.then_some(uri)
}

/// Where a request for one end of a call goes: a phone that has moved is reached where it is registered now.
fn destination(door: &Door, way: &Way) -> Destination {
    let device = way.session.and_then(|session| door.locations.device(session));
    match (&way.destination, device) {
        (Destination::Flow(flow), Some(device)) if flow.is_reliable() => {
            device.target().map_or(Destination::Flow(*flow), |target| target.destination.clone())
        }
        (known, _) => known.clone(),
    }
}

/// What is known of a request within a call.
struct Within {
    way: Way,
    /// The tag of who sends it.
    from: CompactString,
    /// How many Route values on top are ours.
    routes: usize,
}

/// A call on its way. Learns from the responses to its INVITEs who rings and who talks.
pub(super) struct Placed {
    door: Weak<Door>,
    token: Token,
    /// By branch.
    called: Mutex<Vec<(Option<SessionId>, Destination)>>,
    /// The status by which it was refused, as far as is known; 0 where none was.
    refused: AtomicU16,
    is_over: AtomicBool,
    /// Who is told when no phone is left, where somebody wants to know. A note that finds no room
    /// is lost; there is room for more than one call has.
    follower: Option<mpsc::Sender<News>>,
}

impl Placed {
    fn new(door: &Arc<Door>, token: Token, follower: Option<mpsc::Sender<News>>) -> Self {
        Self {
            door: Arc::downgrade(door),
            token,
            called: Mutex::default(),
            refused: AtomicU16::new(0),
            is_over: AtomicBool::new(false),
            follower,
        }
    }

    /// The INVITEs to all phones that accounts name, each phone once: a branch each, in the order of their
    /// numbers. Where one phone is asked for, no other rings.
    pub(super) fn branches(&self, door: &Door, origin: &Origin, rings: &[Ring]) -> Vec<Branch> {
        let (mut branches, mut called) = (Vec::new(), self.called());
        let mut known: Vec<Option<SessionId>> = vec![origin.caller];
        for ring in rings {
            let wanted = ring.offer.to.resource.as_ref();
            let is_meant = |device: &Arc<Device>| wanted.is_none_or(|wanted| device.resource() == wanted);
            let devices = ring.sessions.iter().filter_map(|session| door.locations.device(*session));
            for device in devices.filter(is_meant) {
                if known.contains(&device.session_id()) {
                    continue;
                }
                known.push(device.session_id());
                let targets = device.targets();
                let hop = |target| hop_to(door, origin, target, &self.token);
                let branch: Branch = targets.iter().filter_map(hop).collect();
                if let Some(first) = branch.front() {
                    called.push((device.session_id(), first.destination.clone()));
                    branches.push(branch);
                }
            }
        }
        branches
    }

    /// Has further phones ring; with `leave`, those that ring now stop.
    pub(super) fn ring_on(
        self: &Arc<Self>,
        door: &Door,
        passage: PassageId,
        branches: Vec<Branch>,
        leave: bool,
    ) {
        let observer: Arc<dyn Observer> = Arc::<Self>::clone(self);
        if !door.proxy.send_more(passage, branches, leave, &observer) {
            observer.handle_end();
        }
    }

    /// The list is whole after every statement.
    fn called(&self) -> MutexGuard<'_, Vec<(Option<SessionId>, Destination)>> {
        self.called.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, news: News) {
        if let Some(follower) = &self.follower {
            let _ = follower.try_send(news);
        }
    }
}

impl Observer for Placed {
    fn handle_event(&self, branch: usize, event: &ClientEvent) {
        let Some(door) = self.door.upgrade() else { return };
        let (response, is_talking) = match event {
            ClientEvent::Provisional(response) => (response, false),
            ClientEvent::Final(response) if response.status().is_some_and(|status| status < 300) => {
                (response, true)
            }
            ClientEvent::Final(response) => {
                // Of phones that were cancelled because one refused, that one says why.
                let status = response.status().unwrap_or_default();
                if matches!(self.refused.load(Ordering::Relaxed), 0 | 487) {
                    self.refused.store(status, Ordering::Relaxed);
                }
                return;
            }
            ClientEvent::Failed(_) => return,
        };
        let tag = response.tag(HeaderName::To);
        let called = self.called().get(branch).cloned();
        let session = called.as_ref().and_then(|(session, _)| *session);
        let heard = tag.as_deref().map(|tag| Heard {
            tag: tag.into(),
            target: response.contact().ok().map(|contact| contact.uri.as_str().into()),
        });
        door.subscriptions.note_calls(|calls| calls.hear(&self.token, heard, session, is_talking));
        if let (Some(tag), Some((session, destination))) = (tag, called) {
            let end = End { tag, session, destination, is_talking };
            let counts = door.calls.book().hear(&self.token, end);
            tell(&door, counts);
        }
    }

    fn handle_hop(&self, branch: usize, destination: &Destination) {
        if let Some((_, known)) = self.called().get_mut(branch) {
            known.clone_from(destination);
        }
    }

    fn handle_exhausted(&self, best: u16) {
        self.note(News::Exhausted(best));
    }

    fn handle_end(&self) {
        if self.is_over.swap(true, Ordering::Relaxed) {
            return;
        }
        self.note(News::Over);
        if let Some(door) = self.door.upgrade() {
            door.calls.book().fail(&self.token);
            let status = Some(self.refused.load(Ordering::Relaxed)).filter(|status| *status > 0);
            door.subscriptions.note_calls(|calls| calls.fail(&self.token, status));
        }
    }
}

/// Learns from the response to a request within a call whether the call is over.
struct WithinObserver {
    door: Weak<Door>,
    way: Way,
    /// The tag of who sent the request.
    from: CompactString,
    is_bye: bool,
}

impl Observer for WithinObserver {
    fn handle_event(&self, _branch: usize, event: &ClientEvent) {
        let Some(door) = self.door.upgrade() else { return };
        let is_over = match event {
            ClientEvent::Provisional(_) => false,
            ClientEvent::Final(response) => match response.status().unwrap_or_default() {
                401 | 407 => false,
                // RFC 5057 §5.1: who answers 481 knows nothing of the call.
                481 => true,
                _ => self.is_bye,
            },
            ClientEvent::Failed(_) => self.is_bye,
        };
        if is_over {
            let counts = door.calls.book().hang_up(&self.way.token, &self.way.leg);
            tell(&door, counts);
            let end = match self.is_bye {
                true if self.from == self.way.leg => CallEnd::Called,
                true => CallEnd::Caller,
                false => CallEnd::Error,
            };
            door.subscriptions.note_calls(|calls| calls.hang_up(&self.way.token, &self.way.leg, end));
        }
    }
}

/// Tells the accounts how many calls their phones are in.
fn tell(door: &Door, counts: Counts) {
    for (session, count) in counts {
        if let Some(device) = door.locations.device(session) {
            device.change(SessionChange::Calls(count));
        }
    }
}

impl Calls {
    /// Ends what lasts too long, until it is dropped. Runs once.
    pub(in crate::sip) async fn run(&self, door: &Door) {
        self.due
            .run(|token| {
                let expired = self.book().expire(&token, Instant::now());
                match expired {
                    Ok(counts) => {
                        tell(door, counts);
                        door.subscriptions.note_calls(|calls| calls.expire(&token));
                    }
                    Err(later) => self.due.set(later, token),
                }
            })
            .await;
    }

    /// A phone's session is over.
    pub(in crate::sip) fn handle_closed(&self, door: &Door, account: &Address, session: SessionId) {
        let counts = self.book().leave(session);
        tell(door, counts);
        door.subscriptions.note_left(account, session);
    }

    fn begin(
        &self,
        door: &Door,
        token: &Token,
        request: &IncomingRequest,
        sender: &Sender,
    ) -> Result<(), Refusal> {
        let message = &request.message;
        let ends = Instant::now() + door.config.longest_call();
        let call = Call {
            account: sender.login.address.clone(),
            call_id: message.call_id()?.into(),
            uri: request_uri(message),
            caller: End {
                tag: message.tag(HeaderName::From).unwrap_or_default(),
                session: sender.device.as_ref().and_then(|device| device.session_id()),
                destination: Destination::Flow(request.flow),
                is_talking: false,
            },
            called: Vec::new(),
            ends,
        };
        if !self.book().begin(token, call) {
            return Err(Refusal::because(403, "Forbidden: too many calls"));
        }
        self.due.set(ends, token.clone());
        Ok(())
    }

    /// RFC 3261 §16.3 step 4, RFC 5393 §4: an INVITE that comes back with its request URI unchanged goes
    /// round. One that comes back with another is forwarded by a phone, which is fine.
    fn check_loop(&self, message: &Message) -> Result<(), Refusal> {
        let uri = request_uri(message);
        let routes = message.record_routes()?;
        let mut tokens = routes.iter().filter_map(|route| route.uri.raw_user());
        let book = self.book();
        if tokens.any(|token| book.has_asked(token, &uri)) { Err(Refusal::new(482)) } else { Ok(()) }
    }

    /// The call of a request. Most requests belong to none, which shows in To: it comes first.
    fn find(&self, message: &Message) -> Option<Within> {
        let to = message.tag(HeaderName::To)?;
        let from = message.tag(HeaderName::From)?;
        let routes = message.routes().ok()?;
        let token = routes.first().and_then(|route| route.uri.raw_user());
        let way = self.book().find(token, message.call_id().ok()?, &from, &to)?;
        let routes = routes.iter().take_while(|route| route.uri.raw_user() == Some(&way.token)).count();
        Some(Within { way, from, routes })
    }

    /// The sender of a request within a call is reached by the connection it comes from. Over UDP he
    /// stays where he was: anybody can write a source address.
    fn note_flow(&self, within: &Within, flow: Flow) {
        if flow.is_reliable() {
            self.book().move_end(&within.way.token, &within.from, Destination::Flow(flow));
        }
    }

    /// Nothing calls back while the lock is held, and the book is whole after every call.
    fn book(&self) -> MutexGuard<'_, CallBook> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn request_uri(message: &Message) -> CompactString {
    match message.start() {
        StartLine::Request { uri, .. } => uri.to_compact_string(),
        StartLine::Response { .. } => CompactString::default(),
    }
}

/// Notes on their way to a call's follower.
const NOTES: usize = 16;
