//! The rules of RFC 4745 §10 and of OMA's precedence, as tables.

use std::collections::BTreeSet;

use super::*;
use crate::signal::{Attribute, Attributes, Condition::*, Handling::*, Identity as Who, Period, UserInput};

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn entity(text: &str) -> Entity {
    Entity::Account(address(text))
}

fn one(text: &str) -> Condition {
    Identity(vec![Who::One(entity(text))])
}

fn many(domain: Option<&str>, except: &[Except]) -> Condition {
    Identity(vec![Who::Many { domain: domain.map(Into::into), except: except.to_vec() }])
}

fn rule(id: &str, conditions: &[Condition], handling: Handling) -> Rule {
    Rule { id: id.into(), conditions: conditions.to_vec(), handling: Some(handling), view: None }
}

fn ruleset(rules: &[Rule]) -> Ruleset {
    let lists = [("friends".into(), [entity("bob@a"), entity("carol@b")].into())].into();
    Ruleset { rules: rules.to_vec(), lists }
}

/// The handling of a watcher and the rule that decided; `-` for an anonymous one.
fn check(rules: &[Rule], watcher: &str, expected: (Handling, &str)) {
    let watcher = (watcher != "-").then(|| address(watcher));
    let context = Context { sphere: Some("Work"), ..Context::default() };
    let verdict = verdict(&ruleset(rules), watcher.as_ref(), context, Timestamp(100));
    let why = match &verdict.why {
        Why::Rule(id) => id.as_str(),
        Why::NoRule | Why::Silence => "",
    };
    assert_eq!((verdict.handling, why), expected, "{watcher:?}");
}

#[test]
fn who_is_not_named_is_a_question_to_the_owner() {
    check(&[], "bob@a", (Confirm, ""));
    check(&[rule("1", &[one("bob@a")], Allow)], "carol@a", (Confirm, ""));
    check(&[rule("1", &[one("bob@a")], Allow)], "-", (Confirm, ""));
}

#[test]
fn identities_are_matched_and_left_out() {
    let rules = [rule("1", &[many(Some("a"), &[Except::One(entity("eve@a"))])], Allow)];
    check(&rules, "bob@a", (Allow, "1"));
    check(&rules, "eve@a", (Confirm, ""));
    check(&rules, "bob@b", (Confirm, ""));
    let rules = [rule("1", &[many(None, &[Except::Domain("a".into())])], Allow)];
    check(&rules, "bob@a", (Confirm, ""));
    check(&rules, "bob@b", (Allow, "1"));
    check(&rules, "-", (Confirm, ""));
    check(&[rule("1", &[], PoliteBlock)], "-", (PoliteBlock, "1"));
}

#[test]
fn all_conditions_must_hold_and_unknown_ones_never_do() {
    let period = |from, until| Validity(vec![Period { from: Timestamp(from), until: Timestamp(until) }]);
    for (conditions, holds) in [
        (vec![one("bob@a"), Sphere(vec!["home".into(), "work".into()])], true),
        (vec![one("bob@a"), Sphere(vec!["home".into()])], false),
        (vec![one("bob@a"), period(100, 101)], true),
        (vec![one("bob@a"), period(99, 100)], false),
        (vec![period(101, 200)], false),
        (vec![one("bob@a"), Unknown], false),
        (vec![Identity(Vec::new())], false),
        (vec![Validity(Vec::new())], false),
    ] {
        let expected = if holds { (Allow, "1") } else { (Confirm, "") };
        check(&[rule("1", &conditions, Allow)], "bob@a", expected);
    }
}

#[test]
fn the_greatest_handling_of_all_rules_that_match_wins() {
    let rules = [
        rule("block", &[one("bob@a")], Block),
        rule("polite", &[many(None, &[])], PoliteBlock),
        rule("confirm", &[], Confirm),
    ];
    check(&rules, "bob@a", (PoliteBlock, "polite"));
    check(&rules, "-", (Confirm, "confirm"));
    let silent = Rule { handling: None, ..rule("silent", &[one("bob@a")], Allow) };
    check(&[silent], "bob@a", (Block, ""));
}

