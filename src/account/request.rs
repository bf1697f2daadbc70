//! What an owner can ask of the account, and what it answers.

use std::sync::Arc;

use bytes::Bytes;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::{
    Amendment, ArchivePage, ArchiveReading, ContactChange, Facts, PreferencesChange, Ring, Sent, SessionSpec,
    Takes, Trial, Tried, WakeAddress, event::About,
};
use crate::{
    signal::{
        Address, Automation, Avatar, AvatarHash, Contact, ContactEvent, ContactRequest, DocumentEntry, Item,
        ItemId, Message, Native, NodeChange, NodeConfig, NodeName, Party, Presence, Profile, Query, Ruleset,
        SessionId, Text, Wanted, WatcherList,
    },
    storage::Preferences,
};

/// What the owner, through any door, asks of the account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// Send a message. Replies [`Reply::Sent`].
    Send(Arc<Message>),
    /// Pass a question or an answer to another session. No reply of its own, failures apart.
    Query(Arc<Query>),
    /// The roster; with `since`, only what changed after that version where that is known.
    /// Replies [`Reply::Roster`].
    Roster { since: Option<u64> },
    /// Add a contact, or give it this name and these groups. Replies [`Reply::Done`].
    SetContact { address: Address, name: Option<CompactString>, groups: SmallVec<[CompactString; 2]> },
    /// Remove a contact, ending what presence is shared. [`Reply::Done`], or not found.
    RemoveContact { address: Address },
    /// Ask for, grant, give up or deny presence (RFC 6121 §3). Replies [`Reply::Done`].
    Contact {
        to: Address,
        event: ContactEvent,
        note: Option<Text>,
        native: Native,
        origin_id: Option<CompactString>,
    },
    /// Ask how somebody is, or one of his sessions (RFC 6121 §4.3). Whatever he may be told comes as
    /// presence. Replies [`Reply::Done`].
    Probe { to: Party, origin_id: Option<CompactString> },
    /// The questions that wait for the owner's answer. Replies [`Reply::ContactRequests`].
    ContactRequests,
    /// Whether the owner may say something to this one. Replies [`Reply::Done`], or refuses with
    /// [`crate::signal::Reason::Blocked`].
    MayTell(Address),
    /// Ask about `of`, who may be the owner herself. Replies as the question demands.
    Enquire { of: Address, wanted: Wanted },
    /// Change a personal node. Replies [`Reply::Done`], or [`Reply::Published`].
    ChangeNode { node: NodeName, change: NodeChange },
    /// Say what one tells of oneself. Replies [`Reply::Done`].
    SetProfile(Arc<Profile>),
    /// Put on a picture, or take off the one that is worn. Replies [`Reply::Avatar`].
    SetAvatar(Option<Bytes>),
    /// Bring a picture, to be put on later. Replies [`Reply::Done`].
    StageAvatar(Bytes),
    /// Let everybody see the picture, or only those who may see presence. Replies [`Reply::Done`].
    ShowAvatar { is_open: bool },
    /// A page of the archive. Replies [`Reply::Archive`], or not found.
    Archive(Box<ArchiveReading>),
    /// Put on a picture that was brought before. Replies [`Reply::Avatar`], or not found.
    WearAvatar(AvatarHash),
    /// Replies [`Reply::Preferences`].
    Preferences,
    /// Replies [`Reply::Done`] once they are durable; refuses with [`crate::signal::Reason::Conflict`] where they are
    /// others than were read. [`super::Accounts::change_preferences`] does both.
    SetPreferences(Box<PreferencesChange>),
    /// The rules on who may see the owner's presence. Replies [`Reply::Rules`].
    Rules,
    /// Replies [`Reply::Done`] once they are durable; what follows from them happens before.
    SetRules(Option<Arc<Ruleset>>),
    /// The rules on who may write to the owner. Replies [`Reply::Rules`].
    MessageRules,
    /// Replies [`Reply::Done`] once they are durable; they decide from now on.
    SetMessageRules(Option<Arc<Ruleset>>),
    /// The owner's automated rules. Replies [`Reply::Automation`].
    Automation,
    /// Replies [`Reply::Done`] once they are durable; signals meet them from now on.
    SetAutomation(Option<Box<Automation>>),
    /// What would happen to a signal. Replies [`Reply::Tried`]; changes nothing.
    Try(Box<Trial>),
    /// Forget what was refused. Replies [`Reply::Done`].
    RemoveRefusals,
    /// What is shown of the owner while no session shows anything. Replies [`Reply::HardState`].
    HardState,
    /// Replies [`Reply::Done`] once it is durable.
    SetHardState(Option<Arc<Presence>>),
    /// Whom the owner blocked. Replies [`Reply::Blocked`].
    Blocked,
    /// Block these accounts, or everybody of these domains. Replies [`Reply::Done`] once it is durable.
    Block(Vec<Address>),
    /// Take that back; without addresses, every block. Replies [`Reply::Done`] once it is durable.
    Unblock(Option<Vec<Address>>),
    /// All that documents tell of the account, unless its revision is this one. Replies [`Reply::Facts`].
    Facts { unless: Option<u64> },
    /// Change documents and what they tell of, all at once. Replies [`Reply::Amended`] once it is durable, or
    /// refuses with [`crate::signal::Reason::Conflict`] where the account is at another revision.
    Amend(Box<Amendment>),
    /// Leave an address at which the session's device is called while it sleeps, with what is to be said there.
    /// Replies [`Reply::Done`] once it is durable, or refuses with [`crate::signal::Reason::TooLarge`].
    AddWakeAddress { at: WakeAddress, terms: Bytes },
    /// Take back every address at this service, or this one. Replies [`Reply::Done`] once that is durable.
    RemoveWakeAddresses { service: Party, node: Option<CompactString> },
    /// Who watches the owner, or waits to. Replies [`Reply::Watchers`].
    Watchers,
    /// End the sessions of this name, or all, in the name of an administrator. Replies [`Reply::Ended`].
    EndSessions { name: Option<CompactString> },
    /// What the account looks like to its owner now. Replies [`Reply::Summary`].
    Summary,
}

