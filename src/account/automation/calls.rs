//! What rules do with calls: where they ring, and when to ask again.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Asked, Taken};
use crate::{
    account::{
        Answer, Effect, Reply, ReplyTo,
        policy::Verdict,
        state::{Account, Effects},
    },
    signal::{
        Action, Address, CallOffer, Party, Reason, Reject, SessionId, Signal, SignalKind, Stage, Timestamp,
    },
    storage::RefusalReason,
};

/// Where a call rings, and when the account wants to be asked again: by the same offer with another stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ring {
    /// The call as it came to the account that answers; to another one than asked where it was redirected.
    pub offer: Arc<CallOffer>,
    /// The sessions that it rings at, all at once.
    pub sessions: Vec<SessionId>,
    /// Accounts that are to be offered it as well.
    pub also: Vec<Address>,
    /// Seconds of ringing after which the account wants to be asked, soonest first, each once.
    pub delays: Vec<u32>,
    /// It wants to be asked when every phone is busy.
    pub on_busy: bool,
    /// It wants to be asked when nobody answers, after so many seconds of ringing at the latest.
    pub no_answer: Option<u32>,
}

impl Account {
    /// Somebody calls, or a call has come to a later stage.
    pub(in crate::account) fn handle_call(
        &mut self,
        offer: &Arc<CallOffer>,
        reply: Option<ReplyTo>,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        let mut reply = reply;
        let outcome = match offer.stage {
            Stage::AtOnce => self.begin_call(offer, &mut reply, now, effects),
            _ => self.call_on(offer, offer.stage, &mut reply, now, effects),
        };
        if let (Some(outcome), Some(to)) = (outcome, reply) {
            let outcome = outcome.map(|ring| Reply::Ring(Box::new(ring)));
            effects.push(Effect::Answer(Answer { to, about: None, outcome }));
        }
    }

    /// `None` where the call went elsewhere, with whoever waits for the answer.
    fn begin_call(
        &mut self,
        offer: &Arc<CallOffer>,
        reply: &mut Option<ReplyTo>,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Option<Result<Ring, Reject>> {
        let caller = &offer.from.address;
        if let Verdict::Refuse(why) = self.may_call(caller, now) {
            if let Some(reason) = why.as_refusal() {
                self.note_refusal(caller, SignalKind::Call, reason, now, effects);
            }
            return Some(Err(why.as_reject()));
        }
        let mut ring = match self.call_on(offer, Stage::AtOnce, reply, now, effects)? {
            Ok(ring) => ring,
            refused => return Some(refused),
        };
        let sessions = self.endpoints.ids(|endpoint| endpoint.spec.takes_calls && endpoint.is_available());
        if sessions.is_empty() {
            let away = match self.call_on(offer, Stage::Offline, reply, now, effects)? {
                Ok(away) => away,
                refused => return Some(refused),
            };
            ring.also.extend(away.also);
        }
        ring.sessions = sessions.into_vec();
        if ring.sessions.is_empty() && ring.also.is_empty() {
            return Some(Err(Reason::NoSession.into()));
        }
        if self.has_rules() && *caller != self.address {
            ring.delays = self.delays(SignalKind::Call);
            ring.on_busy = self.has_stage(SignalKind::Call, Stage::Busy);
            let patience = self.shared.limits.no_answer_seconds;
            ring.no_answer = self.has_stage(SignalKind::Call, Stage::NoAnswer).then_some(patience);
        }
        Some(Ok(ring))
    }

    /// Asks the rules of one stage about a call and does what they say; an empty ring where they say
    /// nothing. `None` where the call went elsewhere, with whoever waits for the answer.
    fn call_on(
        &mut self,
        offer: &Arc<CallOffer>,
        stage: Stage,
        reply: &mut Option<ReplyTo>,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Option<Result<Ring, Reject>> {
        let sender = &offer.from.address;
        let kind = SignalKind::Call;
        let asked = Asked { kind, stage, sender, via: &offer.via, is_automatic: false, message: None };
        let taken = self.ask_rules(&asked, now);
        self.do_beside(&asked, &taken, now, effects);
        let fate = taken.last().filter(|taken| taken.action.is_final());
        let refused = match fate.map(|fate| (fate, &fate.action)) {
            Some((fate, Action::Reject(refused))) => {
                let reason = refused.reason.reason();
                Some((fate, Reject { reason, text: refused.text.clone(), retry_after: None }))
            }
            Some((fate, Action::Discard)) => Some((fate, Reason::NoSession.into())),
            Some((_, Action::Redirect(to))) if self.may_pass_on(&asked, to) => {
                let offer = CallOffer {
                    to: Party::bare(to.clone()),
                    via: self.via(&asked),
                    stage: Stage::AtOnce,
                    ..offer.as_ref().clone()
                };
                effects.push(Effect::Route { signal: Signal::Call(Arc::new(offer)), reply: reply.take() });
                return None;
            }
            _ => None,
        };
        if let Some((fate, reject)) = refused {
            let reason = RefusalReason::Rule { scope: fate.scope, id: fate.id.to_string() };
            self.note_refusal(sender, kind, reason, now, effects);
            return Some(Err(reject));
        }
        Some(Ok(Ring::new(offer, self.forks(&asked, &taken))))
    }

    fn forks(&self, asked: &Asked<'_>, taken: &[Taken]) -> Vec<Address> {
        let to = |taken: &Taken| match &taken.action {
            Action::Fork(to) if self.may_pass_on(asked, to) => Some(to.clone()),
            _ => None,
        };
        let mut all: Vec<Address> = taken.iter().filter_map(to).collect();
        all.sort();
        all.dedup();
        all
    }
}

impl Ring {
    fn new(offer: &Arc<CallOffer>, also: Vec<Address>) -> Self {
        let offer = Arc::clone(offer);
        Self { offer, sessions: Vec::new(), also, delays: Vec::new(), on_busy: false, no_answer: None }
    }

    /// The offer to another account that is to ring as well.
    #[must_use]
    pub fn offer_to(&self, to: &Address) -> CallOffer {
        let mut via = self.offer.via.clone();
        via.push(self.offer.to.address.clone());
        CallOffer { to: Party::bare(to.clone()), via, stage: Stage::AtOnce, ..self.offer.as_ref().clone() }
    }

    /// The same offer at a later stage.
    #[must_use]
    pub fn offer_at(&self, stage: Stage) -> CallOffer {
        CallOffer { stage, ..self.offer.as_ref().clone() }
    }
}
