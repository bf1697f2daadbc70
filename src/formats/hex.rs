//! Hexadecimal digits, in lower case.

use std::fmt::Write;

/// The digits of some bytes.
#[must_use]
pub fn print(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    push(&mut text, bytes);
    text
}

/// Appends the digits of some bytes.
pub fn push(text: &mut impl Write, bytes: &[u8]) {
    for byte in bytes {
        push_number(text, (*byte).into(), 2);
    }
}

/// Appends the last digits of a number, 16 at most.
pub fn push_number(text: &mut impl Write, number: u64, digits: u32) {
    for shift in (0..digits).rev().map(|digit| digit * 4) {
        let digit = u32::try_from(number >> shift & 15).unwrap_or_default();
        // What is written to has room for all of it.
        let _ = text.write_char(char::from_digit(digit, 16).unwrap_or('0'));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_numbers_have_two_digits_a_byte() {
        assert_eq!(print(&[0, 0x1f, 0xa0]), "001fa0");
        let mut text = String::new();
        push_number(&mut text, 0x0123_4567_89ab_cdef, 16);
        push_number(&mut text, 0x123, 2);
        assert_eq!(text, "0123456789abcdef23");
    }
}
