//! The subscription tables of RFC 6121 appendix A between two accounts of the server: whatever one of them says in
//! whatever state, as it shows on the wire and in both rosters.

use rollcall::account::{Reply, Request};

use crate::support::{House, RawXmpp, address};

/// What an account knows of the other: `to`, `from`, `ask`, and that his question waits.
type State = (bool, bool, bool, bool);

/// One row of a table.
struct Line {
    table: &'static str,
    state: State,
    passes: bool,
    outcome: &'static str,
}

impl Line {
    fn next(&self) -> State {
        state_of(self.outcome).unwrap_or(self.state)
    }
}

fn state_of(name: &str) -> Option<State> {
    let (main, pending) = name.split_once(" + ").unwrap_or((name, ""));
    let (to, from) = match main {
        "None" => (false, false),
        "To" => (true, false),
        "From" => (false, true),
        "Both" => (true, true),
        _ => return None,
    };
    Some((to, from, pending.contains("Out"), pending.contains("In")))
}

fn lines() -> Vec<Line> {
    let mut table = "";
    let mut lines = Vec::new();
    for line in include_str!("../../data/rfc6121_subscriptions.txt").lines().skip(1) {
        let cells: Vec<_> = line.split('|').map(|cell| cell.trim().trim_matches('"')).collect();
        match cells[..] {
            [_, state, passes, outcome, _] => {
                let state = state_of(state).unwrap();
                lines.push(Line { table, state, passes: passes == "MUST", outcome });
            }
            _ => table = line,
        }
    }
    lines
}

/// How the same looks from the other side.
fn mirrored((to, from, ask, asked): State) -> State {
    (from, to, asked, ask)
}

struct Pair {
    server: House,
    alice: RawXmpp,
    bob: RawXmpp,
}

impl Pair {
    async fn new() -> Self {
        let server = House::with_accounts(&["alice", "bob"]).await;
        let port = server.xmpp_plain();
        let alice = RawXmpp::online("alice", "one", port).await;
        let bob = RawXmpp::online("bob", "two", port).await;
        Self { server, alice, bob }
    }

    /// Everything that both said so far is handled on both sides.
    async fn settle(&mut self) {
        for _ in 0..2 {
            roster(&mut self.alice).await;
            roster(&mut self.bob).await;
        }
    }

    /// Brings the two into a state as Alice sees it, from whatever there was before.
    async fn bring(&mut self, (to, from, ask, asked): State) {
        for (client, other) in [(&mut self.alice, "bob"), (&mut self.bob, "alice")] {
            let no = format!("<presence to='{other}@localhost' type='unsubscribed'/>");
            let item = format!("<item jid='{other}@localhost' subscription='remove'/>");
            let set = format!("<iq type='set' id='rm'><query xmlns='jabber:iq:roster'>{item}</query></iq>");
            client.send(&no).await;
            client.ask(&set, "rm").await;
        }
        self.settle().await;
        let say = |to: &str, kind: &str| format!("<presence to='{to}@localhost' type='{kind}'/>");
        if to || ask {
            self.alice.send(&say("bob", "subscribe")).await;
            self.settle().await;
        }
        if from || asked {
            self.bob.send(&say("alice", "subscribe")).await;
            self.settle().await;
        }
        if to {
            self.bob.send(&say("alice", "subscribed")).await;
        }
        if from {
            self.alice.send(&say("bob", "subscribed")).await;
        }
        self.settle().await;
        self.alice.take_kept("");
        self.bob.take_kept("");
    }

    /// The states of both, as their rosters and the server's list of open questions have them.
    async fn states(&mut self) -> (State, State) {
        let mut states = Vec::new();
        for (client, own, other) in [(&mut self.alice, "alice", "bob"), (&mut self.bob, "bob", "alice")] {
            let (to, from, ask) = flags(&roster(client).await, other);
            let accounts = self.server.server().accounts();
            let requests = accounts.ask(&address(own), Request::ContactRequests).await.unwrap();
            let Reply::ContactRequests(requests) = requests else { panic!("{requests:?}") };
            states.push((to, from, ask, requests.iter().any(|request| request.from == address(other))));
        }
        (states[0], states[1])
    }
}

