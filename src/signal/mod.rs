//! The vocabulary of the house: what a door and an account say to each other.
//!
//! Plain data that can be serialised, compared and cloned cheaply. No I/O, no clock and no wire
//! format lives here; a door's `translate` makes these from its wire and back.
//!
//! # Invariants
//!
//! - An [`Address`] and a [`Resource`] are normalised when made: equal text means equal identity.
//! - Nothing here awaits, locks, logs or names a protocol's header, element or status code.
//! - A value that crosses accounts holds no handle, so that the other account may be elsewhere.

mod address;
mod automation;
mod avatar;
mod call;
mod chat;
mod contact;
mod document;
mod face;
mod id;
mod node;
mod passed;
mod personal;
mod presence;
mod profile;
mod query;
mod reject;
mod rules;
#[allow(clippy::module_inception, reason = "a signal is what the room is named for")]
mod signal;
mod temporary;
mod time;
mod view;
mod watcher;

pub use address::{Address, AddressError, Party, Resource, domain_in_ascii};
pub use automation::{
    Action, ActionName, AutomatedRule, AutomaticReply, Automation, AutomationError, AutomationLimits, Clock,
    Dates, Day, Hours, LocalTime, Minute, NoSuchZone, Order, OwnState, Refused, RefusedAs, Relation,
    RuleScope, SignalKind, Stage, Webhook, When,
};
pub use avatar::{Avatar, AvatarHash, AvatarMark};
pub use call::{CallId, CallOffer};
pub use chat::{Content, Keep, Message, MessageKind, Native, Receipt, ReceiptKind, Text, Typing};
pub use contact::{Contact, ContactEvent, ContactFailure, ContactRequest, ContactSignal};
pub use document::{DocumentEntry, DocumentId};
pub use face::{FaceNews, FacePart};
pub use id::{MessageId, RequestId, SessionId};
pub use node::{
    Access, Extract, Item, ItemId, NodeChange, NodeConfig, NodeName, NodeNews, NodeOptions, SendLast,
};
pub use passed::{HookCall, Passed};
pub use personal::{Enquiry, PersonalNews, Piece, Topic, Wanted};
pub use presence::{Activity, Availability, Memo, Presence, PresenceNotice, ResourceState, Snapshot};
pub use profile::{Profile, Property, PropertyName};
pub use query::{Query, QueryKind};
pub use reject::{Reason, Reject};
pub use rules::{Condition, Entity, Except, Handling, Identity, Period, Rule, Ruleset, RulesetLimits};
pub use signal::{News, Probe, Signal};
pub use temporary::{Audience, Occasion, TemporaryPresence};
pub use time::Timestamp;
pub use view::{Attribute, Attributes, Granted, Selector, UserInput, View};
pub use watcher::{Watcher, WatcherEvent, WatcherList, WatcherStatus};
