//! People in documents: who is a contact, who was granted presence, who is blocked, whose presence the owner
//! follows. What documents tell of that ([`Told`]), what the account says ([`Wanted`]), and both ways between.
//!
//! Clients say the same thing in several places: an address book, lists of names that they agreed on, rules
//! that name people. Each place is a [`Source`] of its own. When a document is changed, what changed in any
//! source counts; when the account changes, every source is brought up to it. A source that a document lacks is
//! not put into it.

mod address_book;
mod book_edits;
mod changes;
mod fresh;
mod lists;
mod markup;
mod plain_lists;
mod told;
mod wanted;

pub(super) use changes::changes;
pub(super) use fresh::{print_lists, print_services};
pub(super) use markup::address_of;
pub(super) use told::{Source, Statement, Told};
pub(super) use wanted::{Wanted, agree};

use super::tree::{Edits, Element, Tree};
use crate::signal::Address;

/// Whether a tree is a document of lists.
pub(super) fn is_lists(tree: &Tree) -> bool {
    tree.root().is(RESOURCE_LISTS, "resource-lists")
}

/// What a document of lists tells.
pub(super) fn read(tree: &Tree, owner: &Address, told: &mut Told) {
    if !is_lists(tree) {
        return;
    }
    let root = tree.root();
    if let Some(book) = list_of(root, ADDRESS_BOOK_LIST) {
        told.say(Source::AddressBook, address_book::read(book, owner));
    }
    plain_lists::read(root, owner, told);
    lists::read(root, owner, told);
}

/// Brings a document of lists up to what the account says.
pub(super) fn edit<'a>(tree: &'a Tree, owner: &Address, told: &Told, wanted: &Wanted, edits: &mut Edits<'a>) {
    if !is_lists(tree) {
        return;
    }
    let root = tree.root();
    if let Some(book) = list_of(root, ADDRESS_BOOK_LIST) {
        book_edits::edit(book, owner, wanted, edits);
    }
    if told.has(Source::Lists) {
        plain_lists::edit(root, owner, wanted, edits);
    }
    lists::edit(root, owner, wanted, edits);
}

/// The outermost list of this name.
fn list_of<'a>(root: Element<'a>, name: &str) -> Option<Element<'a>> {
    root.elements_named(RESOURCE_LISTS, "list").find(|list| list.attribute("name").as_deref() == Some(name))
}

pub(super) const RESOURCE_LISTS: &str = "urn:ietf:params:xml:ns:resource-lists";
/// Whom the owner granted presence, and whom she blocked, in the lists that OMA named.
pub(super) const GRANTED_LIST: &str = "oma_grantedcontacts";
pub(super) const BLOCKED_LIST: &str = "oma_blockedcontacts";
/// Whose presence Blink follows.
const FOLLOWED_LIST: &str = "sipsimple_presence_rls";
const ADDRESS_BOOK_LIST: &str = "sipsimple_addressbook";
/// The namespace of Blink's address book.
const ADDRESS_BOOK: &str = "urn:ag-projects:xml:ns:addressbook";
