//! What one subscription is told, document after document: whole or what changed, under which version.

use std::{cell::RefCell, sync::Arc};

use bytes::Bytes;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::{
    Content, Package,
    documents::{Document, Documents, tag_of},
};
use crate::{
    account::DocumentStep,
    formats::{
        Extent, dialoginfo, message_summary, pidf, reginfo, watcherinfo,
        xcap_diff::{self, Resources, Ways},
    },
    signal::{Address, Timestamp, WatcherList},
    sip::{
        document_watch::{Journal, Mode},
        translate,
    },
};

/// Writes the documents of one subscription.
#[derive(Debug)]
pub(in crate::sip) struct Teller {
    of: Address,
    form: Form,
}

/// What a teller has to remember over a restart, so that its versions go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(in crate::sip) struct Memory {
    /// The version of the next document; of those that have none, the number of their mode.
    version: u32,
}

#[derive(Debug)]
enum Form {
    Presence(pidf::Format),
    /// Changes of a presence document (RFC 5263).
    Changes(Box<Versioned<pidf::Document>>),
    Waiting,
    Watchers(Box<Versioned<WatcherList>>),
    Registrations(Box<Versioned<reginfo::Registration>>),
    Calls(Box<Versioned<dialoginfo::Dialogs>>),
    /// Documents without versions, in a dialog that loses none.
    Documents {
        mode: Mode,
        told: Option<Arc<Resources>>,
        /// What became of them since they were told; `None` where only what they are now is to be told.
        journal: Option<Box<Journal>>,
    },
    /// What of a list was told it knows itself.
    List {
        /// Of the states in it.
        format: pidf::Format,
        /// Of the next document.
        version: u32,
        /// The next document has to be whole.
        is_unknown: bool,
    },
}

/// Documents with versions.
#[derive(Debug)]
struct Versioned<T> {
    /// Of the next one.
    version: u32,
    /// What the reader knows; `None` where the next document has to be whole.
    told: Option<Arc<T>>,
}

impl Teller {
    /// For a subscription to this of `of`; with a memory it goes on from there, whole at first.
    pub(in crate::sip) fn new(package: Package, format: pidf::Format, of: Address, memory: Memory) -> Self {
        let form = match package {
            Package::Presence if format == pidf::Format::PidfDiff => Form::Changes(Versioned::from(memory)),
            Package::Presence => Form::Presence(format),
            Package::Waiting => Form::Waiting,
            Package::Watchers => Form::Watchers(Versioned::from(memory)),
            Package::Registrations => Form::Registrations(Versioned::from(memory)),
            Package::Calls => Form::Calls(Versioned::from(memory)),
            Package::Documents => documents_form(Mode::of_number(memory.version)),
            Package::PresenceList => {
                // Changes within changes would have versions of their own.
                let format = if format == pidf::Format::PidfDiff { pidf::Format::Pidf } else { format };
                Form::List { format, version: memory.version, is_unknown: true }
            }
        };
        Self { of, form }
    }

    /// What is subscribed to.
    pub(in crate::sip) fn of(&self) -> &Address {
        &self.of
    }

    /// The format of a presence document.
    pub(in crate::sip) fn format(&self) -> Option<pidf::Format> {
        match &self.form {
            Form::Presence(format) | Form::List { format, .. } => Some(*format),
            Form::Changes(_) => Some(pidf::Format::PidfDiff),
            _ => None,
        }
    }

    /// The watcher takes this format from now on (RFC 6665 §4.1.2.2: a SUBSCRIBE within the dialog may have another
    /// `Accept`). It is told the whole next. What has one format only keeps it.
    pub(in crate::sip) fn set_format(&mut self, format: pidf::Format) {
        if self.format().is_none_or(|known| known == format) {
            return;
        }
        match &mut self.form {
            Form::List { format: known, is_unknown, .. } if format != pidf::Format::PidfDiff => {
                (*known, *is_unknown) = (format, true);
            }
            Form::Presence(_) | Form::Changes(_) if format == pidf::Format::PidfDiff => {
                self.form = Form::Changes(Versioned::from(Memory::default()));
            }
            Form::Presence(_) | Form::Changes(_) => self.form = Form::Presence(format),
            _ => {}
        }
    }

