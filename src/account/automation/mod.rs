//! Automated rules: what the account, its domain and the server have done with signals.
//!
//! `evaluate` says which actions the rules come to: a pure function of the rules, a signal and the state of
//! its receiver. `messages`, `calls` and `contacts` do what it says; `try_out` only tells it. Rules see what
//! the owner's policy has let through, and never what she sends herself.
//!
//! # Invariants
//!
//! - No signal goes round: it carries the accounts that passed it on, five at most and each once.
//! - An automatic answer is never answered automatically, nor is an error, an alert or a room's message.
//! - The same sender gets the same answer once in its period, restarts included.
//! - A dry run changes nothing.
//! - A rule of an account with an action that the operator forbids is refused, and not followed where it was there
//!   before.

mod calls;
mod contacts;
mod evaluate;
mod forbidden;
mod later;
mod messages;
mod replies;
mod scopes;
mod shared;
mod try_out;

pub use calls::Ring;
pub use scopes::SharedRules;
pub use try_out::{Trial, Tried, TriedRule, TriedVerdict};

pub(super) use contacts::ContactFate;
pub(super) use evaluate::{Facts, Taken};
use forbidden::Forbidden;
pub(super) use messages::Inbound;
pub(super) use scopes::{RuleList, Scopes};

use std::{collections::VecDeque, sync::Arc};

use replies::Replies;

use super::{
    Effect, Reply,
    state::{Account, Effects},
};
use crate::{
    signal::{
        Action, Address, Automation, AutomationLimits, HookCall, Message, Reason, Reject, SignalKind, Stage,
        Timestamp,
    },
    storage::{LateMessage, SentReply, Write},
};

/// What an account knows about its rules. Boxed: most accounts have nothing of it.
#[derive(Debug, Default)]
pub(super) struct Automated {
    rules: Option<Arc<RuleList>>,
    replies: Replies,
    /// Messages that rules are to be asked about later, soonest first.
    late: VecDeque<LateMessage>,
}

impl Automated {
    pub(super) fn new(
        rules: Option<Automation>,
        replies: Vec<SentReply>,
        late: Vec<LateMessage>,
    ) -> Option<Box<Self>> {
        if rules.is_none() && replies.is_empty() && late.is_empty() {
            return None;
        }
        let rules = rules.map(|rules| Arc::new(RuleList::new(rules)));
        Some(Box::new(Self { rules, replies: Replies::new(replies), late: late.into() }))
    }
}

/// The signal that rules are asked about, as far as their actions need it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) kind: SignalKind,
    pub(super) stage: Stage,
    pub(super) sender: &'a Address,
    /// The accounts that passed it on.
    pub(super) via: &'a [Address],
    /// Nobody wrote it: it must not be answered automatically.
    pub(super) is_automatic: bool,
    pub(super) message: Option<&'a Arc<Message>>,
}

impl<'a> Asked<'a> {
    fn text(&self) -> Option<&'a str> {
        self.message.and_then(|message| message.content.body())
    }
}

impl Account {
    /// Whether any rule might be asked about anything.
    pub(super) fn has_rules(&self) -> bool {
        self.own_rules().is_some() || !self.shared.automation.load().is_empty_for(self.address.domain())
    }

    /// The owner's rules.
    pub(super) fn own_rules(&self) -> Option<&Arc<RuleList>> {
        self.automated.as_ref()?.rules.as_ref()
    }

    /// The owner sets her rules, or takes them back.
    pub(super) fn set_automation(
        &mut self,
        rules: Option<Automation>,
        effects: &mut Effects,
    ) -> Result<Reply, Reject> {
        if let Some(rules) = &rules {
            rules
                .check(&AutomationLimits::default())
                .map_err(|error| Reject::with_text(Reason::NotAcceptable, &error.to_string()))?;
            self.check_actions(rules)?;
        }
        let rules = rules.filter(|rules| *rules != Automation::default());
        effects.push(Effect::Store(Write::Automation(rules.clone().map(Box::new))));
        if rules.is_some() || self.automated.is_some() {
            let automated = self.automated.get_or_insert_default();
            automated.rules = rules.map(|rules| Arc::new(RuleList::new(rules)));
        }
        Ok(Reply::Done)
    }