#[test]
fn only_rules_of_the_kind_that_counts_most_are_combined() {
    let list = || ExternalList(vec!["friends".into()]);
    let rules = [
        rule("other", &[OtherIdentity], Allow),
        rule("list", &[list()], PoliteBlock),
        rule("one", &[one("bob@a")], Block),
        rule("anonymous", &[AnonymousRequest], Block),
    ];
    check(&rules, "bob@a", (Block, "one"));
    check(&rules, "carol@b", (PoliteBlock, "list"));
    check(&rules, "dave@b", (Allow, "other"));
    check(&rules, "-", (Block, "anonymous"));
    let unknown = ExternalList(vec!["strangers".into()]);
    check(&[rule("1", &[unknown], Allow)], "bob@a", (Confirm, ""));
}

#[test]
fn what_rules_show_is_united_and_what_does_not_allow_shows_nothing() {
    let grant = |attribute| {
        let attributes = Attributes::Some {
            named: [attribute].into(),
            user_input: UserInput::False,
            unknown: BTreeSet::new(),
        };
        Some(View { attributes, ..View::nothing() })
    };
    let rules = [
        Rule { view: grant(Attribute::Mood), ..rule("1", &[one("bob@a")], Allow) },
        Rule { view: grant(Attribute::Note), handling: None, ..rule("2", &[], Allow) },
        rule("3", &[many(None, &[])], Block),
    ];
    let bob = verdict(&ruleset(&rules), Some(&address("bob@a")), Context::default(), Timestamp(0));
    assert!(bob.view.attributes.has(Attribute::Mood) && bob.view.attributes.has(Attribute::Note));
    assert!(!bob.view.attributes.has(Attribute::Sphere));
    let all = [rule("1", &[], Allow)];
    let verdict = verdict(&ruleset(&all), Some(&address("bob@a")), Context::default(), Timestamp(0));
    assert_eq!(verdict.view, View::everything());
}

#[test]
fn the_next_beginning_or_end_of_a_period_is_told() {
    let period = |from, until| Period { from: Timestamp(from), until: Timestamp(until) };
    let rules = [
        rule("1", &[Validity(vec![period(10, 20), period(30, 40)])], Allow),
        rule("2", &[one("bob@a"), Validity(vec![period(25, 90)])], Allow),
    ];
    for (now, next) in
        [(0, Some(10)), (10, Some(20)), (20, Some(25)), (35, Some(40)), (40, Some(90)), (90, None)]
    {
        assert_eq!(next_change(&ruleset(&rules), Timestamp(now)), next.map(Timestamp), "{now}");
    }
}

/// RFC 4745 §10.3, with handlings in the place of its numbers.
#[test]
fn example_of_common_policy() {
    let during = |from, until| Validity(vec![Period { from: Timestamp(from), until: Timestamp(until) }]);
    let sphere = |name: &str| Sphere(vec![name.into()]);
    let (a1, a2, a3, b1, b2) = (90, 110, 120, 10, 20);
    let rules = [
        rule("1", &[one("bob@a"), sphere("home"), during(a1, a2)], Allow),
        rule("2", &[one("alice@a"), sphere("work"), during(a1, a2)], Confirm),
        rule("3", &[one("bob@a"), sphere("work"), during(a1, a2)], Confirm),
        rule("4", &[one("tom@a"), sphere("work"), during(a1, a2)], Allow),
        rule("5", &[one("bob@a"), sphere("work"), during(a1, a3)], PoliteBlock),
        rule("6", &[one("bob@a"), sphere("work"), during(b1, b2)], Allow),
    ];
    check(&rules, "bob@a", (PoliteBlock, "5"));
}
