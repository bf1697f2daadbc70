//! What is for none of our accounts: from a service to another or to another server, from there to a service.

use std::sync::Arc;

use crate::{
    signal::Party,
    xmpp::{
        federation::{door::Shared, link::Item, pair::Pair, receive::Back},
        stanza::{Head, Jid, Kind, Stanza},
    },
};

/// Passes a stanza on as it is. Who sent it is told when it finds no way.
pub(in crate::xmpp::federation) fn pass_on(shared: &Arc<Shared>, stanza: &Stanza, from: Party, to: Party) {
    let (id, stanza_type, language) = (stanza.id(), stanza.stanza_type(), stanza.language());
    let head = Head {
        kind: stanza.kind(),
        from: Some(Jid::from(&from)),
        to: Some(Jid::from(&to)),
        id: id.as_deref(),
        stanza_type: stanza_type.as_deref(),
        language: language.as_deref(),
        ..Head::default()
    };
    let mut out = Vec::new();
    head.print(&[&stanza.payload().unwrap_or_default()], &mut out);
    let Some(pair) = Pair::of(&from.address, &to.address) else { return };
    let back = wants_answer(stanza).then(|| Back::new(shared, stanza, from, to));
    shared.links.push(&pair, Item::passing(out, back));
}

/// Whether an error may answer this (RFC 6120 §8.3.1, §8.2.3).
pub(super) fn wants_answer(stanza: &Stanza) -> bool {
    let stanza_type = stanza.stanza_type();
    let is_answer =
        matches!((stanza.kind(), stanza_type.as_deref()), (_, Some("error")) | (Kind::Iq, Some("result")));
    !is_answer && stanza.kind() != Kind::Presence
}
