//! What a client wants to hear of: XEP-0115 and XEP-0390 name its features by a hash, XEP-0163 §4.2 makes
//! those that end in `+notify` its wishes. Who has a hash that nobody explained yet is asked once, by
//! XEP-0030; what proves to be what the hash says is known for everybody who has it.

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use compact_str::CompactString;
use minidom::Element;
use rustc_hash::FxHashMap;
use sha1::{Digest, Sha1};

use super::{avatar, form::NAMESPACE as FORMS, vcard4};
use crate::account::SessionChange;
use crate::signal::{NodeName, Topic};
use crate::xmpp::session::Client;
use crate::xmpp::stanza::{Stanza, print_attribute};

/// What the clients of some hash want to hear of.
#[derive(Debug, Default)]
pub(in crate::xmpp) struct Interests(Mutex<FxHashMap<CompactString, Arc<[Topic]>>>);

impl Interests {
    pub(in crate::xmpp) fn find(&self, hash: &str) -> Option<Arc<[Topic]>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(hash).cloned()
    }

    pub(in crate::xmpp) fn learn(&self, hash: CompactString, topics: Arc<[Topic]>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN {
            known.clear();
        }
        known.insert(hash, topics);
    }
}

/// What is known of one client's features. Boxed: many clients say nothing of them.
#[derive(Debug, Default)]
pub(in crate::xmpp) struct Features(Option<Box<Known>>);

#[derive(Debug)]
struct Known {
    /// What it said last that its features are.
    claim: Claim,
    /// The id under which it was asked for them.
    asked: Option<CompactString>,
}

/// A hash of features, and where they can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::xmpp) struct Claim {
    node: CompactString,
    /// By XEP-0115 with SHA-1: the one that is checked here.
    checked: Option<CompactString>,
}

impl Claim {
    /// The hash, where it is one that is checked.
    pub(in crate::xmpp) fn checked(&self) -> Option<&CompactString> {
        self.checked.as_ref()
    }

    /// What to ask for the features.
    pub(in crate::xmpp) fn question(&self) -> Vec<u8> {
        let mut question = format!("<query xmlns='{INFO}' node='").into_bytes();
        print_attribute(&self.node, &mut question);
        question.extend_from_slice(b"'/>");
        question
    }
}

/// What somebody wants to hear of who answers that, and the hash of his features.
pub(in crate::xmpp) fn read_answer(stanza: &Stanza) -> Option<(Arc<[Topic]>, String)> {
    let query = stanza.child("query", INFO).and_then(|query| query.to_element());
    let query = query.filter(|_| stanza.stanza_type().as_deref() == Some("result"))?;
    Some((topics_of(&query), hash_of(&query)))
}

impl Client {
    /// The client says in its presence what its features are.
    pub(in crate::xmpp) fn note_claim(&mut self, stanza: &Stanza) {
        let Some(claim) = claim_of(stanza) else { return };
        if self.features.0.as_ref().is_some_and(|known| known.claim == claim) {
            return;
        }
        let topics = claim.checked.as_ref().and_then(|hash| self.shared.interests.find(hash));
        let asked = match topics {
            Some(topics) => {
                self.change(SessionChange::Follows(topics));
                None
            }
            None => Some(self.ask_client(&claim.question())),
        };
        self.features.0 = Some(Box::new(Known { claim, asked }));
    }

    /// The client answers something that it was asked.
    pub(in crate::xmpp) fn handle_answer(&mut self, stanza: &Stanza) {
        let Some(known) = &mut self.features.0 else { return };
        if known.asked.is_none() || known.asked.as_deref() != stanza.id().as_deref() {
            return;
        }
        known.asked = None;
        let checked = known.claim.checked.clone();
        let Some((topics, found)) = read_answer(stanza) else { return };
        if let Some(hash) = checked.filter(|hash| *hash == found) {
            self.shared.interests.learn(hash, Arc::clone(&topics));
        }
        self.change(SessionChange::Follows(topics));
    }
}

