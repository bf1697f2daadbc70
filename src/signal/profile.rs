//! What a person tells of herself in general: the properties of vCard (RFC 6350 §6) without its text.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

/// One person's properties, in her order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Profile {
    pub properties: Vec<Property>,
}

/// One property.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Property {
    pub name: PropertyName,
    /// What it is for, in lower case: `home`, `work`, `cell` and so on.
    pub kinds: Vec<CompactString>,
    /// Its parts, as many as the property has.
    pub values: Vec<String>,
}

/// The properties that every protocol has a word for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PropertyName {
    FullName,
    /// Family name, given name, further names, before them, after them.
    Name,
    Nickname,
    Birthday,
    Url,
    Email,
    Telephone,
    /// Post office box, further address, street, locality, region, code, country.
    Address,
    /// The organisation, then its units.
    Organisation,
    Title,
    Role,
    Note,
    /// An address for instant messages.
    Messaging,
    /// Something that only one format knows, as it stands there.
    Native(CompactString),
}

impl Profile {
    /// Most properties, and most bytes of all of them together.
    pub const LIMITS: (usize, usize) = (200, 64 * 1024);

    /// Whether it keeps to the limits.
    #[must_use]
    pub fn is_within_limits(&self) -> bool {
        let (most, bytes) = Self::LIMITS;
        let texts = self.properties.iter().map(|property| {
            let kinds: usize = property.kinds.iter().map(|kind| kind.len()).sum();
            kinds + property.values.iter().map(String::len).sum::<usize>()
        });
        self.properties.len() <= most && texts.sum::<usize>() <= bytes
    }

    /// The first value of a property.
    #[must_use]
    pub fn first(&self, name: &PropertyName) -> Option<&str> {
        let property = self.properties.iter().find(|property| property.name == *name)?;
        property.values.first().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_profiles_are_recognised() {
        let property = |text: &str| Property {
            name: PropertyName::Note,
            kinds: vec!["work".into()],
            values: vec![text.to_owned()],
        };
        let of = |properties| Profile { properties };
        assert!(of(vec![property("a"); 200]).is_within_limits());
        assert!(!of(vec![property("a"); 201]).is_within_limits());
        assert!(!of(vec![property(&"a".repeat(64 * 1024))]).is_within_limits());
        assert_eq!(of(vec![property("a")]).first(&PropertyName::Note), Some("a"));
    }
}
