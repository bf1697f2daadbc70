//! From the vocabulary to JSON: how messages, presence, contacts and sessions look to a client.
//!
//! Every view borrows what it shows, so that an event for many sessions is never copied.

use serde::Serialize;

use super::words;
use crate::{
    account::{ContactChange, Copy, RosterView, SessionView, Summary},
    api::error::Refusal,
    signal::{
        Address, Contact, ContactRequest, Message, MessageKind, Native, Presence, Receipt, SessionId, Text,
        Timestamp,
    },
};

/// A message, live or from the archive.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct MessageView<'a> {
    id: String,
    from: String,
    to: String,
    kind: &'static str,
    sent: String,
    body: Option<&'a str>,
    subject: Option<&'a str>,
    lang: Option<&'a str>,
    thread: Option<&'a str>,
    origin_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    typing: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<ReceiptView<'a>>,
    #[serde(skip_serializing_if = "is_false")]
    wants_delivered: bool,
    #[serde(skip_serializing_if = "is_false")]
    wants_displayed: bool,
    /// The id of the message that its author takes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    retracts: Option<&'a str>,
    /// Its author took it back, and nothing is left of it.
    #[serde(skip_serializing_if = "is_false")]
    retracted: bool,
    /// The media type of a content that has no words in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    unsupported: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    copy: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Refusal<'a>>,
}

#[derive(Serialize)]
struct ReceiptView<'a> {
    kind: &'static str,
    of: &'a str,
}

impl<'a> MessageView<'a> {
    /// `copy` for a live message, none for one of the archive.
    pub(in crate::api) fn new(message: &'a Message, copy: Option<Copy>) -> Self {
        let content = &message.content;
        let body = content.bodies.first();
        Self {
            id: message.id.to_string(),
            from: message.from.to_string(),
            to: message.to.to_string(),
            kind: words::kind(message.kind),
            sent: message.sent.to_string(),
            body: body.map(|body| body.text.as_str()),
            subject: first(&content.subjects),
            lang: body.and_then(|body| body.lang.as_deref()),
            thread: content.thread.as_deref(),
            origin_id: message.origin_id.as_deref(),
            typing: content.typing.map(words::typing),
            receipt: content.receipt.as_ref().filter(|_| message.retracts().is_none()).map(receipt),
            retracts: message.retracts().map(|of| of.as_str()),
            retracted: matches!(message.native, Native::Retracted { .. }),
            wants_delivered: content.wants_delivered,
            wants_displayed: content.wants_displayed,
            unsupported: unsupported(message),
            copy: copy.map(words::copy),
            error: content.error.as_ref().map(Refusal::from),
        }
    }
}

fn receipt(receipt: &Receipt) -> ReceiptView<'_> {
    ReceiptView { kind: words::receipt(receipt.kind), of: &receipt.of }
}

/// What the message is, where it says nothing in the neutral form.
fn unsupported(message: &Message) -> Option<&str> {
    let content = &message.content;
    let speaks = !content.bodies.is_empty()
        || !content.subjects.is_empty()
        || content.typing.is_some()
        || content.receipt.is_some()
        || message.kind == MessageKind::Error;
    match &message.native {
        _ if speaks => None,
        Native::None | Native::Retracted { .. } => None,
        Native::Mime { content_type, .. } => Some(content_type),
        Native::Elements { .. } => Some("application/xml"),
    }
}

/// The presence of a session, or of an account as a whole.
#[derive(Serialize)]
pub(in crate::api) struct PresenceView<'a> {
    availability: &'static str,
    note: Option<&'a str>,
    activities: Vec<&'a str>,
}

impl<'a> From<&'a Presence> for PresenceView<'a> {
    fn from(presence: &'a Presence) -> Self {
        Self {
            availability: words::availability(presence.availability),
            note: first(&presence.notes),
            activities: presence.activities.iter().map(words::activity).collect(),
        }
    }
}

