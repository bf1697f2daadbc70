//! Actions that the operator lets no account's rules have, on the whole server or in a domain. The rules of
//! administrators may have them.

use crate::{
    account::state::Account,
    signal::{ActionName, AutomatedRule, Automation, Reason, Reject, RuleScope},
};

/// What accounts of one domain may not do.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::account) struct Forbidden<'a> {
    everywhere: &'a [ActionName],
    here: &'a [ActionName],
}

impl Forbidden<'_> {
    /// Whether a rule of this scope has an action that it must not have: it is not followed then.
    pub(in crate::account) fn forbids(&self, scope: RuleScope, rule: &AutomatedRule) -> bool {
        scope == RuleScope::Account && self.find(rule).is_some()
    }

    fn find(&self, rule: &AutomatedRule) -> Option<ActionName> {
        let is_forbidden = |name: &ActionName| self.everywhere.contains(name) || self.here.contains(name);
        rule.then.iter().map(|action| action.name()).find(is_forbidden)
    }
}

impl Account {
    pub(in crate::account) fn forbidden_actions(&self) -> Forbidden<'_> {
        let limits = &self.shared.limits;
        let here = limits.domain_forbidden_actions.get(self.address.domain());
        Forbidden { everywhere: &limits.forbidden_actions, here: here.map_or(&[], Vec::as_slice) }
    }

    /// Whether the owner may have these rules.
    pub(in crate::account) fn check_actions(&self, rules: &Automation) -> Result<(), Reject> {
        let forbidden = self.forbidden_actions();
        let found = rules.rules.iter().find_map(|rule| forbidden.find(rule).map(|name| (rule, name)));
        match found {
            Some((rule, name)) => {
                let id: String = rule.id.chars().take(SHOWN_CHARS).collect();
                let text = format!("rule \"{id}\": the action {name} is forbidden here");
                Err(Reject::with_text(Reason::Forbidden, &text))
            }
            None => Ok(()),
        }
    }
}

/// How much of an id is told.
const SHOWN_CHARS: usize = 100;