async fn roster(client: &mut RawXmpp) -> String {
    client.ask("<iq type='get' id='all'><query xmlns='jabber:iq:roster'/></iq>", "all").await
}

fn flags(roster: &str, other: &str) -> (bool, bool, bool) {
    let Some((_, item)) = roster.split_once(&format!("<item jid='{other}@localhost'")) else {
        return (false, false, false);
    };
    let item = item.split('>').next().unwrap();
    let has = |text: &str| item.contains(text);
    let both = has("subscription='both'");
    (both || has("subscription='to'"), both || has("subscription='from'"), has("ask='subscribe'"))
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_said_in_whatever_state_follows_the_tables() {
    let lines = lines();
    let row = |table: &str, state: State| {
        lines.iter().find(|line| line.table == table && line.state == state).expect("a row")
    };
    let mut pair = Pair::new().await;
    for kind in ["subscribe", "unsubscribe", "subscribed", "unsubscribed"] {
        for line in lines.iter().filter(|line| line.table == format!("outbound {kind}")) {
            let what = format!("{kind} in {:?}", line.state);
            pair.bring(line.state).await;
            assert_eq!(pair.states().await, (line.state, mirrored(line.state)), "before {what}");
            pair.alice
                .send(&format!(
                    "<presence to='bob@localhost/x' type='{kind}' id='s1'><x xmlns='urn:x'/></presence>"
                ))
                .await;
            pair.settle().await;

            let other = row(&format!("inbound {kind}"), mirrored(line.state));
            let theirs = if line.passes { other.next() } else { other.state };
            assert_eq!(pair.states().await, (line.next(), theirs), "after {what}");
            let heard = pair.bob.take_kept("");
            let stanza =
                format!("<presence from='alice@localhost' to='bob@localhost' id='s1' type='{kind}'><x ");
            let said = heard.iter().position(|heard| heard.starts_with(&stanza));
            assert_eq!(said.is_some(), line.passes && other.passes, "{what}: {heard:#?}");
            let pushed = heard.iter().position(|heard| heard.contains("jabber:iq:roster"));
            let changes = (theirs.0, theirs.1, theirs.2) != (other.state.0, other.state.1, other.state.2);
            assert_eq!(pushed.is_some(), changes, "{what}: {heard:#?}");
            assert!(!changes || said < pushed, "{what}: what was said comes first: {heard:#?}");
            let presence =
                |kind: &str| format!("<presence from='alice@localhost/one' to='bob@localhost'{kind}");
            let saw = heard.iter().position(|heard| heard.starts_with(&presence(" type='unavailable'")));
            let sees = heard.iter().position(|heard| heard == &presence("/>"));
            assert_eq!(saw.is_some(), line.state.1 && !line.next().1, "{what}: {heard:#?}");
            assert_eq!(sees.is_some(), !line.state.1 && line.next().1, "{what}: {heard:#?}");
            assert!(saw.is_none() || saw < said, "{what}: she leaves before she says so: {heard:#?}");
            assert!(sees.is_none() || sees > pushed, "{what}: she comes after it: {heard:#?}");

            let pushes = pair.alice.take_kept("jabber:iq:roster");
            let (now, was) = (line.next(), line.state);
            let changes = (now.0, now.1, now.2) != (was.0, was.1, was.2) || line.outcome == "pre-approval";
            assert_eq!(pushes.len(), usize::from(changes), "{what}: {pushes:#?}");
            if line.outcome == "pre-approval" {
                assert!(pushes[0].contains("approved='true'"), "{what}: {pushes:#?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_yes_in_advance_is_taken_back_by_a_no_that_nobody_hears() {
    let mut pair = Pair::new().await;
    pair.alice.send("<presence to='bob@localhost' type='subscribed'/>").await;
    pair.alice.stanza("approved='true'").await;
    pair.alice.send("<presence to='bob@localhost' type='unsubscribed'/>").await;
    let push = pair.alice.stanza("jabber:iq:roster").await;
    assert!(push.contains("subscription='none'/>"), "{push}");
    pair.bob.send("<presence to='alice@localhost' type='subscribe'/>").await;
    pair.alice.stanza("type='subscribe'").await;
    pair.settle().await;
    pair.bob.has_not("subscribed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_kept_whole_and_shown_at_every_login_until_it_is_answered() {
    let server = House::with_accounts(&["alice", "bob"]).await;
    let port = server.xmpp_plain();
    let mut alice = RawXmpp::online("alice", "one", port).await;
    for id in ["first", "second"] {
        alice
            .send(&format!("<presence to='bob@localhost' type='subscribe' id='{id}'><status>hi</status><n xmlns='urn:n'/></presence>"))
            .await;
    }
    roster(&mut alice).await;
    for _ in 0..2 {
        let mut bob = RawXmpp::online("bob", "two", port).await;
        let question = bob.stanza("type='subscribe'").await;
        assert!(
            question.contains("id='") && question.contains("<status>hi</status><n xmlns='urn:n'/>"),
            "{question}"
        );
        roster(&mut bob).await;
        bob.has_not("type='subscribe'").await;
    }
    let mut bob = RawXmpp::online("bob", "two", port).await;
    bob.send("<presence to='alice@localhost' type='unsubscribed'/>").await;
    roster(&mut bob).await;
    drop(bob);
    let mut bob = RawXmpp::online("bob", "two", port).await;
    roster(&mut bob).await;
    bob.has_not("type='subscribe'").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_asked_for_the_roster_is_told_of_its_changes() {
    let server = House::with_accounts(&["alice", "bob"]).await;
    let port = server.xmpp_plain();
    let mut alice = RawXmpp::online("alice", "one", port).await;
    let mut quiet = RawXmpp::login("alice", "quiet", port).await;
    quiet.send("<presence/>").await;
    quiet.stanza("from='alice@localhost/quiet'").await;
    let set =
        "<iq type='set' id='set'><query xmlns='jabber:iq:roster'><item jid='bob@localhost'/></query></iq>";
    quiet.ask(set, "set").await;
    alice.stanza("bob@localhost").await;
    quiet.has_not("jabber:iq:roster").await;
    let error =
        alice.ask(&set.replace("type='set' id='set'", "type='set' id='f' to='bob@localhost'"), "f").await;
    assert!(error.contains("<error type='auth'><forbidden "), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_copy_is_brought_up_to_date_change_by_change_over_a_restart() {
    let mut server = House::with_accounts(&["alice"]).await;
    let mut alice = RawXmpp::online("alice", "one", server.xmpp_plain()).await;
    let mut versions = Vec::new();
    for item in [
        "<item jid='a@localhost'/>",
        "<item jid='b@localhost' name='B'/>",
        "<item jid='a@localhost' subscription='remove'/>",
        "<item jid='c@localhost'/>",
        "<item jid='b@localhost' name='B2'/>",
    ] {
        let set = format!("<iq type='set' id='set'><query xmlns='jabber:iq:roster'>{item}</query></iq>");
        alice.ask(&set, "set").await;
        let push = alice.stanza("jabber:iq:roster").await;
        versions.push(push.split("ver='").nth(1).unwrap().split('\'').next().unwrap().to_owned());
    }
    drop(alice);
    server.restart().await;
    let mut alice = RawXmpp::login("alice", "two", server.xmpp_plain()).await;
    let get = |version: &str| {
        format!("<iq type='get' id='get'><query xmlns='jabber:iq:roster' ver='{version}'/></iq>")
    };
    let answer = alice.ask(&get(&versions[0]), "get").await;
    assert_eq!(answer, "<iq to='alice@localhost/two' id='get' type='result'/>");
    for (item, version) in
        [("jid='a@localhost' subscription='remove'", 2), ("jid='c@localhost'", 3), ("name='B2'", 4)]
    {
        let push = alice.stanza("jabber:iq:roster").await;
        assert!(
            push.contains(item) && push.contains(&format!("ver='{}'", versions[version])),
            "{item}: {push}"
        );
    }
    let answer = alice.ask(&get(&versions[4]), "get").await;
    assert_eq!(answer, "<iq to='alice@localhost/two' id='get' type='result'/>");
    alice.has_not("jabber:iq:roster").await;
    for unknown in ["", "999", "x"] {
        let answer = alice.ask(&get(unknown), "get").await;
        assert!(answer.contains("name='B2'") && answer.contains("c@localhost"), "{unknown}: {answer}");
    }
}