    /// How changes of documents are told from now on (RFC 5875 §4.3).
    pub(in crate::sip) fn set_mode(&mut self, mode: Mode) {
        if let Form::Documents { mode: known, journal, .. } = &mut self.form
            && *known != mode
        {
            (*known, *journal) = (mode, journal_for(mode));
        }
    }

    /// Something became of a document that is followed.
    pub(in crate::sip) fn note(&mut self, step: &DocumentStep) {
        if let Form::Documents { journal: Some(journal), .. } = &mut self.form {
            journal.note(step);
        }
    }

    /// How changes of documents are told.
    pub(in crate::sip) fn mode(&self) -> Mode {
        match &self.form {
            Form::Documents { mode, .. } => *mode,
            _ => Mode::NoPatching,
        }
    }

    /// What has to survive; `None` where nothing has.
    pub(in crate::sip) fn memory(&self) -> Option<Memory> {
        let version = match &self.form {
            Form::Presence(_) | Form::Waiting => return None,
            Form::Documents { mode, .. } => mode.number(),
            Form::Changes(versioned) => versioned.version,
            Form::Watchers(versioned) => versioned.version,
            Form::Registrations(versioned) => versioned.version,
            Form::Calls(versioned) => versioned.version,
            Form::List { version, .. } => *version,
        };
        Some(Memory { version })
    }

    /// The reader may have missed something: the next document is whole.
    pub(in crate::sip) fn forget(&mut self) {
        match &mut self.form {
            Form::Presence(_) | Form::Waiting => {}
            Form::Documents { told, .. } => *told = None,
            Form::Changes(versioned) => versioned.told = None,
            Form::Watchers(versioned) => versioned.told = None,
            Form::Registrations(versioned) => versioned.told = None,
            Form::Calls(versioned) => versioned.told = None,
            Form::List { is_unknown, .. } => *is_unknown = true,
        }
    }

    /// The reader knows this state without being told: he has said so.
    pub(in crate::sip) fn assume(&mut self, content: &Content) {
        if let (Form::Documents { told, journal, .. }, Content::Documents(now)) = (&mut self.form, content) {
            *told = Some(Arc::clone(now));
            if let Some(journal) = journal {
                journal.settle(now);
            }
        }
    }

