//! Logging in, and being logged in without doing anything.

use std::{cell::Cell, rc::Rc, time::Duration};

use tokio::{task::spawn_local, time::sleep};

use super::{Config, Session, Shared, Tls, open_all};
use crate::measure::{Arguments, Meter, Usage, all, now_ns, per_session, since_us};

/// Connect, authenticate, bind, presence; `conc` at a time, `ops` in all, over and over through `users`.
pub async fn login(args: &Arguments, config: &Shared) -> anyhow::Result<()> {
    let users = args.number("users", 2000usize)?;
    let (operations, at_once) = (args.number("ops", 2000usize)?, args.number("conc", 10usize)?);
    if config.resume {
        log_in(config, 0).await?; // what it is given serves the others
    }
    let meter = Meter::start(args)?;
    let next = Rc::new(Cell::new(0));
    let worker = || {
        let (config, next) = (Rc::clone(config), Rc::clone(&next));
        spawn_local(async move {
            let (mut latencies, mut resumed) = (Vec::new(), 0u32);
            while next.get() < operations {
                let user = next.replace(next.get() + 1) % users;
                let start = now_ns();
                resumed += u32::from(log_in(&config, user).await?);
                latencies.push(since_us(start));
            }
            anyhow::Ok((latencies, resumed))
        })
    };
    let done = all((0..at_once).map(|_| worker()).collect()).await?;
    let (latencies, resumed): (Vec<_>, Vec<_>) = done.into_iter().unzip();
    let mut latencies = latencies.concat();
    let mut report = meter.finish(args, latencies.len() as u64, &mut latencies);
    if config.tls != Tls::None {
        let share = f64::from(resumed.iter().sum::<u32>()) / latencies.len().max(1) as f64;
        report.number("resumed_share", share);
    }
    report.print();
    Ok(())
}

/// One whole login; whether its TLS was resumed.
async fn log_in(config: &Config, user: usize) -> anyhow::Result<bool> {
    let mut session = Session::open(config, user).await?;
    session.announce().await?;
    let is_resumed = session.is_resumed;
    session.close().await;
    Ok(is_resumed)
}

/// `users` sessions, held for `hold` seconds: what each costs in memory, and all of them in time.
pub async fn idle(args: &Arguments, config: &Shared) -> anyhow::Result<()> {
    let (users, hold) = (args.number("users", 2000usize)?, args.number("hold", 3.0)?);
    let pid = args.number("server-pid", 0)?;
    let before = Usage::of_tree(pid);
    let sessions = open_all(config, 0..users, 20).await?;
    sleep(Duration::from_secs(2)).await; // what the logins left is put away
    let meter = Meter::start(args)?;
    sleep(Duration::from_secs_f64(hold)).await;
    let mut report = meter.finish(args, users as u64, &mut []);
    per_session(&mut report, &before, &Usage::of_tree(pid), users);
    report.print();
    for session in sessions {
        session.close().await;
    }
    Ok(())
}
