//! Passwords as people type them: which are allowed, and the one form that is hashed.

use std::borrow::Cow;

/// A password in the form that is compared: SASLprep (RFC 4013), as SCRAM asks for. What SASLprep
/// has no opinion on because it is younger (emoji) is kept as typed.
///
/// `None` for a password that nobody can have: empty, longer than [`PASSWORD_BYTES`], or with
/// control characters.
pub(super) fn prepare_password(typed: &str) -> Option<Cow<'_, str>> {
    if typed.is_empty() || typed.len() > PASSWORD_BYTES || typed.chars().any(char::is_control) {
        return None;
    }
    let prepared = stringprep::saslprep(typed).unwrap_or(Cow::Borrowed(typed));
    (!prepared.is_empty()).then_some(prepared)
}

/// A password for a device: 24 letters and digits that are not mistaken for each other, in groups
/// of four. 24 symbols of 32 are 120 bits.
pub(super) fn print_device_password(random: [u8; 24]) -> String {
    let mut text = String::with_capacity(29);
    for (index, byte) in random.iter().enumerate() {
        if index > 0 && index % 4 == 0 {
            text.push('-');
        }
        text.push(char::from(ALPHABET[usize::from(byte & 31)]));
    }
    text
}

/// Longest password in bytes.
const PASSWORD_BYTES: usize = 1024;
/// Without `0`, `1`, `l` and `o`.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_password_has_one_form() {
        for (typed, expect) in [
            ("secret", Some("secret")),
            ("pa\u{df}", Some("pa\u{df}")),
            ("u\u{308}", Some("\u{fc}")),
            ("a\u{a0}b", Some("a b")),
            ("I\u{ad}X", Some("IX")),
            ("\u{1f980}", Some("\u{1f980}")),
            ("", None),
            ("\u{ad}", None),
            ("a\tb", None),
            ("a\0b", None),
        ] {
            assert_eq!(prepare_password(typed).as_deref(), expect, "{typed:?}");
        }
        assert!(prepare_password(&"x".repeat(1024)).is_some());
        assert!(prepare_password(&"x".repeat(1025)).is_none());
    }

    #[test]
    fn device_password_is_long_and_readable() {
        let text = print_device_password(std::array::from_fn(|index| index as u8));
        assert_eq!(text, "abcd-efgh-ijkm-npqr-stuv-wxyz");
        assert_eq!(prepare_password(&text).as_deref(), Some(&*text));
    }
}
