//! What the server answers itself, and questions between sessions (RFC 6120 §8.2.3, XEP-0030, XEP-0092,
//! XEP-0115, XEP-0199).

use crate::support::{House, RawXmpp};

async fn two() -> (House, RawXmpp, RawXmpp) {
    let server = House::with_accounts(&["alice", "bob"]).await;
    let port = server.xmpp_plain();
    let alice = RawXmpp::online("alice", "one", port).await;
    let bob = RawXmpp::online("bob", "two", port).await;
    (server, alice, bob)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_tells_what_it_is() {
    let (_server, mut alice, _bob) = two().await;
    let info = "<query xmlns='http://jabber.org/protocol/disco#info'/>";
    let answer = alice.ask(&format!("<iq type='get' id='d' to='localhost'>{info}</iq>"), "d").await;
    assert!(
        answer.starts_with("<iq from='localhost' to='alice@localhost/one' id='d' type='result'>"),
        "{answer}"
    );
    for part in
        ["<identity category='server' type='im'", "'urn:xmpp:ping'", "'msgoffline'", "'urn:xmpp:carbons:2'"]
    {
        assert!(answer.contains(part), "{part}: {answer}");
    }
    let answer = alice.ask(&format!("<iq type='get' id='a'>{info}</iq>"), "a").await;
    assert!(answer.contains("<identity category='account' type='registered'/>"), "{answer}");
    let answer =
        alice.ask("<iq type='get' id='v' to='localhost'><query xmlns='jabber:iq:version'/></iq>", "v").await;
    assert!(answer.contains("<name>Rollcall</name><version>"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_announced_capabilities_can_be_asked_for() {
    let server = House::with_accounts(&["alice"]).await;
    let port = server.xmpp_plain();
    let mut alice = RawXmpp::login("alice", "one", port).await;
    let ask = |node: &str| {
        format!(
            "<iq type='get' id='d' to='localhost'><query xmlns='http://jabber.org/protocol/disco#info' node='{node}'/></iq>"
        )
    };
    let answer = alice.ask(&ask("urn:rollcall:server#nothing"), "d").await;
    assert!(answer.contains("item-not-found"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_cannot_be_answered_get_the_right_error() {
    let (_server, mut alice, _bob) = two().await;
    for (attributes, content, condition) in [
        ("type='get' to='localhost'", "<x xmlns='urn:unknown'/>", "service-unavailable"),
        ("type='get'", "<x xmlns='urn:unknown'/>", "service-unavailable"),
        ("type='set' to='localhost'", "<ping xmlns='urn:xmpp:ping'/>", "bad-request"),
        ("type='get' to='localhost'", "", "bad-request"),
        ("type='get' to='localhost'", "<a xmlns='u'/><b xmlns='u'/>", "bad-request"),
        ("type='what' to='localhost'", "<ping xmlns='urn:xmpp:ping'/>", "bad-request"),
        ("type='get' to='bob@localhost'", "<x xmlns='urn:unknown'/>", "service-unavailable"),
        ("type='get' to='nobody@localhost'", "<x xmlns='urn:unknown'/>", "service-unavailable"),
        ("type='get' to='bob@localhost/two'", "<x xmlns='urn:unknown'/>", "service-unavailable"),
        ("type='get' to='a@example.com'", "<x xmlns='urn:unknown'/>", "remote-server-not-found"),
        ("type='get' to='@'", "<x xmlns='urn:unknown'/>", "jid-malformed"),
    ] {
        let error = alice.ask(&format!("<iq id='q' {attributes}>{content}</iq>"), "q").await;
        assert!(error.contains("type='error'") && error.contains(condition), "{attributes}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_and_answers_pass_between_sessions_that_see_each_other() {
    let (_server, mut alice, mut bob) = two().await;
    bob.send("<presence to='alice@localhost/one'/>").await;
    alice.stanza("<presence from='bob@localhost/two'").await;
    alice.send("<iq type='get' id='q' to='bob@localhost/two'><x xmlns='urn:unknown'> a </x></iq>").await;
    let question = bob.stanza("id='q'").await;
    assert_eq!(
        question,
        "<iq from='alice@localhost/one' to='bob@localhost/two' id='q' type='get'><x xmlns='urn:unknown'> a </x></iq>"
    );
    bob.send("<iq type='result' id='q' to='alice@localhost/one'/>").await;
    let answer = alice.stanza("id='q'").await;
    assert_eq!(answer, "<iq from='bob@localhost/two' to='alice@localhost/one' id='q' type='result'/>");
}
