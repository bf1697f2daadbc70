//! Blink's address book, brought up to what the account says.
//!
//! Of a contact with several addresses one name, one policy and one set of groups are written: it is left as
//! it is while that is true of any of its addresses.

use std::collections::{BTreeMap, BTreeSet};

use compact_str::CompactString;

use super::{
    ADDRESS_BOOK,
    address_book::{Book, BookContact, BookPolicy, Handling},
    markup::{Names, escaped, id_of},
    told::Card,
    wanted::{Policy, Wanted},
};
use crate::{
    documents::tree::{Edits, Element, escape_text},
    signal::Address,
};

pub(super) fn edit<'a>(list: Element<'a>, owner: &Address, wanted: &Wanted, edits: &mut Edits<'a>) {
    let book = Book::read(list, owner);
    let mut writer = Writer {
        names: Names::within(list, ADDRESS_BOOK),
        book: &book,
        wanted,
        policies: book.policies.iter().rev().map(|one| (&one.address, one.handling.policy)).collect(),
        left: BTreeSet::new(),
        joined: BTreeMap::new(),
    };
    let mut known = BTreeSet::new();
    for contact in &book.contacts {
        known.extend(contact.addresses.iter().map(|(_, address)| address));
        writer.edit_contact(contact, edits);
    }
    for (address, card) in wanted.contacts.iter().filter(|(address, _)| !known.contains(address)) {
        writer.add_contact(address, card, edits);
    }
    for policy in &book.policies {
        writer.edit_policy(policy, edits);
    }
    for one in wanted.blocked.iter().chain(&wanted.granted) {
        if !wanted.contacts.contains_key(one) && !writer.policies.contains_key(one) {
            writer.add_policy(one, edits);
        }
    }
    writer.edit_groups(edits);
}

struct Writer<'a, 'b> {
    names: Names,
    book: &'b Book<'a>,
    wanted: &'b Wanted,
    /// What is said of people by themselves; of several policies for one, the first.
    policies: BTreeMap<&'b Address, Policy>,
    /// Contacts that leave a group, by its name; all of them where they are gone.
    left: BTreeSet<(CompactString, Option<CompactString>)>,
    /// Ids of contacts that come into a group, by its name.
    joined: BTreeMap<CompactString, Vec<CompactString>>,
}

