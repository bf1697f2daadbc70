//! Signs of life on datagram flows (RFC 5626 §4.4.2): when something was heard last of those whose peers promised
//! to be heard of. Nothing ends with such a flow by itself; who asked for signs looks.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use rustc_hash::FxHashMap;
use tokio::time::Instant;

use super::flow::Flow;

/// The flows that are listened for. There is one for each that a phone registered, until it is forgotten.
#[derive(Debug, Default)]
pub(super) struct Signs {
    /// How many there are, so that nobody who expects nothing takes the lock.
    count: AtomicUsize,
    heard: Mutex<FxHashMap<Flow, Instant>>,
}

impl Signs {
    /// Listens for a flow from `now` on; tells whether it did not before.
    pub(super) fn expect(&self, flow: Flow, now: Instant) -> bool {
        let mut heard = self.lock();
        let is_new = heard.insert(flow, now).is_none();
        self.count.store(heard.len(), Ordering::Relaxed);
        is_new
    }

    /// Something came by a flow.
    pub(super) fn note(&self, flow: &Flow) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        if let Some(last) = self.lock().get_mut(flow) {
            *last = Instant::now();
        }
    }

    /// When something came last; `None` for a flow that is not listened for.
    pub(super) fn last(&self, flow: &Flow) -> Option<Instant> {
        self.lock().get(flow).copied()
    }

    pub(super) fn forget(&self, flow: &Flow) {
        let mut heard = self.lock();
        heard.remove(flow);
        self.count.store(heard.len(), Ordering::Relaxed);
    }

    /// The map is whole after every call, so a panic elsewhere cannot have broken it.
    fn lock(&self) -> MutexGuard<'_, FxHashMap<Flow, Instant>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sip::transport::Protocol;

    #[tokio::test(start_paused = true)]
    async fn only_what_is_listened_for_is_remembered() {
        let (signs, start) = (Signs::default(), Instant::now());
        let flow = |id| Flow::for_test(Protocol::Udp, ([192, 0, 2, 1], 5060).into(), id);
        signs.note(&flow(1));
        assert_eq!(signs.last(&flow(1)), None);
        assert!(signs.expect(flow(1), start) && !signs.expect(flow(1), start));
        tokio::time::advance(Duration::from_secs(9)).await;
        signs.note(&flow(2));
        assert_eq!((signs.last(&flow(1)), signs.last(&flow(2))), (Some(start), None));
        signs.note(&flow(1));
        assert_eq!(signs.last(&flow(1)), Some(start + Duration::from_secs(9)));
        signs.forget(&flow(1));
        assert_eq!((signs.last(&flow(1)), signs.count.load(Ordering::Relaxed)), (None, 0));
    }
}
