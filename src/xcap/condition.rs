//! If-Match and If-None-Match (RFC 9110 §13.1, §13.2; RFC 4825 §7.11, §8.2.6).
//!
//! A node has the tag of its document, so that the tag of the document is all that is looked at.

use axum::http::{HeaderMap, HeaderName, header};

/// What a request asks of the document before anything is done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Conditions {
    if_match: Option<Tags>,
    if_none_match: Option<Tags>,
}

/// What becomes of a request by its conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Proceed,
    /// 304 to who reads, 412 to who writes.
    Known,
    /// 412
    Failed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Tags {
    /// `*`
    Any,
    List(Vec<Tag>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Tag {
    is_weak: bool,
    /// With its quotes.
    quoted: String,
}

impl Conditions {
    /// Reads the headers. `None` where one is malformed: to ignore it could overwrite what somebody else wrote.
    pub(super) fn read(headers: &HeaderMap) -> Option<Self> {
        Some(Self {
            if_match: Tags::read(headers, &header::IF_MATCH)?,
            if_none_match: Tags::read(headers, &header::IF_NONE_MATCH)?,
        })
    }

    /// Holds the conditions against the tag of the document, `None` where there is no document. If-Match
    /// compares strongly, If-None-Match weakly.
    pub(super) fn check(&self, tag: Option<&str>) -> Verdict {
        let strong = |known: &Tag, tag: &str| !known.is_weak && known.quoted == tag;
        let weak = |known: &Tag, tag: &str| known.quoted == tag;
        if self.if_match.as_ref().is_some_and(|tags| !tags.have(tag, strong)) {
            return Verdict::Failed;
        }
        match &self.if_none_match {
            Some(tags) if tags.have(tag, weak) => Verdict::Known,
            _ => Verdict::Proceed,
        }
    }
}

impl Tags {
    /// `Some(None)` where the header is not there; several headers are one list.
    fn read(headers: &HeaderMap, name: &HeaderName) -> Option<Option<Self>> {
        let mut list = Vec::new();
        let mut is_any = false;
        let mut values = headers.get_all(name).iter().peekable();
        if values.peek().is_none() {
            return Some(None);
        }
        for value in values {
            let mut rest = value.to_str().ok()?.trim();
            while !rest.is_empty() {
                rest = match rest.strip_prefix('*') {
                    Some(behind) => {
                        is_any = true;
                        behind
                    }
                    None => {
                        let (tag, behind) = Tag::take(rest)?;
                        list.push(tag);
                        behind
                    }
                };
                rest = rest.trim_start();
                if !rest.is_empty() {
                    rest = rest.strip_prefix(',')?.trim_start();
                }
            }
        }
        let is_sound = list.len() <= MOST && is_any == list.is_empty();
        let tags = if is_any { Self::Any } else { Self::List(list) };
        is_sound.then_some(Some(tags))
    }

    fn have(&self, tag: Option<&str>, is_same: impl Fn(&Tag, &str) -> bool) -> bool {
        let Some(tag) = tag else { return false };
        match self {
            Self::Any => true,
            Self::List(list) => list.iter().any(|known| is_same(known, tag)),
        }
    }
}

impl Tag {
    /// The tag at the start of a text, and what stands behind it.
    fn take(text: &str) -> Option<(Self, &str)> {
        let (is_weak, text) = text.strip_prefix("W/").map_or((false, text), |text| (true, text));
        let length = text.strip_prefix('"')?.find('"')? + 2;
        let quoted = text.get(..length)?.to_owned();
        let is_sound = quoted.bytes().all(|byte| byte > b' ' && byte != 0x7f);
        is_sound.then_some(())?;
        Some((Self { is_weak, quoted }, text.get(length..)?))
    }
}

/// Tags in one request.
const MOST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[(&'static str, &'static str)]) -> Option<Conditions> {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), axum::http::HeaderValue::from_static(value))
        };
        Conditions::read(&lines.iter().map(pair).collect())
    }

    #[test]
    fn conditions_hold_as_the_rfc_says() {
        use Verdict::{Failed, Known, Proceed};
        let tag = Some("\"a\"");
        for (lines, tag, expected) in [
            (&[][..], tag, Proceed),
            (&[("if-match", "\"a\"")], tag, Proceed),
            (&[("if-match", "\"b\"")], tag, Failed),
            (&[("if-match", "\"b\", \"a\"")], tag, Proceed),
            (&[("if-match", "\"b,a\" ,\"c\"")], tag, Failed),
            (&[("if-match", "\"b\""), ("if-match", "\"a\"")], tag, Proceed),
            (&[("if-match", "W/\"a\"")], tag, Failed),
            (&[("if-match", "*")], tag, Proceed),
            (&[("if-match", "*")], None, Failed),
            (&[("if-match", "\"a\"")], None, Failed),
            (&[("if-none-match", "\"a\"")], tag, Known),
            (&[("if-none-match", "W/\"a\"")], tag, Known),
            (&[("if-none-match", "\"b\", W/\"a\"")], tag, Known),
            (&[("if-none-match", "\"b\"")], tag, Proceed),
            (&[("if-none-match", "*")], tag, Known),
            (&[("if-none-match", "*")], None, Proceed),
            (&[("if-match", "\"a\""), ("if-none-match", "\"a\"")], tag, Known),
            (&[("if-match", "\"b\""), ("if-none-match", "\"a\"")], tag, Failed),
        ] {
            assert_eq!(read(lines).unwrap().check(tag), expected, "{lines:?}");
        }
    }

    #[test]
    fn what_is_no_list_of_tags_is_not_ignored() {
        for value in ["a", "\"a", "\"a\" \"b\"", "\"a\";", "w/\"a\"", "*, \"a\"", "", "\"a b\"", "W/*"] {
            assert_eq!(read(&[("if-match", value)]), None, "{value}");
        }
    }
}
