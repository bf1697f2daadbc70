//! REGISTER (RFC 3261 §10.3): keeps the bindings, and with each binding a session of the account.
//!
//! The rules are in [`super::bindings`]. A request that only refreshes waits for nothing. One that adds a
//! phone opens its session first and then applies the whole request; should another request have
//! changed the bindings meanwhile, it is planned anew.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::time::Instant;
use tracing::debug;

use super::{
    answer::{Refusal, answer, check_require},
    auth::Role,
    bindings::{Asked, Changes, Step},
    device::{Device, Registration},
    door::{Door, Due},
    message::{HeaderName, Message, print_date},
    transaction::IncomingRequest,
    transport::Flow,
};
use crate::{
    account::SessionChange,
    auth::Login,
    signal::{Address, Timestamp},
};

/// Answers a REGISTER.
pub(super) fn receive(door: &Arc<Door>, request: IncomingRequest) {
    let this = Arc::clone(door);
    door.run(async move {
        match handle_register(&this, &request).await {
            Ok((response, added)) => {
                request.transaction.respond(response);
                // What waits for a new phone is sent after it knows that it is registered.
                added.iter().for_each(|device| {
                    device.begin();
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
    match door.locations.expiry(&device) {
        Some(expires) if expires > Instant::now() => set_alarm(door, &device),
        Some(_) => {
            debug!(account = %device.address(), resource = %device.resource(), "registration ended");
            door.locations.forget(&device);
            device.close();
        }
        None => {}
    }
}

async fn handle_register(
    door: &Arc<Door>,
    request: &IncomingRequest,
) -> Result<(Message, Vec<Arc<Device>>), Refusal> {
    let message = &request.message;
    check_require(request, &[])?;
    check_domain(door, message)?;
    let sender = door.authenticate(request, Role::Server).await?;
    let asked = Asked::read(message)?;
    let added = register(door, request, &sender.login, &asked).await?;
    let mut builder = answer(message, 200, &door.layer.new_token());
    for contact in door.locations.list(&sender.login.address, Instant::now()) {
        builder = builder.header(HeaderName::Contact, contact);
    }
    let builder = with_date(&door.date, Timestamp::now(), |date| builder.text(HeaderName::Date, date));
    Ok((builder.finish(), added))
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

/// Changes the bindings as asked, and gives the phones that are new.
async fn register(
    door: &Arc<Door>,
    request: &IncomingRequest,
    login: &Login,
    asked: &Asked,
) -> Result<Vec<Arc<Device>>, Refusal> {
    let registration = Registration::read(&request.message, request.flow);
    for _ in 0..ATTEMPTS {
        let plan = door.locations.plan(&login.address, asked, &door.config)?;
        let added = open_all(door, &registration, login, &plan.steps).await?;
        let now = Instant::now();
        match door.locations.apply(&login.address, plan, asked, added.clone(), now) {
            Some(changes) => {
                settle(door, &registration, &added, changes);
                return Ok(added);
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

/// Brings sessions, look-up tables and alarms up to what was applied.
fn settle(door: &Door, registration: &Registration, added: &[Arc<Device>], changes: Changes<Arc<Device>>) {
    for device in changes.removed {
        door.locations.forget(&device);
        device.close();
    }
    for (device, contact) in changes.refreshed {
        let before = device.flow();
        device.refresh(registration, &contact);
        if before != device.flow() {
            door.locations.forget_flow(&before, &device);
            door.locations.index_flow(&device);
        }
        device.change(SessionChange::Collect);
        // A registration that ends sooner than before needs an alarm of its own.
        set_alarm(door, &device);
    }
    for device in added {
        if let Some(session) = device.session_id() {
            door.locations.index(session, device);
        }
        set_alarm(door, device);
        // What ended while the session was being opened did not find the phone in any table.
        if device.is_closed() || !is_open(door, &device.flow()) {
            door.locations.forget(device);
            device.close();
        }
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

/// Requests for one account that may overtake one another.
const ATTEMPTS: usize = 4;
