//! The frames that a WebSocket sends, read into what the client wants.

use std::sync::Arc;

use compact_str::CompactString;
use serde::Deserialize;
use serde_json::Value;
use smallvec::{SmallVec, smallvec};

use super::words;
use crate::{
    account::Request,
    signal::{
        Address, AddressError, ContactEvent, Content, Keep, Message, MessageId, MessageKind, Native, Party,
        Presence, Reason, Receipt, Reject, Text, Timestamp,
    },
};

/// What a client wants.
#[derive(Debug, PartialEq)]
pub(in crate::api) enum Wish {
    /// Ask the account.
    Ask(Request),
    /// Ask the account, and when it agrees ask the second thing.
    AskBoth(Request, Request),
    /// Say how the person is.
    Announce(Presence),
    /// The client has this message.
    Acknowledge(MessageId),
    /// A sign of life.
    Ping,
}

/// Who sends a frame, when, and the id that a message in it will get.
pub(in crate::api) struct Sender<'a> {
    pub(in crate::api) party: &'a Party,
    pub(in crate::api) now: Timestamp,
    pub(in crate::api) message: MessageId,
}

/// A frame's id, which its reply repeats, and what it wants.
pub(in crate::api) type Parsed = (Option<String>, Result<Wish, Reject>);

/// Reads a frame. Its size was bounded by the socket.
pub(in crate::api) fn parse_frame(text: &str, sender: &Sender<'_>) -> Parsed {
    let value: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(fault) => return (None, Err(malformed(&fault.to_string()))),
    };
    let id = match value.get("id") {
        None | Some(Value::Null) => None,
        Some(Value::String(id)) if id.len() <= ID_BYTES => Some(id.clone()),
        Some(_) => return (None, Err(malformed("an id is a text of at most 128 bytes"))),
    };
    let wish = match Frame::deserialize(value) {
        Ok(frame) => frame.into_wish(sender),
        Err(fault) => Err(malformed(&fault.to_string())),
    };
    (id, wish)
}

/// One frame, told apart by its `type`.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Frame {
    Message(Outgoing),
    Typing {
        to: String,
        state: String,
    },
    Receipt {
        to: String,
        kind: String,
        of: String,
    },
    Presence {
        availability: String,
        note: Option<String>,
    },
    Subscribe {
        to: String,
        note: Option<String>,
    },
    Grant {
        to: String,
    },
    Deny {
        to: String,
    },
    Unsubscribe {
        to: String,
    },
    SetContact {
        address: String,
        name: Option<String>,
        #[serde(default)]
        groups: Vec<String>,
        #[serde(default)]
        subscribe: bool,
    },
    RemoveContact {
        address: String,
    },
    Ack {
        id: String,
    },
    Ping {},
}

/// A message as a client writes it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outgoing {
    to: String,
    body: String,
    lang: Option<String>,
    subject: Option<String>,
    thread: Option<String>,
    kind: Option<String>,
    origin_id: Option<String>,
    #[serde(default)]
    wants_delivered: bool,
    #[serde(default)]
    wants_displayed: bool,
}

impl Frame {
    fn into_wish(self, sender: &Sender<'_>) -> Result<Wish, Reject> {
        match self {
            Self::Message(outgoing) => outgoing.into_message(sender).map(send),
            Self::Typing { to, state } => {
                let typing = Some(words::parse_typing(&state).ok_or_else(|| unknown("state", &state))?);
                let content = Content { typing, ..Content::default() };
                message(sender, &to, content, Keep::PASSING).map(send)
            }
            Self::Receipt { to, kind, of } => {
                let kind = words::parse_receipt(&kind).ok_or_else(|| unknown("kind", &kind))?;
                let receipt = Some(Receipt { kind, of: identifier(&of)? });
                let content = Content { receipt, ..Content::default() };
                // Worth waiting for the other side, of no worth in an archive.
                message(sender, &to, content, Keep { archive: false, ..Keep::ALL }).map(send)
            }
            Self::Presence { availability, note } => {
                let word = availability;
                let availability =
                    words::parse_availability(&word).ok_or_else(|| unknown("availability", &word))?;
                let notes = note_text(note)?.into_iter().collect();
                let presence = Presence { availability, notes, since: sender.now, ..Presence::default() };
                Ok(Wish::Announce(presence))
            }
            Self::Subscribe { to, note } => contact(&to, ContactEvent::Subscribe, note).map(Wish::Ask),
            Self::Grant { to } => contact(&to, ContactEvent::Subscribed, None).map(Wish::Ask),
            Self::Deny { to } => contact(&to, ContactEvent::Unsubscribed, None).map(Wish::Ask),
            Self::Unsubscribe { to } => contact(&to, ContactEvent::Unsubscribe, None).map(Wish::Ask),
            Self::SetContact { address, name, groups, subscribe } => {
                let set = set_contact(person(&address)?, name.as_deref(), &groups);
                Ok(match subscribe {
                    true => Wish::AskBoth(set, contact(&address, ContactEvent::Subscribe, None)?),
                    false => Wish::Ask(set),
                })
            }
            Self::RemoveContact { address } => {
                Ok(Wish::Ask(Request::RemoveContact { address: person(&address)? }))
            }
            Self::Ack { id } => match MessageId::parse(&id) {
                Some(id) => Ok(Wish::Acknowledge(id)),
                None => Err(malformed("ack needs the id of a message")),
            },
            Self::Ping {} => Ok(Wish::Ping),
        }
    }
}

