//! What takes a while for a session: worked on by the session's own task, beside what it reads and writes.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use compact_str::CompactString;

use super::{
    session::{Asked, Client},
    stream::Ticket,
    xep::Answer,
};
use crate::{account::Request, signal::RequestId};

/// Something that ends in the answer to an `<iq/>`.
pub(super) type Work = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// What a session waits for, at most [`MOST`] at a time: a client that asks for more is read no further.
#[derive(Default)]
pub(super) struct Jobs(Vec<Job>);

struct Job {
    end: End,
    work: Work,
}

/// What becomes of it.
enum End {
    /// It is the answer to an `<iq/>`.
    Answer { id: CompactString, from: Option<CompactString>, ticket: Option<Ticket> },
    /// Whatever came of it, the account is asked this.
    Request { request: Box<Request>, tag: RequestId },
}

impl Client {
    /// Begins to work for the answer to this.
    pub(super) fn begin(&mut self, asked: Asked<'_>, work: Work) {
        let Asked { id, from, ticket } = asked;
        let end = End::Answer { id: id.into(), from: from.map(Into::into), ticket };
        self.jobs.get_or_insert_default().0.push(Job { end, work });
    }

    /// Begins to work for something that comes before a request to the account.
    pub(super) fn begin_before(&mut self, request: Request, tag: RequestId, work: Work) {
        let end = End::Request { request: Box::new(request), tag };
        self.jobs.get_or_insert_default().0.push(Job { end, work });
    }

    /// Whether it can begin something more.
    pub(super) fn has_hands(&self) -> bool {
        self.jobs.as_ref().is_none_or(|jobs| jobs.0.len() < MOST)
    }

    /// Goes on with what was begun, and gives the answers that are ready. Tells whether there were any.
    pub(super) fn poll_jobs(&mut self, context: &mut Context<'_>) -> bool {
        let Some(mut jobs) = self.jobs.take() else { return false };
        let mut ready = Vec::new();
        let mut at = 0;
        while let Some(job) = jobs.0.get_mut(at) {
            match job.work.as_mut().poll(context) {
                Poll::Ready(answer) => ready.push((jobs.0.remove(at).end, answer)),
                Poll::Pending => at += 1,
            }
        }
        if !jobs.0.is_empty() {
            self.jobs = Some(jobs);
        }
        let has_answered = !ready.is_empty();
        for (end, answer) in ready {
            match end {
                End::Answer { id, from, ticket } => {
                    self.act_on(Asked { id: &id, from: from.as_deref(), ticket }, answer);
                }
                End::Request { request, tag } => self.session.ask_tagged(*request, Some(tag)),
            }
        }
        has_answered
    }

    /// Waits until everything begun is answered, for [`LAST_ANSWERS`] at most: a session that ends takes nothing
    /// back of what its client asked for.
    pub(super) async fn finish_jobs(&mut self) {
        let finished = std::future::poll_fn(|context| {
            while self.poll_jobs(context) {}
            if self.jobs.is_some() { Poll::Pending } else { Poll::Ready(()) }
        });
        let _ = tokio::time::timeout(LAST_ANSWERS, finished).await;
    }
}

const MOST: usize = 4;
/// How long a session that ends waits for the answers that it still owes.
const LAST_ANSWERS: Duration = Duration::from_secs(5);
