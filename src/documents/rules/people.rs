//! People whom rules name and nothing else: read, added and taken out.

use std::collections::BTreeSet;

use super::{COMMON_POLICY, PRES_RULES, is_ruleset};
use crate::{
    documents::{
        contacts::{Source, Statement, Told, Wanted, address_of},
        tree::{Edits, Element, Tree, escape_attribute},
    },
    signal::Address,
};

/// A rule about people.
struct PeopleRule<'a> {
    rule: Element<'a>,
    identity: Element<'a>,
    people: Vec<(Element<'a>, Address)>,
    allows: bool,
}

/// What the rules of a document tell of people.
pub(in crate::documents) fn read(tree: &Tree, owner: &Address, told: &mut Told) {
    if !is_ruleset(tree) {
        return;
    }
    let rules = people_rules(tree, owner);
    let all = |allows: bool| -> BTreeSet<Address> {
        let rules = rules.iter().filter(|rule| rule.allows == allows);
        rules.flat_map(|rule| rule.people.iter().map(|(_, one)| one.clone())).collect()
    };
    let blocked = all(false);
    let mut granted = all(true);
    let named = granted.len();
    granted.retain(|one| !blocked.contains(one));
    let statement = Statement {
        is_manifold: granted.len() < named,
        granted: Some(granted),
        blocked: Some(blocked),
        ..Statement::default()
    };
    told.say(Source::Rules, statement);
}

/// Brings the rules about people up to what the account says. People whom a list names as well are not added.
pub(in crate::documents) fn edit<'a>(
    tree: &'a Tree,
    owner: &Address,
    told: &Told,
    wanted: &Wanted,
    edits: &mut Edits<'a>,
) {
    if !is_ruleset(tree) {
        return;
    }
    let rules = people_rules(tree, owner);
    for (allows, people, is_listed) in
        [(true, &wanted.granted, told.lists_granted()), (false, &wanted.blocked, told.lists_blocked())]
    {
        let mut missing: BTreeSet<&Address> =
            if is_listed { BTreeSet::new() } else { people.iter().collect() };
        let mut open = None;
        for rule in rules.iter().filter(|rule| rule.allows == allows) {
            let gone: Vec<Element<'a>> =
                rule.people.iter().filter(|(_, one)| !people.contains(one)).map(|(one, _)| *one).collect();
            rule.people.iter().for_each(|(_, one)| {
                missing.remove(one);
            });
            if gone.len() == rule.people.len() && missing.is_empty() {
                edits.remove(rule.rule);
                continue;
            }
            gone.into_iter().for_each(|one| {
                edits.remove(one);
            });
            open.get_or_insert(rule);
        }
        add(tree, allows, &missing, open, edits);
    }
}

fn add<'a>(
    tree: &'a Tree,
    allows: bool,
    people: &BTreeSet<&Address>,
    rule: Option<&PeopleRule<'a>>,
    edits: &mut Edits<'a>,
) {
    if people.is_empty() {
        return;
    }
    let one = |address: &&Address| {
        format!(
            "<one xmlns=\"{COMMON_POLICY}\" id=\"sip:{}\"/>",
            escape_attribute(&address.with_ascii_domain())
        )
    };
    let all: String = people.iter().map(one).collect();
    if let Some(rule) = rule {
        edits.append(rule.identity, &all);
        return;
    }
    let (id, handling) = if allows { ("granted", "allow") } else { ("blocked", "polite-block") };
    let is_taken = |id: &str| tree.root().elements().any(|rule| rule.attribute("id").as_deref() == Some(id));
    let mut ids = (0_u32..).map(|number| if number == 0 { id.to_owned() } else { format!("{id}-{number}") });
    let id = ids.find(|id| !is_taken(id)).unwrap_or_default();
    let rule = format!(
        "<rule xmlns=\"{COMMON_POLICY}\" id=\"{id}\"><conditions><identity>{all}</identity></conditions><actions>\
         <sub-handling xmlns=\"{PRES_RULES}\">{handling}</sub-handling></actions></rule>"
    );
    edits.append(tree.root(), &rule);
}

fn people_rules<'a>(tree: &'a Tree, owner: &Address) -> Vec<PeopleRule<'a>> {
    let rules = tree.root().elements_named(COMMON_POLICY, "rule");
    rules.filter_map(|rule| people_rule(rule, owner)).collect()
}

/// A rule whose only condition is that the watcher is one of these people, and that shows all or nothing.
fn people_rule<'a>(rule: Element<'a>, owner: &Address) -> Option<PeopleRule<'a>> {
    let conditions = rule.element(COMMON_POLICY, "conditions")?;
    let mut all = conditions.elements();
    let identity = all.next().filter(|identity| identity.is(COMMON_POLICY, "identity"))?;
    let shows = rule.element(COMMON_POLICY, "transformations");
    if all.next().is_some() || shows.is_some_and(|shows| shows.elements().next().is_some()) {
        return None;
    }
    let person = |one: Element<'a>| {
        let id = one.is(COMMON_POLICY, "one").then(|| one.attribute("id"))??;
        Some((one, address_of(&id, owner)?))
    };
    let people: Vec<_> = identity.elements().map(person).collect::<Option<_>>()?;
    let handling = rule.element(COMMON_POLICY, "actions")?.element(PRES_RULES, "sub-handling")?;
    let allows = match handling.text().trim() {
        "allow" => true,
        "block" | "polite-block" => false,
        _ => return None,
    };
    (!people.is_empty()).then_some(PeopleRule { rule, identity, people, allows })
}
