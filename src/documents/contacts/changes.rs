//! From two readings of documents to what the client meant to change.

use std::{cmp::Ordering, collections::BTreeSet, sync::Arc};

use super::{
    told::{Aspect, Card, Source, Statement, Told},
    wanted::{is_granted, is_listed},
};
use crate::{
    account::{FactChange, Facts},
    signal::{Address, Contact, ContactEvent},
};

/// What has to become of the account when documents tell `new` instead of `old`.
///
/// What any source adds, is added. What a source does not tell any more that is still there, or what none
/// tells any more, is removed. Linear in what the sources tell that are not the same.
pub(in crate::documents) fn changes(old: &Told, new: &Told, facts: &Facts) -> Vec<FactChange> {
    let change = |aspect| Change::between(old, new, aspect);
    let changes = Changes {
        old,
        new,
        contacts: change(Aspect::Contact),
        granted: change(Aspect::Granted),
        blocked: change(Aspect::Blocked),
        followed: change(Aspect::Followed),
    };
    let mut people = changes.people();
    people.retain(|one| !one.is_domain());
    let mut out = Vec::new();
    for somebody in people {
        changes.of(somebody, facts, &mut out);
    }
    out
}

/// Who comes and who goes, of one kind of statement.
#[derive(Debug, Default)]
struct Change<'a> {
    added: BTreeSet<&'a Address>,
    removed: BTreeSet<&'a Address>,
}

impl<'a> Change<'a> {
    fn between(old: &'a Told, new: &'a Told, aspect: Aspect) -> Self {
        let mut change = Self::default();
        for (statement, before) in changed(old, new) {
            let before = before.and_then(|before| before.people(aspect));
            let Some(after) = statement.people(aspect) else { continue };
            differences(before.into_iter().flatten(), after, |one, ordering| match ordering {
                Ordering::Less => drop(change.removed.insert(one)),
                Ordering::Greater => drop(change.added.insert(one)),
                Ordering::Equal => {}
            });
        }
        for (source, before) in old.statements() {
            let is_told = new.find(source).is_some_and(|after| after.people(aspect).is_some());
            let people = before.people(aspect).filter(|_| !is_told);
            change.removed.extend(people.into_iter().flatten().filter(|one| !new.says(aspect, one)));
        }
        change.removed.retain(|one| !change.added.contains(one));
        change
    }
}

/// The statements of `new` that are not the very ones of `old`, each with the one of before.
fn changed<'a>(old: &'a Told, new: &'a Told) -> impl Iterator<Item = (&'a Statement, Option<&'a Statement>)> {
    new.statements().filter_map(|(source, after)| {
        let before = old.find(source);
        let is_same = before.is_some_and(|before| Arc::ptr_eq(before, after));
        (!is_same).then(|| (after.as_ref(), before.map(AsRef::as_ref)))
    })
}

/// Tells of everybody in two lists in order whether he is in the first alone (less), the second alone
/// (greater) or in both.
fn differences<'a>(
    first: impl Iterator<Item = &'a Address>,
    second: impl Iterator<Item = &'a Address>,
    mut tell: impl FnMut(&'a Address, Ordering),
) {
    let (mut first, mut second) = (first.peekable(), second.peekable());
    loop {
        let ordering = match (first.peek(), second.peek()) {
            (None, None) => return,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(one), Some(other)) => one.cmp(other),
        };
        let left = if ordering == Ordering::Greater { None } else { first.next() };
        let right = if ordering == Ordering::Less { None } else { second.next() };
        if let Some(one) = left.or(right) {
            tell(one, ordering);
        }
    }
}

struct Changes<'a> {
    old: &'a Told,
    new: &'a Told,
    contacts: Change<'a>,
    granted: Change<'a>,
    blocked: Change<'a>,
    followed: Change<'a>,
}

