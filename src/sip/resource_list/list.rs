//! A list as one subscriber is told of it (RFC 4662 §4.5 and §5): a pure machine that knows how each
//! resource stands and what of it was told, and writes the next body.
//!
//! Many changes between two bodies become one, and a state that reads as it was told is no change. A body
//! ends where its room ends: a whole list then names the other resources without instance, as it does with
//! those that nothing is known about, and the next bodies tell the rest. That is why the size of a list
//! over a datagram transport is bounded, for a whole list must name every resource (§5.2), and why it is not
//! over a connection.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use compact_str::{CompactString, format_compact};
use rustc_hash::FxHashMap;
use sha2::{Digest, Sha256};

use super::Names;
use crate::{
    formats::{
        Extent, pidf,
        rlmi::{Composer, Head, Instance, Resource, State},
    },
    signal::{Snapshot, View},
    sip::events::{Document, Documents},
};

/// A list that its watches and its subscription share. Cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::sip) struct SharedList(Arc<Mutex<List>>);

/// Names a resource of one list; never used twice in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::sip) struct ResourceId(u32);

/// One subscriber's list.
#[derive(Debug)]
pub(in crate::sip) struct List {
    uri: CompactString,
    /// `left@right`: part of the ids of all parts.
    id: (CompactString, CompactString),
    /// Bytes that a body may have, roughly.
    room: usize,
    last: u32,
    /// In the order in which they came.
    resources: BTreeMap<ResourceId, Row>,
    by_uri: FxHashMap<CompactString, ResourceId>,
    /// Those that may have to be told, oldest change first; each at most once.
    changed: VecDeque<ResourceId>,
    /// Resources that left the list after they were told of.
    gone: Vec<CompactString>,
    /// Resources whose watches have not said anything yet.
    unheard: usize,
    /// Of what was told about each resource, one over the other.
    digest: u128,
}

/// How a resource stands.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::sip) enum Known {
    /// Nothing is known.
    Unknown,
    /// Its owner has not decided.
    Pending,
    Active {
        snapshot: Arc<Snapshot>,
        view: Arc<View>,
    },
    /// Its owner said no.
    Rejected,
    /// There is no such account.
    NoResource,
}

#[derive(Debug)]
struct Row {
    uri: CompactString,
    names: Names,
    known: Known,
    /// A digest of what was told; `None` where it was not even named.
    told: Option<u128>,
    /// That it ended was told; it is named only from then on.
    is_over: bool,
    is_queued: bool,
    is_awaited: bool,
}

impl SharedList {
    pub(in crate::sip) fn new(list: List) -> Self {
        Self(Arc::new(Mutex::new(list)))
    }

