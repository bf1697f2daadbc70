//! Whether rules make sense and keep to the limits, in words for whoever wrote them.

use std::collections::BTreeSet;

use super::{Action, AutomatedRule, Automation, Clock, NoSuchZone, Stage, When};

/// Bounds of one list of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AutomationLimits {
    pub rules: usize,
    /// Conditions of one rule.
    pub conditions: usize,
    /// Values of one condition.
    pub values: usize,
    /// Actions of one rule.
    pub actions: usize,
    /// Longest text of anything, in bytes.
    pub text: usize,
}

impl Default for AutomationLimits {
    fn default() -> Self {
        Self { rules: 100, conditions: 20, values: 100, actions: 10, text: 2000 }
    }
}

/// Why rules are not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AutomationError {
    #[error("there are more than {0} rules")]
    TooMany(usize),
    #[error(transparent)]
    Zone(#[from] NoSuchZone),
    #[error("two rules have the id '{0}'")]
    SameId(String),
    #[error("rule '{id}': {what}")]
    Rule { id: String, what: &'static str },
}

impl Automation {
    /// Checks everything but who may have which rule.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self, limits: &AutomationLimits) -> Result<(), AutomationError> {
        if self.rules.len() > limits.rules {
            return Err(AutomationError::TooMany(limits.rules));
        }
        if let Some(zone) = &self.zone {
            Clock::of(zone)?;
        }
        let mut ids = BTreeSet::new();
        for rule in &self.rules {
            let shown = || rule.id.chars().take(SHOWN_CHARS).collect();
            rule.check(limits).map_err(|what| AutomationError::Rule { id: shown(), what })?;
            if !ids.insert(&rule.id) {
                return Err(AutomationError::SameId(shown()));
            }
        }
        Ok(())
    }
}

impl AutomatedRule {
    fn check(&self, limits: &AutomationLimits) -> Result<(), &'static str> {
        if self.id.is_empty() || self.id.len() > ID_BYTES {
            return Err("its id must have 1 to 100 bytes");
        }
        if self.name.len() > limits.text {
            return Err("its name is too long");
        }
        if matches!(self.stage, Stage::After(seconds) if !(1..=LONGEST_DELAY).contains(&seconds)) {
            return Err("the delay must be between 1 second and an hour");
        }
        if self.when.len() > limits.conditions {
            return Err("it has too many conditions");
        }
        if self.then.is_empty() || self.then.len() > limits.actions {
            return Err("it needs an action, and not too many");
        }
        if self.then.iter().rev().skip(1).any(Action::is_final) {
            return Err("what comes after an action that decides is never done");
        }
        self.when.iter().try_for_each(|when| when.check(limits, 0))?;
        self.then.iter().try_for_each(|action| action.check(limits))
    }
}

impl When {
    fn check(&self, limits: &AutomationLimits, depth: u8) -> Result<(), &'static str> {
        let values = match self {
            Self::Kind(all) => all.len(),
            Self::Sender(all) => all.len(),
            Self::Relation(all) => all.len(),
            Self::Presence(all) => all.len(),
            Self::Text(all) if all.iter().any(|text| text.is_empty() || text.len() > limits.text) => {
                return Err("a text to look for must not be empty or too long");
            }
            Self::Text(all) => all.len(),
            Self::Hours(hours) if hours.days.len() > 7 => return Err("a week has seven days"),
            Self::Hours(_) | Self::Dates(_) => 1,
            Self::Not(_) if depth > 0 => return Err("a condition is denied once at most"),
            Self::Not(inner) => return inner.check(limits, depth + 1),
        };
        match values {
            0 => Err("a condition without a value never holds"),
            n if n > limits.values => Err("a condition has too many values"),
            _ => Ok(()),
        }
    }
}

impl Action {
    fn check(&self, limits: &AutomationLimits) -> Result<(), &'static str> {
        let fits = |text: &str| (1..=limits.text).contains(&text.len());
        match self {
            Self::Reject(refused) if refused.text.as_ref().is_some_and(|text| !fits(text)) => {
                Err("the words of a refusal must not be empty or too long")
            }
            Self::Redirect(to) | Self::Fork(to) if to.is_domain() => {
                Err("a signal goes to an account, alice@example.org")
            }
            Self::Reply(reply) if !fits(&reply.text) => Err("an answer must not be empty or too long"),
            Self::Reply(reply) if !(60..=LONGEST_PERIOD).contains(&reply.every_seconds) => {
                Err("everySeconds must be between a minute and a year")
            }
            Self::Mark(label) if !(1..=MARK_BYTES).contains(&label.len()) => Err("a label has 1 to 64 bytes"),
            Self::Webhook(hook) if !fits(&hook.url) || hook.secret.as_ref().is_some_and(|key| !fits(key)) => {
                Err("the address or key of a webhook is empty or too long")
            }
            Self::Webhook(hook) if !hook.url.starts_with("https://") && !hook.url.starts_with("http://") => {
                Err("a webhook's address begins with https:// or http://")
            }
            _ => Ok(()),
        }
    }
}

