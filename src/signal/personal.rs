//! What a person tells of herself beside her presence, and what others ask about her.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Address, Avatar, AvatarHash, Memo, Party};

/// Something that an account is asked about its owner, by herself or by somebody else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wanted {
    /// What is known of her picture.
    Avatar,
    /// A picture with its bytes; with `hash`, this one or none.
    Picture { hash: Option<AvatarHash> },
    /// How the things are that the asking session follows: it is told by [`PersonalNews`].
    Latest { topics: Arc<[Topic]> },
}

/// A question about an account's owner on its way to that account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enquiry {
    pub from: Party,
    pub to: Address,
    pub wanted: Wanted,
}

/// What a session wants to hear of, of its owner and of those whose presence she may see.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Topic {
    Avatar,
}

/// Something about a person changed, or is told to somebody who did not know it yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PersonalNews {
    pub from: Address,
    pub what: Piece,
    /// How it was printed for the first of its readers.
    #[serde(skip)]
    pub printed: Memo,
}

impl PersonalNews {
    /// News that nobody printed yet.
    #[must_use]
    pub fn new(from: Address, what: Piece) -> Self {
        Self { from, what, printed: Memo::default() }
    }
}

/// What the news is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Piece {
    /// Her picture now.
    Avatar(Option<Arc<Avatar>>),
}

impl Piece {
    /// Who wants to hear of it.
    #[must_use]
    pub fn topic(&self) -> Topic {
        match self {
            Self::Avatar(_) => Topic::Avatar,
        }
    }
}
