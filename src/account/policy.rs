//! One verdict on who may write to the owner or call her, with its reason.
//!
//! Everything that she said about it is asked here, in this order; the first that says something decides:
//! she blocked the sender; a rule of hers on who may write names him; he is a contact; her preference for
//! senders who are none. Automated rules come after: they see what this lets through.

use std::sync::Arc;

use compact_str::CompactString;
use tracing::debug;

use super::{
    Effect, Reply,
    rules::check_size,
    state::{Account, Effects},
};
use crate::{
    presence::{self, Context},
    signal::{
        Address, Condition, Entity, Handling, Identity, Reason, Reject, Rule, Ruleset, SignalKind, Timestamp,
    },
    storage::{AcceptedSenders, Refusal, RefusalReason, Write},
};

/// The verdict and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Accept(Why),
    /// The owner wants nothing from such senders.
    Refuse(Why),
    /// The same, and he is to believe that she got it.
    Swallow(Why),
}

/// What decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Why {
    /// The sender is the owner herself, on another session.
    Owner,
    /// She blocked him.
    Blocked,
    /// The first of her rules on who may write that said so.
    MessageRule(CompactString),
    /// The server itself writes.
    Server,
    /// The sender is in the roster.
    Buddy,
    /// The preference for senders who are not.
    Preference(AcceptedSenders),
}

impl Account {
    /// Whether a message from `sender` is accepted.
    pub(super) fn may_write(&self, sender: &Address, now: Timestamp) -> Verdict {
        if *sender == self.address {
            return Verdict::Accept(Why::Owner);
        }
        if self.is_shut_out(sender, now) {
            return Verdict::Refuse(Why::Blocked);
        }
        if sender.is_domain() && self.is_of_this_server(sender) {
            return Verdict::Accept(Why::Server);
        }
        if let Some(verdict) = self.message_rules_on(sender, now) {
            return verdict;
        }
        if self.roster.find(sender).is_some() {
            return Verdict::Accept(Why::Buddy);
        }
        let choice = self.preferences.accepted_senders;
        let why = Why::Preference(choice);
        let accepted = match choice {
            AcceptedSenders::Everybody => true,
            AcceptedSenders::Authenticated => self.is_of_this_server(sender),
            AcceptedSenders::SameDomain => sender.domain() == self.address.domain(),
            AcceptedSenders::Nobody => false,
        };
        if accepted { Verdict::Accept(why) } else { Verdict::Refuse(why) }
    }

    /// Whether the owner may say something to somebody: not to whom she blocked (XEP-0191 §3.2).
    ///
    /// # Errors
    /// [`Reason::Blocked`].
    pub(super) fn may_tell(&self, somebody: &Address) -> Result<(), Reject> {
        if *somebody != self.address && self.is_blocked(somebody) {
            return Err(Reject::with_text(Reason::Blocked, "you have blocked this address"));
        }
        Ok(())
    }

    /// Whether a call from `sender` is accepted. Only who is blocked is refused.
    pub(super) fn may_call(&self, sender: &Address, now: Timestamp) -> Verdict {
        if *sender != self.address && self.is_shut_out(sender, now) {
            return Verdict::Refuse(Why::Blocked);
        }
        Verdict::Accept(if *sender == self.address { Why::Owner } else { Why::Buddy })
    }

    /// Whether the owner wants nothing of somebody: she blocked him, or her rules on who may see her refuse
    /// him by his name, be it in a rule or in a list.
    pub(super) fn is_shut_out(&self, somebody: &Address, now: Timestamp) -> bool {
        if self.is_blocked(somebody) {
            return true;
        }
        let Some(verdict) = self.rules_on(somebody, now) else { return false };
        let presence::Why::Rule(id) = verdict.why else { return false };
        let rule = self.rules().and_then(|rules| rules.rules.iter().find(|rule| rule.id == id));
        verdict.handling == Handling::Block && rule.is_some_and(|rule| names_one(rule, somebody))
    }

    /// Whoever sends from a domain of this server has logged in here.
    pub(super) fn is_of_this_server(&self, sender: &Address) -> bool {
        self.shared.home.iter().any(|own| own.domain() == sender.domain())
    }

    /// The owner sets her rules on who may write, or takes them back.
    pub(super) fn set_message_rules(
        &mut self,
        rules: Option<Arc<Ruleset>>,
        effects: &mut Effects,
    ) -> Result<Reply, Reject> {
        check_size(rules.as_deref())?;
        effects.push(Effect::Store(Write::MessageRules(rules.clone())));
        self.own.get_or_insert_default().message_rules = rules;
        self.documents.touch();
        Ok(Reply::Done)
    }

    /// The rules on who may write.
    pub(super) fn message_rules(&self) -> Option<&Arc<Ruleset>> {
        self.own.as_ref()?.message_rules.as_ref()
    }

    /// Notes a refusal for the owner and for whoever reads the log. The owner's own doing is no news.
    pub(super) fn note_refusal(
        &self,
        from: &Address,
        kind: SignalKind,
        reason: RefusalReason,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        debug!(account = %self.address, %from, ?kind, ?reason, "refused");
        let refusal = Refusal { from: from.clone(), kind, reason, at: now, count: 1 };
        effects.push(Effect::Store(Write::Refused(refusal)));
    }

    /// What the rules on who may write say; `None` where they leave it open.
    fn message_rules_on(&self, sender: &Address, now: Timestamp) -> Option<Verdict> {
        let context = Context {
            sphere: self.endpoints.sphere(),
            is_granted: self.is_granted(sender),
            is_blocked: self.is_blocked(sender),
        };
        let verdict = presence::verdict(self.message_rules()?, Some(sender), context, now);
        let presence::Why::Rule(id) = verdict.why else { return None };
        let why = Why::MessageRule(id);
        match verdict.handling {
            Handling::Allow => Some(Verdict::Accept(why)),
            Handling::PoliteBlock => Some(Verdict::Swallow(why)),
            Handling::Block => Some(Verdict::Refuse(why)),
            Handling::Confirm => None,
        }
    }
}

impl Why {
    /// The same for the owner's list of what was refused; `None` where it refuses nothing.
    pub(super) fn as_refusal(&self) -> Option<RefusalReason> {
        match self {
            Self::Blocked => Some(RefusalReason::Blocked),
            Self::MessageRule(id) => Some(RefusalReason::MessageRule { id: id.to_string() }),
            Self::Preference(choice) => Some(RefusalReason::AcceptedSenders { choice: *choice }),
            Self::Owner | Self::Server | Self::Buddy => None,
        }
    }

    /// What the sender is told. Who is blocked finds nobody there.
    pub(super) fn as_reject(&self) -> Reject {
        match self {
            Self::Blocked => Reason::NoSession.into(),
            _ => Reject::with_text(Reason::Forbidden, "the receiver does not take messages from you"),
        }
    }
}

/// Whether a rule is about somebody himself, and not about all of his domain or everybody.
fn names_one(rule: &Rule, somebody: &Address) -> bool {
    let is_he = |entity: &Entity| matches!(entity, Entity::Account(address) if address == somebody);
    rule.conditions.iter().any(|condition| match condition {
        Condition::Identity(all) => {
            all.iter().any(|identity| matches!(identity, Identity::One(entity) if is_he(entity)))
        }
        Condition::ExternalList(_) => true,
        _ => false,
    })
}
