//! XEP-0191 over the whole server.

use serde_json::json;

use crate::support::{Browser, House, PASSWORD, RawXmpp, SipPhone, Web, address};

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
async fn whoever_writes_to_whom_she_blocked_is_told_so_on_every_protocol() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut alice = RawXmpp::online("alice", "one", house.xmpp_plain()).await;
    let mut bob = RawXmpp::online("bob", "two", house.xmpp_plain()).await;
    let block =
        "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='bob@localhost'/></block></iq>";
    assert!(alice.ask(block, "b").await.contains("type='result'"));
    for (stanza, from) in [
        ("<message id='1' to='bob@localhost' type='chat'><body>hi</body></message>", "bob@localhost"),
        (
            "<iq id='2' type='get' to='bob@localhost/two'><ping xmlns='urn:xmpp:ping'/></iq>",
            "bob@localhost/two",
        ),
        ("<iq id='3' type='get' to='bob@localhost'><vCard xmlns='vcard-temp'/></iq>", "bob@localhost"),
        ("<presence id='4' to='bob@localhost/two'/>", "bob@localhost/two"),
        ("<presence id='5' type='subscribe' to='bob@localhost'/>", "bob@localhost"),
        ("<presence id='6' type='subscribed' to='bob@localhost'/>", "bob@localhost"),
    ] {
        alice.send(stanza).await;
        let error = alice.stanza("type='error'").await;
        let id = &stanza[stanza.find("id='").unwrap()..][..6];
        for part in [
            id,
            &format!("from='{from}'"),
            "<error type='cancel'><not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>",
            "<blocked xmlns='urn:xmpp:blocking:errors'/></error>",
        ] {
            assert!(error.contains(part), "{part} in {error}");
        }
    }
    let mut phone = SipPhone::registered("alice", house.sip_udp(), "").await;
    assert_eq!(phone.write("bob", "hi").await.status(), Some(403));
    let contact = format!("Contact: <sip:alice@{}>\r\n", phone.address());
    let call = phone.ask("INVITE", "sip:bob@localhost", "bob", &contact, "").await;
    assert_eq!(call.status(), Some(403));
    let follow = format!("{contact}Event: presence\r\nExpires: 60\r\n");
    assert_eq!(phone.ask("SUBSCRIBE", "sip:bob@localhost", "bob", &follow, "").await.status(), Some(403));
    let web = Web::log_in(&house, "alice").await;
    let answer = web.post("/api/roster/bob%40localhost/subscribe", &json!({})).await.expect(403).json();
    assert_eq!(answer["error"]["reason"], "blocked", "{answer}");
    bob.has_not("alice").await;
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
