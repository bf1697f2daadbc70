//! XEP-0276: Temporary Presence Sharing: directed presence may ask for presence in turn, which the account gives
//! where its owner chose so. What a client asks is passed on as it is, so that the other client may answer itself.
//!
//! The account decides; this only reads what is asked and writes what a session can do, and nothing else of it.

use minidom::Element;

use super::caps;
use crate::signal::{Native, Occasion};
use crate::xmpp::stanza::Stanza;

/// What a directed presence asks to see its receiver for, in either name of the extension.
pub(in crate::xmpp) fn parse(stanza: &Stanza) -> Option<Occasion> {
    let asks = |(name, namespace): &(&str, &str)| stanza.child(name, namespace);
    let child = NAMES.iter().find_map(asks)?;
    Some(match child.attribute("reason").as_deref() {
        Some("media") => Occasion::Media,
        Some("text") => Occasion::Text,
        Some("file") => Occasion::File,
        Some(_) | None => Occasion::Untold,
    })
}

/// The content of presence that shows no more than what a client can do (XEP-0276 §7): its capabilities. For
/// phones, `is_account`, it is what the server does for them.
pub(in crate::xmpp) fn print_bare(native: &Native, is_account: bool) -> Vec<u8> {
    let mut out = Vec::new();
    match native {
        Native::Elements { payload, .. } => {
            let mut whole = b"<presence xmlns='jabber:client'>".to_vec();
            whole.extend_from_slice(payload);
            whole.extend_from_slice(b"</presence>");
            let Ok(presence) = Element::from_reader(&whole[..]) else { return out };
            for child in presence.children().filter(|child| is_capabilities(child)) {
                // A part of what was read can be written.
                let _ = child.write_to(&mut out);
            }
        }
        Native::None if is_account => out.extend_from_slice(caps::print_account().as_bytes()),
        Native::None | Native::Mime { .. } | Native::Retracted { .. } => {}
    }
    out
}

/// XEP-0115 and XEP-0390.
fn is_capabilities(child: &Element) -> bool {
    child.name() == "c" && matches!(&*child.ns(), "http://jabber.org/protocol/caps" | "urn:xmpp:caps")
}

/// The name in the first version of the specification and the one in its last, each also in the namespace of its
/// first implementation.
const NAMES: [(&str, &str); 4] = [
    ("temppres", "urn:xmpp:temppres:0"),
    ("decloak", "urn:xmpp:decloak:0"),
    ("decloak", "http://telepathy.freedesktop.org/xmpp/protocol/decloak"),
    ("temppres", "http://telepathy.freedesktop.org/xmpp/protocol/decloak"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_what_a_client_can_do_is_shown() {
        let c = "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='n' ver='v'/>";
        let payload =
            format!("<show>dnd</show>{c}<status>researching</status><x xmlns='vcard-temp:x:update'/>");
        let native = Native::Elements { payload: payload.into_bytes().into(), lang: None };
        let printed = String::from_utf8(print_bare(&native, false)).expect("utf-8");
        assert!(printed.contains("ver='v'") || printed.contains("ver=\"v\""), "{printed}");
        for secret in ["show", "status", "researching", "vcard"] {
            assert!(!printed.contains(secret), "{printed}");
        }
        assert!(print_bare(&Native::None, false).is_empty());
        assert!(String::from_utf8(print_bare(&Native::None, true)).expect("utf-8").contains("ver='"));
        let broken = Native::Elements { payload: "<a".into(), lang: None };
        assert!(print_bare(&broken, false).is_empty());
    }
}
