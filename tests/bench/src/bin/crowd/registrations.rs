//! SIP registrations held by the thousand, and whether the server still works among them.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::sleep;

use crate::{
    hold::Chance,
    options::Options,
    process::{Meter, Usage, kernel_kb, print, round},
    sip::{Job, Phones},
};

/// `--steps 100,1000 --operations 2000 --together 20 --settle 35 --idle 70 --server-pid PID`: grows to each
/// number of registrations in turn. At each it says what the server occupies, `settle` seconds
/// later when no transaction is left (RFC 3261 §17.2.2, timer J), refreshes some and sends messages
/// between some. At the end all are taken back.
pub async fn register(options: &Options) -> anyhow::Result<()> {
    let mut phones = Phones::open(options.text("sip", "127.0.0.1:35060").parse()?).await?;
    let pid = options.number("server-pid", 0)?;
    let operations = options.number("operations", 2000)?;
    let together = options.number("together", 20)?;
    let (empty, kernel) = (Usage::of(pid), kernel_kb());
    let mut chance = Chance(1);
    let mut held = 0;
    let report = |kind: &str, held: usize, begun: Instant| {
        let now = Usage::of(pid);
        let each = |grown: f64| (held > 0).then(|| round(grown / held as f64));
        print(json!({
            "holding": kind, "held": held, "seconds": round(begun.elapsed().as_secs_f64()),
            "rss_mb": round(now.rss_kb / 1024.0), "pss_mb": round(now.pss_kb / 1024.0),
            "server_kb_each": each(now.rss_kb - empty.rss_kb),
            "kernel_kb_each": each(kernel_kb() - kernel),
        }));
    };
    report("registration", 0, Instant::now());
    for step in options.numbers("steps", "1000")? {
        let begun = Instant::now();
        let meter = Meter::start(pid);
        let count = step - held;
        let first =
            phones.run((held..step).map(|user| Job::Register { user, seconds: HOURS }), together).await?;
        meter.finish("registration: first REGISTER", step, count, first);
        held = step;
        sleep(Duration::from_secs_f64(options.number("settle", 35.0)?)).await;
        report("registration", held, begun);
        let mut any = || chance.next() as usize % held;
        let refreshed: Vec<_> =
            (0..operations).map(|_| Job::Register { user: any(), seconds: HOURS }).collect();
        let meter = Meter::start(pid);
        let latencies = phones.run(refreshed, together).await?;
        meter.finish("registration: REGISTER again", step, operations, latencies);
        let messages: Vec<_> = (0..operations).map(|_| Job::Message { user: any(), to: any() }).collect();
        let meter = Meter::start(pid);
        let latencies = phones.run(messages, together).await?;
        meter.finish("registration: MESSAGE", step, operations, latencies);
    }
    let begun = Instant::now();
    let meter = Meter::start(pid);
    let latencies = phones.run((0..held).map(|user| Job::Register { user, seconds: 0 }), together).await?;
    meter.finish("registration: taken back", held, held, latencies);
    report("registration, all taken back", 0, begun);
    sleep(Duration::from_secs_f64(options.number("idle", 70.0)?)).await;
    report("registration, all taken back, later", 0, begun);
    Ok(())
}

/// Longer than a run takes.
const HOURS: u32 = 7200;
