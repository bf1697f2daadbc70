use std::{fs, sync::Arc};

use super::*;
use crate::{
    signal::{Address, Content, Keep, Message, MessageId, MessageKind, Native, Party, Text, Timestamp},
    storage::AccountKey,
};

const TURN: Turn = Turn([7; 16]);

fn message(id: u128) -> Arc<Message> {
    let alice = Party::bare(Address::parse("alice@example.org").unwrap());
    let bodies = [Text::plain(&format!("message {id}"))].into_iter().collect();
    Arc::new(Message {
        id: MessageId(id),
        from: alice.clone(),
        to: alice,
        kind: MessageKind::Chat,
        sent: Timestamp(1),
        origin_id: None,
        content: Content { bodies, ..Content::default() },
        native: Native::None,
        keep: Keep::ALL,
    })
}

fn group(ids: impl IntoIterator<Item = u128>) -> Group {
    let mut group = Group::default();
    for id in ids {
        let body = group.add(&message(id)).unwrap();
        group.push(Entry::Append { account: AccountKey(1), id: MessageId(id), body });
    }
    group
}

fn open(path: &Path, turn: Turn) -> (Journal, Vec<Vec<u128>>) {
    let (journal, groups) = Journal::open(path, turn).unwrap();
    let id = |entry: &Entry| match entry {
        Entry::Append { id, .. } => id.0,
        _ => 0,
    };
    let ids = groups.into_iter().map(|group| group.into_parts().0.iter().map(id).collect()).collect();
    (journal, ids)
}

fn write(journal: &mut Journal, ids: impl IntoIterator<Item = u128>) {
    journal.append(&group(ids)).unwrap();
    journal.sync().unwrap();
}

#[test]
fn groups_come_back_in_order_and_are_continued() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let (mut journal, none) = open(&path, TURN);
    assert!(none.is_empty());
    write(&mut journal, [3, 1]);
    let (mut journal, groups) = open(&path, TURN);
    assert_eq!(groups, [[3, 1]]);
    write(&mut journal, [2, 4]);
    assert_eq!(open(&path, TURN).1, [[3, 1], [2, 4]]);
}

#[test]
fn message_of_several_accounts_is_there_once() {
    let shared = message(1);
    let mut group = Group::default();
    let first = group.add(&shared).unwrap();
    let other = group.add(&message(1)).unwrap();
    assert_eq!(group.add(&shared).unwrap(), first);
    assert_ne!(other, first);
    let (_, bodies) = group.into_parts();
    assert_eq!(first.within(&bodies), other.within(&bodies));
    assert!(first.within(&Bytes::new()).is_empty());
}

#[test]
fn other_turn_is_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let (mut journal, _) = open(&path, TURN);
    write(&mut journal, [1]);
    write(&mut journal, [2]);
    let next = Turn([8; 16]);
    journal.begin(next);
    assert!(open(&path, next).1.is_empty());
    write(&mut journal, [3]);
    assert_eq!(open(&path, next).1, [[3]]);
    assert!(open(&path, Turn([9; 16])).1.is_empty());
}

#[test]
fn crash_at_any_byte_of_a_group_keeps_those_before() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let (mut journal, _) = open(&path, Turn([6; 16]));
    write(&mut journal, 10..20);
    journal.begin(TURN);
    write(&mut journal, [1, 2]);
    let durable = journal.len() as usize;
    let before = fs::read(&path).unwrap();
    write(&mut journal, [3]);
    let after = fs::read(&path).unwrap();
    for end in durable..journal.len() as usize {
        // What was not written is what was there: an earlier turn, or zeros.
        let torn = [&after[..end], &before[end..]].concat();
        fs::write(&path, &torn).unwrap();
        let (mut again, groups) = open(&path, TURN);
        assert_eq!(groups, [[1, 2]], "{end}");
        write(&mut again, [4]);
        assert_eq!(open(&path, TURN).1, [vec![1, 2], vec![4]], "{end}");
    }
}

#[test]
fn damage_costs_the_group_that_it_hits() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let (mut journal, _) = open(&path, TURN);
    write(&mut journal, [1]);
    let middle = journal.len() as usize + 20;
    write(&mut journal, [2]);
    write(&mut journal, [3]);
    let mut bytes = fs::read(&path).unwrap();
    bytes[middle] ^= 0xff;
    fs::write(&path, &bytes).unwrap();
    assert_eq!(open(&path, TURN).1, [[1], [3]]);
}

#[test]
fn file_keeps_its_length_from_group_to_group() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let (mut journal, _) = open(&path, TURN);
    write(&mut journal, [1]);
    let length = fs::metadata(&path).unwrap().len();
    write(&mut journal, 2..50);
    journal.begin(Turn([8; 16]));
    write(&mut journal, 50..100);
    assert_eq!(fs::metadata(&path).unwrap().len(), length);
}
