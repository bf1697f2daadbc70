//! The account's preference for senders who are no contacts, as a rule of its document on messages (`im-rules`).
//!
//! Such a rule blocks everybody but those of some domains, and is told from other rules by its id and its shape.
//! Contacts are accepted all the same: so it is no rule of the account, and changing it changes the preference.
//!
//! Whoever puts a whole document without the rule may never have heard of it, and must not open what the owner
//! closed: the preference stays and is shown again. Who names the rule may take it away.

use std::collections::BTreeSet;

use super::tree::{Edits, Element, Tree, escape_attribute};
use crate::{
    account::{AcceptedSenders, Facts},
    signal::Address,
};

/// What a document says of the preference. One that says nothing lets everybody write.
pub(super) fn read(tree: Option<&Tree>, owner: &Address, facts: &Facts) -> AcceptedSenders {
    let found = tree.and_then(|tree| find(tree, owner, facts));
    found.map_or(AcceptedSenders::Everybody, |(_, choice)| choice)
}

/// What a document says of the preference that was put, or taken away, as a whole in the place of another. Where it
/// does not speak of the rule, nothing is said.
pub(super) fn read_whole(
    old: Option<&Tree>,
    new: Option<&Tree>,
    owner: &Address,
    facts: &Facts,
) -> AcceptedSenders {
    let id = old.and_then(|old| rule_id(old, owner, facts));
    let is_named = |tree: &Tree| {
        let mut rules = tree.root().elements_named(COMMON_POLICY, "rule");
        rules.any(|rule| rule.attribute("id").as_deref() == Some(id.as_deref().unwrap_or(ID)))
    };
    match new.filter(|new| is_named(new) || find(new, owner, facts).is_some()) {
        Some(new) => read(Some(new), owner, facts),
        None => facts.accepted_senders,
    }
}

/// The id of the rule that is the preference.
pub(super) fn rule_id(tree: &Tree, owner: &Address, facts: &Facts) -> Option<String> {
    find(tree, owner, facts)?.0.attribute("id").map(Into::into)
}

/// A document that says nothing but the preference; `None` where there is nothing to say.
pub(super) fn print(owner: &Address, facts: &Facts) -> Option<String> {
    let rule = print_rule(ID, owner, facts)?;
    Some(format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ruleset xmlns=\"{COMMON_POLICY}\">{rule}</ruleset>\n"
    ))
}

/// Has a document say the preference.
pub(super) fn edit<'a>(tree: &'a Tree, owner: &Address, facts: &Facts, edits: &mut Edits<'a>) {
    let known = find(tree, owner, facts);
    let said = known.as_ref().map_or(AcceptedSenders::Everybody, |(_, choice)| *choice);
    if said == facts.accepted_senders || !tree.root().is(COMMON_POLICY, "ruleset") {
        return;
    }
    if let Some((rule, _)) = known {
        edits.remove(rule);
    }
    let is_taken = |id: &str| {
        let mut others = tree.root().elements().filter(|rule| known.is_none_or(|(known, _)| *rule != known));
        others.any(|rule| rule.attribute("id").as_deref() == Some(id))
    };
    let numbered = (1_u32..).map(|number| format!("{ID}-{number}"));
    let id = std::iter::once(ID.to_owned()).chain(numbered).find(|id| !is_taken(id));
    if let Some(rule) = print_rule(&id.unwrap_or_default(), owner, facts) {
        edits.append(tree.root(), &rule);
    }
}

fn print_rule(id: &str, owner: &Address, facts: &Facts) -> Option<String> {
    let except = |domain: &str| format!("<except domain=\"{}\"/>", escape_attribute(domain));
    let domains: String = domains(facts.accepted_senders, owner, facts)?.into_iter().map(except).collect();
    Some(format!(
        "<rule xmlns=\"{COMMON_POLICY}\" id=\"{id}\"><conditions><identity><many>{domains}</many></identity></conditions>\
         <actions><im-handling xmlns=\"{IM_RULES}\">block</im-handling></actions></rule>"
    ))
}

/// The rule and what it means. Where two choices are the same domains, it is the one that the account has.
fn find<'a>(tree: &'a Tree, owner: &Address, facts: &Facts) -> Option<(Element<'a>, AcceptedSenders)> {
    let choices = [
        facts.accepted_senders,
        AcceptedSenders::SameDomain,
        AcceptedSenders::Authenticated,
        AcceptedSenders::Nobody,
    ];
    tree.root().elements_named(COMMON_POLICY, "rule").find_map(|rule| {
        let excepted = excepted(rule)?;
        let means = |choice: &AcceptedSenders| {
            let domains = domains(*choice, owner, facts);
            domains.is_some_and(|domains| domains.iter().copied().eq(excepted.iter().map(String::as_str)))
        };
        choices.into_iter().find(means).map(|choice| (rule, choice))
    })
}

/// The domains whose users may write; `None` where everybody may.
fn domains<'a>(choice: AcceptedSenders, owner: &'a Address, facts: &'a Facts) -> Option<BTreeSet<&'a str>> {
    Some(match choice {
        AcceptedSenders::Everybody => return None,
        AcceptedSenders::Authenticated => facts.home.iter().map(Address::domain).collect(),
        AcceptedSenders::SameDomain => [owner.domain()].into(),
        AcceptedSenders::Nobody => BTreeSet::new(),
    })
}

/// The domains that a rule of the shape excepts; `None` for a rule of another.
fn excepted(rule: Element<'_>) -> Option<BTreeSet<String>> {
    rule.attribute("id").filter(|id| id.starts_with(ID))?;
    let is_empty =
        |name| rule.element(COMMON_POLICY, name).is_none_or(|part| part.elements().next().is_none());
    let identity = only(rule.element(COMMON_POLICY, "conditions")?, "identity")?;
    let many = only(identity, "many").filter(|many| many.attribute("domain").is_none())?;
    let handling = rule.element(COMMON_POLICY, "actions")?.element(IM_RULES, "im-handling")?;
    if handling.text().trim() != "block" || !is_empty("transformations") {
        return None;
    }
    let domain = |except: Element<'_>| {
        let domain = except.attribute("domain").filter(|_| except.is(COMMON_POLICY, "except"))?;
        Some(domain.to_lowercase())
    };
    many.elements().map(domain).collect()
}

/// The one element within another, where it is this one.
fn only<'a>(parent: Element<'a>, name: &str) -> Option<Element<'a>> {
    let mut all = parent.elements();
    let first = all.next().filter(|first| first.is(COMMON_POLICY, name));
    first.filter(|_| all.next().is_none())
}

/// What the rule's id begins with.
const ID: &str = "accepted-senders";
const COMMON_POLICY: &str = "urn:ietf:params:xml:ns:common-policy";
const IM_RULES: &str = "urn:iptel:xml:ns:im-rules";
