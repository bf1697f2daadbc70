//! Messages that become durable together, and their bytes in the journal.
//!
//! A message that several accounts keep, sender and receiver for instance, is in the group once.

use std::{io, ops::Range, sync::Arc};

use bytes::Bytes;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::{
    signal::{Address, Message, MessageId},
    storage::{AccountKey, Retraction, StoreError, codec},
};

/// What one account is to keep, or to keep no longer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::storage) enum Entry {
    /// A line of the archive.
    Archive { account: AccountKey, id: MessageId, with: Address, outgoing: bool, body: Body },
    /// A message that waits for the owner.
    Append { account: AccountKey, id: MessageId, body: Body },
    /// Everything up to this message waits no longer.
    Trim { account: AccountKey, through: MessageId },
    /// An earlier line says nothing any more.
    Retract { account: AccountKey, retraction: Retraction },
}

/// Where in the group's bodies an encoded message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::storage) struct Body {
    start: u32,
    len: u32,
}

/// Entries in the order in which they were submitted, and the messages they speak of.
#[derive(Debug, Default)]
pub(in crate::storage) struct Group {
    entries: Vec<Entry>,
    bodies: Vec<u8>,
    /// The bodies by the address of the message. The messages are held, so that no other one
    /// takes the address.
    known: FxHashMap<usize, (Arc<Message>, Body)>,
}

impl Group {
    pub(in crate::storage) fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// Takes a message into the group, once.
    pub(in crate::storage) fn add(&mut self, message: &Arc<Message>) -> Result<Body, StoreError> {
        let address = Arc::as_ptr(message).addr();
        if let Some((_, body)) = self.known.get(&address) {
            return Ok(*body);
        }
        let start = self.bodies.len();
        if let Err(error) = codec::append(message.as_ref(), &mut self.bodies) {
            self.bodies.truncate(start);
            return Err(error);
        }
        let body = Body::of(start..self.bodies.len())?;
        self.known.insert(address, (Arc::clone(message), body));
        Ok(body)
    }

    pub(in crate::storage) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of all messages.
    pub(in crate::storage) fn size(&self) -> usize {
        self.bodies.len()
    }

    /// Appends the bytes that [`Group::parse`] reads.
    pub(super) fn print(&self, out: &mut Vec<u8>) -> io::Result<()> {
        codec::append_plain(&self.entries, out).map_err(io::Error::other)?;
        out.extend_from_slice(&self.bodies);
        Ok(())
    }

    /// Reads a group; the bodies stay where they are.
    pub(super) fn parse(bytes: Bytes) -> Result<Self, StoreError> {
        let (entries, rest) = postcard::take_from_bytes::<Vec<Entry>>(&bytes)
            .map_err(|_| StoreError::Corrupt("a group of the journal"))?;
        Ok(Self { entries, bodies: rest.to_vec(), known: FxHashMap::default() })
    }

    /// The entries, and the bytes that their bodies are in.
    pub(in crate::storage) fn into_parts(self) -> (Vec<Entry>, Bytes) {
        (self.entries, Bytes::from(self.bodies))
    }
}

impl Body {
    fn of(range: Range<usize>) -> Result<Self, StoreError> {
        match (u32::try_from(range.start), u32::try_from(range.len())) {
            (Ok(start), Ok(len)) => Ok(Self { start, len }),
            _ => Err(StoreError::Overloaded),
        }
    }

    /// How many bytes the message takes.
    pub(in crate::storage) fn len(self) -> u64 {
        u64::from(self.len)
    }

    /// The encoded message, shared with the others of its group; empty where it is not within it.
    pub(in crate::storage) fn within(self, bodies: &Bytes) -> Bytes {
        let (start, len) = (self.start as usize, self.len as usize);
        match start.checked_add(len) {
            Some(end) if end <= bodies.len() => bodies.slice(start..end),
            _ => Bytes::new(),
        }
    }
}
