//! `message/cpim` (RFC 3862): headers, an empty line, MIME headers, an empty line, the content.
//!
//! Lines may end with CR LF or, from lax senders, LF. Prefixes are looked up by their declared
//! namespace (RFC 3862 §3.4), never by their spelling.

use crate::signal::Timestamp;

/// The media type.
pub(super) const TYPE: &str = "message/cpim";

/// What is read of a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Cpim<'a> {
    pub(super) subject: Option<&'a str>,
    /// The language of the subject.
    pub(super) subject_lang: Option<&'a str>,
    pub(super) sent: Option<Timestamp>,
    /// `imdn.Message-ID` (RFC 5438 §6.3).
    pub(super) message_id: Option<&'a str>,
    /// `imdn.Disposition-Notification` names this (RFC 5438 §6.2).
    pub(super) wants_delivered: bool,
    pub(super) wants_displayed: bool,
    /// The media type of the content; text/plain where none is written.
    pub(super) content_type: &'a str,
    pub(super) content_language: Option<&'a str>,
    pub(super) content: &'a [u8],
}

/// Reads a message; `None` where it is not whole, is not UTF-8 in its headers or has too many of them.
pub(super) fn parse(bytes: &[u8]) -> Option<Cpim<'_>> {
    let (headers, rest) = split_head(bytes)?;
    let (mime, content) = split_head(rest)?;
    let mut cpim = Cpim { content_type: "text/plain", content, ..Cpim::default() };
    let mut imdn = None;
    for (name, params, value) in lines(headers)? {
        match name.split_once('.') {
            None if name == "NS" => {
                let (prefix, uri) = value.split_once('<')?;
                if uri.trim_end_matches('>').trim_end_matches(':') == super::imdn::HEADERS {
                    imdn = Some(prefix.trim());
                }
            }
            Some((prefix, name)) if Some(prefix) == imdn => cpim.take_imdn(name, value),
            None => cpim.take_header(name, params, value),
            Some(_) => {}
        }
    }
    for (name, _, value) in lines(mime)? {
        if name.eq_ignore_ascii_case("Content-Type") {
            cpim.content_type = value;
        } else if name.eq_ignore_ascii_case("Content-Language") {
            cpim.content_language = Some(value);
        }
    }
    Some(cpim)
}

impl<'a> Cpim<'a> {
    fn take_header(&mut self, name: &str, params: &'a str, value: &'a str) {
        match name {
            "Subject" => {
                self.subject = Some(value);
                self.subject_lang = params.split(';').find_map(|param| param.trim().strip_prefix("lang="));
            }
            "DateTime" => self.sent = Timestamp::parse_rfc3339(value),
            _ => {}
        }
    }

    fn take_imdn(&mut self, name: &str, value: &'a str) {
        let wants = |what: &str| value.split(',').any(|each| each.trim().eq_ignore_ascii_case(what));
        match name {
            "Message-ID" => self.message_id = Some(value),
            "Disposition-Notification" => {
                self.wants_delivered = wants("positive-delivery");
                self.wants_displayed = wants("display");
            }
            _ => {}
        }
    }
}

/// A message to be written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outgoing<'a> {
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    pub(super) sent: Timestamp,
    pub(super) subject: Option<&'a str>,
    pub(super) message_id: &'a str,
    pub(super) wants_delivered: bool,
    pub(super) wants_displayed: bool,
    pub(super) content_type: &'a str,
    /// For a receipt: RFC 5438 §7.1.1 wants to see what the content is for.
    pub(super) disposition: Option<&'a str>,
    pub(super) content: &'a str,
}

/// Writes a message.
pub(super) fn print(message: &Outgoing<'_>) -> String {
    let mut text =
        format!("From: <{}>\r\nTo: <{}>\r\nDateTime: {}\r\n", message.from, message.to, message.sent);
    if let Some(subject) = message.subject {
        push_header(&mut text, "Subject", subject);
    }
    text.push_str("NS: imdn <");
    text.push_str(super::imdn::HEADERS);
    text.push_str(">\r\n");
    push_header(&mut text, "imdn.Message-ID", message.message_id);
    let wanted = match (message.wants_delivered, message.wants_displayed) {
        (true, true) => "positive-delivery, display",
        (true, false) => "positive-delivery",
        (false, true) => "display",
        (false, false) => "",
    };
    if !wanted.is_empty() {
        push_header(&mut text, "imdn.Disposition-Notification", wanted);
    }
    text.push_str("\r\n");
    push_header(&mut text, "Content-Type", message.content_type);
    if let Some(disposition) = message.disposition {
        push_header(&mut text, "Content-Disposition", disposition);
    }
    push_header(&mut text, "Content-Length", &message.content.len().to_string());
    text.push_str("\r\n");
    text.push_str(message.content);
    text
}

