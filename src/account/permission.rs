//! One decision on who may see the owner's presence, and what of it, for every protocol: her roster and
//! her rules together.

use std::sync::{Arc, LazyLock};

use super::{config::Authorization, state::Account};
use crate::{
    presence::{Verdict, Why},
    signal::{Address, Handling, Presence, Snapshot, Timestamp, View},
};

/// What somebody may see.
#[derive(Debug, Clone)]
pub(super) struct Permission {
    pub(super) handling: Handling,
    /// Of no meaning unless he is allowed.
    pub(super) view: Arc<View>,
}

impl Permission {
    /// All there is, always.
    pub(super) fn everything() -> Self {
        Self::all(Handling::Allow)
    }

    /// Whether he sees all there is.
    pub(super) fn is_everything(&self) -> bool {
        self.handling == Handling::Allow && *self.view == **EVERYTHING
    }

    fn all(handling: Handling) -> Self {
        Self { handling, view: Arc::clone(&EVERYTHING) }
    }
}

impl Account {
    /// What `somebody` may see. The owner sees herself; for one whom she blocked she is never there, unless her
    /// rules tell him openly; a contact who was granted it sees it unless a
    /// rule says that he is blocked, politely or not; about others the rules decide, and where they say
    /// nothing the owner is to be asked.
    pub(super) fn permission(&self, somebody: &Address, now: Timestamp) -> Permission {
        self.decide(somebody, || self.rules_on(somebody, now))
    }

    /// Whether `somebody` may follow the owner's calls: as her rules on that say or, where they say nothing, as he
    /// may see her presence.
    pub(super) fn permission_for_calls(&self, somebody: &Address, now: Timestamp) -> Permission {
        match self.call_rules_on(somebody, now) {
            Some(verdict) => self.decide(somebody, || Some(verdict)),
            None => self.permission(somebody, now),
        }
    }

    fn decide(&self, somebody: &Address, rules: impl FnOnce() -> Option<Verdict>) -> Permission {
        if *somebody == self.address {
            return Permission::everything();
        }
        match self.shared.limits.authorization {
            Authorization::None => return Permission::everything(),
            Authorization::Implicit => return Permission::all(Handling::Confirm),
            Authorization::Rules => {}
        }
        let verdict = rules();
        if self.is_blocked(somebody) {
            let says_so = |verdict: &Verdict| {
                verdict.handling == Handling::Block && matches!(verdict.why, Why::Rule(_))
            };
            let openly = verdict.as_ref().is_some_and(says_so);
            return Permission::all(if openly { Handling::Block } else { Handling::PoliteBlock });
        }
        let granted = self.is_granted(somebody);
        let Some(verdict) = verdict else {
            return Permission::all(if granted { Handling::Allow } else { Handling::Confirm });
        };
        let is_explicit = matches!(verdict.why, Why::Rule(_));
        match verdict.handling {
            Handling::Allow if verdict.view == **EVERYTHING => Permission::everything(),
            Handling::Allow => Permission { handling: Handling::Allow, view: Arc::new(verdict.view) },
            Handling::Confirm if granted => Permission::everything(),
            Handling::Block if granted && !is_explicit => Permission::everything(),
            handling => Permission::all(handling),
        }
    }

    /// Whether the owner granted somebody presence, to contacts or in advance.
    pub(super) fn is_granted(&self, somebody: &Address) -> bool {
        self.roster.find(somebody).is_some_and(|contact| contact.from || contact.approved)
    }

    /// What somebody is shown who must believe that the owner is never there.
    pub(super) fn closed_snapshot(&mut self) -> Arc<Snapshot> {
        let of = self.address.clone();
        let since = self.aggregate.since;
        self.watchers.closed(|| Snapshot {
            of,
            aggregate: Arc::new(Presence::offline(since)),
            resources: Vec::new(),
            picture: None,
        })
    }
}

/// The view of nearly everybody.
static EVERYTHING: LazyLock<Arc<View>> = LazyLock::new(|| Arc::new(View::everything()));
