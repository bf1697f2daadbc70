//! Offline files of earlier versions: one file per account with the messages that wait. They are
//! moved into the database when the store opens.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use bytes::Bytes;

use crate::{
    signal::MessageId,
    storage::{
        AccountKey, StoreError,
        journal::record,
        pending::{Appended, Rows},
        sqlite::Database,
    },
};

use super::folder::{self, Folders};

/// Moves all offline files into the database. After a crash in between nothing is there twice.
pub(in crate::storage) fn import_offline(folders: &Folders, database: &Database) -> Result<(), StoreError> {
    for (key, folder) in folders.all()? {
        let path = folder.join(FILE);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        tracing::info!(key = key.0, bytes = bytes.len(), "moving an offline file into the database");
        let survey = record::survey(&bytes);
        if !survey.damaged.is_empty() {
            let parts: Vec<u8> =
                survey.damaged.iter().flat_map(|range| &bytes[range.clone()]).copied().collect();
            tracing::error!(
                key = key.0,
                bytes = parts.len(),
                "an offline file is damaged, moving the damage aside"
            );
            set_aside(&path, &parts)?;
        }
        let good = survey.good.iter().map(|range| &bytes[range.start + record::HEADER..range.end]);
        database.alone(|database| import(database, key, good))?;
        folder::remove(&path)?;
        // Where it is not empty, somebody may want to look at the rest.
        let _ = fs::remove_dir(&folder);
    }
    Ok(())
}

fn import<'a>(
    database: &Database,
    key: AccountKey,
    records: impl Iterator<Item = &'a [u8]>,
) -> Result<(), StoreError> {
    let (mut number, _) = database.offline_size(key, ALL)?;
    let mut known = database.offline_ids(key)?;
    for record in records {
        let Some((id, message)) = record.split_first_chunk() else { continue };
        let id = MessageId(u128::from_be_bytes(*id));
        // A crash came between the import and the removal of the file.
        if !known.insert(id) {
            continue;
        }
        number += 1;
        let message = Appended { number, id, body: Bytes::copy_from_slice(message) };
        database.add_offline(key, [&message].into_iter())?;
    }
    Ok(())
}

/// Keeps damaged bytes for whoever wants to look, beside earlier ones.
fn set_aside(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let aside = path.with_extension("damaged");
    let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(&aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    folder::sync_parent(&aside)
}

const FILE: &str = "offline";
/// Nothing is pending yet.
const ALL: Rows = Rows { trimmed: 0, until: u64::MAX };

#[cfg(test)]
mod tests;
