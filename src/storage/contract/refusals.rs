//! What the owner's policy refused.

use super::*;
use crate::signal::SignalKind;

fn refused(local: &str, reason: RefusalReason, at: i64) -> Write {
    let kind = SignalKind::Message;
    Write::Refused(Refusal { from: address(local), kind, reason, at: Timestamp(at), count: 1 })
}

#[test]
fn refusals_are_counted_per_sender_and_reason_and_the_oldest_are_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (key, other) = (account(&store, "alice"), account(&store, "bob"));
    let choice = RefusalReason::AcceptedSenders { choice: AcceptedSenders::Nobody };
    for (local, reason, at) in [
        ("eve", RefusalReason::Blocked, 10),
        ("mallory", choice.clone(), 20),
        ("eve", RefusalReason::Blocked, 30),
        ("eve", choice.clone(), 25),
    ] {
        write(&store, key, refused(local, reason, at)).unwrap();
    }
    drop(store);
    let store = open(dir.path());
    let found = |key| -> Vec<_> {
        let all = store.refusals(key).unwrap();
        all.into_iter().map(|one| (one.from.to_string(), one.reason, one.at.0, one.count)).collect()
    };
    let line = |local: &str, reason: &RefusalReason, at, count| {
        (address(local).to_string(), reason.clone(), at, count)
    };
    let expect = [
        line("eve", &RefusalReason::Blocked, 30, 2),
        line("eve", &choice, 25, 1),
        line("mallory", &choice, 20, 1),
    ];
    assert_eq!(found(key), expect);
    assert_eq!(found(other), []);
    for n in 0..=REFUSALS {
        write(&store, key, refused(&format!("s{n}"), RefusalReason::Blocked, 1000 + n as i64)).unwrap();
    }
    let kept = found(key);
    assert_eq!((kept.len(), kept.last().unwrap().2), (REFUSALS, 1001));
    write(&store, key, Write::RefusalsRemoved).unwrap();
    assert_eq!(found(key), []);
}

#[test]
fn message_rules_outlive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let key = account(&store, "alice");
    let rule = Rule {
        id: "1".into(),
        conditions: vec![Condition::OtherIdentity],
        handling: Some(Handling::Block),
        view: None,
    };
    let rules = Ruleset { rules: vec![rule], ..Ruleset::default() };
    write(&store, key, Write::MessageRules(Some(Arc::new(rules.clone())))).unwrap();
    drop(store);
    let store = open(dir.path());
    assert_eq!(load(&store, "alice").message_rules, Some(rules.clone()));
    assert_eq!(load(&store, "alice").call_rules, None);
    write(&store, key, Write::CallRules(Some(Arc::new(rules.clone())))).unwrap();
    assert_eq!(load(&store, "alice").call_rules, Some(rules));
    write(&store, key, Write::MessageRules(None)).unwrap();
    assert_eq!(load(&store, "alice").message_rules, None);
}
