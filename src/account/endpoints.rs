//! The sessions of one account, as its rules see them.

use std::sync::Arc;

use smallvec::SmallVec;
use thin_vec::ThinVec;

use super::session::{SessionChange, SessionKind, SessionSpec};
use crate::{
    presence::{aggregate, during_call, is_session_seen},
    signal::{
        Address, Native, Occasion, Party, Presence, Resource, ResourceState, SessionId, Timestamp, Topic,
        View,
    },
};

/// One session.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) session: SessionId,
    pub(super) spec: SessionSpec,
    /// What the session said last; `None` before it said anything and after it said goodbye. One that
    /// publishes may say that it is closed, and goes on.
    said: Option<Arc<Presence>>,
    /// What others see: the same, or what a call makes of it.
    pub(super) shown: Option<Arc<Presence>>,
    /// Calls that it takes part in.
    calls: u16,
    /// What it wants to hear of.
    topics: Option<Arc<[Topic]>>,
    /// Its connection is broken: a message that it gets may never be read.
    dormant: bool,
    /// Nobody looks at it.
    unattended: bool,
    /// Whom it showed its presence to, beyond those who may see it anyway; at most [`DIRECTED`].
    pub(super) directed: ThinVec<Directed>,
}

/// Somebody whom a session showed its presence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Directed {
    pub(super) to: Party,
    /// The owner's choice, and not her client, showed it, since he wanted to see it for that.
    pub(super) occasion: Option<Occasion>,
}

impl Endpoint {
    pub(super) fn new(session: SessionId, spec: SessionSpec) -> Self {
        let (said, shown, topics) = (None, None, None);
        Self {
            session,
            spec,
            said,
            shown,
            calls: 0,
            topics,
            dormant: false,
            unattended: false,
            directed: ThinVec::new(),
        }
    }

    pub(super) fn resource(&self) -> &Resource {
        &self.spec.resource
    }

    /// Whether somebody with this view sees it at all.
    pub(super) fn is_seen(&self, view: &View) -> bool {
        is_session_seen(view, &self.spec.resource, self.spec.contact.as_deref())
    }

    pub(super) fn is_available(&self) -> bool {
        self.shown.is_some()
    }

    /// Whether it is told of the presence of contacts. Phones watch those they want to see.
    pub(super) fn follows_presence(&self) -> bool {
        self.is_available() && matches!(self.spec.kind, SessionKind::Client | SessionKind::Page)
    }

    /// Since when it is as it is shown, or there where it is shown to few.
    pub(super) fn shown_since(&self) -> Timestamp {
        self.shown.as_ref().map_or(self.spec.since, |presence| presence.since)
    }

    /// Whether it was shown to somebody alone, or to one of his sessions.
    pub(super) fn is_directed_at(&self, somebody: &Address) -> bool {
        self.directed.iter().any(|one| one.to.address == *somebody)
    }

    /// What it wants to hear of.
    pub(super) fn topics(&self) -> &[Topic] {
        self.topics.as_deref().unwrap_or_default()
    }

    /// Whether it is told of this.
    pub(super) fn follows(&self, topic: &Topic) -> bool {
        self.is_available() && self.topics().contains(topic)
    }

    /// Whether a question for the owner can be shown there.
    pub(super) fn takes_questions(&self) -> bool {
        self.follows_presence()
    }

    /// Whether it takes messages that are not addressed to it by name.
    pub(super) fn takes_unasked(&self) -> bool {
        !self.dormant && self.is_for_unasked()
    }

    /// Whether it would, if its connection were not broken.
    pub(super) fn misses_unasked(&self) -> bool {
        self.dormant && self.is_for_unasked()
    }

    fn is_for_unasked(&self) -> bool {
        self.spec.takes_messages && self.shown.as_ref().is_some_and(|presence| presence.priority >= 0)
    }

    /// Whether its connection is broken.
    pub(super) fn is_dormant(&self) -> bool {
        self.dormant
    }

    /// Whether somebody who is there will see what it gets.
    pub(super) fn is_awake(&self) -> bool {
        self.is_available() && !self.dormant && !self.unattended
    }

    /// Whether it says in so many words that it is closed.
    pub(super) fn is_closed(&self) -> bool {
        self.said.is_some() && self.shown.is_none()
    }

    /// Whether it goes on after it said that it is not there: what a phone publishes is kept as it is.
    pub(super) fn stays_closed(&self) -> bool {
        matches!(self.spec.kind, SessionKind::Publication | SessionKind::Device)
    }

    /// Whether the server answers questions of chat clients in its name.
    pub(super) fn is_spoken_for(&self) -> bool {
        self.spec.kind != SessionKind::Client
    }

    /// What the session says in its own form.
    pub(super) fn native(&self) -> Native {
        self.said.as_ref().map_or(Native::None, |said| said.native.clone())
    }

    /// Notes whom it shows its presence; tells whether there was room.
    pub(super) fn note_directed(&mut self, one: Directed) -> bool {
        self.directed.retain(|other| other.to != one.to);
        let has_room = self.directed.len() < DIRECTED;
        if has_room {
            self.directed.push(one);
        }
        has_room
    }

    /// Takes over what the session says; `None` for goodbye.
    pub(super) fn say(&mut self, presence: Option<Arc<Presence>>) {
        self.said = presence;
        self.show();
        if self.shown.is_none() {
            self.directed.clear();
        }
    }

