//! Patches that several subscriptions are told: those of one account to one document, or one document under several
//! names.

use std::collections::VecDeque;

use bytes::Bytes;
use compact_str::CompactString;

use super::patch;

/// The last patches, and how much work may go into the next ones.
#[derive(Debug, Default)]
pub(in crate::sip) struct Patches {
    known: VecDeque<Known>,
    /// What may still go into those of one NOTIFY.
    left: usize,
    /// What went into them since [`Patches::rest`].
    spent: usize,
}

#[derive(Debug)]
struct Known {
    old: Bytes,
    new: Bytes,
    prefix: CompactString,
    patch: Option<String>,
}

impl Patches {
    /// The next ones are for another NOTIFY.
    pub(in crate::sip) fn begin(&mut self) {
        self.left = WORK;
    }

    /// Whoever makes them had time for others.
    pub(in crate::sip) fn rest(&mut self) {
        self.spent = 0;
    }

    /// Whether so much work went into them that others should have their turn.
    pub(in crate::sip) fn is_tired(&self) -> bool {
        self.spent >= WORK
    }

    /// The operations that make `new` of `old`, as [`patch()`] gives them; none also where the patches of a NOTIFY
    /// are more work than it may be.
    pub(in crate::sip) fn patch(&mut self, old: &Bytes, new: &Bytes, prefix: &str) -> Option<String> {
        let is_it = |known: &&Known| known.prefix == prefix && is(&known.old, old) && is(&known.new, new);
        if let Some(known) = self.known.iter().find(is_it) {
            return known.patch.clone();
        }
        let before = self.left;
        let patch = patch(old, new, prefix, &mut self.left);
        self.spent += before - self.left;
        let (old, new) = (old.clone(), new.clone());
        self.known.push_back(Known { old, new, prefix: prefix.into(), patch: patch.clone() });
        while self.known.len() > KNOWN || self.known.iter().map(Known::size).sum::<usize>() > BYTES {
            self.known.pop_front();
        }
        patch
    }
}

impl Known {
    fn size(&self) -> usize {
        self.old.len() + self.new.len() + self.patch.as_ref().map_or(0, String::len)
    }
}

/// Whether these are the same bytes: mostly they are also in the same place.
fn is(one: &Bytes, other: &Bytes) -> bool {
    (one.as_ptr() == other.as_ptr() && one.len() == other.len()) || one == other
}

/// Most work for the patches of one NOTIFY, in units of [`patch()`]: some milliseconds.
const WORK: usize = 1 << 22;
/// Most patches that are kept, and the bytes of them and of their documents.
const KNOWN: usize = 8;
const BYTES: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    /// A document that is longer than what changes it.
    fn small(inside: &str) -> Bytes {
        format!("<doc><pad>{}</pad>{inside}</doc>", "x".repeat(200)).into()
    }

    /// Many elements, in each of which other children stay than in the one before.
    fn document(from: usize) -> Bytes {
        let children = |group: usize| -> String {
            (0..400)
                .map(|number| format!("<b id=\"{group}-{}\"/>", (number * 7 + from) % 400 + from))
                .collect()
        };
        let groups: String =
            (0..40).map(|group| format!("<a id=\"{group}\">{}</a>", children(group))).collect();
        format!("<doc>{groups}</doc>").into()
    }

    #[test]
    fn patches_of_a_notify_are_no_more_work_than_it_may_be() {
        let (old, new) = (document(0), document(1));
        let mut patches = Patches::default();
        patches.begin();
        assert_eq!(patches.patch(&old, &new, "d"), None);
        assert!(patches.spent > WORK / 2 && patches.spent <= WORK, "{}", patches.spent);
        // Small ones are not, as long as there is time.
        let (one, other) = (small("<a>1</a><b/>"), small("<b/>"));
        patches.begin();
        assert!(patches.patch(&one, &other, "d").is_some());
        patches.left = 1;
        assert_eq!(patches.patch(&other, &one, "d"), None);
    }

    #[test]
    fn patch_is_made_once_for_all_who_are_told_it() {
        let (old, new) = (small("<a>1</a><b/>"), small("<b/>"));
        let mut patches = Patches::default();
        patches.begin();
        let first = patches.patch(&old, &new, "d");
        let spent = patches.spent;
        assert!(first.is_some() && spent > 0);
        // The same bytes elsewhere are the same.
        let again = patches.patch(&Bytes::copy_from_slice(&old), &new, "d");
        assert_eq!((again, patches.spent), (first, spent));
        for (old, new, prefix) in [(&old, &new, "e"), (&new, &old, "d")] {
            let spent = patches.spent;
            patches.patch(old, new, prefix);
            assert!(patches.spent > spent);
        }
        patches.rest();
        assert!(!patches.is_tired());
        for number in 0..KNOWN {
            patches.patch(&old, &small(&format!("<c>{number}</c>")), "d");
        }
        assert_eq!(patches.known.len(), KNOWN);
        let large = Bytes::from(vec![b' '; BYTES]);
        patches.patch(&old, &large, "d");
        assert!(patches.known.is_empty());
    }
}
