//! The offline file from the account's side: who takes what waits, and when it may go.
//!
//! One session at a time takes it, batch by batch, oldest message first. What it confirmed is
//! removed, and only that: a session that dies in between leaves the rest to the next one.

use std::sync::Arc;

use super::{
    Effect,
    state::{Account, Effects},
};
use crate::{
    signal::{Message, MessageId, SessionId},
    storage::Write,
};

/// What the account knows about its offline file.
#[derive(Debug)]
pub(super) struct Offline {
    /// Something may wait in it.
    waiting: bool,
    /// The session that takes it now. Boxed: few accounts have one at any moment.
    taker: Option<Box<Taker>>,
}

#[derive(Debug)]
struct Taker {
    session: SessionId,
    /// The last message of the batch that it has; `None` while the batch is being read.
    last: Option<MessageId>,
    /// More messages follow the batch.
    more: bool,
}

impl Offline {
    pub(super) fn new(waiting: bool) -> Self {
        Self { waiting, taker: None }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.taker.is_none()
    }

    /// Whether the only one of `sessions` takes what waits now.
    pub(super) fn is_taker(&self, sessions: &[SessionId]) -> bool {
        matches!((&self.taker, sessions), (Some(taker), [only]) if taker.session == *only)
    }

    /// A message was appended, behind everything a taker has been told of.
    pub(super) fn note_append(&mut self) {
        self.waiting = true;
        if let Some(taker) = &mut self.taker {
            taker.more = true;
        }
    }
}

impl Account {
    /// Lets `session` take what waits, if it can and nobody else does.
    pub(super) fn collect_offline(&mut self, session: SessionId, effects: &mut Effects) {
        let can = self.endpoints.find(session).is_some_and(|endpoint| self.takes_unasked(endpoint));
        if can && self.offline.waiting && self.offline.taker.is_none() {
            self.offline.taker = Some(Box::new(Taker { session, last: None, more: false }));
            effects.push(Effect::ReadOffline { session });
        }
    }

    /// A batch was read.
    pub(super) fn handle_offline_read(
        &mut self,
        session: SessionId,
        messages: Vec<Arc<Message>>,
        more: bool,
        effects: &mut Effects,
    ) {
        let Some(taker) = self.offline.taker.as_mut().filter(|taker| taker.session == session) else {
            return;
        };
        let Some(last) = messages.last().map(|message| message.id) else {
            let appended = taker.more;
            self.offline.taker = None;
            self.offline.waiting = appended;
            if appended {
                self.collect_offline(session, effects);
            }
            return;
        };
        taker.last = Some(last);
        taker.more |= more;
        if self.endpoints.find(session).is_none() {
            self.pass_on_offline(session, effects);
            return;
        }
        effects.push(Effect::DeliverOffline { session, messages });
    }

    /// A batch is over: what was confirmed goes, what was not stays for the next session.
    pub(super) fn handle_offline_taken(
        &mut self,
        session: SessionId,
        through: Option<MessageId>,
        effects: &mut Effects,
    ) {
        if let Some(through) = through {
            effects.push(Effect::Store(Write::OfflineTrim { through }));
            self.count_waiting(effects);
        }
        let Some(taker) = self.offline.taker.as_ref().filter(|taker| taker.session == session) else {
            return;
        };
        if through.is_none() || through != taker.last {
            self.pass_on_offline(session, effects);
            return;
        }
        self.offline.waiting = taker.more;
        self.offline.taker = None;
        self.collect_offline(session, effects);
    }

    /// `session` does not take it: another one may.
    fn pass_on_offline(&mut self, session: SessionId, effects: &mut Effects) {
        self.offline.taker = None;
        let next = self.endpoints.ids(|endpoint| endpoint.session != session && self.takes_unasked(endpoint));
        if let Some(next) = next.first() {
            self.collect_offline(*next, effects);
        }
    }
}
