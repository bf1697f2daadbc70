//! What its author took back is emptied, in whichever place it is, and nothing else is.

use super::*;

/// A line between the owner and Bob; a number is a message's id and, as text, its name.
fn line(id: u128, outgoing: bool, retracts: Option<u128>) -> Write {
    let (from, to) = if outgoing { ("alice", "bob") } else { ("bob", "alice") };
    let mut message = (*message(id, from, to)).clone();
    message.origin_id = Some(id.to_string().into());
    message.content.receipt = retracts.map(|of| crate::signal::Receipt {
        kind: crate::signal::ReceiptKind::Retracted,
        of: of.to_string().into(),
    });
    Write::Archive { message: message.into(), with: address("bob"), outgoing }
}

fn retraction(id: u128, outgoing: bool, of: &str) -> Write {
    let (by, at) = (id.to_string().into(), Timestamp(id as i64));
    Write::Retract(Retraction { with: address("bob"), outgoing, of: of.into(), id: MessageId(id), by, at })
}

fn emptied(store: &Store, key: AccountKey) -> Vec<(u128, String)> {
    let page = store.archive_page(key, &ArchiveQuery { limit: 99, ..ArchiveQuery::default() }).unwrap();
    let emptied = page.into_iter().filter_map(|line| match &line.message.native {
        Native::Retracted { by, at } => {
            assert_eq!((&line.message.content, by.parse()), (&Content::default(), Ok(at.0)));
            Some((line.message.id.0, by.to_string()))
        }
        _ => None,
    });
    emptied.collect()
}

#[test]
fn archive_keeps_a_tombstone_of_what_its_author_took_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let (alice, bob) = (account(&store, "alice"), account(&store, "bob"));
    let shared = message(1, "alice", "bob");
    let own = Write::Archive { message: shared.clone(), with: address("bob"), outgoing: true };
    write(&store, alice, own).unwrap();
    write(&store, bob, Write::Archive { message: shared, with: address("alice"), outgoing: false }).unwrap();
    for (id, outgoing) in [(2, true), (3, false), (4, true), (5, true)] {
        write(&store, alice, line(id, outgoing, None)).unwrap();
    }
    // These are in the tables, the others are pending.
    store.close();
    store = open(dir.path());
    for id in [6, 7] {
        write(&store, alice, line(id, true, None)).unwrap();
    }
    let taken_back = [
        (8, true, "2"),
        // Bob's is not hers, what comes later is not meant, and a message goes by its id where it has no name.
        (9, true, "3"),
        (10, true, "11"),
        (12, true, "6"),
        (13, true, "2"),
        (14, false, "4"),
        (15, true, &MessageId(1).to_string()),
        (16, true, "8"),
    ];
    for (id, outgoing, of) in taken_back {
        write(&store, alice, line(id, outgoing, Some(0))).unwrap();
        write(&store, alice, retraction(id, outgoing, of)).unwrap();
        if id == 10 {
            write(&store, alice, line(11, true, None)).unwrap();
        }
    }
    let expected: Vec<_> =
        [(1, "15"), (2, "8"), (6, "12")].into_iter().map(|(id, by)| (id, by.to_owned())).collect();
    assert_eq!(emptied(&store, alice), expected);
    // And once all of it is in the tables.
    store.close();
    store = open(dir.path());
    assert_eq!(emptied(&store, alice), expected);
    assert_eq!(emptied(&store, bob), []);
    let page = store.archive_page(bob, &ArchiveQuery { limit: 9, ..ArchiveQuery::default() }).unwrap();
    assert_eq!(page[0].message.content.body(), Some("hi"), "what others keep is theirs");
}
