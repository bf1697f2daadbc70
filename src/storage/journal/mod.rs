//! The journal: every group of messages is written behind the last one in a file, and made durable
//! by a single call, before anybody is told.
//!
//! The tables get the same messages later, many at a time and in the order of their keys, so that
//! a page is written once for many messages. Until then they are held in memory, too. There are
//! two files that take turns: while the tables are given what one of them has, a new *turn* begins
//! at the start of the other. What is written there before is of an earlier turn, which the tables
//! have, and is passed over. The files keep their length, so that making a group durable changes
//! no metadata.
//!
//! The name of a turn is random, that of the next one higher by one; the database alone knows the
//! name of the first turn that the tables lack. So bytes that a peer puts into a message never
//! pass for a record. Must not know what is in the tables.

pub(super) mod group;
pub(super) mod record;

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::Path,
};

use bytes::Bytes;

pub(super) use group::{Entry, Group};

/// The name of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn(pub(super) [u8; 16]);

impl Turn {
    /// The name of the turn that follows.
    pub(super) fn next(self) -> Self {
        Self(u128::from_be_bytes(self.0).wrapping_add(1).to_be_bytes())
    }
}

/// The files, and where the one in use is continued.
pub(super) struct Journal {
    file: Segment,
    /// The one that the turn before was written to, and the next one will be.
    other: Segment,
    turn: Turn,
    /// Where the next group goes.
    end: u64,
    /// A record that is being printed.
    record: Vec<u8>,
}

/// One of the files.
struct Segment {
    file: File,
    /// How much of the file is there already.
    room: u64,
}

impl Journal {
    /// Opens the files in `folder`, makes them on first use, and gives the groups of `turn` and of
    /// the turn that follows it. Where there are any, the next one has to begin.
    pub(super) fn open(folder: &Path, turn: Turn) -> io::Result<(Self, Vec<Group>)> {
        let (file, bytes) = Segment::open(&folder.join(FILES[0]))?;
        let (other, more) = Segment::open(&folder.join(FILES[1]))?;
        let mut groups = Vec::new();
        let mut last = turn;
        for turn in [turn, turn.next()] {
            for bytes in [&bytes, &more] {
                let found = read_groups(bytes, turn);
                if !found.is_empty() {
                    last = turn;
                }
                groups.extend(found);
            }
        }
        Ok((Self { file, other, turn: last, end: 0, record: Vec::new() }, groups))
    }

    /// Writes a group behind the last one. Durable after the next [`Journal::sync`].
    pub(super) fn append(&mut self, group: &Group) -> io::Result<()> {
        self.record.clear();
        self.record.shrink_to(RECORD_KEPT);
        record::print_record(&mut self.record, |out| {
            out.extend_from_slice(&self.turn.0);
            group.print(out)
        })?;
        let end = self.end + self.record.len() as u64;
        self.file.make_room(end)?;
        self.file.file.write_all_at(&self.record, self.end)?;
        self.end = end;
        Ok(())
    }

    /// Makes what was written durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.file.sync_data()
    }

    /// Begins the next turn, in the other file. The database must know durably that the tables have
    /// the turn before this one.
    pub(super) fn begin_next(&mut self) {
        std::mem::swap(&mut self.file, &mut self.other);
        self.turn = self.turn.next();
        self.end = 0;
        self.file.shorten();
    }

    /// The turn in which groups are written.
    pub(super) fn turn(&self) -> Turn {
        self.turn
    }

    /// How much of the file this turn has filled, in bytes.
    pub(super) fn len(&self) -> u64 {
        self.end
    }
}

impl Segment {
    /// Opens the file, and reads it.
    fn open(path: &Path) -> io::Result<(Self, Bytes)> {
        let mut file =
            OpenOptions::new().create(true).read(true).write(true).truncate(false).mode(0o600).open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok((Self { file, room: bytes.len() as u64 }, Bytes::from(bytes)))
    }

    /// Fills the file with zeros ahead of what is written, so that a group's own bytes are all
    /// that its sync has to wait for. More each time: the first sync behind it is a slow one.
    fn make_room(&mut self, end: u64) -> io::Result<()> {
        while self.room < end {
            let step = self.room.clamp(ROOM_STEP, 16 * ROOM_STEP);
            self.file.write_all_at(&vec![0; usize::try_from(step).unwrap_or_default()], self.room)?;
            self.room += step;
        }
        Ok(())
    }

    fn shorten(&mut self) {
        if self.room > ROOM_KEPT && self.file.set_len(ROOM_KEPT).is_ok() {
            self.room = ROOM_KEPT;
        }
    }
}

/// The groups of `turn`. What a crash tore off at the end was never
/// acknowledged; a gap between groups is damage.
fn read_groups(bytes: &Bytes, turn: Turn) -> Vec<Group> {
    let (mut groups, mut end) = (Vec::new(), 0);
    for range in record::survey(bytes).good {
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
    groups
}

const TURN_BYTES: usize = 16;
/// In the data folder. They belong to the database, as its own log does.
const FILES: [&str; 2] = ["journal", "journal2"];
const ROOM_STEP: u64 = 256 << 10;
/// Room for a record that is kept from one to the next.
const RECORD_KEPT: usize = 256 << 10;
/// A file that became longer than this is cut.
const ROOM_KEPT: u64 = 16 << 20;

#[cfg(test)]
mod tests;
