//! From two readings of documents to what the client meant to change.

use std::collections::BTreeSet;

use super::{
    told::{Aspect, Card, Source, Told},
    wanted::{is_granted, is_listed},
};
use crate::{
    account::{FactChange, Facts},
    signal::{Address, Contact, ContactEvent},
};

/// What has to become of the account when documents tell `new` instead of `old`.
///
/// What any source adds, is added. What a source does not tell any more that is still there, or what none
/// tells any more, is removed.
pub(in crate::documents) fn changes(old: &Told, new: &Told, facts: &Facts) -> Vec<FactChange> {
    let change = |aspect| Change::between(old, new, aspect);
    let changes = Changes {
        old,
        new,
        contacts: change(Aspect::Contact),
        granted: change(Aspect::Granted),
        blocked: change(Aspect::Blocked),
        followed: change(Aspect::Followed),
        still_granted: new.everybody(Aspect::Granted),
        still_blocked: new.everybody(Aspect::Blocked),
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
        for source in new.sources() {
            let after = new.find(source).and_then(|statement| statement.people(aspect));
            let before = old.find(source).and_then(|statement| statement.people(aspect));
            let Some(after) = after else { continue };
            let before_or_none = before.clone().unwrap_or_default();
            change.added.extend(after.difference(&before_or_none));
            change.removed.extend(before.iter().flat_map(|before| before.difference(&after)));
        }
        let (before, after) = (old.everybody(aspect), new.everybody(aspect));
        change.removed.extend(before.difference(&after));
        change.removed.retain(|one| !change.added.contains(one));
        change
    }
}

struct Changes<'a> {
    old: &'a Told,
    new: &'a Told,
    contacts: Change<'a>,
    granted: Change<'a>,
    blocked: Change<'a>,
    followed: Change<'a>,
    still_granted: BTreeSet<&'a Address>,
    still_blocked: BTreeSet<&'a Address>,
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
        let contacts = self.new.everybody(Aspect::Contact);
        people.extend(contacts.into_iter().filter(|one| self.changed_card(one).is_some()));
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
        let known = facts.contacts.iter().find(|contact| contact.address == *somebody);
        let is_gone = self.contacts.removed.contains(somebody) && known.is_some();
        let card = self.changed_card(somebody);
        if is_gone {
            out.push(FactChange::NoContact(to()));
        } else if let Some(card) = card {
            out.extend(carded(somebody, card, known));
        }
        let was_granted = !is_gone && known.is_some_and(is_granted);
        let was_followed = !is_gone && known.is_some_and(|contact| contact.to || contact.ask);
        let is_blocked = facts.blocked.contains(somebody);
        if self.blocked.added.contains(somebody) && !is_blocked {
            out.push(FactChange::Block(to()));
        } else if self.blocked.removed.contains(somebody) && is_blocked {
            out.push(FactChange::Unblock(to()));
        }
        let is_granted = self.granted.added.contains(somebody)
            || (is_gone && self.still_granted.contains(somebody) && known.is_some_and(is_granted));
        // A block hides what was granted and does not take it back; who ends it says whether that stands.
        let is_said = self.granted.removed.contains(somebody) || self.blocked.removed.contains(somebody);
        let is_revoked =
            is_said && !self.still_granted.contains(somebody) && !self.still_blocked.contains(somebody);
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
    let groups = card.groups.iter().cloned().collect();
    let is_same = known.is_some_and(|contact| contact.name == name && contact.groups == groups);
    (!is_same).then(|| FactChange::Contact { address: somebody.clone(), name, groups })
}
