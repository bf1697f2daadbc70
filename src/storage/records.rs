//! What the store keeps and gives back: plain data, free of SQL and of file formats.
//!
//! Roster versions follow RFC 6121 §2.6: every change of a roster gets the next number, removed
//! contacts leave a tombstone, so that a client with an old copy is sent the changes alone.
//! Nothing here may hold a connection, a path or a lock.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::shelf::Shelved;
use crate::signal::{
    Address, Automation, Contact, ContactRequest, Content, DocumentEntry, DocumentId, HookCall, Message,
    MessageId, Native, Presence, Ruleset, TemporaryPresence, Timestamp, Watcher,
};

use super::{Refusal, SentReply};

/// The store's name for one account. Never used again after the account is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AccountKey(pub i64);

/// Everything an account needs to start.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountRecord {
    pub key: AccountKey,
    pub address: Address,
    pub is_admin: bool,
    /// Nobody can log in, and nothing is taken for it.
    pub disabled: bool,
    pub preferences: Preferences,
    /// Who may see the owner's presence, as far as she set rules.
    pub rules: Option<Ruleset>,
    /// Who may write to her, as far as she set rules.
    pub message_rules: Option<Ruleset>,
    /// Who may follow her calls.
    pub call_rules: Option<Ruleset>,
    /// Her automated rules.
    pub automation: Option<Automation>,
    /// Who got which automatic answer; at most [`super::SENT_REPLIES`].
    pub replies: Vec<SentReply>,
    /// What automated rules are to be asked about later, soonest first; at most [`LATE_MESSAGES`].
    pub late: Vec<LateMessage>,
    /// What is shown of her while no session shows anything.
    pub hard_state: Option<Presence>,
    /// In the order of their addresses.
    pub roster: Vec<RosterRow>,
    /// The number of the roster's last change; 0 for one that never changed.
    pub roster_version: u64,
    /// Removed contacts with the version of the removal, oldest first; at most [`TOMBSTONES`].
    pub removed: Vec<(Address, u64)>,
    /// Tombstones of this version and earlier may be missing: who has an older copy than this
    /// needs the whole roster.
    pub roster_floor: u64,
    /// Unanswered requests, oldest first.
    pub requests: Vec<ContactRequest>,
    /// Who asked to watch and has no answer, in the order of their addresses.
    pub waiting: Vec<WaitingWatcher>,
    /// Everything on its shelves, shelf by shelf in order, the large things without content.
    pub shelves: Vec<Shelved>,
    /// Whether messages wait in the offline file.
    pub has_offline: bool,
    /// Whom the owner blocked, in the order of their addresses.
    pub blocked: Vec<Address>,
    /// The documents, in the order of their ids.
    pub documents: Vec<DocumentEntry>,
    /// The greatest version that a document ever had; 0 where there never was one.
    pub documents_version: u64,
}

/// A message that automated rules are to be asked about some time after it came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LateMessage {
    pub due: Timestamp,
    /// Seconds after its coming that `due` is.
    pub delay: u32,
    pub message: Arc<Message>,
    /// The accounts that passed it on.
    pub via: Vec<Address>,
}

/// A document with its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDocument {
    pub entry: DocumentEntry,
    pub bytes: Bytes,
}

/// Somebody who asked to watch and has no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingWatcher {
    /// As it is listed when he is gone; `until` says when he is forgotten.
    pub watcher: Watcher,
    /// The request to become a contact that stands beside it is his asking to watch, nothing more: it is
    /// forgotten with it.
    pub is_alone: bool,
}

/// A contact and the roster version that last changed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RosterRow {
    pub contact: Contact,
    pub version: u64,
}

/// How many removed contacts are remembered per account.
pub const TOMBSTONES: usize = 128;

/// Who may write to the owner without being a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AcceptedSenders {
    #[default]
    Everybody,
    /// Whoever proved who he is to this server or to one that vouches for him.
    Authenticated,
    /// Accounts of the owner's own domain.
    SameDomain,
    Nobody,
}

impl AcceptedSenders {
    /// Reads what [`fmt::Display`] prints; `None` for any other word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Everybody, Self::Authenticated, Self::SameDomain, Self::Nobody]
            .into_iter()
            .find(|choice| choice.as_str() == text)
    }

    /// The word for it in settings and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Everybody => "everybody",
            Self::Authenticated => "authenticated",
            Self::SameDomain => "same-domain",
            Self::Nobody => "nobody",
        }
    }
}

