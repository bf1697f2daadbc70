//! Records in a file that is written from its start: mark, length, checksum, payload.
//!
//! A crash can leave the last record torn; a disk can spoil any. The two are told apart: what is
//! merely incomplete at the end was never acknowledged and is cut; anything else that is wrong is
//! damage, and the mark finds the next good record behind it.

use std::ops::Range;

/// Appends a record to `out`, whose payload `print` appends.
pub(in crate::storage) fn print_record<E>(
    out: &mut Vec<u8>,
    print: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER]);
    print(out)?;
    if let Some((header, payload)) = out.get_mut(start..).and_then(|it| it.split_first_chunk_mut::<HEADER>())
    {
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes();
        let sum = checksum(&[&length, payload]).to_le_bytes();
        header.copy_from_slice([MARK, length, sum].as_flattened());
    }
    Ok(())
}

/// What is at the start of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::storage) enum Parsed<'a> {
    /// A good record and how many bytes it takes.
    Record { payload: &'a [u8], len: usize },
    /// The beginning of a record, or nothing at all.
    Incomplete,
    /// No record.
    Damaged,
}

/// Reads the record at the start of `bytes`.
pub(in crate::storage) fn parse_record(bytes: &[u8]) -> Parsed<'_> {
    let (Some(mark), Some(length), Some(sum)) = (word(bytes, 0), word(bytes, 4), word(bytes, 8)) else {
        let begins = bytes.iter().zip(MARK).all(|(have, want)| *have == want);
        return if begins { Parsed::Incomplete } else { Parsed::Damaged };
    };
    let len = u32::from_le_bytes(length) as usize;
    if mark != MARK || len > PAYLOAD_BYTES {
        return Parsed::Damaged;
    }
    match bytes.get(HEADER..HEADER + len) {
        None => Parsed::Incomplete,
        Some(payload) if checksum(&[&length, payload]) == u32::from_le_bytes(sum) => {
            Parsed::Record { payload, len: HEADER + len }
        }
        Some(_) => Parsed::Damaged,
    }
}

/// What a whole file is made of.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::storage) struct Survey {
    /// Where good records are, header included, in order.
    pub(in crate::storage) good: Vec<Range<usize>>,
    /// What is no record and not the torn end.
    pub(in crate::storage) damaged: Vec<Range<usize>>,
    /// Where the torn end begins, if there is one.
    pub(in crate::storage) torn: Option<usize>,
}

/// Looks through a whole file.
pub(in crate::storage) fn survey(bytes: &[u8]) -> Survey {
    let mut survey = Survey::default();
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        if let Parsed::Record { len, .. } = parse_record(rest) {
            survey.good.push(at..at + len);
            at += len;
            continue;
        }
        let Some(next) = next_record(bytes, at + 1) else {
            if is_torn(rest) {
                survey.torn = Some(at);
            } else {
                survey.damaged.push(at..bytes.len());
            }
            break;
        };
        survey.damaged.push(at..next);
        at = next;
    }
    survey
}

/// An end that a crash leaves: the beginning of a record, or zeros that were allocated and never
/// written, or both in turn.
fn is_torn(rest: &[u8]) -> bool {
    let written = rest.len() - rest.iter().rev().take_while(|byte| **byte == 0).count();
    written == 0
        || parse_record(rest) == Parsed::Incomplete
        || (written < rest.len() && parse_record(&rest[..written]) == Parsed::Incomplete)
}

/// Where the next good record begins, at `from` or later.
fn next_record(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    memchr::memmem::find_iter(rest, &MARK)
        .find(|at| matches!(parse_record(&rest[*at..]), Parsed::Record { .. }))
        .map(|at| from + at)
}

fn word(bytes: &[u8], at: usize) -> Option<[u8; 4]> {
    bytes.get(at..at + 4).and_then(|word| word.try_into().ok())
}

/// CRC-32 as in IEEE 802.3 over all parts in turn, eight bytes at a step.
fn checksum(parts: &[&[u8]]) -> u32 {
    !parts.iter().fold(u32::MAX, |sum, part| {
        let (words, rest) = part.as_chunks::<8>();
        let sum = words.iter().fold(sum, |sum, word| {
            let word = u64::from_le_bytes(*word) ^ u64::from(sum);
            word.to_le_bytes()
                .iter()
                .zip(CRC_TABLES.iter().rev())
                .fold(0, |sum, (byte, table)| sum ^ table[usize::from(*byte)])
        });
        rest.iter().fold(sum, |sum, byte| CRC_TABLES[0][usize::from((sum as u8) ^ byte)] ^ (sum >> 8))
    })
}

