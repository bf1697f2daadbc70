use super::*;
use crate::signal::{Address, Content, Keep, MessageKind, Native, Party, Text, Timestamp};

fn message(id: u128) -> Message {
    let alice = Party::bare(Address::parse("alice@example.org").unwrap());
    let bodies = [Text::plain(&format!("message {id}"))].into_iter().collect();
    Message {
        id: MessageId(id),
        from: alice.clone(),
        to: alice,
        kind: MessageKind::Chat,
        sent: Timestamp(1),
        origin_id: None,
        content: Content { bodies, ..Content::default() },
        native: Native::None,
        keep: Keep::ALL,
    }
}

const KEY: AccountKey = AccountKey(1);

/// A new run over the same folder.
fn files() -> OfflineFiles {
    OfflineFiles::new(1 << 20)
}

fn append(files: &mut OfflineFiles, folder: &Path, ids: impl IntoIterator<Item = u128>) {
    for id in ids {
        files.append(KEY, folder, &message(id)).unwrap();
    }
    assert!(files.sync().is_empty());
}

fn ids(files: &mut OfflineFiles, folder: &Path) -> Vec<u128> {
    let chunk = files.read(KEY, folder, usize::MAX).unwrap();
    chunk.messages.iter().map(|message| message.id.0).collect()
}

#[test]
fn messages_come_back_in_order_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("a/b");
    append(&mut files(), &folder, [3, 1]);
    append(&mut files(), &folder, [2]);
    let mut again = files();
    assert_eq!(ids(&mut again, &folder), [3, 1, 2]);
    let first = again.read(KEY, &folder, 2).unwrap();
    assert_eq!((first.messages.len(), first.more), (2, true));
    assert_eq!(first.messages[0], message(3));
    assert!(!again.read(KEY, &folder, 3).unwrap().more);
}

#[test]
fn trim_removes_what_was_delivered() {
    let dir = tempfile::tempdir().unwrap();
    let mut run = files();
    append(&mut run, dir.path(), [1, 2, 3]);
    run.trim(KEY, dir.path(), MessageId(2)).unwrap();
    run.trim(KEY, dir.path(), MessageId(2)).unwrap();
    assert_eq!(ids(&mut run, dir.path()), [3]);
    append(&mut run, dir.path(), [4]);
    assert_eq!(ids(&mut files(), dir.path()), [3, 4]);
    run.trim(KEY, dir.path(), MessageId(4)).unwrap();
    assert!(!has_messages(dir.path()) && !dir.path().join(FILE).exists());
}

#[test]
fn read_and_trim_see_appends_of_the_same_group() {
    let dir = tempfile::tempdir().unwrap();
    let mut run = files();
    run.append(KEY, dir.path(), &message(1)).unwrap();
    run.append(KEY, dir.path(), &message(2)).unwrap();
    assert_eq!(ids(&mut run, dir.path()), [1, 2]);
    run.trim(KEY, dir.path(), MessageId(1)).unwrap();
    run.append(KEY, dir.path(), &message(3)).unwrap();
    assert!(run.sync().is_empty());
    assert_eq!(ids(&mut files(), dir.path()), [2, 3]);
}

#[test]
fn full_file_takes_no_more_until_it_is_trimmed() {
    let dir = tempfile::tempdir().unwrap();
    let mut small = OfflineFiles::new(400);
    let taken = (1..100).take_while(|id| small.append(KEY, dir.path(), &message(*id)).is_ok()).count();
    assert!((2..10).contains(&taken), "{taken}");
    assert_eq!(small.append(KEY, dir.path(), &message(100)), Err(StoreError::OfflineFull));
    assert!(small.sync().is_empty());
    small.trim(KEY, dir.path(), MessageId(1)).unwrap();
    assert_eq!(small.append(KEY, dir.path(), &message(100)), Ok(()));
}

#[test]
fn many_files_are_synced_together() {
    let dir = tempfile::tempdir().unwrap();
    let mut run = files();
    for key in 0..50 {
        run.append(AccountKey(key), &dir.path().join(key.to_string()), &message(1)).unwrap();
    }
    assert!(run.sync().is_empty());
    let mut again = files();
    for key in 0..50 {
        let chunk = again.read(AccountKey(key), &dir.path().join(key.to_string()), 9).unwrap();
        assert_eq!(chunk.messages, [message(1)]);
    }
}

#[test]
fn crash_at_any_byte_of_an_append_keeps_what_was_durable() {
    let dir = tempfile::tempdir().unwrap();
    append(&mut files(), dir.path(), [1, 2]);
    let durable = fs::read(dir.path().join(FILE)).unwrap();
    append(&mut files(), dir.path(), [3]);
    let whole = fs::read(dir.path().join(FILE)).unwrap();
    for end in durable.len()..whole.len() {
        fs::write(dir.path().join(FILE), &whole[..end]).unwrap();
        let mut run = files();
        assert_eq!(ids(&mut run, dir.path()), [1, 2], "{end}");
        append(&mut run, dir.path(), [4]);
        assert_eq!(ids(&mut files(), dir.path()), [1, 2, 4], "{end}");
    }
    assert!(!dir.path().join("offline.damaged").exists());
}

#[test]
fn damage_is_moved_aside_and_the_rest_kept() {
    let dir = tempfile::tempdir().unwrap();
    append(&mut files(), dir.path(), [1, 2, 3]);
    let path = dir.path().join(FILE);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(&path, &bytes).unwrap();
    assert_eq!(ids(&mut files(), dir.path()), [1, 3]);
    assert_eq!(fs::read(dir.path().join("offline.damaged")).unwrap().len(), bytes.len() / 3);
    assert_eq!(fs::read(&path).unwrap().len(), bytes.len() / 3 * 2);
}

#[test]
fn interrupted_replacement_leaves_the_old_file() {
    let dir = tempfile::tempdir().unwrap();
    append(&mut files(), dir.path(), [1, 2]);
    fs::write(dir.path().join("offline.new"), b"half").unwrap();
    let mut run = files();
    assert_eq!(ids(&mut run, dir.path()), [1, 2]);
    run.trim(KEY, dir.path(), MessageId(1)).unwrap();
    assert_eq!(ids(&mut files(), dir.path()), [2]);
}
