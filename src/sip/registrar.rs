//! REGISTER (RFC 3261 §10.3): keeps the bindings, and with each binding a session of the account.
//!
//! The rules are in [`super::bindings`]. A request that only refreshes waits for nothing. One that adds a
//! phone opens its session first and then applies the whole request; should another request have
//! changed the bindings meanwhile, it is planned anew. What changed is kept ([`super::keeping`]) before it
//! is answered. What GRUUs and flows have to do with it follows
//! RFC 5627 §5 and RFC 5626 §6.

use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use tokio::time::Instant;
use tracing::debug;

use super::{
    answer::{Refusal, answer, check_require},
    asked::Asked,
    auth::Role,
    bindings::{Changes, Refreshed, Step},
    device::Device,
    door::{Door, Due},
    gruu::{self, Run, Temporary},
    locations::Listed,
    message::{Builder, HeaderName, Message, NameAddr, print_date},
    registration::Registration,
    transaction::IncomingRequest,
    translate::address_of,
    transport::Flow,
};
use crate::{
    account::SessionChange,
    auth::Login,
    formats::reginfo::ContactEvent,
    signal::{Address, Timestamp},
};

/// Answers a REGISTER.
pub(super) fn receive(door: &Arc<Door>, request: IncomingRequest) {
    let this = Arc::clone(door);
    door.run(async move {
        match handle_register(&this, &request).await {
            Ok((response, registered)) => {
                request.transaction.respond(response);
                if let Some(address) = request.message.to().ok().and_then(|to| address_of(&to.uri)) {
                    this.subscriptions.note_registrations(&this, &address, ContactEvent::Unregistered);
                }
                // What waits for a new phone is sent after it knows that it is registered.
                registered.added.iter().for_each(|device| device.begin());
                registered.added.iter().chain(&registered.moved).for_each(|device| {
                    this.presence_agent.handle_registered(device);
                    this.subscriptions.handle_registered(device);
                });
            }
            Err(refusal) => this.refuse(&request, &refusal),
        }
    });
}

/// A registration may have ended.
pub(super) fn handle_due(door: &Door, device: &Weak<Device>) {
    let Some(device) = device.upgrade() else { return };
    device.awake();
    if door.locations.expire(&device, Instant::now()) {
        debug!(account = %device.address(), resource = %device.resource(), "registration ended");
        end(door, &device, ContactEvent::Expired);
    }
    set_alarm(door, &device);
}

/// A phone is gone. While the server stops it stays where it is kept, and is found there again.
pub(super) fn end(door: &Door, device: &Device, ended: ContactEvent) {
    if door.keeper.is_running() {
        door.locations.forget(device);
        door.keeper.note(device.address());
    }
    device.close();
    door.subscriptions.note_registrations(door, device.address(), ended);
}

/// A phone that was registered before a restart has its session again.
pub(super) fn resume(door: &Arc<Door>, device: &Arc<Device>) {
    if device.is_closed() {
        return;
    }
    if let Some(session) = device.session_id() {
        door.locations.index(session, device);
    }
    set_alarm(door, device);
    device.begin();
    door.presence_agent.handle_registered(device);
    door.subscriptions.handle_registered(device);
}

/// A connection ended, and with it what was registered there.
pub(super) fn handle_flow_closed(door: &Door, flow: &Flow) {
    if !door.keeper.is_running() {
        return;
    }
    for device in door.locations.close_flow(flow) {
        debug!(account = %device.address(), resource = %device.resource(), "connection of a phone ended");
        end(door, &device, ContactEvent::Deactivated);
    }
}

/// The phones of a REGISTER.
struct Registered {
    added: Vec<Arc<Device>>,
    refreshed: Vec<Arc<Device>>,
    /// Those of the refreshed that are reached another way now.
    moved: Vec<Arc<Device>>,
    /// More changed than the time.
    has_changed: bool,
}

async fn handle_register(
    door: &Arc<Door>,
    request: &IncomingRequest,
) -> Result<(Message, Registered), Refusal> {
    let message = &request.message;
    check_require(request, &["gruu", "outbound", "path"])?;
    check_domain(door, message)?;
    let sender = door.authenticate(request, Role::Server).await?;
    let registration = Registration::read(message, request.flow)?;
    let asked = Asked::read(message, registration.outbound())?;
    asked.check_contacts(&sender.login.address)?;
    let address = &sender.login.address;
    let mut registered = register(door, &registration, &sender.login, &asked).await?;
    if registration.takes_gruu {
        renew_temporaries(door, address, asked.cseq, &mut registered);
    }
    if registered.has_changed {
        door.keeper.save(door, address).await;
    } else if !registered.refreshed.is_empty() {
        door.keeper.note(address);
    }
    let mut builder = answer(message, 200, &door.layer.new_token());
    for listed in door.locations.list(address, Instant::now()) {
        let contact = match &listed.instance {
            Some(instance) if registration.takes_gruu => with_gruus(door, &listed, instance),
            _ => listed.contact,
        };
        builder = builder.header(HeaderName::Contact, contact);
    }
    if registration.takes_outbound && asked.has_flow() {
        builder = builder.text(HeaderName::Require, "outbound");
    }
    if registration.path.is_some() {
        builder = builder.copy(message, HeaderName::Path);
    }
    if registration.keeps_flow() && asked.has_flow() {
        builder = promise_flow(door, &registration.flow, builder);
    }
    let builder = with_date(&door.date, Timestamp::now(), |date| builder.text(HeaderName::Date, date));
    Ok((builder.finish(), registered))
}

