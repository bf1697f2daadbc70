//! What a person tells of herself beside her presence, and what others ask about her.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Address, Avatar, AvatarHash, Extract, Memo, NodeName, NodeNews, Party, Profile};

/// Something that an account is asked about its owner, by herself or by somebody else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wanted {
    /// What is known of her picture.
    Avatar,
    /// A picture with its bytes; with `hash`, this one or none.
    Picture { hash: Option<AvatarHash> },
    /// What she tells of herself in general.
    Profile,
    /// The nodes that the asking one may read.
    Nodes,
    /// Something of a node.
    Node { node: NodeName, extract: Extract },
    /// Whether everybody may see her picture.
    AvatarAccess,
    /// To be told of a node's news, or no more: all of one's sessions, or the asking one.
    Subscription { node: NodeName, on: bool, is_bare: bool },
    /// What she could take from somebody who is about to call.
    Reach,
    /// For how long she has not been there.
    LastSeen,
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
    Profile,
    Node(NodeName),
}

/// Something about a person changed, or is told to somebody who did not know it yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PersonalNews {
    pub from: Address,
    pub what: Piece,
    /// The reader asked to be told: he is, whatever his session follows.
    pub asked: bool,
    /// How it was printed for the first of its readers.
    #[serde(skip)]
    pub printed: Memo,
}

impl PersonalNews {
    /// News that nobody printed yet.
    #[must_use]
    pub fn new(from: Address, what: Piece) -> Self {
        Self { from, what, asked: false, printed: Memo::default() }
    }
}

/// What the news is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Piece {
    /// Her picture now.
    Avatar(Option<Arc<Avatar>>),
    /// What she tells of herself in general.
    Profile(Arc<Profile>),
    Node {
        node: NodeName,
        news: NodeNews,
    },
}

impl Piece {
    /// Who wants to hear of it.
    #[must_use]
    pub fn topic(&self) -> Topic {
        match self {
            Self::Avatar(_) => Topic::Avatar,
            Self::Profile(_) => Topic::Profile,
            Self::Node { node, .. } => Topic::Node(node.clone()),
        }
    }
}
