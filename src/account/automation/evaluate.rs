//! Which actions rules come to. Pure.

use std::cell::OnceCell;

use compact_str::CompactString;

use super::{Forbidden, scopes::Listed};
use crate::signal::{
    Action, Activity, Address, AutomatedRule, Availability, OwnState, Presence, Relation, RuleScope,
    SignalKind, Stage, Timestamp, When,
};

/// What conditions are about.
#[derive(Debug, Clone, Copy)]
pub(in crate::account) struct Facts<'a> {
    pub(in crate::account) kind: SignalKind,
    pub(in crate::account) stage: Stage,
    pub(in crate::account) sender: &'a Address,
    pub(in crate::account) owner: &'a Address,
    pub(in crate::account) is_buddy: bool,
    /// The owner's, all her sessions together.
    pub(in crate::account) presence: &'a Presence,
    pub(in crate::account) text: Option<&'a str>,
    /// What the owner's own rules must not do.
    pub(in crate::account) forbidden: Forbidden<'a>,
    pub(in crate::account) now: Timestamp,
}

/// An action that is to be done, and the rule that says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::account) struct Taken {
    pub(in crate::account) scope: RuleScope,
    pub(in crate::account) id: CompactString,
    pub(in crate::account) action: Action,
}

/// What became of one rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::account) enum Verdict {
    Holds,
    Disabled,
    /// It has an action that the operator forbids.
    Forbidden,
    /// It is for another stage.
    OtherStage,
    /// The condition of this index does not hold, and none before it.
    Fails(usize),
    /// An earlier rule has decided.
    NotAsked,
}

/// The actions of all rules that hold, up to the first that decides; `tell` hears of every rule.
pub(in crate::account) fn evaluate<'a>(
    chain: impl Iterator<Item = Listed<'a>>,
    facts: &Facts<'_>,
    mut tell: impl FnMut(&Listed<'a>, Verdict),
) -> Vec<Taken> {
    let mut taken = Vec::new();
    let mut is_decided = false;
    let folded = OnceCell::new();
    for listed in chain {
        let verdict = if is_decided { Verdict::NotAsked } else { judge(&listed, facts, &folded) };
        tell(&listed, verdict);
        if verdict != Verdict::Holds {
            continue;
        }
        is_decided = listed.rule.then.last().is_some_and(Action::is_final);
        let (scope, id) = (listed.scope, &listed.rule.id);
        taken.extend(listed.rule.then.iter().map(|action| Taken {
            scope,
            id: id.clone(),
            action: action.clone(),
        }));
        taken.truncate(MOST_ACTIONS);
    }
    taken
}

/// Whether a rule might be about signals of a kind, whatever else it says.
pub(in crate::account) fn may_be_about(rule: &AutomatedRule, kind: SignalKind) -> bool {
    rule.when.iter().all(|when| !matches!(when, When::Kind(kinds) if !kinds.contains(&kind)))
}

fn judge(listed: &Listed<'_>, facts: &Facts<'_>, folded: &OnceCell<String>) -> Verdict {
    let rule = listed.rule;
    if !rule.enabled {
        return Verdict::Disabled;
    }
    if facts.forbidden.forbids(listed.scope, rule) {
        return Verdict::Forbidden;
    }
    if rule.stage != facts.stage {
        return Verdict::OtherStage;
    }
    let asked = Asked { listed, facts, folded };
    match rule.when.iter().position(|when| !asked.holds(when)) {
        Some(index) => Verdict::Fails(index),
        None => Verdict::Holds,
    }
}

struct Asked<'a> {
    listed: &'a Listed<'a>,
    facts: &'a Facts<'a>,
    /// The text in lower case, made when it is asked for.
    folded: &'a OnceCell<String>,
}

