//! The thread that gives the tables what is pending, a whole generation in one transaction, while
//! the writer goes on in the next turn of the journal. Checkpoints of the database's log happen
//! here, too: nobody who waits for an acknowledgement waits for either.
//!
//! Works on one generation at a time. The writer's thread, which gives it out, must leave the
//! database's own writing alone meanwhile: SQLite has one writer at a time.

use std::{
    io,
    sync::{
        Arc,
        mpsc::{self, Receiver, SyncSender, TryRecvError},
    },
    thread::{self, JoinHandle},
};

use super::{StoreError, journal::Turn, pending::Generation, sqlite::Database};

/// The thread, as the writer knows it.
pub(super) struct Filler {
    /// `None` only when it ends.
    orders: Option<SyncSender<Order>>,
    outcomes: Receiver<Result<(), StoreError>>,
    is_busy: bool,
    thread: Option<JoinHandle<()>>,
}

/// What the tables are to get.
struct Order {
    generation: Arc<Generation>,
    /// The turn that follows.
    next: Turn,
}

impl Filler {
    /// Starts the thread with a connection of its own; it calls `nudge` after each generation.
    pub(super) fn start(database: Database, nudge: impl Fn() + Send + 'static) -> io::Result<Self> {
        let (orders, ordered) = mpsc::sync_channel::<Order>(1);
        let (tell, outcomes) = mpsc::sync_channel(1);
        let thread = thread::Builder::new().name("storage-tables".into()).spawn(move || {
            while let Ok(Order { generation, next }) = ordered.recv() {
                let outcome = fill_tables(&database, &generation, next);
                // Freed here where the writer has let go of it already.
                drop(generation);
                if tell.send(outcome).is_err() {
                    return;
                }
                nudge();
            }
        })?;
        Ok(Self { orders: Some(orders), outcomes, is_busy: false, thread: Some(thread) })
    }

    /// Whether a generation is on its way.
    pub(super) fn is_busy(&self) -> bool {
        self.is_busy
    }

    /// Gives out a generation; `next` is the turn behind the one that it came in. The one before
    /// must be finished.
    pub(super) fn begin(&mut self, generation: Arc<Generation>, next: Turn) {
        let order = Order { generation, next };
        self.is_busy = self.orders.as_ref().is_some_and(|orders| orders.try_send(order).is_ok());
        if !self.is_busy {
            tracing::error!("the thread that fills the tables is gone");
        }
    }

    /// Whether the tables have the generation, once that is certain.
    pub(super) fn outcome(&mut self) -> Option<Result<(), StoreError>> {
        match self.outcomes.try_recv() {
            Ok(outcome) => {
                self.is_busy = false;
                Some(outcome)
            }
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => std::mem::take(&mut self.is_busy).then_some(Err(GONE)),
        }
    }

    /// As [`Filler::outcome`], but waits for it where a generation is on its way.
    pub(super) fn wait(&mut self) -> Option<Result<(), StoreError>> {
        std::mem::take(&mut self.is_busy).then(|| self.outcomes.recv().unwrap_or(Err(GONE)))
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        self.orders = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that fills the tables panicked");
        }
    }
}

/// Gives the tables a generation, durably, and ends its turn with it.
pub(super) fn fill_tables(
    database: &Database,
    generation: &Generation,
    next: Turn,
) -> Result<(), StoreError> {
    database.alone(|database| {
        database.add_to_archive(generation.lines())?;
        for (account, retractions) in &generation.retractions {
            database.retract(*account, retractions)?;
        }
        for (account, waiting) in &generation.offline {
            if let Some(through) = waiting.trimmed {
                database.trim_offline(*account, through)?;
            }
            database.add_offline(*account, waiting.appended.iter())?;
        }
        database.set_turn(next)
    })
}

const GONE: StoreError = StoreError::Closed;
