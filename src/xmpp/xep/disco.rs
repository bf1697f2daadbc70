//! XEP-0030: Service Discovery, of the server and of the own account.

use super::{Answer, Handler, Iq, MODULES, Module, Payload, Target, announced::Announced, caps, commands};
use crate::account::{Reply, Request};
use crate::signal::{Address, Extract, NodeName, Wanted};
use crate::xmpp::stanza::print_attribute;
use crate::xmpp::translate::Refusal;

const INFO: &str = "http://jabber.org/protocol/disco#info";
const ITEMS: &str = "http://jabber.org/protocol/disco#items";

pub(super) const MODULE: Module = Module {
    server_features: &[INFO, ITEMS],
    account_features: &[INFO, ITEMS],
    payloads: &[
        Payload { name: "query", namespace: INFO, handler: Handler::SharedGet(info) },
        Payload { name: "query", namespace: ITEMS, handler: Handler::SharedGet(items) },
    ],
};

/// What something is.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) category: &'static str,
    pub(super) kind: &'static str,
    pub(super) name: &'static str,
}

pub(super) const SERVER_IDENTITY: Identity = Identity { category: "server", kind: "im", name: "Rollcall" };
/// In the order in which XEP-0115 §5.1 hashes them.
pub(super) const ACCOUNT_IDENTITIES: [Identity; 2] = [
    Identity { category: "account", kind: "registered", name: "" },
    Identity { category: "pubsub", kind: "pep", name: "" },
];

impl Identity {
    /// As XEP-0115 §5.1 hashes it.
    pub(super) fn caps_text(&self) -> String {
        format!("{}/{}//{}", self.category, self.kind, self.name)
    }

    pub(super) fn print(&self) -> String {
        let name = if self.name.is_empty() { String::new() } else { format!(" name='{}'", self.name) };
        format!("<identity category='{}' type='{}'{name}/>", self.category, self.kind)
    }
}

/// Everything that the server announces of itself.
pub(super) fn server_features(announced: &Announced) -> Vec<&'static str> {
    let always = MODULES.iter().flat_map(|module| module.server_features);
    always.chain(&announced.features).copied().collect()
}

/// Everything that is announced of an account.
pub(super) fn account_features() -> Vec<&'static str> {
    MODULES.iter().flat_map(|module| module.account_features).copied().collect()
}

fn info(iq: &Iq<'_>) -> Answer {
    let node = iq.payload.attribute("node");
    let (identity, features) = match iq.target {
        Target::Server => (
            SERVER_IDENTITY.print() + &iq.shared.announced.print_identities(),
            server_features(&iq.shared.announced),
        ),
        Target::Account | Target::Other => {
            (ACCOUNT_IDENTITIES.iter().map(Identity::print).collect(), account_features())
        }
    };
    let version = match iq.target {
        Target::Server => caps::version(&iq.shared.announced),
        Target::Account | Target::Other => caps::account_version(),
    };
    let own_node = format!("{}#{version}", caps::NODE);
    let echo = match node.as_deref() {
        None | Some("") => String::new(),
        Some(node) if node == own_node => format!(" node='{own_node}'"),
        Some(node) if iq.target != Target::Server => return info_of_node(iq, node),
        Some(node) => {
            let info = commands::info(node).map(Answer::Result);
            return info.unwrap_or(Answer::Refuse(Refusal::ITEM_NOT_FOUND));
        }
    };
    let features: String = features.iter().map(|feature| format!("<feature var='{feature}'/>")).collect();
    let forms = if iq.target == Target::Server { iq.shared.announced.print_forms() } else { String::new() };
    let result = format!("<query xmlns='{INFO}'{echo}>{identity}{features}{forms}</query>");
    if iq.target != Target::Other {
        return Answer::Result(result);
    }
    // Whether somebody has an account, only who may see her presence learns (XEP-0030 §8).
    let request = Request::Enquire { of: iq.account.clone(), wanted: Wanted::Nodes };
    Answer::then(request, |outcome| match outcome {
        Ok(_) => Answer::Result(result),
        Err(_) => Answer::Refuse(Refusal::SERVICE_UNAVAILABLE),
    })
}

