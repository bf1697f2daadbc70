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

fn open(folder: &Path, turn: Turn) -> (Journal, Vec<Vec<u128>>) {
    let (journal, groups) = Journal::open(folder, turn).unwrap();
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

fn after(turn: Turn, steps: usize) -> Turn {
    (0..steps).fold(turn, |turn, _| turn.next())
}

#[test]
fn groups_of_two_turns_come_back_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, none) = open(dir.path(), TURN);
    assert!(none.is_empty());
    write(&mut journal, [3, 1]);
    write(&mut journal, [5]);
    assert_eq!(open(dir.path(), TURN).1, [vec![3, 1], vec![5]]);
    journal.begin_next();
    write(&mut journal, [2, 4]);
    let (mut journal, groups) = open(dir.path(), TURN);
    assert_eq!(groups, [vec![3, 1], vec![5], vec![2, 4]]);
    // The tables have all of it, and it goes on.
    journal.begin_next();
    assert_eq!(journal.turn(), after(TURN, 2));
    write(&mut journal, [6]);
    assert_eq!(open(dir.path(), after(TURN, 2)).1, [[6]]);
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
fn turns_that_ended_are_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(dir.path(), TURN);
    for (turn, id) in (0..5).zip(1..) {
        assert_eq!(journal.turn(), after(TURN, turn));
        write(&mut journal, [id]);
        write(&mut journal, [id]);
        journal.begin_next();
    }
    assert_eq!(open(dir.path(), after(TURN, 3)).1, [[4], [4], [5], [5]]);
    assert_eq!(open(dir.path(), after(TURN, 4)).1, [[5], [5]]);
    assert!(open(dir.path(), after(TURN, 5)).1.is_empty());
    assert!(open(dir.path(), Turn([9; 16])).1.is_empty());
}

#[test]
fn crash_at_any_byte_of_a_group_keeps_those_before() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let (mut journal, _) = open(dir.path(), TURN);
    write(&mut journal, 10..20);
    journal.begin_next();
    journal.begin_next();
    let turn = journal.turn();
    write(&mut journal, [1, 2]);
    let durable = journal.len() as usize;
    let before = fs::read(&path).unwrap();
    write(&mut journal, [3]);
    let after = fs::read(&path).unwrap();
    for end in durable..journal.len() as usize {
        // What was not written is what was there: an earlier turn, or zeros.
        let torn = [&after[..end], &before[end..]].concat();
        fs::write(&path, &torn).unwrap();
        fs::write(dir.path().join("journal2"), b"").unwrap();
        let (mut again, groups) = open(dir.path(), turn);
        assert_eq!(groups, [[1, 2]], "{end}");
        again.begin_next();
        write(&mut again, [4]);
        assert_eq!(open(dir.path(), turn).1, [vec![1, 2], vec![4]], "{end}");
    }
}

#[test]
fn damage_costs_the_group_that_it_hits() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let (mut journal, _) = open(dir.path(), TURN);
    write(&mut journal, [1]);
    let middle = journal.len() as usize + 20;
    write(&mut journal, [2]);
    write(&mut journal, [3]);
    let mut bytes = fs::read(&path).unwrap();
    bytes[middle] ^= 0xff;
    fs::write(&path, &bytes).unwrap();
    assert_eq!(open(dir.path(), TURN).1, [[1], [3]]);
}

#[test]
fn file_keeps_its_length_from_group_to_group() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let (mut journal, _) = open(dir.path(), TURN);
    write(&mut journal, [1]);
    let length = fs::metadata(&path).unwrap().len();
    write(&mut journal, 2..50);
    journal.begin_next();
    journal.begin_next();
    write(&mut journal, 50..100);
    assert_eq!(fs::metadata(&path).unwrap().len(), length);
}
