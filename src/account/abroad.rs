//! What is known of people of other domains whom the owner follows (RFC 6121 §4.3.1, §4.4.3): each of their
//! sessions, as it said itself last.
//!
//! Their servers are asked once while any session of the owner's, or a watch of hers, wants to know; what they tell
//! is kept for the next one that does. It is forgotten with the last, or when the domain cannot be reached any more.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{
    Effect, Event, Shown, WatchId, WatchState,
    announce::tell,
    endpoints::Endpoint,
    state::{Account, Effects},
    watch::show,
};
use crate::{
    presence::aggregate,
    signal::{
        Address, AvatarHash, News, Party, Presence, PresenceNotice, ResourceState, SessionId, Snapshot,
        Timestamp, View,
    },
};

/// Boxed: most accounts follow nobody of another domain.
#[derive(Debug, Default)]
pub(super) struct Abroad(Option<Box<Known>>);

#[derive(Debug, Default)]
struct Known {
    /// Whose server was asked.
    people: BTreeMap<Address, Person>,
    /// Watches of the owner's, each with whom it is about.
    follows: Vec<(WatchId, Address)>,
}

/// The sessions that somebody has, oldest first; at most [`SESSIONS`].
#[derive(Debug, Default)]
struct Person(Vec<Arc<PresenceNotice>>);

/// Whether a domain can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DomainReach {
    /// Not any more.
    Lost,
    /// It can again.
    Back,
}

impl Person {
    /// Takes over what a session says. Whoever speaks for the account as a whole, and is not there, has none.
    fn note(&mut self, notice: &Arc<PresenceNotice>) {
        match &notice.from.resource {
            None if !notice.presence.is_available() => self.0.clear(),
            _ => self.0.retain(|known| known.from.resource != notice.from.resource),
        }
        if notice.presence.is_available() {
            if self.0.len() >= SESSIONS {
                self.0.remove(0);
            }
            self.0.push(Arc::clone(notice));
        }
    }

    /// What a session says, with the person as a whole.
    fn told(&self, notice: &PresenceNotice) -> Arc<PresenceNotice> {
        let aggregate = Some(self.aggregate(notice.presence.since));
        Arc::new(PresenceNotice { aggregate, ..notice.clone() })
    }

    fn aggregate(&self, now: Timestamp) -> Arc<Presence> {
        match &self.0[..] {
            [only] => Arc::clone(&only.presence),
            all => Arc::new(aggregate(all.iter().map(|notice| &*notice.presence), now)),
        }
    }

    fn snapshot(&self, of: &Address, picture: Option<AvatarHash>, now: Timestamp) -> Arc<Snapshot> {
        let resource = |notice: &Arc<PresenceNotice>| {
            Some(ResourceState {
                resource: notice.from.resource.clone()?,
                contact: None,
                takes_messages: true,
                takes_calls: false,
                presence: Arc::clone(&notice.presence),
            })
        };
        Arc::new(Snapshot {
            of: of.clone(),
            aggregate: self.aggregate(now),
            resources: self.0.iter().filter_map(resource).collect(),
            picture,
        })
    }
}

impl Account {
    /// Whether somebody lives on another server.
    pub(super) fn is_abroad(&self, somebody: &Address) -> bool {
        !self.shared.home.iter().any(|home| home.domain() == somebody.domain())
    }

    /// Whether anybody is followed here.
    pub(super) fn follows_abroad(&self) -> bool {
        self.abroad.0.as_ref().is_some_and(|known| !known.follows.is_empty())
    }

    /// Tells a session of the contacts on other servers: what is known, and what those servers are asked for.
    pub(super) fn welcome_abroad(&mut self, session: SessionId, effects: &mut Effects) {
        let contacts = self.roster.iter().filter(|contact| contact.to).map(|contact| &contact.address);
        let contacts: Vec<Address> = contacts.filter(|address| self.is_abroad(address)).cloned().collect();
        let mut unknown = Vec::new();
        for address in contacts {
            match self.abroad.0.as_ref().and_then(|known| known.people.get(&address)) {
                Some(person) => {
                    for notice in &person.0 {
                        let event = Event::Presence(person.told(notice));
                        effects.push(Effect::Tell { session, event });
                    }
                }
                None => unknown.push(address),
            }
        }
        self.ask_abroad(unknown, effects);
    }

    /// Asks the servers of these people how they are.
    fn ask_abroad(&mut self, people: Vec<Address>, effects: &mut Effects) {
        if people.is_empty() {
            return;
        }
        let known = self.abroad.0.get_or_insert_default();
        for address in &people {
            known.people.entry(address.clone()).or_default();
        }
        let from = Arc::new(Party::from(self.address.clone()));
        effects.push(Effect::RouteAll { to: people, news: News::Probe(from) });
    }

