//! What a client wants to hear of: XEP-0115 and XEP-0390 name its features by a hash, XEP-0163 §4.2 makes
//! those that end in `+notify` its wishes. Who has a hash that nobody explained yet is asked once, by
//! XEP-0030; what proves to be what the hash says is known for everybody who has it.

use std::sync::{Arc, Mutex, PoisonError};

use compact_str::CompactString;
use minidom::Element;

use super::{
    avatar,
    feature_hash::{INFO, NOTIFY, hash_of},
    vcard4,
};
use crate::account::SessionChange;
use crate::signal::{NodeName, Topic};
use crate::xmpp::session::Client;
use crate::xmpp::shares::Shares;
use crate::xmpp::stanza::{Stanza, print_attribute};

/// What the clients of some hash want to hear of.
#[derive(Debug)]
pub(in crate::xmpp) struct Interests(Mutex<Shares<CompactString, Arc<[Topic]>>>);

impl Default for Interests {
    fn default() -> Self {
        Self(Mutex::new(Shares::new(KNOWN_BYTES)))
    }
}

impl Interests {
    pub(in crate::xmpp) fn find(&self, hash: &str) -> Option<Arc<[Topic]>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).find(hash).cloned()
    }

    /// Takes over what an answer says that has this hash. Who has too many learnt at once, by `teacher`, loses his
    /// own: XEP-0390 §8.2.
    pub(in crate::xmpp) fn learn(&self, hash: CompactString, topics: Arc<[Topic]>, teacher: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.find(&hash).is_none() {
            let bytes = hash.len() + bytes_of(&topics);
            known.insert(hash, teacher, topics, bytes);
        }
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

    /// What it takes in memory, about.
    pub(in crate::xmpp) fn bytes(&self) -> usize {
        self.node.len() + self.checked.as_ref().map_or(0, CompactString::len)
    }

    /// What to ask for the features.
    pub(in crate::xmpp) fn question(&self) -> Vec<u8> {
        let mut question = format!("<query xmlns='{INFO}' node='").into_bytes();
        print_attribute(&self.node, &mut question);
        question.extend_from_slice(b"'/>");
        question
    }
}

/// What somebody wants to hear of who answers that, and the hash of his features where they are well said.
pub(in crate::xmpp) fn read_answer(stanza: &Stanza) -> Option<(Arc<[Topic]>, Option<String>)> {
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
        if let Some(hash) = checked.filter(|hash| found.is_some_and(|found| *hash == found)) {
            let teacher = &self.session.party().address;
            self.shared.interests.learn(hash, Arc::clone(&topics), teacher.as_str());
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
    let nodes = features.filter_map(|feature| feature.strip_suffix(NOTIFY));
    let topics = nodes.filter_map(|node| match node {
        avatar::METADATA => Some(Topic::Avatar),
        vcard4::NODE => Some(Topic::Profile),
        node => NodeName::parse(node).map(Topic::Node),
    });
    let mut topics: Vec<Topic> = topics.collect();
    // In order first: which ones are left out does not depend on how they were told.
    topics.sort_unstable();
    topics.dedup();
    let mut bytes = 0;
    let fits = |topic: &&Topic| {
        bytes += bytes_of(std::slice::from_ref(*topic));
        bytes <= TOPIC_BYTES
    };
    let most = topics.iter().take(TOPICS).take_while(fits).count();
    topics.truncate(most);
    topics.into()
}

/// What these take in memory, about.
pub(in crate::xmpp) fn bytes_of(topics: &[Topic]) -> usize {
    let bytes = |topic: &Topic| match topic {
        Topic::Node(name) => name.as_str().len(),
        Topic::Avatar | Topic::Profile => 0,
    };
    size_of_val(topics) + topics.iter().map(bytes).sum::<usize>()
}

/// Most bytes of what a client says that its features are.
const CLAIM: usize = 1024;
/// Most topics of one client.
const TOPICS: usize = 100;
/// Most bytes of the topics of one client.
const TOPIC_BYTES: usize = 4096;
/// Most bytes of what is known of hashes.
const KNOWN_BYTES: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xmpp::stanza::{Event, Limits, Scanner};

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

    #[test]
    fn wishes_are_bounded_the_same_way_in_any_order() {
        let names: Vec<String> =
            (0..200).map(|at| format!("<feature var='{at:03}{}+notify'/>", "x".repeat(900))).collect();
        let topics = |features: &[String]| {
            let query =
                format!("<query xmlns='http://jabber.org/protocol/disco#info'>{}</query>", features.concat());
            topics_of(&query.parse().unwrap())
        };
        let (found, backwards) = (topics(&names), names.iter().rev().cloned().collect::<Vec<_>>());
        assert!(bytes_of(&found) <= TOPIC_BYTES && found.len() == 4, "{}", found.len());
        assert_eq!(topics(&backwards), found);
    }

    #[test]
    fn who_teaches_too_much_loses_his_own() {
        let interests = Interests::default();
        let topics: Arc<[Topic]> = (0..4)
            .map(|at| Topic::Node(NodeName::parse(&format!("{at}{}", "x".repeat(900))).unwrap()))
            .collect();
        interests.learn("kept".into(), Arc::clone(&topics), "them.example");
        for at in 0..5000 {
            interests.learn(format!("{at}").into(), Arc::clone(&topics), "flood.example");
        }
        assert!(interests.find("kept").is_some() && interests.find("4999").is_some());
        assert!(interests.find("0").is_none());
    }
}
