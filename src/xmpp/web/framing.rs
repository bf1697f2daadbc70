//! From one element per frame (RFC 7395 §3) to the one document of RFC 6120, and back.
//!
//! Pure: bytes in, bytes out. What a peer sends in a frame is handed on as it came once it proved to be one whole
//! element; what it proved not to be is left to the stream's own scanner, which knows the right error.

use bytes::Bytes;

use crate::xmpp::stanza::{CLIENT, Error, Event, Header, Limits, Scanner, Stanza, print_attribute};

/// What the peer sends.
#[derive(Debug)]
pub(super) struct Inbound {
    scanner: Scanner,
    limits: Limits,
}

impl Inbound {
    pub(super) fn new(limits: Limits) -> Self {
        Self { scanner: inside_a_stream(limits), limits }
    }

    /// The bytes of the stream that a frame stands for.
    pub(super) fn translate(&mut self, frame: Bytes) -> Bytes {
        if frame.trim_ascii().is_empty() {
            return Bytes::new();
        }
        self.scanner.feed(frame.trim_ascii());
        let event = self.scanner.next_event();
        let is_whole = self.scanner.is_empty();
        match event {
            Ok(Some(Event::Stanza(element))) if is_whole => {
                self.scanner.release();
                translate_element(&element, frame)
            }
            Ok(_) => {
                self.scanner = inside_a_stream(self.limits);
                Bytes::from_static(NO_ELEMENT)
            }
            Err(_) => {
                self.scanner = inside_a_stream(self.limits);
                frame
            }
        }
    }
}

fn translate_element(element: &Stanza, frame: Bytes) -> Bytes {
    if element.is("open", FRAMING) {
        return header_of(element).into();
    }
    if element.is("close", FRAMING) {
        return Bytes::from_static(b"</stream:stream>");
    }
    frame
}

/// The stream header that an `<open/>` stands for.
fn header_of(open: &Stanza) -> Vec<u8> {
    let attributes = ["to", "from", "version", "xml:lang"].map(|name| (name, open.attribute(name)));
    print_header(attributes.each_ref().map(|(name, value)| (*name, value.as_deref())))
}

/// A client's stream header with these attributes.
pub(super) fn print_header(attributes: [(&str, Option<&str>); 4]) -> Vec<u8> {
    let mut out =
        format!("<?xml version='1.0'?><stream:stream xmlns='{CLIENT}' xmlns:stream='{STREAMS}'").into_bytes();
    for (name, value) in attributes {
        print_optional(name, value, &mut out);
    }
    out.push(b'>');
    out
}

/// What the server sends.
#[derive(Debug)]
pub(super) struct Outbound {
    scanner: Scanner,
}

impl Outbound {
    pub(super) fn new() -> Self {
        Self { scanner: outgoing_scanner() }
    }

    /// Takes bytes of the stream, and gives the frames that are complete, in order.
    ///
    /// # Errors
    /// What was sent is no stream, which would be a mistake of ours.
    pub(super) fn translate(&mut self, bytes: &[u8], mut each: impl FnMut(Vec<u8>)) -> Result<(), Error> {
        self.scanner.feed(bytes);
        while let Some(event) = next_outgoing(&mut self.scanner)? {
            each(match event {
                Event::Header(header) => print_open(&header),
                Event::Stanza(element) => print_element(&element),
                Event::End => format!("<close xmlns='{FRAMING}'/>").into_bytes(),
            });
        }
        self.scanner.release();
        Ok(())
    }
}

/// A scanner for a stream that the server writes.
pub(super) fn outgoing_scanner() -> Scanner {
    Scanner::new(UNBOUNDED)
}

/// The next event of a stream that the server writes. After a login it begins anew, without an end of the old one
/// (RFC 6120 §4.3.3).
///
/// # Errors
/// It is no stream.
pub(super) fn next_outgoing(scanner: &mut Scanner) -> Result<Option<Event>, Error> {
    let next = scanner.buffer();
    if next.starts_with(DECLARATION) {
        scanner.restart(UNBOUNDED);
    } else if DECLARATION.starts_with(next) {
        return Ok(None);
    }
    scanner.next_event()
}

fn print_open(header: &Header) -> Vec<u8> {
    let mut out = format!("<open xmlns='{FRAMING}'").into_bytes();
    for (name, value) in [
        ("from", &header.from),
        ("to", &header.to),
        ("id", &header.id),
        ("version", &header.version),
        ("xml:lang", &header.language),
    ] {
        print_optional(name, value.as_deref(), &mut out);
    }
    out.extend_from_slice(b"/>");
    out
}

