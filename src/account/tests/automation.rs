//! Automated rules: what each action does to each kind of signal, in every stage.

use super::*;
use crate::{
    account::{
        Trial, TriedVerdict,
        automation::{RuleList, Scopes},
    },
    signal::{
        Action, Automation, CallId, CallOffer, ContactSignal, OwnState, Passed, RuleScope, Signal,
        SignalKind, Stage,
    },
    storage::RefusalReason,
};

fn rules(text: &str) -> Automation {
    serde_json::from_str(&format!(r#"{{"rules":{text}}}"#)).expect("rules")
}

impl World {
    fn automate(&mut self, name: &str, text: &str) {
        let request = Request::SetAutomation(Some(Box::new(rules(text))));
        assert_eq!(self.ask(name, None, request), Ok(Reply::Done));
        self.forget();
    }

    /// One rule that does `then`.
    fn automate_one(&mut self, name: &str, rest: &str, then: &str) {
        self.automate(name, &format!(r#"[{{"id":"r"{rest},"then":[{then}]}}]"#));
    }

    /// What became of a message: its outcome, and what bob's sessions heard.
    fn fate(&mut self, from: &str, to: &str, text: &str) -> String {
        match self.send(from, to, text) {
            Ok(Reply::Sent(sent)) => format!("{sent:?}"),
            Err(reject) => reject.to_string(),
            other => panic!("unexpected {other:?}"),
        }
    }

    fn call(&mut self, from: &str, to: &str, stage: Stage, via: &[&str]) -> Result<Reply, Reject> {
        let via = via.iter().map(|name| address(name)).collect();
        let offer = CallOffer { stage, via, ..CallOffer::new(CallId("c".into()), party(from), party(to)) };
        self.answers.clear();
        let reply = Some(ReplyTo::Waiter(RequestId(self.number())));
        self.input(to, Input::Signal { signal: Signal::Call(Arc::new(offer)), reply: reply.clone() });
        let answer = self.answers.iter().find(|answer| Some(&answer.to) == reply.as_ref());
        answer.expect("every call is answered").outcome.clone()
    }

    /// The same in words.
    fn call_words(&mut self, from: &str, to: &str, stage: Stage) -> String {
        match self.call(from, to, stage, &[]) {
            Ok(Reply::Ring(ring)) => {
                let also: Vec<_> = ring.also.iter().filter_map(Address::local).collect();
                let to = ring.offer.to.address.local().unwrap_or_default().to_owned();
                format!(
                    "{to} rings {} also {also:?} later {:?} busy {} no answer {:?}",
                    ring.sessions.len(),
                    ring.delays,
                    ring.on_busy,
                    ring.no_answer
                )
            }
            Err(reject) => reject.to_string(),
            other => panic!("unexpected {other:?}"),
        }
    }

    fn refused_by_rule(&self) -> usize {
        let by_rule = |write: &Write| matches!(write, Write::Refused(refusal) if matches!(refusal.reason, RefusalReason::Rule { .. }));
        self.stored.iter().filter(|(_, write)| by_rule(write)).count()
    }

    /// The automatic answers that went out.
    fn replies(&self) -> Vec<String> {
        let reply = |write: &Write| match write {
            Write::Replied { sent, .. } => Some(sent.to.local()?.to_owned()),
            _ => None,
        };
        self.stored.iter().filter_map(|(_, write)| reply(write)).collect()
    }

    fn tick(&mut self, name: &str, seconds: i64) {
        self.now = self.now.plus_seconds(seconds);
        self.input(name, Input::Tick);
    }
}

#[test]
fn each_action_decides_about_a_message() {
    // What the rule does; the outcome; what bob's client, his phone and carol hear.
    for (then, outcome, client, phone, carol) in [
        (r#""accept""#, "Delivered", "Original: hi", "Original: hi", ""),
        (r#"{"reject":{"reason":"busy","text":"not now"}}"#, "Busy: not now", "", "", ""),
        (r#"{"reject":{}}"#, "Forbidden", "", "", ""),
        (r#"{"reject":{"reason":"unavailable"}}"#, "NoSession", "", "", ""),
        (r#"{"reject":{"reason":"declined"}}"#, "Declined", "", "", ""),
        (r#"{"reject":{"reason":"not-found"}}"#, "NotFound", "", "", ""),
        (r#"{"reject":{"reason":"gone"}}"#, "Gone", "", "", ""),
        (r#""discard""#, "Accepted", "", "", ""),
        (r#"{"redirect":"carol@example.org"}"#, "Delivered", "", "", "Original: hi"),
        (r#"{"redirect":"bob@example.org"}"#, "Delivered", "Original: hi", "Original: hi", ""),
        (r#"{"redirect":"alice@example.org"}"#, "Delivered", "Original: hi", "Original: hi", ""),
        (r#"{"redirect":"nobody@example.org"}"#, "NotFound", "", "", ""),
        (r#"{"fork":"carol@example.org"}"#, "Delivered", "Original: hi", "Original: hi", "Original: hi"),
        (r#""store""#, "Stored", "", "", ""),
        (r#""quiet""#, "Delivered", "Original: hi", "", ""),
    ] {
        let mut world = World::of(&["alice", "bob", "carol"]);
        let at_bob = world.client("bob", "desk");
        let phone_of_bob = world.open("bob", SessionKind::Device, "phone");
        let at_carol = world.client("carol", "desk");
        world.automate_one("bob", "", then);
        assert_eq!(world.fate("alice", "bob", "hi"), outcome, "{then}");
        let heard = [client, phone, carol]
            .map(|words| if words.is_empty() { vec![] } else { vec![words.to_owned()] });
        assert_eq!([at_bob, phone_of_bob, at_carol].map(|session| world.heard(session)), heard, "{then}");
        let is_refusal = then.contains("reject") || then.contains("discard");
        assert_eq!(world.refused_by_rule(), usize::from(is_refusal), "{then}");
    }
}

#[test]
fn a_redirected_message_keeps_its_sender_and_meets_the_policy_of_its_new_receiver() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    world.automate_one("bob", "", r#"{"redirect":"carol@example.org"}"#);
    assert_eq!(world.fate("alice", "bob", "hi"), "Stored");
    assert_eq!((world.archived("bob"), world.archived("carol")), (0, 1));
    let stored = world.stored.iter().find_map(|(owner, write)| match write {
        Write::OfflineAppend(message) => Some((owner.clone(), message.from.clone(), message.to.clone())),
        _ => None,
    });
    assert_eq!(stored, Some((address("carol"), party("alice"), party("carol"))));
    world.prefer("carol", |preferences| {
        preferences.accepted_senders = crate::storage::AcceptedSenders::Nobody;
    });
    assert!(world.fate("alice", "bob", "hi").starts_with("Forbidden"));
}

#[test]
fn messages_never_go_round() {
    let mut world = World::of(&["alice", "bob", "carol", "dave"]);
    world.automate_one("bob", "", r#"{"redirect":"carol@example.org"}"#);
    world.automate_one("carol", "", r#"{"redirect":"dave@example.org"}"#);
    world.automate_one("dave", "", r#"{"redirect":"bob@example.org"}"#);
    assert_eq!(world.fate("alice", "bob", "hi"), "Stored");
    assert_eq!((world.archived("bob"), world.archived("carol"), world.archived("dave")), (0, 0, 1));
    // Forks do not multiply either: each account gets it once by each way.
    world.automate_one("bob", "", r#"{"fork":"carol@example.org"},{"fork":"dave@example.org"}"#);
    world.automate_one("carol", "", r#"{"fork":"bob@example.org"},{"fork":"dave@example.org"}"#);
    world.automate_one("dave", "", r#"{"fork":"bob@example.org"},{"fork":"carol@example.org"}"#);
    assert_eq!(world.fate("alice", "bob", "hi"), "Stored");
    assert!(world.archived("dave") <= 2 && world.archived("carol") <= 2 && world.archived("bob") == 1);
    let names = ["a", "b", "c", "d", "e", "f", "g"];
    let mut world = World::of(&names);
    for pair in names.windows(2).skip(1) {
        world.automate_one(pair[0], "", &format!(r#"{{"redirect":"{}@example.org"}}"#, pair[1]));
    }
    assert_eq!(world.fate("a", "b", "hi"), "Stored");
    assert_eq!(world.archived("g"), 1, "five hops are fine");
}

#[test]
fn the_same_sender_is_answered_once_in_a_period() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let alice = world.client("alice", "desk");
    let page = world.open("bob", SessionKind::Page, "page");
    world.automate_one("bob", "", r#"{"reply":{"text":"on holiday","everySeconds":3600}}"#);
    assert_eq!(world.fate("alice", "bob", "one"), "Delivered");
    assert_eq!(world.heard(alice), ["Sent: one", "Original: on holiday"]);
    assert_eq!(world.heard(page), ["Sent: on holiday", "Original: one"]);
    assert_eq!((world.archived("bob"), world.archived("alice")), (2, 2));
    world.forget();
    world.fate("alice", "bob", "two");
    world.fate("carol", "bob", "three");
    assert_eq!(world.replies(), ["carol"]);
    world.forget();
    world.now = world.now.plus_seconds(3600);
    world.fate("alice", "bob", "four");
    assert_eq!(world.replies(), ["alice"]);
}

#[test]
fn who_was_answered_is_known_after_the_account_was_forgotten() {
    let mut world = World::of(&["alice", "bob"]);
    world.automate_one("bob", "", r#"{"reply":{"text":"later"}}"#);
    world.fate("alice", "bob", "one");
    let sent = world.stored.iter().find_map(|(_, write)| match write {
        Write::Replied { sent, .. } => Some(sent.clone()),
        _ => None,
    });
    let automation = Some(rules(r#"[{"id":"r","then":[{"reply":{"text":"later"}}]}]"#));
    let record = AccountRecord { automation, replies: vec![sent.unwrap()], ..record(&address("bob")) };
    let shared = Arc::clone(&world.account("bob").shared);
    let now = world.now;
    *world.account("bob") = Account::new(record, shared, now);
    world.forget();
    world.fate("alice", "bob", "two");
    assert_eq!(world.replies(), Vec::<String>::new());
}

#[test]
fn answers_are_not_answered_nor_are_errors_alerts_and_notes() {
    let mut world = World::of(&["alice", "bob"]);
    for name in ["alice", "bob"] {
        world.automate_one(name, "", r#"{"reply":{"text":"I am a machine","everySeconds":60}}"#);
    }
    world.fate("alice", "bob", "hi");
    assert_eq!(world.replies(), ["alice"], "alice's machine does not answer bob's");
    for (kind, text) in [
        (MessageKind::Error, "x"),
        (MessageKind::Headline, "x"),
        (MessageKind::Group, "x"),
        (MessageKind::Chat, ""),
    ] {
        world.forget();
        world.now = world.now.plus_seconds(100);
        let _ = world.send_as(kind, Keep::PASSING, "alice", "bob", text);
        assert_eq!(world.replies(), Vec::<String>::new(), "{kind:?}");
    }
    world.forget();
    let message = world.message(MessageKind::Chat, Keep::ALL, "alice", "bob", "written by nobody");
    let passed = Passed { message, via: Vec::new(), is_automatic: true };
    world.input("bob", Input::Signal { signal: Signal::Passed(Arc::new(passed)), reply: None });
    assert_eq!(world.replies(), Vec::<String>::new());
}

#[test]
fn rules_of_the_offline_stage_are_asked_when_nobody_is_there() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    world.automate_one("bob", r#","stage":"offline""#, r#"{"reply":{"text":"gone"}}"#);
    let desk = world.client("bob", "desk");
    assert_eq!(world.fate("alice", "bob", "hi"), "Delivered");
    assert_eq!(world.replies(), Vec::<String>::new());
    world.close("bob", desk);
    assert_eq!(world.fate("alice", "bob", "hi"), "Stored");
    assert_eq!(world.replies(), ["alice"]);
    for (then, outcome) in [
        (r#"{"redirect":"carol@example.org"}"#, "Stored"),
        (r#"{"reject":{"reason":"gone"}}"#, "Gone"),
        (r#""discard""#, "Accepted"),
        (r#""accept""#, "Stored"),
    ] {
        world.automate_one("bob", r#","stage":"offline""#, then);
        assert_eq!(world.fate("alice", "bob", "hi"), outcome, "{then}");
        assert_eq!(world.archived("bob"), usize::from(then.contains("accept")), "{then}");
    }
    // A session was there and did not take it.
    let mut world = World::of(&["alice", "bob", "carol"]);
    world.automate_one("bob", r#","stage":"offline""#, r#"{"redirect":"carol@example.org"}"#);
    let desk = world.client("bob", "desk");
    world.deaf.push(desk);
    assert_eq!(world.fate("alice", "bob", "hi"), "Stored");
    assert_eq!((world.archived("bob"), world.archived("carol")), (1, 0), "its way is not known any more");
}

#[test]
fn rules_of_a_delay_are_asked_unless_the_owner_has_answered() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    let desk = world.client("bob", "desk");
    let then = r#"{"fork":"carol@example.org"},{"reply":{"text":"he is busy","everySeconds":60}}"#;
    world.automate_one("bob", r#","stage":{"after":30}"#, then);
    world.fate("alice", "bob", "hi");
    assert!(world.wakes.iter().any(|(who, at)| *who == address("bob") && at.0 <= world.now.0 + 30_000));
    world.tick("bob", 29);
    assert_eq!((world.archived("carol"), world.replies().len()), (0, 0));
    assert!(!world.account("bob").is_idle());
    world.tick("bob", 2);
    assert_eq!((world.archived("carol"), world.replies()), (1, vec!["alice".to_owned()]));
    world.close("bob", desk);
    assert!(world.account("bob").is_idle());
    world.forget();
    world.now = world.now.plus_seconds(100);
    world.fate("alice", "bob", "hi again");
    world.fate("bob", "alice", "yes?");
    world.tick("bob", 31);
    assert_eq!((world.archived("carol"), world.replies().len()), (0, 0), "he answered himself");
}

#[test]
fn what_waits_for_its_time_is_bounded() {
    let mut world = World::of(&["alice", "bob"]);
    world.automate_one("bob", r#","stage":{"after":30}"#, r#"{"webhook":{"url":"https://x/"}}"#);
    for _ in 0..300 {
        world.fate("alice", "bob", "hi");
    }
    world.tick("bob", 31);
    assert_eq!(world.hooks.len(), 200);
}

#[test]
fn programs_are_told_what_the_rule_lets_them_know() {
    let mut world = World::of(&["alice", "bob"]);
    world.automate_one("bob", "", r#"{"webhook":{"url":"https://x/","secret":"s","text":true}}"#);
    world.fate("alice", "bob", "hi");
    world.call_words("alice", "bob", Stage::AtOnce);
    let hooks = std::mem::take(&mut world.hooks);
    let brief: Vec<_> = hooks.iter().map(|call| (call.kind, call.text.as_deref())).collect();
    assert_eq!(brief, [(SignalKind::Message, Some("hi")), (SignalKind::Call, None)]);
    let call = &hooks[0];
    assert_eq!((&call.account, &call.from), (&address("bob"), &address("alice")));
    assert_eq!((call.scope, call.rule.as_str()), (RuleScope::Account, "r"));
    world.automate_one("bob", "", r#"{"webhook":{"url":"https://x/"}}"#);
    world.fate("alice", "bob", "hi");
    assert_eq!(world.hooks[0].text, None);
}

#[test]
fn labels_are_stored_and_pages_are_told() {
    let mut world = World::of(&["alice", "bob"]);
    let page = world.open("bob", SessionKind::Page, "page");
    let desk = world.client("bob", "desk");
    world.automate_one("bob", "", r#"{"mark":"work"},{"mark":"a"},{"mark":"work"},"quiet""#);
    world.fate("alice", "bob", "hi");
    assert_eq!(world.heard(page), [r#"marked ["a", "work"] true"#, "Original: hi"]);
    assert_eq!(world.heard(desk), ["Original: hi"]);
    let marks = world.stored.iter().find_map(|(_, write)| match write {
        Write::Marked { marks, .. } => Some(marks.join(" ")),
        _ => None,
    });
    assert_eq!(marks.as_deref(), Some("a work"));
}

#[test]
fn passing_notes_are_kept_away_with_the_messages_and_cause_nothing() {
    let mut world = World::of(&["alice", "bob"]);
    let desk = world.client("bob", "desk");
    world.automate_one("bob", "", r#"{"webhook":{"url":"https://x/"}},"discard""#);
    world.send_as(MessageKind::Chat, Keep::PASSING, "alice", "bob", "").unwrap();
    assert_eq!(world.heard(desk), Vec::<String>::new());
    assert!(world.hooks.is_empty() && world.refused_by_rule() == 0);
}

#[test]
fn the_owner_herself_meets_no_rule() {
    let mut world = World::of(&["bob"]);
    world.automate_one("bob", "", r#""discard""#);
    assert_eq!(world.fate("bob", "bob", "note"), "Stored");
}

#[test]
fn calls_ring_where_rules_say() {
    let ordinary = "bob rings 1 also [] later [] busy false no answer None";
    for (rest, then, expect) in [
        ("", r#""accept""#, ordinary),
        ("", r#"{"reject":{"reason":"busy"}}"#, "Busy"),
        ("", r#"{"reject":{"reason":"declined","text":"no"}}"#, "Declined: no"),
        ("", r#""discard""#, "NoSession"),
        (
            "",
            r#"{"redirect":"carol@example.org"}"#,
            "carol rings 1 also [] later [] busy false no answer None",
        ),
        ("", r#"{"redirect":"nobody@example.org"}"#, "NotFound"),
        ("", r#"{"redirect":"alice@example.org"}"#, ordinary),
        (
            "",
            r#"{"fork":"carol@example.org"}"#,
            r#"bob rings 1 also ["carol"] later [] busy false no answer None"#,
        ),
        ("", r#""store""#, ordinary),
        (r#","when":[{"kind":["message"]}]"#, r#""discard""#, ordinary),
        (
            r#","stage":{"after":20}"#,
            r#""accept""#,
            "bob rings 1 also [] later [20] busy false no answer None",
        ),
        (r#","stage":"busy""#, r#""accept""#, "bob rings 1 also [] later [] busy true no answer None"),
        (
            r#","stage":"no-answer""#,
            r#""accept""#,
            "bob rings 1 also [] later [] busy false no answer Some(25)",
        ),
        (r#","stage":"offline""#, r#""discard""#, ordinary),
    ] {
        let mut world = World::of(&["alice", "bob", "carol"]);
        world.open("bob", SessionKind::Device, "phone");
        world.open("carol", SessionKind::Device, "phone");
        world.automate_one("bob", rest, then);
        assert_eq!(world.call_words("alice", "bob", Stage::AtOnce), expect, "{rest} {then}");
    }
}

#[test]
fn later_stages_of_a_call_are_asked_by_themselves() {
    let nothing = "bob rings 0 also [] later [] busy false no answer None";
    for (rule, asked, then, expect) in [
        (r#""busy""#, Stage::Busy, r#"{"redirect":"carol@example.org"}"#, "carol rings 1"),
        (r#""no-answer""#, Stage::NoAnswer, r#"{"redirect":"carol@example.org"}"#, "carol rings 1"),
        (
            r#"{"after":20}"#,
            Stage::After(20),
            r#"{"fork":"carol@example.org"}"#,
            r#"bob rings 0 also ["carol"]"#,
        ),
        (r#"{"after":20}"#, Stage::After(20), r#"{"reject":{"reason":"busy"}}"#, "Busy"),
        (r#""no-answer""#, Stage::NoAnswer, r#"{"reply":{"text":"call later"}}"#, nothing),
        (r#"{"after":20}"#, Stage::After(30), r#""discard""#, nothing),
        (r#""busy""#, Stage::NoAnswer, r#""discard""#, nothing),
    ] {
        let mut world = World::of(&["alice", "bob", "carol"]);
        world.open("bob", SessionKind::Device, "phone");
        world.open("carol", SessionKind::Device, "phone");
        world.automate_one("bob", &format!(r#","stage":{rule}"#), then);
        let words = world.call_words("alice", "bob", asked);
        assert!(words.starts_with(expect), "{rule} {then}: {words}");
        assert_eq!(world.replies().len(), usize::from(then.contains("reply")), "{then}");
    }
}

#[test]
fn a_call_to_somebody_who_is_away_goes_where_the_offline_stage_says() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    world.open("carol", SessionKind::Device, "phone");
    assert_eq!(world.call_words("alice", "bob", Stage::AtOnce), "NoSession");
    for (then, expect) in [
        (r#"{"redirect":"carol@example.org"}"#, "carol rings 1"),
        (r#"{"fork":"carol@example.org"}"#, r#"bob rings 0 also ["carol"]"#),
        (r#"{"reject":{"reason":"gone"}}"#, "Gone"),
        (r#"{"reply":{"text":"not here"}}"#, "NoSession"),
    ] {
        world.automate_one("bob", r#","stage":"offline""#, then);
        let words = world.call_words("alice", "bob", Stage::AtOnce);
        assert!(words.starts_with(expect), "{then}: {words}");
    }
}

#[test]
fn calls_never_go_round() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    world.open("bob", SessionKind::Device, "phone");
    world.automate_one("bob", "", r#"{"redirect":"carol@example.org"}"#);
    let passed = |world: &mut World, via: &[&str]| match world.call("alice", "bob", Stage::AtOnce, via) {
        Ok(Reply::Ring(ring)) => ring.offer.to.address.clone(),
        Err(_) => address("carol"),
        other => panic!("unexpected {other:?}"),
    };
    assert_eq!(passed(&mut world, &[]), address("carol"));
    assert_eq!(passed(&mut world, &["carol"]), address("bob"));
    assert_eq!(passed(&mut world, &["a", "b", "c", "d", "e"]), address("bob"));
}

fn ask_to_see(world: &mut World, from: &str, to: &str) {
    let signal = ContactSignal::plain(address(from), address(to), ContactEvent::Subscribe);
    world.input(to, Input::Signal { signal: Signal::Contact(Arc::new(signal)), reply: None });
}

#[test]
fn contact_requests_are_answered_by_rules_on_every_way() {
    // What the rule does; what a watcher is told; whether the owner is asked; whether he is granted it.
    for (then, watcher, is_asked, is_granted) in [
        (r#""quiet""#, WatchState::Pending, true, false),
        (r#""accept""#, WatchState::Active, false, true),
        (r#"{"reject":{}}"#, WatchState::Rejected, false, false),
        (r#""discard""#, WatchState::Pending, false, false),
    ] {
        let mut world = World::of(&["alice", "bob"]);
        let desk = world.client("bob", "desk");
        world.automate_one("bob", r#","when":[{"kind":["contact"]}]"#, then);
        ask_to_see(&mut world, "alice", "bob");
        let asked = world.heard(desk).iter().any(|words| words == "alice@example.org says Subscribe");
        let granted = world.account("bob").roster.find(&address("alice")).is_some_and(|contact| contact.from);
        assert_eq!((asked, granted), (is_asked, is_granted), "{then}");
        assert_eq!(world.account("bob").requests.len(), usize::from(is_asked), "{then}");

        let mut world = World::of(&["bob"]);
        let desk = world.client("bob", "desk");
        world.automate_one("bob", r#","when":[{"kind":["contact"]}]"#, then);
        let watch = world.watch("alice", "bob");
        assert_eq!(world.last_shown(watch).0, watcher, "{then}");
        let asked = world.heard(desk).iter().any(|words| words == "alice@example.org says Subscribe");
        assert_eq!(asked, is_asked, "{then}");
    }
}

#[test]
fn rules_of_domain_and_server_are_asked_at_once() {
    let mut world = World::of(&["alice", "bob", "carol@example.net"]);
    let shared = Arc::clone(&world.account("bob").shared);
    let list = |then: &str| RuleList::new(rules(&format!(r#"[{{"id":"r","then":[{then}]}}]"#)));
    let mut scopes = Scopes::default();
    scopes.domains.insert("example.org".into(), list(r#"{"reject":{"reason":"gone"}}"#));
    shared.automation.store(scopes.clone().into());
    assert_eq!(world.fate("alice", "bob", "hi"), "Gone");
    assert_eq!(world.fate("alice", "carol@example.net", "hi"), "Stored");
    scopes.server = list(r#""discard""#);
    shared.automation.store(scopes.into());
    assert_eq!(world.fate("alice", "bob", "hi"), "Accepted");
    assert_eq!(world.fate("alice", "carol@example.net", "hi"), "Accepted");
}

#[test]
fn a_dry_run_tells_every_rule_and_changes_nothing() {
    let mut world = World::of(&["alice", "bob"]);
    let all = r#"[{"id":"busy","stage":"busy","then":["discard"]},
        {"id":"night","when":[{"dates":{"until":"1970-01-01T00:00:01Z"}}],"then":["discard"]},
        {"id":"away","when":[{"presence":["away"]}],"then":[{"reply":{"text":"away"}}]},
        {"id":"spam","when":[{"text":["lottery"]}],"then":[{"webhook":{"url":"https://x/"}},"discard"]},
        {"id":"last","then":["quiet"]}]"#;
    world.automate("bob", all);
    let trial = |text: &str, presence: &[OwnState]| Trial {
        kind: SignalKind::Message,
        from: address("alice"),
        text: Some(text.into()),
        stage: Stage::AtOnce,
        at: Some(Timestamp(5000)),
        presence: presence.to_vec(),
        rules: None,
    };
    let mut tell = |trial: Trial| match world.ask("bob", None, Request::Try(Box::new(trial))) {
        Ok(Reply::Tried(tried)) => *tried,
        other => panic!("unexpected {other:?}"),
    };
    let tried = tell(trial("won the LOTTERY", &[OwnState::Away]));
    let verdicts: Vec<_> = tried.rules.iter().map(|rule| (rule.id.as_str(), rule.verdict)).collect();
    let expect = [
        ("busy", TriedVerdict::OtherStage),
        ("night", TriedVerdict::Fails { condition: 0 }),
        ("away", TriedVerdict::Holds),
        ("spam", TriedVerdict::Holds),
        ("last", TriedVerdict::NotAsked),
    ];
    assert_eq!(verdicts, expect);
    assert!(matches!(tried.actions[..], [Action::Reply(_), Action::Webhook(_), Action::Discard]));
    let tried = tell(trial("hello", &[]));
    assert_eq!(tried.actions, [Action::Quiet]);
    let other = Trial { rules: Some(rules(r#"[{"id":"x","then":["store"]}]"#)), ..trial("hello", &[]) };
    assert_eq!(tell(other).actions, [Action::Store]);
    let own = Trial { from: address("bob"), ..trial("hello", &[]) };
    assert_eq!(tell(own).actions, []);
    assert!(world.stored.is_empty() && world.hooks.is_empty() && world.told.is_empty());
    world.prefer("bob", |preferences| {
        preferences.accepted_senders = crate::storage::AcceptedSenders::Nobody;
    });
    let Ok(Reply::Tried(tried)) = world.ask("bob", None, Request::Try(Box::new(trial("hello", &[])))) else {
        panic!("a dry run");
    };
    assert!(matches!(tried.refused, Some(RefusalReason::AcceptedSenders { .. })) && tried.actions.is_empty());
    assert!(tried.rules.iter().all(|rule| rule.verdict == TriedVerdict::NotAsked));
}

#[test]
fn rules_are_given_back_as_they_were_set_and_bad_ones_are_refused() {
    let mut world = World::of(&["bob"]);
    assert_eq!(world.ask("bob", None, Request::Automation), Ok(Reply::Automation(None)));
    let good = rules(r#"[{"id":"r","then":["accept"]}]"#);
    world.automate("bob", r#"[{"id":"r","then":["accept"]}]"#);
    assert_eq!(world.ask("bob", None, Request::Automation), Ok(Reply::Automation(Some(Box::new(good)))));
    let bad = Request::SetAutomation(Some(Box::new(rules(r#"[{"id":"r","then":[]}]"#))));
    assert!(matches!(world.ask("bob", None, bad), Err(reject) if reject.reason == Reason::NotAcceptable));
    let empty = Request::SetAutomation(Some(Box::default()));
    assert_eq!(world.ask("bob", None, empty), Ok(Reply::Done));
    assert_eq!(world.ask("bob", None, Request::Automation), Ok(Reply::Automation(None)));
}
