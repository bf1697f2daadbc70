//! XEP-0030: Service Discovery, of the server and of the own account.

use super::{Answer, Handler, Iq, MODULES, Module, Payload, Target, caps};
use crate::xmpp::translate::Refusal;

const INFO: &str = "http://jabber.org/protocol/disco#info";
const ITEMS: &str = "http://jabber.org/protocol/disco#items";

pub(super) const MODULE: Module = Module {
    server_features: &[INFO, ITEMS],
    account_features: &[INFO, ITEMS],
    payloads: &[
        Payload { name: "query", namespace: INFO, handler: Handler::Get(info) },
        Payload { name: "query", namespace: ITEMS, handler: Handler::Get(items) },
    ],
};

/// What something is.
pub(super) struct Identity {
    category: &'static str,
    kind: &'static str,
    name: &'static str,
}

pub(super) const SERVER_IDENTITY: Identity = Identity { category: "server", kind: "im", name: "Rollcall" };
const ACCOUNT_IDENTITY: Identity = Identity { category: "account", kind: "registered", name: "" };

impl Identity {
    /// As XEP-0115 §5.1 hashes it.
    pub(super) fn caps_text(&self) -> String {
        format!("{}/{}//{}", self.category, self.kind, self.name)
    }

    fn print(&self) -> String {
        let name = if self.name.is_empty() { String::new() } else { format!(" name='{}'", self.name) };
        format!("<identity category='{}' type='{}'{name}/>", self.category, self.kind)
    }
}

/// Everything that the server announces of itself.
pub(super) fn server_features() -> Vec<&'static str> {
    MODULES.iter().flat_map(|module| module.server_features).copied().collect()
}

fn account_features() -> Vec<&'static str> {
    MODULES.iter().flat_map(|module| module.account_features).copied().collect()
}

fn info(iq: &Iq<'_>) -> Answer {
    let node = iq.payload.attribute("node");
    let (identity, features) = match iq.target {
        Target::Server => (SERVER_IDENTITY, server_features()),
        Target::Account => (ACCOUNT_IDENTITY, account_features()),
    };
    let own_node = format!("{}#{}", caps::NODE, caps::version());
    let echo = match node.as_deref() {
        None | Some("") => String::new(),
        Some(node) if node == own_node && iq.target == Target::Server => format!(" node='{own_node}'"),
        Some(_) => return Answer::Refuse(Refusal::ITEM_NOT_FOUND),
    };
    let features: String = features.iter().map(|feature| format!("<feature var='{feature}'/>")).collect();
    Answer::Result(format!("<query xmlns='{INFO}'{echo}>{}{features}</query>", identity.print()))
}

/// There is nothing below the server and the account yet.
fn items(iq: &Iq<'_>) -> Answer {
    match iq.payload.attribute("node").as_deref() {
        None | Some("") => Answer::Result(format!("<query xmlns='{ITEMS}'/>")),
        Some(_) => Answer::Refuse(Refusal::ITEM_NOT_FOUND),
    }
}
