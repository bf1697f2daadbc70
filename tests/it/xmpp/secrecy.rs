//! Whom an account tells nothing cannot tell it from none.

use crate::support::{House, RawXmpp};

#[tokio::test(flavor = "multi_thread")]
async fn nobody_and_who_has_nothing_to_show_or_shuts_out_are_alike() {
    let house = House::with_accounts(&["alice", "bob", "dave"]).await;
    let mut alice = RawXmpp::online("alice", "one", house.xmpp_plain()).await;
    let mut bob = RawXmpp::online("bob", "two", house.xmpp_plain()).await;
    for (id, content) in [
        ("v", "<vCard xmlns='vcard-temp'><FN>Alice</FN></vCard>"),
        (
            "n",
            "<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='urn:n'>\
             <item id='1'><p xmlns='urn:p'/></item></publish></pubsub>",
        ),
        ("b", "<block xmlns='urn:xmpp:blocking'><item jid='bob@localhost'/></block>"),
    ] {
        let answer = alice.ask(&format!("<iq type='set' id='{id}'>{content}</iq>"), id).await;
        assert!(answer.contains("type='result'"), "{answer}");
    }
    let items =
        |node| format!("<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='{node}'/></pubsub>");
    for (question, condition) in [
        ("<vCard xmlns='vcard-temp'/>".to_owned(), "service-unavailable"),
        ("<vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'/>".to_owned(), "service-unavailable"),
        (items("urn:n"), "item-not-found"),
        (items("urn:xmpp:vcard4"), "item-not-found"),
        (items("urn:xmpp:avatar:metadata"), "item-not-found"),
        (items("urn:xmpp:avatar:data"), "item-not-found"),
    ] {
        let mut answers = Vec::new();
        for who in ["nobody", "dave", "alice"] {
            let ask = format!("<iq type='get' id='q' to='{who}@localhost'>{question}</iq>");
            answers.push(bob.ask(&ask, "q").await.replace(who, "x"));
        }
        assert!(answers[0].contains(condition), "{question}: {answers:?}");
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{question}: {answers:?}");
    }
    // The owner is told that there is nothing yet.
    let mut dave = RawXmpp::online("dave", "three", house.xmpp_plain()).await;
    let own = "<iq type='get' id='o'><vCard xmlns='vcard-temp'/></iq>";
    assert!(dave.ask(own, "o").await.contains("type='result'"));
}
