//! Temporary presence: two parties who are no contacts show each other that they are there, for one conversation.

use serde::{Deserialize, Serialize};

use super::Address;

/// What somebody wants to see somebody else for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Occasion {
    /// A call.
    Media,
    /// A conversation in writing.
    Text,
    /// Files.
    File,
    /// He does not say.
    Untold,
}

/// To whom an account answers of itself that its owner is there. Nobody unless she chose so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct TemporaryPresence {
    pub to: Audience,
    /// To these as well; at most [`TemporaryPresence::LISTED`].
    pub also: Vec<Address>,
    /// Whoever wants to call.
    pub media: bool,
    /// Whoever wants to write.
    pub text: bool,
    /// Whoever wants to send files.
    pub file: bool,
}

/// Some or all of those who are no contacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Audience {
    #[default]
    Nobody,
    /// Whoever has an account in the owner's domain.
    SameDomain,
    Everybody,
}

impl TemporaryPresence {
    /// Most addresses that are listed.
    pub const LISTED: usize = 200;

    /// Whether `asker` is answered who asks for that. One who does not say why is answered where it makes no
    /// difference.
    #[must_use]
    pub fn permits(&self, asker: &Address, owner: &Address, occasion: Occasion) -> bool {
        let is_wanted = match occasion {
            Occasion::Media => self.media,
            Occasion::Text => self.text,
            Occasion::File => self.file,
            Occasion::Untold => self.media && self.text && self.file,
        };
        let is_one_of_them = match self.to {
            Audience::Nobody => false,
            Audience::SameDomain => asker.domain() == owner.domain(),
            Audience::Everybody => true,
        };
        is_wanted && (is_one_of_them || self.also.contains(asker))
    }
}

impl Default for TemporaryPresence {
    fn default() -> Self {
        Self { to: Audience::Nobody, also: Vec::new(), media: true, text: true, file: true }
    }
}

impl Audience {
    /// As people and programs write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::SameDomain => "same-domain",
            Self::Everybody => "everybody",
        }
    }

    /// Reads what [`Audience::as_str`] says; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Nobody, Self::SameDomain, Self::Everybody].into_iter().find(|one| one.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_answered_unless_the_owner_chose_so() {
        let address = |text| Address::parse(text).expect("an address");
        let (alice, bob, eve) = (address("alice@a"), address("bob@a"), address("eve@b"));
        let off = TemporaryPresence::default();
        let domain = TemporaryPresence { to: Audience::SameDomain, ..off.clone() };
        let listed = TemporaryPresence { also: vec![eve.clone()], ..off.clone() };
        let calls = TemporaryPresence { to: Audience::Everybody, text: false, file: false, ..off.clone() };
        for (choice, occasion, bob_is, eve_is) in [
            (&off, Occasion::Media, false, false),
            (&off, Occasion::Untold, false, false),
            (&domain, Occasion::Text, true, false),
            (&listed, Occasion::File, false, true),
            (&calls, Occasion::Media, true, true),
            (&calls, Occasion::Text, false, false),
            (&calls, Occasion::File, false, false),
            (&calls, Occasion::Untold, false, false),
            (&domain, Occasion::Untold, true, false),
        ] {
            assert_eq!(choice.permits(&bob, &alice, occasion), bob_is, "{choice:?} {occasion:?}");
            assert_eq!(choice.permits(&eve, &alice, occasion), eve_is, "{choice:?} {occasion:?}");
        }
    }

    #[test]
    fn printed_audience_is_read_back() {
        for audience in [Audience::Nobody, Audience::SameDomain, Audience::Everybody] {
            assert_eq!(Audience::parse(audience.as_str()), Some(audience));
        }
        assert_eq!(Audience::parse("friends"), None);
    }
}