/// What a client says of its features in its presence. Of each kind one element counts, the first: a tree is built
/// for one at most. Who speaks XEP-0390 is not taken at what is known by XEP-0115 (XEP-0390 §7.2).
pub(in crate::xmpp) fn claim_of(stanza: &Stanza) -> Option<Claim> {
    claim_by_set(stanza).or_else(|| claim_by_version(stanza)).filter(|claim| claim.node.len() <= CLAIM)
}

/// By XEP-0390.
fn claim_by_set(stanza: &Stanza) -> Option<Claim> {
    let set = stanza.child("c", "urn:xmpp:caps")?.to_element()?;
    let hash = set.children().find(|hash| hash.is("hash", "urn:xmpp:hashes:2"))?;
    let node = format!("urn:xmpp:caps#{}.{}", hash.attr("algo")?, hash.text().trim());
    Some(Claim { node: node.into(), checked: None })
}

/// By XEP-0115.
fn claim_by_version(stanza: &Stanza) -> Option<Claim> {
    let child = stanza.child("c", "http://jabber.org/protocol/caps")?;
    let (node, version) = (child.attribute("node")?, child.attribute("ver")?);
    let is_checked = child.attribute("hash").as_deref() == Some("sha-1");
    let checked = is_checked.then(|| CompactString::from(&*version));
    Some(Claim { node: format!("{node}#{version}").into(), checked })
}

fn topics_of(query: &Element) -> Arc<[Topic]> {
    let features = query.children().filter(|child| child.is("feature", INFO)).filter_map(|it| it.attr("var"));
    let nodes = features.filter_map(|feature| feature.strip_suffix("+notify"));
    let topics = nodes.filter_map(|node| match node {
        avatar::METADATA => Some(Topic::Avatar),
        vcard4::NODE => Some(Topic::Profile),
        node => NodeName::parse(node).map(Topic::Node),
    });
    let mut topics: Vec<Topic> = topics.take(TOPICS).collect();
    topics.sort_unstable();
    topics.dedup();
    topics.into()
}

/// The hash of XEP-0115 §5.1.
fn hash_of(query: &Element) -> String {
    let attribute = |element: &Element, name: &str| element.attr(name).unwrap_or_default().to_owned();
    let mut identities: Vec<String> = children(query, "identity", INFO)
        .map(|it| {
            let language = it.attr_ns(XML, "lang").unwrap_or_default();
            let parts = (attribute(it, "category"), attribute(it, "type"), attribute(it, "name"));
            format!("{}/{}/{language}/{}", parts.0, parts.1, parts.2)
        })
        .collect();
    identities.sort_unstable();
    let mut features: Vec<String> = children(query, "feature", INFO).map(|it| attribute(it, "var")).collect();
    features.sort_unstable();
    let mut forms: Vec<String> = children(query, "x", FORMS).filter_map(text_of_form).collect();
    forms.sort_unstable();
    let mut text = String::new();
    for part in identities.iter().chain(&features) {
        text.push_str(part);
        text.push('<');
    }
    forms.iter().for_each(|form| text.push_str(form));
    BASE64.encode(Sha1::digest(text.as_bytes()))
}

fn text_of_form(form: &Element) -> Option<String> {
    let values = |field: &Element| {
        let mut values: Vec<String> = children(field, "value", FORMS).map(Element::text).collect();
        values.sort_unstable();
        values
    };
    let mut fields: Vec<(String, Vec<String>)> = children(form, "field", FORMS)
        .map(|field| (field.attr("var").unwrap_or_default().to_owned(), values(field)))
        .collect();
    fields.sort_unstable();
    let kind = fields.iter().position(|(name, _)| name == "FORM_TYPE")?;
    let (_, kind) = fields.remove(kind);
    let mut text = format!("{}<", kind.first()?);
    for part in fields.iter().flat_map(|(name, values)| std::iter::once(name).chain(values)) {
        text.push_str(part);
        text.push('<');
    }
    Some(text)
}

fn children<'a>(
    parent: &'a Element,
    name: &'static str,
    namespace: &'static str,
) -> impl Iterator<Item = &'a Element> {
    parent.children().filter(move |child| child.is(name, namespace))
}

