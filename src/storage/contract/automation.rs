//! Automated rules, and what they remember.

use super::*;
use crate::{
    signal::{Automation, HookCall, RuleScope, SignalKind, Stage, Webhook},
    storage::{HOOK_CALLS, LateMessage},
};

#[test]
fn rules_answers_and_labels_outlive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let key = account(&store, "alice");
    let text = r#"{"zone":"Europe/Berlin","rules":[{"id":"r","then":["quiet"]}]}"#;
    let rules: Automation = serde_json::from_str(text).unwrap();
    let sent = |rule: &str, to: &str, until| SentReply {
        rule: rule.into(),
        to: address(to),
        until: Timestamp(until),
    };
    let replied = |sent: &SentReply, now| Write::Replied { sent: sent.clone(), now: Timestamp(now) };
    let (first, again, other) = (sent("a", "bob", 10), sent("a", "bob", 30), sent("b", "bob", 25));
    for change in [
        Write::Automation(Some(Box::new(rules.clone()))),
        replied(&sent("a", "eve", 5), 1),
        replied(&first, 2),
        replied(&again, 15),
        replied(&other, 16),
        Write::Marked { message: MessageId(2), marks: vec!["work".into(), "red".into()] },
        Write::Marked { message: MessageId(2), marks: vec!["work".into()] },
        Write::Marked { message: MessageId(5), marks: vec!["home".into()] },
    ] {
        write(&store, key, change).unwrap();
    }
    drop(store);
    let store = open(dir.path());
    let record = load(&store, "alice");
    assert_eq!(record.automation, Some(rules));
    assert_eq!(record.replies, [again, other], "what is over is forgotten");
    let marks = |first, last| store.marks(key, MessageId(first), MessageId(last)).unwrap();
    let mark = |id, mark: &str| (MessageId(id), mark.to_owned());
    assert_eq!(marks(0, 9), [mark(2, "red"), mark(2, "work"), mark(5, "home")]);
    assert_eq!(marks(3, 4), []);
    write(&store, key, Write::Automation(None)).unwrap();
    assert_eq!(load(&store, "alice").automation, None);
    store.remove_account(&address("alice")).unwrap();
    assert_eq!(store.marks(key, MessageId(0), MessageId(9)).unwrap(), []);
}

fn late(id: u128, delay: u32, due: i64) -> LateMessage {
    let message = message(id, "bob", "alice");
    LateMessage { due: Timestamp(due), delay, message, via: vec![address("carol")] }
}

#[test]
fn what_rules_are_asked_about_later_outlives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let key = account(&store, "alice");
    account(&store, "bob");
    let all = [late(1, 20, 50), late(2, 5, 40), late(1, 5, 35), late(3, 5, 60)];
    for late in all.clone() {
        write(&store, key, Write::Late(Box::new(late))).unwrap();
    }
    write(&store, key, Write::LateRemoved { message: MessageId(3), delay: 5 }).unwrap();
    drop(store);
    let store = open(dir.path());
    let [first, second, third, _] = all;
    assert_eq!(load(&store, "alice").late, [third, second, first]);
    assert_eq!(load(&store, "bob").late, []);
    assert_eq!(store.late_accounts().unwrap(), [(address("alice"), Timestamp(35))]);
    store.remove_account(&address("alice")).unwrap();
    assert_eq!(store.late_accounts().unwrap(), []);
}

fn call(rule: &str) -> HookCall {
    HookCall {
        hook: Webhook { url: "https://example.org/".into(), secret: Some("key".into()), text: true },
        account: address("alice"),
        scope: RuleScope::Account,
        rule: rule.into(),
        kind: SignalKind::Message,
        stage: Stage::After(20),
        from: address("bob"),
        message: Some(MessageId(7)),
        text: Some("hello".into()),
        at: Timestamp(3),
    }
}

#[test]
fn webhooks_are_kept_in_order_until_they_are_over() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let key = account(&store, "alice");
    for rule in ["a", "b", "c"] {
        write(&store, key, Write::Hook(Box::new(call(rule)))).unwrap();
    }
    drop(store);
    let store = open(dir.path());
    let waiting = store.hooks(0, 2).unwrap();
    let [(first, a), (second, b)] = waiting.as_slice() else { panic!("{waiting:?}") };
    assert_eq!((a, b), (&call("a"), &call("b")));
    let rest = store.hooks(*second, 9).unwrap();
    assert_eq!(rest.iter().map(|(_, call)| call.rule.as_str()).collect::<Vec<_>>(), ["c"]);
    for (id, _) in store.hooks(0, 9).unwrap() {
        store.remove_hook(id);
    }
    write(&store, key, Write::Hook(Box::new(call("d")))).unwrap();
    let left = store.hooks(0, 9).unwrap();
    assert_eq!(left.len(), 1);
    assert!(left[0].0 > rest[0].0 && rest[0].0 > *first, "no number is used twice");
}

#[test]
fn of_too_many_webhooks_the_latest_are_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let key = account(&store, "alice");
    let other = account(&store, "bob");
    for _ in 0..=HOOK_CALLS {
        store.submit(key, Write::Hook(Box::new(call("a"))), None);
    }
    write(&store, other, Write::Hook(Box::new(call("b")))).unwrap();
    let all = store.hooks(0, HOOK_CALLS * 2).unwrap();
    assert_eq!(all.len(), HOOK_CALLS + 1);
    assert_eq!(all.last().unwrap().1.rule, "b");
}
