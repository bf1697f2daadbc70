//! Documents about somebody's calls (RFC 4235), full or with what changed: what lamps on desk phones
//! are lit by.

use std::fmt::Write as _;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::{
    Extent,
    changes::changes,
    seconds_between,
    xml::{push_attribute, push_element, push_element_with},
};
use crate::signal::Timestamp;

/// The media type of what is written here.
pub const MEDIA_TYPE: &str = "application/dialog-info+xml";

/// The calls of one account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dialogs {
    /// The account, a URI.
    pub entity: CompactString,
    /// Those that go on, and those that ended and were not told of everywhere.
    pub dialogs: Vec<Dialog>,
}

/// One call as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialog {
    /// The same as long as the call lasts.
    pub id: CompactString,
    pub direction: Direction,
    pub state: State,
    /// Why it ended.
    pub event: Option<Event>,
    /// The status that ended it before it was answered.
    pub code: Option<u16>,
    /// When it began.
    pub since: Timestamp,
    pub call_id: CompactString,
    /// The tag of the owner's end.
    pub local_tag: Option<CompactString>,
    pub remote_tag: Option<CompactString>,
    /// The call in whose place this one came (RFC 3891), as the owner named it.
    pub replaces: Option<Identifier>,
    /// Who had the call made (RFC 3892).
    pub referred_by: Option<Participant>,
    pub local: Participant,
    pub remote: Participant,
}

/// Names one call, or all that came of one INVITE (RFC 4235 §3.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identifier {
    pub call_id: CompactString,
    pub local_tag: CompactString,
    pub remote_tag: Option<CompactString>,
}

impl Identifier {
    /// The same call as its other end names it, where both tags are known.
    #[must_use]
    pub fn of_other_end(&self) -> Self {
        let call_id = self.call_id.clone();
        let local_tag = self.remote_tag.clone().unwrap_or_default();
        Self { call_id, local_tag, remote_tag: Some(self.local_tag.clone()) }
    }

    fn is(&self, dialog: &Dialog) -> bool {
        dialog.call_id == self.call_id
            && dialog.local_tag.as_ref() == Some(&self.local_tag)
            && (self.remote_tag.is_none() || dialog.remote_tag == self.remote_tag)
    }
}

/// One end of a call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Participant {
    /// A URI.
    pub identity: Option<CompactString>,
    pub display: Option<CompactString>,
    /// Where the end takes requests, a URI.
    pub target: Option<CompactString>,
}

/// Who began a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The owner.
    Initiator,
    /// The other one.
    Recipient,
}

/// How far a call is (RFC 4235 §3.7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    Trying,
    Proceeding,
    Early,
    Confirmed,
    Terminated,
}

/// What ended a call (RFC 4235 §3.7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    Cancelled,
    Rejected,
    Replaced,
    LocalBye,
    RemoteBye,
    Error,
    Timeout,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Trying => "trying",
            Self::Proceeding => "proceeding",
            Self::Early => "early",
            Self::Confirmed => "confirmed",
            Self::Terminated => "terminated",
        }
    }
}

impl Event {
    fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Rejected => "rejected",
            Self::Replaced => "replaced",
            Self::LocalBye => "local-bye",
            Self::RemoteBye => "remote-bye",
            Self::Error => "error",
            Self::Timeout => "timeout",
        }
    }
}

impl Direction {
    fn as_str(self) -> &'static str {
        match self {
            Self::Initiator => "initiator",
            Self::Recipient => "recipient",
        }
    }
}

impl Dialogs {
    /// The calls that go on.
    pub fn standing(&self) -> impl Iterator<Item = &Dialog> {
        self.dialogs.iter().filter(|dialog| dialog.state != State::Terminated)
    }

    /// The calls that a reader who was told `before` has to be told now. One that is missing now is over.
    #[must_use]
    pub fn changes_since(&self, before: &Self) -> Vec<Dialog> {
        let ended = |told: &Dialog| {
            let is_known = told.state == State::Terminated;
            (!is_known).then(|| Dialog { state: State::Terminated, ..told.clone() })
        };
        changes(&before.dialogs, &self.dialogs, |dialog| dialog.id.as_str(), PartialEq::eq, ended)
    }

