//! Per-account file storage: `accounts/<shard>/<address>-<key>/` below the data folder, with the files that owners
//! share. Earlier versions kept messages that wait there; now they are in the database.

mod folder;
mod offline;
pub(super) mod shared;

pub(super) use folder::{Folders, make_folder, sync_parent};
pub(super) use offline::import_offline;
pub use shared::{ReceiveError, Receiving, SharedFile, read_some};
