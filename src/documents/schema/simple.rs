//! Simple types: which texts are values of them (XML Schema Part 2, as far as our schemas go).
//!
//! White space around a value is dropped first where the type says so (`whiteSpace="collapse"`).

use super::uri::is_uri;
use crate::documents::tree::is_name;
use crate::formats::xml::is_language;

/// A type of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::documents) enum Simple {
    /// Any text, as it is.
    String,
    /// Any text, its white space without meaning.
    Token,
    /// A URI reference.
    Uri,
    Boolean,
    /// A name that is unique in the document (`xs:ID`).
    Id,
    /// A time of ISO 8601, with or without time zone.
    DateTime,
    /// A whole number from 0.
    NonNegative,
    /// A number from 0 to 1 with at most three digits behind the point (RFC 3863 §4.1.5).
    Quality,
    /// A language tag, or nothing.
    Language,
    /// One of these words, exactly.
    Exactly(&'static [&'static str]),
    /// One of these words, white space around it allowed.
    OneOf(&'static [&'static str]),
}

impl Simple {
    /// Whether a text is a value of this type.
    pub(super) fn takes(self, text: &str) -> bool {
        let bare = text.trim_matches(is_space);
        match self {
            Self::String | Self::Token => true,
            Self::Uri => is_uri(bare),
            Self::Boolean => ["true", "false", "1", "0"].contains(&bare),
            Self::Id => is_name(bare),
            Self::DateTime => is_date_time(bare),
            Self::NonNegative => is_whole(bare),
            Self::Quality => is_quality(bare),
            Self::Language => bare.is_empty() && text.is_empty() || is_language(bare),
            Self::Exactly(words) => words.contains(&text),
            Self::OneOf(words) => words.contains(&bare),
        }
    }

    /// What it is, for people: "a URI".
    pub(super) fn description(self) -> &'static str {
        match self {
            Self::String | Self::Token => "a text",
            Self::Uri => "a URI",
            Self::Boolean => "true or false",
            Self::Id => "a name",
            Self::DateTime => "a date and time",
            Self::NonNegative => "a whole number",
            Self::Quality => "a number from 0 to 1",
            Self::Language => "a language tag",
            Self::Exactly(_) | Self::OneOf(_) => "one of the words that are known here",
        }
    }
}

/// White space of XML, which is less than what Unicode calls so.
pub(super) fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}

fn is_whole(text: &str) -> bool {
    // A zero may have either sign.
    let (digits, is_negative) = match text.strip_prefix('-') {
        Some(digits) => (digits, true),
        None => (text.strip_prefix('+').unwrap_or(text), false),
    };
    has_digits(digits) && (!is_negative || digits.bytes().all(|digit| digit == b'0'))
}

/// Narrower than the printed pattern, in which a point stands for any character.
fn is_quality(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fits = |digit: u8| if whole == "0" { digit.is_ascii_digit() } else { digit == b'0' };
    matches!(whole, "0" | "1") && fraction.len() <= 3 && fraction.bytes().all(fits)
}

/// `[-]YYYY-MM-DDThh:mm:ss[.s…][Z|±hh:mm]`
fn is_date_time(text: &str) -> bool {
    let (text, zone) = split_zone(text);
    let Some((date, time)) = text.split_once('T') else { return false };
    zone.is_none_or(is_zone) && is_date(date) && is_time(time)
}

/// The zone with its sign.
fn split_zone(text: &str) -> (&str, Option<&str>) {
    if let Some(text) = text.strip_suffix('Z') {
        return (text, None);
    }
    match text.len().checked_sub(6).and_then(|at| text.split_at_checked(at)) {
        Some((text, zone)) if zone.starts_with(['+', '-']) && text.contains('T') => (text, Some(zone)),
        _ => (text, None),
    }
}

fn is_zone(zone: &str) -> bool {
    let Some((hours, minutes)) = zone.get(1..).and_then(|zone| zone.split_once(':')) else { return false };
    match (two_digits(hours), two_digits(minutes)) {
        (Some(14), Some(0)) => true,
        (Some(hours), Some(minutes)) => hours < 14 && minutes < 60,
        _ => false,
    }
}

