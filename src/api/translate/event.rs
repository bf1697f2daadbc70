//! The frames that a WebSocket gets.

use compact_str::CompactString;
use serde::Serialize;

use super::{
    view::{ChangeView, MeView, MessageView, PresenceView},
    words,
};
use crate::{
    account::{About, CloseReason, Copy, Event, Face, Replied, Reply, Summary},
    api::{error::Refusal, translate::PreferencesView},
    signal::{Address, ContactEvent, Message, Party, Piece, PresenceNotice, Reject, SessionId},
};

/// One frame, told apart by its `type`.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
enum Frame<'a> {
    Ready {
        address: &'a Address,
        resource: Option<&'a str>,
        me: MeView<'a>,
    },
    Message(MessageView<'a>),
    Presence {
        from: &'a Address,
        resource: Option<&'a str>,
        #[serde(flatten)]
        presence: PresenceView<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        aggregate: Option<PresenceView<'a>>,
    },
    Roster(ChangeView<'a>),
    Request {
        from: &'a Address,
        note: Option<&'a str>,
    },
    Failed {
        contact: &'a Address,
        error: Refusal<'a>,
    },
    Settled {
        from: &'a Address,
        granted: bool,
    },
    Blocked {
        added: &'a [Address],
        removed: &'a [Address],
    },
    Avatar {
        from: &'a Address,
        hash: Option<String>,
    },
    Nickname {
        from: &'a Address,
        nickname: Option<&'a str>,
    },
    Preferences {
        preferences: PreferencesView,
    },
    Marked {
        message: String,
        marks: &'a [CompactString],
        quiet: bool,
    },
    Reply {
        id: Option<&'a str>,
        ok: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        sent: Option<&'static str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<MessageView<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<Refusal<'a>>,
    },
    Closed {
        reason: &'static str,
    },
}

/// Why a WebSocket ends, from the server's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api) enum Farewell {
    /// The account ended the session.
    Account(CloseReason),
    /// The cookie or token is no longer good.
    LoggedOut,
    /// A message was not acknowledged in time, or not taken.
    TooSlow,
    /// No sign of life.
    Silent,
    /// What came was no WebSocket, or too large a frame.
    Unreadable,
}

impl Farewell {
    /// The frame that says so.
    pub(in crate::api) fn print(self) -> String {
        print(&Frame::Closed { reason: self.word() })
    }

    /// The code of the closing handshake (RFC 6455 §7.4.1).
    pub(in crate::api) fn code(self) -> u16 {
        match self {
            Self::Account(CloseReason::Shutdown) => 1001,
            Self::Account(CloseReason::Fault) => 1011,
            Self::Account(_) | Self::LoggedOut | Self::TooSlow | Self::Silent | Self::Unreadable => 1008,
        }
    }

    pub(in crate::api) fn word(self) -> &'static str {
        match self {
            Self::Account(reason) => words::close_reason(reason),
            Self::LoggedOut => "logged-out",
            Self::TooSlow => words::close_reason(CloseReason::TooSlow),
            Self::Silent => "silent",
            Self::Unreadable => "unreadable",
        }
    }
}

/// The first frame of a session.
pub(in crate::api) fn print_ready(
    party: &Party,
    summary: &Summary,
    is_admin: bool,
    session: SessionId,
) -> String {
    print(&Frame::Ready {
        address: &party.address,
        resource: party.resource.as_ref().map(|resource| resource.as_str()),
        me: MeView::new(summary, is_admin, Some(session)),
    })
}

/// A message on its way to the client.
pub(in crate::api) fn print_message(message: &Message, copy: Copy) -> String {
    print(&Frame::Message(MessageView::new(message, Some(copy))))
}

/// How somebody of another domain wants to be shown.
pub(in crate::api) fn print_face(face: &Face) -> [String; 2] {
    let (from, hash) = (&face.of, face.picture.map(|hash| hash.to_string()));
    [
        print(&Frame::Avatar { from, hash }),
        print(&Frame::Nickname { from, nickname: face.nickname.as_deref() }),
    ]
}

/// An event that is for the client as it stands; `None` for one that says nothing new: the answers
/// of contacts come with the roster change that they cause, and pages are asked no queries.
pub(in crate::api) fn print_event(event: &Event) -> Option<String> {
    let frame = match event {
        Event::Presence(notice) => presence(notice),
        Event::Contact(signal) if signal.event == ContactEvent::Subscribe => {
            Frame::Request { from: &signal.from, note: signal.note.as_ref().map(|note| note.text.as_str()) }
        }
        Event::ContactFailure(failure) => {
            Frame::Failed { contact: &failure.from, error: Refusal::from(&failure.why) }
        }
        Event::ContactSettled { from, granted, .. } => Frame::Settled { from, granted: *granted },
        Event::Roster(change) => Frame::Roster(change.as_ref().into()),
        Event::Blocked(change) => Frame::Blocked { added: &change.added, removed: &change.removed },
        Event::Personal(news) => {
            let Piece::Avatar(avatar) = &news.what else { return None };
            let hash = avatar.as_ref().map(|avatar| avatar.hash.to_string());
            Frame::Avatar { from: &news.from, hash }
        }
        Event::Marked { message, marks, quiet } => {
            Frame::Marked { message: message.to_string(), marks, quiet: *quiet }
        }
        Event::Preferences(preferences) => Frame::Preferences { preferences: preferences.as_ref().into() },
        Event::Contact(_) | Event::Query(_) | Event::Face(_) | Event::Reply(_) | Event::Closed(_) => {
            return None;
        }
    };
    Some(print(&frame))
}

fn presence(notice: &PresenceNotice) -> Frame<'_> {
    Frame::Presence {
        from: &notice.from.address,
        resource: notice.from.resource.as_ref().map(|resource| resource.as_str()),
        presence: notice.presence.as_ref().into(),
        aggregate: notice.aggregate.as_deref().map(PresenceView::from),
    }
}

/// The reply to the client's request `id`.
pub(in crate::api) fn print_reply(id: Option<&str>, replied: &Replied) -> String {
    let message = match &replied.about {
        Some(About::Message(message)) => Some(MessageView::new(message, None)),
        _ => None,
    };
    let sent = match &replied.outcome {
        Ok(Reply::Sent(sent)) => Some(words::sent(*sent)),
        _ => None,
    };
    let error = replied.outcome.as_ref().err().map(Refusal::from);
    print(&Frame::Reply { id, ok: error.is_none(), sent, message, error })
}

/// The reply to a frame that the door answers itself.
pub(in crate::api) fn print_outcome(id: Option<&str>, error: Option<&Reject>) -> String {
    let error = error.map(Refusal::from);
    print(&Frame::Reply { id, ok: error.is_none(), sent: None, message: None, error })
}

fn print(frame: &Frame<'_>) -> String {
    serde_json::to_string(frame).expect("a frame has text keys and no failing value")
}