    /// Takes over from an older state the calls that ended.
    #[must_use]
    pub fn with_ended_of(mut self, older: &Self) -> Self {
        for dialog in older.dialogs.iter().filter(|dialog| dialog.state == State::Terminated) {
            if !self.dialogs.iter().any(|known| known.id == dialog.id) && self.dialogs.len() < ENDED {
                self.dialogs.push(dialog.clone());
            }
        }
        self
    }

    /// The same with the calls that have this identifier alone.
    #[must_use]
    pub fn only(mut self, wanted: &Identifier) -> Self {
        self.dialogs.retain(|dialog| wanted.is(dialog));
        self
    }

    /// The same without anything that tells who talks to whom: for watchers that are not the owner
    /// (RFC 4235 §3.7.2, §6).
    #[must_use]
    pub fn without_names(mut self) -> Self {
        for dialog in &mut self.dialogs {
            dialog.call_id = CompactString::default();
            dialog.local_tag = None;
            dialog.remote_tag = None;
            dialog.replaces = None;
            dialog.referred_by = None;
            dialog.remote = Participant::default();
            dialog.local.target = None;
        }
        self
    }
}

/// Writes a document with these calls of `entity`; without `now` no time is written.
#[must_use]
pub fn print<'a>(
    version: u32,
    extent: Extent,
    entity: &str,
    dialogs: impl IntoIterator<Item = &'a Dialog>,
    now: Option<Timestamp>,
) -> String {
    let mut out = String::with_capacity(512);
    // Writing to memory has no error of its own.
    let _ = write!(
        out,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"{version}\" state=\"{}\"",
        extent.as_str()
    );
    push_attribute(&mut out, "entity", entity);
    out.push('>');
    for dialog in dialogs {
        push_dialog(&mut out, dialog, now);
    }
    out.push_str("</dialog-info>");
    out
}

fn push_dialog(out: &mut String, dialog: &Dialog, now: Option<Timestamp>) {
    out.push_str("<dialog");
    let call_id = Some(&dialog.call_id).filter(|call_id| !call_id.is_empty());
    for (name, value) in [
        ("id", Some(&dialog.id)),
        ("call-id", call_id),
        ("local-tag", dialog.local_tag.as_ref()),
        ("remote-tag", dialog.remote_tag.as_ref()),
    ] {
        if let Some(value) = value {
            push_attribute(out, name, value);
        }
    }
    let _ = write!(out, " direction=\"{}\"><state", dialog.direction.as_str());
    if let Some(event) = dialog.event {
        let _ = write!(out, " event=\"{}\"", event.as_str());
    }
    if let Some(code) = dialog.code {
        let _ = write!(out, " code=\"{code}\"");
    }
    let _ = write!(out, ">{}</state>", dialog.state.as_str());
    if let Some(now) = now {
        let _ = write!(out, "<duration>{}</duration>", seconds_between(dialog.since, now));
    }
    if let Some(replaced) = &dialog.replaces {
        out.push_str("<replaces");
        push_attribute(out, "call-id", &replaced.call_id);
        push_attribute(out, "local-tag", &replaced.local_tag);
        push_attribute(out, "remote-tag", replaced.remote_tag.as_deref().unwrap_or_default());
        out.push_str("/>");
    }
    if let Some(referrer) = &dialog.referred_by {
        push_identity(out, "referred-by", referrer);
    }
    push_participant(out, "local", &dialog.local);
    push_participant(out, "remote", &dialog.remote);
    out.push_str("</dialog>");
}

fn push_participant(out: &mut String, name: &str, participant: &Participant) {
    if participant.identity.is_none() && participant.target.is_none() {
        return;
    }
    let _ = write!(out, "<{name}>");
    push_identity(out, "identity", participant);
    if let Some(target) = &participant.target {
        out.push_str("<target");
        push_attribute(out, "uri", target);
        out.push_str("/>");
    }
    let _ = write!(out, "</{name}>");
}