impl Outgoing {
    fn into_message(self, sender: &Sender<'_>) -> Result<Message, Reject> {
        let body = clean_text(&self.body);
        if body.is_empty() {
            return Err(malformed("a message needs a body"));
        }
        let kind = match &self.kind {
            None => MessageKind::Chat,
            Some(word) => words::parse_kind(word).ok_or_else(|| unknown("kind", word))?,
        };
        let lang = self.lang.as_deref().map(language).transpose()?;
        let text = |text: CompactString| Text { lang: lang.clone(), text };
        let subject = self.subject.as_deref().map(clean_text).filter(|subject| !subject.is_empty());
        let content = Content {
            subjects: subject.map(&text).into_iter().collect(),
            bodies: smallvec![text(body)],
            thread: self.thread.as_deref().map(identifier).transpose()?,
            wants_delivered: self.wants_delivered,
            wants_displayed: self.wants_displayed,
            ..Content::default()
        };
        // An alert is of no use later (RFC 6121 §5.2.2).
        let keep = if kind == MessageKind::Headline { Keep::PASSING } else { Keep::ALL };
        let mut message = message(sender, &self.to, content, keep)?;
        message.kind = kind;
        if let Some(id) = &self.origin_id {
            message.origin_id = Some(identifier(id)?);
        }
        Ok(message)
    }
}

fn send(message: Message) -> Wish {
    Wish::Ask(Request::Send(Arc::new(message)))
}

/// A message of the sender. Where the client gives it no id, it goes by the server's.
fn message(sender: &Sender<'_>, to: &str, content: Content, keep: Keep) -> Result<Message, Reject> {
    Ok(Message {
        id: sender.message,
        from: sender.party.clone(),
        to: Party::parse(to).map_err(|fault| wrong_address(to, fault))?,
        kind: MessageKind::Chat,
        sent: sender.now,
        origin_id: Some(CompactString::from(sender.message.to_string())),
        content,
        native: Native::None,
        keep,
    })
}

fn contact(to: &str, event: ContactEvent, note: Option<String>) -> Result<Request, Reject> {
    Ok(Request::Contact {
        to: person(to)?,
        event,
        note: note_text(note)?,
        native: Native::None,
        origin_id: None,
    })
}

/// Gives a contact its name and groups.
pub(in crate::api) fn set_contact(address: Address, name: Option<&str>, groups: &[String]) -> Request {
    let groups: SmallVec<[CompactString; 2]> = groups.iter().map(|group| clean_text(group)).collect();
    Request::SetContact { address, name: name.map(clean_text), groups }
}

/// Words that go with a request or a presence.
pub(in crate::api) fn note_text(note: Option<String>) -> Result<Option<Text>, Reject> {
    let text = note.as_deref().map(clean_text).filter(|text| !text.is_empty());
    match text {
        Some(text) if text.len() > NOTE_BYTES => {
            Err(Reject::with_text(Reason::TooLarge, "a note has at most 1024 bytes"))
        }
        text => Ok(text.map(|text| Text { lang: None, text })),
    }
}

/// Leaves out the characters that other protocols cannot carry (XML 1.0 §2.2).
pub(in crate::api) fn clean_text(text: &str) -> CompactString {
    let allowed = |c: &char| match *c {
        '\t' | '\n' | '\r' => true,
        c => c >= ' ' && c != '\u{fffe}' && c != '\u{ffff}',
    };
    text.chars().filter(allowed).collect()
}

fn person(text: &str) -> Result<Address, Reject> {
    Address::parse(text).map_err(|fault| wrong_address(text, fault))
}

/// An id or thread: any text of a sane length, without control characters.
fn identifier(text: &str) -> Result<CompactString, Reject> {
    if text.is_empty() || text.len() > ID_BYTES || clean_text(text) != text {
        return Err(malformed("ids and threads are texts of 1 to 128 bytes"));
    }
    Ok(text.into())
}

/// A language tag, as far as its characters tell (RFC 5646 §2.1).
fn language(text: &str) -> Result<CompactString, Reject> {
    let is_tag =
        (1..=35).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if is_tag { Ok(text.into()) } else { Err(unknown("lang", text)) }
}

fn wrong_address(text: &str, fault: AddressError) -> Reject {
    malformed(&format!("'{}' is no address: {fault}", shown(text)))
}

fn unknown(key: &str, word: &str) -> Reject {
    malformed(&format!("{key} cannot be '{}'", shown(word)))
}

fn malformed(text: &str) -> Reject {
    let text: String = text.chars().take(ERROR_CHARS).collect();
    Reject::with_text(Reason::Malformed, &text)
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS).collect()
}

/// Longest id, thread or receipt's reference.
const ID_BYTES: usize = 128;
/// Longest note of a presence or a request.
const NOTE_BYTES: usize = 1024;
/// How much of a wrong word an error repeats, and how long an error is at most.
const SHOWN_CHARS: usize = 60;
const ERROR_CHARS: usize = 300;
