//! The lists of agreed names: granted, blocked, followed.

use std::collections::BTreeSet;

use super::{
    BLOCKED_LIST, FOLLOWED_LIST, GRANTED_LIST, RESOURCE_LISTS, list_of,
    markup::{Names, UriStyle, add_member, address_of},
    told::{Source, Statement, Told},
    wanted::Wanted,
};
use crate::{
    documents::tree::{Edits, Element},
    signal::Address,
};

pub(super) fn read(root: Element<'_>, owner: &Address, told: &mut Told) {
    let mut say = |name, source, statement: fn(BTreeSet<Address>) -> Statement| {
        if let Some(list) = list_of(root, name) {
            told.say(source, statement(entries(list, owner).map(|(_, one)| one).collect()));
        }
    };
    say(GRANTED_LIST, Source::Granted, |all| Statement { granted: Some(all), ..Statement::default() });
    say(BLOCKED_LIST, Source::Blocked, |all| Statement { blocked: Some(all), ..Statement::default() });
    say(FOLLOWED_LIST, Source::Followed, |all| Statement { followed: Some(all), ..Statement::default() });
}

pub(super) fn edit<'a>(root: Element<'a>, owner: &Address, wanted: &Wanted, edits: &mut Edits<'a>) {
    for (name, people) in
        [(GRANTED_LIST, &wanted.granted), (BLOCKED_LIST, &wanted.blocked), (FOLLOWED_LIST, &wanted.followed)]
    {
        if let Some(list) = list_of(root, name) {
            edit_list(root, list, owner, people, edits);
        }
    }
}

fn edit_list<'a>(
    root: Element<'a>,
    list: Element<'a>,
    owner: &Address,
    people: &BTreeSet<Address>,
    edits: &mut Edits<'a>,
) {
    let mut missing: BTreeSet<&Address> = people.iter().collect();
    for (entry, one) in entries(list, owner) {
        if !people.contains(&one) {
            edits.remove(entry);
        }
        missing.remove(&one);
    }
    if missing.is_empty() {
        return;
    }
    let (names, style) = (Names::within(list, RESOURCE_LISTS), UriStyle::of(root));
    let entry = |one: &Address| names.outer("entry", &[("uri", &style.print(one))], "");
    let all: String = missing.into_iter().map(entry).collect();
    add_member(list, &all, edits);
}

/// The entries of a list that name somebody.
fn entries<'a>(list: Element<'a>, owner: &Address) -> impl Iterator<Item = (Element<'a>, Address)> {
    let all = list.elements_named(RESOURCE_LISTS, "entry");
    all.filter_map(move |entry| Some((entry, address_of(&entry.attribute("uri")?, owner)?)))
}
