//! The cost of one operation at one size of what is stored: how many accounts, contacts, messages.
//!
//! The store is filled before; each command does its operation often enough for the server's
//! processor time to be told apart from nothing, and prints a line for each.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::{task::LocalSet, time::sleep};

use crate::{
    hold::{Chance, exchange},
    options::Options,
    process::Meter,
    web::Browser,
    xmpp::{Client, Server, gather, name, scatter},
};

/// `--size ACCOUNTS --operations N`: logs in and out N accounts, spread over all; then the same again.
pub async fn login(options: &Options) -> anyhow::Result<()> {
    let (server, pid, size, operations) = usual(options)?;
    for what in ["accounts: first login", "accounts: login again"] {
        let meter = Meter::start(pid);
        for number in 0..operations {
            Client::come(&server, spread(number, size)).await?.leave().await;
        }
        meter.finish(what, size, operations, Vec::new());
    }
    Ok(())
}

/// `--size ACCOUNTS --operations N`: archived messages among fifty accounts that chance picks.
pub async fn message(options: &Options) -> anyhow::Result<()> {
    LocalSet::new().run_until(message_among(options)).await
}

async fn message_among(options: &Options) -> anyhow::Result<()> {
    let (server, pid, size, operations) = usual(options)?;
    let mut chance = Chance(size as u64);
    let mut numbers: Vec<usize> = (0..TALKERS).map(|_| chance.next() as usize % size).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let mut clients = gather(&server, numbers, 10).await?;
    exchange(&mut clients, operations / 10, true).await?;
    let meter = Meter::start(pid);
    let latencies = exchange(&mut clients, operations, true).await?;
    // What is archived after the delivery counts too.
    for client in &mut clients {
        client.settle().await?;
    }
    sleep(REST).await;
    meter.finish("accounts: message", size, operations, latencies);
    scatter(clients).await;
    Ok(())
}

/// `--size ACCOUNTS --operations N`: a first message to each of N accounts, spread over all, that nobody uses;
/// then another to each.
pub async fn offline(options: &Options) -> anyhow::Result<()> {
    let (server, pid, size, operations) = usual(options)?;
    let mut sender = Client::come(&server, 0).await?;
    for what in ["accounts: first message stored offline", "accounts: message stored offline"] {
        let meter = Meter::start(pid);
        for number in 1..operations {
            let whom = name(spread(number, size));
            let text =
                format!("<message type='chat' to='{whom}' id='o{number}'><body>for later</body></message>");
            sender.send(&text).await?;
            if number % 50 == 0 {
                sender.settle().await?;
            }
        }
        sender.settle().await?;
        sleep(REST).await;
        meter.finish(what, size, operations, Vec::new());
    }
    sender.leave().await;
    Ok(())
}

/// `--size CONTACTS --operations N`: what `u0` with so many contacts, none of them there, does.
pub async fn roster(options: &Options) -> anyhow::Result<()> {
    let (server, pid, size, operations) = usual(options)?;
    let meter = Meter::start(pid);
    let logins = operations.div_ceil(4).min(1 + 200_000 / size);
    for _ in 0..logins {
        let mut owner = Client::log_in(&server, 0).await?;
        let roster = owner.ask("get", ROSTER).await?;
        let items = roster.matches("<item").count();
        ensure!(items >= size, "{items} contacts of {size}");
        owner.leave().await;
    }
    meter.finish("contacts: login and roster, per contact", size, logins * size, Vec::new());

    let mut owner = Client::come(&server, 0).await?;
    owner.ask("get", ROSTER).await?;
    let mut friend = Client::come(&server, 1).await?;
    let meter = Meter::start(pid);
    for number in 0..operations {
        let mark = format!("r{number}</body>");
        let text = format!("<message type='chat' to='{}'><body>{mark}</message>", name(1));
        owner.send(&text).await?;
        friend.until(&mark).await?;
    }
    owner.settle().await?;
    sleep(REST).await;
    meter.finish("contacts: message", size, operations, Vec::new());

    let meter = Meter::start(pid);
    for number in 0..operations {
        let item = format!(
            "<query xmlns='jabber:iq:roster'><item jid='new{}@localhost' name='n{number}'/></query>",
            number % 5
        );
        owner.ask("set", &item).await?;
    }
    meter.finish("contacts: contact changed", size, operations, Vec::new());

    let meter = Meter::start(pid);
    let changes = (2 * operations).min(1 + 200_000 / size);
    for number in 0..changes {
        owner.send(&format!("<presence><status>{number}</status></presence>")).await?;
        owner.settle().await?;
    }
    sleep(REST).await;
    meter.finish("contacts: presence to absent contacts, per contact", size, changes * size, Vec::new());
    owner.leave().await;
    friend.leave().await;
    Ok(())
}

