//! What the package `reg` shows (RFC 3680): the contacts that the registrar keeps for an account.

use std::sync::Arc;

use compact_str::{CompactString, format_compact};

use super::documents::tag_of;
use crate::{
    formats::reginfo::{Contact, ContactEvent, Registration},
    signal::{Address, Timestamp},
    sip::{
        bindings::{Binding, Last, print_quality},
        clock::Clock,
        device::Device,
        door::Door,
        gruu, translate,
    },
};

/// The contacts of an account. What happened to each is told by comparing with what was shown before.
pub(in crate::sip) fn registration_of(door: &Door, account: &Address) -> Registration {
    let now = Clock::now();
    let contacts = door.locations.with_bindings(account, |bindings| {
        bindings.iter().map(|binding| contact_of(door, account, binding, now)).collect()
    });
    Registration { aor: translate::print_uri(account), contacts }
}

fn contact_of(door: &Door, account: &Address, binding: &Binding<Arc<Device>>, now: Clock) -> Contact {
    let contact = &binding.contact;
    // Whole seconds, so that the same binding is the same whenever it is looked at.
    let until = now.time_at(binding.expires).0 / 1000 * 1000;
    let mut params = Vec::new();
    if let Some(instance) = &contact.instance {
        params.push(("+sip.instance".into(), format_compact!("<{instance}>")));
    }
    if let Some(reg_id) = contact.reg_id {
        params.push(("reg-id".into(), format_compact!("{reg_id}")));
    }
    let instance = contact.instance.as_deref();
    let temporary = binding.device.temporary().filter(|_| instance.is_some());
    Contact {
        id: id_of(binding),
        uri: contact.uri.as_str().into(),
        display_name: None,
        event: match binding.last {
            Last::Registered => ContactEvent::Registered,
            Last::Refreshed => ContactEvent::Refreshed,
            Last::Shortened => ContactEvent::Shortened,
        },
        until: Timestamp(until),
        q: contact.q.map(|q| CompactString::from(print_quality(q))),
        call_id: binding.call_id.clone(),
        cseq: binding.cseq,
        params,
        public_gruu: instance
            .map(|instance| gruu::public(account, Some(instance), binding.device.resource())),
        // Nobody but the owner is shown registrations, and she may have it (RFC 5628 §5).
        temporary_gruu: temporary.map(|temporary| {
            let uri = door.seal.print(temporary, &account.domain_in_ascii());
            (uri.as_str().into(), temporary.first)
        }),
    }
}

/// The same for the same flow of the same phone, else for the same URI.
fn id_of(binding: &Binding<Arc<Device>>) -> CompactString {
    let contact = &binding.contact;
    match (&contact.instance, contact.reg_id) {
        (Some(instance), reg_id) => {
            let reg_id = reg_id.map_or(0, std::num::NonZero::get);
            tag_of(format!("{instance} {reg_id}").as_bytes())
        }
        (None, _) => tag_of(contact.uri.as_str().as_bytes()),
    }
}
