//! XEP-0060 as far as XEP-0163 (personal eventing) and XEP-0223 (private data) need it: what everybody may
//! ask of an account's nodes, and what their owner publishes. How nodes work the account knows.

use minidom::Element;

use super::{
    Answer, Handler, Iq, Module, Payload, Target, avatar, bookmarks,
    node_form::{self, Purpose},
    vcard4,
};
use crate::account::{Reply, Request};
use crate::formats::xml::parse_boolean;
use crate::signal::{Extract, Item, ItemId, NodeChange, NodeName, NodeOptions, Reason, Reject, Wanted};
use crate::xmpp::stanza::print_attribute;
use crate::xmpp::translate::{Refusal, Scope};

pub(super) const NAMESPACE: &str = "http://jabber.org/protocol/pubsub";

pub(super) const MODULE: Module = Module {
    account_features: &[
        NAMESPACE,
        "http://jabber.org/protocol/pubsub#access-open",
        "http://jabber.org/protocol/pubsub#access-presence",
        "http://jabber.org/protocol/pubsub#access-roster",
        "http://jabber.org/protocol/pubsub#access-whitelist",
        "http://jabber.org/protocol/pubsub#auto-create",
        "http://jabber.org/protocol/pubsub#auto-subscribe",
        "http://jabber.org/protocol/pubsub#config-node",
        "http://jabber.org/protocol/pubsub#config-node-max",
        "http://jabber.org/protocol/pubsub#create-and-configure",
        "http://jabber.org/protocol/pubsub#create-nodes",
        "http://jabber.org/protocol/pubsub#delete-items",
        "http://jabber.org/protocol/pubsub#delete-nodes",
        "http://jabber.org/protocol/pubsub#filtered-notifications",
        "http://jabber.org/protocol/pubsub#item-ids",
        "http://jabber.org/protocol/pubsub#last-published",
        "http://jabber.org/protocol/pubsub#multi-items",
        "http://jabber.org/protocol/pubsub#persistent-items",
        "http://jabber.org/protocol/pubsub#presence-notifications",
        "http://jabber.org/protocol/pubsub#publish",
        "http://jabber.org/protocol/pubsub#publish-options",
        "http://jabber.org/protocol/pubsub#purge-nodes",
        "http://jabber.org/protocol/pubsub#retract-items",
        "http://jabber.org/protocol/pubsub#retrieve-items",
        "http://jabber.org/protocol/pubsub#retrieve-default",
        "http://jabber.org/protocol/pubsub#subscribe",
    ],
    payloads: &[Payload { name: "pubsub", namespace: NAMESPACE, handler: Handler::Shared(answer) }],
    ..Module::NONE
};

fn answer(iq: &Iq<'_>) -> Answer {
    if iq.target == Target::Server {
        return Answer::Refuse(Refusal::SERVICE_UNAVAILABLE);
    }
    let Some(pubsub) = iq.payload.to_element() else { return Answer::Refuse(Refusal::BAD_REQUEST) };
    let Some(action) = pubsub.children().next() else { return Answer::Refuse(Refusal::BAD_REQUEST) };
    let is_owner = iq.target == Target::Account;
    match (action.name(), iq.is_set) {
        ("items", false) => retrieve(iq, action),
        ("subscribe", true) => subscribe(iq, action, true),
        ("unsubscribe", true) => subscribe(iq, action, false),
        ("publish" | "retract" | "create", true) if !is_owner => Answer::Refuse(Refusal::FORBIDDEN),
        ("publish", true) => publish(iq, action, pubsub.get_child("publish-options", NAMESPACE)),
        ("retract", true) => retract(action),
        ("create", true) => create(iq, action, pubsub.get_child("configure", NAMESPACE)),
        _ => Answer::Refuse(Refusal::new("cancel", "feature-not-implemented")),
    }
}

/// The node that an element names.
///
/// # Errors
/// It names none, or one whose name is too long.
pub(super) fn node_of(element: &Element) -> Result<NodeName, Refusal> {
    let missing = Refusal::BAD_REQUEST
        .with_detail("<nodeid-required xmlns='http://jabber.org/protocol/pubsub#errors'/>");
    let node = element.attr("node").filter(|node| !node.is_empty()).ok_or(missing)?;
    NodeName::parse(node).ok_or(Refusal::NOT_ACCEPTABLE)
}

