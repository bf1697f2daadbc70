//! XEP-0153 as XEP-0398 has it: presence carries the hash of the account's one picture, whatever the client
//! itself says of a picture.

use crate::signal::{AvatarHash, AvatarMark};
use crate::xmpp::stanza::{ChildView, Stanza};

const NAMESPACE: &str = "vcard-temp:x:update";

/// Whether this child of a presence is what a client says of its picture.
pub(in crate::xmpp) fn is_claim(child: &ChildView<'_>) -> bool {
    child.is("x", NAMESPACE)
}

/// What somebody of another server says of a picture, in his presence.
pub(in crate::xmpp) fn claimed(stanza: &Stanza) -> AvatarMark {
    let claim = stanza.child("x", NAMESPACE).and_then(|claim| claim.to_element());
    let photo = claim.as_ref().and_then(|claim| claim.get_child("photo", NAMESPACE));
    match photo.map(|photo| photo.text()) {
        None => AvatarMark::Untold,
        Some(text) if text.trim().is_empty() => AvatarMark::Without,
        Some(text) => AvatarHash::parse(text.trim()).map_or(AvatarMark::Untold, AvatarMark::Has),
    }
}

/// The element that tells of the picture; empty where there is nothing to tell.
pub(in crate::xmpp) fn print(mark: AvatarMark) -> String {
    match mark {
        AvatarMark::Untold => String::new(),
        AvatarMark::Without => format!("<x xmlns='{NAMESPACE}'><photo/></x>"),
        AvatarMark::Has(hash) => format!("<x xmlns='{NAMESPACE}'><photo>{hash}</photo></x>"),
    }
}
