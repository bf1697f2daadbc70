//! A presence document, nothing lost: what is understood is in fields, every other element is kept as
//! it came (RFC 3863 §4, RFC 4479 §3).

use compact_str::CompactString;

use super::element::Element;
use crate::signal::{Availability, Text, Timestamp};

/// A presence document: one that was published, or one that is composed for watchers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Document {
    /// Whose presence it is, as the publisher wrote it, `%` escapes of the whole URI undone.
    pub entity: CompactString,
    pub tuples: Vec<Tuple>,
    /// Notes of the document itself.
    pub notes: Vec<Text>,
    /// A composed document has one at most.
    pub persons: Vec<Person>,
    pub devices: Vec<Device>,
    /// Other elements beside tuples and persons.
    pub extensions: Vec<Element>,
}

/// One tuple: a service of the person (RFC 4479 §3.2).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tuple {
    pub id: CompactString,
    /// The id it was published with, where composition had to give it another.
    pub published_id: Option<CompactString>,
    pub status: Status,
    /// Elements of other namespaces, in their order.
    pub extensions: Vec<Element>,
    pub contact: Option<Contact>,
    pub notes: Vec<Text>,
    pub timestamp: Option<Moment>,
}

/// The status of a tuple.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// `None` where the document does not say.
    pub basic: Option<Basic>,
    /// Elements of other namespaces, in their order.
    pub extensions: Vec<Element>,
}

/// Whether a service takes communication at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Basic {
    Open,
    Closed,
}

/// Where a service is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// `%` escapes of the whole URI undone.
    pub uri: CompactString,
    /// In thousandths, 0 to 1000.
    pub priority: Option<u16>,
}

/// What is said of the human being (RFC 4479 §3.3).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Person {
    /// Empty where the publisher gave none.
    pub id: CompactString,
    /// Elements of other namespaces, in their order.
    pub extensions: Vec<Element>,
    pub notes: Vec<Text>,
    pub timestamp: Option<Moment>,
    /// In a composed document: the persons as they were published, newest first. Rules that show some
    /// of them only are about these.
    pub occurrences: Vec<Self>,
}

/// A device (RFC 4479 §3.4).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Device {
    /// Empty where the publisher gave none.
    pub id: CompactString,
    /// The id it was published with, where composition had to give it another.
    pub published_id: Option<CompactString>,
    /// A URN that is the same wherever the device is spoken of.
    pub device_id: CompactString,
    /// Elements of other namespaces, in their order.
    pub extensions: Vec<Element>,
    pub notes: Vec<Text>,
    pub timestamp: Option<Moment>,
}

/// A point in time as it was written: clients look for their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    at: Timestamp,
    text: CompactString,
}

/// The four states that Blink's clients show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Extended {
    Available,
    Away,
    Busy,
    Offline,
}

/// `user-input` (RFC 4480 §3.18).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Input {
    pub idle: bool,
    pub last: Option<Timestamp>,
}

impl Moment {
    /// Reads a date and time of RFC 3339, in either case; `None` for others and for those before 1970.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let upper = text.trim().to_ascii_uppercase();
        let at = Timestamp::parse_rfc3339(&upper).filter(|at| at.0 >= 0)?;
        let text = if is_date_time(&upper) { upper.into() } else { at.to_string().into() };
        Some(Self { at, text })
    }

    /// The time itself.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// As it was written, where that is a date and time for the schema.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl From<Timestamp> for Moment {
    fn from(at: Timestamp) -> Self {
        Self { at, text: at.to_string().into() }
    }
}

/// Whether a text has the one form of `xs:dateTime` with time zone that everybody reads. Values of its
/// fields are not looked at, save for the leap second, which the schema does not know.
fn is_date_time(text: &str) -> bool {
    let matches = |text: &str, form: &str| {
        text.len() == form.len()
            && text.bytes().zip(form.bytes()).all(|(byte, form)| match form {
                b'0' => byte.is_ascii_digit(),
                _ => byte == form,
            })
    };
    let Some((time, rest)) = text.split_at_checked("0000-00-00T00:00:00".len()) else { return false };
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => fraction.trim_start_matches(|digit: char| digit.is_ascii_digit()),
        None => rest,
    };
    let has_digits = rest.len() != zone.len() + 1;
    let is_zone = zone == "Z" || ["+00:00", "-00:00"].iter().any(|form| matches(zone, form));
    matches(time, "0000-00-00T00:00:00") && !time.ends_with(":60") && has_digits && is_zone
}

impl Extended {
    /// Reads the word; `extended-away` of older clients is away.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "available" => Some(Self::Available),
            "away" | "extended-away" => Some(Self::Away),
            "busy" => Some(Self::Busy),
            "offline" => Some(Self::Offline),
            _ => None,
        }
    }

    /// The word that comes nearest.
    #[must_use]
    pub fn from_availability(availability: Availability) -> Self {
        match availability {
            Availability::Online => Self::Available,
            Availability::Away | Availability::ExtendedAway => Self::Away,
            Availability::Busy => Self::Busy,
            Availability::Offline => Self::Offline,
        }
    }

    /// The word of the schema.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Away => "away",
            Self::Busy => "busy",
            Self::Offline => "offline",
        }
    }
}

/// Why a text is not a presence document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PidfError {
    #[error(transparent)]
    Xml(#[from] crate::formats::xml::XmlError),
    #[error("the root element is no presence of PIDF")]
    Root,
    #[error("the presence has no entity, or one that is longer than 1024 bytes")]
    Entity,
    #[error("a tuple has no id, or one that is longer than 255 bytes")]
    TupleId,
    #[error("two tuples have the same id")]
    RepeatedId,
    #[error("a basic status is neither open nor closed")]
    Basic,
    #[error("a tuple has more than one status, contact or timestamp")]
    RepeatedPart,
    #[error("more than 64 namespaces, or more than 128 elements side by side")]
    TooMany,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_keep_their_form_where_the_schema_has_it() {
        for (text, expected) in [
            ("2026-11-20T12:13:39.184449+00:00", Some("2026-11-20T12:13:39.184449+00:00")),
            (" 2026-11-20t12:13:39z\n", Some("2026-11-20T12:13:39Z")),
            ("2026-11-20T12:13:39.1-03:30", Some("2026-11-20T12:13:39.1-03:30")),
            ("2026-11-20 12:13:39Z", Some("2026-11-20T12:13:39.000Z")),
            ("2026-11-20T12:13:39+01", Some("2026-11-20T11:13:39.000Z")),
            ("2026-11-20T12:13:39", None),
            ("1969-11-20T12:13:39Z", None),
            ("now", None),
        ] {
            assert_eq!(Moment::parse(text).as_ref().map(Moment::as_str), expected, "{text}");
        }
        assert_eq!(Moment::parse("2026-11-20T12:13:60Z").unwrap().as_str(), "2026-11-20T12:13:59.000Z");
    }
}