fn retrieve(iq: &Iq<'_>, items: &Element) -> Answer {
    let node = match node_of(items) {
        Ok(node) => node,
        Err(refusal) => return Answer::Refuse(refusal),
    };
    let ids: Vec<&str> = item_elements(items).filter_map(|item| item.attr("id")).collect();
    if avatar::is_node(&node) {
        return avatar::retrieve(iq, &node, &ids);
    }
    match node.as_str() {
        vcard4::NODE => return vcard4::retrieve(iq, node),
        bookmarks::STORAGE if iq.target == Target::Account => return bookmarks::retrieve(iq, node),
        _ => {}
    }
    let extract = match items.attr("max_items").map(str::parse) {
        _ if !ids.is_empty() => Extract::Named(ids.into_iter().filter_map(ItemId::parse).collect()),
        None => Extract::Last(None),
        Some(Ok(most)) => Extract::Last(Some(most)),
        Some(Err(_)) => return Answer::Refuse(Refusal::BAD_REQUEST),
    };
    let wanted = Wanted::Node { node: node.clone(), extract };
    let request = Request::Enquire { of: iq.account.clone(), wanted };
    Answer::then(request, move |outcome| match outcome {
        Ok(Reply::Items(items)) => Answer::Result(print_items(&node, &items)),
        Ok(_) => Answer::Refuse(Refusal::INTERNAL),
        Err(reject) => Answer::Refuse(refusal_of(&reject)),
    })
}

/// The answer to who asked for items.
pub(super) fn print_items(node: &NodeName, items: &[Item]) -> String {
    let mut out = format!("<pubsub xmlns='{NAMESPACE}'>").into_bytes();
    print_item_list(node, items, &mut out);
    out.extend_from_slice(b"</pubsub>");
    String::from_utf8(out).unwrap_or_default()
}

/// Appends `<items/>` with what is in it.
pub(super) fn print_item_list(node: &NodeName, items: &[Item], out: &mut Vec<u8>) {
    out.extend_from_slice(b"<items node='");
    print_attribute(node.as_str(), out);
    out.extend_from_slice(b"'>");
    for item in items {
        out.extend_from_slice(b"<item id='");
        print_attribute(item.id.as_str(), out);
        out.extend_from_slice(b"'>");
        out.extend_from_slice(&item.payload);
        out.extend_from_slice(b"</item>");
    }
    out.extend_from_slice(b"</items>");
}

fn publish(iq: &Iq<'_>, publish: &Element, options: Option<&Element>) -> Answer {
    let items = node_of(publish).and_then(|node| Ok((node, parse_items(iq, publish)?)));
    let (node, items) = match items {
        Ok(found) => found,
        Err(refusal) => return Answer::Refuse(refusal),
    };
    let options = match options.map(|options| node_form::parse(options, Purpose::Publish)) {
        Some(Ok(options)) => options,
        None => NodeOptions::default(),
        Some(Err(refusal)) => return Answer::Refuse(refusal),
    };
    if avatar::is_node(&node) {
        return avatar::publish(&node, &items, &options);
    }
    match node.as_str() {
        vcard4::NODE => return vcard4::publish(&node, &items),
        bookmarks::STORAGE => return bookmarks::publish_all(iq, &node, &items),
        _ => {}
    }
    let change = NodeChange::Publish { items, options };
    let request = Request::ChangeNode { node: node.clone(), change };
    Answer::then(request, move |outcome| match outcome {
        Ok(Reply::Published(ids)) => Answer::Result(print_published(&node, &ids)),
        Ok(_) => Answer::Refuse(Refusal::INTERNAL),
        Err(reject) if reject.reason == Reason::Conflict => {
            Answer::Refuse(Refusal::new("cancel", "conflict").with_detail(PRECONDITION))
        }
        Err(reject) => Answer::Refuse(refusal_of(&reject)),
    })
}

fn parse_items(iq: &Iq<'_>, publish: &Element) -> Result<Vec<Item>, Refusal> {
    let mut items = Vec::new();
    for element in item_elements(publish) {
        let id = match element.attr("id").filter(|id| !id.is_empty()) {
            Some(id) => ItemId::parse(id),
            None => ItemId::parse(&(iq.fresh)()),
        };
        let id = id.ok_or(Refusal::NOT_ACCEPTABLE)?;
        let mut payloads = element.children();
        let payload = payloads.next().ok_or_else(|| invalid("payload-required"))?;
        if payloads.next().is_some() {
            return Err(invalid("invalid-payload"));
        }
        items.push(Item { id, payload: String::from(payload).into() });
    }
    if items.is_empty() {
        return Err(invalid("item-required"));
    }
    Ok(items)
}

/// The answer to who published.
pub(super) fn print_published(node: &NodeName, ids: &[ItemId]) -> String {
    let mut out = format!("<pubsub xmlns='{NAMESPACE}'><publish node='").into_bytes();
    print_attribute(node.as_str(), &mut out);
    out.extend_from_slice(b"'>");
    for id in ids {
        out.extend_from_slice(b"<item id='");
        print_attribute(id.as_str(), &mut out);
        out.extend_from_slice(b"'/>");
    }
    out.extend_from_slice(b"</publish></pubsub>");
    String::from_utf8(out).unwrap_or_default()
}

fn retract(retract: &Element) -> Answer {
    let node = match node_of(retract) {
        Ok(node) => node,
        Err(refusal) => return Answer::Refuse(refusal),
    };
    match node.as_str() {
        _ if avatar::is_node(&node) => return avatar::remove(),
        vcard4::NODE => return vcard4::remove(),
        _ => {}
    }
    let ids: Option<Vec<ItemId>> =
        item_elements(retract).map(|item| ItemId::parse(item.attr("id")?)).collect();
    let Some(ids) = ids.filter(|ids| !ids.is_empty()) else {
        return Answer::Refuse(invalid("item-required"));
    };
    let tells = retract.attr("notify").and_then(parse_boolean) == Some(true);
    done(Request::ChangeNode { node, change: NodeChange::Retract { ids, tells } })
}

