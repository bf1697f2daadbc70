//! Messages between pairs of sessions, in a closed loop.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::{task::spawn_local, time::sleep};

use super::{
    Session, Shared, open_all,
    stanza::{read_message, write_message},
};
use crate::measure::{Arguments, Meter, all, since_us};

/// `pairs` of sessions; each session sends `ops` messages to its partner. It starts with `window` of them and
/// answers each one that it gets with one more, so `2 * pairs * window` are on their way.
pub async fn chat(args: &Arguments, config: &Shared) -> anyhow::Result<()> {
    let (pairs, is_full) = (args.number("pairs", 10usize)?, args.text("to", "bare") == "full");
    let talk = Talk {
        operations: args.number("ops", 1000)?,
        window: args.number("window", 4)?,
        size: args.number("size", 300)?,
        extra: if args.is_yes("store", true) { "" } else { "<no-store xmlns='urn:xmpp:hints'/>" },
    };
    let sessions = open_all(config, 0..pairs * 2, 10).await?;
    let addresses: Vec<String> = sessions
        .iter()
        .enumerate()
        .map(|(user, session)| if is_full { session.full_address.clone() } else { config.address(user) })
        .collect();
    sleep(Duration::from_millis(500)).await;
    let meter = Meter::start(args)?;
    let tasks = sessions.into_iter().enumerate().map(|(user, session)| {
        spawn_local(talk.run(session, addresses.get(user ^ 1).cloned().unwrap_or_default()))
    });
    let (latencies, sessions): (Vec<_>, Vec<_>) = all(tasks.collect()).await?.into_iter().unzip();
    let mut latencies = latencies.concat();
    let mut report = meter.finish(args, latencies.len() as u64, &mut latencies);
    let surplus = count_surplus(sessions, &config.domain).await?;
    ensure!(surplus == 0, "{surplus} messages came twice");
    report.flag("once_in_order", true).print();
    Ok(())
}

#[derive(Clone, Copy)]
struct Talk {
    operations: u32,
    window: u32,
    size: usize,
    /// Children of every message besides its text.
    extra: &'static str,
}

impl Talk {
    async fn run(self, mut session: Session, to: String) -> anyhow::Result<(Vec<u32>, Session)> {
        let mut latencies = Vec::with_capacity(self.operations as usize);
        let (mut sent, mut got) = (self.window.min(self.operations), 0);
        for number in 0..sent {
            write_message(&mut session.out, &to, number, self.size, self.extra);
        }
        while got < self.operations {
            session.flush().await?;
            session.fill().await.with_context(|| format!("{got} of {} messages", self.operations))?;
            while let Some(stanza) = session.splitter.next() {
                let Some((number, time)) = read_message(stanza)? else { continue };
                ensure!(number == got, "message {number} came where {got} was expected");
                latencies.push(since_us(time));
                got += 1;
                if sent < self.operations {
                    write_message(&mut session.out, &to, sent, self.size, self.extra);
                    sent += 1;
                }
            }
        }
        session.flush().await?;
        Ok((latencies, session))
    }
}

/// Messages that came after the last one. The answer to a ping shows that nothing more is on its way.
async fn count_surplus(sessions: Vec<Session>, domain: &str) -> anyhow::Result<u32> {
    let mut surplus = 0;
    for mut session in sessions {
        session
            .send(&format!("<iq type='get' id='end' to='{domain}'><ping xmlns='urn:xmpp:ping'/></iq>"))
            .await?;
        loop {
            let stanza = session.stanza().await?;
            surplus += u32::from(read_message(stanza.as_bytes())?.is_some());
            if stanza.starts_with("<iq") && stanza.contains("end") {
                break;
            }
        }
        session.close().await;
    }
    Ok(surplus)
}
