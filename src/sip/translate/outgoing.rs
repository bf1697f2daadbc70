//! A message as a MESSAGE for one phone (RFC 3428).

use bytes::Bytes;
use compact_str::{CompactString, ToCompactString, format_compact};

use super::{
    address::{print_uri, uri_of},
    composing, cpim, imdn,
};
use crate::{
    account::Copy,
    signal::{Message, Native, Timestamp},
    sip::{
        message::{HeaderName, Lines, Method, Uri, parse_date},
        transaction::Prepared,
    },
};

/// In which of its forms a message leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sip) enum Form {
    /// As it came, where it came as MIME.
    Native,
    /// In words that every phone knows.
    Neutral,
}

/// What a phone is known to understand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sip) struct Taste {
    /// message/cpim with its receipts.
    pub(in crate::sip) cpim: bool,
    /// isComposing documents.
    pub(in crate::sip) composing: bool,
}

/// What is sent of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sip) enum Rendering {
    /// Nothing that would be of use to the phone.
    Nothing,
    Body(Body),
}

/// A body with its headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sip) struct Body {
    content_type: CompactString,
    headers: Vec<(CompactString, CompactString)>,
    bytes: Bytes,
}

/// Decides what a phone is sent.
pub(in crate::sip) fn render(
    message: &Message,
    copy: Copy,
    form: Form,
    taste: Taste,
    now: Timestamp,
) -> Rendering {
    if is_expired(message, now) {
        return Rendering::Nothing;
    }
    let is_note = message.content.body().is_none()
        && (message.content.typing.is_some() || message.content.receipt.is_some());
    // What other sessions type or confirm is of no use to a phone.
    if is_note && copy != Copy::Original && copy != Copy::Offline {
        return Rendering::Nothing;
    }
    let body = match &message.native {
        Native::Mime { content_type, headers, body } if form == Form::Native => {
            let (content_type, headers) = (content_type.clone(), headers.clone());
            Some(Body { content_type, headers, bytes: body.clone() })
        }
        _ => neutral(message, taste),
    };
    let Some(mut body) = body else { return Rendering::Nothing };
    let is_late = now.0 - message.sent.0 > LATE;
    if is_late && !body.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("Date")) {
        body.headers.push(("Date".into(), message.sent.to_http_date().into()));
    }
    Rendering::Body(body)
}

/// Whether there is another way to say it than the one in which it came.
pub(in crate::sip) fn has_neutral_form(message: &Message) -> bool {
    let Native::Mime { content_type, .. } = &message.native else { return false };
    message.content.body().is_some() && !content_type.to_ascii_lowercase().starts_with("text/plain")
}

/// The request for a phone that registered `contact`. `token` is unique; the Call-ID is a new one each
/// time, so that nothing of the sender's is shown (RFC 3428 §4).
pub(in crate::sip) fn request_for(
    message: &Message,
    copy: Copy,
    (contact, routes): (&Uri, &[CompactString]),
    body: &Body,
    token: &str,
) -> Prepared {
    let kept: usize = body.headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    let from = print_uri(&message.from.address);
    let to = print_uri(&message.to.address);
    let mut lines = Lines::with_capacity(HEAD + 2 * token.len() + kept).text(HeaderName::MaxForwards, "70");
    for route in routes {
        lines = lines.text(HeaderName::Route, route);
    }
    lines = lines
        .texts(HeaderName::From, &["<", &from, ">;tag=", token])
        .texts(HeaderName::To, &["<", &to, ">"])
        .texts(HeaderName::CallId, &[token, "@", &message.to.address.domain_in_ascii()])
        .text(HeaderName::CSeq, "1 MESSAGE");
    for (name, value) in &body.headers {
        lines = lines.extension(name, value);
    }
    if copy == Copy::Sent {
        // As SylkServer marks what another device of the same user sent.
        lines = lines.extension("X-Replicated-Message", "yes");
    }
    let own = lines.finish_head(&body.content_type, &body.bytes);
    let line = Lines::request(&Method::Message, contact).finish();
    Prepared::new(Method::Message, line, Bytes::new(), own, body.bytes.clone())
}

