//! A request that is ready but for its `Via`, in pieces of bytes that requests share: of the NOTIFYs of a
//! dialog only two lines differ, and of the NOTIFYs of one change the body is the same for all watchers.
//! The pieces meet in the one buffer that goes to the socket.

use std::fmt::Write as _;

use bytes::{BufMut, Bytes, BytesMut};

use crate::sip::{
    message::{Host, Method},
    transport::Flow,
};

/// A request without `Via`. Cloning shares the bytes.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub(super) method: Method,
    /// The request line with its line break.
    line: Bytes,
    /// Header lines, the empty line and the body, wherever the cuts between them are.
    pieces: [Bytes; 3],
}

impl Prepared {
    /// Of a request line and what follows the `Via`. `method` is the one of the line, and never INVITE: its
    /// machine reads what it sent.
    #[must_use]
    pub fn new(method: Method, line: Bytes, pieces: [Bytes; 3]) -> Self {
        debug_assert!(method != Method::Invite && line.ends_with(b" SIP/2.0\r\n"));
        Self { method, line, pieces }
    }

    /// Bytes without the `Via`.
    #[must_use]
    pub fn len(&self) -> usize {
        self.line.len() + self.pieces.iter().map(Bytes::len).sum::<usize>()
    }

    /// Never: there is a request line.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The request as it goes along a flow.
    pub(super) fn bytes(&self, flow: Flow, host: &Host, branch: &str) -> Bytes {
        let mut buffer = BytesMut::with_capacity(self.len() + VIA + branch.len());
        buffer.put_slice(&self.line);
        put_via(&mut buffer, flow, host, branch);
        for piece in &self.pieces {
            buffer.put_slice(piece);
        }
        buffer.freeze()
    }

    /// The request without a `Via`, for tests of those who make one.
    #[cfg(test)]
    pub(in crate::sip) fn text(&self) -> String {
        let all = [&self.line, &self.pieces[0], &self.pieces[1], &self.pieces[2]];
        String::from_utf8(all.map(|piece| piece.to_vec()).concat()).unwrap()
    }
}

/// The `Via` of this server; `rport` over UDP (RFC 3581 §3).
fn put_via(buffer: &mut BytesMut, flow: Flow, host: &Host, branch: &str) {
    buffer.put_slice(b"Via: SIP/2.0/");
    buffer.put_slice(flow.protocol.as_str().as_bytes());
    // Writing to memory has no error of its own.
    let _ = match flow.local.port() {
        0 => write!(buffer, " {host};branch="),
        port => write!(buffer, " {host}:{port};branch="),
    };
    buffer.put_slice(branch.as_bytes());
    buffer.put_slice(if flow.is_reliable() { b"\r\n" } else { b";rport\r\n" });
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
        let pieces = [
            &b"Max-Forwards: 70\r\nCall-ID: 1\r\n"[..],
            b"CSeq: 1 NOTIFY\r\nContent-Length: 2\r\n\r\n",
            b"hi",
        ];
        let prepared = Prepared::new(Method::Notify, line, pieces.map(Bytes::from_static));
        let host = Host::parse("example.org").unwrap();
        for (protocol, via) in [
            (Protocol::Udp, "SIP/2.0/UDP example.org:5060;branch=z9hG4bKx;rport"),
            (Protocol::Tcp, "SIP/2.0/TCP example.org:5060;branch=z9hG4bKx"),
        ] {
            let flow = Flow::for_test(protocol, ([192, 0, 2, 1], 5060).into(), 1);
            let message =
                Message::parse_datagram(prepared.bytes(flow, &host, "z9hG4bKx"), &Limits::default());
            let message = message.unwrap();
            assert_eq!(message.top_via().unwrap().to_string(), via);
            assert_eq!(message.fields().next().unwrap().written_name(), "Via");
            assert_eq!((message.call_id().unwrap().to_string(), message.body()), ("1".into(), "hi".into()));
        }
    }
}
