//! Stopping in order: running, draining until a deadline, stopped.
//!
//! [`Shutdown`] is the one switch, held by the composition root; [`ShutdownSignal`] is what everybody
//! else listens to; [`Tasks`] owns spawned tasks, awaits them while draining and aborts what is left.
//! Nothing here decides why the server stops or catches a process signal.

use std::time::Duration;

use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
    time::{Instant, timeout_at},
};
use tracing::{error, warn};

/// How far the server is on its way to stop. It only moves forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// New connections and requests are welcome.
    Running,
    /// Nothing new is accepted; what is open ends by itself, at the latest at `until`.
    Draining {
        /// When whatever is still open is cut off.
        until: Instant,
    },
    /// The deadline has passed, or everything has ended.
    Stopped,
}

/// The switch. Dropping it counts as [`Shutdown::stop`].
#[derive(Debug)]
pub struct Shutdown {
    phase: watch::Sender<Phase>,
}

/// The listening side of the switch; cheap to clone.
#[derive(Clone, Debug)]
pub struct ShutdownSignal {
    phase: watch::Receiver<Phase>,
}

impl Shutdown {
    /// A switch in the running phase, and its signal.
    pub fn new() -> (Self, ShutdownSignal) {
        let (sender, receiver) = watch::channel(Phase::Running);
        (Self { phase: sender }, ShutdownSignal { phase: receiver })
    }

    /// Another listener.
    pub fn signal(&self) -> ShutdownSignal {
        ShutdownSignal { phase: self.phase.subscribe() }
    }

    /// Begins to drain, for at most `patience`. A second call may shorten the time, never lengthen it.
    pub fn drain(&self, patience: Duration) {
        let until = Instant::now() + patience;
        self.phase.send_if_modified(|phase| match phase {
            Phase::Running => {
                *phase = Phase::Draining { until };
                true
            }
            Phase::Draining { until: before } if until < *before => {
                *before = until;
                true
            }
            _ => false,
        });
    }

    /// Ends the draining.
    pub fn stop(&self) {
        self.phase.send_replace(Phase::Stopped);
    }
}

impl ShutdownSignal {
    /// The phase at this moment.
    pub fn phase(&self) -> Phase {
        let stopped = self.phase.has_changed().is_err();
        if stopped { Phase::Stopped } else { *self.phase.borrow() }
    }

    /// Whether new work is still welcome.
    pub fn is_running(&self) -> bool {
        self.phase() == Phase::Running
    }

    /// Waits until the server no longer takes new work. Safe to drop and call again.
    pub async fn draining(&self) {
        let mut phase = self.phase.clone();
        // An error means that the switch is gone, which counts as stopped.
        let _ = phase.wait_for(|phase| *phase != Phase::Running).await;
    }

    /// Waits until open work must end: the draining deadline, or the stop before it.
    pub async fn stopped(&self) {
        let mut phase = self.phase.clone();
        loop {
            let now = *phase.borrow_and_update();
            let changed = match now {
                Phase::Running => phase.changed().await,
                Phase::Draining { until } => match timeout_at(until, phase.changed()).await {
                    Ok(changed) => changed,
                    Err(_) => return,
                },
                Phase::Stopped => return,
            };
            if changed.is_err() {
                return;
            }
        }
    }
}

/// The owner of a group of tasks: none outlives it.
#[derive(Debug, Default)]
pub struct Tasks {
    set: JoinSet<()>,
}

impl Tasks {
    /// An empty group.
    pub fn new() -> Self {
        Self::default()
    }

    /// Spawns a task that belongs to the group.
    pub fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        while let Some(ended) = self.set.try_join_next() {
            report(ended);
        }
        self.set.spawn(task);
    }

    /// How many tasks have not been seen to end.
    pub fn len(&self) -> usize {
        self.set.len()
    }

    /// Whether every task has ended.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// Waits for one task to end; never returns when there is none. Safe inside `select!`.
    pub async fn reap(&mut self) {
        match self.set.join_next().await {
            Some(ended) => report(ended),
            None => std::future::pending().await,
        }
    }

    /// Awaits all tasks until the signal says stopped, then aborts and awaits the rest.
    ///
    /// Returns how many had to be aborted.
    pub async fn finish(mut self, signal: &ShutdownSignal) -> usize {
        let all = async {
            while let Some(ended) = self.set.join_next().await {
                report(ended);
            }
        };
        tokio::select! {
            () = all => return 0,
            () = signal.stopped() => {}
        }
        let aborted = self.set.len();
        if aborted > 0 {
            warn!(aborted, "tasks did not end in time");
        }
        self.set.shutdown().await;
        aborted
    }
}

/// A task that panicked is our fault and is reported once, here.
fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        error!(%error, "task panicked");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn phases_follow_each_other() {
        let (shutdown, signal) = Shutdown::new();
        assert!(signal.is_running());
        shutdown.drain(Duration::from_secs(5));
        signal.draining().await;
        assert!(matches!(signal.phase(), Phase::Draining { .. }));
        let before = Instant::now();
        signal.stopped().await;
        assert_eq!(before.elapsed(), Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn second_drain_only_shortens() {
        let (shutdown, signal) = Shutdown::new();
        let before = Instant::now();
        shutdown.drain(Duration::from_secs(5));
        shutdown.drain(Duration::from_secs(50));
        shutdown.drain(Duration::from_secs(2));
        signal.stopped().await;
        assert_eq!(before.elapsed(), Duration::from_secs(2));
    }

    #[tokio::test]
    async fn dropped_switch_stops() {
        let (shutdown, signal) = Shutdown::new();
        drop(shutdown);
        signal.draining().await;
        signal.stopped().await;
        assert_eq!(signal.phase(), Phase::Stopped);
    }

    #[tokio::test(start_paused = true)]
    async fn finish_awaits_the_quick_and_aborts_the_slow() {
        let (shutdown, signal) = Shutdown::new();
        let mut tasks = Tasks::new();
        tasks.spawn(tokio::time::sleep(Duration::from_secs(1)));
        tasks.spawn(std::future::pending());
        shutdown.drain(Duration::from_secs(3));
        let before = Instant::now();
        assert_eq!(tasks.finish(&signal).await, 1);
        assert_eq!(before.elapsed(), Duration::from_secs(3));
    }

    #[tokio::test]
    async fn panic_of_one_task_does_not_reach_the_owner() {
        let (_shutdown, signal) = Shutdown::new();
        let mut tasks = Tasks::new();
        tasks.spawn(async { panic!("a task of the test") });
        tasks.spawn(async {});
        assert_eq!(tasks.finish(&signal).await, 0);
    }
}
