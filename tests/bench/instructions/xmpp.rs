//! The stream of a client, cut into stanzas, and a stanza passed on.

use std::hint::black_box;

use rollcall::xmpp::stanza::{Event, Head, Kind, Limits, Scanner, Stanza};

use crate::{ROUNDS, counted, repeat};

/// One chat message out of the stream.
pub(crate) fn scan() {
    let stanza = message();
    let mut scanner = open_stream();
    let mut next = || {
        scanner.feed(stanza.as_bytes());
        assert!(matches!(scanner.next_event(), Ok(Some(Event::Stanza(_)))));
    };
    next();
    counted(&mut || (0..ROUNDS).for_each(|_| next()));
}

/// Its content under a new head.
pub(crate) fn splice() {
    let mut scanner = open_stream();
    scanner.feed(message().as_bytes());
    let Ok(Some(Event::Stanza(stanza))) = scanner.next_event() else { panic!("a stanza") };
    let mut out = Vec::with_capacity(4096);
    repeat(|| {
        out.clear();
        print(&stanza, &mut out);
        black_box(&out);
    });
}

fn print(stanza: &Stanza, out: &mut Vec<u8>) {
    let payload = stanza.payload().unwrap();
    let (id, stanza_type) = (stanza.id(), stanza.stanza_type());
    let head = Head {
        kind: Kind::Message,
        from: Some("alice@example.org/phone".into()),
        to: Some("bob@example.org/desk".into()),
        id: id.as_deref(),
        stanza_type: stanza_type.as_deref(),
        ..Head::default()
    };
    head.print(&[&payload], out);
}

fn open_stream() -> Scanner {
    let mut scanner = Scanner::new(Limits::default());
    scanner.feed(
        b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' to='example.org' version='1.0' \
          xmlns:stream='http://etherx.jabber.org/streams'>",
    );
    assert!(matches!(scanner.next_event(), Ok(Some(Event::Header(_)))));
    scanner
}

/// As chat clients write it: with a request for a receipt, a chat state and an origin id.
fn message() -> String {
    let body = "x".repeat(120);
    format!(
        "<message to='bob@example.org' type='chat' id='4b9f4d9e-7b0c'><body>{body}</body>\
         <request xmlns='urn:xmpp:receipts'/><active xmlns='http://jabber.org/protocol/chatstates'/>\
         <origin-id xmlns='urn:xmpp:sid:0' id='4b9f4d9e-7b0c'/></message>"
    )
}
