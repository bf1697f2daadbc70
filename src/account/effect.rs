//! Everything that an account can have done.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    ArchiveReading, CloseReason, Copy, Event, Fetch, Reply, ReplyTo, Shown, WakeUp, WatchId, WatchState,
    endpoints::Sessions, event::About,
};
use crate::{
    signal::{Address, Message, News, Reject, SessionId, Signal, Timestamp},
    storage::Write,
};

/// One thing that the shell does for the account. The order of effects is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Effect {
    /// Write it down. Later [`Effect::Answer`]s of the same input wait until it is durable.
    Store(Write),
    /// Hand the message to all of `sessions`. It is confirmed by the first one that confirms; when
    /// none does, it comes back as [`super::Input::Returned`] with `reply`. When one does, and all
    /// stores before are durable, `reply` is told that it was delivered. `tries` counts how often it
    /// came back before.
    Deliver { sessions: Sessions, message: Arc<Message>, reply: Option<ReplyTo>, tries: u8 },
    /// Hand a copy to each of `sessions`; whether they take it does not matter.
    Copy { sessions: Sessions, message: Arc<Message>, copy: Copy },
    /// Hand offline messages to one session, in order; tell by [`super::Input::OfflineTaken`].
    DeliverOffline { session: SessionId, messages: Vec<Arc<Message>> },
    /// Tell one session.
    Tell { session: SessionId, event: Event },
    /// Tell several sessions the same.
    TellAll { sessions: Sessions, event: Event },
    /// Tell a watcher where he stands and, if he may see it, the state.
    Show { watch: WatchId, state: WatchState, shown: Option<Shown> },
    /// Pass a signal to another account, or outside.
    Route { signal: Signal, reply: Option<ReplyTo> },
    /// Tell many accounts the same. Those that nobody uses now miss nothing and are left alone.
    RouteAll { to: Vec<Address>, news: News },
    /// Answer, once every store effect before is durable.
    Answer(Answer),
    /// Read up to a batch of the offline file, for [`super::Input::OfflineRead`].
    ReadOffline { session: SessionId },
    /// Count the messages in the offline file, for [`super::Input::OfflineCounted`].
    CountOffline { asked: u32 },
    /// Read a page of the archive and answer with it.
    ReadArchive { reading: Box<ArchiveReading>, reply: ReplyTo },
    /// Read something, for [`super::Input::Fetched`].
    Fetch(Box<Fetch>),
    /// Have the documents brought up to the account, soon: something that they may tell has changed.
    KeepDocuments,
    /// Call a device that sleeps, for [`super::Input::Roused`] where that comes to nothing.
    Rouse(Box<WakeUp>),
    /// Post [`super::Input::Tick`] then, or soon after.
    Wake(Timestamp),
    /// The session is over from the account's side: tell it and forget its sink.
    End { session: SessionId, reason: CloseReason },
}

/// A reply to a request, or the outcome of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    pub to: ReplyTo,
    /// What was passed on for the asker, so that a session can tell its client what failed.
    pub about: Option<About>,
    pub outcome: Result<Reply, Reject>,
}