/// An element that stands on its own: with the declarations that the stream header made for it.
pub(super) fn print_element(element: &Stanza) -> Vec<u8> {
    let bytes = element.bytes();
    let is_name = |byte: &u8| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'/' | b'>');
    let name_end = 1 + bytes.get(1..).unwrap_or_default().iter().take_while(|byte| is_name(byte)).count();
    let (start, rest) = bytes.split_at(name_end.min(bytes.len()));
    let declaration = if start.starts_with(b"<stream:") && element.attribute("xmlns:stream").is_none() {
        format!(" xmlns:stream='{STREAMS}'")
    } else if !start.contains(&b':') && element.attribute("xmlns").is_none() {
        format!(" xmlns='{CLIENT}'")
    } else {
        String::new()
    };
    [start, declaration.as_bytes(), rest].concat()
}

/// A scanner that is already inside a stream of a client.
pub(super) fn inside_a_stream(limits: Limits) -> Scanner {
    let mut scanner = Scanner::new(limits);
    scanner.feed(format!("<stream:stream xmlns='{CLIENT}' xmlns:stream='{STREAMS}'>").as_bytes());
    // A header of ours, which is well-formed.
    let _ = scanner.next_event();
    scanner
}

fn print_optional(name: &str, value: Option<&str>, out: &mut Vec<u8>) {
    let Some(value) = value else { return };
    out.push(b' ');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"='");
    print_attribute(value, out);
    out.push(b'\'');
}

/// Not well-formed in any place: it takes the place of what is no element.
const NO_ELEMENT: &[u8] = b"<>";
const DECLARATION: &[u8] = b"<?xml";
const FRAMING: &str = "urn:ietf:params:xml:ns:xmpp-framing";
pub(super) const STREAMS: &str = "http://etherx.jabber.org/streams";
/// For what the server wrote itself.
const UNBOUNDED: Limits = Limits {
    stanza_bytes: usize::MAX,
    depth: usize::MAX,
    attributes: usize::MAX,
    bindings: usize::MAX,
    children: usize::MAX,
};

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(frame: &'static str) -> String {
        let bytes = Inbound::new(Limits::default()).translate(Bytes::from_static(frame.as_bytes()));
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn frames_of_the_peer_become_a_stream() {
        let message = "<message xmlns='jabber:client' to='b@a.example'><body>hi</body></message>";
        for (frame, expected) in [
            (
                "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to=\"a&apos;.example\" version='1.0' xml:lang='de'/>",
                "<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
                 xmlns:stream='http://etherx.jabber.org/streams' to='a&apos;.example' version='1.0' \
                 xml:lang='de'>",
            ),
            ("<f:close xmlns:f='urn:ietf:params:xml:ns:xmpp-framing'></f:close>", "</stream:stream>"),
            (message, message),
            (" \n", ""),
            // One element, neither more nor less.
            ("<presence/><presence/>", "<>"),
            ("<presence>", "<>"),
            ("</stream:stream>", "<>"),
            // What the stream's scanner refuses with its own words.
            ("<presence", "<>"),
            ("<?xml version='1.0'?><presence/>", "<?xml version='1.0'?><presence/>"),
            ("hello", "hello"),
        ] {
            assert_eq!(heard(frame), expected, "{frame}");
        }
    }

    #[test]
    fn a_bad_frame_leaves_nothing_for_the_next() {
        let mut inbound = Inbound::new(Limits::default());
        inbound.translate(Bytes::from_static(b"<message><body>"));
        assert_eq!(inbound.translate(Bytes::from_static(b"<presence/>")), "<presence/>");
    }

    #[test]
    fn the_servers_stream_becomes_frames() {
        let stream = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
                      xmlns:stream='http://etherx.jabber.org/streams' version='1.0' xml:lang='en' from='a.example' \
                      id='1'><stream:features><x xmlns='y'/></stream:features><success xmlns='s'/>\
                      <?xml version='1.0'?><stream:stream xmlns='jabber:client' \
                      xmlns:stream='http://etherx.jabber.org/streams' from='a.example' id='2'>\
                      <message to='b'><body>é</body></message><presence/><stream:error><a xmlns='b'/></stream:error>\
                      </stream:stream>";
        let expected = [
            "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' from='a.example' id='1' version='1.0' xml:lang='en'/>",
            "<stream:features xmlns:stream='http://etherx.jabber.org/streams'><x xmlns='y'/></stream:features>",
            "<success xmlns='s'/>",
            "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' from='a.example' id='2'/>",
            "<message xmlns='jabber:client' to='b'><body>é</body></message>",
            "<presence xmlns='jabber:client'/>",
            "<stream:error xmlns:stream='http://etherx.jabber.org/streams'><a xmlns='b'/></stream:error>",
            "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>",
        ];
        for size in [1, 7, 4000] {
            let (mut outbound, mut frames) = (Outbound::new(), Vec::new());
            for piece in stream.as_bytes().chunks(size) {
                outbound.translate(piece, |frame| frames.push(String::from_utf8(frame).unwrap())).unwrap();
            }
            assert_eq!(frames, expected, "in pieces of {size}");
        }
    }
}
