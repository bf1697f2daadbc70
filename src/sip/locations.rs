//! Where the phones of every account are: the location service of RFC 3261 §10.
//!
//! Shards under plain locks, each held for one look-up or one change; nothing is called with a lock
//! held, except that what is kept over a restart is put on its way: so it is never older than what was
//! put before.

use std::{
    hash::{BuildHasher, Hash},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use compact_str::CompactString;
use rustc_hash::{FxBuildHasher, FxHashMap};
use tokio::time::Instant;

use super::{
    answer::Refusal,
    asked::Asked,
    bindings::{Binding, Changes, Plan, Record, RegId},
    config::Config,
    device::Device,
    gruu::Run,
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
    /// The phones behind temporary GRUUs.
    runs: Shards<Run, Arc<Device>>,
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
        devices.find(|device| device.is_at(flow)).cloned()
    }

    /// The phone of an account that is meant by the value of `gr`: its instance or its name.
    pub(super) fn device_named(&self, address: &Address, name: &str) -> Option<Arc<Device>> {
        let records = self.records.shard(address);
        let is_it = |binding: &&Binding<Arc<Device>>| {
            let instance = binding.contact.instance.as_deref();
            instance.is_some_and(|instance| instance.eq_ignore_ascii_case(name))
                || binding.device.resource().as_str() == name
        };
        records.get(address)?.bindings().iter().find(is_it).map(|binding| Arc::clone(&binding.device))
    }

    /// The phone behind a temporary GRUU.
    pub(super) fn device_of_run(&self, run: Run) -> Option<Arc<Device>> {
        self.runs.shard(&run).get(&run).cloned()
    }

    /// The phones of an account.
    pub(in crate::sip) fn devices(&self, address: &Address) -> Vec<Arc<Device>> {
        let records = self.records.shard(address);
        let bindings = records.get(address).map(Record::bindings).unwrap_or_default();
        let mut devices: Vec<Arc<Device>> = Vec::new();
        for binding in bindings {
            if !devices.contains(&binding.device) {
                devices.push(Arc::clone(&binding.device));
            }
        }
        devices
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

    /// The bindings as a 200 lists them, each with its phone.
    pub(super) fn list(&self, address: &Address, now: Instant) -> Vec<Listed> {
        let records = self.records.shard(address);
        let bindings = records.get(address).map(Record::bindings).unwrap_or_default();
        let listed = |binding: &Binding<Arc<Device>>| Listed {
            contact: binding.print(now),
            device: Arc::clone(&binding.device),
            instance: binding.contact.instance.clone(),
        };
        bindings.iter().map(listed).collect()
    }

    /// When the first of a phone's registrations ends; `None` where all have.
    pub(super) fn expiry(&self, device: &Device) -> Option<Instant> {
        let records = self.records.shard(device.address());
        records.get(device.address())?.expiry(|known| **known == *device)
    }

    /// Puts back what was registered before a restart.
    pub(super) fn restore(&self, address: &Address, record: Record<Arc<Device>>) {
        if !record.is_empty() {
            self.records.shard(address).insert(address.clone(), record);
        }
    }

    /// Gives the bindings of an account to `look`, which must not come back here.
    pub(super) fn with_bindings<T>(
        &self,
        address: &Address,
        look: impl FnOnce(&[Binding<Arc<Device>>]) -> T,
    ) -> T {
        let records = self.records.shard(address);
        look(records.get(address).map(Record::bindings).unwrap_or_default())
    }

    /// The instance of a registered phone.
    pub(super) fn instance(&self, device: &Device) -> Option<CompactString> {
        self.with_bindings(device.address(), |bindings| {
            let own = bindings.iter().find(|binding| *binding.device == *device)?;
            own.contact.instance.clone()
        })
    }

    /// Lets a phone be found by its session and its connections.
    pub(super) fn index(&self, session: SessionId, device: &Arc<Device>) {
        self.sessions.shard(&session).insert(session, Arc::clone(device));
        self.index_flows(device);
    }

    /// Lets a phone be found by its connections; to be called again when those are others.
    pub(super) fn index_flows(&self, device: &Arc<Device>) {
        for flow in device.bound_flows() {
            let mut flows = self.flows.shard(&flow);
            let devices = flows.entry(flow).or_default();
            if !devices.contains(device) {
                devices.push(Arc::clone(device));
            }
        }
    }

    /// Whether a phone goes when this flow does.
    pub(super) fn has_flow(&self, flow: &Flow) -> bool {
        self.flows.shard(flow).contains_key(flow)
    }

    /// Lets a phone be found by a temporary GRUU.
    pub(super) fn index_run(&self, run: Run, device: &Arc<Device>) {
        self.runs.shard(&run).insert(run, Arc::clone(device));
    }

    /// Its temporary GRUUs mean nothing any more.
    pub(super) fn forget_run(&self, device: &Device) {
        if let Some(temporary) = device.set_temporary(None) {
            self.runs.shard(&temporary.run).remove(&temporary.run);
        }
    }

    /// Forgets a phone wherever it stands. Forgetting twice is harmless.
    pub(super) fn forget(&self, device: &Device) {
        self.remove(device.address(), |binding| *binding.device == *device);
        self.forget_indexes(device);
    }

    /// As [`Locations::forget`], for a phone that has no binding any more.
    pub(super) fn forget_indexes(&self, device: &Device) {
        if let Some(session) = device.session_id() {
            self.sessions.shard(&session).remove(&session);
        }
        self.forget_run(device);
        for flow in device.bound_flows() {
            self.forget_flow(&flow, device);
        }
    }

    /// The phone is not reached by this connection any more.
    pub(super) fn forget_flow(&self, flow: &Flow, device: &Device) {
        let mut flows = self.flows.shard(flow);
        if let Some(devices) = flows.get_mut(flow) {
            devices.retain(|known| **known != *device);
            if devices.is_empty() {
                flows.remove(flow);
            }
        }
    }

    /// A connection ended: gives the phones that no way leads to any more.
    pub(super) fn close_flow(&self, flow: &Flow) -> Vec<Arc<Device>> {
        let devices = self.flows.shard(flow).remove(flow).unwrap_or_default();
        let mut ended = Vec::new();
        for device in devices {
            let gone = device.lose_flow(flow);
            let changes = self.remove(device.address(), |binding| {
                *binding.device == *device && gone.contains(&binding.contact.reg_id)
            });
            ended.extend(changes.removed);
        }
        ended
    }

    /// Ends what is over of a phone's registrations; tells whether that was the last.
    pub(super) fn expire(&self, device: &Device, now: Instant) -> bool {
        let changes =
            self.remove(device.address(), |binding| *binding.device == *device && binding.expires <= now);
        for (lost, reg_id) in &changes.lost {
            self.lose(lost, *reg_id);
        }
        !changes.removed.is_empty()
    }

    /// One of several flows of a phone is registered no more.
    pub(super) fn lose(&self, device: &Device, reg_id: Option<RegId>) {
        let before = device.bound_flows();
        device.lose(reg_id);
        let after = device.bound_flows();
        before.iter().filter(|flow| !after.contains(flow)).for_each(|flow| self.forget_flow(flow, device));
    }

    fn remove(
        &self,
        address: &Address,
        is_it: impl Fn(&Binding<Arc<Device>>) -> bool,
    ) -> Changes<Arc<Device>> {
        let mut records = self.records.shard(address);
        let Some(record) = records.get_mut(address) else { return Changes::default() };
        let changes = record.remove(is_it);
        if record.is_empty() {
            records.remove(address);
        }
        changes
    }
}

/// A binding as a 200 lists it.
pub(super) struct Listed {
    pub(super) contact: NameAddr,
    pub(super) device: Arc<Device>,
    pub(super) instance: Option<CompactString>,
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
