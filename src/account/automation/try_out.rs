//! The dry run: what would happen to a signal, and which rule says so.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::{
    Facts, RuleList,
    evaluate::{self, Verdict},
    scopes,
};
use crate::{
    account::{policy, state::Account},
    signal::{
        Action, Activity, Address, Automation, AutomationLimits, Availability, OwnState, Presence, Reason,
        Reject, RuleScope, SignalKind, Stage, Timestamp,
    },
    storage::RefusalReason,
};

/// A signal to be thought through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Trial {
    pub kind: SignalKind,
    pub from: Address,
    #[serde(default)]
    pub text: Option<CompactString>,
    #[serde(default)]
    pub stage: Stage,
    /// When it comes; `None` for now.
    #[serde(default)]
    pub at: Option<Timestamp>,
    /// How the owner is then; none means as now.
    #[serde(default)]
    pub presence: Vec<OwnState>,
    /// Rules to try in the place of the owner's.
    #[serde(default)]
    pub rules: Option<Automation>,
}

/// What would happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tried {
    /// What the owner's policy would refuse it by; rules are not asked then.
    pub refused: Option<RefusalReason>,
    /// Every rule there is, in the order in which they are asked.
    pub rules: Vec<TriedRule>,
    /// What would be done, in this order.
    pub actions: Vec<Action>,
}

/// What one rule would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TriedRule {
    pub scope: RuleScope,
    pub id: CompactString,
    pub name: CompactString,
    #[serde(flatten)]
    pub verdict: TriedVerdict,
}

/// What became of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum TriedVerdict {
    /// Its actions would be done.
    Holds,
    Disabled,
    /// It has an action that the operator forbids.
    Forbidden,
    /// It is for another stage.
    OtherStage,
    /// The condition of this number, counted from 0, does not hold.
    Fails {
        condition: usize,
    },
    /// An earlier rule has decided, or the policy.
    NotAsked,
}

impl Account {
    /// Thinks a signal through.
    pub(in crate::account) fn try_rules(&self, trial: &Trial, now: Timestamp) -> Result<Tried, Reject> {
        if let Some(rules) = &trial.rules {
            rules
                .check(&AutomationLimits::default())
                .map_err(|error| Reject::with_text(Reason::NotAcceptable, &error.to_string()))?;
        }
        let now = trial.at.unwrap_or(now);
        let verdict = match trial.kind {
            SignalKind::Message => self.may_write(&trial.from, now),
            SignalKind::Call => self.may_call(&trial.from, now),
            SignalKind::Contact => policy::Verdict::Accept(policy::Why::Buddy),
        };
        let refused = match verdict {
            policy::Verdict::Accept(_) => None,
            policy::Verdict::Refuse(why) | policy::Verdict::Swallow(why) => why.as_refusal(),
        };
        let given = trial.rules.clone().map(RuleList::new);
        let presence = presence_of(&trial.presence, &self.aggregate);
        let facts = Facts {
            kind: trial.kind,
            stage: trial.stage,
            sender: &trial.from,
            owner: &self.address,
            is_buddy: self.roster.find(&trial.from).is_some(),
            presence: &presence,
            text: trial.text.as_deref(),
            forbidden: self.forbidden_actions(),
            now,
        };
        let shared = self.shared.automation.load();
        let own = given.as_ref().or_else(|| self.own_rules().map(AsRef::as_ref));
        let chain = scopes::chain(&shared, self.address.domain(), own);
        let is_asked = refused.is_none() && trial.from != self.address;
        let mut rules = Vec::new();
        let taken = evaluate::evaluate(chain, &facts, |listed, verdict| {
            rules.push(TriedRule {
                scope: listed.scope,
                id: listed.rule.id.clone(),
                name: listed.rule.name.clone(),
                verdict: if is_asked { verdict.into() } else { TriedVerdict::NotAsked },
            });
        });
        let actions = taken.into_iter().map(|taken| taken.action).filter(|_| is_asked).collect();
        Ok(Tried { refused, rules, actions })
    }
}

impl From<Verdict> for TriedVerdict {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Holds => Self::Holds,
            Verdict::Disabled => Self::Disabled,
            Verdict::Forbidden => Self::Forbidden,
            Verdict::OtherStage => Self::OtherStage,
            Verdict::Fails(condition) => Self::Fails { condition },
            Verdict::NotAsked => Self::NotAsked,
        }
    }
}

/// A presence that is in these states, or the real one where none is named.
fn presence_of(states: &[OwnState], real: &Presence) -> Presence {
    if states.is_empty() {
        return real.clone();
    }
    let mut presence = Presence::online(real.since);
    for state in states {
        match state {
            OwnState::Online => presence.availability = Availability::Online,
            OwnState::Away => presence.availability = Availability::Away,
            OwnState::ExtendedAway => presence.availability = Availability::ExtendedAway,
            OwnState::Busy => presence.availability = Availability::Busy,
            OwnState::Offline => presence.availability = Availability::Offline,
            OwnState::OnThePhone => presence.activities.push(Activity::OnThePhone),
        }
    }
    presence
}
