//! Hexadecimal digits, in lower case.

use std::fmt::Write;

/// The digits of some bytes.
#[must_use]
pub fn print(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    push(&mut text, bytes);
    text
}

/// Reads so many bytes, of small or large digits; `None` for anything else.
#[must_use]
pub fn parse<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        let [high, low] = pair else { return None };
        *byte = u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?;
    }
    Some(bytes)
}

/// Appends the digits of some bytes.
pub fn push(text: &mut impl Write, bytes: &[u8]) {
    for byte in bytes {
        push_number(text, (*byte).into(), 2);
    }
}

/// Appends the last digits of a number, 16 at most.
pub fn push_number(text: &mut impl Write, number: u64, digits: u32) {
    let all = self::digits(number);
    let last = all.get(all.len().saturating_sub(digits as usize)..).unwrap_or_default();
    // What is written to has room for all of it.
    let _ = text.write_str(str::from_utf8(last).unwrap_or_default());
}

/// The sixteen digits of a number, as ASCII.
#[must_use]
pub fn digits(number: u64) -> [u8; 16] {
    std::array::from_fn(|index| {
        #[allow(clippy::cast_possible_truncation, reason = "the last four bits")]
        let digit = (number >> (60 - 4 * index) & 15) as u8;
        if digit < 10 { b'0' + digit } else { b'a' + digit - 10 }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_numbers_have_two_digits_a_byte() {
        assert_eq!(print(&[0, 0x1f, 0xa0]), "001fa0");
        assert_eq!(parse("001fA0"), Some([0, 0x1f, 0xa0]));
        for text in ["", "001fa", "001fa00", "001fg0", "éé1"] {
            assert_eq!(parse::<3>(text), None, "{text}");
        }
        let mut text = String::new();
        push_number(&mut text, 0x0123_4567_89ab_cdef, 16);
        push_number(&mut text, 0x123, 2);
        assert_eq!(text, "0123456789abcdef23");
    }
}