    /// What the rules say of a signal. Nobody's rules are about what he does himself.
    pub(super) fn ask_rules(&self, asked: &Asked<'_>, now: Timestamp) -> Vec<Taken> {
        if *asked.sender == self.address || !self.has_rules() {
            return Vec::new();
        }
        let shared = self.shared.automation.load();
        let chain = scopes::chain(&shared, self.address.domain(), self.own_rules().map(AsRef::as_ref));
        let facts = self.facts_of(asked, now);
        evaluate::evaluate(chain, &facts, |_, _| {})
    }

    /// What conditions are about.
    fn facts_of<'a>(&'a self, asked: &Asked<'a>, now: Timestamp) -> Facts<'a> {
        Facts {
            kind: asked.kind,
            stage: asked.stage,
            sender: asked.sender,
            owner: &self.address,
            is_buddy: self.roster.find(asked.sender).is_some(),
            presence: &self.aggregate,
            text: asked.text(),
            forbidden: self.forbidden_actions(),
            now,
        }
    }

    /// The delays after which some rule wants to be asked about such a signal, each once.
    pub(super) fn delays(&self, kind: SignalKind) -> Vec<u32> {
        let shared = self.shared.automation.load();
        let chain = scopes::chain(&shared, self.address.domain(), self.own_rules().map(AsRef::as_ref));
        let mut delays: Vec<u32> = chain
            .filter(|listed| listed.rule.enabled && evaluate::may_be_about(listed.rule, kind))
            .filter_map(|listed| match listed.rule.stage {
                Stage::After(seconds) => Some(seconds),
                _ => None,
            })
            .collect();
        delays.sort_unstable();
        delays.dedup();
        delays
    }

    /// Whether some rule of that stage may be about such a signal.
    pub(super) fn has_stage(&self, kind: SignalKind, stage: Stage) -> bool {
        let shared = self.shared.automation.load();
        let mut chain = scopes::chain(&shared, self.address.domain(), self.own_rules().map(AsRef::as_ref));
        chain.any(|listed| {
            listed.rule.enabled && listed.rule.stage == stage && evaluate::may_be_about(listed.rule, kind)
        })
    }

    /// Where a signal may be passed on to: not to where it was, nor back, nor for ever.
    pub(super) fn may_pass_on(&self, asked: &Asked<'_>, to: &Address) -> bool {
        *to != self.address && to != asked.sender && asked.via.len() < HOPS && !asked.via.contains(to)
    }

    /// The accounts that passed a signal on, this one included.
    pub(super) fn via(&self, asked: &Asked<'_>) -> Vec<Address> {
        asked.via.iter().chain([&self.address]).cloned().collect()
    }

    /// Does what changes nothing of the signal's own way: answers, and programs that are told.
    pub(super) fn do_beside(
        &mut self,
        asked: &Asked<'_>,
        taken: &[Taken],
        now: Timestamp,
        effects: &mut Effects,
    ) {
        for one in taken {
            match &one.action {
                Action::Reply(reply) => self.reply_automatically(asked, one, reply, now, effects),
                Action::Webhook(hook) => {
                    let call = HookCall {
                        hook: hook.clone(),
                        account: self.address.clone(),
                        scope: one.scope,
                        rule: one.id.clone(),
                        kind: asked.kind,
                        stage: asked.stage,
                        from: asked.sender.clone(),
                        message: asked.message.map(|message| message.id),
                        text: asked.text().filter(|_| hook.text).map(Into::into),
                        at: now,
                    };
                    effects.push(Effect::Store(Write::Hook(Box::new(call))));
                }
                _ => {}
            }
        }
    }
}

/// Most accounts that may pass a signal on.
pub(super) const HOPS: usize = 5;