impl Asked<'_> {
    fn holds(&self, when: &When) -> bool {
        let facts = self.facts;
        match when {
            When::Kind(all) => all.contains(&facts.kind),
            When::Sender(all) => all
                .iter()
                .any(|one| one == facts.sender || (one.is_domain() && one.domain() == facts.sender.domain())),
            When::Relation(all) => all.iter().any(|relation| self.is(*relation)),
            When::Hours(hours) => hours.contains(self.listed.clock.read(facts.now)),
            When::Dates(dates) => dates.contains(facts.now),
            When::Presence(all) => all.iter().any(|state| is_in(facts.presence, *state)),
            When::Text(all) => {
                let text = self.folded();
                all.iter().any(|wanted| text.contains(wanted.to_lowercase().as_str()))
            }
            When::Not(inner) => !self.holds(inner),
        }
    }

    fn is(&self, relation: Relation) -> bool {
        let facts = self.facts;
        let is_near = facts.sender.domain() == facts.owner.domain();
        match relation {
            Relation::Buddy => facts.is_buddy,
            Relation::SameDomain => is_near,
            Relation::Stranger => !facts.is_buddy && !is_near,
        }
    }

    fn folded(&self) -> &str {
        self.folded.get_or_init(|| {
            let text = self.facts.text.unwrap_or_default();
            text.chars().take(SEARCHED_CHARS).collect::<String>().to_lowercase()
        })
    }
}

fn is_in(presence: &Presence, state: OwnState) -> bool {
    match state {
        OwnState::Online => presence.availability == Availability::Online,
        OwnState::Away => presence.availability == Availability::Away,
        OwnState::ExtendedAway => presence.availability == Availability::ExtendedAway,
        OwnState::Busy => presence.availability == Availability::Busy,
        OwnState::Offline => presence.availability == Availability::Offline,
        OwnState::OnThePhone => presence.activities.contains(&Activity::OnThePhone),
    }
}

