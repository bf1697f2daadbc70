//! The bounded queue in front of the writer. Whoever fills it never waits: when it is full, the
//! job comes back.
//!
//! Under load the writer lets a group gather before it takes it, in naps from which nobody wakes
//! it: a commit costs about the same for one job as for fifty, and a waking costs both sides. A
//! job that comes after a pause is taken at once, and where a nap brings nothing (everybody waits
//! for the writer already), none is taken for a while.

use std::{
    collections::VecDeque,
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Jobs in the order in which they came.
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
    limit: usize,
    /// Jobs that wait, and those taken and not finished.
    unfinished: AtomicUsize,
}

struct State<T> {
    jobs: VecDeque<T>,
    closed: bool,
    /// The writer is to look around, though there is no job.
    nudged: bool,
    /// The writer sleeps and must be woken.
    waiting: bool,
    /// Groups to take without a nap.
    hasty: u32,
}

/// What the writer is to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken<T> {
    Jobs(Vec<T>),
    /// Nothing came for a while.
    Idle,
    /// [`Queue::nudge`] was called, and nothing waits.
    Nudged,
    /// The queue is closed and empty.
    Closed,
}

/// Why a job came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    Full,
    Closed,
}

impl<T> Queue<T> {
    pub(super) fn new(limit: usize) -> Self {
        let state = State { jobs: VecDeque::new(), closed: false, nudged: false, waiting: false, hasty: 0 };
        Self { state: Mutex::new(state), filled: Condvar::new(), limit, unfinished: AtomicUsize::new(0) }
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
        self.unfinished.fetch_add(1, Ordering::Relaxed);
        if std::mem::take(&mut state.waiting) {
            drop(state);
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Waits for jobs and takes all there are, up to `most`. Waits for `pause` at most, where there
    /// is one. [`Queue::finished`] is to be told of them.
    pub(super) fn take(&self, most: usize, pause: Option<Duration>) -> Taken<T> {
        let mut state = self.lock();
        let began = state.jobs.is_empty().then(Instant::now);
        while state.jobs.is_empty() {
            if state.closed {
                return Taken::Closed;
            }
            if std::mem::take(&mut state.nudged) {
                return Taken::Nudged;
            }
            state.waiting = true;
            state = match pause {
                None => self.filled.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(pause) => {
                    let waited = self.filled.wait_timeout(state, pause);
                    let (mut state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                    if timeout.timed_out() && state.jobs.is_empty() && !state.closed && !state.nudged {
                        state.waiting = false;
                        return Taken::Idle;
                    }
                    state
                }
            };
        }
        let mut state = match began {
            Some(began) if began.elapsed() > CALM => state,
            _ => self.gather(state, most),
        };
        let count = most.min(state.jobs.len());
        if state.jobs.capacity() > ROOM && state.jobs.len() < ROOM / 2 {
            state.jobs.shrink_to(ROOM);
        }
        Taken::Jobs(state.jobs.drain(..count).collect())
    }

    /// Naps as long as that brings more jobs.
    fn gather<'a>(&'a self, mut state: MutexGuard<'a, State<T>>, most: usize) -> MutexGuard<'a, State<T>> {
        if state.hasty > 0 {
            state.hasty -= 1;
            return state;
        }
        for nap in 0..NAPS {
            let before = state.jobs.len();
            if before >= most || state.closed {
                break;
            }
            drop(state);
            thread::sleep(NAP);
            state = self.lock();
            if state.jobs.len() == before {
                state.hasty = if nap == 0 { HASTY_GROUPS } else { 0 };
                break;
            }
        }
        state
    }

    /// Takes no more jobs. Those that wait are still given out.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
    }

    /// How many jobs may wait.
    pub(super) const fn limit(&self) -> usize {
        self.limit
    }

    /// Has the writer look around.
    pub(super) fn nudge(&self) {
        let mut state = self.lock();
        state.nudged = true;
        if std::mem::take(&mut state.waiting) {
            drop(state);
            self.filled.notify_one();
        }
    }

    /// So many of the jobs that were taken are done with.
    pub(super) fn finished(&self, count: usize) {
        self.unfinished.fetch_sub(count, Ordering::Relaxed);
    }

    /// Jobs that are not finished. Takes no lock: it is asked before every read of a socket.
    pub(super) fn len(&self) -> usize {
        self.unfinished.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Longest gathering: four naps, about two milliseconds.
const NAPS: u32 = 4;
const NAP: Duration = Duration::from_micros(500);
/// Who comes after a pause as long as this is not made to wait.
const CALM: Duration = Duration::from_millis(5);
/// Groups that are taken at once after a nap that brought nothing.
const HASTY_GROUPS: u32 = 32;
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
        assert_eq!(queue.take(1, None), Taken::Jobs(vec![1]));
        assert_eq!(queue.len(), 2);
        assert_eq!(queue.push(3), Ok(()));
        queue.finished(1);
        assert_eq!(queue.len(), 2);
    }

    #[test]
    fn nudge_is_told_once_and_after_the_jobs() {
        let queue = Queue::new(2);
        queue.nudge();
        queue.push(1).unwrap();
        assert_eq!(queue.take(9, None), Taken::Jobs(vec![1]));
        assert_eq!(queue.take(9, None), Taken::Nudged);
        assert_eq!(queue.take(9, Some(Duration::ZERO)), Taken::Idle);
    }

    #[test]
    fn closed_queue_is_emptied_first() {
        let queue = Queue::new(2);
        queue.push(1).unwrap();
        queue.close();
        assert_eq!(queue.push(2), Err((2, Refused::Closed)));
        assert_eq!((queue.take(9, None), queue.take(9, None)), (Taken::Jobs(vec![1]), Taken::Closed));
    }
}
