//! XEP-0060 §12.15, XEP-0163 §4: what a client is told of nodes, its owner's and those of her contacts.

use bytes::Bytes;

use super::{avatar, pubsub::print_item_list, vcard4};
use crate::signal::{ItemId, NodeName, NodeNews, Party, PersonalNews, Piece};
use crate::xmpp::stanza::{Head, Jid, Kind, print_addressed, print_attribute};

const NAMESPACE: &str = "http://jabber.org/protocol/pubsub#event";

/// Appends the message that tells of it. All but the receiver is printed once for all.
pub(in crate::xmpp) fn print(news: &PersonalNews, to: &Party, out: &mut Vec<u8>) {
    print_addressed(news.printed.or_print(|| print_shared(news)), to.into(), out);
}

fn print_shared(news: &PersonalNews) -> Bytes {
    let mut event = format!("<event xmlns='{NAMESPACE}'>").into_bytes();
    match &news.what {
        Piece::Avatar(avatar) => avatar::print_metadata(avatar.as_deref(), &mut event),
        Piece::Profile(profile) => {
            if let Some(node) = NodeName::parse(vcard4::NODE) {
                print_item_list(&node, &[vcard4::item(profile)], &mut event);
            }
        }
        Piece::Node { node, news } => print_node(node, news, &mut event),
    }
    event.extend_from_slice(b"</event>");
    let head = Head {
        kind: Kind::Message,
        from: Some(Jid::from(&news.from)),
        stanza_type: Some("headline"),
        ..Head::default()
    };
    let mut out = Vec::new();
    head.print(&[&event], &mut out);
    Bytes::from(out)
}

fn print_node(node: &NodeName, news: &NodeNews, out: &mut Vec<u8>) {
    match news {
        NodeNews::Published(items) => print_item_list(node, items, out),
        NodeNews::Touched(ids) => print_ids(node, "item", ids, out),
        NodeNews::Retracted(ids) => print_ids(node, "retract", ids, out),
        NodeNews::Purged => print_empty("purge", node, out),
        NodeNews::Deleted => print_empty("delete", node, out),
        NodeNews::Configured => print_empty("configuration", node, out),
    }
}

fn print_ids(node: &NodeName, name: &str, ids: &[ItemId], out: &mut Vec<u8>) {
    out.extend_from_slice(b"<items node='");
    print_attribute(node.as_str(), out);
    out.extend_from_slice(b"'>");
    for id in ids {
        out.extend_from_slice(format!("<{name} id='").as_bytes());
        print_attribute(id.as_str(), out);
        out.extend_from_slice(b"'/>");
    }
    out.extend_from_slice(b"</items>");
}

fn print_empty(name: &str, node: &NodeName, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("<{name} node='").as_bytes());
    print_attribute(node.as_str(), out);
    out.extend_from_slice(b"'/>");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::{Address, Item};

    #[test]
    fn news_are_printed() {
        let node = NodeName::parse("urn:x'y").unwrap();
        let id = || ItemId::parse("a<b").unwrap();
        let item = Item { id: id(), payload: Bytes::from_static(b"<p xmlns='u'/>") };
        for (news, expect) in [
            (
                NodeNews::Published(vec![item]),
                "<items node='urn:x&apos;y'><item id='a&lt;b'><p xmlns='u'/></item></items>",
            ),
            (NodeNews::Touched(vec![id()]), "<items node='urn:x&apos;y'><item id='a&lt;b'/></items>"),
            (NodeNews::Retracted(vec![id()]), "<items node='urn:x&apos;y'><retract id='a&lt;b'/></items>"),
            (NodeNews::Purged, "<purge node='urn:x&apos;y'/>"),
            (NodeNews::Deleted, "<delete node='urn:x&apos;y'/>"),
            (NodeNews::Configured, "<configuration node='urn:x&apos;y'/>"),
        ] {
            let what = Piece::Node { node: node.clone(), news };
            let news = PersonalNews::new(Address::parse("a@x").unwrap(), what);
            let mut out = Vec::new();
            print(&news, &Party::parse("b@x/r").unwrap(), &mut out);
            let start = "<message from='a@x' to='b@x/r' type='headline'><event xmlns='http://jabber.org/protocol/pubsub#event'>";
            assert_eq!(String::from_utf8(out).unwrap(), format!("{start}{expect}</event></message>"));
        }
    }
}
