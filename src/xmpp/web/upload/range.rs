//! Which part of a file is wanted (RFC 9110 §14.1.2). Several parts at once are answered with the whole.

/// What a `Range` header comes to for a file of some size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    All,
    /// Both ends are included, and within the file.
    Part {
        first: u64,
        last: u64,
    },
    /// The file has nothing of it.
    Nothing,
}

impl Wanted {
    /// Reads a header's text. What cannot be read is as if it was not there.
    pub(super) fn parse(text: Option<&str>, size: u64) -> Self {
        let Some(spec) = text.and_then(|text| text.trim().strip_prefix("bytes=")) else { return Self::All };
        let Some((first, last)) = spec.split_once('-') else { return Self::All };
        let number = |text: &str| {
            let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| text.parse().unwrap_or(u64::MAX))
        };
        match (first.trim(), last.trim()) {
            ("", last) => match number(last) {
                None => Self::All,
                Some(0) => Self::Nothing,
                Some(_) if size == 0 => Self::Nothing,
                Some(count) => Self::Part { first: size.saturating_sub(count), last: size - 1 },
            },
            (first, last) => {
                let end = if last.is_empty() { Some(u64::MAX) } else { number(last) };
                match (number(first), end) {
                    (Some(first), Some(last)) if first > last => Self::All,
                    (Some(first), Some(_)) if first >= size => Self::Nothing,
                    (Some(first), Some(last)) => Self::Part { first, last: last.min(size - 1) },
                    _ => Self::All,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        let part = |first, last| Wanted::Part { first, last };
        for (text, expected) in [
            (None, Wanted::All),
            (Some("bytes=0-0"), part(0, 0)),
            (Some("bytes=2-"), part(2, 9)),
            (Some("bytes=2-100"), part(2, 9)),
            (Some("bytes=-3"), part(7, 9)),
            (Some("bytes=-30"), part(0, 9)),
            (Some("bytes=-0"), Wanted::Nothing),
            (Some("bytes=10-"), Wanted::Nothing),
            (Some("bytes=99999999999999999999-"), Wanted::Nothing),
            (Some("bytes=5-4"), Wanted::All),
            (Some("bytes=0-1,3-4"), Wanted::All),
            (Some("bytes=a-b"), Wanted::All),
            (Some("bytes=+1-2"), Wanted::All),
            (Some("bytes=-"), Wanted::All),
            (Some("lines=1-2"), Wanted::All),
        ] {
            assert_eq!(Wanted::parse(text, 10), expected, "{text:?}");
        }
        assert_eq!(Wanted::parse(Some("bytes=0-0"), 0), Wanted::Nothing);
    }
}
