//! Rules on who may see an account's presence, and what of it: common policy (RFC 4745), presence
//! authorization (RFC 5025) and the conditions that OMA added, without their XML.
//!
//! A rule matches when all its conditions hold. What rules say together is the presence room's business.

use std::collections::{BTreeMap, BTreeSet};

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::{Address, Timestamp, View};

/// The rules of one account.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ruleset {
    pub rules: Vec<Rule>,
    /// Who is in the lists that conditions name, as far as somebody resolved them.
    #[serde(default)]
    pub lists: BTreeMap<CompactString, BTreeSet<Entity>>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    pub id: CompactString,
    /// All must hold; with none, the rule is for everybody.
    pub conditions: Vec<Condition>,
    /// How a watcher is handled; `None` where the rule does not say, which permits nothing.
    pub handling: Option<Handling>,
    /// What he is shown. `None` where the rule does not say: everything, if it lets him watch at all.
    pub view: Option<View>,
}

/// What a watcher's subscription becomes, weakest first (RFC 5025 §3.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Handling {
    /// It is refused.
    Block,
    /// It waits for the owner's word.
    Confirm,
    /// He believes to watch, and sees somebody who is never there.
    PoliteBlock,
    Allow,
}

/// When a rule applies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// The watcher is any of these, and proved it (RFC 4745 §7.1).
    Identity(Vec<Identity>),
    /// The owner is in one of these spheres; in lower case (RFC 4745 §7.3).
    Sphere(Vec<CompactString>),
    /// It is within any of these periods (RFC 4745 §7.4).
    Validity(Vec<Period>),
    /// The watcher is in one of these lists ([`Ruleset::lists`]).
    ExternalList(Vec<CompactString>),
    /// No other rule names the watcher.
    OtherIdentity,
    /// The watcher does not say who he is.
    AnonymousRequest,
    /// Something that is not known here: never holds.
    Unknown,
    /// The owner granted the watcher presence, by whatever protocol.
    Granted,
    /// The owner blocked the watcher, by whatever protocol.
    Blocked,
}

/// Names watchers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Identity {
    One(Entity),
    /// Everybody who proved who he is; of this domain, where there is one, and none of `except`.
    Many {
        domain: Option<CompactString>,
        except: Vec<Except>,
    },
}

/// Whom a rule for many leaves out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Except {
    One(Entity),
    Domain(CompactString),
}

/// Somebody, as rules and lists name him.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entity {
    /// An account, in whatever scheme its address was written.
    Account(Address),
    /// A name that is no account's address, such as a telephone number.
    Other(CompactString),
    /// Everybody whom the owner granted presence.
    Granted,
    /// Everybody whom the owner blocked.
    Blocked,
}

/// From a moment on, until before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    pub from: Timestamp,
    pub until: Timestamp,
}

/// Bounds of a ruleset, whoever made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RulesetLimits {
    pub rules: usize,
    /// Conditions, identities, exceptions, periods, list names and members of lists, all together.
    pub parts: usize,
    /// Longest name of anything, in bytes.
    pub name: usize,
}

impl Default for RulesetLimits {
    fn default() -> Self {
        Self { rules: 1000, parts: 20_000, name: 1023 }
    }
}

impl Ruleset {
    /// Whether it keeps to the limits.
    #[must_use]
    pub fn is_within(&self, limits: &RulesetLimits) -> bool {
        let members = self.lists.values().map(BTreeSet::len).sum::<usize>() + self.lists.len();
        let parts: usize = self.rules.iter().map(Rule::parts).sum();
        let name = |text: &str| text.len() <= limits.name;
        self.rules.len() <= limits.rules
            && parts + members <= limits.parts
            && self.rules.iter().all(|rule| name(&rule.id))
            && self.lists.keys().all(|anchor| name(anchor))
            && self.lists.values().flatten().all(|entity| match entity {
                Entity::Account(_) | Entity::Granted | Entity::Blocked => true,
                Entity::Other(text) => name(text),
            })
    }
}

impl Rule {
    fn parts(&self) -> usize {
        let identity = |identity: &Identity| match identity {
            Identity::One(_) => 1,
            Identity::Many { except, .. } => 1 + except.len(),
        };
        let part = |condition: &Condition| match condition {
            Condition::Identity(all) => 1 + all.iter().map(identity).sum::<usize>(),
            Condition::Sphere(all) | Condition::ExternalList(all) => 1 + all.len(),
            Condition::Validity(all) => 1 + all.len(),
            Condition::OtherIdentity
            | Condition::AnonymousRequest
            | Condition::Unknown
            | Condition::Granted
            | Condition::Blocked => 1,
        };
        self.conditions.iter().map(part).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_rulesets_are_recognised() {
        let limits = RulesetLimits { rules: 2, parts: 7, name: 7 };
        let bob = Entity::Account(Address::parse("bob@a").unwrap());
        let lists = [("friends".into(), [bob.clone(), Entity::Other("+1".into())].into())].into();
        let named = Condition::Identity(vec![Identity::One(bob)]);
        let rule = |id: &str, conditions: &[Condition]| Rule {
            id: id.into(),
            conditions: conditions.to_vec(),
            handling: None,
            view: None,
        };
        let small = Ruleset { rules: vec![rule("1", std::slice::from_ref(&named)); 2], lists };
        assert!(small.is_within(&limits));
        for rules in [
            vec![rule("1", &[]); 3],
            vec![rule("1", &[named, Condition::OtherIdentity, Condition::Unknown, Condition::Unknown])],
            vec![rule("too long", &[])],
        ] {
            assert!(!Ruleset { rules, ..small.clone() }.is_within(&limits));
        }
    }
}
