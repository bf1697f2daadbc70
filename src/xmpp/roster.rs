//! `jabber:iq:roster`: reading, changing and following the roster, with versions (RFC 6121 §2).
//!
//! What a roster is and what may be done to it the account knows; this only reads and writes the XML.

use compact_str::CompactString;
use minidom::Element;
use smallvec::SmallVec;

use super::session::Expect;
use super::stanza::print_attribute;
use super::translate::Refusal;
use super::xep::{Answer, Handler, Iq, Module, Payload, Target};
use crate::account::{ContactChange, Request, RosterView};
use crate::signal::{Address, Contact, Party};

const NAMESPACE: &str = "jabber:iq:roster";
/// Most groups of an item that are read. The account knows how many a contact may be in; it is fewer.
const GROUPS: usize = 100;

pub(super) const MODULE: Module = Module {
    server_features: &[NAMESPACE],
    account_features: &[NAMESPACE],
    payloads: &[Payload { name: "query", namespace: NAMESPACE, handler: Handler::Shared(answer) }],
};

fn answer(iq: &Iq<'_>) -> Answer {
    match iq.target {
        Target::Account => {}
        // Whether there is such an account must not show (RFC 6121 §2.3.3, §8.5.1).
        Target::Other if iq.is_set => return Answer::Refuse(Refusal::FORBIDDEN),
        Target::Server | Target::Other => return Answer::Refuse(Refusal::SERVICE_UNAVAILABLE),
    }
    if !iq.is_set {
        let since = iq.payload.attribute("ver").and_then(|version| version.parse().ok());
        return Answer::Ask(Box::new(Request::Roster { since }), Expect::Roster);
    }
    match iq.payload.to_element().ok_or(Refusal::BAD_REQUEST).and_then(|query| parse_change(&query)) {
        Ok(request) => Answer::Ask(Box::new(request), Expect::Done),
        Err(refusal) => Answer::Refuse(refusal),
    }
}

/// Exactly one item (RFC 6121 §2.1.5), and the errors of §2.3.3.
fn parse_change(query: &Element) -> Result<Request, Refusal> {
    let mut items = query.children().filter(|child| child.is("item", NAMESPACE));
    let (Some(item), None) = (items.next(), items.next()) else { return Err(Refusal::BAD_REQUEST) };
    let address = parse_address(item)?;
    if item.attr("subscription") == Some("remove") {
        return Ok(Request::RemoveContact { address });
    }
    let mut groups: SmallVec<[CompactString; 2]> = SmallVec::new();
    for group in item.children().filter(|child| child.is("group", NAMESPACE)) {
        let group = CompactString::from(group.text());
        if group.is_empty() {
            return Err(Refusal::NOT_ACCEPTABLE);
        }
        if groups.len() >= GROUPS {
            return Err(Refusal::NOT_ACCEPTABLE);
        }
        if groups.contains(&group) {
            return Err(Refusal::BAD_REQUEST);
        }
        groups.push(group);
    }
    let name = item.attr("name").filter(|name| !name.is_empty()).map(CompactString::from);
    Ok(Request::SetContact { address, name, groups })
}

fn parse_address(item: &Element) -> Result<Address, Refusal> {
    let jid = item.attr("jid").ok_or(Refusal::BAD_REQUEST)?;
    let party = Party::parse(jid).map_err(|_| Refusal::JID_MALFORMED)?;
    Ok(party.address)
}

/// The content of the answer to a roster get.
pub(super) fn print_view(view: &RosterView) -> String {
    let mut out = format!("<query xmlns='{NAMESPACE}' ver='{}'>", view.version).into_bytes();
    view.contacts.iter().for_each(|contact| print_item(contact, &mut out));
    out.extend_from_slice(b"</query>");
    String::from_utf8(out).unwrap_or_default()
}

/// The content of a roster push. Those that bring an old copy up to date name the version of their change each,
/// in order: a client that loses the connection in between asks again from where it was (RFC 6121 §2.6.3).
pub(super) fn print_change(change: &ContactChange) -> String {
    let mut out = format!("<query xmlns='{NAMESPACE}' ver='{}'>", change.version).into_bytes();
    if change.removed {
        out.extend_from_slice(b"<item jid='");
        print_attribute(change.contact.address.as_str(), &mut out);
        out.extend_from_slice(b"' subscription='remove'/>");
    } else {
        print_item(&change.contact, &mut out);
    }
    out.extend_from_slice(b"</query>");
    String::from_utf8(out).unwrap_or_default()
}