/// `--size WATCHERS --operations N`: `u0` changes its presence before the eyes of so many contacts.
pub async fn presence(options: &Options) -> anyhow::Result<()> {
    LocalSet::new().run_until(presence_before(options)).await
}

async fn presence_before(options: &Options) -> anyhow::Result<()> {
    let (server, pid, size, operations) = usual(options)?;
    let mut watchers = gather(&server, 1..=size, 20).await?;
    let mut owner = Client::come(&server, 0).await?;
    sleep(REST).await;
    let changes = operations.div_ceil(size).max(2);
    let meter = Meter::start(pid);
    for number in 0..changes {
        let mark = format!("seen{number}</status>");
        owner.send(&format!("<presence><status>{mark}</presence>")).await?;
        for watcher in &mut watchers {
            watcher.until(&mark).await.context("a watcher sees the change")?;
        }
    }
    meter.finish("contacts: presence, per watcher", size, changes * size, Vec::new());
    owner.leave().await;
    scatter(watchers).await;
    Ok(())
}

/// `--size MESSAGES --operations N`: pages of the archive of `u0` with so many messages, and messages
/// to and from it.
pub async fn archive(options: &Options) -> anyhow::Result<()> {
    let (server, pid, size, operations) = usual(options)?;
    let mut browser = Browser::open(options.text("http", "127.0.0.1:35280").parse()?, 0).await?;
    let newest = browser.page("limit=50").await?;
    let times = sent_times(&newest);
    ensure!(times.len() == 50.min(size), "{} messages on the newest page", times.len());
    let middle = options.text("middle", "");
    let queries = [
        ("archive: newest page", "limit=50".to_owned()),
        ("archive: page in the middle, by time", format!("limit=50&before={middle}")),
        ("archive: newest page with one of a thousand peers", "limit=50&with=p1@localhost".to_owned()),
        ("archive: page with one who never wrote", "limit=50&with=nobody@localhost".to_owned()),
    ];
    for (what, query) in queries {
        let meter = Meter::start(pid);
        let mut done = 0;
        while done < operations && meter.seconds() < PAGES_SECONDS {
            browser.page(&query).await?;
            done += 1;
        }
        meter.finish(what, size, done, Vec::new());
    }
    for (what, numbers) in [("archive: message, its own", [0, 1]), ("archive: message, of others", [2, 3])] {
        let mut clients =
            vec![Client::come(&server, numbers[0]).await?, Client::come(&server, numbers[1]).await?];
        let set = LocalSet::new();
        let meter = Meter::start(pid);
        let latencies = set.run_until(exchange(&mut clients, operations, true)).await?;
        sleep(REST).await;
        meter.finish(what, size, operations, latencies);
        for client in clients {
            client.leave().await;
        }
    }
    Ok(())
}

/// The times of the messages on a page.
fn sent_times(page: &str) -> Vec<&str> {
    page.split("\"sent\":\"").skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

fn usual(options: &Options) -> anyhow::Result<(Server, u32, usize, usize)> {
    let size: usize = options.number("size", 100)?;
    ensure!(size >= 2, "--size is 2 at least");
    Ok((Server::of(options)?, options.number("server-pid", 0)?, size, options.number("operations", 1000)?))
}

/// The account in this place of a row of `size` accounts that begins with `u0` and is without order; none
/// comes twice where `size` is a power of ten.
fn spread(place: usize, size: usize) -> usize {
    place * 7919 % size
}

const ROSTER: &str = "<query xmlns='jabber:iq:roster'/>";
/// Accounts that write to each other.
const TALKERS: usize = 50;
/// For the server to finish what it does after its answer.
const REST: Duration = Duration::from_millis(300);
/// Longest time for the pages of one kind.
const PAGES_SECONDS: f64 = 10.0;
