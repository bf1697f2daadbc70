//! What owners report.

use super::*;
use crate::storage::{Complained, Complaint, REPORTS_OF_ACCOUNT};

#[test]
fn reports_are_kept_newest_first_and_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (alice, bob) = (account(&store, "alice"), account(&store, "bob"));
    let about = Address::parse("eve@example.net").unwrap();
    let complaint = |text: String| Complaint {
        reason: Complained::Spam,
        text,
        messages: vec!["1".to_owned()],
        may_tell_origin: true,
        may_tell_others: false,
    };
    let put = |key, number: i64| {
        store.put_report(key, about.clone(), Timestamp(number), complaint(number.to_string())).unwrap();
    };
    put(bob, 1);
    for number in 2..=REPORTS_OF_ACCOUNT as i64 + 4 {
        put(alice, number);
    }
    drop(store);
    let store = open(dir.path());
    let reports = store.reports().unwrap();
    assert_eq!(reports.len(), REPORTS_OF_ACCOUNT + 1);
    let (first, last) = (&reports[0], &reports[REPORTS_OF_ACCOUNT]);
    assert_eq!(first.complaint, complaint((REPORTS_OF_ACCOUNT + 4).to_string()));
    assert_eq!((first.from.as_str(), &first.about), ("alice@example.org", &about));
    assert_eq!((last.from.as_str(), last.at), ("bob@example.org", Timestamp(1)), "others stay");
    assert_eq!(store.remove_report(last.id), Ok(true));
    assert_eq!(store.remove_report(last.id), Ok(false));
    assert_eq!(store.reports().unwrap().len(), REPORTS_OF_ACCOUNT);
    store.remove_account(&address("alice")).unwrap();
    assert_eq!(store.reports(), Ok(Vec::new()), "they go with their account");
}
