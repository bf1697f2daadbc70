//! kill -9 in the midst of a stream of messages: nothing that was acknowledged is lost or comes twice.
//!
//! Alice writes with slixmpp and stream management, Carol by SIP; Bob is online, Dave is not. The server
//! is killed without warning, starts again in the same folder, and everybody is counted.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::support::{PASSWORD, Program, Site, Slixmpp, Web};

#[tokio::test]
async fn nothing_acknowledged_is_lost_or_doubled_by_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path());
    for local in ["alice", "bob", "carol", "dave"] {
        site.add_account(local).await;
    }
    let mut server = site.serve().await;
    let mut bob = Slixmpp::online("bob@localhost", PASSWORD, site.xmpp).await;
    let mut writers = [xmpp_writer(&site, "alice@localhost"), sip_writer(&site, "carol")];
    for writer in &mut writers {
        for _ in 0..ENOUGH {
            writer.event("acked", |_| true).await;
        }
    }
    server.kill().await;
    let mut acknowledged = BTreeSet::new();
    for mut writer in writers {
        writer.event("over", |_| true).await;
        acknowledged.extend(bodies(&writer.all_events("acked")));
    }
    bob.event("disconnected", |_| true).await;
    let mut received: BTreeMap<String, usize> = BTreeMap::new();
    count(&mut received, &bob.all_events("message"));

    let _server = site.serve().await;
    for reader in ["bob@localhost", "dave@localhost"] {
        let mut client = Slixmpp::online(reader, PASSWORD, site.xmpp).await;
        // What waits is handed over before what comes now.
        let last = format!("the last for {reader}");
        client.act(json!({"do": "message", "to": reader, "body": last})).await;
        client.read(&last).await;
        count(&mut received, &client.all_events("message"));
    }
    let lost: Vec<_> = acknowledged.iter().filter(|body| !received.contains_key(*body)).collect();
    assert!(lost.is_empty(), "{} of {} lost: {lost:?}", lost.len(), acknowledged.len());
    let twice: Vec<_> =
        received.iter().filter(|(body, times)| **times > 1 && acknowledged.contains(*body)).collect();
    assert!(twice.is_empty(), "{} of {} doubled: {twice:?}", twice.len(), acknowledged.len());
    for owner in ["bob", "dave"] {
        let kept = Web::log_in_at(site.web, owner).await.archive().await;
        let once: BTreeSet<_> = kept.iter().cloned().collect();
        assert_eq!(kept.len(), once.len(), "each message is in the archive of {owner} once");
        let missing = acknowledged.iter().filter(|body| is_for(body, owner) && !once.contains(*body)).count();
        assert_eq!(missing, 0, "messages that the archive of {owner} lacks");
    }
}

/// Writers take turns: even numbers are for Bob, odd ones for Dave.
fn is_for(body: &str, owner: &str) -> bool {
    let number: usize = body.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or_default();
    (owner == "bob") == number.is_multiple_of(2)
}

fn bodies(events: &[Value]) -> Vec<String> {
    events.iter().filter_map(|event| event["body"].as_str()).map(str::to_owned).collect()
}

fn count(received: &mut BTreeMap<String, usize>, events: &[Value]) {
    for body in bodies(events) {
        *received.entry(body).or_default() += 1;
    }
}

fn xmpp_writer(site: &Site, jid: &str) -> Program {
    let (host, port) = (site.xmpp.ip().to_string(), site.xmpp.port().to_string());
    let arguments = [jid, PASSWORD, &host, &port, "bob@localhost", "dave@localhost"];
    Program::python(&format!("writer {jid}"), "tests/interop/xmpp_stream.py", &arguments)
}

fn sip_writer(site: &Site, user: &str) -> Program {
    let (host, port) = (site.sip.ip().to_string(), site.sip.port().to_string());
    let arguments = [user, "localhost", PASSWORD, &host, &port, "bob@localhost", "dave@localhost"];
    Program::python(&format!("writer {user}"), "tests/interop/sip_stream.py", &arguments)
}

/// Acknowledgements that each writer must have before the blow falls.
const ENOUGH: usize = 400;
