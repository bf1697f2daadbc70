//! Where the phones of every account are: the location service of RFC 3261 §10.
//!
//! Shards under plain locks, each held for one look-up or one change; nothing is called with a lock
//! held. What is registered lives in memory only: a phone registers again after a restart.

use std::{
    hash::{BuildHasher, Hash},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rustc_hash::{FxBuildHasher, FxHashMap};
use tokio::time::Instant;

use super::{
    answer::Refusal,
    bindings::{Asked, Changes, Plan, Record},
    config::Config,
    device::Device,
    message::NameAddr,
    transport::Flow,
};
use crate::signal::{Address, SessionId};

/// All registered phones.
#[derive(Default)]
pub(in crate::sip) struct Locations {
    records: Shards<Address, Record<Arc<Device>>>,
    sessions: Shards<SessionId, Arc<Device>>,
    /// The phones of each connection, which go when it does.
    flows: Shards<Flow, Vec<Arc<Device>>>,
}

impl Locations {
    /// The phone behind a session, as a call that rings names it.
    pub(in crate::sip) fn device(&self, session: SessionId) -> Option<Arc<Device>> {
        self.sessions.shard(&session).get(&session).cloned()
    }

    /// The phone of an account that is reached by this flow.
    pub(in crate::sip) fn device_at(&self, address: &Address, flow: &Flow) -> Option<Arc<Device>> {
        let records = self.records.shard(address);
        let mut devices = records.get(address)?.bindings().iter().map(|binding| &binding.device);
        devices.find(|device| device.flow() == *flow).cloned()
    }

    /// The phones of an account.
    pub(in crate::sip) fn devices(&self, address: &Address) -> Vec<Arc<Device>> {
        let records = self.records.shard(address);
        let bindings = records.get(address).map(Record::bindings).unwrap_or_default();
        bindings.iter().map(|binding| Arc::clone(&binding.device)).collect()
    }

    /// Plans a REGISTER. See [`Record::plan`].
    pub(super) fn plan(&self, address: &Address, asked: &Asked, config: &Config) -> Result<Plan, Refusal> {
        match self.records.shard(address).get(address) {
            Some(record) => record.plan(asked, config),
            None => Record::<Arc<Device>>::default().plan(asked, config),
        }
    }

    /// Applies a plan. See [`Record::apply`].
    pub(super) fn apply(
        &self,
        address: &Address,
        plan: Plan,
        asked: &Asked,
        added: Vec<Arc<Device>>,
        now: Instant,
    ) -> Option<Changes<Arc<Device>>> {
        let mut records = self.records.shard(address);
        let record = records.entry(address.clone()).or_default();
        let changes = record.apply(plan, asked, added, now);
        if record.is_empty() {
            records.remove(address);
        }
        changes
    }

    /// The bindings as a 200 lists them.
    pub(super) fn list(&self, address: &Address, now: Instant) -> Vec<NameAddr> {
        let records = self.records.shard(address);
        let bindings = records.get(address).map(Record::bindings).unwrap_or_default();
        bindings.iter().map(|binding| binding.print(now)).collect()
    }

    /// When a phone's registration ends; `None` where it has.
    pub(super) fn expiry(&self, device: &Device) -> Option<Instant> {
        let records = self.records.shard(device.address());
        let mut bindings = records.get(device.address())?.bindings().iter();
        bindings.find(|binding| std::ptr::eq(&*binding.device, device)).map(|binding| binding.expires)
    }

    /// Lets a phone be found by its session and its connection.
    pub(super) fn index(&self, session: SessionId, device: &Arc<Device>) {
        self.sessions.shard(&session).insert(session, Arc::clone(device));
        self.index_flow(device);
    }

    /// Lets a phone be found by its connection; to be called again when that is another one.
    pub(super) fn index_flow(&self, device: &Arc<Device>) {
        let flow = device.flow();
        if !flow.is_reliable() {
            return;
        }
        let mut flows = self.flows.shard(&flow);
        let devices = flows.entry(flow).or_default();
        if !devices.iter().any(|known| Arc::ptr_eq(known, device)) {
            devices.push(Arc::clone(device));
        }
    }

    /// Forgets a phone wherever it stands. Forgetting twice is harmless.
    pub(super) fn forget(&self, device: &Device) {
        {
            let mut records = self.records.shard(device.address());
            if let Some(record) = records.get_mut(device.address()) {
                record.remove(|known| std::ptr::eq(&**known, device));
                if record.is_empty() {
                    records.remove(device.address());
                }
            }
        }
        if let Some(session) = device.session_id() {
            self.sessions.shard(&session).remove(&session);
        }
        self.forget_flow(&device.flow(), device);
    }

    /// The phone is not reached by this connection any more.
    pub(super) fn forget_flow(&self, flow: &Flow, device: &Device) {
        let mut flows = self.flows.shard(flow);
        if let Some(devices) = flows.get_mut(flow) {
            devices.retain(|known| !std::ptr::eq(&**known, device));
            if devices.is_empty() {
                flows.remove(flow);
            }
        }
    }

    /// The phones of a connection that ended.
    pub(super) fn take_flow(&self, flow: &Flow) -> Vec<Arc<Device>> {
        self.flows.shard(flow).remove(flow).unwrap_or_default()
    }
}

/// A map in shards, so that many threads seldom meet.
struct Shards<K, V>([Mutex<FxHashMap<K, V>>; SHARDS]);

impl<K, V> Default for Shards<K, V> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::default()))
    }
}

impl<K: Hash + Eq, V> Shards<K, V> {
    fn shard(&self, key: &K) -> MutexGuard<'_, FxHashMap<K, V>> {
        // The upper bits: the map inside uses the lower ones.
        let index = (FxBuildHasher.hash_one(key) >> 32) as usize % SHARDS;
        // A map is whole after every call, so a panic elsewhere cannot have broken it.
        self.0[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const SHARDS: usize = 16;
