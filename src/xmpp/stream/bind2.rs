//! XEP-0386: Bind 2, its elements: a resource, and what a session begins with, within the login.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use minidom::Element;
use sha2::Sha256;

use super::management::SM;
use crate::formats::xml::parse_boolean;
use crate::signal::{Address, Resource};

/// What the session is to begin with.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// What the program calls itself, to be seen by others.
    pub tag: Option<String>,
    /// Copies of messages (XEP-0280).
    pub copies: bool,
    /// Nobody looks at it yet (XEP-0352).
    pub is_inactive: bool,
    /// Stream management (XEP-0198), with or without resumption.
    pub management: Option<Resumable>,
}

/// Whether a stream is to be resumed after its connection broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resumable {
    Yes,
    No,
}

impl Request {
    /// Reads `<bind/>`. Features that are not on offer are left out.
    pub(super) fn parse(element: &Element) -> Self {
        let enable = element.get_child("enable", SM);
        let resumable = |enable: &Element| match enable.attr("resume").and_then(parse_boolean) {
            Some(true) => Resumable::Yes,
            _ => Resumable::No,
        };
        Self {
            tag: element.get_child("tag", NAMESPACE).map(Element::text).filter(|tag| !tag.is_empty()),
            copies: element.get_child("enable", CARBONS).is_some(),
            is_inactive: element.get_child("inactive", CSI).is_some(),
            management: enable.map(resumable),
        }
    }

    /// A resource: the tag, and a name that is always the same for one installation (`agent`) of one account, but
    /// does not tell which; or `fresh`, where it does not say which it is. `None` where that makes no resource.
    pub fn resource(
        &self,
        account: &Address,
        agent: Option<&str>,
        secret: &[u8; 32],
        fresh: &str,
    ) -> Option<Resource> {
        let name = match agent {
            Some(agent) => stable_name(account, agent, secret),
            None => fresh.to_owned(),
        };
        let tagged = self.tag.as_ref().and_then(|tag| Resource::new(&format!("{tag}/{name}")).ok());
        tagged.or_else(|| Resource::new(&name).ok())
    }
}

fn stable_name(account: &Address, agent: &str, secret: &[u8; 32]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(account.as_str().as_bytes());
    mac.update(b"\0");
    mac.update(agent.as_bytes());
    let hash = mac.finalize().into_bytes();
    URL_SAFE_NO_PAD.encode(hash.first_chunk::<NAME_BYTES>().expect("a hash has 32 bytes"))
}

/// Appends what can be turned on within the login (§3).
pub(super) fn print_feature(out: &mut Vec<u8>) {
    out.extend_from_slice(format!("<bind xmlns='{NAMESPACE}'><inline>").as_bytes());
    for feature in [CARBONS, CSI, SM] {
        out.extend_from_slice(format!("<feature var='{feature}'/>").as_bytes());
    }
    out.extend_from_slice(b"</inline></bind>");
}

pub(super) fn print_bound(inline: &[u8]) -> Vec<u8> {
    let mut out = format!("<bound xmlns='{NAMESPACE}'>").into_bytes();
    out.extend_from_slice(inline);
    out.extend_from_slice(b"</bound>");
    out
}

/// The XEP has no word for a login without the resource that came with it. The client may try to bind one once
/// more, as RFC 6120 has it.
pub(super) fn print_refused(condition: &str) -> Vec<u8> {
    format!("<failed xmlns='{NAMESPACE}'><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>")
        .into_bytes()
}

pub(super) const NAMESPACE: &str = "urn:xmpp:bind:0";
const CSI: &str = "urn:xmpp:csi:0";
const CARBONS: &str = "urn:xmpp:carbons:2";
/// Twelve characters.
const NAME_BYTES: usize = 9;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(content: &str) -> Request {
        Request::parse(&format!("<bind xmlns='{NAMESPACE}'>{content}</bind>").parse().expect("xml"))
    }

    #[test]
    fn features_are_read() {
        assert_eq!(parse(""), Request::default());
        let request = parse(
            "<tag>Chat</tag><enable xmlns='urn:xmpp:carbons:2'/><inactive xmlns='urn:xmpp:csi:0'/>\
             <enable xmlns='urn:xmpp:sm:3' resume='1'/><enable xmlns='urn:unknown'/>",
        );
        let management = Some(Resumable::Yes);
        assert_eq!(
            request,
            Request { tag: Some("Chat".into()), copies: true, is_inactive: true, management }
        );
        let management = Some(Resumable::No);
        assert_eq!(parse("<enable xmlns='urn:xmpp:sm:3'/>"), Request { management, ..Request::default() });
    }

    #[test]
    fn one_installation_has_one_resource_that_does_not_tell_it() {
        let [alice, bob] = ["alice@example.org", "bob@example.org"].map(|it| Address::parse(it).expect("it"));
        let request = parse("<tag>Chat</tag>");
        let of = |account: &Address, agent: &str| {
            let resource = request.resource(account, Some(agent), &[1; 32], "f").expect("a resource");
            resource.as_str().to_owned()
        };
        let first = of(&alice, "d4565fa7");
        assert!(first.starts_with("Chat/") && first.len() == 17 && !first.contains("d4565fa7"), "{first}");
        assert_eq!(first, of(&alice, "d4565fa7"));
        assert_ne!(first, of(&alice, "other"));
        assert_ne!(first, of(&bob, "d4565fa7"));
    }

    #[test]
    fn a_tag_that_makes_no_resource_is_left_out() {
        let alice = Address::parse("alice@example.org").expect("an address");
        for (tag, expected) in [("a", "a/f"), ("a&#9;b", "f"), ("", "f")] {
            let request = parse(&format!("<tag>{tag}</tag>"));
            let resource = request.resource(&alice, None, &[1; 32], "f").expect("a resource");
            assert_eq!(resource.as_str(), expected);
        }
    }
}
