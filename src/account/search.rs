//! Words that are looked for in messages.

use serde::{Deserialize, Serialize};

use crate::signal::Message;

/// What somebody looks for: all of these words, in any order and case, also as parts of longer ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words(Vec<String>);

impl Words {
    /// The words of a text, at most 16 of 256 bytes in all. `None` where there are none, or more.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
        (!words.is_empty() && words.len() <= MOST_WORDS && text.len() <= MOST_BYTES).then_some(Self(words))
    }

    /// Whether a message says them, in its text of any language or its subject.
    #[must_use]
    pub fn are_in(&self, message: &Message) -> bool {
        let content = &message.content;
        let texts: Vec<String> = content
            .bodies
            .iter()
            .chain(&content.subjects)
            .map(|text| text.text.as_str().to_lowercase())
            .collect();
        self.0.iter().all(|word| texts.iter().any(|text| text.contains(word.as_str())))
    }
}

const MOST_WORDS: usize = 16;
const MOST_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_few_and_something() {
        for (text, is_fine) in [
            ("one", true),
            (" Tea  CAKE ", true),
            ("", false),
            (" \t", false),
            (&"a ".repeat(16), true),
            (&"a ".repeat(17), false),
            (&"a".repeat(257), false),
        ] {
            assert_eq!(Words::parse(text).is_some(), is_fine, "{text:?}");
        }
        assert_eq!(Words::parse(" Tea  CAKE "), Some(Words(vec!["tea".into(), "cake".into()])));
    }
}
