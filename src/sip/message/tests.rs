//! Tests of whole messages: odd but real input, and what comes out of builder and splice.

mod differential;
mod fuzz;
mod quirks;
mod rewriting;
mod streams;
mod torture;

use super::*;

/// Reads a datagram written with LF line breaks.
fn parse(text: &str) -> Result<Message, ParseError> {
    Message::parse_datagram(text.replace('\n', "\r\n").into_bytes().into(), &Limits::default())
}

/// A sound request with some more header lines, each ended by LF.
fn request_with(lines: &str) -> Message {
    let text = format!(
        "OPTIONS sip:bob@example.org SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\n\
         From: <sip:alice@example.org>;tag=a\nTo: <sip:bob@example.org>\nCall-ID: c1\nCSeq: 1 OPTIONS\n{lines}\n"
    );
    parse(&text).expect(lines)
}
