//! XEP-0191 over the whole server.

use serde_json::json;

use crate::support::{Browser, House, PASSWORD, RawXmpp, Web, address};

#[tokio::test(flavor = "multi_thread")]
async fn whom_one_client_blocks_is_blocked_on_every_protocol_and_never_learns_it() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let port = house.xmpp_plain();
    let mut alice = RawXmpp::online("alice", "one", port).await;
    let mut other = RawXmpp::online("alice", "other", port).await;
    let mut bob = RawXmpp::online("bob", "two", port).await;
    let list = "<iq type='get' id='l'><blocklist xmlns='urn:xmpp:blocking'/></iq>";
    assert!(other.ask(list, "l").await.contains("<blocklist xmlns='urn:xmpp:blocking'></blocklist>"));
    let block =
        "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='bob@localhost'/></block></iq>";
    assert!(alice.ask(block, "b").await.contains("type='result'"));
    let push = other.stanza("<block xmlns='urn:xmpp:blocking'><item jid='bob@localhost'/></block>").await;
    assert!(push.contains("type='set'"), "{push}");
    let listed = Web::log_in(&house, "alice").await.get("/api/blocked").await.expect(200).json();
    assert!(listed.to_string().contains("bob@localhost"), "{listed}");
    let error =
        bob.ask("<message id='m' to='alice@localhost' type='chat'><body>hi</body></message>", "m").await;
    assert!(error.contains("service-unavailable"), "{error}");
    let question = "<iq type='get' id='q' to='alice@localhost'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>";
    assert!(bob.ask(question, "q").await.contains("service-unavailable"));
    let unblock = "<iq type='set' id='u'><unblock xmlns='urn:xmpp:blocking'/></iq>";
    assert!(alice.ask(unblock, "u").await.contains("type='result'"));
    other.stanza("<unblock xmlns='urn:xmpp:blocking'><item jid='bob@localhost'/></unblock>").await;
    bob.send("<message to='alice@localhost' type='chat'><body>again</body></message>").await;
    alice.stanza("again").await;
    let empty = "<iq type='set' id='e'><block xmlns='urn:xmpp:blocking'/></iq>";
    assert!(alice.ask(empty, "e").await.contains("bad-request"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_reported_with_a_block_is_read_and_dismissed_at_the_page() {
    let house = House::with_accounts(&["alice", "root"]).await;
    house.server().authenticator().set_admin(&address("root"), true).await.unwrap();
    let mut alice = RawXmpp::online("alice", "one", house.xmpp_plain()).await;
    for (id, about, reason, text) in
        [("b", "bob@localhost", "abuse", ""), ("c", "spam.example", "spam", "Buy &lt;b>!")]
    {
        let report = format!(
            "<iq type='set' id='{id}'><block xmlns='urn:xmpp:blocking'><item jid='{about}'>\
             <report xmlns='urn:xmpp:reporting:1' reason='urn:xmpp:reporting:{reason}'><text>{text}</text>\
             <stanza-id xmlns='urn:xmpp:sid:0' by='alice@localhost' id='4711'/><third-party/></report></item></block></iq>"
        );
        assert!(alice.ask(&report, id).await.contains("type='result'"));
    }
    let mut page = Browser::start("Chromium of root").await;
    page.open(&format!("http://{}/", house.http())).await;
    page.fill("Address", "root@localhost").await;
    page.fill("Password", PASSWORD).await;
    page.click("Log in").await;
    page.click("More").await;
    page.act(json!({"do": "click", "role": "menuitem", "name": "Reports"})).await;
    for text in [
        "spam.example · Unwanted messages",
        "Buy <b>!",
        "bob@localhost · Abuse",
        "Reported by alice@localhost",
        "One message is meant",
        "Others may be told",
    ] {
        page.see(text).await;
    }
    page.click("Dismiss the report about spam.example by alice@localhost").await;
    page.miss("Buy <b>!").await;
    page.see("bob@localhost · Abuse").await;
    page.click("Dismiss the report about bob@localhost by alice@localhost").await;
    page.see("Nothing.").await;
    let left = Web::log_in(&house, "root").await.get("/api/admin/reports").await.expect(200).json();
    assert_eq!(left, json!({"reports": []}));
}
