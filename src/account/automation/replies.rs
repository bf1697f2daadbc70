//! Answers in the owner's name, each sender at most once in a period.

use std::sync::Arc;

use compact_str::{CompactString, format_compact};
use rustc_hash::FxHashMap;
use sha2::{Digest, Sha256};

use super::{Asked, Taken};
use crate::{
    account::{
        Copy, Effect,
        delivery::copy_to,
        state::{Account, Effects},
    },
    signal::{
        Address, AutomaticReply, Content, Keep, Message, MessageId, MessageKind, Native, Party, Passed,
        RuleScope, Signal, Text, Timestamp,
    },
    storage::{SENT_REPLIES, SentReply, Write},
};

/// Who got which answer, and when he may get it again.
#[derive(Debug, Default)]
pub(super) struct Replies(FxHashMap<(CompactString, Address), Timestamp>);

impl Replies {
    pub(super) fn new(sent: Vec<SentReply>) -> Self {
        Self(sent.into_iter().map(|sent| ((sent.rule, sent.to), sent.until)).collect())
    }

    /// Notes an answer to somebody; `false` where he had it lately, or nobody can say.
    fn note(&mut self, rule: &CompactString, to: &Address, until: Timestamp, now: Timestamp) -> bool {
        let key = (rule.clone(), to.clone());
        if self.0.get(&key).is_some_and(|until| now < *until) {
            return false;
        }
        if self.0.len() >= SENT_REPLIES {
            self.0.retain(|_, until| now < *until);
        }
        let has_room = self.0.len() < SENT_REPLIES;
        if has_room {
            self.0.insert(key, until);
        }
        has_room
    }
}

impl Account {
    /// Answers whoever sent the signal, unless he had this answer lately or nobody wrote the signal.
    pub(super) fn reply_automatically(
        &mut self,
        asked: &Asked<'_>,
        taken: &Taken,
        reply: &AutomaticReply,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        let is_answerable = asked.message.is_none_or(|message| {
            matches!(message.kind, MessageKind::Chat | MessageKind::Normal)
                && message.content.body().is_some()
        });
        if asked.is_automatic || !is_answerable || asked.sender.is_domain() {
            return;
        }
        let rule = print_key(taken.scope, &taken.id);
        let until = now.plus_seconds(reply.every_seconds.into());
        let replies = &mut self.automated.get_or_insert_default().replies;
        if !replies.note(&rule, asked.sender, until, now) {
            return;
        }
        let message = Arc::new(self.compose(asked.sender, &rule, reply, now));
        let sent = SentReply { rule, to: asked.sender.clone(), until };
        effects.push(Effect::Store(Write::Replied { sent, now }));
        let with = asked.sender.clone();
        effects.push(Effect::Store(Write::Archive { message: Arc::clone(&message), with, outgoing: true }));
        let sessions = self.endpoints.ids(|endpoint| self.takes_copies(endpoint, Copy::Sent));
        copy_to(sessions, &message, Copy::Sent, effects);
        let passed = Passed { message, via: Vec::new(), is_automatic: true };
        effects.push(Effect::Route { signal: Signal::Passed(Arc::new(passed)), reply: None });
    }

    fn compose(&self, to: &Address, rule: &str, reply: &AutomaticReply, now: Timestamp) -> Message {
        Message {
            id: new_id(&[self.address.as_str(), to.as_str(), rule], now),
            from: Party::bare(self.address.clone()),
            to: Party::bare(to.clone()),
            kind: MessageKind::Chat,
            sent: now,
            origin_id: None,
            content: Content {
                bodies: [Text::plain(&reply.text)].into_iter().collect(),
                ..Content::default()
            },
            native: Native::None,
            keep: Keep::ALL,
        }
    }
}

/// Names a rule among those of all scopes.
fn print_key(scope: RuleScope, id: &str) -> CompactString {
    let scope = match scope {
        RuleScope::Account => "account",
        RuleScope::Domain => "domain",
        RuleScope::Server => "server",
    };
    format_compact!("{scope}:{id}")
}

/// An id that no other message has: nothing random may be used here, but the same answer is given to the
/// same address once in a minute at most.
fn new_id(parts: &[&str], now: Timestamp) -> MessageId {
    let mut hash = Sha256::new();
    hash.update(now.0.to_be_bytes());
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let digest = hash.finalize();
    let random = digest.iter().take(10).fold(0u128, |value, byte| (value << 8) | u128::from(*byte));
    MessageId::from_parts(u64::try_from(now.0).unwrap_or_default(), random)
}