/// Table `n` is what a byte does to the sum `n` bytes later.
const fn crc_tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ 0xedb8_8320 } else { value >> 1 };
            bit += 1;
        }
        tables[0][index] = value;
        index += 1;
    }
    let mut table = 1;
    while table < 8 {
        let mut index = 0;
        while index < 256 {
            let before = tables[table - 1][index];
            tables[table][index] = tables[0][(before & 0xff) as usize] ^ (before >> 8);
            index += 1;
        }
        table += 1;
    }
    tables
}

static CRC_TABLES: [[u32; 256]; 8] = crc_tables();
const MARK: [u8; 4] = *b"\xf5Rc\x01";
pub(in crate::storage) const HEADER: usize = 12;
/// Largest payload; a longer length is damage.
const PAYLOAD_BYTES: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn print_payload(payload: &[u8], out: &mut Vec<u8>) {
        let print = |out: &mut Vec<u8>| {
            out.extend_from_slice(payload);
            Ok::<_, ()>(())
        };
        print_record(out, print).unwrap();
    }

    fn file(payloads: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for payload in payloads {
            print_payload(payload, &mut bytes);
        }
        bytes
    }

    fn payloads<'a>(bytes: &'a [u8], survey: &Survey) -> Vec<&'a [u8]> {
        survey.good.iter().map(|range| &bytes[range.start + HEADER..range.end]).collect()
    }

    #[test]
    fn checksum_is_the_known_one() {
        assert_eq!(checksum(&[b"1234", b"56789"]), 0xcbf4_3926);
        assert_eq!(checksum(&[b"The quick brown fox jumps ", b"over the lazy dog"]), 0x414f_a339);
    }

    #[test]
    fn cut_at_any_byte_loses_the_last_record_only() {
        let bytes = file(&[b"one", b"two", b"three"]);
        let two = bytes.len() - (HEADER + 5);
        for end in two..bytes.len() {
            let cut = survey(&bytes[..end]);
            assert_eq!(payloads(&bytes, &cut), [b"one", b"two"], "{end}");
            assert!(cut.damaged.is_empty(), "{end}");
            assert_eq!(cut.torn, (end > two).then_some(two), "{end}");
        }
        assert_eq!(payloads(&bytes, &survey(&bytes)).len(), 3);
    }

    #[test]
    fn end_of_zeros_is_torn() {
        let mut bytes = file(&[b"one", b"two"]);
        let end = bytes.len();
        bytes.extend_from_slice(&[0; 30]);
        assert_eq!(survey(&bytes).torn, Some(end));
        bytes[end - 1] = 0;
        bytes[end - 2] = 0;
        assert_eq!(survey(&bytes).torn, Some(15));
    }

    #[test]
    fn any_spoiled_byte_in_the_middle_costs_its_record_only() {
        let bytes = file(&[b"one", b"two", b"three"]);
        for at in 15..30 {
            let mut spoiled = bytes.clone();
            spoiled[at] ^= 0x55;
            let found = survey(&spoiled);
            assert_eq!(payloads(&bytes, &found), [&b"one"[..], b"three"], "{at}");
            assert_eq!((found.damaged.first(), found.damaged.len()), (Some(&(15..30)), 1), "{at}");
            assert_eq!(found.torn, None, "{at}");
        }
    }

    #[test]
    fn spoiled_payload_at_the_end_is_damage_not_a_torn_end() {
        let mut bytes = file(&[b"one", b"two"]);
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        assert_eq!(survey(&bytes).damaged.first(), Some(&(15..30)));
    }

    proptest::proptest! {
        #[test]
        fn survey_covers_any_file(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let found = survey(&bytes);
            let end = found.good.iter().chain(&found.damaged).map(|range| range.end).max().unwrap_or(0);
            proptest::prop_assert_eq!(found.torn.map_or(end, |_| bytes.len()), bytes.len());
        }
    }
}
