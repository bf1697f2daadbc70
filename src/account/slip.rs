//! The slips that come with a message and tell what became of it.
//!
//! A slip is used once: confirmed, or dropped. The group it belongs to acts on the first
//! confirmation, or when the last slip went without one.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering},
};

use super::{Answer, Input, Reply, ReplyTo, Sent, event::About, shell::Post};
use crate::signal::{Address, Message, MessageId, Reason, SessionId};

/// One session's share in the fate of a message.
#[derive(Debug)]
pub(super) struct Slip(Kind);

#[derive(Debug)]
enum Kind {
    Live(Arc<Live>),
    Offline { batch: Arc<Batch>, index: usize },
}

impl Slip {
    pub(super) fn live(group: &Arc<Live>) -> Self {
        group.open.fetch_add(1, Ordering::Relaxed);
        Self(Kind::Live(Arc::clone(group)))
    }

    pub(super) fn offline(batch: &Arc<Batch>, index: usize) -> Self {
        batch.open.fetch_add(1, Ordering::Relaxed);
        Self(Kind::Offline { batch: Arc::clone(batch), index })
    }

    /// The client has the message.
    pub(super) fn confirm(self) {
        match &self.0 {
            Kind::Live(group) => group.confirm(),
            Kind::Offline { batch, index } => batch.confirm(*index),
        }
    }
}

impl Drop for Slip {
    fn drop(&mut self) {
        match &self.0 {
            Kind::Live(group) => group.release(),
            Kind::Offline { batch, .. } => batch.release(),
        }
    }
}

/// A message handed to one or several sessions: one of them must confirm it.
#[derive(Debug)]
pub(super) struct Live {
    message: Arc<Message>,
    account: Address,
    reply: Option<ReplyTo>,
    /// How often it came back before.
    tries: u8,
    post: Post,
    open: AtomicUsize,
    confirmed: AtomicBool,
    /// What the answer still waits for: a confirmation, and the disk.
    waits: AtomicU8,
    stored: AtomicBool,
}

impl Live {
    /// A group without slips; `until_stored` when the answer must wait for [`Live::stored`] too.
    pub(super) fn new(
        message: Arc<Message>,
        account: Address,
        reply: Option<ReplyTo>,
        tries: u8,
        post: Post,
        until_stored: bool,
    ) -> Arc<Self> {
        Arc::new(Self {
            message,
            account,
            reply,
            tries,
            post,
            // The maker's own share, released once all slips are out.
            open: AtomicUsize::new(1),
            confirmed: AtomicBool::new(false),
            waits: AtomicU8::new(1 + u8::from(until_stored)),
            stored: AtomicBool::new(true),
        })
    }

    pub(super) fn message(&self) -> &Arc<Message> {
        &self.message
    }

    fn confirm(&self) {
        if !self.confirmed.swap(true, Ordering::AcqRel) {
            self.arrived();
        }
    }

    /// The stores before the delivery are durable, or failed.
    pub(super) fn stored(&self, durable: bool) {
        self.stored.store(durable, Ordering::Release);
        self.arrived();
    }

    fn arrived(&self) {
        if self.waits.fetch_sub(1, Ordering::AcqRel) != 1 {
            return;
        }
        let durable = self.stored.load(Ordering::Acquire);
        if let Some(to) = self.reply.as_ref().filter(|to| !durable || to.wants_success()) {
            let outcome =
                if durable { Ok(Reply::Sent(Sent::Delivered)) } else { Err(Reason::Internal.into()) };
            let about = Some(About::Message(Arc::clone(&self.message)));
            self.post.answer(Answer { to: to.clone(), about, outcome });
        }
    }

    /// One share less; the last one sends an unconfirmed message back.
    pub(super) fn release(&self) {
        if self.open.fetch_sub(1, Ordering::AcqRel) == 1 && !self.confirmed.load(Ordering::Acquire) {
            let message = Arc::clone(&self.message);
            let tries = self.tries.saturating_add(1);
            self.post.input(&self.account, Input::Returned { message, reply: self.reply.clone(), tries });
        }
    }
}

/// Offline messages handed to one session in order.
#[derive(Debug)]
pub(super) struct Batch {
    account: Address,
    session: SessionId,
    post: Post,
    open: AtomicUsize,
    /// Each message's id and whether it was confirmed.
    taken: Mutex<Vec<(MessageId, bool)>>,
}

impl Batch {
    pub(super) fn new(account: Address, session: SessionId, ids: Vec<MessageId>, post: Post) -> Arc<Self> {
        let taken = Mutex::new(ids.into_iter().map(|id| (id, false)).collect());
        Arc::new(Self { account, session, post, open: AtomicUsize::new(1), taken })
    }

    fn confirm(&self, index: usize) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, confirmed)) = taken.get_mut(index) {
            *confirmed = true;
        }
    }

    /// One share less; the last one tells the account how far the session got.
    pub(super) fn release(&self) {
        if self.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
            let through = taken.iter().take_while(|(_, confirmed)| *confirmed).last().map(|(id, _)| *id);
            self.post.input(&self.account, Input::OfflineTaken { session: self.session, through });
        }
    }
}
