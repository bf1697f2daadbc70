//! Opened credentials of accounts that logged in lately, so that a phone's registration touches
//! neither the database nor a sealed blob. Bounded: two generations, of which the older is dropped
//! when the younger is full.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{signal::Address, storage::AccountSummary};

use super::credential::{DeviceVerifier, Verifiers};

/// One account with its credentials opened.
pub(super) struct Known {
    pub(super) account: AccountSummary,
    pub(super) verifiers: Verifiers,
    pub(super) devices: Vec<(i64, DeviceVerifier)>,
    /// The keyed hash of the password that was last proved right, so that a client which comes
    /// back with it need not cost tens of milliseconds again. The key lives as long as the process.
    pub(super) proved: OnceLock<[u8; 32]>,
}

/// The accounts that are known.
pub(super) struct Cache {
    generations: Mutex<Generations>,
    /// Grows with every change, so that what was read before a change is not kept after it.
    epoch: AtomicU64,
    most: usize,
}

#[derive(Default)]
struct Generations {
    young: HashMap<Address, Arc<Known>>,
    old: HashMap<Address, Arc<Known>>,
}

impl Cache {
    /// Room for up to `most` accounts.
    pub(super) fn new(most: usize) -> Self {
        Self { generations: Mutex::default(), epoch: AtomicU64::new(0), most: most.div_ceil(2) }
    }

    pub(super) fn find(&self, address: &Address) -> Option<Arc<Known>> {
        let mut generations = self.lock();
        if let Some(known) = generations.young.get(address) {
            return Some(Arc::clone(known));
        }
        let known = generations.old.remove(address)?;
        self.insert(&mut generations, Arc::clone(&known));
        Some(known)
    }

    /// To be asked before reading what [`Cache::keep`] is given.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Keeps what was read, unless something changed since `epoch`.
    pub(super) fn keep(&self, known: Arc<Known>, epoch: u64) {
        let mut generations = self.lock();
        if self.epoch.load(Ordering::Acquire) == epoch {
            self.insert(&mut generations, known);
        }
    }

    /// Forgets an account whose credentials changed.
    pub(super) fn forget(&self, address: &Address) {
        let mut generations = self.lock();
        self.epoch.fetch_add(1, Ordering::AcqRel);
        generations.young.remove(address);
        generations.old.remove(address);
    }

    fn insert(&self, generations: &mut Generations, known: Arc<Known>) {
        if generations.young.len() >= self.most {
            generations.old = std::mem::take(&mut generations.young);
        }
        generations.young.insert(known.account.address.clone(), known);
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        auth::{Config, credential::Salts},
        signal::Timestamp,
        storage::AccountKey,
    };

    fn known(name: &str) -> Arc<Known> {
        let address = Address::new(name, "example.org").unwrap();
        let config =
            Config { argon2_memory_kib: 8, argon2_passes: 1, scram_iterations: 1, ..Config::default() };
        let salts = Salts { argon2: [1; 16], scram: [[1; 16]; 3] };
        Arc::new(Known {
            verifiers: Verifiers::new(&address, "x", &salts, &config).unwrap(),
            account: AccountSummary {
                key: AccountKey(1),
                address,
                is_admin: false,
                disabled: false,
                created: Timestamp(1),
            },
            devices: Vec::new(),
            proved: OnceLock::new(),
        })
    }

    #[test]
    fn account_in_use_stays_and_others_go() {
        let cache = Cache::new(4);
        let alice = known("alice");
        cache.keep(Arc::clone(&alice), cache.epoch());
        for index in 0..20 {
            let other = known(&format!("other{index}"));
            cache.keep(Arc::clone(&other), cache.epoch());
            assert!(cache.find(&alice.account.address).is_some(), "{index}");
            let kept = cache.lock();
            assert!(kept.young.len() + kept.old.len() <= 4);
        }
        assert!(cache.find(&known("other0").account.address).is_none());
    }

    #[test]
    fn what_was_read_before_a_change_is_not_kept() {
        let cache = Cache::new(4);
        let alice = known("alice");
        let epoch = cache.epoch();
        cache.forget(&alice.account.address);
        cache.keep(Arc::clone(&alice), epoch);
        assert!(cache.find(&alice.account.address).is_none());
        cache.keep(Arc::clone(&alice), cache.epoch());
        cache.forget(&alice.account.address);
        assert!(cache.find(&alice.account.address).is_none());
    }
}
