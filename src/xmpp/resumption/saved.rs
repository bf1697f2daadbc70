//! What of a stream that can be resumed outlives the process.
//!
//! Shapes and their bytes only. A version stands in front: what an older server wrote and this one does not
//! understand is as good as absent, and the client binds a resource again.

use std::sync::Arc;

use bytes::Bytes;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use crate::{
    account::{Copy, Delivery, SessionChange},
    signal::{Address, Message, Presence, Resource, Timestamp, Topic},
    xmpp::session::Kept,
};

/// What a session told the account of itself, to be told again.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::xmpp) struct Told {
    pub(super) takes_copies: bool,
    pub(super) follows_roster: bool,
    pub(super) topics: Option<Arc<[Topic]>>,
    pub(super) presence: Option<Arc<Presence>>,
}

impl Told {
    pub(in crate::xmpp) fn note_presence(&mut self, presence: &Arc<Presence>) {
        self.presence = Some(Arc::clone(presence));
    }

    pub(in crate::xmpp) fn note(&mut self, change: &SessionChange) {
        match change {
            SessionChange::TakesCopies(takes) => self.takes_copies = *takes,
            SessionChange::FollowsRoster(follows) => self.follows_roster = *follows,
            SessionChange::Follows(topics) => self.topics = Some(Arc::clone(topics)),
            SessionChange::TakesMessages(_)
            | SessionChange::Contact(_)
            | SessionChange::Calls(_)
            | SessionChange::Dormant(_)
            | SessionChange::Attended(_)
            | SessionChange::Collect => {}
        }
    }
}

/// One stream.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Saved {
    pub(super) account: Address,
    pub(super) resource: Resource,
    /// The device password that opened the session.
    pub(super) device: Option<i64>,
    /// The program, where it said which installation it is.
    pub(super) client: Option<i64>,
    pub(super) told: Told,
    pub(super) language: Option<CompactString>,
    /// Stanzas of the client that were handled, and stanzas to it that it acknowledged.
    pub(super) handled: u32,
    pub(super) acknowledged: u32,
    pub(super) unacknowledged: Vec<Stanza>,
    /// When it is too late to resume it.
    pub(super) until: Timestamp,
    /// It is told whom its owner blocks. Not in [`BEFORE`].
    pub(super) follows_blocks: bool,
}

/// A stanza that the client has not acknowledged.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Stanza {
    Message(Arc<Message>, Copy),
    Bytes(Box<[u8]>),
    Counted,
}

impl Stanza {
    pub(super) fn of(kept: &Kept) -> Self {
        match kept {
            Kept::Message(delivery) => Self::Message(Arc::clone(&delivery.message), delivery.copy),
            Kept::Stanza(bytes) => Self::Bytes(bytes.clone()),
            Kept::Counted => Self::Counted,
        }
    }

    pub(super) fn into_kept(self) -> Kept {
        match self {
            Self::Message(message, copy) => Kept::Message(Delivery::again(message, copy)),
            Self::Bytes(bytes) => Kept::Stanza(bytes),
            Self::Counted => Kept::Counted,
        }
    }
}

impl Saved {
    /// The value to keep.
    pub(super) fn print(&self) -> Bytes {
        // Plain data of this kind always has a form.
        postcard::to_extend(self, vec![VERSION]).unwrap_or_default().into()
    }

    /// Reads a value; `None` where it is not one of this version or the one before.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (version, rest) = bytes.split_first()?;
        match *version {
            VERSION => postcard::from_bytes(rest).ok(),
            BEFORE => postcard::from_bytes(&[rest, &[u8::from(false)]].concat()).ok(),
            _ => None,
        }
    }
}

const VERSION: u8 = 3;
/// Ends before `follows_blocks`.
const BEFORE: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::Availability;

    #[test]
    fn what_is_saved_is_found_again() {
        let mut told = Told::default();
        told.note(&SessionChange::TakesCopies(true));
        told.note(&SessionChange::Dormant(true));
        let presence = Presence { availability: Availability::Away, ..Presence::offline(Timestamp(5)) };
        told.note_presence(&Arc::new(presence));
        let saved = Saved {
            account: Address::parse("a@b").expect("an address"),
            resource: Resource::new("phone").expect("a resource"),
            device: Some(3),
            client: Some(4),
            told,
            language: Some("eo".into()),
            handled: 7,
            acknowledged: u32::MAX,
            unacknowledged: vec![Stanza::Bytes(b"<presence/>".as_slice().into()), Stanza::Counted],
            until: Timestamp(9),
            follows_blocks: true,
        };
        let bytes = saved.print();
        let before = [&[BEFORE][..], &bytes[1..bytes.len() - 1]].concat();
        let told_less = Saved::parse(&before).expect("what an earlier server wrote");
        assert!(!told_less.follows_blocks);
        assert_eq!(Saved { follows_blocks: true, ..told_less }, saved);
        assert_eq!(Saved::parse(&before[..before.len() - 1]), None);
        assert_eq!(Saved::parse(&bytes), Some(saved));
        assert_eq!(Saved::parse(&bytes[..bytes.len() - 1]), None);
        assert_eq!(Saved::parse(&[VERSION + 1]), None);
        assert_eq!(Saved::parse(&[]), None);
    }
}
