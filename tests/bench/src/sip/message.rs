//! MESSAGE from phone to phone, in a closed loop.

use anyhow::{Context as _, ensure};
use tokio::task::spawn_local;

use super::{
    Agent, Shared, agent::RETRANSMIT_MS, body, flights::Flights, registered, reply, status, text::Request,
};
use crate::{
    measure::{Arguments, Meter, all, since_us},
    xmpp::{read_stamp, stamp},
};

/// `pairs` of phones; each sends `ops` messages to its partner. It starts with `window` of them and answers
/// each one that it gets with one more. The partner's 200 comes back through the server.
pub async fn message(args: &Arguments, config: &Shared) -> anyhow::Result<()> {
    let pairs = args.number("pairs", 10usize)?;
    let (operations, window) = (args.number("ops", 1000u32)?, args.number("window", 4u32)?);
    let agents = registered(config, 0..pairs * 2).await?;
    let meter = Meter::start(args)?;
    let tasks = agents.into_iter().enumerate().map(|(user, agent)| {
        let to = config.address(user ^ 1);
        spawn_local(Talk { agent, to, operations, sent: 0, flights: Flights::default() }.run(window))
    });
    let done = all(tasks.collect()).await?;
    let mut latencies: Vec<u32> = done.iter().flat_map(|talk| talk.latencies.iter().copied()).collect();
    let sum = |count: fn(&Outcome) -> u32| f64::from(done.iter().map(count).sum::<u32>());
    let mut report = meter.finish(args, latencies.len() as u64, &mut latencies);
    report.flag("all_delivered", true);
    report.number("received_twice", sum(|outcome| outcome.again));
    report.number("out_of_order", sum(|outcome| outcome.swapped));
    report.number("retransmits", sum(|outcome| outcome.retransmits)).print();
    Ok(())
}

/// A MESSAGE with a text of 200 bytes.
pub fn print_message(agent: &Agent, to: &str, number: u32) -> Request {
    Request {
        method: "MESSAGE",
        uri: to.to_owned(),
        to: format!("<{to}>"),
        call_id: agent.new_call_id(),
        headers: "Content-Type: text/plain\r\n".to_owned(),
        body: format!("{} {}", stamp(number), "x".repeat(174)),
    }
}

struct Talk {
    agent: Agent,
    to: String,
    operations: u32,
    sent: u32,
    flights: Flights,
}

#[derive(Default)]
struct Outcome {
    latencies: Vec<u32>,
    /// Messages that came more than once: retransmissions.
    again: u32,
    /// Messages that came before an earlier one.
    swapped: u32,
    retransmits: u32,
    /// The phone, which answers retransmissions until all are done.
    _agent: Option<Agent>,
}

impl Talk {
    async fn run(mut self, window: u32) -> anyhow::Result<Outcome> {
        let mut outcome = Outcome::default();
        let mut seen = vec![false; self.operations as usize];
        let mut silences = 0;
        for _ in 0..window {
            self.send_next().await?;
        }
        while (outcome.latencies.len() as u32) < self.operations || !self.flights.is_empty() {
            let Some(message) = self.agent.receive(RETRANSMIT_MS).await? else {
                silences += 1;
                let (got, open) = (outcome.latencies.len(), self.flights.len());
                ensure!(silences < SILENCES, "{got} of {} messages, {open} unanswered", self.operations);
                self.flights.send_again(&mut self.agent).await?;
                continue;
            };
            silences = 0;
            if status(&message) > 0 {
                self.flights.handle_response(&mut self.agent, &message).await?;
                continue;
            }
            self.agent.send(&reply(&message, "200 OK", "b", "", "")).await?;
            let stamp = read_stamp(body(&message).as_bytes());
            let (number, time) = stamp.with_context(|| format!("unknown text {message}"))?;
            let seen = seen.get_mut(number as usize).context("a number that was not sent")?;
            if std::mem::replace(seen, true) {
                outcome.again += 1;
                continue;
            }
            outcome.swapped += u32::from(number != outcome.latencies.len() as u32);
            outcome.latencies.push(since_us(time));
            self.send_next().await?;
        }
        self.agent.flush().await?;
        outcome.retransmits = self.agent.retransmits;
        outcome._agent = Some(self.agent);
        Ok(outcome)
    }

    async fn send_next(&mut self) -> anyhow::Result<()> {
        if self.sent == self.operations {
            return Ok(());
        }
        let request = print_message(&self.agent, &self.to, self.sent);
        self.sent += 1;
        self.flights.send(&mut self.agent, request).await
    }
}

/// Half seconds without any message after which the run ends.
const SILENCES: u32 = 40;
