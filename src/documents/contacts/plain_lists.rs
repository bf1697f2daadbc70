//! Lists of contacts as clients write them that know nothing but RFC 4826, and OMA's list of buddies.
//!
//! An outermost list of contacts may hold others, which are its groups. Where there is an address book, these
//! lists are kept up only if somebody uses them: Blink keeps an empty one.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use compact_str::CompactString;

use super::{
    ADDRESS_BOOK_LIST, RESOURCE_LISTS, list_of,
    markup::{Names, UriStyle, add_member, address_of, trimmed},
    told::{Card, Source, Statement, Told},
    wanted::Wanted,
};
use crate::{
    documents::tree::{Edits, Element, escape_text},
    signal::Address,
};

/// One entry of a list, and the group that the list stands for.
struct Listed<'a> {
    element: Element<'a>,
    address: Address,
    group: Option<CompactString>,
}

pub(super) fn read(root: Element<'_>, owner: &Address, told: &mut Told) {
    let entries = entries(root, owner);
    if entries.is_empty() && list_of(root, ADDRESS_BOOK_LIST).is_some() {
        return;
    }
    let mut contacts: BTreeMap<Address, Card> = BTreeMap::new();
    let mut is_manifold = false;
    for entry in entries {
        let name = display_name(entry.element);
        let card = match contacts.entry(entry.address) {
            Entry::Vacant(place) => place.insert(Card { name, ..Card::default() }),
            Entry::Occupied(place) => {
                let card = place.into_mut();
                is_manifold |= card.name != name;
                card.name = card.name.take().or(name);
                card
            }
        };
        entry.group.iter().for_each(|group| card.add_group(group));
    }
    told.say(Source::Lists, Statement { contacts: Some(contacts), is_manifold, ..Statement::default() });
}

pub(super) fn edit<'a>(root: Element<'a>, owner: &Address, wanted: &Wanted, edits: &mut Edits<'a>) {
    let has_groups = list_of(root, ADDRESS_BOOK_LIST).is_none();
    let mut known: BTreeMap<Address, BTreeSet<Option<CompactString>>> = BTreeMap::new();
    for entry in entries(root, owner) {
        let card = wanted.contacts.get(&entry.address);
        let belongs = |group: &CompactString| card.is_some_and(|card| card.groups.contains(group));
        let stays = card.is_some() && (!has_groups || entry.group.as_ref().is_none_or(belongs));
        if stays {
            edit_name(entry.element, card, edits);
            known.entry(entry.address).or_default().insert(entry.group);
        } else {
            edits.remove(entry.element);
        }
    }
    let mut missing: BTreeMap<Option<CompactString>, Vec<(&Address, &Card)>> = BTreeMap::new();
    for (address, card) in &wanted.contacts {
        let stated = known.get(address);
        let lacks = |group: &Option<CompactString>| stated.is_none_or(|stated| !stated.contains(group));
        if has_groups && !card.groups.is_empty() {
            for group in card.groups.iter().cloned().map(Some).filter(lacks) {
                missing.entry(group).or_default().push((address, card));
            }
        } else if stated.is_none() {
            missing.entry(None).or_default().push((address, card));
        }
    }
    for (group, people) in missing {
        add(root, group.as_deref(), &people, edits);
    }
}

