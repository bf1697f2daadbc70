//! One decision on who may see the owner's presence, and what of it, for every protocol: her roster and
//! her rules together.

use std::sync::{Arc, LazyLock};

use super::{config::Authorization, state::Account};
use crate::signal::{Address, Handling, Presence, Snapshot, Timestamp, View};

/// What somebody may see, and why.
#[derive(Debug, Clone)]
pub(super) struct Permission {
    pub(super) handling: Handling,
    /// Of no meaning unless he is allowed.
    pub(super) view: Arc<View>,
    /// When that may change by itself.
    pub(super) next: Option<Timestamp>,
}

impl Permission {
    /// All there is, always.
    pub(super) fn everything() -> Self {
        Self::all(Handling::Allow)
    }

    fn all(handling: Handling) -> Self {
        Self { handling, view: Arc::clone(&EVERYTHING), next: None }
    }
}

impl Account {
    /// What `somebody` may see. A contact who was granted it sees it; the owner sees herself.
    pub(super) fn permission(&self, somebody: &Address, _now: Timestamp) -> Permission {
        if *somebody == self.address {
            return Permission::all(Handling::Allow);
        }
        match self.shared.limits.authorization {
            Authorization::None => return Permission::all(Handling::Allow),
            Authorization::Implicit => return Permission::all(Handling::Confirm),
            Authorization::Rules => {}
        }
        let granted = self.roster.find(somebody).is_some_and(|contact| contact.from);
        Permission::all(if granted { Handling::Allow } else { Handling::Confirm })
    }

    /// What somebody is shown who must believe that the owner is never there.
    pub(super) fn closed_snapshot(&mut self) -> Arc<Snapshot> {
        let of = self.address.clone();
        let since = self.aggregate.since;
        self.watchers.closed(|| Snapshot {
            of,
            aggregate: Arc::new(Presence::offline(since)),
            resources: Vec::new(),
        })
    }
}

/// The view of nearly everybody.
static EVERYTHING: LazyLock<Arc<View>> = LazyLock::new(|| Arc::new(View::everything()));
