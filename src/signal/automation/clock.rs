//! Times of day and week, in a time zone.

use std::fmt;

use jiff::{civil::Weekday, tz::TimeZone};
use serde::{Deserialize, Serialize};

use super::{Dates, Hours};
use crate::signal::Timestamp;

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// A time of day: minutes since midnight, 0 to 1439. Written `HH:MM`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Minute(u16);

/// A name that is no time zone's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no time zone '{0}'")]
pub struct NoSuchZone(String);

/// Tells what time it is somewhere. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clock(TimeZone);

/// What a wall clock and a calendar show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalTime {
    pub day: Day,
    pub minute: Minute,
}

impl Clock {
    /// The clock of a time zone by its IANA name, from the table that is built in.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn of(zone: &str) -> Result<Self, NoSuchZone> {
        let found = jiff::tz::TimeZoneDatabase::bundled().get(zone);
        found.map(Self).map_err(|_| NoSuchZone(zone.chars().take(SHOWN_CHARS).collect()))
    }

    /// What it shows at that time.
    #[must_use]
    pub fn read(&self, at: Timestamp) -> LocalTime {
        let at = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
        let local = self.0.to_datetime(at);
        let minute = u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs());
        LocalTime { day: Day::of(local.weekday()), minute: Minute(minute) }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self(TimeZone::UTC)
    }
}

impl Day {
    fn of(weekday: Weekday) -> Self {
        match weekday {
            Weekday::Monday => Self::Mon,
            Weekday::Tuesday => Self::Tue,
            Weekday::Wednesday => Self::Wed,
            Weekday::Thursday => Self::Thu,
            Weekday::Friday => Self::Fri,
            Weekday::Saturday => Self::Sat,
            Weekday::Sunday => Self::Sun,
        }
    }

    fn before(self) -> Self {
        match self {
            Self::Mon => Self::Sun,
            Self::Tue => Self::Mon,
            Self::Wed => Self::Tue,
            Self::Thu => Self::Wed,
            Self::Fri => Self::Thu,
            Self::Sat => Self::Fri,
            Self::Sun => Self::Sat,
        }
    }
}

impl Hours {
    /// Whether that time is in it.
    #[must_use]
    pub fn contains(&self, time: LocalTime) -> bool {
        let is_day = |day| self.days.is_empty() || self.days.contains(&day);
        let LocalTime { day, minute } = time;
        if self.from < self.until {
            return is_day(day) && (self.from..self.until).contains(&minute);
        }
        (minute >= self.from && is_day(day)) || (minute < self.until && is_day(day.before()))
    }
}

impl Dates {
    /// Whether that moment is in it.
    #[must_use]
    pub fn contains(&self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= at) && self.until.is_none_or(|until| at < until)
    }
}

impl Minute {
    /// Reads `HH:MM`, from `00:00` to `23:59`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (hours, minutes) = text.split_once(':')?;
        let number = |text: &str, most: u16| {
            let is_number = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<u16>().ok().filter(|number| is_number && *number <= most)
        };
        Some(Self(number(hours, 23)? * 60 + number(minutes, 59)?))
    }
}

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl TryFrom<String> for Minute {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("a time of day looks like 09:30")
    }
}

impl From<Minute> for String {
    fn from(minute: Minute) -> Self {
        minute.to_string()
    }
}

/// Moments as RFC 3339 texts.
pub(super) mod moment {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::signal::Timestamp;

    pub(in crate::signal::automation) fn serialize<S: Serializer>(
        at: &Option<Timestamp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => serializer.collect_str(at),
            None => serializer.serialize_none(),
        }
    }

    pub(in crate::signal::automation) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
        let at = Timestamp::parse_rfc3339(&text);
        at.map(Some).ok_or_else(|| Error::custom("a moment looks like 2026-01-02T03:04:05Z"))
    }
}

/// How much of an unknown name is repeated in the error.
const SHOWN_CHARS: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(days: &[Day], from: &str, until: &str) -> Hours {
        let minute = |text| Minute::parse(text).unwrap();
        Hours { days: days.to_vec(), from: minute(from), until: minute(until) }
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_begins() {
        let working = hours(&[Day::Mon, Day::Fri], "09:00", "17:30");
        let night = hours(&[Day::Fri], "22:00", "06:00");
        let always = hours(&[], "00:00", "00:00");
        for (hours, day, minute, expect) in [
            (&working, Day::Mon, "08:59", false),
            (&working, Day::Mon, "09:00", true),
            (&working, Day::Fri, "17:29", true),
            (&working, Day::Fri, "17:30", false),
            (&working, Day::Tue, "12:00", false),
            (&night, Day::Fri, "21:59", false),
            (&night, Day::Fri, "22:00", true),
            (&night, Day::Sat, "05:59", true),
            (&night, Day::Sat, "06:00", false),
            (&night, Day::Sat, "23:00", false),
            (&night, Day::Fri, "01:00", false),
            (&always, Day::Sun, "00:00", true),
            (&always, Day::Sun, "23:59", true),
        ] {
            let time = LocalTime { day, minute: Minute::parse(minute).unwrap() };
            assert_eq!(hours.contains(time), expect, "{hours:?} {time:?}");
        }
    }

    #[test]
    fn clocks_know_zones_and_their_summer_time() {
        let read = |zone: &str, at: &str| {
            let time = Clock::of(zone).unwrap().read(Timestamp::parse_rfc3339(at).unwrap());
            format!("{:?} {}", time.day, time.minute)
        };
        assert_eq!(read("Europe/Berlin", "2026-01-02T23:30:00Z"), "Sat 00:30");
        assert_eq!(read("Europe/Berlin", "2026-07-03T21:30:00Z"), "Fri 23:30");
        assert_eq!(read("America/New_York", "2026-01-01T03:00:00Z"), "Wed 22:00");
        assert_eq!(read("UTC", "2026-01-01T03:00:00Z"), "Thu 03:00");
        assert!(Clock::of("Middle/Earth").is_err());
        assert!(Clock::of("").is_err());
    }

    #[test]
    fn times_of_day_are_read_strictly() {
        for text in ["", "9:00", "09:0", "24:00", "12:60", "12", "12:00:00", "+1:00", "é2:00"] {
            assert_eq!(Minute::parse(text), None, "{text}");
        }
        assert_eq!(Minute::parse("23:59").unwrap().to_string(), "23:59");
    }
}
