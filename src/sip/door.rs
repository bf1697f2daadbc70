//! The frame of the upper half: what all handlers share, and which handler a request goes to.
//!
//! # How a method handler is written
//!
//! A handler lives in a file of its own, takes the door and an [`IncomingRequest`], and returns `Result<Message, Refusal>`: the final response, or a refusal as a value. [`Door::dispatch`]
//! names it in one arm, and [`Door::answering`] runs it and sends what it returns:
//!
//! ```text
//! Method::Publish => self.answering(request, presence_agent::handle_publish),
//!
//! pub(in crate::sip) async fn handle_publish(door: Arc<Door>, request: Arc<IncomingRequest>)
//!     -> Result<Message, Refusal>
//! {
//!     check_require(&request, &[])?;                              // 420
//!     let sender = door.authenticate(&request, Role::Server).await?; // 401, 403; Role::Proxy for 407
//!     let target = door.find_target(&request.message)?;           // 404, 416; a Party of ours
//!     …
//!     Ok(answer(&request.message, 200, &door.layer.new_token()).header(…).finish())
//! }
//! ```
//!
//! The future is polled at once, on the task that read the socket; only what has to wait becomes a
//! task. So a handler never blocks and never computes for long. A handler that answers by itself, in
//! its own time (a proxy), is called without `answering` and keeps `request.transaction`.
//!
//! State of a service is a field of [`Door`] with a `Default` or a constructor; things that fall due have
//! an [`Alarm`] of their own, run by [`Door::run_alarms`]. A registered phone is a [`Device`], found by
//! [`Locations`]; [`Device::target`] says its URI and where requests for it go.

use std::{
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError, Weak},
    task::{Context, Waker},
    time::Duration,
};

use compact_str::CompactString;
use tokio::{sync::SetOnce, time::timeout};
use tracing::debug;

use super::{
    alarm::Alarm,
    answer::{ALLOW, Refusal, answer},
    astray,
    auth::Role,
    call::{self, Calls},
    config::Config,
    device::Device,
    gruu::{self, Gruu, Seal},
    keeping::Keeper,
    locations::Locations,
    message::{HeaderName, Message, Method, Uri},
    options, pager,
    presence_agent::{self, PresenceAgent},
    proxy::Proxy,
    registrar,
    subscription::Subscriptions,
    transaction::{IncomingRequest, Layer, ServerTransaction, TransactionUser},
    translate,
    transport::Flow,
    turns::Turns,
};
use crate::{
    account::Accounts,
    auth::Authenticator,
    documents::Documents,
    net::{ShutdownSignal, Tasks},
    signal::{Party, Resource},
};

/// What the handlers of the door share.
pub(in crate::sip) struct Door {
    pub(in crate::sip) config: Config,
    pub(in crate::sip) accounts: Accounts,
    pub(in crate::sip) authenticator: Authenticator,
    pub(in crate::sip) layer: Arc<Layer>,
    pub(in crate::sip) locations: Locations,
    /// What is registered, over a restart.
    pub(super) keeper: Keeper,
    /// Requests that register new phones.
    pub(super) turns: Turns,
    /// Makes and knows temporary GRUUs.
    pub(super) seal: Seal,
    pub(in crate::sip) presence_agent: PresenceAgent,
    pub(in crate::sip) subscriptions: Arc<Subscriptions>,
    pub(in crate::sip) proxy: Arc<Proxy>,
    pub(in crate::sip) calls: Calls,
    /// Registrations that end, and messages that a phone has not answered.
    pub(in crate::sip) alarm: Alarm<Due>,
    /// The second that was last printed as a `Date`, and the text.
    pub(in crate::sip) date: Mutex<(i64, String)>,
    pub(super) signal: ShutdownSignal,
    /// Set as soon as what phones send may be read.
    reads: SetOnce<()>,
    /// Requests that wait for something.
    tasks: Mutex<Tasks>,
}

/// Something about a phone falls due.
pub(in crate::sip) enum Due {
    /// Its registration may have ended.
    Registration(Weak<Device>),
    /// A datagram flow may be silent that promised not to be.
    Silence(Flow),
    /// It may have left a message without answer for too long.
    Message(Weak<Device>),
}

impl Door {
    pub(in crate::sip) fn new(
        config: Config,
        accounts: Accounts,
        authenticator: Authenticator,
        layer: Arc<Layer>,
        signal: ShutdownSignal,
        documents: (Documents, CompactString),
    ) -> Arc<Self> {
        let limits = config.subscription_limits();
        Arc::new(Self {
            presence_agent: PresenceAgent::new(accounts.memory("publications")),
            subscriptions: Subscriptions::new(Arc::clone(&layer), accounts.clone(), limits, documents),
            proxy: Proxy::new(Arc::clone(&layer)),
            calls: Calls::default(),
            keeper: Keeper::new(accounts.memory("registrations"), signal.clone()),
            turns: Turns::default(),
            seal: Seal::new(&authenticator.secret("temporary GRUUs")),
            config,
            accounts,
            authenticator,
            layer,
            locations: Locations::default(),
            alarm: Alarm::default(),
            reads: SetOnce::new(),
            date: Mutex::default(),
            signal,
            tasks: Mutex::default(),
        })
    }

