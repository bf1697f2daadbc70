//! Where stanzas go (RFC 6121 §8.5): table 1 for messages, read from the RFC's own text, and the rules for presence
//! and questions, for every kind of address and whoever is there.

use std::collections::BTreeMap;

use crate::support::{House, RawXmpp};

async fn settle(client: &mut RawXmpp) {
    client.ask("<iq type='get' id='all'><query xmlns='jabber:iq:roster'/></iq>", "all").await;
}

/// The receivers there are under a heading of table 1: names and priorities.
fn sessions_of(heading: &str) -> &'static [(&'static str, i8)] {
    match heading {
        "ACCOUNT DOES NOT EXIST" | "ACCOUNT EXISTS, BUT NO ACTIVE RESOURCES" => &[],
        "1+ NEGATIVE RESOURCES BUT ZERO NON-NEGATIVE RESOURCES" => &[("one", -1), ("two", -128)],
        "1 NON-NEGATIVE RESOURCE" => &[("one", 0)],
        "1+ NON-NEGATIVE RESOURCES" => &[("one", 0), ("two", 5), ("quiet", -1)],
        other => panic!("no heading of table 1: {other}"),
    }
}

/// A row of table 1: address, and the outcomes for the four types and for errors, which are never answered.
type Row = (&'static str, [&'static str; 5]);

/// The headings of table 1, each with its rows.
fn table() -> Vec<(&'static str, Vec<Row>)> {
    let mut table: Vec<(_, Vec<_>)> = Vec::new();
    for line in include_str!("../../data/rfc6121_messages.txt").lines() {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        match cells[..] {
            [_, heading, _] => table.push((heading, Vec::new())),
            [_, to, normal, chat, group, headline, _] => {
                let error = if to == "full match" { "D" } else { "S" };
                table.last_mut().unwrap().1.push((to, [normal, chat, group, headline, error]));
            }
            _ => {}
        }
    }
    assert_eq!(table.iter().map(|(_, rows)| rows.len()).sum::<usize>(), 13);
    table
}

/// What became of one message.
#[derive(Debug, Default)]
struct Fate {
    heard_by: Vec<&'static str>,
    is_kept: bool,
    is_refused: bool,
}

