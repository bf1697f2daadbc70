//! Requests that a client transaction makes from its own: ACK and CANCEL.

use bytes::Bytes;

use crate::sip::message::{Builder, CSeq, HeaderName, Message, Method, StartLine, Uri};

/// The ACK for a final response other than 2xx (RFC 3261 §17.1.1.3): same request URI, top `Via`, `From`,
/// `Call-ID`, sequence number and `Route` as the INVITE, `To` of the response.
pub(super) fn ack_for(invite: &Message, response: &Message) -> Bytes {
    let builder = same_hop(invite, &Method::Ack).copy(response, HeaderName::To);
    builder.finish().bytes().clone()
}

/// The CANCEL for an INVITE (RFC 3261 §9.1): as the ACK, but `To` of the INVITE.
pub(super) fn cancel_for(invite: &Message, reason: Option<&'static str>) -> Message {
    let builder = same_hop(invite, &Method::Cancel).copy(invite, HeaderName::To);
    match reason {
        Some(reason) => builder.header(HeaderName::Reason, reason).finish(),
        None => builder.finish(),
    }
}

fn same_hop(invite: &Message, method: &Method) -> Builder {
    // The INVITE is one this layer sent, so these parts were there.
    let uri = match invite.start() {
        StartLine::Request { uri, .. } => Uri::parse(uri).ok(),
        StartLine::Response { .. } => None,
    };
    let uri =
        uri.unwrap_or_else(|| Uri::sip(None, &crate::sip::message::Host::V4([0, 0, 0, 0].into()), None));
    let number = invite.cseq().map(|cseq| cseq.number).unwrap_or_default();
    let mut builder = Builder::request(method, &uri);
    if let Ok(via) = invite.top_via() {
        builder = builder.header(HeaderName::Via, via);
    }
    builder
        .header(HeaderName::MaxForwards, 70)
        .copy(invite, HeaderName::Route)
        .copy(invite, HeaderName::From)
        .copy(invite, HeaderName::CallId)
        .header(HeaderName::CSeq, CSeq { number, method: method.clone() })
}
