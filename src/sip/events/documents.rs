//! Documents as they are sent, and those that many watchers share.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use compact_str::CompactString;
use sha2::{Digest, Sha256};

use crate::{
    documents::IconKeys,
    formats::{hex, pidf},
    signal::{Snapshot, View},
    sip::{document_watch::Patches, translate},
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

/// The last presence documents: a state that many watch is composed once, filtered once for each view and
/// written once in each format, though some watchers are told later than others because they have not
/// answered the NOTIFY before. There are never more than [`DOCUMENTS`].
#[derive(Default)]
pub(in crate::sip) struct Documents {
    shared: VecDeque<Shared>,
    /// Below which URI pictures are found, by which keys; without it they are not named.
    pictures: Option<(CompactString, IconKeys)>,
    /// Of documents that are followed.
    pub(in crate::sip) patches: Patches,
}

struct Shared {
    snapshot: Arc<Snapshot>,
    view: Arc<View>,
    /// All that there is of the snapshot.
    whole: Arc<pidf::Document>,
    /// What is seen of it.
    seen: Arc<pidf::Document>,
    written: Vec<(pidf::Format, Document)>,
}

impl Documents {
    /// None yet; they will say that pictures are found below this URI.
    pub(in crate::sip) fn with_pictures_at(pictures: Option<(CompactString, IconKeys)>) -> Self {
        Self { pictures, ..Self::default() }
    }

    /// The presence document of a state for those who may see so much of it.
    pub(in crate::sip) fn presence(
        &mut self,
        snapshot: &Arc<Snapshot>,
        view: &Arc<View>,
        format: pidf::Format,
    ) -> Document {
        let Some(shared) = self.find(snapshot, view) else { return Document::empty() };
        if let Some((_, document)) = shared.written.iter().find(|(known, _)| *known == format) {
            return document.clone();
        }
        let body = Bytes::from(format.print(&shared.seen));
        let media_type = CompactString::const_new(format.content_type());
        let document = Document { media_type, tag: tag_of(&body), body };
        shared.written.push((format, document.clone()));
        document
    }

    /// What is seen of a state, before it is written.
    pub(in crate::sip) fn seen(
        &mut self,
        snapshot: &Arc<Snapshot>,
        view: &Arc<View>,
    ) -> Option<Arc<pidf::Document>> {
        self.find(snapshot, view).map(|shared| Arc::clone(&shared.seen))
    }

    fn find(&mut self, snapshot: &Arc<Snapshot>, view: &Arc<View>) -> Option<&mut Shared> {
        // They are held here, so that no other snapshot can have the address of one.
        let is_it = |known: &Shared| {
            Arc::ptr_eq(&known.snapshot, snapshot) && (Arc::ptr_eq(&known.view, view) || known.view == *view)
        };
        if let Some(at) = self.shared.iter().position(is_it) {
            return self.shared.get_mut(at);
        }
        let whole = self.shared.iter().find(|known| Arc::ptr_eq(&known.snapshot, snapshot));
        let whole = whole.map_or_else(
            || Arc::new(compose(snapshot, self.pictures.as_ref())),
            |known| Arc::clone(&known.whole),
        );
        let is_all = **view == View::everything();
        let seen = if is_all { Arc::clone(&whole) } else { Arc::new(pidf::filter(&whole, view)) };
        if self.shared.len() >= DOCUMENTS {
            self.shared.pop_front();
        }
        let (snapshot, view) = (Arc::clone(snapshot), Arc::clone(view));
        self.shared.push_back(Shared { snapshot, view, whole, seen, written: Vec::new() });
        self.shared.back_mut()
    }
}

impl Document {
    /// Never sent: a document of nothing.
    fn empty() -> Self {
        Self {
            media_type: CompactString::const_new(pidf::MEDIA_TYPE),
            body: Bytes::new(),
            tag: CompactString::const_new(NO_STATE),
        }
    }
}

/// The document of a state. `pictures` is where they are found, and their keys.
fn compose(snapshot: &Snapshot, pictures: Option<&(CompactString, IconKeys)>) -> pidf::Document {
    let mut document = pidf::compose(snapshot, translate::uri_of(&snapshot.of).as_str());
    if let Some(((root, keys), picture)) = pictures.zip(snapshot.picture) {
        document.show_picture(&keys.url(root, &snapshot.of, picture));
    }
    document
}

/// The entity tag of a state: 96 bits of its digest.
pub(super) fn tag_of(state: &[u8]) -> CompactString {
    let digest = Sha256::digest(state);
    let mut tag = CompactString::with_capacity(24);
    hex::push(&mut tag, digest.get(..12).unwrap_or_default());
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
        let aggregate = Arc::new(Presence::offline(Timestamp(0)));
        Arc::new(Snapshot { of, aggregate, resources: Vec::new(), picture: None })
    }

    #[test]
    fn a_state_is_written_once_and_few_are_remembered() {
        let (mut documents, state) = (Documents::default(), snapshot("alice"));
        let view = Arc::new(View::everything());
        let pidf = pidf::Format::Pidf;
        let first = documents.presence(&state, &view, pidf);
        let again = documents.presence(&state, &Arc::new(View::everything()), pidf);
        let lpidf = documents.presence(&state, &view, pidf::Format::Lpidf);
        assert_eq!((lpidf.media_type.as_str(), documents.shared.len()), ("text/lpidf", 1));
        assert_eq!(again.body.as_ptr(), first.body.as_ptr(), "an equal view sees the same");
        let other = documents.presence(&snapshot("alice"), &view, pidf);
        assert_ne!(other.body.as_ptr(), first.body.as_ptr(), "another state");
        assert_eq!(other.tag, first.tag, "which says the same");
        assert_ne!(documents.presence(&snapshot("bob"), &view, pidf).tag, first.tag);
        for _ in 0..DOCUMENTS * 2 {
            documents.presence(&snapshot("alice"), &view, pidf);
        }
        assert_eq!(documents.shared.len(), DOCUMENTS);
        assert_ne!(
            documents.presence(&state, &view, pidf).body.as_ptr(),
            first.body.as_ptr(),
            "forgotten by now"
        );
    }
}