fn neutral(message: &Message, taste: Taste) -> Option<Body> {
    let content = &message.content;
    if let Some(body) = content.bodies.first() {
        let wants = content.wants_delivered || content.wants_displayed;
        if taste.cpim && wants {
            return Some(cpim_body(message, PLAIN, None, &body.text));
        }
        let mut headers = Vec::new();
        if let Some(subject) = content.subjects.first() {
            headers.push(("Subject".into(), subject.text.clone()));
        }
        if let Some(lang) = &body.lang {
            headers.push(("Content-Language".into(), lang.clone()));
        }
        return Some(plain_body(PLAIN, headers, body.text.as_bytes()));
    }
    if message.retracts().is_some() {
        return None;
    }
    if let Some(receipt) = content.receipt.as_ref().filter(|_| taste.cpim) {
        let document = imdn::print(receipt, uri_of(&message.from.address).as_str(), message.sent);
        return Some(cpim_body(message, imdn::TYPE, Some("notification"), &document));
    }
    let typing = content.typing.filter(|_| taste.composing)?;
    Some(plain_body(composing::TYPE, Vec::new(), composing::print(typing).as_bytes()))
}

fn plain_body(content_type: &str, headers: Vec<(CompactString, CompactString)>, bytes: &[u8]) -> Body {
    Body { content_type: content_type.into(), headers, bytes: Bytes::copy_from_slice(bytes) }
}

fn cpim_body(message: &Message, content_type: &str, disposition: Option<&str>, content: &str) -> Body {
    let (from, to) = (uri_of(&message.from.address), uri_of(&message.to.address));
    let id = message.origin_id.clone().unwrap_or_else(|| message.id.to_compact_string());
    let text = cpim::print(&cpim::Outgoing {
        from: from.as_str(),
        to: to.as_str(),
        sent: message.sent,
        subject: message.content.subjects.first().map(|subject| subject.text.as_str()),
        message_id: &id,
        wants_delivered: message.content.wants_delivered,
        wants_displayed: message.content.wants_displayed,
        content_type,
        disposition,
        content,
    });
    Body { content_type: format_compact!("{}", cpim::TYPE), headers: Vec::new(), bytes: text.into() }
}

/// Whether the sender said that it would be of no use by now: Expires counts from Date, or else from
/// when the message was taken (RFC 3428 §7).
pub(in crate::sip) fn is_expired(message: &Message, now: Timestamp) -> bool {
    let Native::Mime { headers, .. } = &message.native else { return false };
    let value = |name: &str| {
        headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    };
    let Some(seconds) = value("Expires").and_then(|seconds| seconds.trim().parse::<u32>().ok()) else {
        return false;
    };
    let date = value("Date").and_then(parse_date).map(|date| Timestamp(date.as_millisecond()));
    date.unwrap_or(message.sent).plus_seconds(seconds.into()) < now
}

/// Room for what every head has.
const HEAD: usize = 320;
const PLAIN: &str = "text/plain;charset=UTF-8";
/// A message that arrives so many milliseconds after it was sent says when that was.
const LATE: i64 = 5000;

#[cfg(test)]
mod tests {
    use smallvec::smallvec;

    use super::*;
    use crate::signal::{Content, Keep, MessageId, MessageKind, Party, Receipt, ReceiptKind, Text, Typing};

    const ALL: Taste = Taste { cpim: true, composing: true };
    const NONE: Taste = Taste { cpim: false, composing: false };

    fn message(content: Content, native: Native) -> Message {
        Message {
            id: MessageId(7),
            from: Party::parse("alice@example.org/chat").unwrap(),
            to: Party::parse("bob@example.org").unwrap(),
            kind: MessageKind::Chat,
            sent: Timestamp(1_767_323_045_678),
            origin_id: Some("o1".into()),
            content,
            native,
            keep: Keep::ALL,
        }
    }

    fn text(body: &str) -> Content {
        Content { bodies: smallvec![Text::plain(body)], ..Content::default() }
    }

    fn sent(message: &Message, copy: Copy, form: Form, taste: Taste, after: i64) -> Option<String> {
        let now = Timestamp(message.sent.0 + after);
        let Rendering::Body(body) = render(message, copy, form, taste, now) else { return None };
        let contact = Uri::parse("sip:b@192.0.2.1:5062").unwrap();
        let request = request_for(message, copy, (&contact, &[]), &body, "tok");
        Some(request.text())
    }

    fn mime(content_type: &str, headers: &[(&str, &str)], body: &'static [u8]) -> Native {
        let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Native::Mime { content_type: content_type.into(), headers, body: Bytes::from_static(body) }
    }

