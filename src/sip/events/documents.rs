//! Documents as they are sent, and those that many watchers share.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use compact_str::CompactString;
use sha2::{Digest, Sha256};

use crate::{
    formats::pidf,
    signal::{Snapshot, View},
    sip::translate,
};

/// The body of a NOTIFY.
#[derive(Debug, Clone)]
pub(in crate::sip) struct Document {
    /// `Content-Type`, with its parameters.
    pub(in crate::sip) media_type: CompactString,
    pub(in crate::sip) body: Bytes,
    /// Names the whole state, even where the body tells changes only (RFC 5839 §6.4).
    pub(in crate::sip) tag: CompactString,
}

/// The last documents: a state that many watch is written once, though some watchers are told later than
/// others because they have not answered the NOTIFY before. There are never more than [`DOCUMENTS`].
#[derive(Default)]
pub(in crate::sip) struct Documents(VecDeque<Shared>);

struct Shared {
    snapshot: Arc<Snapshot>,
    view: Arc<View>,
    document: Document,
}

impl Documents {
    /// The presence document of a state for those who may see so much of it.
    pub(in crate::sip) fn presence(&mut self, snapshot: &Arc<Snapshot>, view: &Arc<View>) -> Document {
        // They are held here, so that no other snapshot can have the address of one.
        let is_it = |known: &&Shared| {
            Arc::ptr_eq(&known.snapshot, snapshot) && (Arc::ptr_eq(&known.view, view) || known.view == *view)
        };
        if let Some(known) = self.0.iter().find(is_it) {
            return known.document.clone();
        }
        let entity = translate::uri_of(&snapshot.of);
        let body = Bytes::from(pidf::print_snapshot(snapshot, entity.as_str()));
        let document =
            Document { media_type: CompactString::const_new(pidf::MEDIA_TYPE), tag: tag_of(&body), body };
        if self.0.len() >= DOCUMENTS {
            self.0.pop_front();
        }
        let (snapshot, view) = (Arc::clone(snapshot), Arc::clone(view));
        self.0.push_back(Shared { snapshot, view, document: document.clone() });
        document
    }
}

/// The entity tag of a state: 96 bits of its digest.
pub(super) fn tag_of(state: &[u8]) -> CompactString {
    let digest = Sha256::digest(state);
    let mut tag = CompactString::with_capacity(24);
    for byte in digest.iter().take(12) {
        for digit in [byte >> 4, byte & 15] {
            tag.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
        }
    }
    tag
}

/// The tag where a watcher sees no state at all.
pub(in crate::sip) const NO_STATE: &str = "0";
/// Most documents that are kept.
const DOCUMENTS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::{Address, Presence, Timestamp};

    fn snapshot(name: &str) -> Arc<Snapshot> {
        let of = Address::parse(&format!("{name}@example.org")).unwrap();
        Arc::new(Snapshot { of, aggregate: Arc::new(Presence::offline(Timestamp(0))), resources: Vec::new() })
    }

    #[test]
    fn a_state_is_written_once_and_few_are_remembered() {
        let (mut documents, state) = (Documents::default(), snapshot("alice"));
        let view = Arc::new(View::everything());
        let first = documents.presence(&state, &view);
        let again = documents.presence(&state, &Arc::new(View::everything()));
        assert_eq!(again.body.as_ptr(), first.body.as_ptr(), "an equal view sees the same");
        let other = documents.presence(&snapshot("alice"), &view);
        assert_ne!(other.body.as_ptr(), first.body.as_ptr(), "another state");
        assert_eq!(other.tag, first.tag, "which says the same");
        assert_ne!(documents.presence(&snapshot("bob"), &view).tag, first.tag);
        for _ in 0..DOCUMENTS * 2 {
            documents.presence(&snapshot("alice"), &view);
        }
        assert_eq!(documents.0.len(), DOCUMENTS);
        assert_ne!(documents.presence(&state, &view).body.as_ptr(), first.body.as_ptr(), "forgotten by now");
    }
}