    /// Names the handler of a request.
    fn dispatch(self: &Arc<Self>, request: IncomingRequest) {
        let Some(request) = call::handle_within(self, request) else { return };
        let Some(method) = request.message.method() else { return };
        match method {
            Method::Register => registrar::receive(self, request),
            Method::Message => self.answering(request, pager::handle_message),
            Method::Options if options::is_about_user(self, &request) => {
                self.answering(request, options::handle_about_user);
            }
            Method::Options => {
                // The answer is the same whenever it is asked for, so nothing is kept (RFC 3261 §8.2.7).
                match options::handle_options(self, &request) {
                    Ok(response) => request.transaction.respond_once(&response),
                    Err(refusal) => self.refuse(&request, &refusal),
                }
            }
            Method::Publish => self.answering(request, presence_agent::handle_publish),
            Method::Subscribe => self.subscribe(request),
            // What belongs to a call was passed on above.
            _ if is_within_dialog(&request.message) => astray::handle(self, request),
            Method::Invite => call::handle_invite(self, request),
            Method::Bye | Method::Update | Method::Prack | Method::Notify => {
                self.refuse(&request, &Refusal::new(481));
            }
            _ => self.refuse(&request, &Refusal::new(405).with(HeaderName::Allow, ALLOW)),
        }
    }

    fn subscribe(self: &Arc<Self>, request: IncomingRequest) {
        let door = Arc::clone(self);
        self.run(async move {
            if let Err(refusal) = subscribe(&door, &request).await {
                door.refuse(&request, &refusal);
            }
        });
    }

    /// Runs a handler and answers with what it returns.
    pub(in crate::sip) fn answering<H, F>(self: &Arc<Self>, request: IncomingRequest, handler: H)
    where
        H: FnOnce(Arc<Self>, Arc<IncomingRequest>) -> F,
        F: Future<Output = Result<Message, Refusal>> + Send + 'static,
    {
        let door = Arc::clone(self);
        let request = Arc::new(request);
        let work = handler(Arc::clone(self), Arc::clone(&request));
        self.run(async move {
            let outcome = work.await;
            door.finish(&request, outcome);
        });
    }

    /// Runs work that may have to wait: now, as far as it gets, and the rest in a task of the door.
    pub(in crate::sip) fn run(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut work: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(work);
        // Nobody is woken by this poll; the task polls again as soon as it starts.
        let mut context = Context::from_waker(Waker::noop());
        if work.as_mut().poll(&mut context).is_pending() {
            self.tasks.lock().unwrap_or_else(PoisonError::into_inner).spawn(work);
        }
    }

    /// Sends the final response.
    pub(in crate::sip) fn finish(&self, request: &IncomingRequest, outcome: Result<Message, Refusal>) {
        match outcome {
            Ok(response) => request.transaction.respond(response),
            Err(refusal) => self.refuse(request, &refusal),
        }
    }

    /// Answers with a refusal.
    pub(in crate::sip) fn refuse(&self, request: &IncomingRequest, refusal: &Refusal) {
        debug!(status = refusal.status, peer = %request.flow.peer, "refused");
        if is_first_challenge(&request.message, refusal) {
            let tag = request.transaction.tag();
            return request.transaction.respond_once(&refusal.response(&request.message, &tag));
        }
        request.transaction.respond(refusal.response(&request.message, &self.layer.new_token()));
    }

    /// The account, or the session of it, that a request is for.
    ///
    /// # Errors
    /// 416 for a URI that is no address, 404 where it is not of a domain of ours (what is not ours is not
    /// relayed) or is an unknown temporary GRUU, 480 for the public GRUU of a phone that is not there
    /// (RFC 5627 §5.3, §6.1).
    pub(in crate::sip) fn find_target(&self, message: &Message) -> Result<Party, Refusal> {
        let uri = message.request_uri()?;
        let mut party = translate::party_of(&uri).ok_or_else(|| Refusal::new(416))?;
        if party.address.is_domain() || !self.accounts.serves(party.address.domain()) {
            return Err(Refusal::new(404));
        }
        if let Some(gruu) = gruu::gruu_of(&uri) {
            match self.find_device(&uri, gruu) {
                Some(device) => {
                    party = Party::full(device.address().clone(), device.resource().clone());
                }
                None if gruu == Gruu::Temporary => return Err(Refusal::new(404)),
                // An instance is a URN (RFC 5626 §4.1); any other name may be the one of a chat client.
                None if party.resource.as_ref().is_none_or(is_urn) => return Err(Refusal::new(480)),
                None => {}
            }
        }
        Ok(party)
    }

