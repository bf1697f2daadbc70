//! `<message/>` (RFC 6121 §5) and what XEPs put into it: XEP-0085, XEP-0184, XEP-0203, XEP-0280, XEP-0333,
//! XEP-0334.

use compact_str::CompactString;
use smallvec::SmallVec;

use super::{Refusal, Scope, elements, native, parse_refusal, print_text_element};
use crate::account::Copy;
use crate::signal::{
    Content, Keep, Message, MessageId, MessageKind, Native, Party, Receipt, ReceiptKind, Text, Timestamp,
    Typing,
};
use crate::xmpp::stanza::{CLIENT, ChildView, Head, Jid, Kind, Stanza, print_attribute};
use crate::xmpp::xep::{delay, hints, retraction, stanza_id};

/// What the connection knows about a message beside the stanza.
pub(in crate::xmpp) struct Envelope<'a> {
    pub(in crate::xmpp) id: MessageId,
    pub(in crate::xmpp) from: Party,
    pub(in crate::xmpp) to: Party,
    /// The language of the sender's stream.
    pub(in crate::xmpp) language: Option<&'a str>,
    pub(in crate::xmpp) now: Timestamp,
}

/// The message in a stanza.
pub(in crate::xmpp) fn parse_message(stanza: &Stanza, envelope: Envelope<'_>) -> Message {
    let kind = match stanza.stanza_type().as_deref() {
        Some("chat") => MessageKind::Chat,
        Some("headline") => MessageKind::Headline,
        Some("groupchat") => MessageKind::Group,
        Some("error") => MessageKind::Error,
        _ => MessageKind::Normal,
    };
    let mut reader = Reader::new(stanza);
    stanza.children().for_each(|child| reader.read(&child));
    if kind == MessageKind::Error {
        reader.content.error = Some(parse_refusal(stanza));
    }
    let keep = reader.keep(kind);
    let mut native = native(stanza, envelope.language);
    if reader.has_stanza_id
        && let Native::Elements { payload, .. } = &mut native
    {
        let accounts = [&envelope.from.address, &envelope.to.address];
        *payload = stanza.payload_without(|it| stanza_id::is_claim(it, &accounts)).unwrap_or_default();
    }
    Message {
        id: envelope.id,
        from: envelope.from,
        to: envelope.to,
        kind,
        sent: envelope.now,
        origin_id: stanza.id().map(CompactString::from),
        content: reader.content,
        native,
        keep,
    }
}

/// What the children add up to.
struct Reader<'a> {
    content: Content,
    language: Option<std::borrow::Cow<'a, str>>,
    hints: hints::Hints,
    /// Somebody names an id that the archive alone gives.
    has_stanza_id: bool,
    /// There is something other than typing, receipts and hints: text, or a payload only clients understand.
    is_substantial: bool,
}

impl<'a> Reader<'a> {
    fn new(stanza: &'a Stanza) -> Self {
        let language = stanza.language();
        Self {
            content: Content::default(),
            language,
            hints: hints::Hints::default(),
            has_stanza_id: false,
            is_substantial: false,
        }
    }

    fn read(&mut self, child: &ChildView<'_>) {
        let namespace = child.namespace();
        match &*namespace {
            CLIENT => self.read_plain(child),
            STATES => self.content.typing = typing(child.name()).or(self.content.typing),
            RECEIPTS => match child.name() {
                "request" => self.content.wants_delivered = true,
                "received" => self.read_receipt(child, ReceiptKind::Delivered),
                _ => {}
            },
            MARKERS => match child.name() {
                "markable" => self.content.wants_displayed = true,
                "received" => self.read_receipt(child, ReceiptKind::Delivered),
                "displayed" | "acknowledged" => self.read_receipt(child, ReceiptKind::Displayed),
                _ => {}
            },
            retraction::NAMESPACE => {
                if let Some(of) = retraction::parse(child) {
                    self.content.receipt = Some(Receipt { kind: ReceiptKind::Retracted, of });
                }
                self.is_substantial = true;
            }
            SIDS => self.has_stanza_id |= child.name() == "stanza-id",
            other => self.is_substantial |= !self.hints.read(child.name(), other),
        }
    }

