//! Presence over SIP: one PUBLISH (RFC 3903), a NOTIFY for everybody who watches (RFC 3856).

use std::{cell::RefCell, rc::Rc, time::Duration};

use anyhow::{Context as _, ensure};
use tokio::{sync::Notify, task::spawn_local, time::timeout};

use super::{
    Agent, Shared,
    agent::RETRANSMIT_MS,
    registered, reply, status,
    text::{Request, header},
};
use crate::{
    measure::{Arguments, Counters, Meter, all, since_us},
    xmpp::{read_stamp, stamp},
};

/// `watchers` watch user 0, who publishes `ops` times; the next time when everybody knows of the last one.
/// With `within-ms`, nobody may have to wait longer.
pub async fn publish(args: &Arguments, config: &Shared) -> anyhow::Result<()> {
    let (watchers, operations) = (args.number("watchers", 50usize)?, args.number("ops", 100u32)?);
    let within = args.number("within-ms", 0u32)?;
    let mut me = registered(config, 0..1).await?.pop().context("one phone")?;
    let mut others = registered(config, 1..watchers + 1).await?;
    for agent in &mut others {
        subscribe(agent, &config.address(0)).await?;
    }
    let meter = Meter::start(args)?;
    let watching = Rc::new(Watching {
        operations,
        watchers,
        seen: RefCell::new(vec![0; operations as usize]),
        go: Notify::new(),
    });
    let tasks = others.into_iter().map(|agent| spawn_local(watch(Rc::clone(&watching), agent))).collect();
    let mut publication = Publication::new(&me, config.address(0));
    for number in 0..operations {
        publication.renew(&mut me, number).await?;
        if timeout(PATIENCE, watching.go.notified()).await.is_err() {
            break; // the watchers will say what is missing
        }
    }
    let (latencies, again): (Vec<_>, Vec<_>) = all(tasks).await?.into_iter().unzip();
    let mut latencies = latencies.concat();
    let slowest = latencies.iter().copied().max().unwrap_or_default() / 1000;
    ensure!(within == 0 || slowest <= within, "a notification took {slowest} ms");
    let mut report = meter.finish(args, latencies.len() as u64, &mut latencies);
    publication.end(&mut me).await?;
    report.flag("all_delivered", true);
    report.number("received_twice", f64::from(again.iter().sum::<u32>())).print();
    Ok(())
}

struct Watching {
    operations: u32,
    watchers: usize,
    /// How many watchers know of each state.
    seen: Counters,
    go: Notify,
}

async fn watch(watching: Rc<Watching>, mut agent: Agent) -> anyhow::Result<(Vec<u32>, u32)> {
    let mut latencies = Vec::new();
    let mut known = vec![false; watching.operations as usize];
    let (mut silences, mut again) = (0, 0);
    while (latencies.len() as u32) < watching.operations {
        let Some(message) = agent.receive(RETRANSMIT_MS).await? else {
            silences += 1;
            ensure!(silences < SILENCES, "{} of {} notifications", latencies.len(), watching.operations);
            continue;
        };
        silences = 0;
        if status(&message) > 0 {
            continue;
        }
        agent.send(&reply(&message, "200 OK", "w", "", "")).await?;
        let note = message.split_once("<note>").map_or("", |(_, rest)| rest);
        let Some((number, time)) = read_stamp(note.as_bytes()) else { continue };
        let known = known.get_mut(number as usize).context("a number that was not published")?;
        if std::mem::replace(known, true) {
            again += 1;
            continue;
        }
        latencies.push(since_us(time));
        if let Some(seen) = watching.seen.borrow_mut().get_mut(number as usize) {
            *seen += 1;
            if *seen == watching.watchers {
                watching.go.notify_one();
            }
        }
    }
    agent.flush().await?;
    Ok((latencies, again))
}

async fn subscribe(agent: &mut Agent, target: &str) -> anyhow::Result<()> {
    let about = "Event: presence\r\nAccept: application/pidf+xml\r\nExpires: 600\r\n";
    let request = Request {
        method: "SUBSCRIBE",
        uri: target.to_owned(),
        to: format!("<{target}>"),
        call_id: agent.new_call_id(),
        headers: format!("{}{about}", agent.contact()),
        body: String::new(),
    };
    let answer = agent.ask(&request).await?;
    ensure!((200..300).contains(&status(&answer)), "SUBSCRIBE was answered {answer}");
    Ok(())
}

/// What is published, and the tag under which the server knows it.
struct Publication {
    request: Request,
    tag: String,
}

impl Publication {
    fn new(agent: &Agent, uri: String) -> Self {
        let (to, call_id) = (format!("<{uri}>"), agent.new_call_id());
        let request = Request { method: "PUBLISH", uri, to, call_id, ..Request::default() };
        Self { request, tag: String::new() }
    }

    async fn renew(&mut self, agent: &mut Agent, number: u32) -> anyhow::Result<()> {
        let tag = &self.tag;
        self.request.headers =
            format!("Event: presence\r\nExpires: 600\r\n{tag}Content-Type: application/pidf+xml\r\n");
        self.request.body = PIDF.replace("ENTITY", &self.request.uri).replace("STAMP", &stamp(number));
        let answer = agent.ask(&self.request).await?;
        ensure!(status(&answer) == 200, "PUBLISH was answered {answer}");
        let tag = header(&answer, "SIP-ETag").context("an answer without SIP-ETag")?;
        self.tag = format!("SIP-If-Match: {tag}\r\n");
        Ok(())
    }

    /// Leaves nothing behind that the next run would see.
    async fn end(mut self, agent: &mut Agent) -> anyhow::Result<()> {
        self.request.headers = format!("Event: presence\r\nExpires: 0\r\n{}", self.tag);
        self.request.body.clear();
        agent.ask(&self.request).await.map(|_| ())
    }
}

const PIDF: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n\
    <presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"ENTITY\"><tuple id=\"t1\">\
    <status><basic>open</basic></status><contact>ENTITY</contact><note>STAMP</note></tuple></presence>\r\n";

/// How long the watchers may take to learn of one state.
const PATIENCE: Duration = Duration::from_secs(20);
/// Half seconds without any message after which the run ends.
const SILENCES: u32 = 60;
