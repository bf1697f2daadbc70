//! Lists of resources that are followed by one subscription (RFC 4662): an account's contacts, and lists that
//! come with the SUBSCRIBE (RFC 5367).
//!
//! [`List`] is what one subscriber knows and is to be told; [`Following`] keeps a watch on each resource in
//! the subscriber's name and shows the list what it hears; [`request`] reads the list of a SUBSCRIBE.
//! When something is sent is [`super::subscription`]'s to say.
//!
//! # Invariants
//!
//! - Resources are watched in the name of the list's owner, one watch each: nobody is shown anything that he
//!   would not be shown if he asked himself (RFC 4662 §7.2).
//! - What is told is exactly what changed: a state that says the same is not told again, what ended is told
//!   once, and whole lists are told first and after every SUBSCRIBE.
//! - One NOTIFY is bounded in size; what finds no room comes in the next ones, oldest change first.
//! - Where both are held, the list's lock is taken after the subscriptions', and no watch begins or ends
//!   under either.

mod following;
mod list;
mod request;

pub(in crate::sip) use following::{Following, News, Wanted};
pub(in crate::sip) use list::{List, SharedList};
pub(in crate::sip) use request::{Carried, RECIPIENT_LIST_SUBSCRIBE, read_carried};

use compact_str::{CompactString, ToCompactString};
use smallvec::SmallVec;

use super::{
    message::{Scheme, Uri},
    translate,
};
use crate::{
    documents::Member,
    formats::{
        resource_lists::{ResourceLists, resource_uri},
        rlmi::Name,
    },
    signal::{Address, Contact},
};

/// The owner of the list that a URI names, where it names one: `sip:alice+presence@example.org` is the
/// contacts of `alice@example.org`.
pub(in crate::sip) fn owner_of(uri: &Uri) -> Option<Address> {
    if !matches!(uri.scheme(), Scheme::Sip | Scheme::Sips) {
        return None;
    }
    let user = uri.user()?;
    let owner = Uri::sip(Some(user.strip_suffix(CONTACTS)?), uri.host()?, None);
    translate::address_of(&owner).filter(|address| !address.is_domain())
}

/// The resources of an account's contact list: those that the owner sees, or has asked to see.
pub(in crate::sip) fn wanted_of_contacts(contacts: &[Contact]) -> Vec<Wanted> {
    let followed = contacts.iter().filter(|contact| contact.to || contact.ask);
    followed
        .map(|contact| Wanted {
            uri: translate::print_uri(&contact.address),
            names: contact.name.iter().map(|name| Name::new(name)).collect(),
            address: Some(contact.address.clone()),
            is_granted: contact.to,
        })
        .collect()
}

/// The resources of a list that came with a request, each once. Those that nobody here can follow are in the
/// list all the same (RFC 5367 §3.1).
pub(in crate::sip) fn wanted_of_lists(lists: &ResourceLists) -> Vec<Wanted> {
    let mut known = rustc_hash::FxHashSet::default();
    let each = lists.entries().map(|entry| {
        let name = entry.display_name.as_ref();
        let names = name.map(|name| Name { text: name.text.clone(), lang: name.lang.clone() });
        wanted(&entry.uri, names.into_iter().collect())
    });
    each.filter(|wanted| known.insert(wanted.uri.clone())).collect()
}

/// The resources of a list that documents have, each once.
pub(in crate::sip) fn wanted_of_members(members: Vec<Member>) -> Vec<Wanted> {
    let mut known = rustc_hash::FxHashSet::default();
    let each = members.into_iter().map(|member| {
        let names = member.name.map(|(text, lang)| Name { text, lang });
        wanted(&member.uri, names.into_iter().collect())
    });
    each.filter(|wanted| known.insert(wanted.uri.clone())).collect()
}

fn wanted(uri: &str, names: Names) -> Wanted {
    let uri = resource_uri(uri);
    let address = Uri::parse(&uri).ok().and_then(|uri| translate::address_of(&uri));
    let address = address.filter(|address| !address.is_domain());
    Wanted { uri, names, address, is_granted: false }
}

/// As the first line of a list's documents has it: the URI that was subscribed to, without parameters.
pub(in crate::sip) fn print_list_uri(uri: &Uri) -> CompactString {
    uri.without_params().as_str().to_compact_string()
}

/// Names of a resource.
type Names = SmallVec<[Name; 1]>;

/// What makes the user part of an account's address the one of its contact list.
const CONTACTS: &str = "+presence";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::resource_lists::Limits;

    #[test]
    fn the_list_of_an_account_has_its_name() {
        for (uri, owner) in [
            ("sip:alice+presence@example.org", Some("alice@example.org")),
            ("sips:Alice%2bpresence@example.org;transport=tls", Some("alice@example.org")),
            ("sip:alice@example.org", None),
            ("sip:alice+dialog@example.org", None),
            ("sip:+presence@example.org", None),
            ("tel:+presence", None),
        ] {
            let found = owner_of(&Uri::parse(uri).unwrap()).map(|address| address.to_string());
            assert_eq!(found.as_deref(), owner, "{uri}");
        }
    }

    #[test]
    fn contacts_whom_the_owner_sees_or_asked_are_followed() {
        let contact = |name: &str, to, ask, from| {
            let address = Address::parse(&format!("{name}@example.org")).unwrap();
            Contact { to, ask, from, name: Some(name.into()), ..Contact::new(address) }
        };
        let contacts = [
            contact("bob", true, false, true),
            contact("carol", false, true, false),
            contact("dave", false, false, true),
        ];
        let wanted = wanted_of_contacts(&contacts);
        let found: Vec<_> =
            wanted.iter().map(|wanted| (wanted.uri.as_str(), wanted.names.as_slice())).collect();
        assert_eq!(
            found,
            [
                ("sip:bob@example.org", &[Name::new("bob")][..]),
                ("sip:carol@example.org", &[Name::new("carol")])
            ]
        );
    }

    #[test]
    fn entries_are_followed_once_and_under_the_uri_they_have() {
        let text = "<resource-lists xmlns='urn:ietf:params:xml:ns:resource-lists'><list>\
            <entry uri='sip:Bob@example.org'/><entry uri='carol%40example.org'><display-name>C</display-name></entry>\
            <entry uri='sip:Bob@example.org'/><entry uri='tel:+49'/><entry uri='sip:example.org'/></list></resource-lists>";
        let lists = ResourceLists::parse(text.as_bytes(), &Limits::default()).unwrap();
        let wanted = wanted_of_lists(&lists);
        let found: Vec<_> = wanted
            .iter()
            .map(|wanted| {
                (wanted.uri.as_str(), wanted.address.as_ref().map(Address::as_str), wanted.names.len())
            })
            .collect();
        assert_eq!(
            found,
            [
                ("sip:Bob@example.org", Some("bob@example.org"), 0),
                ("sip:carol@example.org", Some("carol@example.org"), 1),
                ("tel:+49", None, 0),
                ("sip:example.org", None, 0)
            ]
        );
    }
}