    fn read_plain(&mut self, child: &ChildView<'_>) {
        match child.name() {
            "body" => {
                let body = self.text(child);
                self.content.bodies.push(body);
                self.is_substantial = true;
            }
            "subject" => {
                let subject = self.text(child);
                self.content.subjects.push(subject);
                self.is_substantial = true;
            }
            "thread" => self.content.thread = Some(child.text().into()),
            _ => self.is_substantial = true,
        }
    }

    fn text(&self, child: &ChildView<'_>) -> Text {
        let lang = child.language().or_else(|| self.language.clone()).map(CompactString::from);
        Text { lang, text: child.text().into() }
    }

    fn read_receipt(&mut self, child: &ChildView<'_>, kind: ReceiptKind) {
        let of = child.attribute("id").map(CompactString::from);
        self.content.receipt = of.map(|of| Receipt { kind, of });
    }

    /// Where copies may go: XEP-0160 §3, XEP-0280 §6, XEP-0313 §5.1, and the sender's hints.
    fn keep(&self, kind: MessageKind) -> Keep {
        let is_conversation = matches!(kind, MessageKind::Chat | MessageKind::Normal);
        let lasts = self.is_substantial || self.hints.store;
        let is_chat = kind == MessageKind::Chat || !self.content.bodies.is_empty();
        let is_note = self.content.typing.is_some() || self.content.receipt.is_some();
        Keep {
            archive: is_conversation && lasts && !self.hints.no_store && !self.hints.no_permanent_store,
            offline: is_conversation && (lasts || self.content.receipt.is_some()) && !self.hints.no_store,
            carbons: is_conversation && (is_chat || is_note) && !self.hints.no_copy,
        }
    }
}

fn typing(name: &str) -> Option<Typing> {
    match name {
        "active" => Some(Typing::Active),
        "composing" => Some(Typing::Composing),
        "paused" => Some(Typing::Paused),
        "inactive" => Some(Typing::Inactive),
        "gone" => Some(Typing::Gone),
        _ => None,
    }
}

/// Appends the message as its receiver gets it: as it is, with its delay, or wrapped as a carbon copy.
/// `owner` is the receiving session.
pub(in crate::xmpp) fn print_message(message: &Message, copy: Copy, owner: &Party, out: &mut Vec<u8>) {
    let wrapper = match copy {
        Copy::Original => return print_plain(message, &archive_id(message, owner), None, out),
        Copy::Offline => {
            let mut more = delay::print(owner.address.domain(), message.sent).into_bytes();
            more.extend_from_slice(&archive_id(message, owner));
            return print_plain(message, &more, None, out);
        }
        Copy::Received => "received",
        Copy::Sent => "sent",
    };
    let mut inner = Vec::new();
    print_plain(message, &archive_id(message, owner), Some(CLIENT), &mut inner);
    let head = Head {
        kind: Kind::Message,
        from: Some(Jid::from(&owner.address)),
        to: Some(owner.into()),
        stanza_type: type_of(message.kind),
        ..Head::default()
    };
    let start = format!("<{wrapper} xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>");
    let end = format!("</forwarded></{wrapper}>");
    head.print(&[start.as_bytes(), &inner, end.as_bytes()], out);
}

/// Appends the message as it leaves for another server.
pub(in crate::xmpp) fn print_sent(message: &Message, out: &mut Vec<u8>) {
    print_plain(message, &[], None, out);
}

/// Appends the message as the archive shows it.
pub(in crate::xmpp) fn print_archived(message: &Message, out: &mut Vec<u8>) {
    print_plain(message, &[], Some(CLIENT), out);
}