fn push_identity(out: &mut String, name: &str, participant: &Participant) {
    match (&participant.identity, &participant.display) {
        (Some(uri), Some(display)) => push_element_with(out, name, &[("display", display)], uri),
        (Some(uri), None) => push_element(out, name, uri),
        (None, _) => {}
    }
}

/// Most calls in one state, those that ended counted.
const ENDED: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn dialog(id: &str, state: State) -> Dialog {
        Dialog {
            id: id.into(),
            direction: Direction::Recipient,
            state,
            event: None,
            code: None,
            since: NOW.plus_seconds(-274),
            call_id: "c1".into(),
            local_tag: Some("l".into()),
            remote_tag: Some("r".into()),
            replaces: None,
            referred_by: None,
            local: Participant {
                identity: Some("sip:alice@example.org".into()),
                display: Some("Alice \"A\"".into()),
                target: Some("sip:alice@192.0.2.1".into()),
            },
            remote: Participant { identity: Some("sip:bob@example.org".into()), ..Participant::default() },
        }
    }

    fn dialogs(dialogs: &[Dialog]) -> Dialogs {
        Dialogs { entity: "sip:alice@example.org".into(), dialogs: dialogs.to_vec() }
    }

    #[test]
    fn documents_have_the_form_of_the_rfc() {
        let mut ended = dialog("1", State::Terminated);
        (ended.event, ended.code, ended.direction) = (Some(Event::Rejected), Some(486), Direction::Initiator);
        assert_eq!(
            print(1, Extent::Partial, "sip:alice@example.org", &[ended], Some(NOW)),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"1\" state=\"partial\" \
             entity=\"sip:alice@example.org\"><dialog id=\"1\" call-id=\"c1\" local-tag=\"l\" remote-tag=\"r\" \
             direction=\"initiator\"><state event=\"rejected\" code=\"486\">terminated</state>\
             <duration>274</duration><local><identity display=\"Alice &quot;A&quot;\">sip:alice@example.org\
             </identity><target uri=\"sip:alice@192.0.2.1\"/></local><remote><identity>sip:bob@example.org\
             </identity></remote></dialog></dialog-info>"
        );
    }

    #[test]
    fn changes_and_ends_are_told_once() {
        let before = dialogs(&[dialog("1", State::Early), dialog("2", State::Confirmed)]);
        let mut over = dialog("2", State::Terminated);
        over.event = Some(Event::RemoteBye);
        let now = dialogs(&[dialog("1", State::Confirmed)]).with_ended_of(&dialogs(&[over]));
        let states = |now: &Dialogs, before: &Dialogs| -> Vec<_> {
            let changes = now.changes_since(before).into_iter();
            changes.map(|dialog| (dialog.id.to_string(), dialog.state, dialog.event)).collect()
        };
        assert_eq!(
            states(&now, &before),
            [
                ("1".to_owned(), State::Confirmed, None),
                ("2".to_owned(), State::Terminated, Some(Event::RemoteBye))
            ]
        );
        assert_eq!(states(&now, &now), []);
        assert_eq!(states(&dialogs(&[]), &now), [("1".to_owned(), State::Terminated, None)]);
        assert_eq!(now.standing().count(), 1);
        let mut wanted = Identifier { call_id: "c1".into(), local_tag: "l".into(), remote_tag: None };
        assert_eq!(now.clone().only(&wanted), now);
        wanted.remote_tag = Some("x".into());
        assert_eq!(now.only(&wanted).dialogs, []);
    }

    #[test]
    fn others_learn_that_somebody_talks_and_not_with_whom() {
        let shown = dialogs(&[dialog("1", State::Confirmed)]).without_names();
        let text = print(0, Extent::Full, &shown.entity, shown.standing(), None);
        assert!(text.contains("<state>confirmed</state>"));
        assert!(["bob", "c1", "192.0.2.1", "tag"].iter().all(|secret| !text.contains(secret)), "{text}");
    }
}
