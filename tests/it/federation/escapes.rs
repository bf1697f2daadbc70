//! Names with characters that addresses of XMPP cannot have (XEP-0106): phones have them as they are, clients and
//! other servers escaped.

use serde_json::json;

use super::{Prosody, Town, town::online};
use crate::support::{SipPhone, body};

const TEXT: &str = "Content-Type: text/plain\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn names_are_escaped_between_phones_and_people_here_and_elsewhere() {
    let town = Town::new().await;
    // The helper for phones knows one domain. Prosody cannot find it, and need not.
    let house = town.rollcall(1, "localhost", &["alice", "d\\27artagnan"]).await;
    let prosody = Prosody::start(&town, 2, "theirs.example", &["u\\40other.org"], "").await;
    let mut here = online("d\\27artagnan@localhost", house.xmpp()).await;
    let mut there = online("u\\40other.org@theirs.example", prosody.clients).await;
    let mut phone = SipPhone::registered("alice", house.sip_udp(), "").await;

    let uri = "sip:d'artagnan@localhost";
    let sent = phone.ask("MESSAGE", uri, &format!("<{uri}>"), TEXT, "all for one").await;
    assert_eq!(sent.status(), Some(200), "{sent:?}");
    let read = here.read("all for one").await;
    assert_eq!(read["from"].as_str().map(|from| from.starts_with("alice@localhost")), Some(true), "{read}");
    here.act(json!({"do": "message", "to": "alice@localhost", "body": "one for all"})).await;
    let heard = phone.serve(200).await;
    assert_eq!((body(&heard).as_str(), heard.from().unwrap().uri.as_str()), ("one for all", uri));

    let uri = "sip:u%40other.org@theirs.example";
    let sent = phone.ask("MESSAGE", uri, &format!("<{uri}>"), TEXT, "to another place").await;
    assert!(matches!(sent.status(), Some(200 | 202)), "{sent:?}");
    there.read("to another place").await;
    here.act(json!({"do": "message", "to": "u\\40other.org@theirs.example", "body": "from a client"})).await;
    let read = there.read("from a client").await;
    let from = read["from"].as_str().unwrap();
    assert!(from.starts_with("d\\27artagnan@localhost/"), "{from}");
}
