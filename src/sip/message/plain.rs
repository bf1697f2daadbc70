//! The forms that nearly all agents write, known in one walk over their bytes: `<sip:user@host:port>;tag=token`,
//! and parameters that are tokens. Whatever is anything else, good or bad, is for the full readers to
//! judge; what is plain, they would read.

use memchr::memmem;

use super::text::is_token_byte;

/// Whether this is a `sip` URI of a host, with or without a user and a port, and nothing more.
pub(super) fn is_plain_uri(text: &str) -> bool {
    after_uri(text.as_bytes()).is_some_and(<[u8]>::is_empty)
}

/// Whether this is a plain URI in angle brackets, with a `tag` or without.
pub(super) fn is_plain_address(text: &[u8]) -> bool {
    let tail = text.strip_prefix(b"<").and_then(after_uri).and_then(|rest| rest.strip_prefix(b">"));
    tail.is_some_and(|tail| match tail.strip_prefix(b";tag=") {
        Some(tag) => !tag.is_empty() && tag.iter().all(|byte| is_token_byte(*byte)),
        None => tail.is_empty(),
    })
}

/// Whether these are parameters, separated by semicolons, of nothing but tokens and what stands in hosts.
pub(super) fn are_plain_params(text: &str) -> bool {
    let (mut has_name, mut is_value) = (false, false);
    for byte in text.bytes() {
        match byte {
            b';' if has_name => (has_name, is_value) = (false, false),
            b'=' if has_name => is_value = true,
            _ if is_token_byte(byte) => has_name = true,
            b':' | b'[' | b']' if is_value => {}
            _ => return false,
        }
    }
    has_name
}

/// The branch of a `Via`, where it stands as this server writes it.
pub(super) fn branch_of(via: &[u8]) -> Option<&str> {
    let text = via.get(memmem::find(via, BRANCH)? + BRANCH.len()..)?;
    let length = text.iter().position(|byte| !is_token_byte(*byte)).unwrap_or(text.len());
    let is_end = matches!(text.get(length), None | Some(b';' | b',' | b' ' | b'\t' | b'\r'));
    text.get(..length).filter(|_| is_end && length > 0).and_then(|branch| str::from_utf8(branch).ok())
}

const BRANCH: &[u8] = b";branch=";

/// What follows a plain URI at the start of the text.
fn after_uri(text: &[u8]) -> Option<&[u8]> {
    let rest = after_name(text.strip_prefix(b"sip:")?)?;
    let rest = rest.strip_prefix(b"@").map_or(Some(rest), after_name)?;
    let Some(port) = rest.strip_prefix(b":") else { return Some(rest) };
    let digits = port.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = port
        .get(..digits)?
        .iter()
        .fold(0_u32, |number, digit| number.saturating_mul(10).saturating_add(u32::from(digit - b'0')));
    let is_port = digits > 0 && number <= u16::MAX.into();
    is_port.then(|| port.get(digits..)).flatten()
}

/// What follows a name of letters, digits and the signs that mean nothing anywhere.
fn after_name(text: &[u8]) -> Option<&[u8]> {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let length = text.iter().position(|byte| !is_plain(byte)).unwrap_or(text.len());
    text.get(length..).filter(|_| length > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::message::{NameAddr, Params, Uri};

    /// Texts of all pieces that matter to any of the three, put together in every order.
    fn texts() -> impl Iterator<Item = String> {
        let pieces = [
            "", "<", ">", "sip:", "a", "-1", "@", ":", "5060", "65536", "007", ";", "tag=", "=", "[::1]",
            " ", "\"", "%41", "?", ",", "\u{fc}", "*",
        ];
        let count = pieces.len();
        (0..count.pow(4)).map(move |number| {
            let pick = |place: u32| pieces[number / count.pow(place) % count];
            [pick(0), pick(1), pick(2), pick(3)].concat()
        })
    }

    #[test]
    fn what_is_plain_is_read_by_the_full_readers() {
        let mut plain = [0; 3];
        for text in texts() {
            for uri in [text.clone(), format!("sip:a@{text}"), format!("sip:{text}@h")] {
                if is_plain_uri(&uri) {
                    plain[0] += 1;
                    assert!(Uri::parse(&uri).is_ok_and(|uri| !uri.has_headers()), "{uri}");
                }
            }
            for address in [text.clone(), format!("<sip:{text}>"), format!("<sip:a@h>{text}")] {
                if is_plain_address(address.as_bytes()) {
                    plain[1] += 1;
                    assert!(NameAddr::parse(&address).is_ok(), "{address}");
                }
            }
            if are_plain_params(&text) {
                plain[2] += 1;
                assert!(Params::parse_in_full(&text).is_ok(), "{text}");
            }
        }
        assert!(plain.iter().all(|count| *count > 100), "{plain:?}");
    }

    #[test]
    fn what_agents_write_is_plain() {
        for address in ["<sip:alice@example.org>", "<sip:a_b.c-d@192.0.2.1:65535>;tag=9fxced76sl~"] {
            assert!(is_plain_address(address.as_bytes()), "{address}");
        }
        assert!(is_plain_uri("sip:alice@example.org:5060"));
        assert!(are_plain_params("branch=z9hG4bK77ef4c;received=[2001:db8::1];rport"));
    }
}
