//! XEP-0191 over the whole server.

use crate::support::{House, RawXmpp, Web};

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
