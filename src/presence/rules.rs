//! What a ruleset says of one watcher at one moment (RFC 4745 §10, RFC 5025).
//!
//! The permissions of all rules that match are united: the greatest handling, everything that any of
//! them shows.
//!
//! Which rules count where several kinds of condition name watchers is OMA's: a rule for anonymous
//! requests before one that names the watcher, before one with a list that he is in, before one for
//! all others. Only the rules of the first kind that matches are combined. A rule without any of these
//! conditions is for everybody and counts among those that name the watcher, so that a ruleset of
//! RFC 5025 alone is combined as that says.

use compact_str::CompactString;

use crate::signal::{Address, Condition, Entity, Except, Handling, Identity, Rule, Ruleset, Timestamp, View};

/// What rules look at besides the watcher and the clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct Context<'a> {
    /// Where the owner is, as all her publications that say it agree (RFC 5025 §3.1.2).
    pub sphere: Option<&'a str>,
    /// Whether the owner granted the watcher presence.
    pub is_granted: bool,
    /// Whether she blocked him.
    pub is_blocked: bool,
}

/// What becomes of a watcher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub handling: Handling,
    /// What he may see; of no meaning unless he is allowed to watch.
    pub view: View,
    pub why: Why,
}

/// What decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The first rule of those that said so.
    Rule(CompactString),
    /// Rules matched, and none of them said how to handle the watcher.
    Silence,
    /// No rule matched: the owner is to be asked.
    NoRule,
}

/// What the rules say of a watcher; `None` for one who does not say, or did not prove, who he is.
/// Where no rule matches, the owner is to be asked.
#[must_use]
pub fn verdict(
    ruleset: &Ruleset,
    watcher: Option<&Address>,
    context: Context<'_>,
    now: Timestamp,
) -> Verdict {
    let asked = Asked { ruleset, watcher, context, now };
    let matching = || ruleset.rules.iter().filter_map(|rule| Some((asked.class(rule)?, rule)));
    let Some(class) = matching().map(|(class, _)| class).max() else {
        return Verdict { handling: Handling::Confirm, view: View::nothing(), why: Why::NoRule };
    };
    let rules = || matching().filter(|(found, _)| *found == class).map(|(_, rule)| rule);
    let handling = rules().map(handling_of).max().unwrap_or(Handling::Block);
    let view = rules().map(view_of).reduce(View::or).unwrap_or_else(View::nothing);
    let why = rules().find(|rule| rule.handling == Some(handling));
    let why = why.map_or(Why::Silence, |rule| Why::Rule(rule.id.clone()));
    Verdict { handling, view, why }
}

/// When a rule begins or ends to hold next: what was said before may be another thing then.
#[must_use]
pub fn next_change(ruleset: &Ruleset, now: Timestamp) -> Option<Timestamp> {
    ruleset.rules.iter().filter_map(|rule| next_change_of(rule, now)).min()
}

/// The kind of condition that made a rule match, the one that counts most last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Other,
    List,
    Identity,
    Anonymous,
}

struct Asked<'a> {
    ruleset: &'a Ruleset,
    watcher: Option<&'a Address>,
    context: Context<'a>,
    now: Timestamp,
}

impl Asked<'_> {
    /// How the rule matches; `None` where it does not. The first condition that names watchers decides.
    fn class(&self, rule: &Rule) -> Option<Class> {
        if !rule.conditions.iter().all(|condition| self.holds(condition)) {
            return None;
        }
        let named = rule.conditions.iter().find_map(|condition| match condition {
            Condition::Identity(_) => Some(Class::Identity),
            Condition::ExternalList(_) => Some(Class::List),
            Condition::OtherIdentity => Some(Class::Other),
            Condition::AnonymousRequest => Some(Class::Anonymous),
            Condition::Sphere(_)
            | Condition::Validity(_)
            | Condition::Unknown
            | Condition::Granted
            | Condition::Blocked => None,
        });
        Some(named.unwrap_or(Class::Identity))
    }

    fn holds(&self, condition: &Condition) -> bool {
        match condition {
            Condition::Identity(all) => {
                self.watcher.is_some_and(|watcher| all.iter().any(|identity| names(identity, watcher)))
            }
            Condition::Sphere(all) => self
                .context
                .sphere
                .is_some_and(|sphere| all.iter().any(|one| one.eq_ignore_ascii_case(sphere))),
            Condition::Validity(all) => {
                all.iter().any(|period| (period.from..period.until).contains(&self.now))
            }
            Condition::ExternalList(all) => {
                self.watcher.is_some_and(|watcher| all.iter().any(|list| self.lists(list, watcher)))
            }
            // That no other rule names him is what the classes see to.
            Condition::OtherIdentity => self.watcher.is_some(),
            Condition::AnonymousRequest => self.watcher.is_none(),
            Condition::Unknown => false,
            Condition::Granted => self.context.is_granted,
            Condition::Blocked => self.context.is_blocked,
        }
    }

    fn lists(&self, list: &CompactString, watcher: &Address) -> bool {
        let Some(members) = self.ruleset.lists.get(list) else { return false };
        members.contains(&Entity::Account(watcher.clone()))
            || (self.context.is_granted && members.contains(&Entity::Granted))
            || (self.context.is_blocked && members.contains(&Entity::Blocked))
    }
}

fn names(identity: &Identity, watcher: &Address) -> bool {
    let excepted = |except: &Except| match except {
        Except::One(entity) => is(entity, watcher),
        Except::Domain(domain) => watcher.domain() == domain,
    };
    match identity {
        Identity::One(entity) => is(entity, watcher),
        Identity::Many { domain, except } => {
            domain.as_ref().is_none_or(|domain| watcher.domain() == domain) && !except.iter().any(excepted)
        }
    }
}

fn is(entity: &Entity, watcher: &Address) -> bool {
    matches!(entity, Entity::Account(address) if address == watcher)
}

/// The lowest value where a rule says nothing (RFC 4745 §10.2).
fn handling_of(rule: &Rule) -> Handling {
    rule.handling.unwrap_or(Handling::Block)
}

/// What a rule shows. COMPAT(Blink): one that allows and says nothing of what is shown means all.
fn view_of(rule: &Rule) -> View {
    match &rule.view {
        Some(view) => view.clone(),
        None if rule.handling == Some(Handling::Allow) => View::everything(),
        None => View::nothing(),
    }
}

/// The next moment at which a period of the rule begins or ends.
fn next_change_of(rule: &Rule, now: Timestamp) -> Option<Timestamp> {
    let periods = rule.conditions.iter().flat_map(|condition| match condition {
        Condition::Validity(all) => all.as_slice(),
        _ => &[],
    });
    periods.flat_map(|period| [period.from, period.until]).filter(|moment| *moment > now).min()
}

#[cfg(test)]
mod tests;
