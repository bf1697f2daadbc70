//! What a REGISTER asks for, read and found to make sense (RFC 3261 §10.3 step 6, RFC 5626 §6, RFC 5627 §5.1).
//! What becomes of it is decided in [`super::bindings`].

use compact_str::CompactString;

use super::{
    answer::Refusal,
    bindings::Contact,
    message::{Contacts, Message, Uri},
    translate,
};
use crate::signal::Address;

/// What a REGISTER wants.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) call_id: CompactString,
    pub(super) cseq: u32,
    pub(super) wanted: Wanted,
}

#[derive(Debug)]
pub(super) enum Wanted {
    /// Only a list of what there is.
    Fetch,
    RemoveAll,
    Set(Vec<Contact>),
}

impl Asked {
    /// Reads a REGISTER.
    ///
    /// # Errors
    /// 400 where Contact or Expires make no sense (RFC 3261 §10.3 step 6), or more than one contact is to
    /// live and one has a `reg-id`; 439 where that cannot be honoured, as `outbound` says (RFC 5626 §6).
    pub(super) fn read(message: &Message, outbound: Outbound) -> Result<Self, Refusal> {
        let expires = message.expires();
        let wanted = match message.contacts()? {
            Contacts::Wildcard if expires == Some(0) => Wanted::RemoveAll,
            Contacts::Wildcard => return Err(Refusal::because(400, "Bad Request: * needs Expires: 0")),
            Contacts::List(list) if list.is_empty() => Wanted::Fetch,
            Contacts::List(list) if list.len() > CONTACTS => return Err(Refusal::new(513)),
            Contacts::List(list) => {
                let contacts: Vec<_> =
                    list.into_iter().map(|contact| Contact::read(contact, expires)).collect();
                Wanted::Set(apply_outbound(contacts, outbound)?)
            }
        };
        Ok(Self { call_id: message.call_id()?.into(), cseq: message.cseq()?.number, wanted })
    }

    /// RFC 5627 §5.1: a phone that is known by its instance must not be registered by a name of the account
    /// itself, which would lead requests in a circle.
    ///
    /// # Errors
    /// 403.
    pub(super) fn check_contacts(&self, account: &Address) -> Result<(), Refusal> {
        let Wanted::Set(contacts) = &self.wanted else { return Ok(()) };
        let mut named = contacts.iter().filter(|contact| contact.instance.is_some());
        if named.any(|contact| !contact.uri.is_sip() || is_own_name(&contact.uri, account)) {
            return Err(Refusal::because(403, "Forbidden: contact is no place of a phone"));
        }
        Ok(())
    }

    /// Whether it is about a flow (RFC 5626 §6).
    pub(super) fn has_flow(&self) -> bool {
        matches!(&self.wanted, Wanted::Set(contacts) if contacts.iter().any(|found| found.reg_id.is_some()))
    }
}

/// Whether `reg-id` counts in a REGISTER (RFC 5626 §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outbound {
    Honoured,
    /// The first hop does not support it, and the phone does not insist.
    Ignored,
    /// The first hop does not support it, and the phone does.
    Lacking,
}

/// The address of record, or a public GRUU of it. Temporary ones are of the same domain, too.
fn is_own_name(uri: &Uri, account: &Address) -> bool {
    let own = translate::uri_of(account);
    uri.is_equivalent(&own) || (uri.has_param("gr") && uri.host() == own.host())
}

pub(super) fn apply_outbound(
    mut contacts: Vec<Contact>,
    outbound: Outbound,
) -> Result<Vec<Contact>, Refusal> {
    if contacts.iter().all(|contact| contact.reg_id.is_none()) {
        return Ok(contacts);
    }
    match outbound {
        Outbound::Honoured => {
            let living = contacts.iter().filter(|contact| contact.expires != Some(0)).count();
            if living > 1 {
                return Err(Refusal::because(400, "Bad Request: more than one contact with a reg-id"));
            }
        }
        Outbound::Ignored => contacts.iter_mut().for_each(|contact| contact.reg_id = None),
        Outbound::Lacking => return Err(Refusal::new(439)),
    }
    Ok(contacts)
}

/// Most contacts in one request.
const CONTACTS: usize = 16;