impl fmt::Display for AcceptedSenders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which messages go into the archive.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct ArchiveChoice {
    pub default: ArchiveDefault,
    /// Those with these accounts or domains, in any case.
    pub always: Vec<Address>,
    /// Those with these accounts or domains, in no case.
    pub never: Vec<Address>,
    /// Days after which they leave it; `None` and 0 leave that to the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_days: Option<u32>,
}

/// Which messages go into the archive where nothing is said about whom they are exchanged with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArchiveDefault {
    #[default]
    Always,
    /// Those with contacts.
    Contacts,
    Never,
}

/// What the owner chose. Kept as JSON; keys of a newer version are kept as they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Preferences {
    /// Who may write besides contacts.
    pub accepted_senders: AcceptedSenders,
    /// Messages for the absent owner are kept until the next login.
    pub offline_storage: bool,
    /// Which messages go into the archive.
    pub archive: ArchiveChoice,
    /// Messages are delivered to registered devices (phones) too.
    pub device_messages: bool,
    /// Registered devices get copies of what the owner sent from elsewhere.
    pub device_copies: bool,
    /// To whom it is answered that the owner is there.
    pub temporary_presence: TemporaryPresence,
    /// The owner wants to be found in the directory of her domain.
    pub listed: bool,
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
}

impl Default for Preferences {
    fn default() -> Self {
        Self {
            accepted_senders: AcceptedSenders::Everybody,
            offline_storage: true,
            archive: ArchiveChoice::default(),
            device_messages: true,
            device_copies: true,
            temporary_presence: TemporaryPresence::default(),
            listed: false,
            other: serde_json::Map::new(),
        }
    }
}

/// What one side of a conversation takes back of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retraction {
    /// With whom the owner talks.
    pub with: Address,
    /// It is the owner who takes back.
    pub outgoing: bool,
    /// The name of the message that is taken back.
    pub of: CompactString,
    /// The message that says so; only earlier ones are meant.
    pub id: MessageId,
    /// Its name.
    pub by: CompactString,
    pub at: Timestamp,
}

impl Retraction {
    /// Empties a message of the archive where it is meant; tells whether it was.
    pub(super) fn apply(&self, line: &mut ArchivedMessage) -> bool {
        let message = &line.message;
        let is_it = line.outgoing == self.outgoing
            && line.with == self.with
            && message.id < self.id
            && message.retracts().is_none()
            && !matches!(message.native, Native::Retracted { .. })
            && message.name() == self.of;
        if is_it {
            line.message.content = Content::default();
            line.message.native = Native::Retracted { by: self.by.clone(), at: self.at };
        }
        is_it
    }
}

/// One change to make durable. Plain data, so that an effect can carry it anywhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Write {
    /// The contact as it is now; `version` becomes the roster's.
    Contact { contact: Contact, version: u64 },
    /// The contact is gone and leaves a tombstone; `version` becomes the roster's.
    ContactRemoved { address: Address, version: u64 },
    /// A request that waits for the owner's answer; replaces an earlier one of the same sender.
    Request(ContactRequest),
    /// The request was answered or taken back.
    RequestRemoved { from: Address },
    /// Somebody asks to watch and waits for the owner's answer; replaces an earlier one of the same address.
    Waiting(WaitingWatcher),
    /// The owner answered him, or he is forgotten.
    WaitingRemoved { watcher: Address },
    /// All preferences as they are now.
    Preferences(Preferences),
    /// The rules on who may see the owner's presence; `None` where there are none any more.
    Rules(Option<Arc<Ruleset>>),
    /// The rules on who may write to her; `None` where there are none any more.
    MessageRules(Option<Arc<Ruleset>>),
    /// The rules on who may follow her calls; `None` where there are none any more.
    CallRules(Option<Arc<Ruleset>>),
    /// The owner's policy refused something; adds to what is known of the same sender and reason.
    Refused(Refusal),
    /// What was refused is of no interest any more.
    RefusalsRemoved,
    /// The automated rules; `None` where there are none any more.
    Automation(Option<Box<Automation>>),
    /// Somebody got an automatic answer now.
    Replied { sent: SentReply, now: Timestamp },
    /// The message has these labels, beside those that it had.
    Marked { message: MessageId, marks: Vec<CompactString> },
    /// Automated rules are to be asked about this later.
    Late(Box<LateMessage>),
    /// They were asked, or need not be.
    LateRemoved { message: MessageId, delay: u32 },
    /// A program on the web is to be told. Not kept where too many wait already ([`super::HOOK_CALLS`]).
    Hook(Box<HookCall>),
    /// What is shown of her while no session shows anything.
    HardState(Option<Arc<Presence>>),
    /// The owner blocked somebody, or everybody of a domain.
    Blocked(Address),
    /// The owner took that back.
    Unblocked(Address),
    /// A document as it is now; its version becomes that of the account's documents.
    Document { entry: DocumentEntry, bytes: Bytes },
    /// The document is gone; `version` becomes that of the account's documents.
    DocumentRemoved { id: DocumentId, version: u64 },
    /// All of these or, where one fails, none. Only changes that go into the tables at once; messages in
    /// here are refused.
    Together(Vec<Self>),
    /// Put something on a shelf, or in the place of what has its name there.
    Shelve(Shelved),
    /// Take something off a shelf; without `name`, everything.
    Unshelve { shelf: CompactString, name: Option<CompactString> },
    /// One line of the archive. A second one of the same message with the same peer changes nothing.
    Archive { message: Arc<Message>, with: Address, outgoing: bool },
    /// The author of a message took it back: what it said leaves the archive.
    Retract(Retraction),
    /// The message waits in the account's offline file.
    OfflineAppend(Arc<Message>),
    /// Everything in the offline file up to and including this message was delivered. Changes
    /// nothing where the file does not hold that message.
    OfflineTrim { through: MessageId },
}

