//! In whose place a call comes, and who had it made: `Replaces` (RFC 3891 §6.1) and `Referred-By` (RFC 3892 §3),
//! as far as the package `dialog` tells of them. Who may replace a call decides the phone that has it.

use compact_str::CompactString;

use super::message::NameAddr;
use crate::formats::dialoginfo::{Identifier, Participant};

/// The call that the one who is called is to give up, as he names it: `to-tag` is his own. `None` where it is
/// not fully named.
pub(super) fn parse_replaces(text: &str) -> Option<Identifier> {
    let mut parts = text.split(';').map(str::trim);
    let call_id = parts.next().filter(|call_id| !call_id.is_empty())?;
    let (mut local_tag, mut remote_tag) = (None, None);
    for (name, value) in parts.filter_map(|part| part.split_once('=')) {
        let tag = match name.trim() {
            name if name.eq_ignore_ascii_case("to-tag") => &mut local_tag,
            name if name.eq_ignore_ascii_case("from-tag") => &mut remote_tag,
            _ => continue,
        };
        *tag = Some(CompactString::from(value.trim()));
    }
    Some(Identifier { call_id: call_id.into(), local_tag: local_tag?, remote_tag: Some(remote_tag?) })
}

/// Who had a call made.
pub(super) fn parse_referrer(text: &str) -> Option<Participant> {
    let referrer = NameAddr::parse(text).ok()?;
    let display = referrer.display.filter(|name| !name.is_empty());
    Some(Participant { identity: Some(referrer.uri.as_str().into()), display, target: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn call_is_named_by_three_things_or_not_at_all() {
        let named = |local: &str, remote: &str| {
            let (local_tag, remote_tag) = (local.into(), Some(remote.into()));
            Some(Identifier { call_id: "98732@sip.example.com".into(), local_tag, remote_tag })
        };
        for (text, expect) in [
            ("98732@sip.example.com;from-tag=r33th4x0r;to-tag=ff87ff", named("ff87ff", "r33th4x0r")),
            ("98732@sip.example.com ; To-Tag = b;early-only ;from-tag=c", named("b", "c")),
            ("98732@sip.example.com;to-tag=b", None),
            (";to-tag=b;from-tag=c", None),
            ("", None),
        ] {
            assert_eq!(parse_replaces(text), expect, "{text}");
        }
    }

    #[test]
    fn referrer_may_have_a_name() {
        let referrer = parse_referrer("\"Bob\" <sip:bob@example.org>;cid=\"x@y\"").unwrap();
        assert_eq!(referrer.identity.as_deref(), Some("sip:bob@example.org"));
        assert_eq!(referrer.display.as_deref(), Some("Bob"));
        assert_eq!(parse_referrer("nonsense"), None);
    }
}
