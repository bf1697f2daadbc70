//! Questions to the server itself (XEP-0199).

use std::{fmt::Write as _, time::Duration};

use anyhow::{Context as _, ensure};
use tokio::{task::spawn_local, time::sleep};

use super::{
    Session, Shared, open_all,
    stanza::{inside, is_error},
};
use crate::measure::{Arguments, Meter, all, now_ns, since_us};

/// `ops` pings on each of `users` sessions, `window` of them on their way.
pub async fn ping(args: &Arguments, config: &Shared) -> anyhow::Result<()> {
    let (operations, window) = (args.number("ops", 1000u32)?, args.number("window", 1u32)?);
    let sessions = open_all(config, 0..args.number("users", 10)?, 10).await?;
    sleep(Duration::from_millis(500)).await;
    let meter = Meter::start(args)?;
    let ask = |session| spawn_local(ask(session, config.domain.clone(), operations, window));
    let (latencies, sessions): (Vec<_>, Vec<_>) =
        all(sessions.into_iter().map(ask).collect()).await?.into_iter().unzip();
    let mut latencies = latencies.concat();
    meter.finish(args, latencies.len() as u64, &mut latencies).print();
    for session in sessions {
        session.close().await;
    }
    Ok(())
}

async fn ask(
    mut session: Session,
    domain: String,
    operations: u32,
    window: u32,
) -> anyhow::Result<(Vec<u32>, Session)> {
    let mut latencies = Vec::with_capacity(operations as usize);
    let mut sent = window.min(operations);
    for _ in 0..sent {
        write_ping(&mut session.out, &domain);
    }
    while (latencies.len() as u32) < operations {
        session.flush().await?;
        session.fill().await?;
        while let Some(stanza) = session.splitter.next() {
            let Some(time) = inside(stanza, b"id='p").or_else(|| inside(stanza, b"id=\"p")) else { continue };
            ensure!(stanza.starts_with(b"<iq") && !is_error(stanza), "{}", String::from_utf8_lossy(stanza));
            let time = time.get(..16).and_then(|time| std::str::from_utf8(time).ok()).context("no time")?;
            latencies.push(since_us(u64::from_str_radix(time, 16)?));
            if sent < operations {
                write_ping(&mut session.out, &domain);
                sent += 1;
            }
        }
    }
    Ok((latencies, session))
}

fn write_ping(out: &mut String, domain: &str) {
    let time = now_ns();
    let _ = write!(out, "<iq type='get' id='p{time:016x}' to='{domain}'><ping xmlns='urn:xmpp:ping'/></iq>");
}
