//! Offline files: messages that wait for the next login, one file per account.
//!
//! Appends are collected and made durable together by [`OfflineFiles::sync`]; a trim is durable
//! when it returns. A file is looked through once per run, before it is first used, and mended
//! where a crash or a disk spoiled it. Used by the writer's thread alone.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    fs::{self, File, OpenOptions},
    io::{self, Seek, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    thread,
};

use crate::{
    signal::{Message, MessageId},
    storage::{AccountKey, OfflineChunk, StoreError, codec},
};

use super::{
    folder,
    record::{self, Parsed},
};

/// The offline files of all accounts.
pub(in crate::storage) struct OfflineFiles {
    limit: u64,
    /// Files that were looked through in this run.
    sound: HashSet<AccountKey>,
    /// Files with appends that are not durable yet.
    open: HashMap<AccountKey, Pending>,
}

/// Appends to one file that are not durable yet.
struct Pending {
    path: PathBuf,
    file: File,
    /// Its length before them.
    start: u64,
    /// Not yet handed to the system.
    buffer: Vec<u8>,
    /// Handed to the system.
    written: u64,
    /// The file was made just now, so its name must be made durable too.
    created: bool,
}

impl OfflineFiles {
    /// Files of up to `limit` bytes each.
    pub(in crate::storage) fn new(limit: u64) -> Self {
        Self { limit, sound: HashSet::new(), open: HashMap::new() }
    }

    /// Appends a message to the file in `folder`. Durable after the next [`OfflineFiles::sync`]
    /// that does not name `key`.
    pub(in crate::storage) fn append(
        &mut self,
        key: AccountKey,
        folder: &Path,
        message: &Message,
    ) -> Result<(), StoreError> {
        let mut payload = codec::id_bytes(message.id).to_vec();
        payload.extend_from_slice(&codec::encode(message)?);
        self.look_through(key, folder)?;
        let pending = match self.open.entry(key) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(Pending::open(folder)?),
        };
        if pending.len() + record::record_len(payload.len()) > self.limit {
            return Err(StoreError::OfflineFull);
        }
        record::print_record(&payload, &mut pending.buffer);
        Ok(())
    }

    /// Makes all appends durable. Gives the accounts whose appends are lost, with the reason;
    /// their files are as they were.
    pub(in crate::storage) fn sync(&mut self) -> HashMap<AccountKey, StoreError> {
        let pending: Vec<_> = self.open.drain().collect();
        let threads = pending.len().div_ceil(FILES_PER_THREAD).clamp(1, SYNC_THREADS);
        let share = pending.len().div_ceil(threads).max(1);
        if threads == 1 {
            return self.give_up(pending.into_iter().filter_map(sync_one).collect());
        }
        let mut shares = Vec::with_capacity(threads);
        let mut rest = pending.into_iter().peekable();
        while rest.peek().is_some() {
            shares.push(rest.by_ref().take(share).collect::<Vec<_>>());
        }
        // Devices make several files durable at once in little more time than one.
        let failed = thread::scope(|scope| {
            let workers: Vec<_> = shares
                .into_iter()
                .map(|share| scope.spawn(move || share.into_iter().filter_map(sync_one).collect::<Vec<_>>()))
                .collect();
            workers
                .into_iter()
                .flat_map(|worker| worker.join().expect("making a file durable does not panic"))
                .collect()
        });
        self.give_up(failed)
    }

    /// A file that failed is looked through again before its next use.
    fn give_up(&mut self, failed: Vec<(AccountKey, StoreError)>) -> HashMap<AccountKey, StoreError> {
        for (key, _) in &failed {
            self.sound.remove(key);
        }
        failed.into_iter().collect()
    }

    /// The first `limit` messages, appends that are not durable yet included.
    pub(in crate::storage) fn read(
        &mut self,
        key: AccountKey,
        folder: &Path,
        limit: usize,
    ) -> Result<OfflineChunk, StoreError> {
        self.look_through(key, folder)?;
        self.hand_over(key)?;
        let bytes = read_or_empty(&folder.join(FILE))?;
        let mut chunk = OfflineChunk::default();
        let mut rest = &bytes[..];
        while let Parsed::Record { payload, len } = record::parse_record(rest) {
            if chunk.messages.len() == limit {
                chunk.more = true;
                break;
            }
            rest = &rest[len..];
            match payload.get(ID_BYTES..).map(|message| codec::decode(message, "an offline message")) {
                Some(Ok(message)) => chunk.messages.push(message),
                _ => tracing::error!(key = key.0, "an offline message cannot be read and is left out"),
            }
        }
        Ok(chunk)
    }

    /// Removes everything up to and including the message `through`, durably.
    pub(in crate::storage) fn trim(
        &mut self,
        key: AccountKey,
        folder: &Path,
        through: MessageId,
    ) -> Result<(), StoreError> {
        self.look_through(key, folder)?;
        self.hand_over(key)?;
        let path = folder.join(FILE);
        let bytes = read_or_empty(&path)?;
        let Some(end) = end_of(&bytes, through) else { return Ok(()) };
        if end == bytes.len() {
            folder::remove(&path)?;
        } else {
            folder::replace(&path, &bytes[end..])?;
        }
        // Appends that were pending are in the new file, which is durable.
        self.open.remove(&key);
        Ok(())
    }

    /// Forgets a removed account.
    pub(in crate::storage) fn forget(&mut self, key: AccountKey) {
        self.open.remove(&key);
        self.sound.remove(&key);
    }

    /// Hands pending appends to the system, so that the file can be read.
    fn hand_over(&mut self, key: AccountKey) -> Result<(), StoreError> {
        match self.open.get_mut(&key) {
            Some(pending) => Ok(pending.hand_over()?),
            None => Ok(()),
        }
    }

    /// Mends a file before it is first used in this run.
    fn look_through(&mut self, key: AccountKey, folder: &Path) -> Result<(), StoreError> {
        if self.sound.contains(&key) {
            return Ok(());
        }
        mend(&folder.join(FILE))?;
        if self.sound.len() >= SOUND_FILES {
            self.sound.clear();
        }
        self.sound.insert(key);
        Ok(())
    }
}

