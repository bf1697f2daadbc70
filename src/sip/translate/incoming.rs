//! A MESSAGE of a phone as a message: the body as it came, and what it says.

use std::borrow::Cow;

use compact_str::{CompactString, ToCompactString};
use smallvec::{SmallVec, smallvec};

use super::{composing, cpim, imdn};
use crate::{
    signal::{Content, Keep, Message, MessageId, MessageKind, Native, Party, Text, Timestamp},
    sip::{
        answer::Refusal,
        message::{HeaderName, MediaType, Message as SipMessage},
    },
};

/// What is known of a message besides what it says.
#[derive(Debug, Clone)]
pub(in crate::sip) struct Envelope {
    pub(in crate::sip) id: MessageId,
    pub(in crate::sip) from: Party,
    pub(in crate::sip) to: Party,
    pub(in crate::sip) now: Timestamp,
}

/// Reads a MESSAGE.
///
/// # Errors
/// 400 for a body without a type or with a malformed one, 415 for an encoded one.
pub(in crate::sip) fn message_of(request: &SipMessage, envelope: Envelope) -> Result<Message, Refusal> {
    let body = request.body();
    let media = match request.content_type()? {
        Some(media) => media,
        None if body.is_empty() => MediaType::parse("text/plain").map_err(|_| Refusal::new(400))?,
        None => return Err(Refusal::because(400, "Bad Request: body without Content-Type")),
    };
    if request.values(HeaderName::ContentEncoding).any(|coding| !coding.eq_ignore_ascii_case("identity")) {
        return Err(Refusal::new(415).with(HeaderName::AcceptEncoding, "identity"));
    }
    let lang = request.text(HeaderName::ContentLanguage).map(|lang| lang.to_compact_string());
    let mut reading = Reading::default();
    reading.read(&media, &body, lang.as_ref(), Depth::Outer);
    if reading.content.subjects.is_empty()
        && let Some(subject) = request.text(HeaderName::Subject).filter(|subject| !subject.is_empty())
    {
        reading.content.subjects = smallvec![Text { lang, text: subject.as_ref().into() }];
    }
    let written_type = request.text(HeaderName::ContentType).unwrap_or(Cow::Borrowed("text/plain"));
    Ok(Message {
        id: envelope.id,
        from: envelope.from,
        to: envelope.to,
        kind: MessageKind::Chat,
        sent: envelope.now,
        origin_id: reading.origin_id.take(),
        keep: keep_of(&reading.content),
        content: reading.content,
        native: Native::Mime {
            content_type: written_type.as_ref().into(),
            headers: end_to_end(request),
            body,
        },
    })
}

/// Typing is of the moment (RFC 3994 §3.3); receipts wait for an absent sender (RFC 5438 §12), and are no
/// part of a conversation's record.
fn keep_of(content: &Content) -> Keep {
    if content.receipt.is_some() {
        Keep { archive: false, offline: true, carbons: true }
    } else if content.typing.is_some() {
        Keep::PASSING
    } else {
        Keep::ALL
    }
}

/// Whether a body stands in the message itself or inside message/cpim.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Outer,
    Inner,
}

/// What has been read so far.
#[derive(Default)]
struct Reading {
    content: Content,
    origin_id: Option<CompactString>,
}

impl Reading {
    fn read(&mut self, media: &MediaType, body: &[u8], lang: Option<&CompactString>, depth: Depth) {
        if media.is("text/plain") {
            self.take_text(decode(media, body), lang);
        } else if media.is("text/html") {
            self.take_text(decode(media, body).map(|html| Cow::Owned(strip_marks(&html))), lang);
        } else if media.is(composing::TYPE) {
            self.content.typing = str::from_utf8(body).ok().and_then(composing::parse);
        } else if media.is(imdn::TYPE) {
            self.content.receipt = str::from_utf8(body).ok().and_then(imdn::parse);
        } else if media.is(cpim::TYPE) && depth == Depth::Outer {
            self.read_cpim(body, lang);
        }
    }

    fn read_cpim(&mut self, body: &[u8], lang: Option<&CompactString>) {
        let Some(cpim) = cpim::parse(body) else { return };
        self.origin_id = cpim.message_id.filter(|id| id.len() <= ID).map(CompactString::from);
        self.content.wants_delivered = cpim.wants_delivered;
        self.content.wants_displayed = cpim.wants_displayed;
        if let Some(subject) = cpim.subject.filter(|subject| !subject.is_empty()) {
            let lang = cpim.subject_lang.map(CompactString::from);
            self.content.subjects = smallvec![Text { lang, text: subject.into() }];
        }
        let inner_lang = cpim.content_language.map(CompactString::from);
        if let Ok(media) = MediaType::parse(cpim.content_type) {
            self.read(&media, cpim.content, inner_lang.as_ref().or(lang), Depth::Inner);
        }
    }

