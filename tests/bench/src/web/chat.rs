//! Messages between pairs of browsers, in a closed loop.

use std::{fmt::Write as _, time::Duration};

use anyhow::{Context as _, ensure};
use tokio::{
    task::spawn_local,
    time::{sleep, timeout},
};

use super::socket::Socket;
use crate::{
    measure::{Arguments, Meter, since_us},
    xmpp::{read_stamp, stamp},
};

/// `pairs` of browsers; each sends `ops` messages of 200 bytes to its partner. It starts with `window` of
/// them and answers each one that it gets with one more, after its acknowledgement.
pub async fn chat(args: &Arguments) -> anyhow::Result<()> {
    let (pairs, operations) = (args.number("pairs", 10usize)?, args.number("ops", 1000u32)?);
    let (port, window) = (args.number("port", 5280)?, args.number("window", 4u32)?);
    let (domain, password) = (args.text("domain", "localhost"), args.text("password", "secret"));
    let prefix = args.text("prefix", "u");
    let address = |user: usize| format!("{prefix}{user}@{domain}");
    let mut sockets = Vec::new();
    for user in 0..pairs * 2 {
        sockets.push(Socket::open(port, &address(user), &password).await?);
    }
    sleep(Duration::from_millis(500)).await;
    let meter = Meter::start(args)?;
    let tasks = sockets.into_iter().enumerate().map(|(user, socket)| {
        spawn_local(timeout(PATIENCE, talk(socket, address(user ^ 1), operations, window)))
    });
    let mut latencies = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        latencies.extend(task.await?.context("messages were lost")??);
    }
    let mut report = meter.finish(args, latencies.len() as u64, &mut latencies);
    report.flag("once_in_order", true).print();
    Ok(())
}

async fn talk(mut socket: Socket, to: String, operations: u32, window: u32) -> anyhow::Result<Vec<u32>> {
    let mut latencies = Vec::with_capacity(operations as usize);
    let (mut sent, mut replies) = (window.min(operations), 0);
    let mut out = String::new();
    for number in 0..sent {
        print_message(&mut out, &to, number);
        socket.write(&out);
    }
    while (latencies.len() as u32) < operations || replies < operations {
        socket.flush().await?;
        socket.fill().await?;
        let mut answers = Vec::new();
        while let Some(frame) = socket.next()? {
            let inside = |key: &str| {
                let (_, rest) = frame.split_once(key)?;
                rest.split('"').next()
            };
            match inside("\"type\":\"") {
                Some("reply") => {
                    ensure!(frame.contains("\"ok\":true"), "{frame}");
                    replies += 1;
                }
                Some("message") if frame.contains("\"copy\":\"original\"") => {
                    let stamp = read_stamp(inside("\"body\":\"").unwrap_or_default().as_bytes());
                    let (number, time) = stamp.with_context(|| format!("unknown text {frame}"))?;
                    ensure!(number == latencies.len() as u32, "message {number} after {}", latencies.len());
                    latencies.push(since_us(time));
                    let id = inside("\"id\":\"").context("a message without id")?;
                    answers.push(format!("{{\"type\":\"ack\",\"id\":\"{id}\"}}"));
                }
                Some("closed") => anyhow::bail!("{frame}"),
                _ => {}
            }
        }
        for answer in answers {
            socket.write(&answer);
            if sent < operations {
                print_message(&mut out, &to, sent);
                socket.write(&out);
                sent += 1;
            }
        }
    }
    Ok(latencies)
}

fn print_message(out: &mut String, to: &str, number: u32) {
    out.clear();
    let _ = write!(
        out,
        "{{\"type\":\"message\",\"id\":\"{number}\",\"to\":\"{to}\",\"body\":\"{} {:x<174}\"}}",
        stamp(number),
        ""
    );
}

/// How long a run may take.
const PATIENCE: Duration = Duration::from_secs(120);
