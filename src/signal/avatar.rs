//! The picture of a person, as everybody but its store knows it: by its hash.

use std::fmt;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};

use super::Timestamp;

/// What is known of a picture without its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Avatar {
    pub hash: AvatarHash,
    /// Such as `image/png`; always one that [`Avatar::TYPES`] names.
    pub media_type: CompactString,
    /// Its length.
    pub bytes: u32,
    /// Width and height in pixels, where they could be read.
    pub size: Option<(u32, u32)>,
    /// When the owner set it.
    pub since: Timestamp,
}

impl Avatar {
    /// The media types that are taken.
    pub const TYPES: [&'static str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];
}

/// The SHA-1 of a picture's bytes, which is its name (XEP-0084 §4.1, XEP-0153 §3). It tells pictures
/// apart, no more: nobody relies on it for safety.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AvatarHash([u8; 20]);

impl AvatarHash {
    /// The hash of a picture.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha1::digest(bytes).into())
    }

    /// Reads 40 hexadecimal digits; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 40 {
            return None;
        }
        let mut hash = [0; 20];
        for (byte, pair) in hash.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digit = |digit: &u8| char::from(*digit).to_digit(16);
            let [high, low] = pair else { return None };
            *byte = u8::try_from(digit(high)? * 16 + digit(low)?).ok()?;
        }
        Some(Self(hash))
    }
}

impl fmt::Display for AvatarHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What presence says of a person's picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum AvatarMark {
    /// Nothing: she never had one, or the sender does not tell.
    #[default]
    Untold,
    /// She has none any more.
    Without,
    Has(AvatarHash),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_hash_is_read_back() {
        let hash = AvatarHash::of(b"abc");
        assert_eq!(hash.to_string(), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(AvatarHash::parse(&hash.to_string()), Some(hash));
        assert_eq!(AvatarHash::parse(&hash.to_string().to_uppercase()), Some(hash));
        for text in ["", "a9", &"g".repeat(40), &"é".repeat(20)] {
            assert_eq!(AvatarHash::parse(text), None, "{text}");
        }
    }
}
