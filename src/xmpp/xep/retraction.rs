//! XEP-0424: Message Retraction. What it names leaves the archives of both sides; a tombstone stays (§5).

use compact_str::CompactString;

use super::Module;
use crate::{
    signal::Timestamp,
    xmpp::stanza::{ChildView, print_attribute},
};

pub(in crate::xmpp) const NAMESPACE: &str = "urn:xmpp:message-retract:1";

pub(super) const MODULE: Module =
    Module { account_features: &[NAMESPACE, "urn:xmpp:message-retract:1#tombstone"], ..Module::NONE };

/// The id of the message that a child takes back.
pub(in crate::xmpp) fn parse(child: &ChildView<'_>) -> Option<CompactString> {
    child.attribute("id").filter(|_| child.name() == "retract").map(CompactString::from)
}

/// What takes a message back.
pub(in crate::xmpp) fn print(of: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"<retract id='");
    print_attribute(of, out);
    out.extend_from_slice(format!("' xmlns='{NAMESPACE}'/>").as_bytes());
}

/// What is left of a message that was taken back by the one of this id.
pub(in crate::xmpp) fn print_tombstone(by: &str, at: Timestamp, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("<retracted stamp='{at}' xmlns='{NAMESPACE}' id='").as_bytes());
    print_attribute(by, out);
    out.extend_from_slice(b"'/>");
}