    fn take_text(&mut self, text: Option<Cow<'_, str>>, lang: Option<&CompactString>) {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            let bodies: SmallVec<[Text; 1]> =
                smallvec![Text { lang: lang.cloned(), text: text.as_ref().into() }];
            self.content.bodies = bodies;
        }
    }
}

/// The text of a body; `None` for a character set that is not known here.
fn decode<'a>(media: &MediaType, body: &'a [u8]) -> Option<Cow<'a, str>> {
    let charset = media.param("charset");
    let is = |names: &[&str]| {
        charset.as_ref().is_some_and(|charset| names.iter().any(|name| charset.eq_ignore_ascii_case(name)))
    };
    if charset.is_none() || is(&["utf-8", "utf8", "us-ascii"]) {
        Some(String::from_utf8_lossy(body))
    } else if is(&["iso-8859-1", "latin1"]) {
        Some(Cow::Owned(body.iter().map(|byte| char::from(*byte)).collect()))
    } else {
        None
    }
}

/// The words of an HTML text: tags, comments, scripts and styles away, the common entities resolved.
fn strip_marks(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find(['<', '&']) {
        let (plain, marked) = rest.split_at(at);
        text.push_str(plain);
        rest = match marked.strip_prefix('&') {
            Some(entity) => take_entity(entity, &mut text),
            None => skip_tag(marked, &mut text),
        };
    }
    text.push_str(rest);
    text.trim().to_owned()
}

fn take_entity<'a>(entity: &'a str, text: &mut String) -> &'a str {
    let known = [
        ("lt;", '<'),
        ("gt;", '>'),
        ("amp;", '&'),
        ("quot;", '"'),
        ("apos;", '\''),
        ("#39;", '\''),
        ("nbsp;", ' '),
    ];
    for (name, character) in known {
        if let Some(rest) = entity.strip_prefix(name) {
            text.push(character);
            return rest;
        }
    }
    text.push('&');
    entity
}

/// Skips a tag, or all of an element that is no text.
fn skip_tag<'a>(marked: &'a str, text: &mut String) -> &'a str {
    let is = |name: &str| marked.get(1..=name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name));
    if marked.starts_with("<!--") {
        return marked.split_once("-->").map_or("", |(_, rest)| rest);
    }
    for (open, close) in [("script", "</script"), ("style", "</style")] {
        if is(open) {
            let end = marked.to_ascii_lowercase().find(close);
            let after = end.and_then(|end| marked.get(end..)).unwrap_or_default();
            return after.split_once('>').map_or("", |(_, rest)| rest);
        }
    }
    if ["br", "/p", "/div", "/li"].iter().any(|name| is(name)) {
        text.push('\n');
    }
    marked.split_once('>').map_or("", |(_, rest)| rest)
}

/// The headers that belong to the content and not to the way it came.
fn end_to_end(request: &SipMessage) -> Vec<(CompactString, CompactString)> {
    let mut bytes = 0;
    let mut kept = Vec::new();
    for field in request.fields() {
        let written = field.written_name();
        let stays = match field.name() {
            HeaderName::Other => !HOP.iter().any(|name| name.eq_ignore_ascii_case(written)),
            name => END_TO_END.contains(&name),
        };
        if !stays {
            continue;
        }
        let value = field.text();
        bytes += written.len() + value.len();
        if bytes <= HEADERS {
            kept.push((written.into(), value.as_ref().into()));
        }
    }
    kept
}