    /// The list is whole after every statement, so a panic elsewhere cannot have broken it.
    pub(in crate::sip) fn lock(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl List {
    /// An empty list of that URI. `token` and `host` are unique in the world together.
    pub(in crate::sip) fn new(uri: CompactString, token: &str, host: &str) -> Self {
        let digest = digest_of(&[uri.as_bytes()]);
        Self {
            uri,
            id: (token.into(), host.into()),
            room: STREAM,
            last: 0,
            resources: BTreeMap::new(),
            by_uri: FxHashMap::default(),
            changed: VecDeque::new(),
            gone: Vec::new(),
            unheard: 0,
            digest,
        }
    }

    /// Bodies go by a connection, or by datagrams.
    pub(in crate::sip) fn set_reliable(&mut self, is_reliable: bool) {
        self.room = if is_reliable { STREAM } else { DATAGRAM };
    }

    /// Whether the whole list could be named in one body that goes by a datagram.
    pub(in crate::sip) fn fits_datagram(&self) -> bool {
        let composer = Composer::new(&self.head(0, Extent::Full, ""));
        let size: usize = self.resources.values().map(|row| composer.size_of(&row.bare())).sum();
        composer.size() + size <= LARGEST_DATAGRAM
    }

    /// A resource more; `None` where it is in the list already.
    pub(in crate::sip) fn add(&mut self, uri: CompactString, names: Names) -> Option<ResourceId> {
        if self.by_uri.contains_key(&uri) {
            return None;
        }
        self.last += 1;
        let id = ResourceId(self.last);
        self.gone.retain(|gone| *gone != uri);
        self.by_uri.insert(uri.clone(), id);
        let row = Row {
            uri,
            names,
            known: Known::Unknown,
            told: None,
            is_over: false,
            is_queued: false,
            is_awaited: false,
        };
        self.resources.insert(id, row);
        self.queue(id);
        Some(id)
    }

    /// A resource less.
    pub(in crate::sip) fn remove(&mut self, id: ResourceId) {
        let Some(row) = self.resources.remove(&id) else { return };
        self.unheard -= usize::from(row.is_awaited);
        self.by_uri.remove(&row.uri);
        self.changed.retain(|queued| *queued != id);
        if let Some(told) = row.told {
            self.digest ^= told;
            self.gone.push(row.uri);
        }
    }

    /// Where a URI of the list stands.
    pub(in crate::sip) fn find(&self, uri: &str) -> Option<ResourceId> {
        self.by_uri.get(uri).copied()
    }

    /// The resource is called otherwise now.
    pub(in crate::sip) fn rename(&mut self, id: ResourceId, names: Names) {
        if let Some(row) = self.resources.get_mut(&id).filter(|row| row.names != names) {
            row.names = names;
            self.queue(id);
        }
    }

    /// A watch on the resource begins: its first word is worth waiting for.
    pub(in crate::sip) fn expect(&mut self, id: ResourceId) {
        if let Some(row) = self.resources.get_mut(&id) {
            self.unheard += usize::from(!std::mem::replace(&mut row.is_awaited, true));
        }
    }

    /// How the resource stands now.
    pub(in crate::sip) fn show(&mut self, id: ResourceId, known: Known) {
        let Some(row) = self.resources.get_mut(&id) else { return };
        self.unheard -= usize::from(std::mem::replace(&mut row.is_awaited, false));
        row.known = known;
        row.is_over = false;
        self.queue(id);
    }

    /// How a resource stands.
    pub(in crate::sip) fn known(&self, id: ResourceId) -> Option<&Known> {
        self.resources.get(&id).map(|row| &row.known)
    }

    /// Whether every watch has said its first word.
    pub(in crate::sip) fn is_settled(&self) -> bool {
        self.unheard == 0
    }

    /// Whether there is something that was perhaps not told.
    pub(in crate::sip) fn is_changed(&self) -> bool {
        !self.changed.is_empty() || !self.gone.is_empty()
    }

    /// The next body, with states in this format; `None` where only changes are wanted and there are none.
    pub(in crate::sip) fn write(
        &mut self,
        version: u32,
        extent: Extent,
        format: pidf::Format,
        documents: &mut Documents,
    ) -> Option<Document> {
        let id = format_compact!("{version}.{}@{}", self.id.0, self.id.1);
        let composer = Composer::new(&self.head(version, extent, &id));
        let composer = match extent {
            Extent::Full => self.write_all(composer, format, documents),
            Extent::Partial => self.write_changes(composer, format, documents)?,
        };
        let related = composer.finish(&format_compact!("rl-{}-{version}", self.id.0));
        Some(Document { media_type: related.content_type, body: related.body, tag: print_tag(self.digest) })
    }

    /// The tag of the whole state, told or not (RFC 5839 §6.5).
    pub(in crate::sip) fn tag(&self, format: pidf::Format, documents: &mut Documents) -> CompactString {
        let queued = self.changed.iter().filter_map(|id| self.resources.get(id));
        print_tag(queued.fold(self.digest, |digest, row| {
            let document = row.known.document(format, documents);
            digest ^ row.told.unwrap_or(0) ^ row.digest(document.as_ref())
        }))
    }

    fn head<'a>(&'a self, version: u32, extent: Extent, id: &'a str) -> Head<'a> {
        Head { uri: &self.uri, version, extent, names: &[], id }
    }

    /// Every resource, with its state as long as there is room.
    fn write_all(
        &mut self,
        mut composer: Composer,
        format: pidf::Format,
        documents: &mut Documents,
    ) -> Composer {
        self.gone.clear();
        self.changed.clear();
        let mut left: usize = self.resources.values().map(|row| composer.size_of(&row.bare())).sum();
        let mut has_room = true;
        for (id, row) in &mut self.resources {
            row.is_queued = false;
            left -= composer.size_of(&row.bare());
            let document = if has_room { row.known.document(format, documents) } else { None };
            let whole = row.whole(document.as_ref());
            has_room &= composer.size() + composer.size_of(&whole) + left <= self.room;
            let told = if has_room {
                composer.push(&whole);
                row.digest(document.as_ref())
            } else {
                composer.push(&row.bare());
                row.bare_digest()
            };
            self.digest ^= row.told.replace(told).unwrap_or(0) ^ told;
            if has_room {
                row.note_end();
            } else if *row.shown() != Known::Unknown {
                row.is_queued = true;
                self.changed.push_back(*id);
            }
        }
        composer
    }

    /// What changed, oldest first, at least one resource and as many as there is room for.
    fn write_changes(
        &mut self,
        mut composer: Composer,
        format: pidf::Format,
        documents: &mut Documents,
    ) -> Option<Composer> {
        let mut is_empty = true;
        while let Some(uri) = self.gone.last() {
            let state = State::Terminated { reason: LEFT };
            let instance = Some(Instance { id: INSTANCE, state });
            let resource = Resource { uri, names: &[], instance };
            if !is_empty && composer.size() + composer.size_of(&resource) > self.room {
                return Some(composer);
            }
            composer.push(&resource);
            is_empty = false;
            self.gone.pop();
        }
        while let Some(id) = self.changed.front().copied() {
            let Some(row) = self.resources.get_mut(&id) else {
                self.changed.pop_front();
                continue;
            };
            let document = row.known.document(format, documents);
            let told = row.digest(document.as_ref());
            if row.told != Some(told) {
                let resource = row.whole(document.as_ref());
                if !is_empty && composer.size() + composer.size_of(&resource) > self.room {
                    break;
                }
                composer.push(&resource);
                is_empty = false;
                self.digest ^= row.told.replace(told).unwrap_or(0) ^ told;
                row.note_end();
            }
            row.is_queued = false;
            self.changed.pop_front();
        }
        (!is_empty).then_some(composer)
    }

    fn queue(&mut self, id: ResourceId) {
        if let Some(row) = self.resources.get_mut(&id)
            && !std::mem::replace(&mut row.is_queued, true)
        {
            self.changed.push_back(id);
        }
    }
}

impl Row {
    /// Named, and nothing else.
    fn bare(&self) -> Resource<'_> {
        Resource { uri: &self.uri, names: &self.names, instance: None }
    }

    /// With all that is known.
    fn whole<'a>(&'a self, document: Option<&'a Document>) -> Resource<'a> {
        let state = match self.shown() {
            Known::Unknown => None,
            Known::Pending => Some(State::Pending),
            Known::Rejected => Some(State::Terminated { reason: "rejected" }),
            Known::NoResource => Some(State::Terminated { reason: "noresource" }),
            Known::Active { .. } => document
                .map(|document| State::Active { content_type: &document.media_type, body: &document.body }),
        };
        Resource { instance: state.map(|state| Instance { id: INSTANCE, state }), ..self.bare() }
    }

    fn digest(&self, document: Option<&Document>) -> u128 {
        let state: &[u8] = match self.shown() {
            Known::Unknown => b"",
            Known::Pending => b"p",
            Known::Rejected => b"r",
            Known::NoResource => b"n",
            Known::Active { .. } => b"a",
        };
        let tag = document.map_or("", |document| &document.tag);
        self.digest_with(state, tag)
    }

    fn bare_digest(&self) -> u128 {
        self.digest_with(b"", "")
    }

    fn digest_with(&self, state: &[u8], tag: &str) -> u128 {
        let names = self
            .names
            .iter()
            .flat_map(|name| [name.text.as_bytes(), name.lang.as_deref().unwrap_or("").as_bytes()]);
        let parts: Vec<_> = [self.uri.as_bytes(), state, tag.as_bytes()].into_iter().chain(names).collect();
        digest_of(&parts)
    }

    /// What is told of it next.
    fn shown(&self) -> &Known {
        if self.is_over { &Known::Unknown } else { &self.known }
    }

    /// It was told how it stands; what ended is told once (RFC 4662 §4.5).
    fn note_end(&mut self) {
        self.is_over = matches!(self.known, Known::Rejected | Known::NoResource);
    }
}

impl Known {
    fn document(&self, format: pidf::Format, documents: &mut Documents) -> Option<Document> {
        match self {
            Self::Active { snapshot, view } => Some(documents.presence(snapshot, view, format)),
            _ => None,
        }
    }
}

/// A digest of parts, which cannot run into each other.
fn digest_of(parts: &[&[u8]]) -> u128 {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    let bytes = digest.finalize();
    bytes.iter().take(16).fold(0, |number, byte| number << 8 | u128::from(*byte))
}

fn print_tag(digest: u128) -> CompactString {
    format_compact!("{:024x}", digest & ((1 << 96) - 1))
}

/// The one instance that a resource has: nothing forks here.
const INSTANCE: &str = "1";
/// Why a resource that is in the list no more has ended: nobody holds the subscription to it.
const LEFT: &str = "timeout";
/// Bytes of a body that goes by a connection. Clients bound what they take.
const STREAM: usize = 60 * 1024;
/// Bytes of a body that goes by datagrams, as long as the names of the list alone are not more. Networks split
/// it (RFC 3261 §18.1.1 would have a connection for it, which a phone behind a NAT does not take), so that it
/// is kept to a few pieces.
const DATAGRAM: usize = 4096;
/// Bytes of the largest body that a datagram can carry, head left out.
const LARGEST_DATAGRAM: usize = 60_000;

#[cfg(test)]
#[path = "list_tests.rs"]
mod tests;
