//! Messages that rules are asked about some time after they came: unless the owner answered meanwhile.
//!
//! What waits is not stored: with the process it is gone, and the message stays where it is.

use std::sync::Arc;

use super::Asked;
use crate::{
    account::state::{Account, Effects},
    signal::{Address, Message, SignalKind, Stage, Timestamp},
};

/// A message that rules are to be asked about.
#[derive(Debug)]
pub(super) struct Late {
    due: Timestamp,
    delay: u32,
    message: Arc<Message>,
    via: Vec<Address>,
}

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
            if late.len() >= LATE {
                return;
            }
            let due = now.plus_seconds(delay.into());
            let index = late.partition_point(|other| other.due <= due);
            late.insert(index, Late { due, delay, message: Arc::clone(message), via: via.to_vec() });
            self.wake_at(due, effects);
        }
    }

    /// The owner wrote to somebody, or saw what he wrote: his messages are answered.
    pub(in crate::account) fn note_answered(&mut self, somebody: &Address) {
        if let Some(automated) = &mut self.automated {
            automated.late.retain(|late| late.message.from.address != *somebody);
        }
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

    fn take_due(&mut self, now: Timestamp) -> Option<Late> {
        let late = &mut self.automated.as_mut()?.late;
        late.front().filter(|late| late.due <= now)?;
        late.pop_front()
    }
}

/// Most messages of one account that rules wait for; about more they are not asked later.
const LATE: usize = 200;
