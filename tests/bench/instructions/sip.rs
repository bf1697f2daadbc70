//! SIP messages read, answered and sent on, and a presence document.

use bytes::{Bytes, BytesMut};
use rollcall::{
    formats::{pidf, xml},
    sip::message::{Builder, Frame, Framer, HeaderName, Limits, Message},
};

use crate::repeat;

/// A MESSAGE from a datagram, with the headers that every request needs.
pub(crate) fn parse() {
    let bytes = Bytes::from(request());
    repeat(|| {
        let message = Message::parse_datagram(bytes.clone(), &Limits::default()).unwrap();
        assert!(message.check_request().is_ok());
        message
    });
}

/// What a proxy does to a request.
pub(crate) fn forward() {
    let message = Message::parse_datagram(Bytes::from(request()), &Limits::default()).unwrap();
    let via = message.top_via().unwrap();
    repeat(|| {
        message
            .splice()
            .push_via(&via)
            .max_forwards(69)
            .push_record_route("<sip:192.0.2.1;lr>")
            .remove(HeaderName::ProxyAuthorization)
            .finish()
    });
}

/// A response to it.
pub(crate) fn answer() {
    let message = Message::parse_datagram(Bytes::from(request()), &Limits::default()).unwrap();
    repeat(|| Builder::response_to(&message, 200, "tag").finish());
}

/// The same message out of a stream.
pub(crate) fn frame() {
    let bytes = request();
    let mut framer = Framer::default();
    let mut buffer = BytesMut::with_capacity(1 << 20);
    repeat(|| {
        buffer.extend_from_slice(bytes.as_bytes());
        let frame = framer.next(&mut buffer, &Limits::default()).unwrap();
        assert!(matches!(frame, Some(Frame::Message(_))));
    });
}

/// What a phone publishes.
pub(crate) fn pidf() {
    repeat(|| pidf::Document::parse(DOCUMENT, &xml::Limits::default()).unwrap());
}

fn request() -> String {
    let body = "x".repeat(200);
    format!(
        "MESSAGE sip:bob@example.org SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.7:40113;rport;branch=z9hG4bKPj93f1c2b7e0\r\n\
         Max-Forwards: 70\r\nFrom: \"Alice\" <sip:alice@example.org>;tag=a6c85cf\r\nTo: <sip:bob@example.org>\r\n\
         Call-ID: 3848276298220188511@192.0.2.7\r\nCSeq: 37 MESSAGE\r\nUser-Agent: Example 5.2\r\n\
         Proxy-Authorization: Digest username=\"alice\", realm=\"example.org\", \
         nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", uri=\"sip:bob@example.org\", qop=auth, nc=00000001, \
         cnonce=\"0a4f113b\", response=\"6629fae49393a05397450978507c4ef1\", algorithm=MD5\r\n\
         Content-Type: text/plain\r\nContent-Length: 200\r\n\r\n{body}"
    )
}

const DOCUMENT: &[u8] = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n\
    <presence xmlns=\"urn:ietf:params:xml:ns:pidf\" xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" \
    xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\" entity=\"sip:alice@example.org\"><tuple id=\"t1\">\
    <status><basic>open</basic></status><contact>sip:alice@192.0.2.7</contact><note>in a meeting</note></tuple>\
    <dm:person id=\"p1\"><rpid:activities><rpid:meeting/></rpid:activities></dm:person></presence>\r\n";