/// Has the phone send a sign of life so often (RFC 5626 §5.4), over UDP by STUN: when it does not, its flow is
/// dead.
fn promise_flow(door: &Door, flow: &Flow, builder: Builder) -> Builder {
    let Some(patience) = flow_patience(door) else { return builder };
    let transport = door.layer.transport();
    if flow.is_reliable() {
        transport.set_idle(flow, patience);
    } else if transport.expect_signs(flow) {
        door.alarm.set(Instant::now() + patience, Due::Silence(*flow));
    }
    builder.header(HeaderName::FlowTimer, door.config.flow_timer_seconds)
}

/// How long a flow may be silent; `None` where nothing is asked of phones.
fn flow_patience(door: &Door) -> Option<Duration> {
    let seconds = door.config.flow_timer_seconds;
    let patience = Duration::from_secs(seconds.into());
    (seconds > 0).then(|| patience + patience.min(FLOW_GRACE))
}

/// A datagram flow may have been silent for too long: it is as good as a connection that ended.
pub(super) fn handle_silence(door: &Door, flow: Flow) {
    let transport = door.layer.transport();
    let (Some(last), Some(patience)) = (transport.last_sign(&flow), flow_patience(door)) else { return };
    if !door.locations.has_flow(&flow) {
        return transport.forget_signs(&flow);
    }
    if Instant::now() < last + patience {
        return door.alarm.set(last + patience, Due::Silence(flow));
    }
    transport.forget_signs(&flow);
    door.handle_flow_closed(&flow);
}

/// A contact with its GRUUs (RFC 5627 §5.2).
fn with_gruus(door: &Door, listed: &Listed, instance: &str) -> NameAddr {
    let device = &listed.device;
    let public = gruu::public(device.address(), Some(instance), device.resource());
    let contact = listed.contact.clone().with_param("pub-gruu", Some(&public));
    match device.temporary() {
        Some(temporary) => {
            let temporary = door.seal.print(temporary, &device.address().domain_in_ascii());
            contact.with_param("temp-gruu", Some(temporary.as_str()))
        }
        None => contact,
    }
}

/// Gives the phones of a REGISTER another temporary GRUU of the same run, or the first of a new one.
fn renew_temporaries(door: &Door, address: &Address, cseq: u32, registered: &mut Registered) {
    for listed in door.locations.list(address, Instant::now()) {
        let device = &listed.device;
        let is_meant = registered.added.contains(device) || registered.refreshed.contains(device);
        // Without randomness there is none.
        let (true, true, Ok(run), Ok(salt)) =
            (is_meant, listed.instance.is_some(), getrandom::u64(), getrandom::u64())
        else {
            continue;
        };
        let known = device.temporary().map(|temporary| (temporary.run, temporary.first));
        let (run, first) = known.unwrap_or((Run(run), cseq));
        device.set_temporary(Some(Temporary { run, salt, first }));
        if known.is_none() {
            door.locations.index_run(run, device);
            registered.has_changed = true;
        }
    }
}

/// Gives the time as a header has it; printed once a second.
fn with_date<T>(printed: &Mutex<(i64, String)>, now: Timestamp, give: impl FnOnce(&str) -> T) -> T {
    let mut printed = printed.lock().unwrap_or_else(PoisonError::into_inner);
    let second = now.0.div_euclid(1000);
    if printed.1.is_empty() || printed.0 != second {
        *printed = (second, jiff::Timestamp::from_second(second).map(print_date).unwrap_or_default());
    }
    give(&printed.1)
}

/// RFC 3261 §10.3 step 1: this registrar's domain, or the server itself where its address stands there.
fn check_domain(door: &Door, message: &Message) -> Result<(), Refusal> {
    let uri = message.request_uri()?;
    let host = uri.host().ok_or_else(|| Refusal::new(416))?;
    if host.address().is_some() || door.accounts.serves(&host.to_string()) {
        return Ok(());
    }
    Err(Refusal::new(404))
}