    /// Somebody of another server shows how he is: the notice as it is told here, with the person as a whole
    /// where the owner follows him.
    pub(super) fn note_abroad(
        &mut self,
        notice: Arc<PresenceNotice>,
        effects: &mut Effects,
    ) -> Arc<PresenceNotice> {
        let from = &notice.from.address;
        self.note_mark(from, notice.avatar, effects);
        let is_followed = self.roster.find(from).is_some_and(|contact| contact.to);
        let wants = self.endpoints.iter().any(Endpoint::follows_presence) || self.follows_abroad();
        if !is_followed || !wants || !self.is_abroad(from) {
            return notice;
        }
        let person = self.abroad.0.get_or_insert_default().people.entry(from.clone()).or_default();
        person.note(&notice);
        let told = person.told(&notice);
        self.show_follows(&told.from.address, effects);
        told
    }

    /// A watch of the owner's on somebody of another server begins.
    pub(super) fn handle_follow(&mut self, watch: WatchId, of: Address, effects: &mut Effects) {
        let known = self.abroad.0.get_or_insert_default();
        if known.follows.len() >= self.shared.limits.watchers {
            return show(watch, WatchState::Rejected, None, effects);
        }
        known.follows.push((watch, of.clone()));
        let is_asked = known.people.contains_key(&of);
        let may_see = self.roster.find(&of).is_some_and(|contact| contact.to);
        if may_see && !is_asked {
            self.ask_abroad(vec![of.clone()], effects);
        }
        self.show_follow(watch, &of, effects);
    }

    /// Tells whether that was a watch of the owner's on somebody of another server.
    pub(super) fn end_follow(&mut self, watch: WatchId) -> bool {
        let Some(known) = &mut self.abroad.0 else { return false };
        let before = known.follows.len();
        known.follows.retain(|(other, _)| *other != watch);
        let was_followed = known.follows.len() < before;
        self.forget_abroad();
        was_followed
    }

    /// Forgets what nobody wants to know any more.
    pub(super) fn forget_abroad(&mut self) {
        if !self.follows_abroad() && !self.endpoints.iter().any(Endpoint::follows_presence) {
            self.abroad.0 = None;
        }
    }

    /// What the owner may see of somebody of another server may have changed.
    pub(super) fn review_abroad(&mut self, somebody: &Address, effects: &mut Effects) {
        if !self.is_abroad(somebody) {
            return;
        }
        let may_see = self.roster.find(somebody).is_some_and(|contact| contact.to);
        if let Some(known) = self.abroad.0.as_mut().filter(|_| !may_see) {
            known.people.remove(somebody);
        }
        self.review_face(somebody, effects);
        self.show_follows(somebody, effects);
    }

    /// The domains where people live whose servers were asked.
    pub(super) fn domains_abroad(&self) -> BTreeSet<&str> {
        self.abroad.0.iter().flat_map(|known| known.people.keys()).map(Address::domain).collect()
    }

    /// A domain cannot be reached any more, or can be again.
    pub(super) fn handle_reach(
        &mut self,
        domain: &str,
        reach: DomainReach,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        let Some(known) = &mut self.abroad.0 else { return };
        let there = known.people.iter_mut().filter(|(address, _)| address.domain() == domain);
        if reach == DomainReach::Back {
            let people = there.map(|(address, _)| address.clone()).collect();
            return self.ask_abroad(people, effects);
        }
        let gone = Arc::new(Presence::offline(now));
        let lost: Vec<_> = there.flat_map(|(_, person)| std::mem::take(&mut person.0)).collect();
        let sessions = self.endpoints.ids(Endpoint::follows_presence);
        for notice in lost {
            let whole = Some(Arc::clone(&gone));
            let notice = PresenceNotice::new(notice.from.clone(), Arc::clone(&gone), whole);
            self.show_follows(&notice.from.address, effects);
            tell(sessions.clone(), Event::Presence(Arc::new(notice)), effects);
        }
    }

    pub(super) fn show_follows(&self, somebody: &Address, effects: &mut Effects) {
        let follows = self.abroad.0.iter().flat_map(|known| &known.follows);
        for (watch, _) in follows.filter(|(_, of)| of == somebody) {
            self.show_follow(*watch, somebody, effects);
        }
    }

    fn show_follow(&self, watch: WatchId, of: &Address, effects: &mut Effects) {
        if !self.roster.find(of).is_some_and(|contact| contact.to) {
            return show(watch, WatchState::Pending, None, effects);
        }
        let nobody = Person::default();
        let person = self.abroad.0.as_ref().and_then(|known| known.people.get(of)).unwrap_or(&nobody);
        let picture = self.picture_abroad(of);
        let snapshot =
            person.snapshot(of, picture, person.0.last().map_or(Timestamp(0), |it| it.presence.since));
        let view = Arc::new(View::everything());
        show(watch, WatchState::Active, Some(Shown::Presence { snapshot, view }), effects);
    }
}

/// Most sessions of one person that are kept.
const SESSIONS: usize = 20;
