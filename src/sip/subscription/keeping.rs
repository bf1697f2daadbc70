//! What is put on the disk of subscriptions, and taken off it (see [`super::saved`]).

use super::{Bytes, Duration, Instant, Record, SubscriptionId, Subscriptions, Timestamp, debug};

impl Subscriptions {
    /// Remembers a subscription. One that cannot be remembered is told so when the server stops.
    pub(super) fn save(&self, id: SubscriptionId) {
        let record = self.table.with(id, |entry| entry.save(Instant::now(), Timestamp::now()));
        if let Some(record) = record
            && !self.put(record)
        {
            self.table.with(id, |entry| entry.saved = None);
        }
    }

    /// Remembers a subscription that is about to be accepted: what is promised survives a kill. A fetch
    /// promises nothing.
    pub(super) async fn save_first(&self, id: SubscriptionId, duration: Duration) {
        if duration.is_zero() {
            return;
        }
        let now = Instant::now();
        let record = self.table.with(id, |entry| {
            entry.notifier.expect_until(now + duration);
            entry.save(now, Timestamp::now())
        });
        let Some((key, value)) = record else { return };
        if let Err(reject) = self.memory.put_durably(key, value).await {
            debug!(%reject, "subscription not remembered");
            self.table.with(id, |entry| entry.saved = None);
        }
    }

    pub(super) fn put(&self, (key, value): Record) -> bool {
        let put = self.memory.put(key, value);
        if let Err(reject) = &put {
            debug!(%reject, "subscription not remembered");
        }
        put.is_ok()
    }

    pub(super) fn forget(&self, key: Bytes) {
        if let Err(reject) = self.memory.remove(key) {
            debug!(%reject, "subscription not forgotten");
        }
    }
}
