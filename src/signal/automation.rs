//! Automated rules: what an account, a domain or the server has done with a signal before, or instead of,
//! bothering anybody. Plain data; what rules say together is the account's business.
//!
//! Rules are tried in their order. The actions of each rule whose conditions all hold are taken; one that
//! decides the signal's fate ends the trying.

mod check;
mod clock;

use std::fmt;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::{Address, Reason, Timestamp};

pub use check::{AutomationError, AutomationLimits};
pub use clock::{Clock, Day, LocalTime, Minute, NoSuchZone};

/// The rules of one account, one domain or the server.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Automation {
    /// The time zone that times of day are meant in, by its IANA name; `None` for the server's.
    #[serde(default)]
    pub zone: Option<CompactString>,
    /// In the order in which they are tried.
    #[serde(default)]
    pub rules: Vec<AutomatedRule>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AutomatedRule {
    /// Unique in its list.
    pub id: CompactString,
    /// For people.
    #[serde(default)]
    pub name: CompactString,
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Of a rule of a domain or the server: on which side of the accounts' own rules it stands.
    #[serde(default)]
    pub order: Order,
    #[serde(default)]
    pub stage: Stage,
    /// All must hold; with none, the rule is for every signal of its stage.
    #[serde(default)]
    pub when: Vec<When>,
    /// At least one. One that decides the signal's fate stands last.
    pub then: Vec<Action>,
}

fn yes() -> bool {
    true
}

/// Where a rule of a domain or the server stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// Before the accounts' own: it cannot be got round.
    #[default]
    Before,
    /// After the accounts' own: for what they leave open.
    After,
}

/// Whose rules they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleScope {
    Account,
    Domain,
    Server,
}

/// When rules are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// When the signal comes.
    #[default]
    AtOnce,
    /// So many seconds later: a call still rings, a message's sender got no answer from the owner.
    After(u32),
    /// Every phone that rang says that it is busy.
    Busy,
    /// Nobody answers the call.
    NoAnswer,
    /// Nobody is there who takes such a signal.
    Offline,
}

/// What rules may be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignalKind {
    /// Somebody writes.
    Message,
    /// Somebody calls.
    Call,
    /// Somebody asks to see the owner's presence.
    Contact,
}

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// The signal is one of these.
    Kind(Vec<SignalKind>),
    /// It is from one of these accounts, or of these domains.
    Sender(Vec<Address>),
    /// Its sender is any of these.
    Relation(Vec<Relation>),
    /// It comes at such a time of day and week.
    Hours(Hours),
    /// It comes in this time.
    Dates(Dates),
    /// The owner is in one of these states.
    Presence(Vec<OwnState>),
    /// Its text has one of these in it, in whatever case. Something without text has none.
    Text(Vec<CompactString>),
    /// The inner one does not hold.
    Not(Box<Self>),
}

/// What the sender is to the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Relation {
    /// In her roster.
    Buddy,
    /// Of her domain, in the roster or not.
    SameDomain,
    /// Neither.
    Stranger,
}

/// A time of day on some days of the week.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// The days on which it begins; none means every day.
    #[serde(default)]
    pub days: Vec<Day>,
    pub from: Minute,
    /// Not in it any more. Where it is not later than `from`, it is meant on the next day.
    pub until: Minute,
}

/// From a moment on, until before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dates {
    #[serde(default, with = "clock::moment", skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    #[serde(default, with = "clock::moment", skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// How the owner is, all her sessions together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OwnState {
    Online,
    Away,
    ExtendedAway,
    Busy,
    Offline,
    /// One of her phones is in a call.
    OnThePhone,
}

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It takes its ordinary way, and no later rule is asked. Who asks to see presence is granted it.
    Accept,
    /// Its sender is told that it is not wanted.
    Reject(Refused),
    /// It is gone, and its sender is not told.
    Discard,
    /// It goes to another account instead.
    Redirect(Address),
    /// It goes to another account as well.
    Fork(Address),
    /// Its sender gets an answer.
    Reply(AutomaticReply),
    /// A message waits for the next log-in, whoever is there now.
    Store,
    /// A message makes no noise: phones do not get it, the page does not call attention to it.
    Quiet,
    /// A message gets a label that the owner sees.
    Mark(CompactString),
    /// A program on the web is told.
    Webhook(Webhook),
}

/// The name of an action, without what it is done with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActionName {
    Accept,
    Reject,
    Discard,
    Redirect,
    Fork,
    Reply,
    Store,
    Quiet,
    Mark,
    Webhook,
}

impl fmt::Display for ActionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Accept => "accept",
            Self::Reject => "reject",
            Self::Discard => "discard",
            Self::Redirect => "redirect",
            Self::Fork => "fork",
            Self::Reply => "reply",
            Self::Store => "store",
            Self::Quiet => "quiet",
            Self::Mark => "mark",
            Self::Webhook => "webhook",
        })
    }
}

/// How a signal is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    #[serde(default)]
    pub reason: RefusedAs,
    /// Words for the sender.
    #[serde(default)]
    pub text: Option<CompactString>,
}

/// What a refusal looks like to the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusedAs {
    #[default]
    Forbidden,
    /// As if nobody were there.
    Unavailable,
    Busy,
    Declined,
    NotFound,
    Gone,
}

impl RefusedAs {
    /// The same as a reason of refusals.
    #[must_use]
    pub fn reason(self) -> Reason {
        match self {
            Self::Forbidden => Reason::Forbidden,
            Self::Unavailable => Reason::NoSession,
            Self::Busy => Reason::Busy,
            Self::Declined => Reason::Declined,
            Self::NotFound => Reason::NotFound,
            Self::Gone => Reason::Gone,
        }
    }
}

/// An answer in the owner's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AutomaticReply {
    pub text: CompactString,
    /// The same sender gets it again no sooner than after so many seconds; at least a minute.
    #[serde(default = "day")]
    pub every_seconds: u32,
}

fn day() -> u32 {
    86_400
}

/// Whom to tell of a signal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// `https://` or `http://`.
    pub url: CompactString,
    /// The key that the request is signed with.
    #[serde(default)]
    pub secret: Option<CompactString>,
    /// Whether the text of messages goes along.
    #[serde(default)]
    pub text: bool,
}

impl Action {
    /// What it is called.
    #[must_use]
    pub fn name(&self) -> ActionName {
        match self {
            Self::Accept => ActionName::Accept,
            Self::Reject(_) => ActionName::Reject,
            Self::Discard => ActionName::Discard,
            Self::Redirect(_) => ActionName::Redirect,
            Self::Fork(_) => ActionName::Fork,
            Self::Reply(_) => ActionName::Reply,
            Self::Store => ActionName::Store,
            Self::Quiet => ActionName::Quiet,
            Self::Mark(_) => ActionName::Mark,
            Self::Webhook(_) => ActionName::Webhook,
        }
    }

    /// Whether it decides what becomes of the signal, so that no later rule is asked.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Accept | Self::Reject(_) | Self::Discard | Self::Redirect(_) | Self::Store)
    }
}
