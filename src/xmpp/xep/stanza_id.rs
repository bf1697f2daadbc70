//! XEP-0359: Unique and Stable Stanza IDs. What is in the owner's archive is delivered with its id there;
//! what others claim in her name is taken out.

use super::Module;
use crate::signal::{Address, MessageId};
use crate::xmpp::stanza::{ChildView, print_attribute};

pub(super) const NAMESPACE: &str = "urn:xmpp:sid:0";

pub(super) const MODULE: Module = Module { account_features: &[NAMESPACE], ..Module::NONE };

/// Whether this child names an id in the name of one of `accounts`.
pub(in crate::xmpp) fn is_claim(child: &ChildView<'_>, accounts: &[&Address]) -> bool {
    if !child.is("stanza-id", NAMESPACE) {
        return false;
    }
    let by = child.attribute("by").and_then(|by| Address::parse(&by).ok());
    by.is_some_and(|by| accounts.contains(&&by))
}

/// The element that names a message's id in the archive of `owner`.
pub(in crate::xmpp) fn print(id: MessageId, owner: &Address) -> Vec<u8> {
    let mut out = format!("<stanza-id xmlns='{NAMESPACE}' id='{id}' by='").into_bytes();
    print_attribute(owner.as_str(), &mut out);
    out.extend_from_slice(b"'/>");
    out
}
