//! Blink's address book, read: contacts with several addresses each, groups of them, and policies for people
//! who are no contacts.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use compact_str::CompactString;
use smallvec::SmallVec;

use super::{
    ADDRESS_BOOK,
    markup::{address_of, trimmed},
    told::Statement,
    wanted::Policy,
};
use crate::{documents::tree::Element, formats::xml::parse_boolean, signal::Address};

/// A contact of the book.
pub(super) struct BookContact<'a> {
    pub(super) element: Element<'a>,
    pub(super) id: CompactString,
    pub(super) name: CompactString,
    /// Those of its addresses that are of people, in the order of the document, the principal one first.
    pub(super) addresses: Vec<(Element<'a>, Address)>,
    /// How many addresses of any kind it has.
    pub(super) uris: usize,
    pub(super) handling: Handling<'a>,
}

/// What is said of presence.
pub(super) struct Handling<'a> {
    pub(super) policy: Policy,
    pub(super) policy_element: Option<Element<'a>>,
    pub(super) follows: bool,
    pub(super) follows_element: Option<Element<'a>>,
}

/// A group of the book.
pub(super) struct BookGroup<'a> {
    pub(super) element: Element<'a>,
    pub(super) name: CompactString,
    /// Ids of contacts.
    pub(super) members: Vec<(Element<'a>, CompactString)>,
}

/// A policy for somebody, contact or not.
pub(super) struct BookPolicy<'a> {
    pub(super) address: Address,
    pub(super) handling: Handling<'a>,
}

/// All of it that is understood here.
pub(super) struct Book<'a> {
    pub(super) list: Element<'a>,
    pub(super) contacts: Vec<BookContact<'a>>,
    pub(super) groups: Vec<BookGroup<'a>>,
    pub(super) policies: Vec<BookPolicy<'a>>,
    /// Every id of the document.
    ids: BTreeSet<Cow<'a, str>>,
    /// The names of the groups that each contact is in, by its id: in their order, each once.
    memberships: BTreeMap<CompactString, SmallVec<[CompactString; 2]>>,
}

/// What the book tells.
pub(super) fn read(list: Element<'_>, owner: &Address) -> Statement {
    let book = Book::read(list, owner);
    let mut contacts: BTreeMap<Address, super::told::Card> = BTreeMap::new();
    let mut policies: Vec<(&Address, &Handling<'_>)> = Vec::new();
    for contact in &book.contacts {
        for (_, address) in &contact.addresses {
            let card = contacts.entry(address.clone()).or_default();
            book.groups_of(&contact.id).iter().for_each(|group| card.add_group(group));
            card.name.get_or_insert_with(|| contact.name.clone());
            policies.push((address, &contact.handling));
        }
    }
    policies.extend(book.policies.iter().map(|policy| (&policy.address, &policy.handling)));
    let people: BTreeSet<&Address> = policies.iter().map(|(one, _)| *one).collect();
    let is_manifold = people.len() < policies.len();
    let all = |wanted: &dyn Fn(&Handling<'_>) -> bool| -> BTreeSet<Address> {
        policies.iter().filter(|(_, handling)| wanted(handling)).map(|(one, _)| (*one).clone()).collect()
    };
    let blocked = all(&|handling| handling.policy == Policy::Block);
    let mut granted = all(&|handling| handling.policy == Policy::Allow);
    granted.retain(|one| !blocked.contains(one));
    let followed = all(&|handling| handling.follows);
    Statement {
        contacts: Some(contacts),
        granted: Some(granted),
        blocked: Some(blocked),
        followed: Some(followed),
        is_manifold,
    }
}

impl<'a> Book<'a> {
    pub(super) fn read(list: Element<'a>, owner: &Address) -> Self {
        let named = |name: &'static str| list.elements_named(ADDRESS_BOOK, name);
        let root = std::iter::successors(Some(list), |element| element.parent()).last().unwrap_or(list);
        let groups: Vec<BookGroup<'a>> = named("group").map(BookGroup::read).collect();
        let mut memberships: BTreeMap<CompactString, SmallVec<[CompactString; 2]>> = BTreeMap::new();
        for group in &groups {
            for (_, member) in &group.members {
                let names = memberships.entry(member.clone()).or_default();
                if let Err(index) = names.binary_search(&group.name) {
                    names.insert(index, group.name.clone());
                }
            }
        }
        Self {
            list,
            memberships,
            groups,
            ids: root.descendants().filter_map(|element| element.attribute("id")).collect(),
            contacts: named("contact").map(|element| BookContact::read(element, owner)).collect(),
            policies: named("policy-element")
                .filter_map(|element| {
                    let address = address_of(&element.attribute("uri")?, owner)?;
                    Some(BookPolicy { address, handling: Handling::read(element) })
                })
                .collect(),
        }
    }

    /// The names of the groups that a contact is in, in their order, each once.
    pub(super) fn groups_of(&self, id: &str) -> &[CompactString] {
        self.memberships.get(id).map_or(&[], SmallVec::as_slice)
    }

    /// Whether an id is in use, anywhere in the document.
    pub(super) fn has_id(&self, id: &str) -> bool {
        self.ids.contains(id)
    }
}

impl<'a> BookContact<'a> {
    fn read(element: Element<'a>, owner: &Address) -> Self {
        let uris = element.element(ADDRESS_BOOK, "uris");
        let principal = uris.and_then(|uris| uris.attribute("default"));
        let all: Vec<Element<'a>> =
            uris.into_iter().flat_map(|uris| uris.elements_named(ADDRESS_BOOK, "uri")).collect();
        let is_principal = |uri: &Element<'_>| principal.is_some() && uri.attribute("id") == principal;
        let is_person = |uri: &Element<'_>| {
            let kind = uri.attribute("type").unwrap_or_default();
            !kind.to_ascii_lowercase().contains("mail")
        };
        let mut addresses: Vec<(Element<'a>, Address)> = all
            .iter()
            .filter(|uri| is_person(uri))
            .filter_map(|uri| Some((*uri, address_of(&uri.attribute("uri")?, owner)?)))
            .collect();
        addresses.sort_by_key(|(uri, _)| !is_principal(uri));
        Self {
            element,
            id: element.attribute("id").unwrap_or_default().as_ref().into(),
            name: element.element(ADDRESS_BOOK, "name").map(|name| trimmed(&name.text())).unwrap_or_default(),
            addresses,
            uris: all.len(),
            handling: Handling::read(element),
        }
    }
}

impl<'a> BookGroup<'a> {
    fn read(element: Element<'a>) -> Self {
        let members = element.element(ADDRESS_BOOK, "contacts");
        let members = members.into_iter().flat_map(|all| all.elements_named(ADDRESS_BOOK, "contact_id"));
        Self {
            element,
            name: element.element(ADDRESS_BOOK, "name").map(|name| trimmed(&name.text())).unwrap_or_default(),
            members: members.map(|member| (member, trimmed(&member.text()))).collect(),
        }
    }
}

impl<'a> Handling<'a> {
    fn read(element: Element<'a>) -> Self {
        let presence = element.element(ADDRESS_BOOK, "presence");
        let child = |name| presence.and_then(|presence| presence.element(ADDRESS_BOOK, name));
        let (policy_element, follows_element) = (child("policy"), child("subscribe"));
        let policy = policy_element.map_or(Policy::Default, |policy| Policy::from_word(&policy.text()));
        let follows =
            follows_element.is_some_and(|follows| parse_boolean(follows.text().trim()) == Some(true));
        Self { policy, policy_element, follows, follows_element }
    }
}
