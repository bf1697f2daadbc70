//! Presence: what one session says of its person, and what the account shows to others.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::{Address, AvatarHash, AvatarMark, Native, Occasion, Party, Resource, Text, Timestamp};

/// How reachable somebody is, weakest first: the order in which aggregation lets one win.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub enum Availability {
    #[default]
    Offline,
    /// Away for long.
    ExtendedAway,
    Away,
    Online,
    /// There, and not to be disturbed.
    Busy,
}

/// What a person does, where a session says so (RFC 4480 §3.2, those with an effect here).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Activity {
    OnThePhone,
    /// Any other, by its name in RFC 4480.
    Named(CompactString),
}

impl Activity {
    /// The availability that it stands for; `None` where it says nothing about it.
    #[must_use]
    pub fn implied(&self) -> Option<Availability> {
        let name = match self {
            Self::OnThePhone => return Some(Availability::Busy),
            Self::Named(name) => name.as_str(),
        };
        match name {
            "appointment" | "busy" | "meeting" | "performance" | "presentation" | "worship" => {
                Some(Availability::Busy)
            }
            "away" | "breakfast" | "dinner" | "in-transit" | "lunch" | "meal" | "shopping" => {
                Some(Availability::Away)
            }
            "holiday" | "permanent-absence" | "sleeping" | "travel" | "vacation" => {
                Some(Availability::ExtendedAway)
            }
            _ => None,
        }
    }
}

/// The presence of one session, or of an account as a whole.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Presence {
    pub availability: Availability,
    /// Not only there but eager to talk ("free for chat").
    pub eager: bool,
    /// Words for people, once per language.
    pub notes: Vec<Text>,
    pub activities: Vec<Activity>,
    /// The part of life that the person is in, such as `work` or `home`, in lower case (RFC 4480 §3.12).
    pub sphere: Option<CompactString>,
    /// No key was touched since.
    pub idle_since: Option<Timestamp>,
    /// When this was said.
    pub since: Timestamp,
    /// -128 to 127: which session wants messages most; a negative one wants none unasked.
    pub priority: i8,
    pub native: Native,
    /// The speaker's name for what he said. Last, since records of old have none.
    pub origin_id: Option<CompactString>,
}

impl Presence {
    /// Online since `since`, nothing else said.
    #[must_use]
    pub fn online(since: Timestamp) -> Self {
        Self { availability: Availability::Online, since, ..Self::default() }
    }

    /// Gone since `since`, nothing else said.
    #[must_use]
    pub fn offline(since: Timestamp) -> Self {
        Self { since, ..Self::default() }
    }

    /// Whether the session is there at all.
    #[must_use]
    pub fn is_available(&self) -> bool {
        self.availability != Availability::Offline
    }
}

/// Tells a watcher that one session of a person changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PresenceNotice {
    /// Whose presence; with the resource of the session that changed, without for the account.
    pub from: Party,
    pub presence: Arc<Presence>,
    /// The account as a whole after the change; `None` where the sender is no account of ours,
    /// or where the presence is meant for its receiver alone (directed).
    pub aggregate: Option<Arc<Presence>>,
    /// The person's picture.
    pub avatar: AvatarMark,
    /// It is for one session by its name, and not for whoever is there.
    pub to_session: bool,
    /// Its sender wants to see the receiver in turn, for that.
    pub wants: Option<Occasion>,
    /// Of the native form only what the session can do may be told.
    pub is_bare: bool,
    /// The session understands no questions of chat clients: the server answers in its name.
    pub is_spoken_for: bool,
    /// When it happened, where it is told long after (RFC 6121 §4.3.2).
    pub happened: Option<Timestamp>,
    /// How it was printed for the first of its readers.
    #[serde(skip)]
    pub printed: Memo,
}

impl PresenceNotice {
    /// A notice that nobody printed yet.
    #[must_use]
    pub fn new(from: Party, presence: Arc<Presence>, aggregate: Option<Arc<Presence>>) -> Self {
        let (avatar, printed) = (AvatarMark::Untold, Memo::default());
        Self {
            from,
            presence,
            aggregate,
            avatar,
            to_session: false,
            wants: None,
            is_bare: false,
            is_spoken_for: false,
            happened: None,
            printed,
        }
    }

    /// The same, meant for that party alone.
    #[must_use]
    pub fn meant_for(self, to: &Party) -> Self {
        Self { to_session: to.resource.is_some(), ..self }
    }

    /// The same, which tells of the person's picture too.
    #[must_use]
    pub fn with_avatar(self, avatar: AvatarMark) -> Self {
        Self { avatar, ..self }
    }
}

/// What is the same for every reader of a shared value, printed once: a person's presence goes to
/// all her contacts. Of use to the one door whose readers are many; others leave it alone. It is no
/// part of the value: all memos are equal, and none leaves the process.
#[derive(Debug, Clone, Default)]
pub struct Memo(OnceLock<Bytes>);

impl Memo {
    /// The printed form; the first caller's `print` makes it.
    pub fn or_print(&self, print: impl FnOnce() -> Bytes) -> &Bytes {
        self.0.get_or_init(print)
    }
}

impl PartialEq for Memo {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// One session as others may see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResourceState {
    pub resource: Resource,
    /// Where the session takes messages and calls itself, in the words of its own protocol.
    pub contact: Option<CompactString>,
    /// It takes instant messages.
    pub takes_messages: bool,
    /// It takes calls.
    pub takes_calls: bool,
    pub presence: Arc<Presence>,
}

/// Everything a permitted watcher may see of an account at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    pub of: Address,
    pub aggregate: Arc<Presence>,
    /// The available sessions, and those that say in so many words that they are closed; oldest first.
    pub resources: Vec<ResourceState>,
    /// The person's picture.
    pub picture: Option<AvatarHash>,
}