    #[test]
    fn neutral_text_is_plain() {
        let mut content = text("grüß");
        content.subjects = smallvec![Text::plain("dinner")];
        let message = message(content, Native::None);
        let got = sent(&message, Copy::Original, Form::Native, NONE, 0).unwrap();
        assert_eq!(
            got,
            "MESSAGE sip:b@192.0.2.1:5062 SIP/2.0\r\nMax-Forwards: 70\r\nFrom: <sip:alice@example.org>;tag=tok\r\n\
             To: <sip:bob@example.org>\r\nCall-ID: tok@example.org\r\nCSeq: 1 MESSAGE\r\nSubject: dinner\r\n\
             Content-Type: text/plain;charset=UTF-8\r\nContent-Length: 6\r\n\r\ngrüß"
        );
    }

    #[test]
    fn native_body_is_not_touched_and_falls_back() {
        let message = message(text("x"), mime("text/html", &[("X-Mine", "1")], b"<b>x</b>"));
        let got = sent(&message, Copy::Original, Form::Native, NONE, 0).unwrap();
        assert!(
            got.contains("X-Mine: 1\r\nContent-Type: text/html\r\n") && got.ends_with("\r\n\r\n<b>x</b>")
        );
        assert!(has_neutral_form(&message));
        let got = sent(&message, Copy::Original, Form::Neutral, NONE, 0).unwrap();
        assert!(got.ends_with("Content-Length: 1\r\n\r\nx"));
    }

    #[test]
    fn late_message_says_when_it_was_sent() {
        let message = message(text("x"), Native::None);
        let got = sent(&message, Copy::Offline, Form::Native, NONE, 60_000).unwrap();
        assert!(got.contains("\r\nDate: Fri, 02 Jan 2026 03:04:05 GMT\r\n"), "{got}");
    }

    #[test]
    fn expired_message_is_not_sent() {
        let date = ("Date", "Fri, 02 Jan 2026 03:04:05 GMT");
        let message = message(text("x"), mime("text/plain", &[("Expires", "60"), date], b"x"));
        assert!(sent(&message, Copy::Offline, Form::Native, NONE, 59_000).is_some());
        assert!(sent(&message, Copy::Offline, Form::Native, NONE, 61_000).is_none());
    }

    #[test]
    fn copy_of_what_was_sent_is_marked() {
        let message = message(text("x"), Native::None);
        let got = sent(&message, Copy::Sent, Form::Native, NONE, 0).unwrap();
        assert!(got.contains("\r\nX-Replicated-Message: yes\r\n") && got.contains("\r\nFrom: <sip:alice@"));
    }

    #[test]
    fn notes_go_only_where_they_are_understood() {
        let typing = message(Content { typing: Some(Typing::Composing), ..Content::default() }, Native::None);
        let receipt = Receipt { kind: ReceiptKind::Delivered, of: "m1".into() };
        let receipt = message(Content { receipt: Some(receipt), ..Content::default() }, Native::None);
        for (message, copy, taste, expect) in [
            (&typing, Copy::Original, ALL, Some("<state>active</state>")),
            (&typing, Copy::Original, NONE, None),
            (&typing, Copy::Sent, ALL, None),
            (&receipt, Copy::Original, ALL, Some("Content-Disposition: notification\r\n")),
            (&receipt, Copy::Original, NONE, None),
        ] {
            let got = sent(message, copy, Form::Native, taste, 0);
            match (got, expect) {
                (Some(got), Some(expect)) => assert!(got.contains(expect), "{got}"),
                (got, expect) => assert_eq!(got.as_deref(), expect),
            }
        }
    }

    #[test]
    fn wish_for_a_receipt_goes_as_cpim() {
        let mut content = text("hi");
        content.wants_delivered = true;
        let message = message(content, Native::None);
        let got = sent(&message, Copy::Original, Form::Native, ALL, 0).unwrap();
        for line in [
            "Content-Type: message/cpim\r\n",
            "imdn.Message-ID: o1\r\n",
            "positive-delivery\r\n",
            "\r\n\r\nhi",
        ] {
            assert!(got.contains(line), "{line} in {got}");
        }
        assert!(sent(&message, Copy::Original, Form::Native, NONE, 0).unwrap().contains("text/plain"));
    }
}
