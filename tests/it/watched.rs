//! One account whom a thousand watch, by every protocol: phones over UDP and TCP, chat clients and pages.

use std::time::{Duration, Instant};

use rollcall::sip::message::Message;
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::{House, RawXmpp, SipPhone, Socket, Web, body, soon};

/// Somebody who watches Alice.
enum Watcher {
    Phone(SipPhone),
    Chat(RawXmpp),
    Page(Socket),
}

impl Watcher {
    /// Waits until the note is seen; when that was.
    async fn sees(&mut self, note: &str) -> Instant {
        match self {
            Self::Phone(phone) => while !body(&phone.serve(200).await).contains(note) {},
            Self::Chat(client) => drop(client.stanza(note).await),
            Self::Page(page) => {
                page.expect_that("presence", |frame| frame.to_string().contains(note)).await;
            }
        }
        Instant::now()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_watchers_of_every_protocol_see_each_change_at_once() {
    let names: Vec<String> = (0..ACCOUNTS).map(|number| format!("w{number}")).collect();
    let house = House::start_with(|config| {
        config.sip.notify_interval_ms = 0;
        config.limits.connections_per_address = 10_000;
    })
    .await;
    house.add_account("alice").await;
    let owner = Web::log_in(&house, "alice").await;
    for name in &names {
        house.add_account(name).await;
        owner.post(&format!("/api/roster/{name}@localhost/grant"), &json!({})).await.expect(204);
    }
    let mut alice = SipPhone::registered("alice", house.sip_udp(), "").await;
    let mut watchers = Vec::new();
    for name in &names {
        watchers.extend(watchers_of(&house, name).await);
    }
    assert_eq!(watchers.len(), 1000);
    let mut tag = String::new();
    // All are there once they have seen the first one.
    for (note, within) in [("all-are-here", None), ("at-lunch", Some(AT_ONCE)), ("back-again", Some(AT_ONCE))]
    {
        let begun = Instant::now();
        let mut seeing = JoinSet::new();
        for mut watcher in watchers.drain(..) {
            seeing.spawn(async move { (watcher.sees(note).await, watcher) });
        }
        tag = publish(&mut alice, &tag, note).await;
        let (mut last, mut count) = (begun, 0);
        while let Some(seen) = soon("everybody sees it", seeing.join_next()).await {
            let (at, watcher) = seen.unwrap();
            (last, count) = (last.max(at), count + 1);
            watchers.push(watcher);
        }
        let took = last - begun;
        println!("{note}: {count} watchers within {} ms", took.as_millis());
        assert!(within.is_none_or(|within| took < within), "{note}: {took:?}");
    }
}

/// Twenty phones over UDP and fifteen over TCP, ten chat clients and five pages of one account.
async fn watchers_of(house: &House, name: &str) -> Vec<Watcher> {
    let mut watchers = Vec::new();
    for number in 0..35 {
        let mut phone = match number {
            0..20 => SipPhone::new(name, house.sip_udp()).await,
            _ => SipPhone::connected(name, house.sip_tcp()).await,
        };
        let transport = if number < 20 { "" } else { ";transport=tcp" };
        let contact = format!("Contact: <sip:{name}@{}{transport}>\r\n", phone.address());
        let about = format!("{contact}Event: presence\r\nAccept: application/pidf+xml\r\n");
        let response = phone.ask("SUBSCRIBE", "sip:alice@localhost", "alice", &about, "").await;
        assert_eq!(response.status(), Some(200), "{response:?}");
        // Who does not answer is forgotten before all the others are there.
        phone.serve(200).await;
        watchers.push(Watcher::Phone(phone));
    }
    for number in 0..10 {
        watchers.push(Watcher::Chat(RawXmpp::online(name, &format!("r{number}"), house.xmpp_plain()).await));
    }
    let web = Web::log_in(house, name).await;
    for _ in 0..5 {
        watchers.push(Watcher::Page(web.open().await));
    }
    watchers
}

/// Publishes a note, in place of the last one; the new entity tag.
async fn publish(phone: &mut SipPhone, tag: &str, note: &str) -> String {
    let document = format!(
        "<presence xmlns='urn:ietf:params:xml:ns:pidf' entity='sip:alice@localhost'><tuple id='t'>\
         <status><basic>open</basic></status><note>{note}</note></tuple></presence>"
    );
    let last = if tag.is_empty() { String::new() } else { format!("SIP-If-Match: {tag}\r\n") };
    let headers = format!("Event: presence\r\nContent-Type: application/pidf+xml\r\n{last}");
    let response: Message = phone.ask("PUBLISH", "sip:alice@localhost", "alice", &headers, &document).await;
    assert_eq!(response.status(), Some(200), "{response:?}");
    response.text(rollcall::sip::message::HeaderName::SipEtag).unwrap().into_owned()
}

/// Of fifty watchers each.
const ACCOUNTS: usize = 20;
/// Far more than a second: the machine may be busy, and this build is not optimized. docs/bench.md has the figure
/// for a server as it is released.
const AT_ONCE: Duration = Duration::from_secs(15);
