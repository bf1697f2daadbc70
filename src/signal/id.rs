//! Identifiers that cross rooms.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One connected session of an account, unique while the process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SessionId(pub u64);

/// Names a request so that its reply finds back; chosen by whoever asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RequestId(pub u64);

/// The server's name for one message, the same in every archive and on every protocol.
///
/// The upper 48 bits are the milliseconds since 1970, the lower 80 are random: ids sort by time.
/// Printed as 26 characters of Crockford's base 32.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MessageId(pub u128);

impl MessageId {
    /// An id for a message taken at `at` milliseconds since 1970, told apart by 80 bits of `random`.
    #[must_use]
    pub fn from_parts(at: u64, random: u128) -> Self {
        Self((u128::from(at) << 80) | (random & ((1 << 80) - 1)))
    }

    /// Reads the 26 characters that [`fmt::Display`] prints; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != DIGITS {
            return None;
        }
        text.bytes()
            .try_fold(0u128, |value, byte| {
                let digit = ALPHABET.iter().position(|c| *c == byte)?;
                value.checked_mul(32)?.checked_add(digit as u128).map(Some)?
            })
            .map(Self)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0u8; DIGITS];
        let mut value = self.0;
        for place in text.iter_mut().rev() {
            *place = ALPHABET[(value & 31) as usize];
            value >>= 5;
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

const DIGITS: usize = 26;
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_id_is_read_back() {
        for value in [0, 1, u128::MAX, 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef] {
            assert_eq!(MessageId::parse(&MessageId(value).to_string()), Some(MessageId(value)));
        }
    }

    #[test]
    fn other_text_is_no_id() {
        for text in [
            "",
            "abc",
            "zzzzzzzzzzzzzzzzzzzzzzzzzz",
            "0000000000000000000000000u",
            "é000000000000000000000000",
        ] {
            assert_eq!(MessageId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn later_id_sorts_after() {
        let early = MessageId::from_parts(1, u128::MAX);
        let late = MessageId::from_parts(2, 0);
        assert!(early < late && early.to_string() < late.to_string());
    }
}
