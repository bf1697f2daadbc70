//! How long messages stay in archives: the operator says it for all or for a domain, an owner for herself;
//! the shorter time counts.

use std::collections::BTreeMap;

use super::{Accounts, Config};
use crate::{
    signal::{Address, MessageId, Timestamp},
    storage::{AccountSummary, Preferences, Store, StoreError},
};

/// The times of the configuration.
#[derive(Debug, Clone)]
pub(super) struct Retention {
    /// Days; 0 is for ever.
    days: u32,
    of_domains: BTreeMap<String, u32>,
}

impl Retention {
    pub(super) fn new(config: &Config) -> Self {
        Self { days: config.archive_days, of_domains: config.domain_archive_days.clone() }
    }

    /// Days that messages of an account are kept; `None` is for ever.
    fn days_of(&self, address: &Address, preferences: &Preferences) -> Option<u32> {
        let days = *self.of_domains.get(address.domain()).unwrap_or(&self.days);
        let own = preferences.archive.keep_days.filter(|days| *days > 0);
        [(days > 0).then_some(days), own].into_iter().flatten().min()
    }

    /// Removes what has had its time from all archives; how many lines. Blocks.
    fn apply(&self, store: &Store, now: Timestamp) -> Result<usize, StoreError> {
        let mut removed = 0;
        let mut after: Option<Address> = None;
        loop {
            let accounts = store.list_accounts(after.as_ref(), ACCOUNTS)?;
            let Some(last) = accounts.last() else { return Ok(removed) };
            after = Some(last.address.clone());
            for account in &accounts {
                removed += self.apply_to(store, account, now)?;
            }
        }
    }

    fn apply_to(&self, store: &Store, account: &AccountSummary, now: Timestamp) -> Result<usize, StoreError> {
        let Some(preferences) = store.preferences(account.key)? else { return Ok(0) };
        let Some(days) = self.days_of(&account.address, &preferences) else { return Ok(0) };
        let first = now.plus_seconds(-i64::from(days) * DAY_SECONDS);
        let first = MessageId::from_parts(u64::try_from(first.0).unwrap_or_default(), 0);
        let mut removed = 0;
        loop {
            // In small steps, so that nobody's message waits long behind them.
            let step = store.forget_archive(account.key, first, LINES)?;
            removed += step;
            if step < LINES {
                return Ok(removed);
            }
        }
    }
}

impl Accounts {
    /// Removes messages from archives that were there for as long as they may be. Call it now and then.
    /// What fails is in the log, and tried again the next time.
    pub async fn forget_archived(&self) {
        let (retention, store) = (Retention::new(&self.inner().shared.limits), self.inner().store.clone());
        let applied = tokio::task::spawn_blocking(move || retention.apply(&store, Timestamp::now())).await;
        match applied {
            Ok(Ok(0)) | Err(_) => {}
            Ok(Ok(removed)) => tracing::info!(removed, "messages had their time in archives"),
            Ok(Err(fault)) => tracing::error!(%fault, "archives cannot be cut"),
        }
    }
}

const ACCOUNTS: usize = 500;
const LINES: usize = 500;
const DAY_SECONDS: i64 = 24 * 3600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shorter_time_counts() {
        let config = Config {
            archive_days: 365,
            domain_archive_days: BTreeMap::from([("brief.example".into(), 7), ("ever.example".into(), 0)]),
            ..Config::default()
        };
        let retention = Retention::new(&config);
        for (address, own, expected) in [
            ("a@x.example", None, Some(365)),
            ("a@x.example", Some(30), Some(30)),
            ("a@x.example", Some(1000), Some(365)),
            ("a@brief.example", Some(30), Some(7)),
            ("a@ever.example", None, None),
            ("a@ever.example", Some(0), None),
            ("a@ever.example", Some(2), Some(2)),
        ] {
            let mut preferences = Preferences::default();
            preferences.archive.keep_days = own;
            let address = Address::parse(address).unwrap();
            assert_eq!(retention.days_of(&address, &preferences), expected, "{address} {own:?}");
        }
    }
}