    /// Takes over a change; tells whether what others see is another thing now.
    pub(super) fn change(&mut self, change: SessionChange) -> bool {
        match change {
            SessionChange::TakesCopies(takes) => self.spec.takes_copies = takes,
            SessionChange::FollowsRoster(follows) => self.spec.follows_roster = follows,
            SessionChange::TakesMessages(takes) => {
                let changed = self.spec.takes_messages != takes;
                self.spec.takes_messages = takes;
                return changed;
            }
            SessionChange::Contact(contact) => {
                let changed = self.spec.contact != contact;
                self.spec.contact = contact;
                return changed;
            }
            SessionChange::Calls(calls) => {
                let was = self.calls > 0;
                self.calls = calls;
                self.show();
                return self.shown.is_some() && was != (calls > 0);
            }
            SessionChange::Follows(topics) => self.topics = Some(topics),
            SessionChange::Dormant(dormant) => self.dormant = dormant,
            SessionChange::Attended(attended) => self.unattended = !attended,
            SessionChange::Collect => {}
        }
        false
    }

    fn show(&mut self) {
        self.shown = match &self.said {
            Some(said) if !said.is_available() => None,
            Some(said) if self.calls > 0 => Some(Arc::new(during_call(said))),
            said => said.clone(),
        };
    }
}

/// The ids of some sessions; people have one or two.
pub(super) type Sessions = SmallVec<[SessionId; 2]>;

/// All sessions, oldest first.
#[derive(Debug, Default)]
pub(super) struct Endpoints(Vec<Endpoint>);

impl Endpoints {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Endpoint> {
        self.0.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn add(&mut self, endpoint: Endpoint) {
        // Most accounts have one session: room for three more would be most of what it costs.
        self.0.reserve_exact(1);
        self.0.push(endpoint);
    }

    pub(super) fn remove(&mut self, session: SessionId) -> Option<Endpoint> {
        let index = self.0.iter().position(|endpoint| endpoint.session == session)?;
        Some(self.0.remove(index))
    }

    pub(super) fn find(&self, session: SessionId) -> Option<&Endpoint> {
        self.0.iter().find(|endpoint| endpoint.session == session)
    }

    pub(super) fn find_mut(&mut self, session: SessionId) -> Option<&mut Endpoint> {
        self.0.iter_mut().find(|endpoint| endpoint.session == session)
    }

    pub(super) fn named(&self, resource: &Resource) -> Option<&Endpoint> {
        self.0.iter().find(|endpoint| endpoint.resource() == resource)
    }

    /// Nobody at this address is shown a session any more that he was shown alone.
    pub(super) fn forget_directed(&mut self, somebody: &Address) {
        self.0.iter_mut().for_each(|endpoint| endpoint.directed.retain(|one| one.to.address != *somebody));
    }

    /// He went himself: he need not hear when a session goes that he was shown (RFC 6121 §4.6.1).
    pub(super) fn forget_gone(&mut self, gone: &Party) {
        self.0.iter_mut().for_each(|endpoint| endpoint.directed.retain(|one| one.to != *gone));
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Endpoint> {
        self.0.iter_mut()
    }

    /// The ids of those for which `wanted` holds.
    pub(super) fn ids(&self, wanted: impl Fn(&Endpoint) -> bool) -> Sessions {
        self.0.iter().filter(|endpoint| wanted(endpoint)).map(|endpoint| endpoint.session).collect()
    }

    /// Where the person is, as far as all sessions that say it agree (RFC 5025 §3.1.2).
    pub(super) fn sphere(&self) -> Option<&str> {
        let mut spheres = self.0.iter().filter_map(|endpoint| endpoint.said.as_ref()?.sphere.as_deref());
        let first = spheres.next()?;
        spheres.all(|other| other.eq_ignore_ascii_case(first)).then_some(first)
    }

    /// The account's state as a whole. The only available session speaks for the person as it is,
    /// unless a client's own form says more of the session than of the person.
    /// Where none is available, what was published last counts, then `hard`.
    pub(super) fn aggregate(&self, hard: Option<&Arc<Presence>>, now: Timestamp) -> Arc<Presence> {
        let mut shown = self.0.iter().filter_map(|endpoint| endpoint.shown.as_ref());
        match (shown.next(), shown.next()) {
            (Some(only), None) if only.native == Native::None => Arc::clone(only),
            (None, _) => {
                let closed = self.0.iter().filter(|endpoint| endpoint.is_closed());
                let last = closed.filter_map(|endpoint| endpoint.said.as_ref()).max_by_key(|said| said.since);
                last.or(hard).cloned().unwrap_or_else(|| Arc::new(Presence::offline(now)))
            }
            _ => Arc::new(aggregate(self.0.iter().filter_map(|endpoint| endpoint.shown.as_deref()), now)),
        }
    }

    /// The sessions as watchers see them.
    pub(super) fn states(&self) -> Vec<ResourceState> {
        let state = |endpoint: &Endpoint| {
            Some(ResourceState {
                resource: endpoint.spec.resource.clone(),
                contact: endpoint.spec.contact.clone(),
                takes_messages: endpoint.spec.takes_messages,
                takes_calls: endpoint.spec.takes_calls,
                presence: Arc::clone(endpoint.shown.as_ref().or(endpoint.said.as_ref())?),
            })
        };
        self.0.iter().filter_map(state).collect()
    }
}

/// Most parties one session may show its presence to beyond its contacts.
pub(super) const DIRECTED: usize = 200;
