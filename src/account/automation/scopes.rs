//! The lists of rules and the order in which they are asked: the server's first ones, the domain's first
//! ones, the account's, the domain's last ones, the server's last ones.

use std::collections::BTreeMap;

use compact_str::CompactString;

use crate::signal::{AutomatedRule, Automation, Clock, Order, RuleScope};

/// A list of rules with the clock that its times are read from.
#[derive(Debug, Clone, Default)]
pub(in crate::account) struct RuleList {
    pub(in crate::account) rules: Automation,
    clock: Clock,
}

impl RuleList {
    /// A list whose zone is unknown goes by universal time; nothing checked has one.
    pub(in crate::account) fn new(rules: Automation) -> Self {
        let clock = rules.zone.as_deref().and_then(|zone| Clock::of(zone).ok()).unwrap_or_default();
        Self { rules, clock }
    }

    fn is_empty(&self) -> bool {
        self.rules.rules.is_empty()
    }
}

/// The rules that administrators set.
#[derive(Debug, Clone, Default)]
pub(in crate::account) struct Scopes {
    pub(in crate::account) server: RuleList,
    pub(in crate::account) domains: BTreeMap<CompactString, RuleList>,
}

impl Scopes {
    pub(in crate::account) fn is_empty_for(&self, domain: &str) -> bool {
        self.server.is_empty() && self.domains.get(domain).is_none_or(RuleList::is_empty)
    }
}

/// Whose rules an administrator sets or sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SharedRules {
    Server,
    /// One of this server's domains.
    Domain(CompactString),
}

/// A rule in its place.
#[derive(Debug, Clone, Copy)]
pub(in crate::account) struct Listed<'a> {
    pub(in crate::account) scope: RuleScope,
    pub(in crate::account) rule: &'a AutomatedRule,
    pub(in crate::account) clock: &'a Clock,
}

/// All rules for an account of `domain`, in the order in which they are asked.
pub(in crate::account) fn chain<'a>(
    scopes: &'a Scopes,
    domain: &str,
    own: Option<&'a RuleList>,
) -> impl Iterator<Item = Listed<'a>> {
    let domain = scopes.domains.get(domain);
    let shared = |order| {
        let server = listed(Some(&scopes.server), RuleScope::Server, Some(order));
        let domain = listed(domain, RuleScope::Domain, Some(order));
        (server, domain)
    };
    let ((first, second), (last, last_but_one)) = (shared(Order::Before), shared(Order::After));
    first.chain(second).chain(listed(own, RuleScope::Account, None)).chain(last_but_one).chain(last)
}

fn listed(
    list: Option<&RuleList>,
    scope: RuleScope,
    order: Option<Order>,
) -> impl Iterator<Item = Listed<'_>> {
    let rules = list.into_iter().flat_map(move |list| {
        list.rules.rules.iter().map(move |rule| Listed { scope, rule, clock: &list.clock })
    });
    rules.filter(move |listed| order.is_none_or(|order| listed.rule.order == order))
}
