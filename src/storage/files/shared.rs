//! Bytes of shared files, each in its account's folder: written beside their place and then moved there, so that a
//! file is there in full or not at all.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use crate::{
    signal::{Address, Timestamp},
    storage::AccountKey,
};

use super::folder::{Folders, make_folder, sync_parent};

/// A file that the owner of an account put here for others, or the promise of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedFile {
    /// Unguessable: letters, digits, `-` and `_`.
    pub name: String,
    pub account: AccountKey,
    pub owner: Address,
    /// What people call it. Any text.
    pub title: String,
    pub media_type: String,
    /// In bytes.
    pub size: u64,
    /// When the promise lapses or the file goes.
    pub expires: Timestamp,
    /// It is there in full.
    pub is_whole: bool,
}

/// Why bytes of a file are not taken.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// Somebody else brings the same file right now.
    #[error("the file is being written already")]
    Busy,
    /// More or fewer bytes came than were promised.
    #[error("the file has another size than promised")]
    Size,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A file on its way here. Blocks, as all of this.
#[derive(Debug)]
pub struct Receiving {
    file: File,
    part: PathBuf,
    path: PathBuf,
    left: u64,
}

impl Receiving {
    /// Begins to write what was promised.
    pub(in crate::storage) fn begin(folders: &Folders, shared: &SharedFile) -> Result<Self, ReceiveError> {
        let path = path_of(folders, shared);
        make_folder(path.parent().unwrap_or_else(|| Path::new(".")))?;
        let part = part_of(&path);
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&part)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(ReceiveError::Busy),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        // What an attempt that broke off left behind.
        file.set_len(0)?;
        Ok(Self { file, part, path, left: shared.size })
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// [`ReceiveError::Size`] where these are more than promised, or what the file system says.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ReceiveError> {
        let Some(left) = self.left.checked_sub(bytes.len() as u64) else {
            // Never whole any more.
            self.left = u64::MAX;
            return Err(ReceiveError::Size);
        };
        self.left = left;
        self.file.write_all(bytes)?;
        Ok(())
    }

    /// Makes the file durable in its place.
    ///
    /// # Errors
    /// [`ReceiveError::Size`] where bytes are missing, or what the file system says.
    pub fn finish(self) -> Result<(), ReceiveError> {
        if self.left > 0 {
            return Err(ReceiveError::Size);
        }
        self.file.sync_all()?;
        fs::rename(&self.part, &self.path)?;
        sync_parent(&self.path)?;
        Ok(())
    }
}

/// Opens a file that is there, from `offset` on.
pub(in crate::storage) fn open(folders: &Folders, shared: &SharedFile, offset: u64) -> io::Result<File> {
    let mut file = File::open(path_of(folders, shared))?;
    file.seek(SeekFrom::Start(offset))?;
    Ok(file)
}

/// The next bytes of an open file, at most `most`; none at its end. Blocks.
///
/// # Errors
/// What the file system says.
pub fn read_some(file: &mut File, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(most);
    file.take(most as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Removes a file and what was begun of it; what is not there is fine.
pub(in crate::storage) fn remove(folders: &Folders, shared: &SharedFile) -> io::Result<()> {
    let path = path_of(folders, shared);
    for path in [part_of(&path), path] {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn path_of(folders: &Folders, shared: &SharedFile) -> PathBuf {
    folders.of(shared.account, shared.owner.as_str()).join("files").join(&shared.name)
}

fn part_of(path: &Path) -> PathBuf {
    path.with_extension("part")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn promise(size: u64) -> SharedFile {
        SharedFile {
            name: "abc".into(),
            account: AccountKey(1),
            owner: Address::parse("alice@example.org").unwrap(),
            title: "a b".into(),
            media_type: "text/plain".into(),
            size,
            expires: Timestamp(0),
            is_whole: false,
        }
    }

    #[test]
    fn a_file_is_there_when_all_of_it_came() {
        let folder = tempfile::tempdir().unwrap();
        let (folders, file) = (Folders::new(folder.path()), promise(5));
        let mut broken = Receiving::begin(&folders, &file).unwrap();
        broken.write(b"xx").unwrap();
        assert!(matches!(Receiving::begin(&folders, &file), Err(ReceiveError::Busy)));
        assert!(matches!(broken.finish(), Err(ReceiveError::Size)));
        assert!(open(&folders, &file, 0).is_err());
        let mut whole = Receiving::begin(&folders, &file).unwrap();
        whole.write(b"hel").unwrap();
        whole.write(b"lo").unwrap();
        assert!(matches!(whole.write(b"!"), Err(ReceiveError::Size)));
        whole.finish().unwrap_err();
        let mut whole = Receiving::begin(&folders, &file).unwrap();
        whole.write(b"hello").unwrap();
        whole.finish().unwrap();
        let mut opened = open(&folders, &file, 1).unwrap();
        assert_eq!(read_some(&mut opened, 3).unwrap(), b"ell");
        assert_eq!(read_some(&mut opened, 3).unwrap(), b"o");
        remove(&folders, &file).unwrap();
        remove(&folders, &file).unwrap();
        assert!(open(&folders, &file, 0).is_err());
    }
}