    /// Who is to read a text: as [`Door::find_target`], or somebody of another domain, where there is a way to
    /// those.
    ///
    /// # Errors
    /// As there.
    pub(in crate::sip) fn find_reader(&self, message: &Message) -> Result<Party, Refusal> {
        let uri = message.request_uri()?;
        let is_elsewhere =
            |party: &Party| !party.address.is_domain() && !self.accounts.serves(party.address.domain());
        match translate::party_of(&uri).filter(is_elsewhere) {
            Some(party) if self.accounts.reaches(party.address.domain()) => Ok(Party::from(party.address)),
            _ => self.find_target(message),
        }
    }

    /// The registered phone that a URI names; `None` where it is no GRUU, or none of a phone that is there.
    pub(in crate::sip) fn find_phone(&self, uri: &Uri) -> Option<Arc<Device>> {
        let domain = uri.host()?.to_string();
        let gruu = gruu::gruu_of(uri).filter(|_| self.accounts.serves(&domain))?;
        self.find_device(uri, gruu)
    }

    fn find_device(&self, uri: &Uri, gruu: Gruu<'_>) -> Option<Arc<Device>> {
        match gruu {
            Gruu::Temporary => self.locations.device_of_run(self.seal.open(&uri.user()?)?),
            Gruu::Public(_) => {
                let (address, name) = (translate::address_of(uri)?, uri.param("gr")?);
                self.locations.device_named(&address, &name)
            }
        }
    }

    /// Waits until what phones send may be read.
    pub(in crate::sip) async fn may_read(&self) {
        self.reads.wait().await;
    }

    /// What phones send may be read from now on.
    pub(in crate::sip) fn begin_reading(&self) {
        // It may have begun already.
        let _ = self.reads.set(());
    }

    /// Handles everything that falls due, until it is dropped.
    pub(in crate::sip) async fn run_alarms(self: &Arc<Self>) {
        // Who calls or watches a phone finds it, unless there are very many.
        let mut resuming = pin!(self.keeper.resume(self));
        let is_done = timeout(RESUMING, resuming.as_mut()).await.is_ok();
        self.begin_reading();
        let resuming = async {
            if !is_done {
                resuming.await;
            }
        };
        let own = self.alarm.run(|due| match due {
            Due::Registration(device) => registrar::handle_due(self, &device),
            Due::Silence(flow) => registrar::handle_silence(self, flow),
            Due::Message(device) => {
                if let Some(device) = device.upgrade() {
                    device.handle_due();
                }
            }
        });
        let subscriptions = Arc::clone(&self.subscriptions).run(self);
        let services = async {
            tokio::join!(own, subscriptions, self.presence_agent.run(self), self.calls.run(self));
        };
        tokio::join!(resuming, services, self.keeper.run(self));
    }

    /// Waits for the requests that are being handled.
    pub(in crate::sip) async fn finish_tasks(&self, signal: &ShutdownSignal) {
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        tasks.finish(signal).await;
    }

    /// A connection ended, or a flow that is none is dead.
    pub(super) fn handle_flow_closed(&self, flow: &Flow) {
        registrar::handle_flow_closed(self, flow);
        self.presence_agent.handle_flow_closed(self, flow);
        self.subscriptions.handle_flow_closed(*flow);
    }
}

async fn subscribe(door: &Arc<Door>, request: &IncomingRequest) -> Result<(), Refusal> {
    let sender = door.authenticate(request, Role::Server).await?;
    door.subscriptions.handle_subscribe(door, request, &sender.login.address).await
}

/// Whether credentials are asked for from someone who has shown none. Anybody can ask that, from any
/// address, so nothing is kept of it; a copy of the request gets a challenge of its own (RFC 3261 §8.2.7).
/// An INVITE has an ACK that must find its transaction.
fn is_first_challenge(request: &Message, refusal: &Refusal) -> bool {
    matches!(refusal.status, 401 | 407)
        && request.method() != Some(&Method::Invite)
        && !request.has(HeaderName::Authorization)
        && !request.has(HeaderName::ProxyAuthorization)
}

fn is_urn(name: &Resource) -> bool {
    name.as_str().get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("urn:"))
}

fn is_within_dialog(message: &Message) -> bool {
    message.tag(HeaderName::To).is_some()
}

/// How long everything else waits for the phones of an earlier run.
const RESUMING: Duration = Duration::from_secs(5);

/// The door as the transaction layer sees it. It does not keep the door alive.
pub(in crate::sip) struct User(pub(in crate::sip) Weak<Door>);

impl TransactionUser for User {
    fn handle_request(&self, request: IncomingRequest) {
        match self.0.upgrade() {
            Some(door) => door.dispatch(request),
            None => request.transaction.respond(answer(&request.message, 503, "gone").finish()),
        }
    }

    fn handle_ack(&self, ack: Message, flow: Flow) {
        if let Some(door) = self.0.upgrade() {
            call::handle_ack(&door, &ack, flow);
        }
    }

    fn handle_cancel(&self, transaction: &ServerTransaction, _cancel: &Message) {
        if let Some(door) = self.0.upgrade() {
            door.proxy.handle_cancel(transaction);
        }
    }

    fn handle_flow_closed(&self, flow: Flow) {
        if let Some(door) = self.0.upgrade() {
            door.handle_flow_closed(&flow);
        }
    }
}
