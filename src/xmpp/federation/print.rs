//! What servers say to each other: headers, dialback, and the stanza of each signal. Stanzas stand in
//! `jabber:server` there, which their content does not notice.

use super::pair::Pair;
use crate::{
    signal::{Address, Probe, Signal},
    xmpp::{
        stanza::{Head, Jid, Kind, print_named, print_text},
        translate::{print_contact_signal, print_notice, print_query, print_sent},
        xep::pubsub_event,
    },
};

/// The header of a stream from one domain to the other; with an id where we answer.
pub(super) fn header(from: &str, to: Option<&str>, id: Option<&str>, out: &mut Vec<u8>) {
    out.extend_from_slice(
        b"<?xml version='1.0'?><stream:stream xmlns='jabber:server' \
          xmlns:stream='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback' version='1.0' \
          xml:lang='en'",
    );
    print_named("from", from, out);
    if let Some(to) = to {
        print_named("to", to, out);
    }
    if let Some(id) = id {
        print_named("id", id, out);
    }
    out.push(b'>');
}

/// Our key (XEP-0220 §2.1.1).
pub(super) fn result(from: &Address, to: &Address, key: &str) -> Vec<u8> {
    format!("<db:result from='{from}' to='{to}'>{key}</db:result>").into_bytes()
}

/// What became of somebody's key (XEP-0220 §2.1.2): `valid` or `invalid`.
pub(super) fn result_answer(pair: &Pair, outcome: &str) -> Vec<u8> {
    format!("<db:result from='{}' to='{}' type='{outcome}'/>", pair.local, pair.remote).into_bytes()
}

/// Why nothing can become of it (XEP-0220 §2.4).
pub(super) fn result_error(pair: &Pair, condition: &str) -> Vec<u8> {
    let Pair { local, remote } = pair;
    format!(
        "<db:result from='{local}' to='{remote}' type='error'><error type='cancel'>\
         <{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:result>"
    )
    .into_bytes()
}

/// The question whether a key is right (XEP-0220 §2.3.1).
pub(super) fn verify(from: &Address, to: &Address, stream_id: &str, key: &str) -> Vec<u8> {
    let mut out = format!("<db:verify from='{from}' to='{to}'").into_bytes();
    print_named("id", stream_id, &mut out);
    out.push(b'>');
    print_text(key, &mut out);
    out.extend_from_slice(b"</db:verify>");
    out
}

/// The answer to that.
pub(super) fn verify_answer(pair: &Pair, stream_id: &str, is_valid: bool) -> Vec<u8> {
    let outcome = if is_valid { "valid" } else { "invalid" };
    let mut out =
        format!("<db:verify from='{}' to='{}' type='{outcome}'", pair.local, pair.remote).into_bytes();
    print_named("id", stream_id, &mut out);
    out.extend_from_slice(b"/>");
    out
}

/// Appends the stanza of a signal, and names who it is from; `None` where XMPP has no stanza for it.
pub(super) fn signal(signal: &Signal, out: &mut Vec<u8>) -> Option<Address> {
    let from = match signal {
        Signal::Message(message) => {
            print_sent(message, out);
            &message.from.address
        }
        Signal::Passed(passed) => {
            print_sent(&passed.message, out);
            &passed.message.from.address
        }
        Signal::Query(query) => {
            print_query(query, out);
            &query.from.address
        }
        Signal::Contact(contact) => {
            print_contact_signal(contact, out);
            &contact.from
        }
        Signal::Presence { to, notice } => {
            print_notice(notice, to, out);
            &notice.from.address
        }
        Signal::Probe(probe) => {
            print_probe(probe, out);
            &probe.from.address
        }
        Signal::Personal { to, news } => {
            pubsub_event::print(news, to, out);
            &news.from
        }
        Signal::Enquiry(_) | Signal::Face(_) | Signal::ContactFailure(_) | Signal::Call(_) => return None,
    };
    Some(from.clone())
}

/// Appends a probe: servers ask for the account, whichever session wants to know (RFC 6121 §4.3.1).
fn print_probe(probe: &Probe, out: &mut Vec<u8>) {
    let head = Head {
        kind: Kind::Presence,
        from: Some(Jid::from(&probe.from.address)),
        to: Some(Jid::from(&probe.to)),
        id: probe.origin_id.as_deref(),
        stanza_type: Some("probe"),
        ..Head::default()
    };
    head.print(&[], out);
}

pub(super) const STREAMS: &str = "http://etherx.jabber.org/streams";
pub(super) const TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";
pub(super) const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
pub(super) const DIALBACK: &str = "jabber:server:dialback";
pub(super) const BIDI: &str = "urn:xmpp:bidi";
pub(super) const BIDI_FEATURE: &str = "urn:xmpp:features:bidi";
