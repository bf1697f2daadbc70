//! Automated rules, and what they remember.

use super::*;
use crate::signal::Automation;

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