/// Whether messages wait in the file in `folder`.
pub(in crate::storage) fn has_messages(folder: &Path) -> bool {
    fs::metadata(folder.join(FILE)).is_ok_and(|file| file.len() > 0)
}

impl Pending {
    fn open(folder: &Path) -> io::Result<Self> {
        folder::make_folder(folder)?;
        let path = folder.join(FILE);
        let created = !path.exists();
        let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path)?;
        let start = file.seek(SeekFrom::End(0))?;
        Ok(Self { path, file, start, buffer: Vec::new(), written: 0, created })
    }

    fn len(&self) -> u64 {
        self.start + self.written + self.buffer.len() as u64
    }

    fn hand_over(&mut self) -> io::Result<()> {
        self.file.write_all(&self.buffer)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.hand_over()?;
        self.file.sync_data()?;
        if self.created { folder::sync_parent(&self.path) } else { Ok(()) }
    }
}

fn sync_one((key, mut pending): (AccountKey, Pending)) -> Option<(AccountKey, StoreError)> {
    let error = pending.sync().err()?;
    // What the caller is told was not kept must not appear later.
    if let Err(error) = pending.file.set_len(pending.start) {
        tracing::error!(key = key.0, %error, "appends that failed cannot be taken back");
    }
    Some((key, error.into()))
}

/// Cuts a torn end; moves damaged parts to a file beside it and keeps the rest.
fn mend(path: &Path) -> io::Result<()> {
    let bytes = read_or_empty(path)?;
    let survey = record::survey(&bytes);
    if survey.damaged.is_empty() && survey.torn.is_none() {
        return Ok(());
    }
    let folder = path.parent().map(|folder| folder.display().to_string());
    if !survey.damaged.is_empty() {
        let parts: Vec<u8> = survey.damaged.iter().flat_map(|range| &bytes[range.clone()]).copied().collect();
        tracing::error!(folder, bytes = parts.len(), "an offline file is damaged, moving the damage aside");
        set_aside(path, &parts)?;
    }
    if let Some(torn) = survey.torn {
        tracing::warn!(folder, bytes = bytes.len() - torn, "cutting the torn end of an offline file");
    }
    let good: Vec<u8> = survey.good.iter().flat_map(|range| &bytes[range.clone()]).copied().collect();
    if good.is_empty() { folder::remove(path) } else { folder::replace(path, &good) }
}

/// Keeps damaged bytes for whoever wants to look, beside earlier ones.
fn set_aside(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let aside = path.with_extension("damaged");
    let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(&aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    folder::sync_parent(&aside)
}

/// Where the record of this message ends.
fn end_of(bytes: &[u8], id: MessageId) -> Option<usize> {
    let id = codec::id_bytes(id);
    let mut at = 0;
    while let Parsed::Record { payload, len } = record::parse_record(bytes.get(at..)?) {
        at += len;
        if payload.get(..ID_BYTES) == Some(&id[..]) {
            return Some(at);
        }
    }
    None
}

fn read_or_empty(path: &Path) -> io::Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other,
    }
}

const FILE: &str = "offline";
/// A record begins with the id of its message, so that a trim need not read the rest.
const ID_BYTES: usize = 16;
/// Files that are remembered to be sound; beyond it all are looked through anew.
const SOUND_FILES: usize = 100_000;
const FILES_PER_THREAD: usize = 4;
const SYNC_THREADS: usize = 8;

#[cfg(test)]
mod tests;
