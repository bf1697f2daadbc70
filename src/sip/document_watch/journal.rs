//! The versions that followed documents had since their watcher was told of them last: what `xcap-patching` tells
//! one after the other (RFC 5875 §4.3).
//!
//! Bounded: where too much happens between two NOTIFYs all of it is forgotten, and the next one says what there is
//! without telling how it came (§4.7); after that, histories are told again.

use std::collections::VecDeque;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::{
    account::DocumentStep,
    documents::tag_of,
    formats::xcap_diff::{Content, Resources, Step, Version},
    signal::DocumentId,
};

/// What became of documents, in the order in which it did.
#[derive(Debug, Default)]
pub(in crate::sip) struct Journal {
    steps: VecDeque<(DocumentId, Step)>,
    bytes: usize,
}

impl Journal {
    /// Something became of a document.
    pub(in crate::sip) fn note(&mut self, step: &DocumentStep) {
        let version = |(entry, bytes): &(_, bytes::Bytes)| Version {
            tag: tag_of(entry),
            content: Content(Some(bytes.clone())),
        };
        let (before, after) = (step.before.as_ref().map(tag_of), step.after.as_ref().map(version));
        let step = (step.id.clone(), Step { before, after });
        self.bytes += size(&step);
        self.steps.push_back(step);
        if self.steps.len() > STEPS || self.bytes > BYTES {
            *self = Self::default();
        }
    }

    /// How a document came from one version to another, as it is told: where that is not known, that it did. Several
    /// changes are never told as one, which is a mode that nobody asked for (RFC 5875 §4.7).
    pub(in crate::sip) fn tell(&self, before: Option<&str>, now: Option<&str>) -> Vec<Step> {
        self.history(before, now).unwrap_or_else(|| {
            let after = now.map(|tag| Version { tag: tag.into(), content: Content::default() });
            vec![Step { before: before.map(Into::into), after }]
        })
    }

    /// How a document came from one version to another, without a gap; a version that is none: it was not there, or
    /// is not there any more. `None` where that is not known.
    fn history(&self, before: Option<&str>, now: Option<&str>) -> Option<Vec<Step>> {
        let is_it = |(_, step): &&(DocumentId, Step)| match before {
            Some(_) => step.before.as_deref() == before,
            None => now.is_some() && step.tag() == now,
        };
        let (id, _) = self.steps.iter().find(is_it)?;
        let of_it = self.steps.iter().filter(|(known, _)| known == id).map(|(_, step)| step);
        let (mut history, mut length): (Vec<Step>, usize) = (Vec::new(), 0);
        for step in of_it.skip_while(|step| step.before.as_deref() != before) {
            if history.last().is_some_and(|earlier| earlier.tag() != step.before.as_deref()) {
                return None;
            }
            history.push(step.clone());
            if step.tag() == now {
                length = history.len();
            }
        }
        history.truncate(length);
        (length > 0).then_some(history)
    }

    /// The watcher is told of everything that is there: what led to it is history no more.
    pub(in crate::sip) fn settle(&mut self, now: &Resources) {
        if self.steps.is_empty() {
            return;
        }
        let current: FxHashSet<&str> = now.tags().collect();
        let is_current = |tag: Option<&str>| tag.is_some_and(|tag| current.contains(tag));
        // How far each document was followed, and whether that is its version.
        let mut told: FxHashMap<DocumentId, (usize, bool)> = FxHashMap::default();
        for (at, (id, step)) in self.steps.iter().enumerate() {
            let known = told.get(id).is_some_and(|(_, is_sure)| *is_sure);
            let reached = match step {
                step if is_current(step.tag()) => Some((at + 1, true)),
                step if is_current(step.before.as_deref()) => Some((at, true)),
                // It is not there now, and was taken away here.
                Step { after: None, .. } if !known => Some((at + 1, false)),
                _ => None,
            };
            if let Some(reached) = reached {
                told.insert(id.clone(), reached);
            }
        }
        let steps = std::mem::take(&mut self.steps).into_iter().enumerate();
        let is_news = |at: usize, id: &DocumentId| told.get(id).is_none_or(|(reached, _)| at >= *reached);
        self.steps = steps.filter(|(at, (id, _))| is_news(*at, id)).map(|(_, step)| step).collect();
        self.bytes = self.steps.iter().map(size).sum();
    }
}

fn size((_, step): &(DocumentId, Step)) -> usize {
    let content = step.after.as_ref().and_then(|version| version.content.0.as_ref());
    content.map_or(0, |content| content.len()) + STEP
}

