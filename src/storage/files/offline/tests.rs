use super::*;
use crate::storage::{AccountKey, files::make_folder};

/// A file as earlier versions wrote it: each record an id and an encoded message.
fn file(ids: &[u128]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for id in ids {
        let print = |out: &mut Vec<u8>| {
            out.extend_from_slice(&[&id.to_be_bytes()[..], b"message"].concat());
            Ok::<_, ()>(())
        };
        record::print_record(&mut bytes, print).unwrap();
    }
    bytes
}

const KEY: AccountKey = AccountKey(1);

struct Room {
    dir: tempfile::TempDir,
    database: Database,
    folders: Folders,
}

impl Room {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(&dir.path().join("test.db")).unwrap();
        let folders = Folders::new(dir.path());
        make_folder(&folders.of(KEY, "alice@example.org")).unwrap();
        Self { dir, database, folders }
    }

    fn put(&self, bytes: &[u8]) {
        make_folder(&self.folders.of(KEY, "alice@example.org")).unwrap();
        fs::write(self.folders.of(KEY, "alice@example.org").join(FILE), bytes).unwrap();
    }

    /// Imports, and says how many messages wait then.
    fn import(&self) -> usize {
        import_offline(&self.folders, &self.database).unwrap();
        assert!(!self.folders.of(KEY, "alice@example.org").join(FILE).exists());
        let mut count = 0;
        self.database
            .offline_rows(KEY, ALL, |message| {
                assert_eq!(message, b"message");
                count += 1;
                true
            })
            .unwrap();
        count
    }
}

#[test]
fn file_moves_into_the_database_and_its_folder_goes() {
    let room = Room::new();
    room.put(&file(&[3, 1, 2]));
    assert_eq!(room.import(), 3);
    let number = |id| room.database.offline_number(KEY, ALL, MessageId(id)).unwrap();
    assert_eq!((number(3), number(1), number(2)), (Some(1), Some(2), Some(3)));
    assert!(!room.folders.of(KEY, "alice@example.org").exists());
    assert!(room.dir.path().exists());
}

#[test]
fn crash_before_the_removal_of_the_file_doubles_nothing() {
    let room = Room::new();
    room.put(&file(&[1, 2]));
    assert_eq!(room.import(), 2);
    room.put(&file(&[1, 2]));
    assert_eq!(room.import(), 2);
}

#[test]
fn torn_end_is_cut_and_damage_moved_aside() {
    let room = Room::new();
    let mut bytes = file(&[1, 2, 3]);
    let third = bytes.len() / 3;
    bytes[third + 15] ^= 0xff;
    bytes.extend_from_slice(&file(&[4])[..20]);
    room.put(&bytes);
    assert_eq!(room.import(), 2);
    let aside = room.folders.of(KEY, "alice@example.org").join("offline.damaged");
    assert_eq!(fs::read(aside).unwrap().len(), third);
}
