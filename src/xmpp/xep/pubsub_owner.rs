//! XEP-0060 §8: what the owner of a node does to it as a whole.

use minidom::Element;

use super::{
    Answer, Handler, Iq, Module, Payload, Target, avatar,
    node_form::{self, Purpose},
    pubsub,
};
use crate::account::{Reply, Request};
use crate::signal::{Extract, NodeChange, NodeConfig, NodeName, Wanted};
use crate::xmpp::stanza::print_attribute;
use crate::xmpp::translate::Refusal;

const NAMESPACE: &str = "http://jabber.org/protocol/pubsub#owner";

pub(super) const MODULE: Module = Module {
    payloads: &[Payload { name: "pubsub", namespace: NAMESPACE, handler: Handler::Both(answer) }],
    ..Module::NONE
};

fn answer(iq: &Iq<'_>) -> Answer {
    if iq.target != Target::Account {
        return Answer::Refuse(Refusal::SERVICE_UNAVAILABLE);
    }
    let pubsub = iq.payload.to_element();
    let Some(action) = pubsub.as_ref().and_then(|pubsub| pubsub.children().next()) else {
        return Answer::Refuse(Refusal::BAD_REQUEST);
    };
    if action.name() == "default" && !iq.is_set {
        let form = node_form::print(&NodeConfig::default());
        return Answer::Result(format!("<pubsub xmlns='{NAMESPACE}'><default>{form}</default></pubsub>"));
    }
    let node = match pubsub::node_of(action) {
        Ok(node) => node,
        Err(refusal) => return Answer::Refuse(refusal),
    };
    match (action.name(), iq.is_set) {
        ("configure", false) => show_config(iq, node),
        ("configure", true) => configure(action, node),
        ("delete" | "purge", true) if avatar::is_node(&node) => avatar::remove(),
        ("delete", true) => pubsub::done(Request::ChangeNode { node, change: NodeChange::Delete }),
        ("purge", true) => pubsub::done(Request::ChangeNode { node, change: NodeChange::Purge }),
        _ => Answer::Refuse(Refusal::new("cancel", "feature-not-implemented")),
    }
}

fn show_config(iq: &Iq<'_>, node: NodeName) -> Answer {
    if avatar::is_node(&node) {
        return avatar::show_config(iq, node);
    }
    let wanted = Wanted::Node { node: node.clone(), extract: Extract::Config };
    Answer::then(Request::Enquire { of: iq.account.clone(), wanted }, move |outcome| match outcome {
        Ok(Reply::Node(config)) => Answer::Result(print_config(&node, &config)),
        Ok(_) => Answer::Refuse(Refusal::INTERNAL),
        Err(reject) => Answer::Refuse(pubsub::refusal_of(&reject)),
    })
}

/// The answer to who asked how a node is.
pub(super) fn print_config(node: &NodeName, config: &NodeConfig) -> String {
    let mut out = format!("<pubsub xmlns='{NAMESPACE}'><configure node='").into_bytes();
    print_attribute(node.as_str(), &mut out);
    out.extend_from_slice(b"'>");
    out.extend_from_slice(node_form::print(config).as_bytes());
    out.extend_from_slice(b"</configure></pubsub>");
    String::from_utf8(out).unwrap_or_default()
}

fn configure(action: &Element, node: NodeName) -> Answer {
    match node_form::parse(action, Purpose::Configure) {
        Ok(options) if avatar::is_node(&node) => avatar::configure(&options),
        Ok(options) => pubsub::done(Request::ChangeNode { node, change: NodeChange::Configure(options) }),
        Err(refusal) => Answer::Refuse(refusal),
    }
}
