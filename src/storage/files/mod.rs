//! Per-account file storage: `accounts/<shard>/<address>-<key>/` below the data folder. Earlier
//! versions kept messages that wait there; now they are in the database.

mod folder;
mod offline;

pub(super) use folder::{Folders, make_folder, sync_parent};
pub(super) use offline::import_offline;