fn is_date(date: &str) -> bool {
    let (is_before, date) = match date.strip_prefix('-') {
        Some(date) => (true, date),
        None => (false, date),
    };
    let mut parts = date.split('-');
    let (Some(year), Some(month), Some(day), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let is_year = has_digits(year) && year.len() >= 4 && (year.len() == 4 || !year.starts_with('0'));
    if !is_year || year.bytes().all(|digit| digit == b'0') {
        return false;
    }
    let (Some(month), Some(day)) = (two_digits(month), two_digits(day)) else { return false };
    (1..=days(year, is_before, month)).contains(&day)
}

/// How many days a month has; 0 for no month. Which years are leap years the last four digits tell.
fn days(year: &str, is_before: bool, month: u32) -> u32 {
    let last = year.get(year.len().saturating_sub(4)..).and_then(|digits| digits.parse::<u32>().ok());
    // There is no year 0: the year before the first one is -1.
    let year = last.unwrap_or(1) + if is_before { 9_999 } else { 0 };
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 => 28 + u32::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    }
}

fn is_time(time: &str) -> bool {
    let (time, fraction) = match time.split_once('.') {
        Some((time, fraction)) => (time, Some(fraction)),
        None => (time, None),
    };
    let mut parts = time.split(':').map(two_digits);
    let (Some(Some(hour)), Some(Some(minute)), Some(Some(second)), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let is_midnight = (hour, minute, second) == (24, 0, 0)
        && fraction.is_none_or(|fraction| fraction.bytes().all(|digit| digit == b'0'));
    fraction.is_none_or(has_digits) && (is_midnight || hour < 24 && minute < 60 && second < 60)
}

fn two_digits(text: &str) -> Option<u32> {
    let is_number = text.len() == 2 && has_digits(text);
    is_number.then(|| text.parse().ok()).flatten()
}

fn has_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_the_form_of_their_type() {
        let words = Simple::Exactly(&["block", "allow"]);
        let tokens = Simple::OneOf(&["block", "allow"]);
        for (kind, text, expected) in [
            (Simple::Boolean, " true\n", true),
            (Simple::Boolean, "TRUE", false),
            (Simple::Uri, "sip%3Aalice%40example.org", true),
            (Simple::Uri, " ", true),
            (Simple::Uri, "list[@name=\"a\"]", false),
            (Simple::Id, "a1", true),
            (Simple::Id, "1a", false),
            (Simple::Id, "a:b", false),
            (Simple::Id, "", false),
            (Simple::NonNegative, "007", true),
            (Simple::NonNegative, "-0", true),
            (Simple::NonNegative, "-1", false),
            (Simple::Quality, "0.333", true),
            (Simple::Quality, "0.3333", false),
            (Simple::Quality, "1.000", true),
            (Simple::Quality, "1.001", false),
            (Simple::Quality, "012", false),
            (Simple::Language, "", true),
            (Simple::Language, "de-CH", true),
            (Simple::Language, "de_CH", false),
            (words, "block", true),
            (words, " block", false),
            (tokens, " block ", true),
            (tokens, "bl ock", false),
        ] {
            assert_eq!(kind.takes(text), expected, "{kind:?} {text}");
        }
    }

    #[test]
    fn times_are_times_of_the_calendar() {
        for (text, expected) in [
            ("2004-02-06T16:49:29Z", true),
            ("2026-11-20T12:13:39.184449+00:00", true),
            ("2004-02-06T16:49:29", true),
            ("-0044-03-15T12:00:00", true),
            ("2004-02-29T24:00:00-14:00", true),
            ("12004-02-29T00:00:00Z", true),
            ("2004-02-06t16:49:29z", false),
            ("2003-02-29T00:00:00Z", false),
            ("1900-02-29T00:00:00Z", false),
            ("2004-02-06T24:00:01Z", false),
            ("2004-02-06T16:49:29.Z", false),
            ("2004-02-06T16:49:29+14:01", false),
            ("2004-02-06T16:49Z", false),
            ("2004-13-06T16:49:29Z", false),
            ("0000-01-01T00:00:00Z", false),
            ("04-02-06T16:49:29Z", false),
            ("2004-02-06", false),
            ("", false),
        ] {
            assert_eq!(Simple::DateTime.takes(text), expected, "{text}");
        }
    }
}