/// A header line. What would end it becomes a space.
fn push_header(text: &mut String, name: &str, value: &str) {
    text.push_str(name);
    text.push_str(": ");
    text.extend(value.chars().map(|c| if c.is_control() { ' ' } else { c }));
    text.push_str("\r\n");
}

/// Splits at the first empty line; an empty head is one, too.
fn split_head(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut start = 0;
    while let Some(length) = memchr::memchr(b'\n', bytes.get(start..)?) {
        let line = bytes.get(start..start + length)?;
        if line.is_empty() || line == b"\r" {
            return Some((bytes.get(..start)?, bytes.get(start + length + 1..)?));
        }
        start += length + 1;
    }
    None
}

/// The headers of a head: name, parameters, value.
fn lines(head: &[u8]) -> Option<Vec<(&str, &str, &str)>> {
    let head = std::str::from_utf8(head).ok()?;
    let mut found = Vec::new();
    for line in head.lines().map(|line| line.trim_end_matches('\r')) {
        if found.len() == HEADERS {
            return None;
        }
        let (name, rest) = line.split_once(':')?;
        let (params, value) = match rest.strip_prefix(';') {
            Some(rest) => rest.split_once(' ').unwrap_or((rest, "")),
            None => ("", rest),
        };
        found.push((name.trim(), params, value.trim()));
    }
    Some(found)
}

/// Most headers of one head.
const HEADERS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 5438 §6 as Blink and Linphone send it.
    const SAMPLE: &str = "From: Alice <im:alice@example.com>\r\nTo: Bob <im:bob@example.com>\r\nNS: i <urn:ietf:params:imdn>\r\n\
        i.Message-ID: 34jk324j\r\nDateTime: 2006-04-04T12:16:49-05:00\r\n\
        i.Disposition-Notification: positive-delivery, negative-delivery\r\nSubject:;lang=de Gru\u{df}\r\n\r\n\
        Content-type: text/plain\r\nContent-Language: en\r\nContent-length: 12\r\n\r\nHello World\n";

    #[test]
    fn headers_are_found_by_namespace() {
        let cpim = parse(SAMPLE.as_bytes()).unwrap();
        assert_eq!(cpim.message_id, Some("34jk324j"));
        assert_eq!((cpim.wants_delivered, cpim.wants_displayed), (true, false));
        assert_eq!((cpim.subject, cpim.subject_lang), (Some("Gruß"), Some("de")));
        assert_eq!(cpim.sent.unwrap().to_string(), "2006-04-04T17:16:49.000Z");
        assert_eq!((cpim.content_type, cpim.content_language), ("text/plain", Some("en")));
        assert_eq!(cpim.content, b"Hello World\n");
    }

    #[test]
    fn what_is_not_whole_is_nothing() {
        for bad in ["", "From: <a>\r\n", "From: <a>\r\n\r\nContent-Type: text/plain\r\n", "From\r\n\r\n\r\nx"]
        {
            assert_eq!(parse(bad.as_bytes()), None, "{bad:?}");
        }
        assert!(parse(b"From: <a>\n\nContent-Type: text/plain\n\nx").is_some());
        assert_eq!(parse(b"From: <a>\r\n\r\n\r\nx").unwrap().content_type, "text/plain");
    }

    #[test]
    fn written_message_is_read_back() {
        let text = print(&Outgoing {
            from: "sip:a@h",
            to: "sip:b@h",
            sent: Timestamp(0),
            subject: Some("line\r\nbreak"),
            message_id: "m1",
            wants_delivered: true,
            wants_displayed: true,
            content_type: "text/plain;charset=UTF-8",
            disposition: None,
            content: "hi",
        });
        let cpim = parse(text.as_bytes()).unwrap();
        assert_eq!(
            (cpim.subject, cpim.message_id, cpim.content),
            (Some("line  break"), Some("m1"), &b"hi"[..])
        );
        assert!(cpim.wants_delivered && cpim.wants_displayed);
    }

    #[test]
    fn every_cut_and_flip_is_survived() {
        let bytes = SAMPLE.as_bytes();
        for at in 0..bytes.len() {
            let _ = parse(&bytes[..at]);
            let mut flipped = bytes.to_vec();
            flipped[at] ^= 0x8a;
            let _ = parse(&flipped);
        }
    }
}
