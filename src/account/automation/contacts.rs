//! What rules do with those who ask to see the owner's presence.

use super::Asked;
use crate::{
    account::{
        endpoints::Endpoint,
        state::{Account, Effects},
    },
    signal::{Action, Address, SignalKind, Stage, Timestamp},
    storage::RefusalReason,
};

/// What rules answer in the owner's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::account) enum ContactFate {
    /// She is to be asked.
    Open,
    Grant,
    Deny,
    /// He gets no answer, and she no question.
    Ignore,
}

impl Account {
    /// Asks the rules about somebody who asks to see the owner's presence, and answers him beside.
    pub(in crate::account) fn rules_on_contact(
        &mut self,
        somebody: &Address,
        now: Timestamp,
        effects: &mut Effects,
    ) -> ContactFate {
        if !self.has_rules() {
            return ContactFate::Open;
        }
        let is_there = self.endpoints.iter().any(Endpoint::takes_questions);
        let at_once = self.rules_on_contact_at(somebody, Stage::AtOnce, now, effects);
        if at_once == ContactFate::Open && !is_there {
            return self.rules_on_contact_at(somebody, Stage::Offline, now, effects);
        }
        at_once
    }

    fn rules_on_contact_at(
        &mut self,
        somebody: &Address,
        stage: Stage,
        now: Timestamp,
        effects: &mut Effects,
    ) -> ContactFate {
        let kind = SignalKind::Contact;
        let asked = Asked { kind, stage, sender: somebody, via: &[], is_automatic: false, message: None };
        let taken = self.ask_rules(&asked, now);
        self.do_beside(&asked, &taken, now, effects);
        let Some(fate) = taken.last() else { return ContactFate::Open };
        let answer = match fate.action {
            Action::Accept => return ContactFate::Grant,
            Action::Reject(_) => ContactFate::Deny,
            Action::Discard => ContactFate::Ignore,
            _ => return ContactFate::Open,
        };
        let reason = RefusalReason::Rule { scope: fate.scope, id: fate.id.to_string() };
        self.note_refusal(somebody, kind, reason, now, effects);
        answer
    }
}
