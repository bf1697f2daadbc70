//! SIP subscriptions held by the thousand, and whether their watchers are still told among them.

use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::json;

use crate::{
    hold::Chance,
    options::Options,
    process::{Meter, Usage, kernel_kb, print, round},
    sip::{Dialog, Job, Phones},
};

/// `--steps 100,1000 --each 10 --seconds 400 --operations 200 --together 20 --settle 35 --server-pid PID`:
/// grows to each number of subscriptions in turn; every account watches the `each` that follow it. At each
/// step it says what the server occupies, `settle` seconds later when no transaction is left, refreshes
/// all subscriptions, waits until the last of them would have ended without that, and has some accounts
/// publish: all who watch one are told. At the end all are given up.
pub async fn subscribe(options: &Options) -> anyhow::Result<()> {
    let mut phones = Phones::open(options.text("sip", "127.0.0.1:35060").parse()?).await?;
    let pid = options.number("server-pid", 0)?;
    let (each, seconds) = (options.number("each", 10)?, options.number("seconds", 400)?);
    let operations = options.number("operations", 200)?;
    let together = options.number("together", 20)?;
    let settle = Duration::from_secs_f64(options.number("settle", 35.0)?);
    let steps = options.numbers("steps", "1000")?;
    let accounts = steps.iter().max().copied().unwrap_or_default() / each;
    let (empty, kernel) = (Usage::of(pid), kernel_kb());
    let mut chance = Chance(1);
    let report = |kind: &str, held: usize, begun: Instant| {
        let now = Usage::of(pid);
        let of_each = |grown: f64| (held > 0).then(|| round(grown / held as f64));
        print(json!({
            "holding": kind, "held": held, "seconds": round(begun.elapsed().as_secs_f64()),
            "rss_mb": round(now.rss_kb / 1024.0), "pss_mb": round(now.pss_kb / 1024.0),
            "server_kb_each": of_each(now.rss_kb - empty.rss_kb),
            "kernel_kb_each": of_each(kernel_kb() - kernel),
        }));
    };
    let job = |dialog: usize, seconds: u32| {
        let user = dialog / each;
        Job::Subscribe { dialog, user, to: (user + 1 + dialog % each) % accounts, seconds }
    };
    report("subscription", 0, Instant::now());
    for step in steps {
        let (begun, held) = (Instant::now(), phones.dialogs.len());
        phones.dialogs.resize_with(step, Dialog::default);
        let meter = Meter::start(pid);
        let first = phones.run((held..step).map(|dialog| job(dialog, seconds)), together).await?;
        meter.finish("subscription: SUBSCRIBE and the first NOTIFY", step, step - held, first);
        let last = Instant::now();
        phones.listen(settle, |_| false).await?;
        ensure!(phones.dialogs.iter().all(|dialog| dialog.told > 0), "somebody was told nothing");
        report("subscription", step, begun);
        let meter = Meter::start(pid);
        let again = phones.run((0..step).map(|dialog| job(dialog, seconds)), together).await?;
        meter.finish("subscription: refreshed", step, step, again);
        let ended = Duration::from_secs(u64::from(seconds) + 5).saturating_sub(last.elapsed());
        phones.listen(ended, |_| false).await?;
        ensure!(!phones.dialogs.iter().any(|dialog| dialog.is_over), "a subscription ended before its time");
        let mut latencies = Vec::new();
        let meter = Meter::start(pid);
        for _ in 0..operations {
            // Somebody whom everybody watches who ever will.
            let user = each + chance.next() as usize % (step / each).saturating_sub(each).max(1);
            latencies.push(publish(&mut phones, user, each, accounts).await?);
        }
        let name = format!("subscription: PUBLISH, and {each} are told");
        meter.finish(&name, step, operations, latencies);
        report("subscription, refreshed", step, begun);
    }
    let begun = Instant::now();
    let held = phones.dialogs.len();
    let meter = Meter::start(pid);
    let latencies = phones.run((0..held).map(|dialog| job(dialog, 0)), together).await?;
    meter.finish("subscription: given up", held, held, latencies);
    phones.listen(settle, |dialogs| dialogs.iter().all(|dialog| dialog.is_over)).await?;
    report("subscription, all given up", 0, begun);
    Ok(())
}

/// Has somebody publish, and waits until all who watch him know; how long that took, in microseconds.
async fn publish(phones: &mut Phones, user: usize, each: usize, accounts: usize) -> anyhow::Result<u32> {
    let watching = (1..=each).map(|back| ((user + accounts - back) % accounts) * each + back - 1);
    let watching: Vec<usize> = watching.filter(|dialog| *dialog < phones.dialogs.len()).collect();
    let before: Vec<u32> = watching.iter().map(|dialog| phones.dialogs[*dialog].told).collect();
    let begun = Instant::now();
    phones.run([Job::Publish { user }], 1).await?;
    let is_told = |dialogs: &[Dialog]| {
        watching.iter().zip(&before).all(|(dialog, before)| dialogs[*dialog].told > *before)
    };
    ensure!(phones.listen(PATIENCE, is_told).await?, "a watcher of u{user} was not told");
    Ok(begun.elapsed().as_micros() as u32)
}

const PATIENCE: Duration = Duration::from_secs(20);
