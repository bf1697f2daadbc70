//! One person changes her presence, all her contacts are told.

use std::{cell::RefCell, rc::Rc, time::Duration};

use anyhow::{Context as _, ensure};
use memchr::memmem;
use tokio::{
    sync::Semaphore,
    task::spawn_local,
    time::{sleep, timeout},
};

use super::{
    Session, Shared,
    stanza::{between, inside, read_stamp, stamp},
};
use crate::measure::{self, Arguments, Meter, all, since_us};

/// User 0 changes its presence `ops` times before `buddies` contacts; `window` changes are on their way.
pub async fn fanout(args: &Arguments, config: &Shared) -> anyhow::Result<()> {
    let (buddies, operations) = (args.number("buddies", 100usize)?, args.number("ops", 200u32)?);
    let window = args.number("window", 2usize)?;
    let (mut me, others) = gather(config, buddies).await?;
    let meter = Meter::start(args)?;
    let watching = Rc::new(Watching {
        from: config.address(0),
        operations,
        buddies,
        seen: RefCell::new(vec![0; operations as usize]),
        go: Semaphore::new(window),
    });
    let tasks = others.into_iter().map(|session| spawn_local(watch(Rc::clone(&watching), session))).collect();
    for number in 0..operations {
        timeout(PATIENCE, watching.go.acquire()).await.context("presence was lost")??.forget();
        me.send(&format!("<presence><show>away</show><status>{}</status></presence>", stamp(number))).await?;
    }
    let (latencies, others): (Vec<_>, Vec<_>) = all(tasks).await?.into_iter().unzip();
    let mut latencies = latencies.concat();
    let mut report = meter.finish(args, latencies.len() as u64, &mut latencies);
    report.number("buddies", buddies as f64).flag("once_in_order", true).print();
    for session in others.into_iter().chain([me]) {
        session.close().await;
    }
    Ok(())
}

struct Watching {
    from: String,
    operations: u32,
    buddies: usize,
    /// How many contacts know of each change.
    seen: measure::Counters,
    /// Permits for further changes.
    go: Semaphore,
}

async fn watch(watching: Rc<Watching>, mut session: Session) -> anyhow::Result<(Vec<u32>, Session)> {
    let mut latencies = Vec::with_capacity(watching.operations as usize);
    loop {
        while let Some(stanza) = session.splitter.next() {
            let is_hers = memmem::find(stanza, watching.from.as_bytes()).is_some();
            if !is_hers || !stanza.starts_with(b"<presence") {
                continue;
            }
            let Some(status) = inside(stanza, b"<status>") else { continue };
            let (number, time) = read_stamp(status).context("unknown status")?;
            ensure!(number == latencies.len() as u32, "presence {number} came after {}", latencies.len());
            latencies.push(since_us(time));
            if let Some(seen) = watching.seen.borrow_mut().get_mut(number as usize) {
                *seen += 1;
                if *seen == watching.buddies {
                    watching.go.add_permits(1);
                }
            }
        }
        if latencies.len() as u32 == watching.operations {
            return Ok((latencies, session));
        }
        session.fill().await?;
    }
}

/// Logs in user 0 and its contacts, makes them contacts of each other, and waits until all is quiet.
async fn gather(config: &Shared, buddies: usize) -> anyhow::Result<(Session, Vec<Session>)> {
    let mut me = Session::open(config, 0).await?;
    mutual(&mut me).await?;
    me.announce().await?;
    let mut others = Vec::new();
    for user in 1..=buddies {
        let mut session = Session::open(config, user).await?;
        let known = mutual(&mut session).await?;
        session.announce().await?;
        if known == 0 {
            befriend(config, &mut me, &mut session, user).await.with_context(|| format!("user {user}"))?;
        }
        others.push(session);
    }
    sleep(Duration::from_millis(500)).await;
    for session in &mut others {
        session.ping(&config.domain).await?;
    }
    let known = mutual(&mut me).await?;
    ensure!(known >= buddies, "only {known} of {buddies} contacts");
    Ok((me, others))
}

/// How many contacts share presence both ways.
async fn mutual(session: &mut Session) -> anyhow::Result<usize> {
    session.send("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>").await?;
    let roster = session.result("r").await?;
    Ok(roster.matches("subscription='both'").count() + roster.matches("subscription=\"both\"").count())
}

async fn befriend(config: &Shared, me: &mut Session, other: &mut Session, user: usize) -> anyhow::Result<()> {
    let (mine, theirs) = (config.address(0), config.address(user));
    subscribe(me, other, &mine, &theirs).await?;
    subscribe(other, me, &theirs, &mine).await
}

async fn subscribe(asking: &mut Session, asked: &mut Session, from: &str, to: &str) -> anyhow::Result<()> {
    asking.send(&format!("<presence to='{to}' type='subscribe'/>")).await?;
    wait_for(asked, from, "subscribe").await?;
    asked.send(&format!("<presence to='{from}' type='subscribed'/>")).await?;
    wait_for(asking, to, "subscribed").await
}

async fn wait_for(session: &mut Session, from: &str, kind: &str) -> anyhow::Result<()> {
    loop {
        let stanza = session.stanza().await?;
        let tag = between(&stanza, "<", ">").unwrap_or_default().replace('"', "'");
        if stanza.starts_with("<presence") && tag.contains(from) && tag.contains(&format!("type='{kind}'")) {
            return Ok(());
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(30);
