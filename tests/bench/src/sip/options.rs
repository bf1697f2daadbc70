//! OPTIONS to the server itself: the cheapest question of SIP.

use tokio::task::spawn_local;

use super::{
    Agent, Shared,
    agent::RETRANSMIT_MS,
    flights::{Flights, Landing},
    status,
    text::Request,
};
use crate::measure::{Arguments, Meter, all, since_us};

/// `ops` by each of `users` phones, `window` on their way.
pub async fn options(args: &Arguments, config: &Shared) -> anyhow::Result<()> {
    let (operations, window) = (args.number("ops", 1000usize)?, args.number("window", 1usize)?);
    let mut agents = Vec::new();
    for user in 0..args.number("users", 20)? {
        agents.push(Agent::open(config, user).await?);
    }
    let meter = Meter::start(args)?;
    let tasks = agents.into_iter().map(|agent| spawn_local(ask(agent, operations, window))).collect();
    let (latencies, retransmits): (Vec<_>, Vec<_>) = all(tasks).await?.into_iter().unzip();
    let mut latencies = latencies.concat();
    let mut report = meter.finish(args, latencies.len() as u64, &mut latencies);
    report.number("retransmits", f64::from(retransmits.iter().sum::<u32>())).print();
    Ok(())
}

async fn ask(mut agent: Agent, operations: usize, window: usize) -> anyhow::Result<(Vec<u32>, u32)> {
    let uri = format!("sip:{}", agent.config.domain);
    let to = format!("<{uri}>");
    let question = Request { method: "OPTIONS", to, uri, call_id: agent.new_call_id(), ..Request::default() };
    let (mut latencies, mut flights, mut sent) = (Vec::new(), Flights::default(), 0);
    while latencies.len() < operations {
        while sent < operations && flights.len() < window {
            flights.send(&mut agent, question.clone()).await?;
            sent += 1;
        }
        match agent.receive(RETRANSMIT_MS).await? {
            None => flights.send_again(&mut agent).await?,
            Some(message) if status(&message) == 0 => {}
            Some(message) => {
                if let Landing::Done(start) = flights.handle_response(&mut agent, &message).await? {
                    latencies.push(since_us(start));
                }
            }
        }
    }
    Ok((latencies, agent.retransmits))
}
