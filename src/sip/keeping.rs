//! Registrations over a restart: who is registered is on the disk, kill -9 included, and is found there when
//! the server starts.
//!
//! What a REGISTER changes is durable before it is answered. A mere refresh is written some seconds later,
//! with whatever else has happened by then: what a kill loses of it is that the old time holds. Phones on
//! datagrams, or behind a proxy, are reached after the restart as before. A connection is gone: its phone
//! stays registered without a way to it, takes no messages, and has some time to come back.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use rustc_hash::FxHashSet;
use smallvec::SmallVec;
use tokio::{sync::Notify, task::JoinSet, time::sleep};
use tracing::{debug, error, info};

use super::{
    bindings::Record,
    clock::Clock,
    device::{Device, locked},
    door::Door,
    kept::Kept,
    registrar,
};
use crate::{
    account::Memory,
    auth::Login,
    formats::reginfo::ContactEvent,
    net::ShutdownSignal,
    signal::{Address, Reason, Resource},
};

/// Keeps the registrations of all accounts.
pub(super) struct Keeper {
    memory: Memory,
    signal: ShutdownSignal,
    /// Accounts whose registrations are to be written.
    noted: Mutex<FxHashSet<Address>>,
    work: Notify,
    /// Phones that were found at the start and have no session yet.
    found: Mutex<Vec<Arc<Device>>>,
}

impl Keeper {
    pub(super) fn new(memory: Memory, signal: ShutdownSignal) -> Self {
        let (noted, work, found) = (Mutex::default(), Notify::new(), Mutex::default());
        Self { memory, signal, noted, work, found }
    }

    /// Whether what ends now ends for good, and not because the server stops.
    pub(super) fn is_running(&self) -> bool {
        self.signal.is_running()
    }

    /// Has the registrations of an account written before long.
    pub(super) fn note(&self, address: &Address) {
        if !self.is_running() {
            return;
        }
        let mut noted = locked(&self.noted);
        let is_first = noted.is_empty();
        if !noted.contains(address) {
            noted.insert(address.clone());
        }
        drop(noted);
        if is_first {
            self.work.notify_one();
        }
    }

    /// Has the registrations of an account on the disk when this returns. Where the disk does not take them,
    /// it is tried again.
    pub(super) async fn save(&self, door: &Door, address: &Address) {
        let (put, removed) = door.locations.with_bindings(address, |bindings| {
            let (key, value) = self.entry(address, bindings);
            match value {
                Some(value) => (Some(self.memory.put_durably(key, value)), None),
                None => (None, Some(self.memory.remove_durably(key))),
            }
        });
        let outcome = match (put, removed) {
            (Some(put), _) => put.await,
            (None, Some(removed)) => removed.await,
            (None, None) => Ok(()),
        };
        if let Err(reject) = outcome {
            debug!(account = %address, %reject, "registrations not saved");
            self.note(address);
        }
    }

    /// Writes what is noted, some seconds after it was; until the server drains. Runs once.
    pub(super) async fn run(&self, door: &Door) {
        loop {
            self.work.notified().await;
            sleep(DELAY).await;
            self.flush(door);
        }
    }

    /// Writes what is noted, and does not wait for the disk.
    pub(super) fn flush(&self, door: &Door) {
        let noted = std::mem::take(&mut *locked(&self.noted));
        for address in noted {
            let saved =
                door.locations.with_bindings(&address, |bindings| match self.entry(&address, bindings) {
                    (key, Some(value)) => self.memory.put(key, value),
                    (key, None) => self.memory.remove(key),
                });
            if let Err(reject) = saved {
                debug!(account = %address, %reject, "registrations not saved");
                self.note(&address);
            }
        }
    }

    fn entry(
        &self,
        address: &Address,
        bindings: &[super::bindings::Binding<Arc<Device>>],
    ) -> (Bytes, Option<Bytes>) {
        let key = Bytes::copy_from_slice(address.as_str().as_bytes());
        let kept = (!bindings.is_empty()).then(|| Kept::of(bindings, Clock::now()));
        (key, kept.map(|kept| kept.print()))
    }

