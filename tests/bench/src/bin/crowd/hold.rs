//! Sessions held by the thousand: what each costs in memory, and whether the server still works among them.

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::ensure;
use serde_json::json;
use tokio::{
    task::{JoinSet, LocalSet},
    time::sleep,
};

use crate::{
    options::Options,
    process::{Meter, Usage, kernel_kb, open_files, print, round},
    xmpp::{Client, Server, gather, name, scatter},
};

/// `--steps 100,1000 --messages 2000 --together 20 --settle 3 --idle 70 --server-pid PID`: grows to each
/// number of sessions in turn. At each it says what the server occupies, and sends messages
/// between sessions that chance picks. At the end all leave, and `idle` seconds later it says
/// what the server occupies then.
pub async fn hold(options: &Options) -> anyhow::Result<()> {
    LocalSet::new().run_until(hold_all(options)).await
}

async fn hold_all(options: &Options) -> anyhow::Result<()> {
    let server = Server::of(options)?;
    let pid = options.number("server-pid", 0)?;
    let messages = options.number("messages", 2000)?;
    let settle = Duration::from_secs_f64(options.number("settle", 3.0)?);
    let empty = (Usage::of(pid), kernel_kb(), open_files(pid));
    let mut clients: Vec<Client> = Vec::new();
    let kind = if options.text("tls", "no") == "yes" { "TLS session" } else { "session" };
    report(pid, kind, 0, empty, Instant::now());
    for step in options.numbers("steps", "1000")? {
        let begun = Instant::now();
        let more = clients.len()..step;
        let meter = Meter::start(pid);
        let count = more.len();
        clients.extend(gather(&server, more, options.number("together", 20)?).await?);
        meter.finish(&format!("{kind}: login"), step, count, Vec::new());
        sleep(settle).await;
        report(pid, kind, clients.len(), empty, begun);
        for (store, what) in [(false, "message"), (true, "archived message")] {
            let meter = Meter::start(pid);
            let latencies = exchange(&mut clients, messages, store).await?;
            meter.finish(&format!("{kind}: {what}"), step, messages, latencies);
        }
    }
    let begun = Instant::now();
    let meter = Meter::start(pid);
    let count = clients.len();
    scatter(clients).await;
    while open_files(pid) > empty.2 + 2 {
        ensure!(begun.elapsed() < Duration::from_secs(600), "sessions do not end");
        sleep(Duration::from_millis(100)).await;
    }
    meter.finish(&format!("{kind}: leaving"), count, count, Vec::new());
    report(pid, &format!("{kind}, all closed"), 0, empty, begun);
    sleep(Duration::from_secs_f64(options.number("idle", 70.0)?)).await;
    report(pid, &format!("{kind}, all closed, later"), 0, empty, begun);
    Ok(())
}

/// What the server occupies with this many sessions.
fn report(pid: u32, kind: &str, held: usize, empty: (Usage, f64, usize), begun: Instant) {
    let (now, kernel) = (Usage::of(pid), kernel_kb());
    let each = |grown: f64| (held > 0).then(|| round(grown / held as f64));
    print(json!({
        "holding": kind, "held": held, "seconds": round(begun.elapsed().as_secs_f64()),
        "rss_mb": round(now.rss_kb / 1024.0), "pss_mb": round(now.pss_kb / 1024.0),
        "server_kb_each": each(now.rss_kb - empty.0.rss_kb),
        // Both ends of a connection are on this machine, and alike.
        "kernel_kb_each": each((kernel - empty.1) / 2.0),
        "connections": open_files(pid).saturating_sub(empty.2),
    }));
}

/// Sends messages between sessions that chance picks, some at a time; the time that each took.
pub async fn exchange(clients: &mut Vec<Client>, messages: usize, store: bool) -> anyhow::Result<Vec<u32>> {
    ensure!(clients.len() >= 2, "two sessions at least");
    let talking = TALKING.min(clients.len() / 2);
    let free = Rc::new(RefCell::new(std::mem::take(clients)));
    let left = Rc::new(RefCell::new(messages));
    let mut workers = JoinSet::new();
    for worker in 0..talking {
        let (free, left) = (Rc::clone(&free), Rc::clone(&left));
        workers.spawn_local(async move {
            let mut chance = Chance(worker as u64 + 1);
            let mut latencies = Vec::new();
            while *left.borrow() > 0 {
                *left.borrow_mut() -= 1;
                let (mut one, mut other) = (take(&free, &mut chance)?, take(&free, &mut chance)?);
                latencies.push(tell(&mut one, &mut other, store, chance.next()).await?);
                free.borrow_mut().extend([one, other]);
            }
            anyhow::Ok(latencies)
        });
    }
    let mut latencies = Vec::with_capacity(messages);
    while let Some(some) = workers.join_next().await {
        latencies.extend(some??);
    }
    *clients = std::mem::take(&mut free.borrow_mut());
    Ok(latencies)
}

/// One message; how long it took, in microseconds.
async fn tell(from: &mut Client, to: &mut Client, store: bool, id: u64) -> anyhow::Result<u32> {
    let begun = Instant::now();
    let hint = if store { "" } else { "<no-store xmlns='urn:xmpp:hints'/>" };
    let (whom, id) = (name(to.number), format!("m{id:016x}"));
    let text = format!(
        "<message type='chat' to='{whom}' id='{id}'><body>among so many others, are you there? {id}</body>{hint}</message>"
    );
    from.send(&text).await?;
    to.until(&format!("{id}</body>")).await?;
    to.until("</message>").await?;
    Ok(begun.elapsed().as_micros() as u32)
}

/// Takes a session that nobody else has.
fn take(free: &RefCell<Vec<Client>>, chance: &mut Chance) -> anyhow::Result<Client> {
    let mut free = free.borrow_mut();
    ensure!(!free.is_empty(), "more talk than there are sessions");
    let place = chance.next() as usize % free.len();
    Ok(free.swap_remove(place))
}

/// Numbers without order, the same in every run (SplitMix64).
pub struct Chance(pub u64);

impl Chance {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// Messages on their way at a time.
const TALKING: usize = 8;