    /// The next document; `None` where only changes are wanted and the reader knows them all, and where the
    /// content is another package's.
    pub(in crate::sip) fn write(
        &mut self,
        content: &Content,
        extent: Extent,
        documents: &mut Documents,
        now: Timestamp,
    ) -> Option<Document> {
        if let (Form::Presence(format), Content::Presence { snapshot, view }) = (&self.form, content) {
            return Some(documents.presence(snapshot, view, *format));
        }
        let of = translate::uri_of(&self.of);
        let of = of.as_str();
        match (&mut self.form, content) {
            (Form::Changes(versioned), Content::Presence { snapshot, view }) => {
                let seen = documents.seen(snapshot, view)?;
                let print = |version: u32, _, told: Option<&pidf::Document>| {
                    // RFC 5263 §4.4: the first one is 1.
                    let version = version.saturating_add(1);
                    match told {
                        None => Some(pidf::print_full(&seen, version)),
                        Some(told) => (*told != *seen).then(|| pidf::print_changes(told, &seen, version)),
                    }
                };
                let text = versioned.print(&seen, extent, print)?;
                let tag = documents.presence(snapshot, view, pidf::Format::Pidf).tag;
                Some(document(pidf::Format::PidfDiff.content_type(), text, tag_of_changes(&tag)))
            }
            (Form::Waiting, Content::Waiting(count)) => {
                let text = message_summary::print(*count, of);
                let tag = tag_of(text.as_bytes());
                Some(document(message_summary::MEDIA_TYPE, text, tag))
            }
            (Form::Watchers(versioned), Content::Watchers(list)) => {
                let print = |version, extent, told: Option<&WatcherList>| {
                    let head =
                        watcherinfo::Head { version, extent, resource: of, package: WATCHED, now: Some(now) };
                    match told {
                        None => {
                            Some(watcherinfo::print(&head, watcherinfo::standing(list), translate::print_uri))
                        }
                        Some(told) => {
                            let changes = watcherinfo::changes(told, list);
                            (!changes.is_empty())
                                .then(|| watcherinfo::print(&head, &changes, translate::print_uri))
                        }
                    }
                };
                let text = versioned.print(list, extent, print)?;
                Some(document(watcherinfo::MEDIA_TYPE, text, tag_of_watchers(list, of)))
            }
            (Form::Registrations(versioned), Content::Registrations { state, .. }) => {
                let print = |version, extent, told: Option<&reginfo::Registration>| match told {
                    None => Some(reginfo::print(version, extent, state, state.standing(), Some(now))),
                    Some(told) => {
                        let changes = state.changes_since(told);
                        (!changes.is_empty())
                            .then(|| reginfo::print(version, extent, state, &changes, Some(now)))
                    }
                };
                let text = versioned.print(state, extent, print)?;
                Some(document(reginfo::MEDIA_TYPE, text, tag_of_registrations(state)))
            }
            (Form::Calls(versioned), Content::Calls(state)) => {
                let print = |version, extent, told: Option<&dialoginfo::Dialogs>| match told {
                    None => Some(dialoginfo::print(version, extent, of, state.standing(), Some(now))),
                    Some(told) => {
                        let changes = state.changes_since(told);
                        (!changes.is_empty())
                            .then(|| dialoginfo::print(version, extent, of, &changes, Some(now)))
                    }
                };
                let text = versioned.print(state, extent, print)?;
                Some(document(dialoginfo::MEDIA_TYPE, text, tag_of_calls(state, of)))
            }
            (Form::Documents { told, journal, .. }, Content::Documents(now)) => {
                let known = told.as_deref().filter(|_| extent == Extent::Partial);
                let history =
                    |before: Option<&str>, now: Option<&str>| Some(journal.as_ref()?.tell(before, now));
                documents.patches.begin();
                let patches = RefCell::new(&mut documents.patches);
                let patch =
                    |old: &Bytes, new: &Bytes, prefix: &str| patches.borrow_mut().patch(old, new, prefix);
                let text = match known {
                    None => Some(xcap_diff::print_full(now)),
                    Some(known) => xcap_diff::print_changes(known, now, &Ways { history, patch }),
                };
                if let Some(journal) = journal {
                    journal.settle(now);
                }
                let text = text?;
                *told = Some(Arc::clone(now));
                Some(document(xcap_diff::MEDIA_TYPE, text, tag_of_documents(now)))
            }
            (Form::List { format, version, is_unknown }, Content::List(list)) => {
                let extent = if *is_unknown { Extent::Full } else { extent };
                let document = list.lock().write(*version, extent, *format, documents)?;
                *version = version.wrapping_add(1);
                *is_unknown = false;
                Some(document)
            }
            _ => None,
        }
    }

    /// The tag of a state, without telling it.
    pub(in crate::sip) fn tag(&self, content: &Content, documents: &mut Documents) -> CompactString {
        let of = translate::uri_of(&self.of);
        match content {
            Content::Presence { snapshot, view } => {
                let format = self.format().unwrap_or(pidf::Format::Pidf);
                if format == pidf::Format::PidfDiff {
                    return tag_of_changes(&documents.presence(snapshot, view, pidf::Format::Pidf).tag);
                }
                documents.presence(snapshot, view, format).tag
            }
            Content::Waiting(count) => tag_of(message_summary::print(*count, of.as_str()).as_bytes()),
            Content::Watchers(list) => tag_of_watchers(list, of.as_str()),
            Content::Registrations { state, .. } => tag_of_registrations(state),
            Content::Calls(state) => tag_of_calls(state, of.as_str()),
            Content::Documents(now) => tag_of_documents(now),
            Content::List(list) => {
                let format = self.format().unwrap_or(pidf::Format::Pidf);
                list.lock().tag(format, documents)
            }
        }
    }
}