/// What a node of an account is (XEP-0060 §5.3, §5.4).
fn info_of_node(iq: &Iq<'_>, node: &str) -> Answer {
    let Some(name) = NodeName::parse(node) else { return Answer::Refuse(Refusal::ITEM_NOT_FOUND) };
    let wanted = Wanted::Node { node: name, extract: Extract::Config };
    let node = attribute_text(node);
    Answer::then(Request::Enquire { of: iq.account.clone(), wanted }, move |outcome| match outcome {
        Ok(_) => Answer::Result(format!(
            "<query xmlns='{INFO}' node='{node}'><identity category='pubsub' type='leaf'/>\
             <feature var='http://jabber.org/protocol/pubsub'/></query>"
        )),
        Err(_) => Answer::Refuse(Refusal::ITEM_NOT_FOUND),
    })
}

/// A text as it stands in an attribute.
fn attribute_text(text: &str) -> String {
    let mut out = Vec::new();
    print_attribute(text, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// Below the server there are the services that are here (XEP-0114); below an account there are its nodes (XEP-0060 §5.2, §5.5).
fn items(iq: &Iq<'_>) -> Answer {
    let node = iq.payload.attribute("node").filter(|node| !node.is_empty());
    let account = iq.account.clone();
    match (iq.target, node.as_deref()) {
        // Other servers cannot reach them.
        (Target::Server, None) if !iq.shared.accounts.serves(iq.asker.address.domain()) => {
            Answer::Result(print_services(&[]))
        }
        (Target::Server, None) => Answer::Result(print_services(&iq.shared.services())),
        (Target::Server, Some(commands::NAMESPACE)) => Answer::Work(commands::list(iq)),
        (Target::Server, Some(_)) => Answer::Refuse(Refusal::ITEM_NOT_FOUND),
        (_, None) => {
            let request = Request::Enquire { of: account.clone(), wanted: Wanted::Nodes };
            Answer::then(request, move |outcome| match outcome {
                Ok(Reply::Nodes(nodes)) => {
                    let names =
                        nodes.iter().map(|(name, _)| format!(" node='{}'", attribute_text(name.as_str())));
                    Answer::Result(print_list(&account, "", names))
                }
                Ok(_) | Err(_) => Answer::Refuse(Refusal::SERVICE_UNAVAILABLE),
            })
        }
        (_, Some(node)) => {
            let Some(name) = NodeName::parse(node) else { return Answer::Refuse(Refusal::ITEM_NOT_FOUND) };
            let echo = format!(" node='{}'", attribute_text(node));
            let wanted = Wanted::Node { node: name, extract: Extract::Ids };
            Answer::then(Request::Enquire { of: account.clone(), wanted }, move |outcome| match outcome {
                Ok(Reply::Ids(ids)) => {
                    let names = ids.iter().map(|id| format!(" name='{}'", attribute_text(id.as_str())));
                    Answer::Result(print_list(&account, &echo, names))
                }
                Ok(_) | Err(_) => Answer::Refuse(Refusal::ITEM_NOT_FOUND),
            })
        }
    }
}

fn print_services(services: &[(&Address, Option<&str>)]) -> String {
    let item = |(domain, name): &(&Address, Option<&str>)| {
        let name = name.map_or_else(String::new, |name| format!(" name='{}'", attribute_text(name)));
        format!("<item jid='{}'{name}/>", attribute_text(domain.as_str()))
    };
    let items: String = services.iter().map(item).collect();
    format!("<query xmlns='{ITEMS}'>{items}</query>")
}

fn print_list(account: &Address, echo: &str, names: impl Iterator<Item = String>) -> String {
    let jid = attribute_text(account.as_str());
    let items: String = names.map(|name| format!("<item jid='{jid}'{name}/>")).collect();
    format!("<query xmlns='{ITEMS}'{echo}>{items}</query>")
}