impl<'a> Changes<'a> {
    /// Everybody whom some change is about.
    fn people(&self) -> BTreeSet<&'a Address> {
        let changes = [&self.contacts, &self.granted, &self.blocked, &self.followed];
        let mut people: BTreeSet<&Address> = changes
            .into_iter()
            .flat_map(|change| change.added.iter().chain(&change.removed))
            .copied()
            .collect();
        people.extend(self.other_cards().into_iter().filter(|one| self.changed_card(one).is_some()));
        people
    }

    /// Everybody of whom some source has another card than before.
    fn other_cards(&self) -> Vec<&'a Address> {
        let mut people = Vec::new();
        for (after, before) in changed(self.old, self.new) {
            let before = before.and_then(|before| before.contacts.as_ref());
            let mut before = before.into_iter().flatten().peekable();
            for (one, card) in after.contacts.iter().flatten() {
                while before.next_if(|(earlier, _)| *earlier < one).is_some() {}
                let known = before.next_if(|(known, _)| *known == one);
                if known.is_none_or(|(_, known)| known != card) {
                    people.push(one);
                }
            }
        }
        people
    }

    /// The card of somebody, where a source has another one than before; the first such source counts.
    fn changed_card(&self, somebody: &Address) -> Option<&'a Card> {
        let sources = [Source::AddressBook, Source::Lists];
        sources.into_iter().find_map(|source| {
            let after = self.new.card(source, somebody)?;
            let before = self.old.card(source, somebody);
            // Another source knew him: his card here is no news.
            let is_copy = before.is_none() && !self.contacts.added.contains(somebody);
            (before != Some(after) && !is_copy).then_some(after)
        })
    }

    fn of(&self, somebody: &Address, facts: &Facts, out: &mut Vec<FactChange>) {
        let to = || somebody.clone();
        let say = |event| FactChange::Say { to: to(), event };
        let known = facts.contact(somebody);
        let still = |aspect| self.new.says(aspect, somebody);
        let is_gone = self.contacts.removed.contains(somebody) && known.is_some();
        let card = self.changed_card(somebody);
        if is_gone {
            out.push(FactChange::NoContact(to()));
        } else if let Some(card) = card {
            out.extend(carded(somebody, card, known));
        }
        let was_granted = !is_gone && known.is_some_and(is_granted);
        let was_followed = !is_gone && known.is_some_and(|contact| contact.to || contact.ask);
        let is_blocked = facts.blocked.binary_search(somebody).is_ok();
        if self.blocked.added.contains(somebody) && !is_blocked {
            out.push(FactChange::Block(to()));
        } else if self.blocked.removed.contains(somebody) && is_blocked {
            out.push(FactChange::Unblock(to()));
        }
        let is_granted = self.granted.added.contains(somebody)
            || (is_gone && still(Aspect::Granted) && known.is_some_and(is_granted));
        // A block hides what was granted and does not take it back; who ends it says whether that stands.
        let is_said = self.granted.removed.contains(somebody) || self.blocked.removed.contains(somebody);
        let is_revoked = is_said && !still(Aspect::Granted) && !still(Aspect::Blocked);
        if is_granted && !was_granted {
            out.push(say(ContactEvent::Subscribed));
        } else if is_revoked && was_granted {
            // An entry that was nothing but the permission goes with it.
            let is_permission = card.is_none() && known.is_some_and(|contact| !is_listed(contact));
            out.push(if is_permission {
                FactChange::NoContact(to())
            } else {
                say(ContactEvent::Unsubscribed)
            });
        }
        if self.followed.added.contains(somebody) && !was_followed {
            out.push(say(ContactEvent::Subscribe));
        } else if self.followed.removed.contains(somebody) && was_followed {
            out.push(say(ContactEvent::Unsubscribe));
        }
    }
}

/// The contact as the card has it, unless it is so already.
fn carded(somebody: &Address, card: &Card, known: Option<&Contact>) -> Option<FactChange> {
    let name = card.name.clone().or_else(|| known.and_then(|contact| contact.name.clone()));
    let groups = card.groups.clone();
    let is_same = known.is_some_and(|contact| contact.name == name && contact.groups == groups);
    (!is_same).then(|| FactChange::Contact { address: somebody.clone(), name, groups })
}