/// Most changes between two NOTIFYs that are told one by one.
const STEPS: usize = 64;
/// Most bytes of the versions in between, which a subscription keeps as long as they are not told.
const BYTES: usize = 2 << 20;
/// What a step costs besides the document, about.
const STEP: usize = 200;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use compact_str::CompactString;

    use super::*;
    use crate::{
        formats::xcap_diff::{Resource, State},
        signal::{DocumentEntry, Timestamp},
    };

    fn entry(name: &str, version: u64) -> DocumentEntry {
        let id = DocumentId::new("resource-lists", name);
        DocumentEntry { id, version, hash: 0, changed: Timestamp(0), size: 0 }
    }

    fn tag(version: u64) -> CompactString {
        tag_of(&entry("index", version))
    }

    /// Changes of documents: their names with their versions before and after; 0 is none.
    fn journal(steps: &[(&str, u64, u64)]) -> Journal {
        let mut journal = Journal::default();
        for (name, before, after) in steps {
            let entry = |version: &u64| (*version > 0).then(|| entry(name, *version));
            let after = entry(after).map(|entry| (entry, Bytes::from_static(b"<a/>")));
            let id = DocumentId::new("resource-lists", name);
            journal.note(&DocumentStep { id, before: entry(before), after });
        }
        journal
    }

    fn history(journal: &Journal, before: u64, now: u64) -> Option<Vec<Option<CompactString>>> {
        let known = |version: u64| (version > 0).then(|| tag(version));
        let found = journal.history(known(before).as_deref(), known(now).as_deref())?;
        Some(found.iter().map(|step| step.tag().map(Into::into)).collect())
    }

    fn there(versions: &[u64]) -> Resources {
        let state = |version: &u64| State::Document { tag: tag(*version), content: Content::default() };
        let resource = |version: &u64| Resource { selector: tag(*version), state: state(version) };
        Resources { root: "/".into(), resources: versions.iter().map(resource).collect() }
    }

    #[test]
    fn history_has_every_version_of_one_document_in_order() {
        let steps =
            [("a", 1, 2), ("b", 3, 4), ("a", 2, 5), ("b", 4, 0), ("c", 0, 6), ("c", 6, 7), ("b", 0, 8)];
        let all = journal(&steps);
        let versions = |versions: &[u64]| {
            Some(versions.iter().map(|version| (*version > 0).then(|| tag(*version))).collect::<Vec<_>>())
        };
        for (before, now, expect) in [
            (1, 5, versions(&[2, 5])),
            (1, 2, versions(&[2])),
            (2, 5, versions(&[5])),
            (3, 0, versions(&[4, 0])),
            (3, 8, versions(&[4, 0, 8])),
            (0, 7, versions(&[6, 7])),
            // A gap before, a version that is not its, and one that is not known.
            (9, 5, None),
            (1, 4, None),
            (0, 9, None),
        ] {
            assert_eq!(history(&all, before, now), expect, "{before} to {now}");
        }
        assert_eq!(history(&journal(&[("a", 1, 2), ("a", 3, 4)]), 1, 4), None, "a gap");
    }

    #[test]
    fn what_was_told_is_forgotten_and_what_came_later_is_not() {
        for (steps, now, left) in [
            (&[("a", 1, 2), ("a", 2, 3)][..], &[3_u64][..], 0),
            (&[("a", 1, 2), ("a", 2, 3)], &[2], 1),
            (&[("a", 1, 2), ("a", 2, 0)], &[1], 2),
            (&[("a", 1, 2), ("a", 2, 0)], &[], 0),
            (&[("a", 1, 0), ("a", 0, 2)], &[], 1),
            (&[("a", 0, 1)], &[], 1),
            (&[("a", 1, 2), ("b", 3, 4), ("a", 2, 5)], &[5, 3], 1),
        ] {
            let mut journal = journal(steps);
            journal.settle(&there(now));
            assert_eq!(journal.steps.len(), left, "{steps:?} {now:?}");
            assert_eq!(journal.bytes == 0, left == 0);
        }
    }

    #[test]
    fn too_much_is_forgotten_and_then_histories_are_known_again() {
        let many: Vec<_> = (1..=STEPS as u64 + 1).map(|version| ("a", version, version + 1)).collect();
        let mut all = journal(&many);
        assert_eq!((all.steps.len(), all.bytes), (0, 0));
        let last = STEPS as u64 + 2;
        assert_eq!(history(&all, 1, last), None);
        let large = Bytes::from(vec![b' '; BYTES / 2]);
        for version in [last, last + 1] {
            let id = DocumentId::new("resource-lists", "a");
            let after = Some((entry("a", version + 1), large.clone()));
            all.note(&DocumentStep { id, before: Some(entry("a", version)), after });
            assert_eq!(history(&all, last, last + 1).is_some(), version == last, "{version}");
        }
    }
}