fn create(iq: &Iq<'_>, create: &Element, configure: Option<&Element>) -> Answer {
    let name = create.attr("node").map_or_else(|| (iq.fresh)(), str::to_owned);
    let Some(node) = NodeName::parse(&name) else { return Answer::Refuse(Refusal::NOT_ACCEPTABLE) };
    if avatar::is_node(&node) {
        return Answer::Refuse(Refusal::new("cancel", "conflict"));
    }
    let options =
        configure.map_or(Ok(NodeOptions::default()), |form| node_form::parse(form, Purpose::Configure));
    let options = match options {
        Ok(options) => options,
        Err(refusal) => return Answer::Refuse(refusal),
    };
    let request = Request::ChangeNode { node: node.clone(), change: NodeChange::Create(options) };
    Answer::then(request, move |outcome| match outcome {
        Ok(_) => {
            let mut out = format!("<pubsub xmlns='{NAMESPACE}'><create node='").into_bytes();
            print_attribute(node.as_str(), &mut out);
            out.extend_from_slice(b"'/></pubsub>");
            Answer::Result(String::from_utf8(out).unwrap_or_default())
        }
        Err(reject) => Answer::Refuse(refusal_of(&reject)),
    })
}

fn subscribe(iq: &Iq<'_>, element: &Element, on: bool) -> Answer {
    let node = match node_of(element) {
        Ok(node) if avatar::is_node(&node) => {
            return Answer::Refuse(Refusal::new("cancel", "feature-not-implemented"));
        }
        Ok(node) => node,
        Err(refusal) => return Answer::Refuse(refusal),
    };
    let jid = element.attr("jid").unwrap_or_default();
    let own = iq.asker.to_string();
    let bare = iq.asker.address.as_str();
    if jid != own && jid != bare {
        return Answer::Refuse(invalid("invalid-jid"));
    }
    let (is_bare, jid) = (jid == bare, jid.to_owned());
    let wanted = Wanted::Subscription { node: node.clone(), on, is_bare };
    let request = Request::Enquire { of: iq.account.clone(), wanted };
    Answer::then(request, move |outcome| match outcome {
        Ok(_) if !on => Answer::done(),
        Ok(_) => {
            let mut out = format!("<pubsub xmlns='{NAMESPACE}'><subscription node='").into_bytes();
            print_attribute(node.as_str(), &mut out);
            out.extend_from_slice(b"' jid='");
            print_attribute(&jid, &mut out);
            out.extend_from_slice(b"' subscription='subscribed'/></pubsub>");
            Answer::Result(String::from_utf8(out).unwrap_or_default())
        }
        Err(reject) => Answer::Refuse(refusal_of(&reject)),
    })
}

/// A request with an empty result.
pub(super) fn done(request: Request) -> Answer {
    Answer::then(request, |outcome| match outcome {
        Ok(_) => Answer::done(),
        Err(reject) => Answer::Refuse(refusal_of(&reject)),
    })
}

fn item_elements(parent: &Element) -> impl Iterator<Item = &Element> {
    parent.children().filter(|child| child.name() == "item")
}

/// The error for a refusal about nodes (XEP-0060 §6.5.9).
pub(super) fn refusal_of(reject: &Reject) -> Refusal {
    match reject.reason {
        Reason::NotAuthenticated => Refusal::new("auth", "not-authorized").with_detail(
            "<presence-subscription-required xmlns='http://jabber.org/protocol/pubsub#errors'/>",
        ),
        Reason::Forbidden => Refusal::new("cancel", "not-allowed")
            .with_detail("<closed-node xmlns='http://jabber.org/protocol/pubsub#errors'/>"),
        Reason::Unexpected => Refusal::new("cancel", "unexpected-request")
            .with_detail("<not-subscribed xmlns='http://jabber.org/protocol/pubsub#errors'/>"),
        // Whom the owner shuts out cannot tell her from nobody, or her node from none.
        Reason::NoSession => Refusal::ITEM_NOT_FOUND,
        _ => Refusal::from_reject(reject, Scope::Own),
    }
}

fn invalid(what: &str) -> Refusal {
    let detail = match what {
        "payload-required" => "<payload-required xmlns='http://jabber.org/protocol/pubsub#errors'/>",
        "invalid-payload" => "<invalid-payload xmlns='http://jabber.org/protocol/pubsub#errors'/>",
        "invalid-jid" => "<invalid-jid xmlns='http://jabber.org/protocol/pubsub#errors'/>",
        _ => "<item-required xmlns='http://jabber.org/protocol/pubsub#errors'/>",
    };
    Refusal::BAD_REQUEST.with_detail(detail)
}

const PRECONDITION: &str = "<precondition-not-met xmlns='http://jabber.org/protocol/pubsub#errors'/>";