/// A part of the offline file, oldest message first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OfflineChunk {
    pub messages: Vec<Message>,
    /// More messages follow these.
    pub more: bool,
}

/// Which part of an archive is wanted. Both bounds exclude the message they name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ArchiveQuery {
    /// Only what was exchanged with this address.
    pub with: Option<Address>,
    pub after: Option<MessageId>,
    pub before: Option<MessageId>,
    /// Most messages to give; 0 asks for none.
    pub limit: usize,
    /// Which end of the range the limit leaves over.
    pub from: ArchiveEnd,
}

/// An end of an archive. Pages are in order of time from either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ArchiveEnd {
    #[default]
    Oldest,
    Newest,
}

/// One line of an archive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArchivedMessage {
    pub message: Message,
    pub with: Address,
    /// The owner sent it.
    pub outgoing: bool,
}

/// An account as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountSummary {
    pub key: AccountKey,
    pub address: Address,
    pub is_admin: bool,
    pub disabled: bool,
    pub created: Timestamp,
}

/// An account whose owner wants to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedAccount {
    pub address: Address,
    /// What was asked for off one of its shelves; `None` where it is not there.
    pub content: Option<Bytes>,
}

/// An account to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAccount {
    pub address: Address,
    pub is_admin: bool,
    pub created: Timestamp,
    /// The sealed verifiers of its password, made by the auth room; opaque here.
    pub credential: Vec<u8>,
}

/// What logging in needs to know of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialRecord {
    pub account: AccountSummary,
    /// Sealed by the auth room; opaque here.
    pub credential: Vec<u8>,
    /// When the password was set.
    pub changed: Timestamp,
    pub devices: Vec<DeviceRecord>,
}

/// A password of one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRecord {
    /// Unique in the whole store, never used again.
    pub id: i64,
    pub label: String,
    pub created: Timestamp,
    pub last_used: Option<Timestamp>,
    /// Sealed by the auth room; opaque here.
    pub credential: Vec<u8>,
}

/// A program that logs in to an account and says which installation it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientRecord {
    /// Unique in the whole store, never used again; 0 for one that is not kept yet.
    pub id: i64,
    /// What the installation calls itself.
    pub agent: String,
    /// What it says of its software and of what it runs on.
    pub software: Option<String>,
    pub name: Option<String>,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    /// The device password that it logged in with last; `None` for the account's own.
    pub device: Option<i64>,
    /// It proved to know the account's own password.
    pub knows_password: bool,
    /// Tokens to log in again. Sealed by the auth room; opaque here.
    pub tokens: Option<Vec<u8>>,
}

/// What a token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenKind {
    /// A browser's session.
    Session,
    /// A program's access.
    Bearer,
    /// A link, good once, to make the first administrator.
    Setup,
    /// One, good once, to make an account; its label is the account or the domain.
    Invitation,
}

/// A token. Only its hash is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    pub hash: [u8; 32],
    pub kind: TokenKind,
    /// Whom it logs in, or who invited; `None` for a setup link.
    pub account: Option<Address>,
    /// What the owner or his program calls it.
    pub label: String,
    pub created: Timestamp,
    pub expires: Timestamp,
    pub last_used: Option<Timestamp>,
}

/// Most messages of one account that automated rules are to be asked about; about more they are not asked later.
pub const LATE_MESSAGES: usize = 200;
/// Most calls of programs that wait for one account; of more, the latest are not made.
pub const HOOK_CALLS: usize = 1000;
