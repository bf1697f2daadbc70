//! The ranges of numbers, checked alike for all sections.
//!
//! A room says in a table which numbers of its section may be what; the words for the operator are made here. The unit
//! of an option stands in its name.

use std::ops::RangeInclusive;

/// A number by its name within the section, and what it may be.
pub(super) type Row = (&'static str, u64, RangeInclusive<u64>);

/// Says which number of a section is out of its range: the first, by its full name, with all that is allowed.
pub(super) fn check(section: &str, table: &[Row]) -> Result<(), String> {
    match table.iter().find(|(_, value, range)| !range.contains(value)) {
        Some((name, value, range)) => {
            let (least, most, unit) = (range.start(), range.end(), unit_of(name));
            Err(format!("{section}.{name} is {value}, it must be between {least} and {most}{unit}"))
        }
        None => Ok(()),
    }
}

/// What an option counts, as words to follow a number; nothing where its name is what it counts.
fn unit_of(name: &str) -> String {
    if let Some((counted, part)) = name.rsplit_once('.') {
        let counted = counted.rsplit('.').next().unwrap_or_default();
        match part {
            "per_second" => return format!(" {counted} per second"),
            "burst" => return format!(" {counted}"),
            _ => {}
        }
    }
    let last = name.rsplit(['_', '.']).next().unwrap_or_default();
    let unit = UNITS.iter().find(|(suffix, _)| *suffix == last);
    unit.map(|(_, unit)| format!(" {unit}")).unwrap_or_default()
}

/// The ends of names that tell units.
const UNITS: [(&str, &str); 6] = [
    ("ms", "milliseconds"),
    ("seconds", "seconds"),
    ("hours", "hours"),
    ("days", "days"),
    ("bytes", "bytes"),
    ("kib", "KiB"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_range_is_said_with_its_unit() {
        for (name, range, expect) in [
            ("sessions", 3..=5, "a.sessions is 2, it must be between 3 and 5"),
            ("idle_seconds", 3..=5, "a.idle_seconds is 2, it must be between 3 and 5 seconds"),
            ("seconds", 0..=1, "a.seconds is 2, it must be between 0 and 1 seconds"),
            ("memory_kib", 0..=1, "a.memory_kib is 2, it must be between 0 and 1 KiB"),
            (
                "bytes.per_second",
                3..=5,
                "a.bytes.per_second is 2, it must be between 3 and 5 bytes per second",
            ),
            ("stanzas.burst", 3..=5, "a.stanzas.burst is 2, it must be between 3 and 5 stanzas"),
            ("services.seconds", 3..=5, "a.services.seconds is 2, it must be between 3 and 5 seconds"),
        ] {
            let table = [("fine", 1, 1..=1), (name, 2, range), ("wrong", 0, 1..=1)];
            assert_eq!(check("a", &table), Err(expect.to_owned()));
        }
        assert_eq!(check("a", &[("x", 1, 1..=3), ("y", 3, 1..=3)]), Ok(()));
    }
}