pub(super) fn print_item(contact: &Contact, out: &mut Vec<u8>) {
    out.extend_from_slice(b"<item jid='");
    print_attribute(contact.address.as_str(), out);
    if let Some(name) = &contact.name {
        out.extend_from_slice(b"' name='");
        print_attribute(name, out);
    }
    let subscription = match (contact.to, contact.from) {
        (true, true) => "both",
        (true, false) => "to",
        (false, true) => "from",
        (false, false) => "none",
    };
    out.extend_from_slice(format!("' subscription='{subscription}'").as_bytes());
    if contact.ask {
        out.extend_from_slice(b" ask='subscribe'");
    }
    if contact.approved {
        out.extend_from_slice(b" approved='true'");
    }
    if contact.groups.is_empty() {
        out.extend_from_slice(b"/>");
        return;
    }
    out.push(b'>');
    for group in &contact.groups {
        out.extend_from_slice(b"<group>");
        super::stanza::print_text(group, out);
        out.extend_from_slice(b"</group>");
    }
    out.extend_from_slice(b"</item>");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(items: &str) -> Result<Request, Refusal> {
        let query = format!("<query xmlns='{NAMESPACE}'>{items}</query>");
        parse_change(&query.parse().expect("xml"))
    }

    #[test]
    fn changes_are_read() {
        let expected = Request::SetContact {
            address: Address::parse("bob@example.org").expect("an address"),
            name: Some("Bob & Co".into()),
            groups: SmallVec::from_vec(vec!["Friends".into()]),
        };
        let item = "<item jid='Bob@example.org/x' name='Bob &amp; Co'><group>Friends</group></item>";
        assert_eq!(change(item), Ok(expected));
        let removal = change("<item jid='bob@example.org' subscription='remove'/>");
        assert!(matches!(removal, Ok(Request::RemoveContact { .. })));
    }

    #[test]
    fn bad_changes_get_the_right_error() {
        let many: String = (0..=GROUPS).map(|at| format!("<group>{at}</group>")).collect();
        let many = format!("<item jid='a@b'>{many}<group>0</group></item>");
        for (items, expected) in [
            (many.as_str(), "not-acceptable"),
            ("", "bad-request"),
            ("<item jid='a@b'/><item jid='c@d'/>", "bad-request"),
            ("<item/>", "bad-request"),
            ("<item jid='@'/>", "jid-malformed"),
            ("<item jid='a@b'><group/></item>", "not-acceptable"),
            ("<item jid='a@b'><group>x</group><group>x</group></item>", "bad-request"),
        ] {
            assert_eq!(change(items).map_err(|refusal| refusal.condition), Err(expected), "{items}");
        }
    }

    #[test]
    fn items_are_written() {
        let mut contact = Contact::new(Address::parse("bob@example.org").expect("an address"));
        contact.ask = true;
        assert_eq!(
            print_change(&ContactChange { version: 7, contact: contact.clone(), removed: false }),
            "<query xmlns='jabber:iq:roster' ver='7'><item jid='bob@example.org' subscription='none' \
             ask='subscribe'/></query>"
        );
        (contact.to, contact.from, contact.ask) = (true, true, false);
        contact.name = Some("B'ob".into());
        contact.groups.push("A&B".into());
        let view =
            RosterView { version: 8, complete: true, contacts: vec![contact.clone()], changes: vec![] };
        assert_eq!(
            print_view(&view),
            "<query xmlns='jabber:iq:roster' ver='8'><item jid='bob@example.org' name='B&apos;ob' \
             subscription='both'><group>A&amp;B</group></item></query>"
        );
        assert_eq!(
            print_change(&ContactChange { version: 9, contact, removed: true }),
            "<query xmlns='jabber:iq:roster' ver='9'><item jid='bob@example.org' subscription='remove'/></query>"
        );
    }
}
