//! Calls through the proxy: INVITE, 180, 200, ACK, BYE, 200 (RFC 3665 §3.2 without media).

use anyhow::{Context as _, ensure};
use tokio::task::spawn_local;

use super::{
    Agent, Shared,
    agent::RETRANSMIT_MS,
    registered, reply, status,
    text::{Request, header, headers, uri},
};
use crate::measure::{Arguments, Meter, all, now_ns, since_us};

/// `pairs` of phones, `ops` calls each, one after the other. The latency is that from INVITE to 200.
pub async fn call(args: &Arguments, config: &Shared) -> anyhow::Result<()> {
    let (pairs, operations) = (args.number("pairs", 20usize)?, args.number("ops", 100u32)?);
    let mut agents = registered(config, 0..pairs * 2).await?.into_iter();
    let meter = Meter::start(args)?;
    let (mut callers, mut callees) = (Vec::new(), Vec::new());
    while let (Some(caller), Some(callee)) = (agents.next(), agents.next()) {
        callers.push(spawn_local(make_calls(caller, callee.address.clone(), operations)));
        callees.push(spawn_local(take_calls(callee, operations)));
    }
    let done = all(callers).await?;
    let acknowledged: u32 = all(callees).await?.iter().sum();
    let mut latencies: Vec<u32> = done.iter().flat_map(|(latencies, _)| latencies.iter().copied()).collect();
    let retransmits: u32 = done.iter().map(|(_, agent)| agent.retransmits).sum();
    let mut report = meter.finish(args, latencies.len() as u64, &mut latencies);
    report.flag("all_acknowledged", acknowledged == pairs as u32 * operations);
    report.number("retransmits", f64::from(retransmits)).print();
    Ok(())
}

async fn make_calls(mut agent: Agent, to: String, operations: u32) -> anyhow::Result<(Vec<u32>, Agent)> {
    let mut latencies = Vec::new();
    for _ in 0..operations {
        let invite = Request {
            method: "INVITE",
            uri: to.clone(),
            to: format!("<{to}>"),
            call_id: agent.new_call_id(),
            headers: format!("{}Content-Type: application/sdp\r\n", agent.contact()),
            body: SDP.to_owned(),
        };
        let start = now_ns();
        let answer = agent.ask(&invite).await?;
        ensure!(status(&answer) == 200, "INVITE was answered {answer}");
        latencies.push(since_us(start));
        let mut next = within_dialog(&answer, invite.call_id)?;
        let ack = agent.print_ack(&next, "-ack");
        agent.send(&ack).await?;
        next.method = "BYE";
        let answer = agent.ask(&next).await?;
        ensure!(status(&answer) == 200, "BYE was answered {answer}");
    }
    Ok((latencies, agent))
}

/// The ACK in the dialog that this 200 made (RFC 3261 §12.2.1.1).
fn within_dialog(answer: &str, call_id: String) -> anyhow::Result<Request> {
    let recorded = headers(answer).filter(|(name, _)| name.eq_ignore_ascii_case("Record-Route"));
    let mut routes: Vec<String> = recorded.map(|(_, value)| format!("Route: {value}\r\n")).collect();
    routes.reverse();
    Ok(Request {
        method: "ACK",
        uri: uri(header(answer, "Contact").context("a 200 without Contact")?).to_owned(),
        to: header(answer, "To").unwrap_or_default().to_owned(),
        call_id,
        headers: routes.concat(),
        body: String::new(),
    })
}

/// Takes calls until they are over; how many were acknowledged.
async fn take_calls(mut agent: Agent, operations: u32) -> anyhow::Result<u32> {
    let (mut ended, mut acknowledged, mut silences) = (0, 0, 0);
    while ended < operations || acknowledged < operations {
        let Some(message) = agent.receive(RETRANSMIT_MS).await? else {
            silences += 1;
            if ended >= operations || silences > SILENCES {
                break;
            }
            continue;
        };
        silences = 0;
        match message.split(' ').next().unwrap_or_default() {
            "INVITE" => {
                let contact = agent.contact();
                agent.send(&reply(&message, "180 Ringing", "callee", &contact, "")).await?;
                let extra = format!("{contact}Content-Type: application/sdp\r\n");
                agent.send(&reply(&message, "200 OK", "callee", &extra, SDP)).await?;
            }
            "ACK" => acknowledged += 1,
            "BYE" => {
                ended += 1;
                agent.send(&reply(&message, "200 OK", "callee", "", "")).await?;
            }
            _ => {}
        }
    }
    agent.flush().await?;
    Ok(acknowledged)
}

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=audio 40000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";

/// Half seconds without any message after which a callee gives up.
const SILENCES: u32 = 60;
