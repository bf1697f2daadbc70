//! Things that fall due: one heap and one task for all of a kind, instead of a task for each.
//!
//! An alarm is never taken back. Whoever gets one looks whether it still means something, and sets a
//! new one where the time has moved: a registration that is refreshed a hundred times has one entry.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

/// A heap of things by the time at which they fall due.
#[derive(Debug)]
pub(in crate::sip) struct Alarm<T> {
    heap: Mutex<BinaryHeap<Reverse<Entry<T>>>>,
    /// Something falls due sooner than all that was there.
    sooner: Notify,
}

#[derive(Debug)]
struct Entry<T> {
    at: Instant,
    thing: T,
}

impl<T> Default for Alarm<T> {
    fn default() -> Self {
        Self { heap: Mutex::default(), sooner: Notify::new() }
    }
}

impl<T> Alarm<T> {
    /// Has `thing` fall due at `at`.
    pub(in crate::sip) fn set(&self, at: Instant, thing: T) {
        let is_soonest = {
            let mut heap = self.heap();
            let is_soonest = heap.peek().is_none_or(|Reverse(first)| at < first.at);
            heap.push(Reverse(Entry { at, thing }));
            is_soonest
        };
        if is_soonest {
            self.sooner.notify_one();
        }
    }

    /// Gives each thing to `handle` when it falls due. Runs until it is dropped.
    pub(in crate::sip) async fn run(&self, mut handle: impl FnMut(T)) {
        loop {
            while let Some(thing) = self.take_due(Instant::now()) {
                handle(thing);
            }
            match self.next() {
                None => self.sooner.notified().await,
                Some(next) => {
                    tokio::select! {
                        () = self.sooner.notified() => {}
                        () = sleep_until(next) => {}
                    }
                }
            }
        }
    }

    fn next(&self) -> Option<Instant> {
        self.heap().peek().map(|Reverse(entry)| entry.at)
    }

    fn take_due(&self, now: Instant) -> Option<T> {
        let mut heap = self.heap();
        if heap.peek()?.0.at > now {
            return None;
        }
        heap.pop().map(|Reverse(entry)| entry.thing)
    }

    /// The heap is whole after every statement, so a panic elsewhere cannot have broken it.
    fn heap(&self) -> MutexGuard<'_, BinaryHeap<Reverse<Entry<T>>>> {
        self.heap.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.at.cmp(&other.at)
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn things_fall_due_in_order_even_if_set_late() {
        let alarm = Arc::new(Alarm::default());
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let begun = Instant::now();
        let running = Arc::clone(&alarm);
        let task = tokio::spawn(async move {
            running.run(|thing| sender.send((thing, begun.elapsed().as_secs())).unwrap()).await;
        });
        alarm.set(begun + Duration::from_secs(30), "late");
        tokio::task::yield_now().await;
        alarm.set(begun + Duration::from_secs(10), "early");
        assert_eq!(receiver.recv().await, Some(("early", 10)));
        assert_eq!(receiver.recv().await, Some(("late", 30)));
        task.abort();
    }
}