    /// Finds the registrations of an earlier run. Blocks; for the start, after the sockets are known and
    /// before anything is read from them.
    pub(super) fn restore(&self, door: &Arc<Door>) {
        let entries = match self.memory.all() {
            Ok(entries) => entries,
            Err(reject) => return error!(%reject, "registrations cannot be read"),
        };
        let mut found = Vec::new();
        for (key, value) in entries {
            let address = str::from_utf8(&key).ok().and_then(|text| Address::parse(text).ok());
            let kept = Kept::parse(&value);
            let devices = address.zip(kept).map(|(address, kept)| restore_account(door, &address, &kept));
            let devices = devices.unwrap_or_default();
            if devices.is_empty() {
                // Its time is over, or it is of an account that cannot be: nothing of it is of use.
                let _ = self.memory.remove(key);
            }
            found.extend(devices);
        }
        info!(count = found.len(), "phones found again");
        *locked(&self.found) = found;
    }

    /// Opens the sessions of the phones that were found, some at a time.
    pub(super) async fn resume(&self, door: &Arc<Door>) {
        let found = std::mem::take(&mut *locked(&self.found));
        let mut opening = JoinSet::new();
        for device in found {
            if opening.len() >= AT_ONCE {
                opening.join_next().await;
            }
            let door = Arc::clone(door);
            opening.spawn(async move { resume_phone(&door, &device).await });
        }
        while opening.join_next().await.is_some() {}
    }
}

/// Puts the bindings of an account back, and gives their phones.
fn restore_account(door: &Arc<Door>, address: &Address, kept: &Kept) -> Vec<Arc<Device>> {
    let (now, grace) = (Clock::now(), door.config.reconnect());
    let transport = door.layer.transport();
    let (mut devices, mut bindings) = (Vec::new(), Vec::new());
    for (place, phone) in kept.phones.iter().enumerate() {
        let Ok(resource) = Resource::new(&phone.resource) else { continue };
        let own = kept.bindings.iter().filter(|binding| binding.phone == place);
        let living = own.filter_map(|binding| Some((binding, binding.contact(now)?)));
        let living = living.map(|(binding, contact)| {
            let target = binding.target(&contact, transport);
            (binding, contact, target)
        });
        let living: SmallVec<[_; 2]> =
            living.filter(|(_, _, target)| target.is_some() || !grace.is_zero()).collect();
        if living.is_empty() {
            continue;
        }
        let login = Login { address: address.clone(), is_admin: false, device: phone.device };
        let ways = living.iter().filter_map(|(_, contact, target)| Some((contact.reg_id, target.clone()?)));
        let device = Device::restored(door, login, resource, phone, ways);
        if let Some(temporary) = phone.temporary() {
            door.locations.index_run(temporary.run, &device);
        }
        for (binding, contact, target) in living {
            let most = if target.is_some() { Duration::MAX } else { grace };
            bindings.push(binding.restore(Arc::clone(&device), contact, now, most));
        }
        devices.push(device);
    }
    door.locations.restore(address, Record::restored(bindings));
    devices
}

/// Opens the session of a phone that was found.
async fn resume_phone(door: &Arc<Door>, device: &Arc<Device>) {
    let instance = door.locations.instance(device);
    let mut ended = ContactEvent::Probation(PROBATION);
    for _ in 0..ATTEMPTS {
        match device.open_session(door, instance.as_deref()).await {
            // Looked at last: a password that changes from now on ends the session.
            Ok(()) if has_password(door, device).await => return registrar::resume(door, device),
            Ok(()) => {
                ended = ContactEvent::Rejected;
                break;
            }
            Err(reject) if matches!(reject.reason, Reason::NotFound | Reason::PolicyViolation) => {
                ended = ContactEvent::Rejected;
                break;
            }
            Err(reject) => {
                debug!(account = %device.address(), %reject, "phone not resumed yet");
                sleep(DELAY).await;
            }
        }
    }
    debug!(account = %device.address(), resource = %device.resource(), "phone not resumed");
    registrar::end(door, device, ended);
}

/// Whether the password that a phone registered with is still the one.
async fn has_password(door: &Door, device: &Device) -> bool {
    let mark = door.authenticator.mark(device.address(), device.login().device).await;
    mark.is_ok_and(|mark| mark == Some(device.mark()))
}

/// How long a refresh may wait to be written.
const DELAY: Duration = Duration::from_secs(3);
/// Sessions that are opened at a time.
const AT_ONCE: usize = 64;
/// How often a session is tried that an account has no time for.
const ATTEMPTS: usize = 5;
/// Seconds after which a phone may register again whose account never had time.
const PROBATION: u32 = 60;
