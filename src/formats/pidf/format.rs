//! The formats of a presence document, and which of them a watcher wants.

use super::{CPIM_MEDIA_TYPE, MEDIA_TYPE, diff, lpidf, model::Document, write, xpidf};

/// A format in which a presence document is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// RFC 3863.
    Pidf,
    /// PIDF as its drafts had it.
    CpimPidf,
    /// Changes to the document before (RFC 5262); for those who ask for it by name.
    PidfDiff,
    /// Addresses and how much each is preferred.
    Lpidf,
    /// As Windows Messenger reads it.
    Xpidf,
}

impl Format {
    /// All of them, the one that says most first.
    pub const ALL: [Self; 5] = [Self::Pidf, Self::CpimPidf, Self::PidfDiff, Self::Xpidf, Self::Lpidf];

    /// The media type, in lower case, without parameters.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Pidf => MEDIA_TYPE,
            Self::CpimPidf => CPIM_MEDIA_TYPE,
            Self::PidfDiff => "application/pidf-diff+xml",
            Self::Lpidf => "text/lpidf",
            Self::Xpidf => "application/xpidf+xml",
        }
    }

    /// The value of Content-Type. COMPAT(Windows Messenger 4.7): it wants to be told the character set.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Xpidf => "application/xpidf+xml;charset=\"UTF-8\"",
            other => other.media_type(),
        }
    }

    /// The whole of a document. What a format has no word for is left out; a document of changes is the
    /// first of a subscription, version 1 (see [`print_full`]).
    #[must_use]
    pub fn print(self, document: &Document) -> String {
        match self {
            Self::Pidf => write::print_pidf(document),
            Self::CpimPidf => write::print_cpim(document),
            Self::PidfDiff => write::print_full(document, 1),
            Self::Lpidf => lpidf::print(document),
            Self::Xpidf => xpidf::print(document),
        }
    }
}

/// The whole state for a watcher who takes changes (RFC 5262 §3). `version` is 1 for the first document of
/// a subscription, and one more for each after it (RFC 5263 §4.3).
#[must_use]
pub fn print_full(document: &Document, version: u32) -> String {
    write::print_full(document, version)
}

/// What brings `old` to `new` for a watcher who takes changes, or the whole of `new` where that is not
/// more: the text, in `application/pidf-diff+xml`, with this version.
#[must_use]
pub fn print_changes(old: &Document, new: &Document, version: u32) -> String {
    let full = write::print_full(new, version);
    diff::print_diff(old, new, version).filter(|changes| changes.len() < full.len()).unwrap_or(full)
}

/// The format that suits a watcher best: `accepts` are the media ranges of his Accept header in their
/// order, each with its q in thousandths. `None`: he takes none of them.
///
/// Without any, he takes PIDF (RFC 3856 §6.7). The greater q decides, then his own order, then ours. The
/// most exact range that covers a format gives its q (RFC 3261 §20.1), and changes are sent to those only
/// who name their type.
#[must_use]
pub fn choose(accepts: &[(&str, u16)]) -> Option<Format> {
    if accepts.is_empty() {
        return Some(Format::Pidf);
    }
    let mut best: Option<(u16, usize, Format)> = None;
    for format in Format::ALL {
        let Some((q, place)) = rank(format, accepts) else { continue };
        if best.is_none_or(|(most, first, _)| q > most || q == most && place < first) {
            best = Some((q, place, format));
        }
    }
    best.map(|(_, _, format)| format)
}

/// The q of a format, and where in the header it comes from.
fn rank(format: Format, accepts: &[(&str, u16)]) -> Option<(u16, usize)> {
    let media_type = format.media_type();
    let (kind, _) = media_type.split_once('/')?;
    let exactness = |range: &str| {
        let range = range.split(';').next().unwrap_or_default().trim();
        let is_kind = || range.strip_suffix("/*").is_some_and(|found| found.eq_ignore_ascii_case(kind));
        match range {
            _ if range.eq_ignore_ascii_case(media_type) => Some(2),
            _ if format == Format::PidfDiff => None,
            "*/*" | "*" => Some(0),
            _ => is_kind().then_some(1),
        }
    };
    let mut found: Option<(u8, u16, usize)> = None;
    for (place, (range, q)) in accepts.iter().enumerate() {
        if let Some(exactness) = exactness(range)
            && found.is_none_or(|(most, ..)| exactness > most)
        {
            found = Some((exactness, *q, place));
        }
    }
    found.filter(|(_, q, _)| *q > 0).map(|(_, q, place)| (q, place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchers_wish_decides() {
        for (accepts, expected) in [
            (&[][..], Some(Format::Pidf)),
            (&[("application/pidf+xml", 1000)], Some(Format::Pidf)),
            (&[("application/pidf+xml", 1000), ("application/xpidf+xml", 1000)], Some(Format::Pidf)),
            (&[("application/xpidf+xml", 1000), ("application/pidf+xml", 1000)], Some(Format::Xpidf)),
            (&[("application/xpidf+xml", 300), ("application/pidf+xml", 900)], Some(Format::Pidf)),
            (&[("application/pidf+xml", 300), ("application/pidf-diff+xml", 1000)], Some(Format::PidfDiff)),
            (&[("text/*", 1000)], Some(Format::Lpidf)),
            (&[("*/*", 1000)], Some(Format::Pidf)),
            (&[("*/*", 1000), ("Application/CPIM-PIDF+xml", 1000)], Some(Format::Pidf)),
            (&[("*/*", 500), ("Application/CPIM-PIDF+xml;x=y", 1000)], Some(Format::CpimPidf)),
            (&[("application/pidf+xml", 0), ("application/*", 1000)], Some(Format::CpimPidf)),
            (&[("application/pidf+xml", 0)], None),
            (&[("application/rlmi+xml", 1000), ("text/html", 1000)], None),
        ] {
            assert_eq!(choose(accepts), expected, "{accepts:?}");
        }
    }
}