/// Changes the bindings as asked, and gives the phones that it is about.
async fn register(
    door: &Arc<Door>,
    registration: &Registration,
    login: &Login,
    asked: &Asked,
) -> Result<Registered, Refusal> {
    let mut turn = None;
    for _ in 0..ATTEMPTS {
        let mut plan = door.locations.plan(&login.address, asked, &door.config)?;
        if turn.is_none() && plan.steps.iter().any(|step| matches!(step, Step::Add(..))) {
            // Another flow of the same phone may be about to add it.
            let taken = door.turns.take(&login.address).await;
            turn = Some(taken.map_err(|_| Refusal::new(503).with(HeaderName::RetryAfter, 1))?);
            plan = door.locations.plan(&login.address, asked, &door.config)?;
        }
        let added = open_all(door, registration, login, &plan.steps).await?;
        let now = Instant::now();
        match door.locations.apply(&login.address, plan, asked, added.clone(), now) {
            Some(changes) => {
                let refreshed = changes.refreshed.iter().map(|each| Arc::clone(&each.device)).collect();
                let is_less = !changes.removed.is_empty() || !changes.lost.is_empty();
                let moved = settle(door, registration, &added, changes);
                let has_changed = is_less || !added.is_empty() || !moved.is_empty();
                return Ok(Registered { added, refreshed, moved, has_changed });
            }
            None => added.iter().for_each(|device| device.close()),
        }
    }
    Err(Refusal::new(500).with(HeaderName::RetryAfter, 1))
}

/// Opens a session for each phone that a plan adds, or for none.
async fn open_all(
    door: &Arc<Door>,
    registration: &Registration,
    login: &Login,
    steps: &[Step],
) -> Result<Vec<Arc<Device>>, Refusal> {
    let mut added: Vec<Arc<Device>> = Vec::new();
    for step in steps {
        let Step::Add(contact, _) = step else { continue };
        let taken = name_of_others(door, &login.address, &added);
        match Device::open(door, login, registration, contact, &taken).await {
            Ok(device) => added.push(device),
            Err(reject) => {
                added.iter().for_each(|device| device.close());
                return Err(reject.into());
            }
        }
    }
    Ok(added)
}

/// Names of the account's phones: a new one must not close another by taking its name.
fn name_of_others(door: &Door, address: &Address, added: &[Arc<Device>]) -> Vec<crate::signal::Resource> {
    let known = door.locations.devices(address);
    known.iter().chain(added).map(|device| device.resource().clone()).collect()
}

/// Brings sessions, look-up tables and alarms up to what was applied; gives the phones that were there before
/// and are reached another way now.
fn settle(
    door: &Door,
    registration: &Registration,
    added: &[Arc<Device>],
    changes: Changes<Arc<Device>>,
) -> Vec<Arc<Device>> {
    let mut moved = Vec::new();
    for device in changes.removed {
        door.locations.forget_indexes(&device);
        device.close();
    }
    for (device, reg_id) in changes.lost {
        door.locations.lose(&device, reg_id);
    }
    for Refreshed { device, contact, before, is_new_call } in changes.refreshed {
        if is_new_call {
            door.locations.forget_run(&device);
        }
        let flows = device.bound_flows();
        if device.refresh(registration, &contact, before) {
            moved.push(Arc::clone(&device));
        }
        if flows != device.bound_flows() {
            flows.iter().for_each(|flow| door.locations.forget_flow(flow, &device));
            door.locations.index_flows(&device);
            check_flow(door, registration);
        }
        device.change(SessionChange::Collect);
        hold_flow(door, &registration.flow, &device);
        // A registration that ends sooner than before needs an alarm of its own.
        set_alarm(door, &device);
    }
    for device in added {
        if let Some(session) = device.session_id() {
            door.locations.index(session, device);
        }
        set_alarm(door, device);
        hold_flow(door, &registration.flow, device);
        // What ended while the session was being opened did not find the phone in any table.
        if device.is_closed() {
            door.locations.forget(device);
            device.close();
        }
    }
    if !added.is_empty() {
        check_flow(door, registration);
    }
    moved
}

/// A connection by which somebody is registered may be silent as long as he is.
fn hold_flow(door: &Door, flow: &Flow, device: &Device) {
    let transport = door.layer.transport();
    if flow.is_reliable()
        && let Some(expires) = door.locations.expiry(device)
    {
        let left = expires.saturating_duration_since(Instant::now()) + FLOW_GRACE;
        transport.set_idle(flow, left.max(transport.config().idle));
    }
}

/// The connection may have ended before anything was found to end with it.
fn check_flow(door: &Door, registration: &Registration) {
    if !is_open(door, &registration.flow) {
        handle_flow_closed(door, &registration.flow);
    }
}

fn is_open(door: &Door, flow: &Flow) -> bool {
    !flow.is_reliable() || door.layer.transport().connection_to(flow.peer) == Some(*flow)
}

fn set_alarm(door: &Door, device: &Arc<Device>) {
    if let Some(expires) = door.locations.expiry(device)
        && device.should_wake(expires)
    {
        door.alarm.set(expires, Due::Registration(Arc::downgrade(device)));
    }
}

/// What a sign of life may be late at most (RFC 5626 §5.4).
const FLOW_GRACE: Duration = Duration::from_secs(30);
/// Requests for one account that may overtake one another.
const ATTEMPTS: usize = 4;
