//! Messages that rules are asked about some time after they came: unless the owner answered meanwhile.
//!
//! What waits is stored, and asked about after a restart as well; what became due meanwhile, at once.

use std::sync::Arc;

use super::Asked;
use crate::{
    account::{
        Effect,
        state::{Account, Effects},
    },
    signal::{Address, Message, SignalKind, Stage, Timestamp},
    storage::{LATE_MESSAGES, LateMessage, Write},
};

impl Account {
    /// Has the rules asked again later, where some want to be.
    pub(super) fn ask_later(
        &mut self,
        message: &Arc<Message>,
        via: &[Address],
        now: Timestamp,
        effects: &mut Effects,
    ) {
        for delay in self.delays(SignalKind::Message) {
            let late = &mut self.automated.get_or_insert_default().late;
            if late.len() >= LATE_MESSAGES {
                return;
            }
            let due = now.plus_seconds(delay.into());
            let index = late.partition_point(|other| other.due <= due);
            let new = LateMessage { due, delay, message: Arc::clone(message), via: via.to_vec() };
            late.insert(index, new.clone());
            effects.push(Effect::Store(Write::Late(Box::new(new))));
            self.wake_at(due, effects);
        }
    }

    /// The owner wrote to somebody, or saw what he wrote: his messages are answered.
    pub(in crate::account) fn note_answered(&mut self, somebody: &Address, effects: &mut Effects) {
        let Some(automated) = &mut self.automated else { return };
        automated.late.retain(|late| {
            let is_answered = late.message.from.address == *somebody;
            if is_answered {
                effects.push(Effect::Store(removed(late)));
            }
            !is_answered
        });
    }

    /// Asks the rules about what is due, and has the account woken for the next.
    pub(in crate::account) fn ask_due(&mut self, now: Timestamp, effects: &mut Effects) {
        while let Some(late) = self.take_due(now) {
            let asked = Asked {
                kind: SignalKind::Message,
                stage: Stage::After(late.delay),
                sender: &late.message.from.address,
                via: &late.via,
                is_automatic: false,
                message: Some(&late.message),
            };
            let taken = self.ask_rules(&asked, now);
            self.do_beside(&asked, &taken, now, effects);
            self.fork_message(&asked, &late.message, &taken, effects);
            self.mark(&late.message, &taken, effects);
            effects.push(Effect::Store(removed(&late)));
        }
        if let Some(next) = self.automated.as_ref().and_then(|automated| automated.late.front()) {
            let due = next.due;
            self.wake_at(due, effects);
        }
    }

    /// Whether rules wait to be asked.
    pub(in crate::account) fn has_late(&self) -> bool {
        self.automated.as_ref().is_some_and(|automated| !automated.late.is_empty())
    }

    fn take_due(&mut self, now: Timestamp) -> Option<LateMessage> {
        let late = &mut self.automated.as_mut()?.late;
        late.front().filter(|late| late.due <= now)?;
        late.pop_front()
    }
}

fn removed(late: &LateMessage) -> Write {
    Write::LateRemoved { message: late.message.id, delay: late.delay }
}