fn documents_form(mode: Mode) -> Form {
    Form::Documents { mode, told: None, journal: journal_for(mode) }
}

fn journal_for(mode: Mode) -> Option<Box<Journal>> {
    (mode == Mode::XcapPatching).then(Box::default)
}

impl<T> From<Memory> for Box<Versioned<T>> {
    fn from(memory: Memory) -> Self {
        Self::new(Versioned { version: memory.version, told: None })
    }
}

impl<T> Versioned<T> {
    fn from(memory: Memory) -> Box<Self> {
        memory.into()
    }

    /// Has a document printed: given what the reader knows it tells the changes, and nothing where there are
    /// none.
    fn print(
        &mut self,
        state: &Arc<T>,
        extent: Extent,
        print: impl Fn(u32, Extent, Option<&T>) -> Option<String>,
    ) -> Option<String> {
        let told = self.told.as_deref().filter(|_| extent == Extent::Partial);
        let extent = if told.is_some() { Extent::Partial } else { Extent::Full };
        let text = print(self.version, extent, told)?;
        self.version = self.version.wrapping_add(1);
        self.told = Some(Arc::clone(state));
        Some(text)
    }
}

fn document(media_type: &'static str, text: String, tag: CompactString) -> Document {
    Document { media_type: CompactString::const_new(media_type), body: Bytes::from(text), tag }
}

/// The tag of a state for whoever is told its changes.
fn tag_of_changes(tag: &str) -> CompactString {
    compact_str::format_compact!("d{tag}")
}

fn tag_of_watchers(list: &WatcherList, of: &str) -> CompactString {
    let head =
        watcherinfo::Head { version: 0, extent: Extent::Full, resource: of, package: WATCHED, now: None };
    tag_of(watcherinfo::print(&head, watcherinfo::standing(list), translate::print_uri).as_bytes())
}

fn tag_of_registrations(state: &reginfo::Registration) -> CompactString {
    tag_of(reginfo::print(0, Extent::Full, state, state.standing(), None).as_bytes())
}

fn tag_of_calls(state: &dialoginfo::Dialogs, of: &str) -> CompactString {
    tag_of(dialoginfo::print(0, Extent::Full, of, state.standing(), None).as_bytes())
}

/// In whatever order it was asked for (RFC 5875 §4.7).
fn tag_of_documents(now: &Resources) -> CompactString {
    let mut sorted = now.clone();
    sorted.resources.sort_by(|one, other| one.selector.cmp(&other.selector));
    tag_of(xcap_diff::print_full(&sorted).as_bytes())
}

