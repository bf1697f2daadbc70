//! One subscription: its dialog, its notifier and what it is shown, and the next NOTIFY made of them.

use std::sync::Arc;

use bytes::Bytes;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use tokio::{sync::oneshot, time::Instant};

use super::{
    dialog::Dialog,
    list::Origin,
    notifier::{Cause, Ended, Notice, Notifier, State},
    saved::Saved,
};
use crate::{
    account::{DocumentStep, Watch, WatchState},
    formats::{
        Extent,
        dialoginfo::{Dialogs, Identifier},
    },
    signal::{Address, Timestamp},
    sip::{
        clock::Clock,
        document_watch::Wanted,
        events::{Content, Document, Documents, Memory, NO_STATE, Package, Teller},
        resource_list::Following,
        transaction::Prepared,
        translate,
    },
};

/// One subscription.
pub(super) struct Entry {
    pub(super) watcher: Address,
    /// As the watcher calls himself.
    pub(super) name: Option<CompactString>,
    /// Whoever is watched must not learn by whom.
    pub(super) is_anonymous: bool,
    pub(super) package: Package,
    /// Our tag, which names the dialog.
    pub(super) tag: CompactString,
    pub(super) dialog: Dialog,
    pub(super) notifier: Notifier,
    pub(super) teller: Teller,
    /// The one call that is followed; `None`: all there are.
    pub(super) call: Option<Box<Identifier>>,
    /// What the watcher may see now.
    pub(super) content: Option<Content>,
    /// The watcher must believe that there are no calls.
    pub(super) hides_calls: bool,
    /// What the watcher knows and does not want to be told again.
    pub(super) condition: Option<Condition>,
    /// Who waits for the account's first word.
    pub(super) first: Option<oneshot::Sender<WatchState>>,
    /// Ends with the entry; `None` until it is there. Dropped and renewed only where nothing is locked.
    pub(super) watch: Option<Arc<Watch>>,
    /// Where the resources come from, where it is a subscription to a list.
    pub(super) origin: Option<Origin>,
    /// What follows them; ends with the entry. Dropped and used only where nothing is locked.
    pub(super) following: Option<Arc<Following>>,
    /// The documents that are followed, where it is a subscription to documents.
    pub(super) wanted: Option<Arc<[Wanted]>>,
    /// What of the teller is remembered over a restart; `None` where nothing of the subscription is.
    pub(super) saved: Option<Memory>,
}

/// When something has to be remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// Before the NOTIFY goes out.
    First,
    Soon,
}

/// What is to be remembered: a key and its value.
pub(super) type Record = (Bytes, Bytes);

/// `Suppress-If-Match` (RFC 5839 §5.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Condition {
    /// `*`: no state at all, as long as it stands.
    Any,
    /// The state that has this tag.
    Tag(CompactString),
}

impl Condition {
    pub(super) fn parse(text: &str) -> Self {
        if text == "*" { Self::Any } else { Self::Tag(text.into()) }
    }

    fn holds(&self, tag: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Tag(known) => known == tag,
        }
    }
}

impl Entry {
    /// The subscription as it is to be remembered now.
    pub(super) fn save(&mut self, now: Instant, clock: Timestamp) -> Record {
        self.saved = Some(self.teller.memory().unwrap_or_default());
        let value = Saved::of(self, Clock { instant: now, time: clock }).to_bytes();
        (self.key(), value)
    }

    /// Its name in the memory.
    pub(super) fn key(&self) -> Bytes {
        Bytes::copy_from_slice(self.tag.as_bytes())
    }

    /// What has to be remembered since the last NOTIFY was made, and whether before that goes out.
    pub(super) fn changed(&mut self, now: Instant, clock: Timestamp) -> Option<(Record, Urgency)> {
        let saved = self.saved?;
        let urgency = match self.teller.memory() {
            Some(memory) if memory != saved => Urgency::First,
            _ if self.dialog.needs_numbers() => Urgency::Soon,
            _ => return None,
        };
        (!self.notifier.is_over()).then(|| (self.save(now, clock), urgency))
    }

    /// The account says where the watcher stands and what he may see.
    pub(super) fn show(&mut self, stand: WatchState, content: Option<Content>, now: Instant) {
        if stand != WatchState::Active {
            self.teller.forget();
        }
        let hid_calls = self.hides_calls;
        self.hides_calls = self.package == Package::Calls && matches!(content, Some(Content::Calls(_)));
        if hid_calls != self.hides_calls {
            self.teller.forget();
        }
        if !self.package.is_shown_by_door() {
            self.content = content.filter(|_| stand == WatchState::Active);
        } else if self.notifier.stand() == Some(stand) && hid_calls == self.hides_calls {
            // The account has nothing to say of what this door shows.
            return;
        }
        self.notifier.show(stand, now);
    }

