//! Registering, and being registered without doing anything.

use std::{cell::Cell, ops::Range, rc::Rc, time::Duration};

use tokio::{task::spawn_local, time::sleep};

use super::{Agent, Shared};
use crate::measure::{Arguments, Meter, Usage, all, now_ns, per_session, since_us};

/// Phones of `users`, each the only one of its account, registered.
pub async fn registered(config: &Shared, users: Range<usize>) -> anyhow::Result<Vec<Agent>> {
    let mut agents = Vec::with_capacity(users.len());
    for user in users {
        let mut agent = Agent::open(config, user).await?;
        agent.unregister_all().await?;
        agent.register().await?;
        agents.push(agent);
    }
    Ok(agents)
}

/// `ops` registrations in all by `users` phones, `conc` at a time: 401 then 200, or with `reuse-nonce yes`
/// 200 at once.
pub async fn register(args: &Arguments, config: &Shared) -> anyhow::Result<()> {
    let (operations, at_once) = (args.number("ops", 10_000u32)?, args.number("conc", 50usize)?);
    let reuses = args.is_yes("reuse-nonce", false);
    let agents = registered(config, 0..args.number("users", 1000)?).await?;
    let mut shares: Vec<Vec<Agent>> = (0..at_once).map(|_| Vec::new()).collect();
    for (agent, share) in agents.into_iter().zip((0..at_once).cycle()) {
        shares[share].push(agent);
    }
    let meter = Meter::start(args)?;
    let left = Rc::new(Cell::new(operations));
    let work = |mut agents: Vec<Agent>| {
        let left = Rc::clone(&left);
        spawn_local(async move {
            let mut latencies = Vec::new();
            for turn in 0.. {
                if left.get() == 0 {
                    break;
                }
                left.set(left.get() - 1);
                let turn: usize = turn % agents.len();
                let agent = &mut agents[turn];
                if !reuses {
                    agent.forget_nonce();
                }
                let start = now_ns();
                agent.register().await?;
                latencies.push(since_us(start));
            }
            anyhow::Ok((latencies, agents.iter().map(|agent| agent.retransmits).sum::<u32>()))
        })
    };
    let done = all(shares.into_iter().filter(|share| !share.is_empty()).map(work).collect()).await?;
    let (latencies, retransmits): (Vec<_>, Vec<_>) = done.into_iter().unzip();
    let mut report = meter.finish(args, u64::from(operations), &mut latencies.concat());
    report.number("retransmits", f64::from(retransmits.iter().sum::<u32>())).print();
    Ok(())
}

/// `users` registrations, held for `hold` seconds: what each costs in memory.
pub async fn idle(args: &Arguments, config: &Shared) -> anyhow::Result<()> {
    let (users, hold) = (args.number("users", 2000usize)?, args.number("hold", 3.0)?);
    let pid = args.number("server-pid", 0)?;
    let before = Usage::of_tree(pid);
    let agents = registered(config, 0..users).await?;
    sleep(Duration::from_secs(2)).await; // what the registering left is put away
    let meter = Meter::start(args)?;
    sleep(Duration::from_secs_f64(hold)).await;
    let mut report = meter.finish(args, users as u64, &mut []);
    per_session(&mut report, &before, &Usage::of_tree(pid), agents.len());
    report.print();
    Ok(())
}
