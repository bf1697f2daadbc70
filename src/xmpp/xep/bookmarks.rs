//! XEP-0402: PEP Native Bookmarks, and XEP-0048 in step with them: who keeps all bookmarks as one element,
//! by XEP-0049 or in a node of its own, reads and changes the same items.

use minidom::Element;

use super::{Answer, Iq, Module, pubsub};
use crate::account::{Reply, Request};
use crate::signal::{
    Access, Extract, Item, ItemId, NodeChange, NodeName, NodeOptions, Party, Reason, SendLast, Wanted,
};
use crate::xmpp::stanza::{print_attribute, print_text};
use crate::xmpp::translate::{Refusal, Scope};

/// The namespace of XEP-0048, which is also the name of its node.
pub(super) const STORAGE: &str = "storage:bookmarks";
const NAMESPACE: &str = "urn:xmpp:bookmarks:1";

pub(super) const MODULE: Module =
    Module { account_features: &["urn:xmpp:bookmarks:1#compat"], ..Module::NONE };

/// Reads all bookmarks as one element, and goes on with it.
pub(super) fn read(iq: &Iq<'_>, print: impl FnOnce(String) -> String + Send + 'static) -> Answer {
    all(iq, move |items| Answer::Result(print(storage_of(&items))))
}

/// Puts what is in one element in the place of all bookmarks, then answers with `result`.
pub(super) fn replace(iq: &Iq<'_>, storage: &Element, result: String) -> Answer {
    let wanted: Vec<Item> =
        storage.children().filter(|child| child.is("conference", STORAGE)).filter_map(item_of).collect();
    all(iq, move |items| {
        let is_kept = |item: &Item| wanted.iter().any(|other| other.id == item.id);
        let gone: Vec<ItemId> =
            items.iter().filter(|item| !is_kept(item)).map(|item| item.id.clone()).collect();
        let fresh: Vec<Item> = wanted
            .iter()
            .filter(|item| !items.iter().any(|old| old.id == item.id && is_same(old, item)))
            .map(|item| with_extensions(item, &items))
            .collect();
        retract(gone, move || publish(fresh, result))
    })
}

/// The owner reads the node that has them all as one item.
pub(super) fn retrieve(iq: &Iq<'_>, node: NodeName) -> Answer {
    read(iq, move |storage| {
        let item = Item { id: current(), payload: storage.into() };
        pubsub::print_items(&node, &[item])
    })
}

/// The owner publishes them all as one item.
pub(super) fn publish_all(iq: &Iq<'_>, node: &NodeName, items: &[Item]) -> Answer {
    let Some(item) = items.first() else { return Answer::Refuse(Refusal::BAD_REQUEST) };
    let storage = std::str::from_utf8(&item.payload).ok().and_then(|text| text.parse::<Element>().ok());
    match storage.filter(|storage| storage.is("storage", STORAGE)) {
        Some(storage) => replace(iq, &storage, pubsub::print_published(node, std::slice::from_ref(&item.id))),
        None => Answer::Refuse(Refusal::BAD_REQUEST),
    }
}

fn current() -> ItemId {
    ItemId::parse("current").expect("a word is an id")
}

/// Goes on with all items.
fn all(iq: &Iq<'_>, then: impl FnOnce(Vec<Item>) -> Answer + Send + 'static) -> Answer {
    let wanted = Wanted::Node { node: node(), extract: Extract::Last(None) };
    Answer::then(Request::Enquire { of: iq.account.clone(), wanted }, move |outcome| match outcome {
        Ok(Reply::Items(items)) => then(items),
        Err(reject) if reject.reason == Reason::NotFound => then(Vec::new()),
        Ok(_) => Answer::Refuse(Refusal::INTERNAL),
        Err(reject) => Answer::Refuse(Refusal::from_reject(&reject, Scope::Own)),
    })
}

fn retract(ids: Vec<ItemId>, then: impl FnOnce() -> Answer + Send + 'static) -> Answer {
    if ids.is_empty() {
        return then();
    }
    let change = NodeChange::Retract { ids, tells: true };
    Answer::then(Request::ChangeNode { node: node(), change }, move |outcome| match outcome {
        // One that is gone already is as it is wanted.
        Ok(_) => then(),
        Err(reject) if reject.reason == Reason::NotFound => then(),
        Err(reject) => Answer::Refuse(Refusal::from_reject(&reject, Scope::Own)),
    })
}