/// How much of a text is looked into, in characters.
const SEARCHED_CHARS: usize = 8192;
/// Most actions that one signal causes; those beyond are not done.
const MOST_ACTIONS: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        account::automation::{RuleList, Scopes, scopes::chain},
        signal::Automation,
    };

    fn list(zone: &str, rules: &str) -> RuleList {
        let text = format!(r#"{{"zone":"{zone}","rules":{rules}}}"#);
        RuleList::new(serde_json::from_str::<Automation>(&text).expect("rules"))
    }

    /// Friday, 2026-01-02, 22:30 in Berlin; bob, a buddy of alice, writes "Hello World" while she is away
    /// and on the phone.
    fn holds(when: &str) -> bool {
        let own = list("Europe/Berlin", &format!(r#"[{{"id":"r","when":[{when}],"then":["accept"]}}]"#));
        let (sender, owner) = ("bob@example.net".parse().unwrap(), "alice@example.org".parse().unwrap());
        let presence = Presence {
            availability: Availability::Away,
            activities: vec![Activity::OnThePhone],
            ..Presence::default()
        };
        let facts = Facts {
            kind: SignalKind::Message,
            stage: Stage::AtOnce,
            sender: &sender,
            owner: &owner,
            is_buddy: true,
            presence: &presence,
            text: Some("Hello Wörld"),
            forbidden: Forbidden::default(),
            now: Timestamp::parse_rfc3339("2026-01-02T21:30:00Z").unwrap(),
        };
        !evaluate(chain(&Scopes::default(), "example.org", Some(&own)), &facts, |_, _| {}).is_empty()
    }

    #[test]
    fn every_condition_holds_and_fails() {
        for (when, expect) in [
            (r#"{"kind":["call","message"]}"#, true),
            (r#"{"kind":["call","contact"]}"#, false),
            (r#"{"sender":["bob@example.net"]}"#, true),
            (r#"{"sender":["example.net"]}"#, true),
            (r#"{"sender":["bob@example.org","example.com"]}"#, false),
            (r#"{"relation":["buddy"]}"#, true),
            (r#"{"relation":["same-domain"]}"#, false),
            (r#"{"relation":["stranger"]}"#, false),
            (r#"{"relation":["stranger","buddy"]}"#, true),
            (r#"{"hours":{"from":"22:00","until":"06:00"}}"#, true),
            (r#"{"hours":{"days":["fri"],"from":"22:00","until":"06:00"}}"#, true),
            (r#"{"hours":{"days":["sat"],"from":"22:00","until":"06:00"}}"#, false),
            (r#"{"hours":{"from":"21:00","until":"22:00"}}"#, false),
            (r#"{"dates":{"from":"2026-01-02T21:30:00Z"}}"#, true),
            (r#"{"dates":{"until":"2026-01-02T21:30:00Z"}}"#, false),
            (r#"{"dates":{"from":"2026-01-01T00:00:00Z","until":"2026-02-01T00:00:00Z"}}"#, true),
            (r#"{"presence":["away"]}"#, true),
            (r#"{"presence":["on-the-phone"]}"#, true),
            (r#"{"presence":["online","extended-away","busy","offline"]}"#, false),
            (r#"{"text":["WÖRLD"]}"#, true),
            (r#"{"text":["nothing","llo w"]}"#, true),
            (r#"{"text":["nothing"]}"#, false),
            (r#"{"not":{"text":["nothing"]}}"#, true),
            (r#"{"not":{"relation":["buddy"]}}"#, false),
            (r#"{"kind":["message"]},{"relation":["buddy"]}"#, true),
            (r#"{"kind":["message"]},{"relation":["stranger"]}"#, false),
            ("", true),
        ] {
            assert_eq!(holds(when), expect, "{when}");
        }
    }

    #[test]
    fn lists_are_asked_in_their_order_until_one_decides() {
        let rule = |id: &str, rest: &str, then: &str| format!(r#"{{"id":"{id}",{rest}"then":[{then}]}}"#);
        let both = |name: &str| {
            let first = rule(&format!("{name}1"), "", r#""quiet""#);
            let last = rule(&format!("{name}2"), r#""order":"after","#, r#"{"mark":"m"}"#);
            list("UTC", &format!("[{last},{first}]"))
        };
        let mut scopes = Scopes { server: both("s"), ..Scopes::default() };
        scopes.domains.insert("example.org".into(), both("d"));
        scopes.domains.insert("example.net".into(), both("other"));
        let disabled = rule("a0", r#""enabled":false,"#, r#""accept""#);
        let busy = rule("a1", r#""stage":"busy","#, r#""accept""#);
        let fails = rule("a2", r#""when":[{"kind":["message"]},{"kind":["call"]}],"#, r#""accept""#);
        let open = rule("a3", "", r#""quiet""#);
        for (last, expect) in [
            ("quiet", "s1 d1 a3 a4 d2 s2 | s1+ d1+ a0- a1~ a2!1 a3+ a4+ d2+ s2+"),
            ("discard", "s1 d1 a3 a4 | s1+ d1+ a0- a1~ a2!1 a3+ a4+ d2? s2?"),
        ] {
            let last = rule("a4", "", &format!(r#""{last}""#));
            let own = list("UTC", &format!("[{disabled},{busy},{fails},{open},{last}]"));
            let (sender, owner) = ("b@x".parse().unwrap(), "a@example.org".parse().unwrap());
            let facts = Facts {
                kind: SignalKind::Message,
                stage: Stage::AtOnce,
                sender: &sender,
                owner: &owner,
                is_buddy: false,
                presence: &Presence::default(),
                text: None,
                forbidden: Forbidden::default(),
                now: Timestamp(0),
            };
            let mut told = Vec::new();
            let taken = evaluate(chain(&scopes, "example.org", Some(&own)), &facts, |listed, verdict| {
                let word = match verdict {
                    Verdict::Holds => "+".to_owned(),
                    Verdict::Disabled | Verdict::Forbidden => "-".to_owned(),
                    Verdict::OtherStage => "~".to_owned(),
                    Verdict::Fails(index) => format!("!{index}"),
                    Verdict::NotAsked => "?".to_owned(),
                };
                told.push(format!("{}{word}", listed.rule.id));
            });
            let ids: Vec<_> = taken.iter().map(|taken| taken.id.as_str()).collect();
            assert_eq!(format!("{} | {}", ids.join(" "), told.join(" ")), expect);
        }
    }
}
