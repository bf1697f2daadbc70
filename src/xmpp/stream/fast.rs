//! XEP-0484: Fast Authentication Streamlining Tokens, its elements. The tokens are the authenticator's.

use minidom::Element;

use crate::auth::{FastBinding, FastToken};
use crate::formats::xml::parse_boolean;
use crate::xmpp::sasl::Offer;
use crate::xmpp::stanza::print_attribute;

/// A login by a token.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Use {
    /// How often the client used the token.
    pub(super) count: Option<u32>,
    /// The client wants no other login by it.
    pub(super) ends: bool,
}

impl Use {
    /// Reads `<fast/>` in `<authenticate/>`.
    pub(super) fn parse(authenticate: &Element) -> Option<Self> {
        let element = authenticate.get_child("fast", NAMESPACE)?;
        let count = element.attr("count").and_then(|count| count.parse().ok());
        let ends = element.attr("invalidate").and_then(parse_boolean) == Some(true);
        Some(Self { count, ends })
    }
}

/// The kind of token that `<authenticate/>` asks for, where it is on offer.
pub(super) fn parse_request(authenticate: &Element, offer: &Offer) -> Option<FastBinding> {
    offer.find_token(authenticate.get_child("request-token", NAMESPACE)?.attr("mechanism")?)
}

/// Appends the mechanisms for tokens, where there are any. Nothing is taken of what comes with the first bytes of
/// a TLS handshake (0-RTT), so that is not offered.
pub(super) fn print_feature(offer: &Offer, out: &mut Vec<u8>) {
    if !offer.allows_tokens {
        return;
    }
    out.extend_from_slice(format!("<fast xmlns='{NAMESPACE}'>").as_bytes());
    for name in offer.token_mechanisms() {
        out.extend_from_slice(format!("<mechanism>{name}</mechanism>").as_bytes());
    }
    out.extend_from_slice(b"</fast>");
}

/// Appends a token for the client.
pub(super) fn print_token(token: &FastToken, out: &mut Vec<u8>) {
    out.extend_from_slice(
        format!("<token xmlns='{NAMESPACE}' expiry='{}' token='", token.expires).as_bytes(),
    );
    print_attribute(&token.text, out);
    out.extend_from_slice(b"'/>");
}

const NAMESPACE: &str = "urn:xmpp:fast:0";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::Timestamp;
    use crate::xmpp::sasl::Bindings;

    fn authenticate(content: &str) -> Element {
        format!("<authenticate xmlns='urn:xmpp:sasl:2'>{content}</authenticate>").parse().expect("xml")
    }

    #[test]
    fn uses_are_read() {
        for (content, expected) in [
            ("", None),
            ("<fast xmlns='urn:xmpp:fast:0'/>", Some((None, false))),
            ("<fast xmlns='urn:xmpp:fast:0' count='3' invalidate='true'/>", Some((Some(3), true))),
            ("<fast xmlns='urn:xmpp:fast:0' count='-3' invalidate='0'/>", Some((None, false))),
        ] {
            let expected = expected.map(|(count, ends)| Use { count, ends });
            assert_eq!(Use::parse(&authenticate(content)), expected, "{content}");
        }
    }

    #[test]
    fn only_what_the_connection_has_is_offered_and_given() {
        let request = |name: &str| {
            authenticate(&format!("<request-token xmlns='urn:xmpp:fast:0' mechanism='{name}'/>"))
        };
        let print = |offer: &Offer| {
            let mut out = Vec::new();
            print_feature(offer, &mut out);
            String::from_utf8(out).expect("utf-8")
        };
        let bindings = Bindings { exporter: Some(vec![1]), end_point: None };
        let offer = Offer { allows_tokens: true, bindings, ..Offer::default() };
        assert_eq!(
            print(&offer),
            "<fast xmlns='urn:xmpp:fast:0'><mechanism>HT-SHA-256-EXPR</mechanism>\
             <mechanism>HT-SHA-256-NONE</mechanism></fast>"
        );
        for (name, expected) in [
            ("HT-SHA-256-EXPR", Some(FastBinding::Exporter)),
            ("HT-SHA-256-NONE", Some(FastBinding::None)),
            ("HT-SHA-256-ENDP", None),
            ("HT-SHA-256-UNIQ", None),
            ("PLAIN", None),
        ] {
            assert_eq!(parse_request(&request(name), &offer), expected, "{name}");
        }
        let without = Offer { allows_tokens: false, ..offer };
        assert_eq!(print(&without), "");
        assert_eq!(parse_request(&request("HT-SHA-256-NONE"), &without), None);
    }

    #[test]
    fn a_token_tells_its_end() {
        let mut out = Vec::new();
        print_token(&FastToken { text: "a'b".into(), expires: Timestamp(0) }, &mut out);
        let text = String::from_utf8(out).expect("utf-8");
        assert_eq!(
            text,
            "<token xmlns='urn:xmpp:fast:0' expiry='1970-01-01T00:00:00.000Z' token='a&apos;b'/>"
        );
    }
}
