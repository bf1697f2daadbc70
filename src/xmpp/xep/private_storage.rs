//! XEP-0049: Private XML Storage. What a client keeps this way is the one item of a node that its owner
//! alone sees, named for the element's namespace (XEP-0223 §3); bookmarks are those of XEP-0402.

use minidom::Element;

use super::{Answer, Handler, Iq, Module, Payload, Target, bookmarks};
use crate::account::{Reply, Request};
use crate::signal::{Access, Extract, Item, ItemId, NodeChange, NodeName, NodeOptions, Reason, Wanted};
use crate::xmpp::translate::{Refusal, Scope};

const NAMESPACE: &str = "jabber:iq:private";

pub(super) const MODULE: Module = Module {
    server_features: &[NAMESPACE],
    account_features: &[NAMESPACE],
    payloads: &[Payload { name: "query", namespace: NAMESPACE, handler: Handler::Both(answer) }],
};

fn answer(iq: &Iq<'_>) -> Answer {
    if iq.target == Target::Server {
        return Answer::Refuse(Refusal::SERVICE_UNAVAILABLE);
    }
    let query = iq.payload.to_element();
    let Some(element) = query.as_ref().and_then(|query| query.children().next()) else {
        return Answer::Refuse(Refusal::BAD_REQUEST);
    };
    // Whatever the protocol itself uses is not the client's to keep here (XEP-0049 §3).
    let namespace = element.ns();
    if namespace.starts_with("jabber:") || namespace == "vcard-temp" {
        return Answer::Refuse(Refusal::NOT_ACCEPTABLE);
    }
    let is_bookmarks = namespace == bookmarks::STORAGE;
    match (is_bookmarks, iq.is_set) {
        (true, false) => bookmarks::read(iq, |storage| print(&storage)),
        (true, true) => bookmarks::replace(iq, element, String::new()),
        (false, false) => show(iq, element),
        (false, true) => keep(element),
    }
}

fn show(iq: &Iq<'_>, element: &Element) -> Answer {
    let Some(node) = NodeName::parse(&element.ns()) else { return Answer::Refuse(Refusal::NOT_ACCEPTABLE) };
    let empty = String::from(element);
    let wanted = Wanted::Node { node, extract: Extract::Named(vec![current()]) };
    Answer::then(Request::Enquire { of: iq.account.clone(), wanted }, move |outcome| match outcome {
        Ok(Reply::Items(items)) => {
            let found = items.first().and_then(|item| String::from_utf8(item.payload.to_vec()).ok());
            Answer::Result(print(&found.unwrap_or(empty)))
        }
        Err(reject) if reject.reason == Reason::NotFound => Answer::Result(print(&empty)),
        Ok(_) => Answer::Refuse(Refusal::INTERNAL),
        Err(reject) => Answer::Refuse(Refusal::from_reject(&reject, Scope::Own)),
    })
}

fn keep(element: &Element) -> Answer {
    let Some(node) = NodeName::parse(&element.ns()) else { return Answer::Refuse(Refusal::NOT_ACCEPTABLE) };
    let item = Item { id: current(), payload: String::from(element).into() };
    let options = NodeOptions { access: Some(Access::Owner), ..NodeOptions::default() };
    let change = NodeChange::Publish { items: vec![item], options };
    Answer::then(Request::ChangeNode { node, change }, |outcome| match outcome {
        Ok(_) => Answer::done(),
        Err(reject) => Answer::Refuse(Refusal::from_reject(&reject, Scope::Own)),
    })
}

/// The one item of a node (XEP-0060 §12.20).
fn current() -> ItemId {
    ItemId::parse("current").expect("a word is an id")
}

fn print(content: &str) -> String {
    format!("<query xmlns='{NAMESPACE}'>{content}</query>")
}
