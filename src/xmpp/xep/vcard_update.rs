//! XEP-0153 as XEP-0398 has it: presence carries the hash of the account's one picture, whatever the client
//! itself says of a picture.

use crate::signal::AvatarMark;
use crate::xmpp::stanza::ChildView;

const NAMESPACE: &str = "vcard-temp:x:update";

/// Whether this child of a presence is what a client says of its picture.
pub(in crate::xmpp) fn is_claim(child: &ChildView<'_>) -> bool {
    child.is("x", NAMESPACE)
}

/// The element that tells of the picture; empty where there is nothing to tell.
pub(in crate::xmpp) fn print(mark: AvatarMark) -> String {
    match mark {
        AvatarMark::Untold => String::new(),
        AvatarMark::Without => format!("<x xmlns='{NAMESPACE}'><photo/></x>"),
        AvatarMark::Has(hash) => format!("<x xmlns='{NAMESPACE}'><photo>{hash}</photo></x>"),
    }
}
