//! The wrapper of BOSH (XEP-0124 §4, XEP-0206 §2): `<body/>` of requests and answers.
//!
//! Text in, values out and back. The elements inside stay the bytes they came in.

use bytes::Bytes;

use crate::xmpp::{
    stanza::{Error, Event, Limits, print_attribute},
    web::framing::inside_a_stream,
};

/// A request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Body {
    /// Missing when a session is to be made.
    pub(super) session: Option<String>,
    pub(super) request: u64,
    /// The highest answer that came in a row.
    pub(super) acknowledged: Option<u64>,
    pub(super) is_restart: bool,
    pub(super) is_end: bool,
    /// Seconds for which the client will say nothing.
    pub(super) pause: Option<u32>,
    pub(super) opening: Opening,
    /// The elements inside.
    pub(super) elements: Vec<Bytes>,
}

/// What counts where a session is made, and for a restart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Opening {
    pub(super) to: Option<String>,
    pub(super) from: Option<String>,
    pub(super) language: Option<String>,
    pub(super) version: Option<String>,
    pub(super) wait: Option<u32>,
    pub(super) hold: Option<u32>,
}

impl Body {
    /// Reads a request.
    ///
    /// # Errors
    /// It is not one `<body/>`, has no request number, or holds more than the limits allow.
    pub(super) fn parse(text: &[u8], limits: Limits) -> Result<Self, Error> {
        // The wrapper itself counts for nothing.
        let limits =
            Limits { depth: limits.depth + 1, stanza_bytes: limits.stanza_bytes + WRAPPER, ..limits };
        let mut scanner = inside_a_stream(limits);
        scanner.feed(without_declaration(text.trim_ascii()));
        let Some(Event::Stanza(body)) = scanner.next_event()? else {
            return Err(Error::BadFormat("no body"));
        };
        if !scanner.is_empty() || !body.is("body", NAMESPACE) {
            return Err(Error::BadFormat("no body"));
        }
        let attribute = |name: &str| body.attribute(name).map(|value| value.into_owned());
        let number = |name: &str| attribute(name).and_then(|value| value.parse().ok());
        let request = attribute("rid").and_then(|value| value.parse().ok()).filter(|rid| *rid <= HIGHEST);
        Ok(Self {
            session: attribute("sid"),
            request: request.ok_or(Error::BadFormat("no request number"))?,
            acknowledged: attribute("ack").and_then(|value| value.parse().ok()),
            is_restart: attribute("xmpp:restart").is_some_and(|value| value == "true" || value == "1"),
            is_end: attribute("type").is_some_and(|value| value == "terminate"),
            pause: number("pause"),
            opening: Opening {
                to: attribute("to"),
                from: attribute("from"),
                language: attribute("xml:lang"),
                version: attribute("xmpp:version"),
                wait: number("wait"),
                hold: number("hold"),
            },
            elements: body.children().map(|child| child.bytes()).collect(),
        })
    }

    /// How many bytes of elements it has.
    pub(super) fn len(&self) -> usize {
        self.elements.iter().map(Bytes::len).sum()
    }

    /// Whether it brings nothing but the chance to answer.
    pub(super) fn is_empty(&self) -> bool {
        self.elements.is_empty() && !self.is_restart && !self.is_end && self.pause.is_none()
    }
}

/// Serializers of browsers may put an XML declaration first.
fn without_declaration(text: &[u8]) -> &[u8] {
    if !text.starts_with(b"<?xml") {
        return text;
    }
    let end = memchr::memmem::find(text, b"?>").map_or(0, |at| at + 2);
    text.get(end..).unwrap_or_default().trim_ascii_start()
}

/// An answer.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// With their values as text.
    pub(super) attributes: Vec<(&'static str, String)>,
    pub(super) elements: Vec<Bytes>,
}

impl Answer {
    /// The session is over, for this reason, or in order.
    pub(super) fn end(condition: Option<&'static str>) -> Self {
        let mut attributes = vec![("type", "terminate".to_owned())];
        attributes.extend(condition.map(|condition| ("condition", condition.to_owned())));
        Self { attributes, elements: Vec::new() }
    }

    /// How long it is, roughly.
    pub(super) fn len(&self) -> usize {
        WRAPPER + self.elements.iter().map(Bytes::len).sum::<usize>()
    }

    pub(super) fn print(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.len());
        out.extend_from_slice(b"<body xmlns='");
        out.extend_from_slice(NAMESPACE.as_bytes());
        out.extend_from_slice(
            b"' xmlns:xmpp='urn:xmpp:xbosh' xmlns:stream='http://etherx.jabber.org/streams'",
        );
        for (name, value) in &self.attributes {
            out.extend_from_slice(format!(" {name}='").as_bytes());
            print_attribute(value, &mut out);
            out.push(b'\'');
        }
        out.push(b'>');
        self.elements.iter().for_each(|element| out.extend_from_slice(element));
        out.extend_from_slice(b"</body>");
        out
    }
}

const NAMESPACE: &str = "http://jabber.org/protocol/httpbind";
/// Request numbers are at most 2^53 − 1 (XEP-0124 §14.1).
const HIGHEST: u64 = (1 << 53) - 1;
/// More than the attributes of a wrapper take.
const WRAPPER: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read() {
        let text = "<?xml version='1.0'?>\n<body xmlns='http://jabber.org/protocol/httpbind' rid='7' sid='s' ack='5' \
                    xmlns:xmpp='urn:xmpp:xbosh' xmpp:restart='true' to='a.example' xml:lang='de' pause='9'>\
                    <message xmlns='jabber:client'/><iq/></body>\n";
        let body = Body::parse(text.as_bytes(), Limits::default()).unwrap();
        assert_eq!((body.session.as_deref(), body.request, body.acknowledged), (Some("s"), 7, Some(5)));
        assert_eq!((body.is_restart, body.is_end, body.pause), (true, false, Some(9)));
        assert_eq!(body.opening.to.as_deref(), Some("a.example"));
        assert_eq!(body.elements, ["<message xmlns='jabber:client'/>", "<iq/>"]);
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for text in [
            "",
            "<body/>",
            "<body xmlns='http://jabber.org/protocol/httpbind'/>",
            "<body xmlns='http://jabber.org/protocol/httpbind' rid='-1'/>",
            "<body xmlns='http://jabber.org/protocol/httpbind' rid='9007199254740992'/>",
            "<body xmlns='http://jabber.org/protocol/httpbind' rid='1'>",
            "<body xmlns='http://jabber.org/protocol/httpbind' rid='1'/><body/>",
            "<!DOCTYPE a><body xmlns='http://jabber.org/protocol/httpbind' rid='1'/>",
            "<bodyxmlns='http://jabber.org/protocol/httpbind' rid='1'/>",
        ] {
            assert!(Body::parse(text.as_bytes(), Limits::default()).is_err(), "{text}");
        }
    }

    #[test]
    fn answers_are_printed() {
        let answer = Answer { attributes: vec![("sid", "a'b".into())], elements: vec!["<x/>".into()] };
        let text = String::from_utf8(answer.print()).unwrap();
        assert!(text.starts_with("<body xmlns='http://jabber.org/protocol/httpbind' "), "{text}");
        assert!(text.ends_with(" sid='a&apos;b'><x/></body>"), "{text}");
        let text = String::from_utf8(Answer::end(Some("item-not-found")).print()).unwrap();
        assert!(text.ends_with(" type='terminate' condition='item-not-found'></body>"), "{text}");
    }
}