/// What a receiver's user agent wants to see as it was written.
const END_TO_END: [HeaderName; 17] = [
    HeaderName::AlertInfo,
    HeaderName::CallInfo,
    HeaderName::ContentDisposition,
    HeaderName::ContentEncoding,
    HeaderName::ContentLanguage,
    HeaderName::Date,
    HeaderName::Expires,
    HeaderName::InReplyTo,
    HeaderName::MimeVersion,
    HeaderName::Organization,
    HeaderName::Priority,
    HeaderName::ReferredBy,
    HeaderName::ReplyTo,
    HeaderName::Subject,
    HeaderName::Supported,
    HeaderName::Timestamp,
    HeaderName::UserAgent,
];
/// Extension headers that are about the way, or that only this server may set.
const HOP: [&str; 6] = [
    "X-Replicated-Message",
    "P-Access-Network-Info",
    "P-Preferred-Service",
    "P-Asserted-Service",
    "P-Charging-Vector",
    "Proxy-Authentication-Info",
];
/// Bytes of headers that are kept with a message.
const HEADERS: usize = 8192;
/// Longest id of a message, in bytes.
const ID: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        signal::{Receipt, ReceiptKind, Typing},
        sip::message::Limits,
    };

    fn read(lines: &str, body: &str) -> Result<Message, Refusal> {
        let text = format!(
            "MESSAGE sip:bob@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n\
             To: <sip:bob@h>\r\nCall-ID: 1\r\nCSeq: 1 MESSAGE\r\n{lines}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let request = SipMessage::parse_datagram(text.into(), &Limits::default()).unwrap();
        let party = |text: &str| Party::parse(text).unwrap();
        let (from, to) = (party("a@h/phone"), party("bob@h"));
        message_of(&request, Envelope { id: MessageId(1), from, to, now: Timestamp(5) })
    }

    #[test]
    fn bodies_are_read() {
        for (lines, body, expect) in [
            ("Content-Type: text/plain\r\n", "hi", Some("hi")),
            ("c: Text/Plain; charset=\"UTF-8\"\r\n", "grüß", Some("grüß")),
            ("Content-Type: text/plain;charset=koi8-r\r\n", "hi", None),
            (
                "Content-Type: text/html\r\n",
                "<p>a &lt; b<br>c<!-- x --><script>evil()</script></p>",
                Some("a < b\nc"),
            ),
            ("Content-Type: image/png\r\n", "\u{1}\u{2}", None),
            (
                "Content-Type: message/cpim\r\n",
                "From: <sip:a@h>\r\n\r\nContent-Type: text/plain\r\n\r\ninside",
                Some("inside"),
            ),
            ("Content-Type: message/cpim\r\n", "no cpim", None),
        ] {
            let message = read(lines, body).unwrap();
            assert_eq!(message.content.body(), expect, "{lines}");
            assert_eq!(message.keep, Keep::ALL);
            let Native::Mime { body: kept, .. } = message.native else { panic!("no native body") };
            assert_eq!(kept, body);
        }
    }

    #[test]
    fn notes_are_told_from_texts() {
        let typing = composing::print(Typing::Composing);
        let message = read("Content-Type: application/im-iscomposing+xml\r\n", &typing).unwrap();
        assert_eq!((message.content.typing, message.keep), (Some(Typing::Composing), Keep::PASSING));
        let receipt = Receipt { kind: ReceiptKind::Displayed, of: "m1".into() };
        let inner = imdn::print(&receipt, "sip:a@h", Timestamp(0));
        let cpim = format!(
            "From: <sip:a@h>\r\nNS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: m2\r\n\r\nContent-Type: message/imdn+xml\r\n\r\n{inner}"
        );
        let message = read("Content-Type: message/cpim\r\n", &cpim).unwrap();
        assert_eq!((message.content.receipt, message.origin_id.as_deref()), (Some(receipt), Some("m2")));
        assert_eq!(message.keep, Keep { archive: false, offline: true, carbons: true });
    }

    #[test]
    fn headers_of_the_content_stay_and_those_of_the_way_go() {
        let message = read(
            "Content-Type: text/plain\r\nSubject: dinner\r\nContent-Language: de\r\nX-Mine: 1\r\nRoute: <sip:x>\r\n\
             X-Replicated-Message: y\r\nAuthorization: Digest a=b\r\n",
            "hi",
        )
        .unwrap();
        assert_eq!(message.content.subjects[0].text, "dinner");
        assert_eq!(message.content.bodies[0].lang.as_deref(), Some("de"));
        let Native::Mime { headers, .. } = message.native else { panic!("no native body") };
        let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["Subject", "Content-Language", "X-Mine"]);
    }

    #[test]
    fn unreadable_bodies_are_refused() {
        assert_eq!(read("", "x").unwrap_err().status, 400);
        assert_eq!(read("Content-Type: plain\r\n", "x").unwrap_err().status, 400);
        assert_eq!(
            read("Content-Type: text/plain\r\nContent-Encoding: gzip\r\n", "x").unwrap_err().status,
            415
        );
        assert!(read("", "").is_ok());
    }
}
