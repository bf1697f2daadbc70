//! XEP-0172: User Nickname, of people of other domains: the name that they put into a question to see somebody, or
//! publish. Our own people's clients publish and read it as a node like any other.

use minidom::Element;

use crate::signal::FacePart;
use crate::xmpp::stanza::Stanza;

/// The node, and the namespace of what is in it.
pub(in crate::xmpp) const NODE: &str = "http://jabber.org/protocol/nick";

/// The name in a stanza.
pub(in crate::xmpp) fn told(stanza: &Stanza) -> Option<FacePart> {
    Some(FacePart::nickname(&stanza.child("nick", NODE)?.text()))
}

/// The name in an item of the node.
pub(in crate::xmpp) fn parse_item(payload: Option<&Element>) -> FacePart {
    let name = payload.filter(|payload| payload.is("nick", NODE)).map(Element::text);
    FacePart::nickname(&name.unwrap_or_default())
}