/// Adds people to the list of a group, or to the outermost one, and that where it is missing.
fn add<'a>(root: Element<'a>, group: Option<&str>, people: &[(&Address, &Card)], edits: &mut Edits<'a>) {
    let list = contact_lists(root).into_iter().find(|(_, found)| found.as_deref() == group);
    let scope = list.as_ref().map_or(root, |(list, _)| *list);
    let names = Names::within(scope, RESOURCE_LISTS);
    let style = UriStyle::of(root);
    let print = |outer: bool| -> String {
        let entry = |(address, card): &(&Address, &Card)| {
            let uri = style.print(address);
            let name = card.name.as_ref().map(|name| names.text("display-name", name)).unwrap_or_default();
            let attributes = [("uri", uri.as_str())];
            if outer {
                names.outer("entry", &attributes, &name)
            } else {
                names.inner("entry", &attributes, &name)
            }
        };
        people.iter().map(entry).collect()
    };
    if let Some((list, _)) = list {
        return add_member(list, &print(true), edits);
    }
    let name = match group {
        None => BUDDIES.to_owned(),
        Some(group) if is_reserved(group) || group == BUDDIES => format!("group {group}"),
        Some(group) => group.to_owned(),
    };
    let title = group.map(|group| names.text("display-name", group)).unwrap_or_default();
    let list = names.outer("list", &[("name", &name)], &(title + &print(false)));
    match contact_lists(root).into_iter().find(|(_, group)| group.is_none()) {
        Some((outermost, _)) if group.is_some() => add_member(outermost, &list, edits),
        _ => add_member(root, &list, edits),
    }
}

/// Gives an entry the name that the contact has; one without name keeps what is written.
fn edit_name<'a>(entry: Element<'a>, card: Option<&Card>, edits: &mut Edits<'a>) {
    let Some(name) = card.and_then(|card| card.name.as_ref()) else { return };
    if display_name(entry).as_ref() == Some(name) {
        return;
    }
    match entry.element(RESOURCE_LISTS, "display-name") {
        Some(found) => {
            edits.replace_content(found, &escape_text(name));
        }
        None => {
            let title = Names::within(entry, RESOURCE_LISTS).outer("display-name", &[], &escape_text(name));
            match entry.elements().next() {
                Some(first) => edits.insert_before(first, &title),
                None => edits.append(entry, &title),
            };
        }
    }
}

fn entries<'a>(root: Element<'a>, owner: &Address) -> Vec<Listed<'a>> {
    let mut found = Vec::new();
    for (list, group) in contact_lists(root) {
        for element in list.elements_named(RESOURCE_LISTS, "entry") {
            let uri = element.attribute("uri");
            if let Some(address) = uri.and_then(|uri| address_of(&uri, owner)) {
                found.push(Listed { element, address, group: group.clone() });
            }
        }
    }
    found
}

/// Every list of contacts, with the group that it stands for, in the order of the document.
fn contact_lists(root: Element<'_>) -> Vec<(Element<'_>, Option<CompactString>)> {
    let mut found = Vec::new();
    let mut open: Vec<Element<'_>> = root.elements_named(RESOURCE_LISTS, "list").collect();
    open.reverse();
    while let Some(list) = open.pop() {
        let name = list.attribute("name").map(|name| trimmed(&name)).unwrap_or_default();
        let is_outermost = list.parent() == Some(root);
        if is_outermost && is_reserved(&name) {
            continue;
        }
        let is_root = is_outermost && (name.is_empty() || ROOTS.contains(&name.as_str()));
        let group = (!is_root).then(|| display_name(list).unwrap_or(name)).filter(|group| !group.is_empty());
        found.push((list, group));
        let inner: Vec<_> = list.elements_named(RESOURCE_LISTS, "list").collect();
        open.extend(inner.into_iter().rev());
    }
    found
}

fn display_name(element: Element<'_>) -> Option<CompactString> {
    let name = trimmed(&element.element(RESOURCE_LISTS, "display-name")?.text());
    (!name.is_empty()).then_some(name)
}

/// Whether an outermost list of this name holds no contacts but says something else of people.
fn is_reserved(name: &str) -> bool {
    name != BUDDIES && ["oma_", "sipsimple_", "dialog_"].iter().any(|prefix| name.starts_with(prefix))
}

/// OMA's list of buddies.
pub(super) const BUDDIES: &str = "oma_buddylist";
/// Outermost lists that are no groups. COMPAT(Jitsi): the second.
const ROOTS: &[&str] = &[BUDDIES, "RootGroup"];