/// The id of a message in its reader's archive; nothing where it is in none.
fn archive_id(message: &Message, owner: &Party) -> Vec<u8> {
    if message.keep.archive { stanza_id::print(message.id, &owner.address) } else { Vec::new() }
}

fn print_plain(message: &Message, more: &[u8], namespace: Option<&str>, out: &mut Vec<u8>) {
    let content = elements(&message.native);
    let given;
    let id = match &message.origin_id {
        Some(id) => id.as_str(),
        None => {
            given = message.id.to_string();
            &given
        }
    };
    let head = Head {
        kind: Kind::Message,
        from: Some(Jid::from(&message.from)),
        to: Some(Jid::from(&message.to)),
        id: Some(id),
        stanza_type: type_of(message.kind),
        language: content.and_then(|(_, lang)| lang),
        namespace,
    };
    match (content, &message.native) {
        (Some((payload, _)), _) => head.print(&[payload, more], out),
        (None, Native::Retracted { by, at }) => {
            let mut tombstone = Vec::new();
            retraction::print_tombstone(by, *at, &mut tombstone);
            head.print(&[&tombstone, more], out);
        }
        (None, _) => head.print(&[&print_neutral(&message.content), more], out),
    }
}

fn type_of(kind: MessageKind) -> Option<&'static str> {
    match kind {
        MessageKind::Chat => Some("chat"),
        MessageKind::Normal => None,
        MessageKind::Headline => Some("headline"),
        MessageKind::Group => Some("groupchat"),
        MessageKind::Error => Some("error"),
    }
}

/// The content for a message that came by another protocol.
fn print_neutral(content: &Content) -> Vec<u8> {
    let mut out = Vec::new();
    print_texts("subject", &content.subjects, &mut out);
    print_texts("body", &content.bodies, &mut out);
    if let Some(thread) = &content.thread {
        print_text_element("thread", None, thread, &mut out);
    }
    if let Some(typing) = content.typing {
        let name = match typing {
            Typing::Active => "active",
            Typing::Composing => "composing",
            Typing::Paused => "paused",
            Typing::Inactive => "inactive",
            Typing::Gone => "gone",
        };
        out.extend_from_slice(format!("<{name} xmlns='{STATES}'/>").as_bytes());
    }
    if content.wants_delivered {
        out.extend_from_slice(format!("<request xmlns='{RECEIPTS}'/>").as_bytes());
    }
    if content.wants_displayed {
        out.extend_from_slice(format!("<markable xmlns='{MARKERS}'/>").as_bytes());
    }
    if let Some(receipt) = &content.receipt {
        print_receipt(receipt, &mut out);
    }
    if let Some(error) = &content.error {
        Refusal::from_reject(error, Scope::Routed).print(&mut out);
    }
    out
}

/// One text per language is allowed (RFC 6121 §5.2.3), and one without.
fn print_texts(name: &str, texts: &SmallVec<[Text; 1]>, out: &mut Vec<u8>) {
    for (index, text) in texts.iter().enumerate() {
        if !texts.iter().take(index).any(|earlier| earlier.lang == text.lang) {
            print_text_element(name, text.lang.as_deref(), &text.text, out);
        }
    }
}

fn print_receipt(receipt: &Receipt, out: &mut Vec<u8>) {
    let (name, namespace) = match receipt.kind {
        ReceiptKind::Delivered => ("received", RECEIPTS),
        ReceiptKind::Displayed => ("displayed", MARKERS),
        ReceiptKind::Retracted => return retraction::print(&receipt.of, out),
    };
    out.extend_from_slice(format!("<{name} xmlns='{namespace}' id='").as_bytes());
    print_attribute(&receipt.of, out);
    out.extend_from_slice(b"'/>");
}

const STATES: &str = "http://jabber.org/protocol/chatstates";
const RECEIPTS: &str = "urn:xmpp:receipts";
const MARKERS: &str = "urn:xmpp:chat-markers:0";
const SIDS: &str = "urn:xmpp:sid:0";
