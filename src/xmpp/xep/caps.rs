//! XEP-0115: Entity Capabilities, of the server itself: a hash over its identity and features, put into the
//! stream features so that clients need not ask.

use std::{iter, sync::LazyLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha1::{Digest, Sha1};

use super::{
    Module,
    announced::Announced,
    disco::{self, Identity},
};
use crate::xmpp::stanza::ChildView;

pub(super) const MODULE: Module =
    Module { server_features: &["http://jabber.org/protocol/caps"], ..Module::NONE };

/// The `ver` of the server (XEP-0115 §5.1).
pub(in crate::xmpp) fn version(announced: &Announced) -> String {
    let own = [disco::SERVER_IDENTITY];
    hash(own.iter().chain(&announced.identities), disco::server_features(announced), &announced.caps_text())
}

/// The `ver` of every account that says nothing else of itself.
pub(super) fn account_version() -> String {
    hash(disco::ACCOUNT_IDENTITIES.iter(), disco::account_features(), "")
}

/// The `ver` of sessions that speak another protocol, and what it stands for: the server takes in their name what
/// it can tell them, among it how people want to be shown.
static SESSION: LazyLock<(String, String)> = LazyLock::new(|| {
    let version = hash(iter::once(&SESSION_IDENTITY), SESSION_FEATURES.to_vec(), "");
    let features = SESSION_FEATURES.map(|feature| format!("<feature var='{feature}'/>")).concat();
    let identity = SESSION_IDENTITY.print();
    let answer = format!("<query xmlns='{INFO}' node='{NODE}#{version}'>{identity}{features}</query>");
    (print_version(&version), answer)
});

/// The element for presence of a session that speaks another protocol.
pub(in crate::xmpp) fn print_session() -> &'static str {
    &SESSION.0
}

/// The answer to who asks a session what that element stands for.
pub(in crate::xmpp) fn answer_for_session(question: &ChildView<'_>) -> Option<String> {
    let answer = &SESSION.1;
    let node = question.attribute("node").filter(|_| question.is("query", INFO))?;
    answer.contains(&format!(" node='{node}'>")).then(|| answer.clone())
}

/// `forms` is what is told in forms, as it is hashed.
fn hash<'a>(
    identities: impl Iterator<Item = &'a Identity>,
    mut features: Vec<&'static str>,
    forms: &str,
) -> String {
    features.sort_unstable();
    features.dedup();
    let mut identities: Vec<_> = identities.map(Identity::caps_text).collect();
    identities.sort_unstable();
    let mut text: String = identities.iter().map(|identity| format!("{identity}<")).collect();
    for feature in features {
        text.push_str(feature);
        text.push('<');
    }
    text.push_str(forms);
    BASE64.encode(Sha1::digest(text.as_bytes()))
}

/// The element for the stream features (XEP-0115 §6.3).
pub(in crate::xmpp) fn print(announced: &Announced) -> String {
    print_version(&version(announced))
}

/// The element for presence in the name of an account that only phones reach (XEP-0276 §6).
pub(super) fn print_account() -> String {
    print_version(&account_version())
}

fn print_version(version: &str) -> String {
    format!("<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='{NODE}' ver='{version}'/>")
}

const INFO: &str = "http://jabber.org/protocol/disco#info";
const SESSION_IDENTITY: Identity = Identity { category: "client", kind: "web", name: "Rollcall" };
const SESSION_FEATURES: [&str; 7] = [
    "http://jabber.org/protocol/caps",
    "http://jabber.org/protocol/chatstates",
    INFO,
    "http://jabber.org/protocol/nick+notify",
    "urn:xmpp:avatar:metadata+notify",
    "urn:xmpp:chat-markers:0",
    "urn:xmpp:receipts",
];

/// Who computed the hash. Clients ask for `NODE#ver`.
pub(in crate::xmpp) const NODE: &str = "urn:rollcall:server";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xmpp::{
        stanza::{Event, Limits, Scanner},
        xep::interests,
    };

    #[test]
    fn sessions_of_other_protocols_say_what_is_taken_for_them() {
        let presence = format!("<presence>{}</presence>", print_session());
        let mut scanner = Scanner::new(Limits::default());
        scanner
            .feed(b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>");
        scanner.feed(presence.as_bytes());
        let _ = scanner.next_event();
        let Ok(Some(Event::Stanza(stanza))) = scanner.next_event() else { panic!("{presence}") };
        let claim = interests::claim_of(&stanza).expect("a claim");
        let question = String::from_utf8(claim.question()).expect("utf-8");
        scanner.feed(
            format!("<iq type='get'>{question}</iq><iq type='get'><query xmlns='{INFO}' node='x'/></iq>")
                .as_bytes(),
        );
        let Ok(Some(Event::Stanza(asked))) = scanner.next_event() else { panic!("{question}") };
        let answer = answer_for_session(&asked.children().next().expect("a question")).expect("an answer");
        scanner.feed(format!("<iq type='result'>{answer}</iq>").as_bytes());
        let Ok(Some(Event::Stanza(other))) = scanner.next_event() else { panic!() };
        assert_eq!(answer_for_session(&other.children().next().expect("a question")), None);
        let Ok(Some(Event::Stanza(answered))) = scanner.next_event() else { panic!("{answer}") };
        let (topics, version) = interests::read_answer(&answered).expect("an answer");
        assert_eq!((version.as_deref(), topics.len()), (claim.checked().map(|hash| &**hash), 2));
    }
}
