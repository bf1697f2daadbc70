//! What the transport writes on a request that comes in (RFC 3261 §18.2.1, RFC 3581 §4): the message is
//! copied once with the new value in place, and its offsets move along; nothing is scanned again.

use std::{io::Write as _, net::SocketAddr, sync::Arc};

use bytes::Bytes;

use super::{
    name::HeaderName,
    span::Message,
    text::{piece_end, pieces, split_before, trim},
    via::Via,
};

impl Message {
    /// The request with its top `Via` as [`Via::stamp`] has it; `via` is that value as it came.
    #[must_use]
    pub fn stamped(mut self, via: &Via, from: SocketAddr) -> Self {
        let spans = self.head.fields.iter();
        let Some(span) = spans.clone().find(|span| span.name == HeaderName::Via).copied() else {
            return self;
        };
        let value = self.bytes.get(span.value()).unwrap_or_default();
        let piece = value.get(..piece_end(value, b',')).unwrap_or_default().trim_ascii_end();
        let Some(text) = str::from_utf8(piece).ok().filter(|_| !span.is_folded) else {
            let mut via = via.clone();
            via.stamp(from);
            return self.splice().top_via(&via).finish();
        };
        let start = span.value_start as usize;
        let end = start + piece.len();
        let mut bytes = Vec::with_capacity(self.bytes.len() + GROWTH);
        bytes.extend_from_slice(self.bytes.get(..start).unwrap_or_default());
        push_stamped(&mut bytes, text, via, from);
        let moved = bytes.len() as isize - end as isize;
        bytes.extend_from_slice(self.bytes.get(end..).unwrap_or_default());
        self.bytes = Bytes::from(bytes);
        self.move_offsets(end, moved);
        self
    }

    /// Moves every offset from `from` on.
    fn move_offsets(&mut self, from: usize, by: isize) {
        let move_one = |at: &mut u32| {
            if *at as usize >= from {
                *at = u32::try_from(*at as isize + by).unwrap_or(u32::MAX);
            }
        };
        let head = Arc::make_mut(&mut self.head);
        for span in &mut head.fields {
            move_one(&mut span.line_start);
            move_one(&mut span.value_start);
            move_one(&mut span.value_end);
            move_one(&mut span.line_end);
        }
        head.end = head.end.saturating_add_signed(by);
    }
}

fn push_stamped(stamped: &mut Vec<u8>, text: &str, via: &Via, from: SocketAddr) {
    let address = from.ip().to_canonical();
    let (sent, tail) = split_before(text, b';');
    stamped.extend_from_slice(trim(sent).as_bytes());
    let mut has_rport = false;
    for piece in tail.strip_prefix(';').into_iter().flat_map(|tail| pieces(tail, b';')) {
        let name = trim(split_before(piece, b'=').0);
        let is_rport = name.eq_ignore_ascii_case("rport");
        if name.eq_ignore_ascii_case("received") || (is_rport && has_rport) {
            continue;
        }
        stamped.push(b';');
        if is_rport {
            has_rport = true;
            // Writing to memory has no error of its own.
            let _ = write!(stamped, "rport={}", from.port());
        } else {
            stamped.extend_from_slice(piece.as_bytes());
        }
    }
    if has_rport || via.host.address() != Some(address) {
        let _ = write!(stamped, ";received={address}");
    }
}

/// What a stamp mostly adds: a number and an address.
const GROWTH: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::message::Limits;

    #[test]
    fn the_top_via_is_stamped_and_all_else_stays() {
        for (via, from, stamped) in [
            (
                "SIP/2.0/UDP h:5062;branch=z9hG4bK1;rport",
                "192.0.2.9:7",
                "SIP/2.0/UDP h:5062;branch=z9hG4bK1;rport=7;received=192.0.2.9",
            ),
            ("SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1", "192.0.2.9:7", "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1"),
            (
                "SIP/2.0/UDP h ;received=10.0.0.1; branch=z9hG4bK1, SIP/2.0/TCP i;branch=z9hG4bK2",
                "[::ffff:192.0.2.9]:7",
                "SIP/2.0/UDP h;branch=z9hG4bK1;received=192.0.2.9, SIP/2.0/TCP i;branch=z9hG4bK2",
            ),
            (
                "SIP/2.0/UDP h;rport=1;RPORT;branch=z9hG4bK1",
                "[2001:db8::1]:9",
                "SIP/2.0/UDP h;rport=9;branch=z9hG4bK1;received=2001:db8::1",
            ),
            (
                "SIP/2.0/UDP h;\r\n branch=z9hG4bK1",
                "192.0.2.9:7",
                "SIP/2.0/UDP h;branch=z9hG4bK1;received=192.0.2.9",
            ),
        ] {
            let text = format!(
                "MESSAGE sip:b@h SIP/2.0\r\nMax-Forwards: 70\r\nv: {via}\r\nCSeq: 1 MESSAGE\r\n\
                 Content-Length: 4\r\n\r\nbody"
            );
            let message = Message::parse_datagram(text.into(), &Limits::default()).unwrap();
            let top = message.top_via().unwrap();
            let found = message.stamped(&top, from.parse().unwrap());
            let again = Message::parse_datagram(found.bytes().clone(), &Limits::default()).unwrap();
            assert_eq!(found.text(HeaderName::Via).as_deref(), Some(stamped));
            for message in [&found, &again] {
                assert_eq!(message.text(HeaderName::MaxForwards).as_deref(), Some("70"));
                assert_eq!(message.text(HeaderName::CSeq).as_deref(), Some("1 MESSAGE"));
                assert_eq!(&message.body()[..], b"body");
                assert_eq!(message.top_via().unwrap().branch(), Some("z9hG4bK1"));
            }
        }
    }
}
