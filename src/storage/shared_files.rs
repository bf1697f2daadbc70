//! Shared files as the rest of the house sees them: promised, written, read, forgotten in time.

use std::fs::File;

use crate::signal::Timestamp;

use super::{
    StoreError,
    files::shared::{self, ReceiveError, Receiving, SharedFile},
    store::Store,
};

impl Store {
    /// Promises a file its place: `false` where the account's files then were more than `most` or together larger
    /// than `most_bytes`. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn reserve_file(&self, file: SharedFile, most: u32, most_bytes: u64) -> Result<bool, StoreError> {
        self.change(move |database| database.reserve_file(&file, most, most_bytes))
    }

    /// The file, or the promise of it, of this name. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn shared_file(&self, name: &str) -> Result<Option<SharedFile>, StoreError> {
        self.read(|database| database.shared_file(name))
    }

    /// Begins to write a file that was promised. Blocks.
    ///
    /// # Errors
    /// [`ReceiveError::Busy`], or what the file system says.
    pub fn receive_file(&self, file: &SharedFile) -> Result<Receiving, ReceiveError> {
        Receiving::begin(self.folders(), file)
    }

    /// Notes that a file is there in full, until `expires`. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn complete_file(&self, name: String, expires: Timestamp) -> Result<(), StoreError> {
        self.change(move |database| database.complete_file(&name, expires))
    }

    /// Opens a file from `offset` on, for [`super::read_some`]. Blocks.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open_file(&self, file: &SharedFile, offset: u64) -> std::io::Result<File> {
        shared::open(self.folders(), file, offset)
    }

    /// Removes files and promises that have lapsed, and tells how many. Blocks.
    ///
    /// # Errors
    /// What the database or the file system says.
    pub fn forget_files(&self, now: Timestamp) -> Result<usize, StoreError> {
        let mut count = 0;
        loop {
            let lapsed = self.read(|database| database.lapsed_files(now, AT_A_TIME))?;
            if lapsed.is_empty() {
                return Ok(count);
            }
            // The bytes first: what is left of a crash in between is found again by its line.
            lapsed.iter().try_for_each(|file| shared::remove(self.folders(), file))?;
            count += lapsed.len();
            let names: Vec<String> = lapsed.into_iter().map(|file| file.name).collect();
            self.change(move |database| database.remove_files(&names))?;
        }
    }
}

const AT_A_TIME: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        signal::Address,
        storage::{AccountKey, Config, NewAccount},
    };

    fn store(folder: &std::path::Path) -> (Store, AccountKey, Address) {
        let store = Store::open(&Config { data_dir: folder.to_owned(), ..Config::default() }).unwrap();
        let address = Address::parse("alice@example.org").unwrap();
        let new = NewAccount {
            address: address.clone(),
            is_admin: false,
            created: Timestamp(1),
            credential: Vec::new(),
        };
        let key = store.create_account(new).unwrap();
        (store, key, address)
    }

    #[test]
    fn files_are_bounded_and_go_in_time() {
        let folder = tempfile::tempdir().unwrap();
        let (store, account, owner) = store(folder.path());
        let file = |name: &str, size| SharedFile {
            name: name.into(),
            account,
            owner: owner.clone(),
            title: "ü.txt".into(),
            media_type: "text/plain".into(),
            size,
            expires: Timestamp(100),
            is_whole: false,
        };
        assert!(store.reserve_file(file("a", 3), 2, 10).unwrap());
        assert!(!store.reserve_file(file("b", 8), 2, 10).unwrap());
        assert!(store.reserve_file(file("b", 7), 2, 10).unwrap());
        assert!(!store.reserve_file(file("c", 0), 2, 10).unwrap());
        assert_eq!(store.shared_file("a").unwrap(), Some(file("a", 3)));
        let mut receiving = store.receive_file(&file("a", 3)).unwrap();
        receiving.write(b"abc").unwrap();
        receiving.finish().unwrap();
        store.complete_file("a".into(), Timestamp(200)).unwrap();
        assert!(store.shared_file("a").unwrap().is_some_and(|file| file.is_whole));
        assert_eq!(store.forget_files(Timestamp(99)).unwrap(), 0);
        assert_eq!(store.forget_files(Timestamp(100)).unwrap(), 1);
        assert_eq!(store.shared_file("b").unwrap(), None);
        assert!(store.open_file(&file("a", 3), 0).is_ok());
        assert_eq!(store.forget_files(Timestamp(200)).unwrap(), 1);
        assert!(store.open_file(&file("a", 3), 0).is_err());
    }

    #[test]
    fn files_go_with_their_account() {
        let folder = tempfile::tempdir().unwrap();
        let (store, account, owner) = store(folder.path());
        let file = SharedFile {
            name: "a".into(),
            account,
            owner: owner.clone(),
            title: "a".into(),
            media_type: "image/png".into(),
            size: 0,
            expires: Timestamp(100),
            is_whole: false,
        };
        assert!(store.reserve_file(file.clone(), 2, 10).unwrap());
        store.receive_file(&file).unwrap().finish().unwrap();
        store.remove_account(&owner).unwrap();
        assert_eq!(store.shared_file("a").unwrap(), None);
        assert!(store.open_file(&file, 0).is_err());
    }
}
