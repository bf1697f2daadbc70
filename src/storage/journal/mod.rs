//! The journal: every group of messages is written behind the last one in a single file, and made
//! durable by a single call, before anybody is told.
//!
//! The tables get the same messages later, many at a time and in the order of their keys, so that
//! a page is written once for many messages. Until then they are held in memory, too. Once the
//! tables have them durably, a new *turn* begins at the start of the file: what is written there
//! before is of an earlier turn and is passed over. The file keeps its length, so that making a
//! group durable changes no metadata.
//!
//! A turn's name is random and known to the database alone: bytes that a peer puts into a message
//! never pass for a record. Must not know what is in the tables.

pub(super) mod group;
pub(super) mod record;

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::Path,
};

use bytes::Bytes;

pub(super) use group::{Entry, Group};

/// The name of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn(pub(super) [u8; 16]);

/// The file, and where it is continued.
pub(super) struct Journal {
    file: File,
    turn: Turn,
    /// Where the next group goes.
    end: u64,
    /// How much of the file is there already.
    room: u64,
}

impl Journal {
    /// Opens the file, makes it on first use, and gives the groups of `turn` that are in it.
    pub(super) fn open(path: &Path, turn: Turn) -> io::Result<(Self, Vec<Group>)> {
        let mut file =
            OpenOptions::new().create(true).read(true).write(true).truncate(false).mode(0o600).open(path)?;
        let mut bytes = Vec::new();
        file.rewind()?;
        file.read_to_end(&mut bytes)?;
        let room = bytes.len() as u64;
        let (groups, end) = read_groups(Bytes::from(bytes), turn);
        Ok((Self { file, turn, end, room }, groups))
    }

    /// Writes a group behind the last one. Durable after the next [`Journal::sync`].
    pub(super) fn append(&mut self, group: &Group) -> io::Result<()> {
        let mut payload = Vec::with_capacity(TURN_BYTES + group.size_hint());
        payload.extend_from_slice(&self.turn.0);
        group.print(&mut payload)?;
        let mut bytes = Vec::with_capacity(payload.len() + 64);
        record::print_record(&payload, &mut bytes);
        let end = self.end + bytes.len() as u64;
        self.make_room(end)?;
        self.file.write_all_at(&bytes, self.end)?;
        self.end = end;
        Ok(())
    }

    /// Makes what was written durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Begins anew at the start of the file. The database must know `turn` durably, and all that
    /// was written before.
    pub(super) fn begin(&mut self, turn: Turn) {
        self.turn = turn;
        self.end = 0;
        if self.room > ROOM_KEPT && self.file.set_len(ROOM_KEPT).is_ok() {
            self.room = ROOM_KEPT;
        }
    }

    /// How much of the file this turn has filled, in bytes.
    pub(super) fn len(&self) -> u64 {
        self.end
    }

    /// Fills the file with zeros ahead of what is written, so that a group's own bytes are all
    /// that its sync has to wait for.
    fn make_room(&mut self, end: u64) -> io::Result<()> {
        while self.room < end {
            self.file.write_all_at(&[0; ROOM_STEP], self.room)?;
            self.room += ROOM_STEP as u64;
            if self.room >= end {
                self.file.sync_all()?;
            }
        }
        Ok(())
    }
}

/// The groups of `turn`, and where the last one ends. What a crash tore off at the end was never
/// acknowledged; a gap between groups is damage.
fn read_groups(bytes: Bytes, turn: Turn) -> (Vec<Group>, u64) {
    let (mut groups, mut end) = (Vec::new(), 0);
    for range in record::survey(&bytes).good {
        let payload = bytes.slice(range.start + record::HEADER..range.end);
        if payload.get(..TURN_BYTES) != Some(&turn.0[..]) {
            continue;
        }
        if range.start != end {
            tracing::error!(at = end, bytes = range.start - end, "the journal is damaged, messages are lost");
        }
        end = range.end;
        match Group::parse(payload.slice(TURN_BYTES..)) {
            Ok(group) => groups.push(group),
            Err(error) => tracing::error!(at = range.start, %error, "a group of messages is lost"),
        }
    }
    (groups, end as u64)
}

const TURN_BYTES: usize = 16;
const ROOM_STEP: usize = 256 << 10;
/// A file that became longer than this is cut.
const ROOM_KEPT: u64 = 16 << 20;

#[cfg(test)]
mod tests;
