//! When accounts want to be woken. One task serves all of them.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::sleep};

use crate::signal::{Address, Timestamp};

/// Accounts and their times. An account asks again only for an earlier time than before, so that few
/// entries are of no use any more; those wake it in vain, once. One that is read anew asks for the same
/// time as before.
#[derive(Default)]
pub(super) struct Alarms {
    times: Mutex<BTreeSet<(Timestamp, Address)>>,
    earlier: Notify,
}

impl Alarms {
    /// Has the account woken at that time or soon after.
    pub(super) fn set(&self, at: Timestamp, account: Address) {
        let mut times = self.times();
        let is_first = times.first().is_none_or(|(first, _)| at < *first);
        times.insert((at, account));
        drop(times);
        if is_first {
            self.earlier.notify_one();
        }
    }

    /// Tells `wake` of each account whose time has come, until it is dropped.
    pub(super) async fn run(&self, wake: impl Fn(Address)) {
        loop {
            let now = Timestamp::now();
            while let Some(account) = self.take(now) {
                wake(account);
            }
            let next = self.times().first().map(|(at, _)| *at);
            let pause = next.map_or(LONGEST, |at| {
                // A millisecond more: whoever is woken must find that it is time.
                Duration::from_millis(at.0.saturating_sub(now.0).unsigned_abs() + 1).min(LONGEST)
            });
            tokio::select! {
                () = sleep(pause) => {}
                () = self.earlier.notified() => {}
            }
        }
    }

    fn take(&self, now: Timestamp) -> Option<Address> {
        let mut times = self.times();
        if times.first().is_none_or(|(at, _)| *at > now) {
            return None;
        }
        times.pop_first().map(|(_, account)| account)
    }

    fn times(&self) -> MutexGuard<'_, BTreeSet<(Timestamp, Address)>> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The clock may be set: look at it at least this often.
const LONGEST: Duration = Duration::from_secs(60);
