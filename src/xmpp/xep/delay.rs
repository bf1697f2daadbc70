//! XEP-0203: Delayed Delivery.

use super::Module;
use crate::signal::Timestamp;

pub(super) const MODULE: Module = Module { server_features: &["urn:xmpp:delay"], ..Module::NONE };

/// The element that tells when something was taken, as `domain` claims.
pub(in crate::xmpp) fn print(domain: &str, at: Timestamp) -> String {
    let mut from = Vec::new();
    crate::xmpp::stanza::print_attribute(domain, &mut from);
    format!("<delay xmlns='urn:xmpp:delay' from='{}' stamp='{at}'/>", String::from_utf8_lossy(&from))
}
