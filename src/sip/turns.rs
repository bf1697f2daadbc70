//! Requests for one account take turns, in the order in which they came (RFC 3903 §6).
//!
//! No lock: who has the turn may wait for things meanwhile, and others sleep until it is theirs.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rustc_hash::FxHashMap;
use tokio::sync::oneshot;

use crate::signal::Address;

/// Who has the turn for each account, and who waits for it.
#[derive(Default)]
pub(super) struct Turns(Mutex<FxHashMap<Address, VecDeque<oneshot::Sender<()>>>>);

/// The turn of one request; the next one's begins when this is dropped.
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    account: Address,
}

/// More wait than may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many requests for one account wait")]
pub(super) struct Crowded;

impl Turns {
    /// Waits for the account's turn; the order is that of the first polls.
    ///
    /// # Errors
    /// 64 requests wait for the account already.
    pub(super) async fn take(&self, account: &Address) -> Result<Turn<'_>, Crowded> {
        let waits = {
            let mut turns = self.waiting();
            match turns.get_mut(account) {
                None => {
                    turns.insert(account.clone(), VecDeque::new());
                    None
                }
                Some(waiting) if waiting.len() >= WAITING => return Err(Crowded),
                Some(waiting) => {
                    let (call, called) = oneshot::channel();
                    waiting.push_back(call);
                    Some(called)
                }
            }
        };
        // Made before it is ours, so that a turn that was given and is not wanted any more goes on.
        let turn = Waits { turns: self, account, called: waits };
        turn.wait().await;
        Ok(Turn { turns: self, account: account.clone() })
    }

    fn pass_on(&self, account: &Address) {
        let mut turns = self.waiting();
        let Some(waiting) = turns.get_mut(account) else { return };
        // Who does not wait any more is passed over.
        while let Some(next) = waiting.pop_front() {
            if next.send(()).is_ok() {
                return;
            }
        }
        turns.remove(account);
    }

    fn waiting(&self) -> MutexGuard<'_, FxHashMap<Address, VecDeque<oneshot::Sender<()>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who waits.
struct Waits<'a> {
    turns: &'a Turns,
    account: &'a Address,
    /// Nothing where there was nobody before.
    called: Option<oneshot::Receiver<()>>,
}

impl Waits<'_> {
    async fn wait(mut self) {
        if let Some(called) = &mut self.called {
            // It is called when it is its turn, and by nothing else: the map keeps the other half.
            let _ = called.await;
        }
        self.called = None;
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        // Given up while it waited: the turn may have been given to it in this very moment.
        if let Some(called) = &mut self.called {
            called.close();
            if called.try_recv().is_ok() {
                self.turns.pass_on(self.account);
            }
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.pass_on(&self.account);
    }
}

/// Most requests that wait for one account.
const WAITING: usize = 64;

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use super::*;

    fn poll<T>(work: std::pin::Pin<&mut impl Future<Output = T>>) -> Poll<T> {
        work.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn turns_are_taken_in_the_order_of_coming() {
        let turns = Turns::default();
        let (alice, bob) = (Address::parse("alice@b").unwrap(), Address::parse("bob@b").unwrap());
        let mut first = pin!(turns.take(&alice));
        let Poll::Ready(Ok(turn)) = poll(first.as_mut()) else { panic!("nobody was before") };
        let (mut second, mut third) = (pin!(turns.take(&alice)), pin!(turns.take(&alice)));
        assert!(poll(second.as_mut()).is_pending());
        assert!(poll(third.as_mut()).is_pending());
        assert!(poll(pin!(turns.take(&bob))).is_ready(), "others do not wait");
        drop(turn);
        assert!(poll(third.as_mut()).is_pending());
        let Poll::Ready(Ok(turn)) = poll(second.as_mut()) else { panic!("it was called") };
        drop(turn);
        assert!(poll(third.as_mut()).is_ready());
    }

    #[test]
    fn who_gives_up_holds_nobody_up() {
        let turns = Turns::default();
        let alice = Address::parse("alice@b").unwrap();
        let Poll::Ready(Ok(turn)) = poll(pin!(turns.take(&alice))) else { panic!() };
        let mut second = Box::pin(turns.take(&alice));
        let mut third = Box::pin(turns.take(&alice));
        let mut last = pin!(turns.take(&alice));
        assert!(poll(second.as_mut()).is_pending() && poll(third.as_mut()).is_pending());
        assert!(poll(last.as_mut()).is_pending());
        drop(second);
        drop(turn);
        // It was called and never looked.
        drop(third);
        assert!(poll(last.as_mut()).is_ready());
        assert!(turns.waiting().is_empty());
    }

    #[test]
    fn those_who_wait_are_bounded() {
        let turns = Turns::default();
        let alice = Address::parse("alice@b").unwrap();
        let mut all: Vec<_> = (0..=WAITING).map(|_| Box::pin(turns.take(&alice))).collect();
        let polled: Vec<_> = all.iter_mut().map(|one| poll(one.as_mut())).collect();
        assert_eq!(polled.iter().filter(|one| one.is_pending()).count(), WAITING);
        assert!(matches!(poll(pin!(turns.take(&alice))), Poll::Ready(Err(Crowded))));
    }
}