fn publish(items: Vec<Item>, result: String) -> Answer {
    if items.is_empty() {
        return Answer::Result(result);
    }
    // As XEP-0402 §4.1 wants the node to be.
    let options = NodeOptions {
        access: Some(Access::Owner),
        most_items: Some(crate::account::MOST_ITEMS),
        persists: Some(true),
        send_last: Some(SendLast::Never),
        ..NodeOptions::default()
    };
    let change = NodeChange::Publish { items, options };
    Answer::then(Request::ChangeNode { node: node(), change }, move |outcome| match outcome {
        Ok(_) => Answer::Result(result),
        Err(reject) => Answer::Refuse(Refusal::from_reject(&reject, Scope::Own)),
    })
}

fn node() -> NodeName {
    NodeName::parse(NAMESPACE).expect("a namespace is a name")
}

/// A bookmark of XEP-0048 as an item.
fn item_of(conference: &Element) -> Option<Item> {
    let room = Party::parse(conference.attr("jid")?).ok()?.address;
    let mut out = format!("<conference xmlns='{NAMESPACE}'").into_bytes();
    print_same(conference, STORAGE, &mut out);
    out.extend_from_slice(b"</conference>");
    Some(Item { id: ItemId::parse(room.as_str())?, payload: out.into() })
}

/// Appends what both kinds of bookmarks say in the same words, from the end of the start tag's name on.
fn print_same(conference: &Element, namespace: &str, out: &mut Vec<u8>) {
    for name in ["name", "autojoin"] {
        if let Some(value) = conference.attr(name) {
            out.extend_from_slice(format!(" {name}='").as_bytes());
            print_attribute(value, out);
            out.push(b'\'');
        }
    }
    out.push(b'>');
    for name in ["nick", "password"] {
        if let Some(child) = conference.get_child(name, namespace) {
            out.extend_from_slice(format!("<{name}>").as_bytes());
            print_text(&child.text(), out);
            out.extend_from_slice(format!("</{name}>").as_bytes());
        }
    }
}

fn conference_of(item: &Item) -> Option<Element> {
    let text = std::str::from_utf8(&item.payload).ok()?;
    text.parse::<Element>().ok().filter(|element| element.is("conference", NAMESPACE))
}

/// All items as one element of XEP-0048.
fn storage_of(items: &[Item]) -> String {
    let mut out = format!("<storage xmlns='{STORAGE}'>").into_bytes();
    for item in items {
        let Some(conference) = conference_of(item) else { continue };
        out.extend_from_slice(b"<conference jid='");
        print_attribute(item.id.as_str(), &mut out);
        out.push(b'\'');
        print_same(&conference, NAMESPACE, &mut out);
        out.extend_from_slice(b"</conference>");
    }
    out.extend_from_slice(b"</storage>");
    String::from_utf8(out).unwrap_or_default()
}

/// Whether two bookmarks say the same, as far as XEP-0048 has words for it.
fn is_same(one: &Item, other: &Item) -> bool {
    storage_of(std::slice::from_ref(one)) == storage_of(std::slice::from_ref(other))
}

/// A changed bookmark keeps what XEP-0048 has no word for.
fn with_extensions(item: &Item, items: &[Item]) -> Item {
    let old = items.iter().find(|old| old.id == item.id).and_then(conference_of);
    let extensions = old.and_then(|old| old.get_child("extensions", NAMESPACE).cloned());
    let (Some(extensions), Some(mut conference)) = (extensions, conference_of(item)) else {
        return item.clone();
    };
    conference.append_child(extensions);
    Item { id: item.id.clone(), payload: String::from(&conference).into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOKMARKS: &str = "<storage xmlns='storage:bookmarks'><conference autojoin='true' jid='room@muc.x' \
        name='A &amp; B'><nick>n</nick><password>p</password></conference></storage>";

    #[test]
    fn bookmarks_go_both_ways() {
        let storage: Element = BOOKMARKS.parse().unwrap();
        let item = item_of(storage.children().next().unwrap()).unwrap();
        assert_eq!(item.id.as_str(), "room@muc.x");
        let again: Element = storage_of(std::slice::from_ref(&item)).parse().unwrap();
        assert_eq!(again, storage);
    }

    #[test]
    fn a_changed_bookmark_keeps_its_extensions() {
        let old = "<conference xmlns='urn:xmpp:bookmarks:1' name='old'><extensions><e xmlns='u'/></extensions></conference>";
        let old = Item { id: ItemId::parse("room@muc.x").unwrap(), payload: old.into() };
        let storage: Element = BOOKMARKS.parse().unwrap();
        let fresh = item_of(storage.children().next().unwrap()).unwrap();
        assert!(!is_same(&old, &fresh));
        let conference = conference_of(&with_extensions(&fresh, &[old])).unwrap();
        assert!(conference.get_child("extensions", NAMESPACE).is_some());
        assert_eq!(conference.attr("name"), Some("A & B"));
    }
}