const INFO: &str = "http://jabber.org/protocol/disco#info";
const XML: &str = "http://www.w3.org/XML/1998/namespace";
/// Most bytes of what a client says that its features are.
const CLAIM: usize = 1024;
/// Most topics of one client.
const TOPICS: usize = 100;
/// Most hashes that are known at a time.
const KNOWN: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xmpp::stanza::{Event, Limits, Scanner};

    #[test]
    fn hashes_are_those_of_the_specification() {
        let simple = "<query xmlns='http://jabber.org/protocol/disco#info'>\
            <identity category='client' name='Exodus 0.9.1' type='pc'/>\
            <feature var='http://jabber.org/protocol/caps'/><feature var='http://jabber.org/protocol/disco#items'/>\
            <feature var='http://jabber.org/protocol/disco#info'/><feature var='http://jabber.org/protocol/muc'/></query>";
        let complex = "<query xmlns='http://jabber.org/protocol/disco#info'>\
            <identity xml:lang='en' category='client' name='Psi 0.11' type='pc'/>\
            <identity xml:lang='el' category='client' name='\u{3a8} 0.11' type='pc'/>\
            <feature var='http://jabber.org/protocol/caps'/><feature var='http://jabber.org/protocol/disco#info'/>\
            <feature var='http://jabber.org/protocol/disco#items'/><feature var='http://jabber.org/protocol/muc'/>\
            <x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'>\
            <value>urn:xmpp:dataforms:softwareinfo</value></field><field var='ip_version' type='text-multi'>\
            <value>ipv4</value><value>ipv6</value></field><field var='os'><value>Mac</value></field>\
            <field var='os_version'><value>10.5.1</value></field><field var='software'><value>Psi</value></field>\
            <field var='software_version'><value>0.11</value></field></x></query>";
        for (query, expect) in
            [(simple, "QgayPKawpkPSDYmwT/WM94uAlu0="), (complex, "q07IKJEyjvHSyhy//CH0CxmKi8w=")]
        {
            assert_eq!(hash_of(&query.parse().unwrap()), expect);
        }
    }

    fn presence(children: &str) -> Stanza {
        let mut scanner = Scanner::new(Limits::default());
        scanner
            .feed(b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>");
        scanner.feed(format!("<presence>{children}</presence>").as_bytes());
        let _ = scanner.next_event();
        match scanner.next_event() {
            Ok(Some(Event::Stanza(stanza))) => stanza,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_claim_of_each_kind_counts() {
        let set = |hash: &str| {
            format!(
                "<c xmlns='urn:xmpp:caps'><hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>{hash}</hash></c>"
            )
        };
        let version = "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='n' ver='v'/>";
        let (empty, long) = ("<c xmlns='urn:xmpp:caps'/>", "x".repeat(2000));
        for (children, expected) in [
            (version.to_owned(), Some(("n#v", Some("v")))),
            (set("a"), Some(("urn:xmpp:caps#sha-256.a", None))),
            (format!("{version}{}", set("a")), Some(("urn:xmpp:caps#sha-256.a", None))),
            (format!("{empty}{version}"), Some(("n#v", Some("v")))),
            (format!("{empty}{}", set("a")), None),
            (set(&long), None),
        ] {
            let claim = claim_of(&presence(&children));
            let found = claim.as_ref().map(|claim| (&*claim.node, claim.checked.as_deref()));
            assert_eq!(found, expected, "{children}");
        }
    }

    #[test]
    fn wishes_are_read() {
        let query = "<query xmlns='http://jabber.org/protocol/disco#info'><feature var='b+notify'/>\
            <feature var='urn:xmpp:avatar:metadata+notify'/><feature var='c'/><feature var='+notify'/>\
            <feature var='b+notify'/></query>";
        let topics = topics_of(&query.parse().unwrap());
        assert_eq!(*topics, [Topic::Avatar, Topic::Node(NodeName::parse("b").unwrap())]);
    }
}
