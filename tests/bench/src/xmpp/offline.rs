//! Messages for people who are away, and what happens when they come back.

use std::time::Duration;

use anyhow::ensure;
use tokio::time::{sleep, timeout};

use super::{
    Session, Shared,
    stanza::{read_message, write_message},
};
use crate::measure::{Arguments, Meter, now_ns, since_us};

/// One sender leaves `ops` messages for each of `users` accounts that are not there; then they log in and
/// collect them. Two lines, `phase` tells which.
pub async fn offline(args: &Arguments, config: &Shared) -> anyhow::Result<()> {
    let (users, first) = (args.number("users", 50usize)?, args.number("first", 1000usize)?);
    let (operations, window) = (args.number("ops", 200u32)?, args.number("window", 50u32)?);
    let extra = if args.is_yes("mam", true) { "" } else { "<no-permanent-store xmlns='urn:xmpp:hints'/>" };
    let receivers = first..first + users;
    for user in receivers.clone() {
        collect(config, user, 0).await?; // what earlier runs left
    }
    let mut sender = Session::open(config, 0).await?;
    sender.announce().await?;
    let total = operations * users as u32;
    let meter = Meter::start(args)?;
    for number in 0..total {
        let to = config.address(first + number as usize % users);
        write_message(&mut sender.out, &to, number / users as u32, 300, extra);
        if number % window == window - 1 || number + 1 == total {
            sender.flush().await?;
            sender.ping(&config.domain).await?;
        }
    }
    meter.finish(args, u64::from(total), &mut []).text("phase", "store").print();
    sender.close().await;
    sleep(Duration::from_secs(1)).await;

    let meter = Meter::start(args)?;
    let mut latencies = Vec::new();
    for user in receivers {
        let start = now_ns();
        collect(config, user, operations).await?;
        latencies.push(since_us(start));
    }
    let mut report = meter.finish(args, u64::from(total), &mut latencies);
    report.text("phase", "collect").flag("once_in_order", true).print();
    Ok(())
}

/// Logs in, takes `expected` messages and checks that they are all, in their order. With none expected,
/// takes whatever there is.
async fn collect(config: &Shared, user: usize, expected: u32) -> anyhow::Result<()> {
    let mut session = Session::open(config, user).await?;
    if expected == 0 {
        session.announce().await?;
        session.ping(&config.domain).await?;
    } else {
        session.send("<presence/>").await?;
    }
    let mut got = 0;
    while got < expected {
        let Ok(stanza) = timeout(PATIENCE, session.stanza()).await else { break };
        let Some((number, _)) = read_message(stanza?.as_bytes())? else { continue };
        ensure!(number == got, "user {user}: message {number} came where {got} was expected");
        got += 1;
    }
    ensure!(got == expected, "user {user}: {got} of {expected} messages");
    session.close().await;
    Ok(())
}

/// How long an offline message may take.
const PATIENCE: Duration = Duration::from_secs(10);
