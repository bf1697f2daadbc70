//! A request that is ready but for its `Via`, in pieces of bytes that requests share: of the NOTIFYs of a
//! dialog only two lines differ, and of the NOTIFYs of one change the body is the same for all watchers.
//! The pieces meet in the one buffer that goes to the socket.

use bytes::Bytes;

use super::key::Branch;
use crate::sip::{
    message::{Host, Method, put_number},
    transport::Flow,
};

/// A request without `Via`. Cloning shares the bytes.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub(super) method: Method,
    /// The request line with its line break.
    line: Bytes,
    /// Header lines that many requests have.
    head: Bytes,
    /// Header lines of this one, and the empty line where they are the last.
    own: Vec<u8>,
    /// Whatever is left of the head, and the body.
    rest: Bytes,
}

impl Prepared {
    /// Of a request line and what follows the `Via`. `method` is the one of the line, and never INVITE: its
    /// machine reads what it sent.
    #[must_use]
    pub fn new(method: Method, line: Bytes, head: Bytes, own: Vec<u8>, rest: Bytes) -> Self {
        debug_assert!(method != Method::Invite && line.ends_with(b" SIP/2.0\r\n"));
        Self { method, line, head, own, rest }
    }

    /// Bytes without the `Via`.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pieces().iter().map(|piece| piece.len()).sum()
    }

    /// Never: there is a request line.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The request as it goes along a flow.
    pub(super) fn bytes(&self, flow: Flow, host: &Host, branch: Branch) -> Bytes {
        let mut buffer = Vec::with_capacity(self.len() + VIA + Branch::LENGTH);
        buffer.extend_from_slice(&self.line);
        put_via(&mut buffer, flow, host, branch);
        for piece in self.pieces().into_iter().skip(1) {
            buffer.extend_from_slice(piece);
        }
        buffer.into()
    }

    fn pieces(&self) -> [&[u8]; 4] {
        [&self.line, &self.head, &self.own, &self.rest]
    }

    /// The request without a `Via`, for tests of those who make one.
    #[cfg(test)]
    pub(in crate::sip) fn text(&self) -> String {
        String::from_utf8(self.pieces().concat()).unwrap()
    }
}

/// The `Via` of this server; `rport` over UDP (RFC 3581 §3).
fn put_via(buffer: &mut Vec<u8>, flow: Flow, host: &Host, branch: Branch) {
    buffer.extend_from_slice(b"Via: SIP/2.0/");
    buffer.extend_from_slice(flow.protocol.as_str().as_bytes());
    buffer.push(b' ');
    host.put(buffer);
    if flow.local.port() != 0 {
        buffer.push(b':');
        put_number(buffer, flow.local.port().into());
    }
    buffer.extend_from_slice(b";branch=");
    branch.put(buffer);
    buffer.extend_from_slice(if flow.is_reliable() { b"\r\n" } else { b";rport\r\n" });
}

/// Room for a `Via` without its branch; the name of the host is mostly short.
const VIA: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::{
        message::{Limits, Message},
        transport::Protocol,
    };

    #[test]
    fn pieces_become_one_request_with_its_via_on_top() {
        let line = Bytes::from_static(b"NOTIFY sip:a@192.0.2.1 SIP/2.0\r\n");
        let head = Bytes::from_static(b"Max-Forwards: 70\r\nCall-ID: 1\r\n");
        let own = b"CSeq: 1 NOTIFY\r\nContent-Length: 2\r\n\r\n".to_vec();
        let prepared = Prepared::new(Method::Notify, line, head, own, Bytes::from_static(b"hi"));
        let branch = Branch { seal: 0xa, number: 0xb };
        let host = Host::parse("example.org").unwrap();
        for (protocol, via) in [
            (Protocol::Udp, "SIP/2.0/UDP example.org:5060;branch=z9hG4bK000000000000000ab;rport"),
            (Protocol::Tcp, "SIP/2.0/TCP example.org:5060;branch=z9hG4bK000000000000000ab"),
        ] {
            let flow = Flow::for_test(protocol, ([192, 0, 2, 1], 5060).into(), 1);
            let message = Message::parse_datagram(prepared.bytes(flow, &host, branch), &Limits::default());
            let message = message.unwrap();
            assert_eq!(message.top_via().unwrap().to_string(), via);
            assert_eq!(message.fields().next().unwrap().written_name(), "Via");
            assert_eq!((message.call_id().unwrap().to_string(), message.body()), ("1".into(), "hi".into()));
        }
    }
}
