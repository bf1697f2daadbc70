//! The way to people of other domains, who have no account here.
//!
//! What the rules send there is handed to a [`Carrier`], implemented by a door. A [`Load`] is settled once the
//! carrier knows what became of it; one that is dropped was not carried, and its sender is told.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::{
    Accounts, Answer, DomainReach, Reply, ReplyTo, WatchKind, WatchSpec,
    event::About,
    shell::{Inner, Post},
};
use crate::{
    bus::{Envelope, Receive},
    signal::{Address, News, Reason, Reject, RequestId, Signal},
};

impl Accounts {
    /// Passes on a signal from outside at once; what becomes of it can be waited for.
    #[must_use]
    pub fn dispatch(&self, signal: Signal) -> Outcome {
        let inner = self.inner();
        let (request, reply) = inner.add_waiter();
        inner.route(signal, Some(ReplyTo::Waiter(request)));
        Outcome { inner, request, reply }
    }

    /// Passes on a signal from outside; nobody hears what becomes of it.
    pub fn tell(&self, signal: Signal) {
        self.inner().route(signal, None);
    }

    /// Whether there is a way to people of another domain.
    #[must_use]
    pub fn reaches(&self, domain: &str) -> bool {
        self.inner().bus.leads_to(domain)
    }

    /// Whether somebody of another domain can be followed in this way.
    pub(super) fn may_follow(&self, of: &Address, spec: &WatchSpec) -> bool {
        spec.kind == WatchKind::Presence && self.serves(spec.watcher.domain()) && self.reaches(of.domain())
    }

    /// Another domain cannot be reached any more, or can be again: who follows people there learns it.
    pub fn note_reach(&self, domain: &Address, reach: DomainReach) {
        self.inner().note_reach(domain, reach);
    }

    /// Names who carries signals to people of other domains. The first one named stays; without one such
    /// people cannot be found.
    pub fn carry_by(&self, carrier: Arc<dyn Carrier>) {
        let inner = self.inner();
        inner.bus.connect_outside(Box::new(Way { carrier, post: inner.post() }));
    }
}

/// A domain with A-labels as addresses have it; `None` for one that is so already.
pub(super) fn in_other_form(domain: &str) -> Option<Address> {
    domain.contains("xn--").then(|| Address::domain_only(domain).ok())?
}

/// What will become of a signal that is on its way.
pub struct Outcome {
    inner: Arc<Inner>,
    request: RequestId,
    reply: oneshot::Receiver<Result<Reply, Reject>>,
}

impl Outcome {
    /// Waits for it.
    ///
    /// # Errors
    /// What the receiving account refuses.
    pub async fn wait(mut self) -> Result<Reply, Reject> {
        let reply = &mut self.reply;
        reply.await.unwrap_or_else(|_| Err(Reason::Internal.into()))
    }
}

impl Drop for Outcome {
    fn drop(&mut self) {
        self.inner.remove_waiter(self.request);
    }
}

/// Carries signals to other domains.
pub trait Carrier: Send + Sync + 'static {
    /// Whether there is a way to this domain, as far as one can know without going it.
    fn reaches(&self, domain: &str) -> bool;

    /// Takes one thing on its way. Called with an account at work: must return at once and must not call
    /// back into any account.
    fn carry(&self, load: Load);

    /// Tells all of `to` the same, as [`Carrier::carry`].
    fn carry_all(&self, to: Vec<Address>, news: &News);
}

/// A signal on its way to another domain.
#[derive(Debug)]
pub struct Load {
    signal: Signal,
    reply: Option<ReplyTo>,
    post: Post,
}

impl Load {
    /// What is to be told there.
    #[must_use]
    pub fn signal(&self) -> &Signal {
        &self.signal
    }

    /// Whether the sender wants to hear what becomes of it.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        self.reply.is_some()
    }

    /// This is what became of it.
    pub fn settle(mut self, outcome: Result<Reply, Reject>) {
        self.answer(outcome);
    }

    fn answer(&mut self, outcome: Result<Reply, Reject>) {
        let Some(to) = self.reply.take() else { return };
        let about = About::of(&self.signal);
        self.post.answer(Answer { to, about, outcome });
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.answer(Err(Reason::RemoteTimeout.into()));
    }
}

/// Hands to the carrier what the bus has for other domains.
struct Way {
    carrier: Arc<dyn Carrier>,
    post: Post,
}

impl Receive<ReplyTo> for Way {
    fn reaches(&self, domain: &str) -> bool {
        self.carrier.reaches(domain)
    }

    fn receive(&self, envelope: Envelope<ReplyTo>) {
        let Envelope { signal, reply } = envelope;
        self.carrier.carry(Load { signal, reply, post: self.post.clone() });
    }

    fn receive_all(&self, to: Vec<Address>, news: &News) {
        self.carrier.carry_all(to, news);
    }
}
