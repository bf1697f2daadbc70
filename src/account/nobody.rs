//! What becomes of a signal that found nobody: the account is not there, or cannot be reached (RFC 6121 §8.5.1).

use std::sync::Arc;

use super::{Answer, Reply, ReplyTo, Sent, event::About, shell::Inner};
use crate::signal::{ContactEvent, ContactSignal, Message, MessageKind, Reason, Signal};

impl Inner {
    /// Answers a signal that found nobody.
    pub(super) fn refuse(self: &Arc<Self>, signal: &Signal, reply: Option<ReplyTo>, reason: Reason) {
        if let Signal::Probe(probe) = signal
            && reason == Reason::NotFound
        {
            // Who asks believes to be a contact (§4.3.2).
            let (from, to) = (probe.to.address.clone(), probe.from.address.clone());
            let signal = ContactSignal::plain(from, to, ContactEvent::Unsubscribed);
            let signal = ContactSignal { origin_id: probe.origin_id.clone(), ..signal };
            return self.route(Signal::Contact(Arc::new(signal)), None);
        }
        let Some(to) = reply else { return };
        let (about, outcome) = match signal {
            Signal::Message(message) if reason == Reason::NotFound && is_ignored(message) => {
                (Some(About::Message(Arc::clone(message))), Ok(Reply::Sent(Sent::Accepted)))
            }
            // Who asks somebody who is not there hears as little as of one who does not answer.
            Signal::Contact(_) if reason == Reason::NotFound => (None, Ok(Reply::Done)),
            Signal::Message(message) => (Some(About::Message(Arc::clone(message))), Err(reason.into())),
            Signal::Passed(passed) => (Some(About::Message(Arc::clone(&passed.message))), Err(reason.into())),
            Signal::Query(query) => (Some(About::Query(Arc::clone(query))), Err(reason.into())),
            _ => (None, Err(reason.into())),
        };
        self.answer(Answer { to, about, outcome });
    }
}

/// Whether nobody hears that there is nobody to read it (§8.5.4, table 1).
fn is_ignored(message: &Message) -> bool {
    message.kind == MessageKind::Headline && message.to.resource.is_none()
}
