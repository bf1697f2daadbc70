//! How people of other domains want to be shown, as far as presence does not say it.

use std::sync::Arc;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::{Address, AvatarHash};

/// The server of `from`, who lives on another domain, tells how he wants to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaceNews {
    pub from: Address,
    pub to: Address,
    pub part: FacePart,
}

impl FaceNews {
    /// Ready to travel.
    #[must_use]
    pub fn new(from: Address, to: Address, part: FacePart) -> Arc<Self> {
        Arc::new(Self { from, to, part })
    }
}

/// What of it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FacePart {
    /// The picture that he wears, or that he wears none.
    Picture(Option<AvatarHash>),
    /// The name that he gave himself, or that he has none; at most [`FacePart::NICKNAME`] bytes.
    Nickname(Option<CompactString>),
}

impl FacePart {
    /// Longest name that is kept, in bytes.
    pub const NICKNAME: usize = 255;

    /// A name as it came: without space around it, and cut where it is too long.
    #[must_use]
    pub fn nickname(text: &str) -> Self {
        let text = text.trim();
        let name = text.get(..text.floor_char_boundary(Self::NICKNAME)).unwrap_or_default();
        Self::Nickname((!name.is_empty()).then(|| name.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_between_characters() {
        let name = |text: &str| match FacePart::nickname(text) {
            FacePart::Nickname(name) => name.map(|name| name.len()),
            FacePart::Picture(_) => None,
        };
        assert_eq!(name(" Caro \n"), Some(4));
        assert_eq!(name(" \n"), None);
        assert_eq!(name(&"\u{fc}".repeat(200)), Some(254));
    }
}
