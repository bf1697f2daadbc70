//! Per-account file storage: `accounts/<shard>/<address>-<key>/` below the data folder.
//!
//! A file is replaced atomically or appended to in checksummed records; both are durable when the
//! function that promises it returns. Knows nothing of the database.

mod folder;
mod offline;
mod record;

pub(super) use folder::{Folders, make_folder, sync_parent};
pub(super) use offline::{OfflineFiles, has_messages};
