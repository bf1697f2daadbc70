//! What every scenario needs: its arguments, the clock, what a server spends, and the line that says so.

mod arguments;
mod report;
mod usage;

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher as _, Hasher as _},
    sync::OnceLock,
    time::{Duration, Instant},
};

use tokio::task::JoinHandle;

pub use arguments::Arguments;
pub use report::{Meter, per_session};
pub use usage::Usage;

/// What the tasks of a scenario count together, on their one thread.
pub type Counters = std::cell::RefCell<Vec<usize>>;

/// Nanoseconds since the first look at the clock.
pub fn now_ns() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

/// Microseconds since `then`, which [`now_ns`] told.
pub fn since_us(then: u64) -> u32 {
    (now_ns().saturating_sub(then) / 1000) as u32
}

/// A number that no other process has: the kernel gives ports again soon, so nothing that names a
/// transaction or a dialog may depend on ports and counters alone.
pub fn process_token() -> u64 {
    static TOKEN: OnceLock<u64> = OnceLock::new();
    *TOKEN.get_or_init(|| RandomState::new().build_hasher().finish())
}

/// What all tasks return, in their order; the first failure ends the run.
pub async fn all<T>(tasks: Vec<JoinHandle<anyhow::Result<T>>>) -> anyhow::Result<Vec<T>> {
    let mut done = Vec::with_capacity(tasks.len());
    for task in tasks {
        done.push(task.await??);
    }
    Ok(done)
}

/// The server as it is when nobody is connected: memory, and what it spends on doing nothing.
pub async fn process(args: &Arguments) -> anyhow::Result<()> {
    let meter = Meter::start(args)?;
    tokio::time::sleep(Duration::from_secs_f64(args.number("hold", 3.0)?)).await;
    meter.finish(args, 1, &mut []).print();
    Ok(())
}