/// Longest id of a rule.
const ID_BYTES: usize = 100;
/// Longest label.
const MARK_BYTES: usize = 64;
/// Longest delay of a stage, in seconds.
const LONGEST_DELAY: u32 = 3600;
/// Longest time between two answers, in seconds.
const LONGEST_PERIOD: u32 = 31_536_000;
/// How much of a wrong id is repeated in the error.
const SHOWN_CHARS: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;

    /// Rules from JSON, and what is wrong with them.
    fn check(rules: &str, expect: Option<&str>) {
        let automation: Automation = serde_json::from_str(&format!(r#"{{"rules":{rules}}}"#)).unwrap();
        let outcome = automation.check(&AutomationLimits::default()).map_err(|error| error.to_string());
        match expect {
            None => assert_eq!(outcome, Ok(()), "{rules}"),
            Some(words) => assert!(outcome.clone().unwrap_err().contains(words), "{rules}: {outcome:?}"),
        }
    }

    fn rule(rest: &str) -> String {
        format!(r#"[{{"id":"r",{rest}}}]"#)
    }

    #[test]
    fn rules_that_make_no_sense_are_refused_with_words() {
        let many = |text: &str, n: usize| vec![text; n].join(",");
        for (rules, expect) in [
            (rule(r#""then":["accept"]"#), None),
            (rule(r#""then":["quiet",{"mark":"work"},"store"],"stage":{"after":5}"#), None),
            (rule(r#""then":[]"#), Some("needs an action")),
            (rule(r#""then":["accept","quiet"]"#), Some("never done")),
            (rule(&format!(r#""then":[{}]"#, many(r#""quiet""#, 11))), Some("not too many")),
            (rule(r#""then":["accept"],"stage":{"after":0}"#), Some("delay")),
            (rule(r#""then":["accept"],"stage":{"after":3601}"#), Some("delay")),
            (rule(r#""then":["accept"],"when":[{"kind":[]}]"#), Some("without a value")),
            (rule(r#""then":["accept"],"when":[{"text":[""]}]"#), Some("text to look for")),
            (rule(r#""then":["accept"],"when":[{"not":{"not":{"kind":["call"]}}}]"#), Some("denied once")),
            (rule(r#""then":[{"redirect":"example.org"}]"#), Some("goes to an account")),
            (rule(r#""then":[{"reply":{"text":""}}]"#), Some("answer")),
            (rule(r#""then":[{"reply":{"text":"x","everySeconds":59}}]"#), Some("everySeconds")),
            (rule(r#""then":[{"mark":""}]"#), Some("label")),
            (rule(r#""then":[{"webhook":{"url":"ftp://x"}}]"#), Some("begins with")),
            (r#"[{"id":"","then":["accept"]}]"#.into(), Some("id")),
            (r#"[{"id":"a","then":["accept"]},{"id":"a","then":["accept"]}]"#.into(), Some("two rules")),
            (
                format!(
                    "[{}]",
                    (0..101)
                        .map(|n| format!(r#"{{"id":"{n}","then":["accept"]}}"#))
                        .collect::<Vec<_>>()
                        .join(",")
                ),
                Some("more than 100"),
            ),
        ] {
            check(&rules, expect);
        }
        let zone: Automation = serde_json::from_str(r#"{"zone":"Nowhere"}"#).unwrap();
        assert!(zone.check(&AutomationLimits::default()).is_err());
    }

    #[test]
    fn what_nobody_knows_is_not_read() {
        for rules in [
            rule(r#""then":["explode"]"#),
            rule(r#""then":["accept"],"colour":"red""#),
            rule(r#""then":["accept"],"when":[{"weather":["rain"]}]"#),
            rule(r#""then":["accept"],"stage":"later""#),
            rule(r#""then":["accept"],"when":[{"hours":{"from":"9","until":"10:00"}}]"#),
            rule(r#""then":["accept"],"when":[{"dates":{"from":"yesterday"}}]"#),
        ] {
            let text = format!(r#"{{"rules":{rules}}}"#);
            assert!(serde_json::from_str::<Automation>(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn rules_are_written_as_they_are_read() {
        let text = concat!(
            r#"{"zone":"Europe/Berlin","rules":[{"id":"r","name":"n","enabled":false,"order":"after","#,
            r#""stage":{"after":20},"when":[{"kind":["message","call","contact"]},"#,
            r#"{"sender":["a@x","y"]},{"relation":["buddy","same-domain","stranger"]},"#,
            r#"{"hours":{"days":["mon"],"from":"09:00","until":"17:00"}},"#,
            r#"{"dates":{"from":"2026-01-02T03:04:05.000Z"}},{"presence":["on-the-phone"]},"#,
            r#"{"not":{"text":["x"]}}],"then":[{"fork":"b@x"},{"reply":{"text":"t","everySeconds":60}},"#,
            r#"{"webhook":{"url":"https://x/","secret":null,"text":false}},"#,
            r#"{"reject":{"reason":"busy","text":"later"}}]}]}"#,
        );
        let read: Automation = serde_json::from_str(text).unwrap();
        assert_eq!(read.check(&AutomationLimits::default()), Ok(()));
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
    }
}
