//! XEP-0480: SASL Upgrade Tasks, for SCRAM: a client that knows the password makes a verifier that we cannot make
//! of what we have. Its elements; the order of things is in [`login`](super::login).

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use minidom::Element;

use super::sasl2::SASL2;
use crate::auth::ScramTask;
use crate::xmpp::sasl::Hash;
use crate::xmpp::stanza::Stanza;

/// The upgrades that a client is ready for.
pub(super) fn parse_request(authenticate: &Element) -> Vec<Hash> {
    let wanted = authenticate.children().filter(|child| child.is("upgrade", NAMESPACE)).map(Element::text);
    let known = |text: String| TASKS.iter().find(|(_, name)| *name == text.trim()).map(|(hash, _)| *hash);
    wanted.filter_map(known).take(TASKS.len()).collect()
}

/// Appends the upgrades that there are. Which of them an account needs is not told before its owner logged in.
pub(super) fn print_feature(out: &mut Vec<u8>) {
    for (_, name) in TASKS {
        out.extend_from_slice(format!("<upgrade xmlns='{NAMESPACE}'>{name}</upgrade>").as_bytes());
    }
}

/// Asks the client to begin, with what its mechanism said at the end.
pub(super) fn print_continue(task: &ScramTask, additional: &[u8]) -> Vec<u8> {
    let data = match additional {
        [] => String::new(),
        data => format!("<additional-data>{}</additional-data>", BASE64.encode(data)),
    };
    let name = name_of(task);
    format!("<continue xmlns='{SASL2}'>{data}<tasks><task>{name}</task></tasks></continue>").into_bytes()
}

/// Whether the client begins with this task.
pub(super) fn is_next(next: &Stanza, task: &ScramTask) -> bool {
    next.attribute("task").as_deref() == Some(name_of(task))
}

/// What the client needs for it.
pub(super) fn print_salt(task: &ScramTask) -> Vec<u8> {
    let (salt, iterations) = (BASE64.encode(task.salt), task.iterations);
    format!(
        "<task-data xmlns='{SASL2}'><salt xmlns='{SCRAM}' iterations='{iterations}'>{salt}</salt></task-data>"
    )
    .into_bytes()
}

/// What the client made of it.
pub(super) fn parse_salted(data: &Stanza, task: &ScramTask) -> Option<Vec<u8>> {
    let salted = BASE64.decode(data.child("hash", SCRAM)?.text().trim()).ok()?;
    (salted.len() == task.hash.len()).then_some(salted)
}

fn name_of(task: &ScramTask) -> &'static str {
    TASKS.iter().find(|(hash, _)| *hash == task.hash).map_or("", |(_, name)| name)
}

const NAMESPACE: &str = "urn:xmpp:sasl:upgrade:0";
const SCRAM: &str = "urn:xmpp:scram-upgrade:0";
const TASKS: [(Hash, &str); 3] = [
    (Hash::Sha512, "UPGR-SCRAM-SHA-512"),
    (Hash::Sha256, "UPGR-SCRAM-SHA-256"),
    (Hash::Sha1, "UPGR-SCRAM-SHA-1"),
];
