//! What of an account's presence somebody may see (the permissions of RFC 5025 §3.3, without their
//! XML): rules grant it, whoever prints a presence document keeps to it.

use std::collections::BTreeSet;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

/// The parts and attributes of a presence that may be seen. What is not granted is not shown.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct View {
    pub services: Granted,
    pub persons: Granted,
    pub devices: Granted,
    pub attributes: Attributes,
}

/// Which occurrences of a kind may be seen.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Granted {
    All,
    /// Those that any of these names; with none of them, nothing.
    Some(BTreeSet<Selector>),
}

/// Names occurrences (RFC 5025 §3.3.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Selector {
    Class(CompactString),
    /// The `id` under which it was published.
    Occurrence(CompactString),
    /// Of devices only.
    DeviceId(CompactString),
    /// Of services only: its contact.
    ServiceUri(CompactString),
    /// Of services only: the scheme of its contact.
    ServiceScheme(CompactString),
}

/// Which attributes of the occurrences may be seen.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Attributes {
    All,
    Some {
        named: BTreeSet<Attribute>,
        user_input: UserInput,
        /// Attributes that no standard here knows: namespace, then name.
        unknown: BTreeSet<(CompactString, CompactString)>,
    },
}

/// An attribute with a permission of its own (RFC 5025 §3.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Attribute {
    Activities,
    Class,
    DeviceId,
    Mood,
    Note,
    PlaceIs,
    PlaceType,
    Privacy,
    Relationship,
    Sphere,
    StatusIcon,
    TimeOffset,
}

/// How much of the idle state may be seen, weakest first (RFC 5025 §3.3.2.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub enum UserInput {
    /// Nothing.
    #[default]
    False,
    /// Active or idle.
    Bare,
    /// And the threshold after which somebody is called idle.
    Thresholds,
    /// And when the last input was.
    Full,
}

impl View {
    /// All there is.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            services: Granted::All,
            persons: Granted::All,
            devices: Granted::All,
            attributes: Attributes::All,
        }
    }

    /// Nothing but that there is an account.
    #[must_use]
    pub fn nothing() -> Self {
        let none = || Granted::Some(BTreeSet::new());
        Self {
            services: none(),
            persons: none(),
            devices: none(),
            attributes: Attributes::Some {
                named: BTreeSet::new(),
                user_input: UserInput::False,
                unknown: BTreeSet::new(),
            },
        }
    }

    /// What either grants (RFC 4745 §10.2: sets are united, numbers and truths take the greater).
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            services: self.services.or(other.services),
            persons: self.persons.or(other.persons),
            devices: self.devices.or(other.devices),
            attributes: self.attributes.or(other.attributes),
        }
    }
}

impl Granted {
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Some(mut one), Self::Some(more)) => {
                one.extend(more);
                Self::Some(one)
            }
            _ => Self::All,
        }
    }
}

impl Attributes {
    /// Whether an attribute with a permission of its own may be seen.
    #[must_use]
    pub fn has(&self, attribute: Attribute) -> bool {
        match self {
            Self::All => true,
            Self::Some { named, .. } => named.contains(&attribute),
        }
    }

    /// How much of the idle state may be seen.
    #[must_use]
    pub fn user_input(&self) -> UserInput {
        match self {
            Self::All => UserInput::Full,
            Self::Some { user_input, .. } => *user_input,
        }
    }

    /// Whether an attribute without a permission of its own may be seen.
    #[must_use]
    pub fn has_unknown(&self, namespace: &str, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Some { unknown, .. } => {
                unknown.iter().any(|(space, local)| space == namespace && local == name)
            }
        }
    }

    fn or(self, other: Self) -> Self {
        match (self, other) {
            (
                Self::Some { mut named, user_input, mut unknown },
                Self::Some { named: more, user_input: greater, unknown: others },
            ) => {
                named.extend(more);
                unknown.extend(others);
                Self::Some { named, user_input: user_input.max(greater), unknown }
            }
            _ => Self::All,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_either_grants_is_granted() {
        let mut mood = View::nothing();
        mood.services = Granted::Some([Selector::Class("work".into())].into());
        mood.attributes = Attributes::Some {
            named: [Attribute::Mood].into(),
            user_input: UserInput::Bare,
            unknown: [("urn:x".into(), "foo".into())].into(),
        };
        let mut note = View::nothing();
        note.services = Granted::Some([Selector::ServiceScheme("sip".into())].into());
        note.attributes = Attributes::Some {
            named: [Attribute::Note].into(),
            user_input: UserInput::Full,
            unknown: BTreeSet::new(),
        };
        let both = mood.clone().or(note.clone());
        assert!(both.attributes.has(Attribute::Mood) && both.attributes.has(Attribute::Note));
        assert!(!both.attributes.has(Attribute::Sphere));
        assert_eq!(both.attributes.user_input(), UserInput::Full);
        assert!(both.attributes.has_unknown("urn:x", "foo") && !both.attributes.has_unknown("urn:y", "foo"));
        assert!(matches!(&both.services, Granted::Some(set) if set.len() == 2));
        assert_eq!(both, note.or(mood.clone()));
        assert_eq!(mood.clone().or(View::nothing()), mood);
        assert_eq!(mood.or(View::everything()), View::everything());
    }
}