impl Fate {
    /// Whether it is this one of the outcomes of table 1, `to` a session named "one" or to nobody by name.
    fn is(&self, letter: char, sessions: &[(&'static str, i8)]) -> bool {
        let all: Vec<_> =
            sessions.iter().filter(|(_, priority)| *priority >= 0).map(|(name, _)| *name).collect();
        let is_heard = !self.heard_by.is_empty();
        match letter {
            'S' => !is_heard && !self.is_kept && !self.is_refused,
            'E' => !is_heard && !self.is_kept && self.is_refused,
            'O' => !is_heard && self.is_kept && !self.is_refused,
            'D' => self.heard_by == ["one"] && !self.is_kept && !self.is_refused,
            'A' => self.heard_by == all && !self.is_kept && !self.is_refused,
            'M' => is_heard && self.heard_by.iter().all(|name| all.contains(name)) && !self.is_refused,
            _ => false,
        }
    }
}

const TYPES: [&str; 5] = ["normal", "chat", "groupchat", "headline", "error"];

#[tokio::test(flavor = "multi_thread")]
async fn messages_go_where_table_1_sends_them() {
    for (heading, rows) in table() {
        let server = House::with_accounts(&["alice", "bob"]).await;
        let port = server.xmpp_plain();
        let mut alice = RawXmpp::online("alice", "home", port).await;
        let mut sessions = Vec::new();
        for (name, priority) in sessions_of(heading) {
            let mut session = RawXmpp::login("bob", name, port).await;
            session.send(&format!("<presence><priority>{priority}</priority></presence>")).await;
            session.stanza(&format!("from='bob@localhost/{name}'")).await;
            sessions.push((*name, session));
        }
        let account = if heading == "ACCOUNT DOES NOT EXIST" { "nobody@localhost" } else { "bob@localhost" };
        let mut sent = BTreeMap::new();
        for (row, (to, outcomes)) in rows.iter().enumerate() {
            let resource = match *to {
                "bare" => "",
                "full match" => "/one",
                "full" | "full no match" | "full (no match)" => "/gone",
                other => panic!("no row of table 1: {other}"),
            };
            for (kind, outcome) in TYPES.into_iter().zip(outcomes) {
                let id = format!("m-{row}-{kind}");
                let error = if kind == "error" { "<error type='cancel'/>" } else { "" };
                alice
                    .send(&format!(
                        "<message to='{account}{resource}' type='{kind}' id='{id}'><body>{id}</body>{error}</message>"
                    ))
                    .await;
                sent.insert(id, (*to, *outcome));
            }
        }
        // What comes of this comes after all else.
        alice.ask(&format!("<message to='{account}' type='groupchat' id='last'/>"), "last").await;
        settle(&mut alice).await;
        let mut fates: BTreeMap<_, _> = sent.keys().map(|id| (id.clone(), Fate::default())).collect();
        for error in alice.take_kept("type='error'") {
            let (id, fate) = fates.iter_mut().find(|(id, _)| error.contains(&format!("id='{id}'"))).unwrap();
            assert!(error.contains("<service-unavailable "), "{id}: {error}");
            fate.is_refused = true;
        }
        for (name, session) in &mut sessions {
            settle(session).await;
            for message in session.take_kept("<message") {
                let found = fates.iter_mut().find(|(id, _)| message.contains(&format!(">{id}<")));
                assert!(
                    !message.contains(&format!("to='bob@localhost/{name}'")) || message.contains("-1-"),
                    "{message}"
                );
                found.unwrap().1.heard_by.push(name);
            }
        }
        drop(sessions);
        alice.send("<message to='bob@localhost' id='x'><body>the end</body></message>").await;
        settle(&mut alice).await;
        let mut later = RawXmpp::online("bob", "later", port).await;
        later.stanza("the end").await;
        for message in later.take_kept("<message") {
            let (_, fate) = fates.iter_mut().find(|(id, _)| message.contains(&format!(">{id}<"))).unwrap();
            fate.is_kept = true;
        }
        for (id, (to, outcome)) in sent {
            let fate = &fates[&id];
            let fits = outcome.chars().any(|letter| fate.is(letter, sessions_of(heading)));
            assert!(fits, "{heading}: {id} to {to} should be {outcome}: {fate:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn presence_goes_to_all_who_are_there_or_to_the_named_session_and_else_nowhere() {
    let server = House::with_accounts(&["alice", "bob"]).await;
    let port = server.xmpp_plain();
    let mut alice = RawXmpp::online("alice", "home", port).await;
    let mut one = RawXmpp::online("bob", "one", port).await;
    let mut low = RawXmpp::online("bob", "low", port).await;
    low.send("<presence><priority>-5</priority></presence>").await;
    let mut silent = RawXmpp::login("bob", "silent", port).await;
    for (to, receivers) in [
        ("bob@localhost", &["one", "low"][..]),
        ("bob@localhost/one", &["one"]),
        ("bob@localhost/low", &["low"]),
        ("bob@localhost/silent", &["silent"]),
        ("bob@localhost/gone", &[]),
        ("nobody@localhost", &[]),
        ("nobody@localhost/gone", &[]),
    ] {
        for attribute in ["", " type='unavailable'"] {
            alice.send(&format!("<presence to='{to}'{attribute}><status>psst</status></presence>")).await;
            settle(&mut alice).await;
            alice.has_not("type='error'").await;
            for (name, session) in [("one", &mut one), ("low", &mut low), ("silent", &mut silent)] {
                settle(session).await;
                let heard = session.take_kept("psst");
                let expected = format!(
                    "<presence from='alice@localhost/home' to='{to}'{attribute}><status>psst</status></presence>"
                );
                let expected = if receivers.contains(&name) { vec![expected] } else { Vec::new() };
                assert_eq!(heard, expected, "{to} {attribute} at {name}");
            }
        }
    }
    let error = alice.ask("<presence to='bob@localhost' id='bad' type='what'/>", "bad").await;
    assert!(error.contains("type='error'") && error.contains("<bad-request "), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_are_answered_for_the_account_and_pass_to_sessions_that_show_themselves() {
    let server = House::with_accounts(&["alice", "bob", "carol"]).await;
    let port = server.xmpp_plain();
    let mut alice = RawXmpp::online("alice", "home", port).await;
    let mut one = RawXmpp::online("bob", "one", port).await;
    let mut seen = RawXmpp::online("bob", "seen", port).await;
    seen.send("<presence to='alice@localhost/home'/>").await;
    alice.stanza("<presence from='bob@localhost/seen'").await;
    // To whom, and whether a question and an answer reach a session.
    for (to, question, answer) in [
        ("nobody@localhost", None, None),
        ("nobody@localhost/x", None, None),
        ("carol@localhost", None, None),
        ("carol@localhost/x", None, None),
        ("bob@localhost", None, None),
        ("bob@localhost/gone", None, None),
        ("bob@localhost/one", None, Some("one")),
        ("bob@localhost/seen", Some("seen"), Some("seen")),
    ] {
        for kind in ["get", "set", "result", "error"] {
            let is_question = kind == "get" || kind == "set";
            let receiver = if is_question { question } else { answer };
            let content = "<x xmlns='urn:unknown'/>";
            let error = if kind == "error" {
                "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
            } else {
                ""
            };
            alice.send(&format!("<iq to='{to}' type='{kind}' id='q'>{content}{error}</iq>")).await;
            if is_question && receiver.is_none() {
                let refusal = alice.stanza("id='q'").await;
                assert!(refusal.contains("<service-unavailable "), "{kind} to {to}: {refusal}");
            }
            settle(&mut alice).await;
            alice.has_not("id='q'").await;
            for (name, session) in [("one", &mut one), ("seen", &mut seen)] {
                settle(session).await;
                let heard = session.take_kept("urn:unknown");
                assert_eq!(
                    heard.len(),
                    usize::from(receiver == Some(name)),
                    "{kind} to {to} at {name}: {heard:?}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_answers_for_the_account_what_it_can() {
    let server = House::with_accounts(&["alice", "bob"]).await;
    let port = server.xmpp_plain();
    let mut alice = RawXmpp::online("alice", "home", port).await;
    let mut bob = RawXmpp::online("bob", "one", port).await;
    let vcard = "<iq to='bob@localhost' type='get' id='v'><vCard xmlns='vcard-temp'/></iq>";
    let answer = alice.ask(vcard, "v").await;
    assert!(answer.contains("from='bob@localhost'"), "{answer}");
    bob.has_not("vcard-temp").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_may_ask_how_somebody_is() {
    let server = House::with_accounts(&["alice", "bob"]).await;
    let port = server.xmpp_plain();
    let mut alice = RawXmpp::online("alice", "home", port).await;
    let mut bob = RawXmpp::online("bob", "one", port).await;
    bob.send("<presence id='p7'><show>dnd</show><status>busy!</status></presence>").await;
    bob.stanza("busy!").await;
    bob.send("<presence to='alice@localhost' type='subscribed'/>").await;
    settle(&mut bob).await;
    alice.send("<presence to='bob@localhost' type='subscribe'/>").await;
    let shown = alice.stanza("busy!").await;
    assert!(shown.contains("from='bob@localhost/one' to='alice@localhost' id='p7'"), "{shown}");

    alice.send("<presence to='bob@localhost' type='probe' id='q1'/>").await;
    assert_eq!(alice.stanza("busy!").await, shown, "what he said last, whole");
    alice.send("<presence to='bob@localhost/one' type='probe' id='q2'/>").await;
    assert_eq!(
        alice.stanza("bob@localhost/one").await,
        "<presence from='bob@localhost/one' to='alice@localhost'/>"
    );
    alice.send("<presence to='bob@localhost/gone' type='probe' id='q3'/>").await;
    let gone = "<presence from='bob@localhost/gone' to='alice@localhost' id='q3' type='unavailable'/>";
    assert_eq!(alice.stanza("q3").await, gone);
    bob.send("<presence type='unavailable'/>").await;
    alice.stanza("<presence from='bob@localhost/one' to='alice@localhost' type='unavailable'").await;
    alice.send("<presence to='bob@localhost' type='probe' id='q4'/>").await;
    let gone = alice.stanza("q4").await;
    assert!(
        gone.starts_with("<presence from='bob@localhost' to='alice@localhost' id='q4' type='unavailable'"),
        "{gone}"
    );

    // He is none of her contacts: that his account believes otherwise is mended.
    bob.send(
        "<presence to='alice@localhost' type='probe' id='q5'/><presence to='nobody@localhost' type='probe'/>",
    )
    .await;
    settle(&mut bob).await;
    bob.has_not("from='alice@localhost").await;
    bob.has_not("type='error'").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_session_of_one_name_ends_the_first_and_contacts_see_one() {
    let server = House::with_accounts(&["alice", "bob"]).await;
    let port = server.xmpp_plain();
    let mut alice = RawXmpp::online("alice", "home", port).await;
    let mut first = RawXmpp::online("bob", "one", port).await;
    first.send("<presence to='alice@localhost'/>").await;
    alice.stanza("<presence from='bob@localhost/one'").await;
    let mut second = RawXmpp::online("bob", "one", port).await;
    let said = first.end().await;
    assert!(said.iter().any(|stanza| stanza.contains("<conflict ")), "{said:?}");
    alice.stanza("<presence from='bob@localhost/one' to='alice@localhost' type='unavailable'").await;
    alice.send("<message to='bob@localhost/one'><body>you</body></message>").await;
    second.stanza(">you<").await;
}
