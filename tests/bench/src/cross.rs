//! From an XMPP client to a phone: what a message costs that changes its protocol.

use std::{rc::Rc, time::Duration};

use anyhow::{Context as _, ensure};
use tokio::{sync::Semaphore, task::spawn_local, time::sleep};

use crate::{
    measure::{Arguments, Meter, all, since_us},
    sip, xmpp,
};

/// `pairs` of an XMPP client and a phone; each client sends `ops` messages to its phone, `window` of them
/// on their way.
pub async fn xmpp_to_sip(args: &Arguments, xmpp: &xmpp::Shared, sip: &sip::Shared) -> anyhow::Result<()> {
    let (pairs, operations) = (args.number("pairs", 10usize)?, args.number("ops", 1000u32)?);
    let (window, size) = (args.number("window", 4usize)?, args.number("size", 300usize)?);
    let clients = xmpp::open_all(xmpp, 0..pairs, 10).await?;
    let phones = sip::registered(sip, pairs..pairs * 2).await?;
    sleep(Duration::from_millis(500)).await;
    let meter = Meter::start(args)?;
    let (mut senders, mut receivers) = (Vec::new(), Vec::new());
    for (number, (client, phone)) in clients.into_iter().zip(phones).enumerate() {
        let go = Rc::new(Semaphore::new(window));
        let to = xmpp.address(pairs + number);
        senders.push(spawn_local(send(client, to, operations, size, Rc::clone(&go))));
        receivers.push(spawn_local(take(phone, operations, go)));
    }
    let clients = all(senders).await?;
    let (latencies, again): (Vec<_>, Vec<_>) = all(receivers).await?.into_iter().unzip();
    let mut latencies = latencies.concat();
    let mut report = meter.finish(args, latencies.len() as u64, &mut latencies);
    report.flag("once_in_order", true).number("received_twice", f64::from(again.iter().sum::<u32>())).print();
    for client in clients {
        client.close().await;
    }
    Ok(())
}

async fn send(
    mut client: xmpp::Session,
    to: String,
    operations: u32,
    size: usize,
    go: Rc<Semaphore>,
) -> anyhow::Result<xmpp::Session> {
    for number in 0..operations {
        if go.available_permits() == 0 {
            client.flush().await?;
        }
        go.acquire().await?.forget();
        xmpp::write_message(&mut client.out, &to, number, size, "");
    }
    client.flush().await?;
    Ok(client)
}

async fn take(mut phone: sip::Agent, operations: u32, go: Rc<Semaphore>) -> anyhow::Result<(Vec<u32>, u32)> {
    let (mut latencies, mut again) = (Vec::new(), 0);
    while (latencies.len() as u32) < operations {
        let message = phone.receive(20_000).await?;
        let message = message.with_context(|| format!("{} of {operations} messages", latencies.len()))?;
        if sip::status(&message) > 0 {
            continue;
        }
        phone.send(&sip::reply(&message, "200 OK", "b", "", "")).await?;
        let stamp = xmpp::read_stamp(sip::body(&message).as_bytes());
        let (number, time) = stamp.with_context(|| format!("unknown text {message}"))?;
        if number < latencies.len() as u32 {
            again += 1;
            continue;
        }
        ensure!(number == latencies.len() as u32, "message {number} came after {}", latencies.len());
        latencies.push(since_us(time));
        go.add_permits(1);
    }
    phone.flush().await?;
    Ok((latencies, again))
}