/// The package whose watchers are told of.
const WATCHED: &str = "presence";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::{
        Presence, Resource, ResourceState, Snapshot, Text, View, Watcher, WatcherEvent, WatcherStatus,
    };

    fn address(name: &str) -> Address {
        Address::parse(&format!("{name}@example.org")).unwrap()
    }

    fn list(watchers: &[(&str, WatcherStatus)]) -> Content {
        let watchers = watchers.iter().map(|(name, status)| Watcher {
            id: (*name).into(),
            address: address(name),
            name: None,
            status: *status,
            event: WatcherEvent::Subscribe,
            since: Some(Timestamp(0)),
            until: None,
        });
        Content::Watchers(Arc::new(WatcherList { of: address("alice"), watchers: watchers.collect() }))
    }

    fn write(teller: &mut Teller, content: &Content, extent: Extent) -> Option<(String, CompactString)> {
        let document = teller.write(content, extent, &mut Documents::default(), Timestamp(5000))?;
        Some((String::from_utf8(document.body.to_vec()).unwrap(), document.tag))
    }

    #[test]
    fn versions_go_up_by_one_and_only_changes_are_told() {
        let mut teller =
            Teller::new(Package::Watchers, pidf::Format::Pidf, address("alice"), Memory::default());
        let bob = list(&[("bob", WatcherStatus::Pending)]);
        let (first, tag) = write(&mut teller, &bob, Extent::Partial).unwrap();
        assert!(first.contains("version=\"0\" state=\"full\"") && first.contains("sip:bob@"));
        assert_eq!(write(&mut teller, &bob, Extent::Partial), None, "it is known");
        let both = list(&[("bob", WatcherStatus::Pending), ("carol", WatcherStatus::Active)]);
        let (second, other) = write(&mut teller, &both, Extent::Partial).unwrap();
        assert!(second.contains("version=\"1\" state=\"partial\"") && !second.contains("bob"));
        assert_ne!(tag, other);
        let (third, same) = write(&mut teller, &both, Extent::Full).unwrap();
        assert!(third.contains("version=\"2\" state=\"full\"") && third.contains("bob"));
        assert_eq!(same, other, "a part and the whole have the tag of the whole");
        teller.forget();
        let (fourth, _) = write(&mut teller, &bob, Extent::Partial).unwrap();
        assert!(fourth.contains("version=\"3\" state=\"full\""));
        let mut later =
            Teller::new(Package::Watchers, pidf::Format::Pidf, address("alice"), teller.memory().unwrap());
        let (fifth, again) = write(&mut later, &bob, Extent::Partial).unwrap();
        assert!(fifth.contains("version=\"4\" state=\"full\""));
        assert_eq!(again, tag, "the state is the first one again");
        assert_eq!(later.tag(&bob, &mut Documents::default()), tag);
    }

    #[test]
    fn a_watcher_who_takes_changes_is_told_the_whole_first() {
        let snapshot = |note: &str| {
            let mut presence = Presence::online(Timestamp(0));
            presence.notes.push(Text { lang: None, text: note.into() });
            let presence = Arc::new(presence);
            let resource = ResourceState {
                resource: Resource::new("phone").unwrap(),
                contact: None,
                takes_messages: true,
                takes_calls: true,
                presence: Arc::clone(&presence),
            };
            let (of, resources) = (address("alice"), vec![resource]);
            let snapshot = Snapshot { of, aggregate: presence, resources, picture: None };
            Content::Presence { snapshot: Arc::new(snapshot), view: Arc::new(View::everything()) }
        };
        let mut teller =
            Teller::new(Package::Presence, pidf::Format::PidfDiff, address("alice"), Memory::default());
        let (first, tag) = write(&mut teller, &snapshot("one"), Extent::Full).unwrap();
        assert!(first.contains("pidf-full") && first.contains("version=\"1\""), "{first}");
        assert_eq!(write(&mut teller, &snapshot("one"), Extent::Partial), None);
        let (second, other) = write(&mut teller, &snapshot("two"), Extent::Partial).unwrap();
        assert!(second.contains("version=\"2\"") && second.contains("two"), "{second}");
        assert_ne!(tag, other);
        assert_eq!(teller.tag(&snapshot("two"), &mut Documents::default()), other);
        assert_eq!(teller.memory(), Some(Memory { version: 2 }));
    }

    #[test]
    fn waiting_messages_are_counted() {
        let mut teller =
            Teller::new(Package::Waiting, pidf::Format::Pidf, address("alice"), Memory::default());
        let (text, tag) = write(&mut teller, &Content::Waiting(2), Extent::Partial).unwrap();
        assert!(text.contains("Text-Message: 2/0"));
        assert_eq!(teller.tag(&Content::Waiting(2), &mut Documents::default()), tag);
        assert_eq!(write(&mut teller, &list(&[]), Extent::Full), None, "of another package");
    }
}