    /// Something became of documents; what he follows of them will be told.
    pub(super) fn note(&mut self, steps: &[DocumentStep]) {
        let Some(wanted) = &self.wanted else { return };
        for step in steps {
            if wanted.iter().any(|wanted| wanted.has_document(&step.id)) {
                self.teller.note(step);
            }
        }
    }

    /// This door says what the watcher may see.
    pub(super) fn show_own(&mut self, content: Content, now: Instant) {
        let content = match (&self.call, content) {
            (Some(call), Content::Calls(all)) => {
                Content::Calls(Arc::new(Arc::unwrap_or_clone(all).only(call)))
            }
            (_, content) => content,
        };
        if let (Some(_), Content::Calls(calls)) = (&self.call, &content)
            && calls.standing().next().is_none()
            && !calls.dialogs.is_empty()
        {
            self.notifier.end(Ended::Invariant);
        }
        self.content = Some(content.after(self.content.as_ref()));
        // Of calls that he does not see there is no news.
        if let Some(stand) = self.notifier.stand().filter(|_| !self.hides_calls) {
            self.notifier.show(stand, now);
        }
    }

    /// What the watcher sees in the place of calls that are hidden from him.
    fn no_calls(&self) -> Option<Content> {
        self.hides_calls.then(|| {
            let entity = translate::print_uri(self.teller.of());
            Content::Calls(Arc::new(Dialogs { entity, dialogs: Vec::new() }))
        })
    }

    /// Whether the watcher knows the state that he would be told now.
    pub(super) fn is_known(&self, condition: &Condition, documents: &mut Documents) -> bool {
        let no_calls = self.no_calls();
        let content = no_calls.as_ref().or(self.content.as_ref());
        let content = content.filter(|_| self.notifier.stand() == Some(WatchState::Active));
        condition.holds(&self.tag_of(content, documents))
    }

    fn tag_of(&self, content: Option<&Content>, documents: &mut Documents) -> CompactString {
        content.map_or(CompactString::const_new(NO_STATE), |content| self.teller.tag(content, documents))
    }

    /// The next NOTIFY, where one is due.
    pub(super) fn next(
        &mut self,
        now: Instant,
        clock: Timestamp,
        documents: &mut Documents,
    ) -> Option<Prepared> {
        let notice = self.notifier.poll(now)?;
        let no_calls = self.no_calls();
        let content = self.content.take();
        if let Some(Content::List(list)) = &content {
            list.lock().set_reliable(self.dialog.reach().is_reliable());
        }
        let shown = no_calls.as_ref().or(content.as_ref()).filter(|_| notice.has_content);
        let made = self.make(&notice, shown, clock, documents);
        self.content = if made.is_some() { content.map(Content::told) } else { content };
        match &self.content {
            _ if made.is_none() => self.notifier.withdraw(),
            Some(Content::List(list)) if list.lock().is_changed() => self.notifier.go_on(),
            _ => {}
        }
        made
    }

    fn make(
        &mut self,
        notice: &Notice,
        shown: Option<&Content>,
        clock: Timestamp,
        documents: &mut Documents,
    ) -> Option<Prepared> {
        if let Some(condition) = &self.condition {
            let tag = self.tag_of(shown, documents);
            if condition.holds(&tag) {
                let must = notice.cause == Cause::Must;
                return must.then(|| self.dialog.notify(notice.state, &notice.rates, &tag, None));
            }
            // He is told another state now, and knows the old one no more.
            self.condition = None;
        }
        let Some(content) = shown else {
            return Some(self.dialog.notify(notice.state, &notice.rates, NO_STATE, None));
        };
        // That a call is over is a change; a whole document would not name it.
        let is_last = matches!(notice.state, State::Terminated(Ended::Invariant));
        let extent = if notice.cause == Cause::Change || is_last { Extent::Partial } else { Extent::Full };
        let document: Option<Document> = self.teller.write(content, extent, documents, clock);
        // Of a change that is none nothing is said.
        let document = document?;
        let tag = document.tag.clone();
        Some(self.dialog.notify(notice.state, &notice.rates, &tag, Some(document)))
    }
}