impl<'a> Writer<'a, '_> {
    fn edit_contact(&mut self, contact: &BookContact<'a>, edits: &mut Edits<'a>) {
        let (stay, gone): (Vec<_>, Vec<_>) =
            contact.addresses.iter().partition(|(_, address)| self.wanted.contacts.contains_key(address));
        if !gone.is_empty() && gone.len() == contact.uris {
            edits.remove(contact.element);
            self.left.insert((contact.id.clone(), None));
            return;
        }
        if !gone.is_empty() {
            choose_default(contact, &gone, edits);
        }
        for (uri, _) in gone {
            edits.remove(*uri);
        }
        let stay: Vec<(&Address, &Card)> =
            stay.into_iter().filter_map(|(_, one)| self.wanted.contacts.get_key_value(one)).collect();
        let Some((first, card)) = stay.first() else { return };
        let is_true =
            |holds: &dyn Fn(&Address, &Card) -> bool| stay.iter().any(|(one, card)| holds(one, card));
        let has_name = |_: &Address, card: &Card| card.name.as_ref().is_none_or(|name| *name == contact.name);
        if !is_true(&has_name)
            && let Some(name) = &card.name
            && let Some(element) = contact.element.element(ADDRESS_BOOK, "name")
        {
            edits.replace_content(element, &escape_text(name));
        }
        let stated = self.policy_of(contact);
        if !is_true(&|one, _| self.wanted.policy(one) == stated) {
            set_policy(&contact.handling, self.wanted.policy(first), edits);
        }
        if !is_true(&|one, _| self.wanted.followed.contains(one) == contact.handling.follows) {
            set_follows(&contact.handling, self.wanted.followed.contains(*first), edits);
        }
        let groups = self.book.groups_of(&contact.id);
        if !is_true(&|_, card| *card.groups == *groups) {
            let left = groups.iter().filter(|group| !card.groups.contains(group));
            self.left.extend(left.map(|group| (contact.id.clone(), Some(group.clone()))));
            for group in card.groups.iter().filter(|group| !groups.contains(group)) {
                self.joined.entry(group.clone()).or_default().push(contact.id.clone());
            }
        }
    }

    /// What is said of a contact; where it says nothing, its principal address may have a policy of its own.
    fn policy_of(&self, contact: &BookContact<'a>) -> Policy {
        let own = || {
            let (_, first) = contact.addresses.first()?;
            self.policies.get(first).copied()
        };
        match contact.handling.policy {
            Policy::Default => own().unwrap_or(Policy::Default),
            said => said,
        }
    }

    fn add_contact(&mut self, address: &Address, card: &Card, edits: &mut Edits<'a>) {
        let id = id_of('c', address, |id| self.book.has_id(id));
        let uri_id = id_of('u', address, |id| self.book.has_id(id));
        let name = card.name.as_deref().or_else(|| address.local()).unwrap_or_default();
        let names = &self.names;
        let uri = names.inner("uri", &[("id", &uri_id), ("uri", &escaped(address)), ("type", "SIP")], "");
        let inside = names.text("name", name)
            + &names.inner("uris", &[("default", &uri_id)], &uri)
            + &self.handling("dialog", Policy::Default, false)
            + &self.handling("presence", self.wanted.policy(address), self.wanted.followed.contains(address));
        edits.append(self.book.list, &names.outer("contact", &[("id", &id)], &inside));
        for group in &card.groups {
            self.joined.entry(group.clone()).or_default().push(id.as_str().into());
        }
    }

    fn edit_policy(&self, policy: &BookPolicy<'a>, edits: &mut Edits<'a>) {
        let said = policy.handling.policy;
        let wanted = self.wanted.policy(&policy.address);
        // The contact says it, unless this one says otherwise.
        let is_said = self.wanted.contacts.contains_key(&policy.address) && said == Policy::Default;
        if said != wanted && !is_said {
            set_policy(&policy.handling, wanted, edits);
        }
    }

    fn add_policy(&self, address: &Address, edits: &mut Edits<'a>) {
        let id = id_of('p', address, |id| self.book.has_id(id));
        let inside = self.names.text("name", address.as_str())
            + &self.handling("dialog", Policy::Default, false)
            + &self.handling("presence", self.wanted.policy(address), false);
        let attributes = [("id", id.as_str()), ("uri", &escaped(address))];
        edits.append(self.book.list, &self.names.outer("policy-element", &attributes, &inside));
    }

    fn edit_groups(self, edits: &mut Edits<'a>) {
        let mut joined = self.joined;
        for group in &self.book.groups {
            for (element, id) in &group.members {
                let leaves = |group| self.left.contains(&(id.clone(), group));
                if leaves(None) || leaves(Some(group.name.clone())) {
                    edits.remove(*element);
                }
            }
            // Of several groups of one name, the first.
            if let Some(new) = joined.remove(&group.name)
                && let Some(members) = group.element.element(ADDRESS_BOOK, "contacts")
            {
                let names = Names::within(members, ADDRESS_BOOK);
                let all: String =
                    new.iter().map(|id| names.outer("contact_id", &[], &escape_text(id))).collect();
                edits.append(members, &all);
            }
        }
        for (group, members) in joined {
            // The name of a group is as good as an address to make an id of.
            let id = group_id(&group, |id| self.book.has_id(id));
            let names = &self.names;
            let all: String = members.iter().map(|id| names.text("contact_id", id)).collect();
            let inside = names.text("name", &group) + &names.inner("contacts", &[], &all);
            edits.append(self.book.list, &names.outer("group", &[("id", &id)], &inside));
        }
    }

    fn handling(&self, name: &str, policy: Policy, follows: bool) -> String {
        let names = &self.names;
        let follows = if follows { "true" } else { "false" };
        names.inner(name, &[], &(names.text("policy", policy.word()) + &names.text("subscribe", follows)))
    }
}

/// Makes another address the principal one of a contact, where that goes.
fn choose_default<'a>(contact: &BookContact<'a>, gone: &[&(Element<'a>, Address)], edits: &mut Edits<'a>) {
    let Some(uris) = contact.element.element(ADDRESS_BOOK, "uris") else { return };
    let default = uris.attribute("default");
    let goes = |uri: &Element<'_>| gone.iter().any(|(one, _)| one == uri);
    let left: Vec<_> = uris.elements_named(ADDRESS_BOOK, "uri").filter(|uri| !goes(uri)).collect();
    let stays = left.iter().any(|uri| uri.attribute("id") == default);
    if default.is_some()
        && !stays
        && let Some(id) = left.first().and_then(|uri| uri.attribute("id"))
    {
        edits.set_attribute(uris, "default", &id);
    }
}

fn group_id(group: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let letters: String = group.chars().filter(char::is_ascii_alphanumeric).take(32).collect();
    let mut ids = (0_u32..).map(|number| format!("g-{letters}-{number}"));
    ids.find(|id| !is_taken(id)).unwrap_or_default()
}

fn set_policy<'a>(handling: &Handling<'a>, policy: Policy, edits: &mut Edits<'a>) {
    if let Some(element) = handling.policy_element {
        edits.replace_content(element, policy.word());
    }
}

fn set_follows<'a>(handling: &Handling<'a>, follows: bool, edits: &mut Edits<'a>) {
    if let Some(element) = handling.follows_element {
        edits.replace_content(element, if follows { "true" } else { "false" });
    }
}
