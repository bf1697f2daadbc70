//! MESSAGE for people without a phone, and what happens when they register.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::time::sleep;

use super::{
    Agent, Shared,
    agent::RETRANSMIT_MS,
    body,
    flights::{Flights, Landing},
    message::print_message,
    registered, reply, status,
};
use crate::{
    measure::{Arguments, Meter, now_ns, since_us},
    xmpp::read_stamp,
};

/// One phone leaves `ops` messages for each of `users` accounts that are not registered; then they register
/// and get them. Two lines, `phase` tells which.
pub async fn offline(args: &Arguments, config: &Shared) -> anyhow::Result<()> {
    let (users, first) = (args.number("users", 50usize)?, args.number("first", 1000usize)?);
    let (operations, window) = (args.number("ops", 100u32)?, args.number("window", 4usize)?);
    let receivers = first..first + users;
    for user in receivers.clone() {
        Agent::open(config, user).await?.unregister_all().await?;
    }
    let mut sender = registered(config, 0..1).await?.pop().context("one phone")?;
    let total = operations * users as u32;
    let meter = Meter::start(args)?;
    let (mut flights, mut sent, mut done) = (Flights::default(), 0, 0);
    while done < total {
        while sent < total && flights.len() < window {
            let to = config.address(first + sent as usize % users);
            let request = print_message(&sender, &to, sent / users as u32);
            flights.send(&mut sender, request).await?;
            sent += 1;
        }
        match sender.receive(RETRANSMIT_MS).await? {
            None => flights.send_again(&mut sender).await?,
            Some(message) => {
                let landing = flights.handle_response(&mut sender, &message).await?;
                done += u32::from(matches!(landing, Landing::Done(_)));
            }
        }
    }
    let mut report = meter.finish(args, u64::from(total), &mut []);
    report.text("phase", "store").number("retransmits", f64::from(sender.retransmits)).print();
    sleep(Duration::from_secs(1)).await;

    let meter = Meter::start(args)?;
    let (mut latencies, mut again, mut swapped) = (Vec::new(), 0, 0);
    for user in receivers {
        let start = now_ns();
        let (twice, early) = collect(config, user, operations).await?;
        latencies.push(since_us(start));
        again += twice;
        swapped += early;
    }
    let mut report = meter.finish(args, u64::from(total), &mut latencies);
    report.text("phase", "collect").flag("all_delivered", true);
    report.number("received_twice", f64::from(again)).number("out_of_order", f64::from(swapped)).print();
    Ok(())
}

/// Registers and takes `expected` messages; how many came more than once, and how many out of order.
async fn collect(config: &Shared, user: usize, expected: u32) -> anyhow::Result<(u32, u32)> {
    let mut agent = Agent::open(config, user).await?;
    agent.register().await?;
    let mut seen = vec![false; expected as usize];
    let (mut got, mut again, mut swapped) = (0, 0, 0);
    while got < expected {
        let Some(message) = agent.receive(PATIENCE_MS).await? else { break };
        if status(&message) > 0 {
            continue;
        }
        agent.send(&reply(&message, "200 OK", "b", "", "")).await?;
        // Servers may write something before the text, such as the date.
        let text = body(&message).as_bytes();
        let stamp = (0..text.len()).find_map(|at| read_stamp(text.get(at..)?));
        let Some((number, _)) = stamp else { continue };
        let seen = seen.get_mut(number as usize).context("a number that was not sent")?;
        if std::mem::replace(seen, true) {
            again += 1;
            continue;
        }
        swapped += u32::from(number != got);
        got += 1;
    }
    agent.flush().await?;
    ensure!(got == expected, "user {user}: {got} of {expected} messages");
    Ok((again, swapped))
}

/// How long an offline message may take.
const PATIENCE_MS: u64 = 5000;