impl Request {
    /// What this gives to be passed on.
    pub(super) fn about(&self) -> Option<About> {
        match self {
            Self::Send(message) => Some(About::Message(Arc::clone(message))),
            Self::Query(query) => Some(About::Query(Arc::clone(query))),
            _ => None,
        }
    }
}

/// The account's reply to a [`Request`], or to a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    Done,
    Sent(Sent),
    Roster(Arc<RosterView>),
    ContactRequests(Vec<ContactRequest>),
    Preferences(Preferences),
    Avatar(Option<Arc<Avatar>>),
    Profile(Option<Profile>),
    /// Nodes with their titles.
    Nodes(Vec<(NodeName, Option<CompactString>)>),
    Node(Box<NodeConfig>),
    Ids(Vec<ItemId>),
    Items(Vec<Item>),
    Published(Vec<ItemId>),
    AvatarAccess {
        is_open: bool,
        /// The picture that there is.
        hash: Option<AvatarHash>,
    },
    Archive(Box<ArchivePage>),
    Picture {
        avatar: Arc<Avatar>,
        bytes: Bytes,
    },
    /// `None` where the owner set none.
    Rules(Option<Arc<Ruleset>>),
    HardState(Option<Arc<Presence>>),
    /// In the order of the addresses.
    Blocked(Vec<Address>),
    /// `None` where the revision is the one that the asker knows.
    Facts(Option<Arc<Facts>>),
    /// The documents that were put, as they are known from now on, and the account's revision.
    Amended {
        documents: Vec<DocumentEntry>,
        revision: u64,
    },
    Watchers(Arc<WatcherList>),
    /// So many sessions were ended.
    Ended(usize),
    Summary(Box<Summary>),
    /// `None` where the owner set none.
    Automation(Option<Box<Automation>>),
    Tried(Box<Tried>),
    /// For how long the asked one has not been there: 0 where she is, `None` where she never was.
    LastSeen {
        seconds: Option<u64>,
    },
    /// What the asked account could take.
    Reach(Takes),
    /// Where a call rings.
    Ring(Box<Ring>),
}

/// A roster, or what changed in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RosterView {
    /// The version that this brings its reader to.
    pub version: u64,
    /// These are all contacts; otherwise there are the changes since the version asked for.
    pub complete: bool,
    pub contacts: Vec<Contact>,
    /// In order of their versions; none where it is complete.
    pub changes: Vec<ContactChange>,
}

/// The account as its owner sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    pub address: Address,
    /// People of her domain can look for each other.
    pub has_directory: bool,
    /// She may invite people to make accounts, though she administers nothing.
    pub invites_newcomers: bool,
    pub aggregate: Arc<Presence>,
    pub sessions: Vec<SessionView>,
}

/// One session as its owner sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionView {
    pub session: SessionId,
    pub spec: SessionSpec,
    /// `None` while it has not announced itself.
    pub presence: Option<Arc<Presence>>,
}
