//! The bounded queue in front of the writer. Whoever fills it never waits: when it is full, the
//! job comes back.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

/// Jobs in the order in which they came.
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
    limit: usize,
}

struct State<T> {
    jobs: VecDeque<T>,
    /// Taken from the queue and not finished.
    taken: usize,
    closed: bool,
    /// The writer sleeps and must be woken.
    waiting: bool,
}

/// Why a job came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    Full,
    Closed,
}

impl<T> Queue<T> {
    pub(super) fn new(limit: usize) -> Self {
        let state = State { jobs: VecDeque::new(), taken: 0, closed: false, waiting: false };
        Self { state: Mutex::new(state), filled: Condvar::new(), limit }
    }

    pub(super) fn push(&self, job: T) -> Result<(), (T, Refused)> {
        let mut state = self.lock();
        if state.closed {
            return Err((job, Refused::Closed));
        }
        if state.jobs.len() >= self.limit {
            return Err((job, Refused::Full));
        }
        state.jobs.push_back(job);
        if std::mem::take(&mut state.waiting) {
            drop(state);
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Waits for jobs and takes all there are, up to `most`. Those taken before are finished with
    /// this. `None` once the queue is closed and empty.
    pub(super) fn take(&self, most: usize) -> Option<Vec<T>> {
        let mut state = self.lock();
        state.taken = 0;
        while state.jobs.is_empty() {
            if state.closed {
                return None;
            }
            state.waiting = true;
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let count = most.min(state.jobs.len());
        state.taken = count;
        if state.jobs.capacity() > ROOM && state.jobs.len() < ROOM / 2 {
            state.jobs.shrink_to(ROOM);
        }
        Some(state.jobs.drain(..count).collect())
    }

    /// Takes no more jobs. Those that wait are still given out.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
    }

    /// Jobs that are not finished.
    pub(super) fn len(&self) -> usize {
        let state = self.lock();
        state.jobs.len() + state.taken
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Room for this many jobs is kept after a rush.
const ROOM: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_queue_gives_the_job_back() {
        let queue = Queue::new(2);
        assert_eq!((queue.push(1), queue.push(2)), (Ok(()), Ok(())));
        assert_eq!(queue.push(3), Err((3, Refused::Full)));
        assert_eq!(queue.take(1), Some(vec![1]));
        assert_eq!(queue.len(), 2);
        assert_eq!(queue.push(3), Ok(()));
    }

    #[test]
    fn closed_queue_is_emptied_first() {
        let queue = Queue::new(2);
        queue.push(1).unwrap();
        queue.close();
        assert_eq!(queue.push(2), Err((2, Refused::Closed)));
        assert_eq!((queue.take(9), queue.take(9)), (Some(vec![1]), None));
    }
}