/// One entry of the roster.
#[derive(Serialize)]
pub(in crate::api) struct ContactView<'a> {
    address: &'a Address,
    name: Option<&'a str>,
    groups: &'a [compact_str::CompactString],
    to: bool,
    from: bool,
    ask: bool,
    approved: bool,
}

impl<'a> From<&'a Contact> for ContactView<'a> {
    fn from(contact: &'a Contact) -> Self {
        Self {
            address: &contact.address,
            name: contact.name.as_deref(),
            groups: &contact.groups,
            to: contact.to,
            from: contact.from,
            ask: contact.ask,
            approved: contact.approved,
        }
    }
}

/// Somebody who asks to be a contact.
#[derive(Serialize)]
pub(in crate::api) struct RequestView<'a> {
    from: &'a Address,
    #[serde(serialize_with = "words::text")]
    at: Timestamp,
    note: Option<&'a str>,
}

impl<'a> From<&'a ContactRequest> for RequestView<'a> {
    fn from(request: &'a ContactRequest) -> Self {
        let note = request.note.as_ref().map(|note| note.text.as_str());
        Self { from: &request.from, at: request.at, note }
    }
}

/// The whole roster with the questions that wait.
#[derive(Serialize)]
pub(in crate::api) struct RosterDocument<'a> {
    version: u64,
    contacts: Vec<ContactView<'a>>,
    requests: Vec<RequestView<'a>>,
}

impl<'a> RosterDocument<'a> {
    pub(in crate::api) fn new(roster: &'a RosterView, requests: &'a [ContactRequest]) -> Self {
        Self {
            version: roster.version,
            contacts: roster.contacts.iter().map(ContactView::from).collect(),
            requests: requests.iter().map(RequestView::from).collect(),
        }
    }
}

/// A change of one entry.
#[derive(Serialize)]
pub(in crate::api) struct ChangeView<'a> {
    version: u64,
    contact: ContactView<'a>,
    removed: bool,
}

impl<'a> From<&'a ContactChange> for ChangeView<'a> {
    fn from(change: &'a ContactChange) -> Self {
        Self { version: change.version, contact: (&change.contact).into(), removed: change.removed }
    }
}

/// The account as its owner sees it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct MeView<'a> {
    address: &'a Address,
    is_admin: bool,
    domain: &'a str,
    has_directory: bool,
    invites_newcomers: bool,
    aggregate: PresenceView<'a>,
    sessions: Vec<OwnSession<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OwnSession<'a> {
    resource: &'a str,
    kind: &'static str,
    availability: &'static str,
    presence: Option<PresenceView<'a>>,
    #[serde(serialize_with = "words::text")]
    since: Timestamp,
    takes_messages: bool,
    takes_calls: bool,
    /// It is the session that is told this.
    current: bool,
}

impl<'a> MeView<'a> {
    pub(in crate::api) fn new(summary: &'a Summary, is_admin: bool, current: Option<SessionId>) -> Self {
        let session = |view: &'a SessionView| OwnSession {
            resource: view.spec.resource.as_str(),
            kind: words::session_kind(view.spec.kind),
            availability: words::availability(
                view.presence.as_ref().map_or_else(Default::default, |presence| presence.availability),
            ),
            presence: view.presence.as_deref().map(PresenceView::from),
            since: view.spec.since,
            takes_messages: view.spec.takes_messages,
            takes_calls: view.spec.takes_calls,
            current: Some(view.session) == current,
        };
        Self {
            address: &summary.address,
            is_admin,
            domain: summary.address.domain(),
            has_directory: summary.has_directory,
            invites_newcomers: is_admin || summary.invites_newcomers,
            aggregate: summary.aggregate.as_ref().into(),
            sessions: summary.sessions.iter().map(session).collect(),
        }
    }
}

fn first(texts: &[Text]) -> Option<&str> {
    texts.first().map(|text| text.text.as_str())
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}
