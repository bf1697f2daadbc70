//! `<iq/>` between sessions (RFC 6120 §8.2.3, RFC 6121 §8.5.3).

use super::{elements, native};
use crate::signal::{Party, Query, QueryKind};
use crate::xmpp::stanza::{Head, Jid, Kind, Stanza};

/// The question or answer in an `<iq/>` of a valid type. `None` for any other.
pub(in crate::xmpp) fn parse_query(stanza: &Stanza, from: Party, to: Party) -> Option<Query> {
    let kind = match stanza.stanza_type().as_deref() {
        Some("get") => QueryKind::Ask,
        Some("set") => QueryKind::Change,
        Some("result") => QueryKind::Result,
        Some("error") => QueryKind::Error,
        _ => return None,
    };
    let id = stanza.id()?.into();
    Some(Query { from, to, id, kind, native: native(stanza, None) })
}

/// Appends the `<iq/>`.
pub(in crate::xmpp) fn print_query(query: &Query, out: &mut Vec<u8>) {
    let stanza_type = match query.kind {
        QueryKind::Ask => "get",
        QueryKind::Change => "set",
        QueryKind::Result => "result",
        QueryKind::Error => "error",
    };
    let content = elements(&query.native);
    let head = Head {
        kind: Kind::Iq,
        from: Some(Jid::from(&query.from)),
        to: Some(Jid::from(&query.to)),
        id: Some(&query.id),
        stanza_type: Some(stanza_type),
        language: content.and_then(|(_, lang)| lang),
        ..Head::default()
    };
    let payload = content.map(|(payload, _)| &payload[..]).unwrap_or_default();
    head.print(&[payload], out);
}
