//! Where an account's files are, and how names become durable.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use crate::storage::AccountKey;

/// The folders of all accounts.
#[derive(Debug, Clone)]
pub(in crate::storage) struct Folders {
    root: PathBuf,
}

impl Folders {
    pub(in crate::storage) fn new(data_dir: &Path) -> Self {
        Self { root: data_dir.join("accounts") }
    }

    /// The folder of an account; it need not exist. The key in its name keeps it apart from that
    /// of a removed account of the same address.
    pub(in crate::storage) fn of(&self, key: AccountKey, address: &str) -> PathBuf {
        let shard = format!("{:02x}", key.0 & 0xff);
        self.root.join(shard).join(format!("{}-{}", safe_name(address), key.0))
    }

    /// Removes an account's folder with all in it.
    pub(in crate::storage) fn remove(&self, key: AccountKey, address: &str) -> io::Result<()> {
        match fs::remove_dir_all(self.of(key, address)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The folders that there are.
    pub(in crate::storage) fn all(&self) -> io::Result<Vec<(AccountKey, PathBuf)>> {
        let mut all = Vec::new();
        for shard in list(&self.root)? {
            for folder in list(&shard)? {
                let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                let key = name.rsplit_once('-').and_then(|(_, key)| key.parse().ok()).map(AccountKey);
                all.extend(key.map(|key| (key, folder)));
            }
        }
        Ok(all)
    }

    /// Removes the folders whose key `is_known` does not know: a crash left them behind when
    /// their accounts were removed.
    pub(in crate::storage) fn sweep(&self, mut is_known: impl FnMut(AccountKey) -> bool) -> io::Result<()> {
        for (key, folder) in self.all()? {
            if !is_known(key) {
                tracing::info!(key = key.0, "removing the files of a removed account");
                fs::remove_dir_all(&folder)?;
            }
        }
        Ok(())
    }
}

/// Makes a folder and its missing parents, durably, for the owner's eyes only.
pub(in crate::storage) fn make_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        make_folder(parent)?;
    }
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    sync_parent(path)
}

/// Removes a file durably; one that is not there is fine.
pub(in crate::storage) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Ok(()) => sync_parent(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes what happened to the names in a path's folder durable.
pub(in crate::storage) fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}

/// The address in characters that no file system objects to, cut where it is very long.
fn safe_name(address: &str) -> String {
    let mut name = String::with_capacity(address.len());
    for byte in address.bytes() {
        if name.len() > NAME_BYTES {
            break;
        }
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'@' | b'_' => name.push(char::from(byte)),
            b'.' if !name.is_empty() => name.push('.'),
            _ => name.push_str(&format!("%{byte:02x}")),
        }
    }
    name
}

/// A name with its key stays below the 255 bytes that file systems allow.
const NAME_BYTES: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_names_are_safe_and_apart() {
        let folders = Folders::new(Path::new("d"));
        for (key, address, expect) in [
            (1, "alice@example.org", "d/accounts/01/alice@example.org-1"),
            (258, "..@x", "d/accounts/02/%2e.@x-258"),
            (3, "ü-!@x", "d/accounts/03/%c3%bc%2d%21@x-3"),
        ] {
            assert_eq!(folders.of(AccountKey(key), address), Path::new(expect));
        }
        let long = format!("{}@example.org", "ü".repeat(500));
        let path = folders.of(AccountKey(i64::MAX), &long);
        assert!(path.file_name().unwrap().len() < 255);
    }

    #[test]
    fn folders_of_removed_accounts_are_swept() {
        let dir = tempfile::tempdir().unwrap();
        let folders = Folders::new(dir.path());
        for key in [1, 2, 257] {
            make_folder(&folders.of(AccountKey(key), "a@b")).unwrap();
        }
        folders.sweep(|key| key == AccountKey(2)).unwrap();
        let left: Vec<_> =
            [1, 2, 257].into_iter().filter(|key| folders.of(AccountKey(*key), "a@b").exists()).collect();
        assert_eq!(left, [2]);
    }
}
