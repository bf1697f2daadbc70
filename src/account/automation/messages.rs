//! What rules do with messages.

use std::sync::Arc;

use tracing::debug;

use super::{Asked, Taken};
use crate::{
    account::{
        Effect, Event, Reply, ReplyTo, Sent,
        delivery::answer,
        session::SessionKind,
        state::{Account, Effects},
    },
    signal::{
        Action, Address, Message, MessageKind, Party, Passed, Reject, Signal, SignalKind, Stage, Timestamp,
    },
    storage::{RefusalReason, Write},
};

/// What rules leave to be done with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::account) struct Leave {
    /// It waits for the next log-in, whoever is there.
    pub(in crate::account) store: bool,
    /// It makes no noise.
    pub(in crate::account) quiet: bool,
}

/// A message on its way to somebody, and where it came by.
#[derive(Debug, Clone, Copy)]
pub(in crate::account) struct Inbound<'a> {
    pub(in crate::account) message: &'a Arc<Message>,
    pub(in crate::account) via: &'a [Address],
    pub(in crate::account) is_automatic: bool,
}

impl<'a> Inbound<'a> {
    /// A message straight from its sender.
    pub(in crate::account) fn straight(message: &'a Arc<Message>) -> Self {
        Self { message, via: &[], is_automatic: false }
    }

    /// A message that was passed on.
    pub(in crate::account) fn passed(passed: &'a Passed) -> Self {
        Self { message: &passed.message, via: &passed.via, is_automatic: passed.is_automatic }
    }

    fn asked(&self, stage: Stage) -> Asked<'a> {
        Asked {
            kind: SignalKind::Message,
            stage,
            sender: &self.message.from.address,
            via: self.via,
            is_automatic: self.is_automatic,
            message: Some(self.message),
        }
    }
}

impl Account {
    /// Asks the rules about a message of this stage and does what they say. `None` where it ended here:
    /// `reply` was answered, or goes with the message.
    pub(in crate::account) fn apply_rules(
        &mut self,
        inbound: &Inbound<'_>,
        stage: Stage,
        reply: &mut Option<ReplyTo>,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Option<Leave> {
        let message = inbound.message;
        if !self.has_rules() || matches!(message.kind, MessageKind::Error | MessageKind::Group) {
            return Some(Leave::default());
        }
        let asked = inbound.asked(stage);
        let taken = self.ask_rules(&asked, now);
        let says_something = message.content.body().is_some() || message.keep.offline;
        // Of a passing note nothing is made, but it is kept away where its sender's words would be.
        if says_something {
            self.do_beside(&asked, &taken, now, effects);
            self.fork_message(&asked, message, &taken, effects);
            self.mark(message, &taken, effects);
        }
        let fate = taken.last().filter(|taken| taken.action.is_final());
        if self.end_by_rule(&asked, fate, says_something, reply, now, effects) {
            return None;
        }
        if stage == Stage::AtOnce && says_something && *asked.sender != self.address {
            self.ask_later(message, inbound.via, now, effects);
        }
        let store = fate.is_some_and(|taken| taken.action == Action::Store) && message.keep.offline;
        Some(Leave { store, quiet: taken.iter().any(|taken| taken.action == Action::Quiet) })
    }

    /// Ends a message's way here, where its fate says so; whether it does.
    fn end_by_rule(
        &mut self,
        asked: &Asked<'_>,
        fate: Option<&Taken>,
        says_something: bool,
        reply: &mut Option<ReplyTo>,
        now: Timestamp,
        effects: &mut Effects,
    ) -> bool {
        let (Some(fate), Some(message)) = (fate, asked.message) else { return false };
        let outcome = match &fate.action {
            Action::Reject(refused) => {
                let reason = refused.reason.reason();
                Err(Reject { reason, text: refused.text.clone(), retry_after: None })
            }
            Action::Discard => Ok(Reply::Sent(Sent::Accepted)),
            Action::Redirect(to) if says_something && self.may_pass_on(asked, to) => {
                debug!(account = %self.address, from = %asked.sender, %to, rule = %fate.id, "redirected");
                let passed = self.passed(asked, message, to);
                effects.push(Effect::Route { signal: Signal::Passed(passed), reply: reply.take() });
                return true;
            }
            _ => return false,
        };
        if says_something {
            let reason = RefusalReason::Rule { scope: fate.scope, id: fate.id.to_string() };
            self.note_refusal(asked.sender, SignalKind::Message, reason, now, effects);
        }
        answer(reply.take(), message, outcome, effects);
        true
    }

    /// Sends the message to where rules want it as well.
    pub(super) fn fork_message(
        &self,
        asked: &Asked<'_>,
        message: &Arc<Message>,
        taken: &[Taken],
        effects: &mut Effects,
    ) {
        let is_late = matches!(asked.stage, Stage::After(_));
        for one in taken {
            let to = match &one.action {
                Action::Fork(to) => to,
                // It was delivered long ago.
                Action::Redirect(to) if is_late => to,
                _ => continue,
            };
            if self.may_pass_on(asked, to) {
                let passed = self.passed(asked, message, to);
                effects.push(Effect::Route { signal: Signal::Passed(passed), reply: None });
            }
        }
    }

    /// Gives the message its labels.
    pub(super) fn mark(&self, message: &Arc<Message>, taken: &[Taken], effects: &mut Effects) {
        let mut marks: Vec<_> = taken
            .iter()
            .filter_map(|taken| match &taken.action {
                Action::Mark(label) => Some(label.clone()),
                _ => None,
            })
            .collect();
        marks.sort();
        marks.dedup();
        let quiet = taken.iter().any(|taken| taken.action == Action::Quiet);
        if marks.is_empty() && !quiet {
            return;
        }
        if !marks.is_empty() {
            effects.push(Effect::Store(Write::Marked { message: message.id, marks: marks.clone() }));
        }
        let sessions = self.endpoints.ids(|endpoint| endpoint.spec.kind == SessionKind::Page);
        if !sessions.is_empty() {
            let event = Event::Marked { message: message.id, marks, quiet };
            effects.push(Effect::TellAll { sessions, event });
        }
    }

    fn passed(&self, asked: &Asked<'_>, message: &Arc<Message>, to: &Address) -> Arc<Passed> {
        let message = Arc::new(Message { to: Party::bare(to.clone()), ..message.as_ref().clone() });
        Arc::new(Passed { message, via: self.via(asked), is_automatic: asked.is_automatic })
    }
}
