//! What the server says when a stream opens: its header and its features (RFC 6120 §4.3.2, §4.7).

use super::{Settings, sasl2};
use crate::xmpp::{
    sasl::Offer,
    stanza::{Header, print_named},
};

/// Whether a plain connection can or must become a secure one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartTls {
    /// Before anything else (RFC 6120 §5.3.1).
    Required,
    /// Already done, or a listener for loopback addresses without TLS.
    Unavailable,
}

/// Appends the XML declaration and the header of the answering stream.
pub(super) fn print_header(domain: &str, peer: &Header, stream_id: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(
        b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
          xmlns:stream='http://etherx.jabber.org/streams' version='1.0' xml:lang='en'",
    );
    print_named("from", domain, out);
    print_named("id", stream_id, out);
    if let Some(from) = &peer.from {
        print_named("to", from, out);
    }
    out.push(b'>');
}

/// Appends the features of a stream whose peer is not authenticated yet; `more` is among them.
pub(super) fn print_before_login(
    start_tls: StartTls,
    offer: &Offer,
    settings: &Settings,
    more: &[u8],
    out: &mut Vec<u8>,
) {
    if start_tls == StartTls::Required {
        out.extend_from_slice(
            b"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>\
              </stream:features>",
        );
        return;
    }
    out.extend_from_slice(b"<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>");
    for name in offer.mechanisms() {
        out.extend_from_slice(format!("<mechanism>{name}</mechanism>").as_bytes());
    }
    out.extend_from_slice(b"</mechanisms>");
    sasl2::print_feature(offer, out);
    if !offer.bindings.is_empty() {
        out.extend_from_slice(b"<sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'>");
        for name in offer.bindings.names() {
            out.extend_from_slice(format!("<channel-binding type='{name}'/>").as_bytes());
        }
        out.extend_from_slice(b"</sasl-channel-binding>");
    }
    out.extend_from_slice(more);
    settings.limits.print_before_login(out);
    out.extend_from_slice(b"</stream:features>");
}

/// Appends the features of an authenticated stream that has no resource yet.
pub(super) fn print_after_login(settings: &Settings, out: &mut Vec<u8>) {
    out.extend_from_slice(
        b"<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>\
          <session xmlns='urn:ietf:params:xml:ns:xmpp-session'><optional/></session>\
          <sm xmlns='urn:xmpp:sm:3'/>",
    );
    print_session(settings, out);
}

/// Appends the features of a stream that got its resource within the login, and perhaps stream management too.
pub(super) fn print_bound(settings: &Settings, has_management: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(b"<stream:features>");
    if !has_management {
        out.extend_from_slice(b"<sm xmlns='urn:xmpp:sm:3'/>");
    }
    print_session(settings, out);
}

/// What every session has.
fn print_session(settings: &Settings, out: &mut Vec<u8>) {
    out.extend_from_slice(
        b"<csi xmlns='urn:xmpp:csi:0'/><ver xmlns='urn:xmpp:features:rosterver'/>\
          <sub xmlns='urn:xmpp:features:pre-approval'/>",
    );
    settings.limits.print_after_login(out);
    out.extend_from_slice(settings.features.as_bytes());
    out.extend_from_slice(b"</stream:features>");
}
