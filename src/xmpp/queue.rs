//! What waits for one client: bounded by number and by bytes.
//!
//! The account hands over ([`Sink`]), the connection's task takes. When either bound is reached the account
//! closes the session, and what was not delivered goes another way.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use crate::{
    account::{Event, Outbox, Parcel, Sink, SinkFull},
    signal::{Message, Native, SessionId},
};

/// The queue of one session.
#[derive(Debug)]
pub(super) struct Queue {
    outbox: Arc<Outbox>,
    /// Bytes that wait, roughly.
    waiting: AtomicUsize,
    most_bytes: usize,
}

impl Queue {
    /// A queue for `most` things that together take `most_bytes`.
    pub(super) fn new(most: usize, most_bytes: usize) -> Arc<Self> {
        Arc::new(Self { outbox: Outbox::new(most), waiting: AtomicUsize::new(0), most_bytes })
    }

    /// Waits until something is there and moves all of it to the end of `into`.
    pub(super) fn poll_drain(&self, into: &mut VecDeque<Parcel>, context: &mut Context<'_>) -> Poll<()> {
        ready!(self.outbox.poll_drain(into, context));
        self.waiting.store(0, Ordering::Relaxed);
        Poll::Ready(())
    }

    /// Takes nothing more; what waits goes back to the account.
    pub(super) fn close(&self) {
        self.outbox.close();
    }
}

impl Sink for Queue {
    fn push(&self, session: SessionId, parcel: Parcel) -> Result<(), SinkFull> {
        let is_last = matches!(parcel, Parcel::Event(Event::Closed(_)));
        let size = size_of(&parcel);
        let waiting = self.waiting.fetch_add(size, Ordering::Relaxed);
        // One thing of any size fits into an empty queue.
        if waiting > 0 && waiting + size > self.most_bytes && !is_last {
            return Err(SinkFull);
        }
        self.outbox.push(session, parcel)
    }
}

/// What a parcel holds on to, roughly.
fn size_of(parcel: &Parcel) -> usize {
    let content = match parcel {
        Parcel::Message(delivery) => message_bytes(&delivery.message),
        Parcel::Event(Event::Presence(notice)) => native_bytes(&notice.presence.native),
        Parcel::Event(Event::Query(query)) => native_bytes(&query.native),
        Parcel::Event(_) => 0,
    };
    OVERHEAD + content
}

fn message_bytes(message: &Message) -> usize {
    let texts = message.content.bodies.iter().map(|body| body.text.len()).sum::<usize>();
    texts + native_bytes(&message.native)
}

fn native_bytes(native: &Native) -> usize {
    match native {
        Native::None => 0,
        Native::Retracted { by, .. } => by.len(),
        Native::Elements { payload, .. } => payload.len(),
        Native::Mime { body, .. } => body.len(),
    }
}

const OVERHEAD: usize = 256;

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;
    use crate::account::CloseReason;
    use crate::signal::{Address, Party, Query, QueryKind};

    fn query(bytes: usize) -> Parcel {
        let party = Party::bare(Address::parse("a@b").expect("an address"));
        Parcel::Event(Event::Query(Arc::new(Query {
            from: party.clone(),
            to: party,
            id: "1".into(),
            kind: QueryKind::Ask,
            native: Native::Elements { payload: vec![b' '; bytes].into(), lang: None },
        })))
    }

    #[test]
    fn bytes_are_bounded_and_the_last_word_fits() {
        let queue = Queue::new(100, 2000);
        let session = SessionId(1);
        assert_eq!(queue.push(session, query(5000)), Ok(()));
        assert_eq!(queue.push(session, query(1)), Err(SinkFull));
        let goodbye = Parcel::Event(Event::Closed(CloseReason::TooSlow));
        assert_eq!(queue.push(session, goodbye), Ok(()));
        let mut taken = VecDeque::new();
        let mut context = Context::from_waker(Waker::noop());
        assert!(queue.poll_drain(&mut taken, &mut context).is_ready());
        assert_eq!(taken.len(), 2);
        assert_eq!(queue.push(session, query(1000)), Ok(()));
        assert_eq!(queue.push(session, query(100)), Ok(()));
        assert_eq!(queue.push(session, query(1000)), Err(SinkFull));
    }
}
