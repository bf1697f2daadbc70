//! How the owner's presence reaches others, and theirs her (RFC 6121 §4).

use std::sync::Arc;

use super::{
    Effect, Event, SessionChange,
    config::Authorization,
    endpoints::{Endpoint, Sessions},
    rules::Sight,
    session::SessionKind,
    state::{Account, Effects},
};
use crate::{
    presence::{Standing, seen_by},
    signal::{
        Address, Contact, ContactEvent, ContactSignal, Native, News, Party, Presence, PresenceNotice,
        Resource, SessionId, Signal, Timestamp, View,
    },
};

impl Account {
    /// A session says how its person is.
    pub(super) fn handle_presence(
        &mut self,
        session: SessionId,
        presence: Arc<Presence>,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        let Some(endpoint) = self.endpoints.find_mut(session) else { return };
        if !presence.is_available() {
            let left = endpoint.stays_closed().then(|| Arc::clone(&presence));
            self.say_goodbye(session, presence, left, now, effects);
            return;
        }
        let is_first = !endpoint.is_available();
        endpoint.say(Some(presence));
        self.spread(session, now, effects);
        if is_first {
            self.welcome(session, effects);
            let topics = self.endpoints.find(session).map_or(&[][..], Endpoint::topics);
            self.catch_up(session, topics, now, effects);
        }
        self.collect_offline(session, effects);
    }

    /// A session is over.
    pub(super) fn handle_close(&mut self, session: SessionId, now: Timestamp, effects: &mut Effects) {
        self.say_goodbye(session, Arc::new(Presence::offline(now)), None, now, effects);
        self.endpoints.remove(session);
    }

    /// A session changes what it takes.
    pub(super) fn handle_change(
        &mut self,
        session: SessionId,
        change: SessionChange,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        let Some(endpoint) = self.endpoints.find_mut(session) else { return };
        let new_topics = match &change {
            SessionChange::Follows(topics) => {
                topics.iter().filter(|topic| !endpoint.topics().contains(topic)).cloned().collect()
            }
            _ => Vec::new(),
        };
        if endpoint.change(change) {
            self.spread(session, now, effects);
        }
        self.catch_up(session, &new_topics, now, effects);
        self.collect_offline(session, effects);
    }

    /// A session shows its presence to one party, or takes that back (RFC 6121 §4.6.3).
    pub(super) fn handle_direct(
        &mut self,
        session: SessionId,
        to: Party,
        presence: Arc<Presence>,
        effects: &mut Effects,
    ) {
        let known = self.standing(&to.address) == Standing::Allowed;
        let Some(endpoint) = self.endpoints.find_mut(session) else { return };
        let from = Party::full(self.address.clone(), endpoint.resource().clone());
        let told_anyway = known && endpoint.is_available();
        endpoint.directed.retain(|party| *party != to);
        if presence.is_available() && !told_anyway && endpoint.directed.len() < super::endpoints::DIRECTED {
            endpoint.directed.push(to.clone());
        }
        let notice = PresenceNotice::new(from, presence, None).with_avatar(self.avatar_mark());
        let notice = Arc::new(notice);
        effects.push(Effect::Route { signal: Signal::Presence { to, notice }, reply: None });
    }

    /// Somebody shows the owner his presence.
    pub(super) fn handle_notice(&mut self, to: &Party, notice: Arc<PresenceNotice>, effects: &mut Effects) {
        if self.is_blocked(&notice.from.address) {
            return;
        }
        let sessions = match &to.resource {
            Some(resource) => self.endpoints.ids(|endpoint| {
                endpoint.resource() == resource
                    && matches!(endpoint.spec.kind, SessionKind::Client | SessionKind::Page)
            }),
            None => self.endpoints.ids(|endpoint| endpoint.follows_presence()),
        };
        tell(sessions, Event::Presence(notice), effects);
    }

    /// Somebody asks for the owner's presence now (RFC 6121 §4.3.2).
    pub(super) fn handle_probe(&mut self, from: &Party, effects: &mut Effects) {
        if self.standing(&from.address) != Standing::Allowed {
            // He may have seen this session all the same, because it was shown to him.
            let notices =
                self.notices(|endpoint| endpoint.directed.iter().any(|p| p.address == from.address));
            let granted = self.roster.find(&from.address).is_some_and(|contact| contact.from);
            if notices.is_empty() && granted {
                // He must not learn that he is not shown it.
                let gone = Arc::new(Presence::offline(self.aggregate.since));
                let aggregate = Some(Arc::clone(&gone));
                let notice = PresenceNotice::new(self.address.clone().into(), gone, aggregate);
                route_notices(from, vec![Arc::new(notice)], effects);
            } else if notices.is_empty() {
                self.refuse_probe(&from.address, effects);
            } else {
                route_notices(from, notices, effects);
            }
            return;
        }
        let mut notices = self.notices_for(&from.address);
        if notices.is_empty() {
            let state = match self.part_for(&from.address) {
                None => Arc::clone(&self.aggregate),
                // Of sessions that he may not see he must not learn here.
                Some(_) if self.endpoints.iter().any(Endpoint::is_available) => {
                    Arc::new(Presence::offline(self.aggregate.since))
                }
                Some(view) => Arc::new(seen_by(view, &self.aggregate)),
            };
            let notice = PresenceNotice::new(self.address.clone().into(), Arc::clone(&state), Some(state));
            notices.push(Arc::new(notice));
        }
        route_notices(from, notices, effects);
    }

    /// Who asks believes to be a contact and is none: tell, so that both sides agree again.
    fn refuse_probe(&self, from: &Address, effects: &mut Effects) {
        if self.requests.contains_key(from) {
            return;
        }
        let signal = ContactSignal {
            from: self.address.clone(),
            to: from.clone(),
            event: ContactEvent::Unsubscribed,
            note: None,
            native: Native::None,
        };
        effects.push(Effect::Route { signal: Signal::Contact(Arc::new(signal)), reply: None });
    }

    /// Shows `to` every available session, or takes that back: the contact was granted presence, or
    /// lost it (RFC 6121 §3.1.5, §3.2.2).
    pub(super) fn show_all_to(&self, to: &Party, shown: bool, now: Timestamp, effects: &mut Effects) {
        if shown && self.standing(&to.address) != Standing::Allowed {
            return;
        }
        let mut notices = self.notices_for(&to.address);
        if !shown {
            notices = notices.into_iter().map(|notice| gone(notice.from.clone(), now)).collect();
        }
        route_notices(to, notices, effects);
    }

    /// The sessions that somebody who sees so much sees.
    pub(super) fn seen_sessions(&self, sight: Option<&Sight>) -> Vec<Resource> {
        let is_seen = |endpoint: &&Endpoint| match sight {
            None => true,
            Some(Sight::Part(view)) => endpoint.is_seen(view),
            Some(Sight::Hidden) => false,
        };
        let available = self.endpoints.iter().filter(|endpoint| endpoint.is_available());
        available.filter(is_seen).map(|endpoint| endpoint.resource().clone()).collect()
    }

    /// Shows a contact what he may see from now on, and takes back the sessions in `seen` that he may
    /// not see any more.
    pub(super) fn show_changed_sight(
        &self,
        somebody: &Address,
        seen: &[Resource],
        now: Timestamp,
        effects: &mut Effects,
    ) {
        let left = self.seen_sessions(self.sight(somebody));
        let lost = seen.iter().filter(|resource| !left.contains(resource));
        let lost = lost.map(|resource| gone(Party::full(self.address.clone(), resource.clone()), now));
        let to = Party::from(somebody.clone());
        route_notices(&to, lost.collect(), effects);
        if !self.is_hidden_from(somebody) {
            route_notices(&to, self.notices_for(somebody), effects);
        }
    }

    /// Tells everybody who may know what every session shows: something that goes with all of them changed.
    pub(super) fn spread_all(&mut self, now: Timestamp, effects: &mut Effects) {
        for session in self.endpoints.ids(Endpoint::is_available) {
            self.spread(session, now, effects);
        }
    }

    /// Tells everybody who may know what `session` shows now.
    fn spread(&mut self, session: SessionId, now: Timestamp, effects: &mut Effects) {
        self.take_stock(now);
        self.review_sphere(now, effects);
        let Some(endpoint) = self.endpoints.find(session) else { return };
        let Some(presence) = endpoint.shown.clone() else { return };
        let from = Party::full(self.address.clone(), endpoint.resource().clone());
        let notice = PresenceNotice::new(from, presence, Some(Arc::clone(&self.aggregate)));
        let notice = Arc::new(notice.with_avatar(self.avatar_mark()));
        let directed = endpoint.directed.clone();
        self.route_to_watching_contacts(session, &notice, effects);
        for to in directed {
            let signal = Signal::Presence { to, notice: Arc::clone(&notice) };
            effects.push(Effect::Route { signal, reply: None });
        }
        let own = self.endpoints.ids(|endpoint| endpoint.follows_presence());
        tell(own, Event::Presence(notice), effects);
        self.show_watchers(effects);
    }

    /// Takes the session's presence back from everybody who had it; `left` is what it says from now on.
    fn say_goodbye(
        &mut self,
        session: SessionId,
        presence: Arc<Presence>,
        left: Option<Arc<Presence>>,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        let own = self.endpoints.ids(|endpoint| endpoint.follows_presence());
        let Some(endpoint) = self.endpoints.find_mut(session) else { return };
        let was_available = endpoint.is_available();
        let is_seen = was_available || endpoint.is_closed() || left.is_some();
        let directed = std::mem::take(&mut endpoint.directed);
        let from = Party::full(self.address.clone(), endpoint.resource().clone());
        endpoint.say(left);
        self.take_stock(now);
        self.review_sphere(now, effects);
        let aggregate = Some(Arc::clone(&self.aggregate));
        let notice = Arc::new(PresenceNotice::new(from, presence, aggregate));
        for to in directed {
            let signal = Signal::Presence { to, notice: Arc::clone(&notice) };
            effects.push(Effect::Route { signal, reply: None });
        }
        if was_available {
            self.route_to_watching_contacts(session, &notice, effects);
            tell(own, Event::Presence(notice), effects);
        }
        if is_seen {
            self.show_watchers(effects);
        }
    }

    /// What a session is told when it becomes available: who else is there, who asks for the owner.
    fn welcome(&self, session: SessionId, effects: &mut Effects) {
        let Some(endpoint) = self.endpoints.find(session) else { return };
        if !endpoint.follows_presence() {
            return;
        }
        let from = Arc::new(Party::full(self.address.clone(), endpoint.resource().clone()));
        self.route_to_contacts(|contact| contact.to, News::Probe(from), effects);
        for notice in self.notices(|other| other.session != session) {
            effects.push(Effect::Tell { session, event: Event::Presence(notice) });
        }
        if endpoint.takes_questions() {
            self.show_requests(session, effects);
        }
    }

    /// One notice for each available session that is `wanted`.
    fn notices(&self, wanted: impl Fn(&Endpoint) -> bool) -> Vec<Arc<PresenceNotice>> {
        let notice = |endpoint: &Endpoint| {
            let from = Party::full(self.address.clone(), endpoint.resource().clone());
            let presence = Arc::clone(endpoint.shown.as_ref()?);
            let notice = PresenceNotice::new(from, presence, Some(Arc::clone(&self.aggregate)));
            Some(Arc::new(notice.with_avatar(self.avatar_mark())))
        };
        self.endpoints.iter().filter(|endpoint| wanted(endpoint)).filter_map(notice).collect()
    }

    /// What `somebody` sees of each available session.
    fn notices_for(&self, somebody: &Address) -> Vec<Arc<PresenceNotice>> {
        let Some(view) = self.part_for(somebody) else { return self.notices(|_| true) };
        let notices = self.notices(|endpoint| endpoint.is_seen(view));
        notices.iter().map(|notice| part_of(notice, view)).collect()
    }

    /// Tells the contacts of a change of one session, each as much as he may see.
    fn route_to_watching_contacts(
        &self,
        session: SessionId,
        notice: &Arc<PresenceNotice>,
        effects: &mut Effects,
    ) {
        if self.shared.limits.authorization == Authorization::Implicit {
            return;
        }
        let sees_all = |contact: &Contact| contact.from && self.sight(&contact.address).is_none();
        self.route_to_contacts(sees_all, News::Presence(Arc::clone(notice)), effects);
        let Some(endpoint) = self.endpoints.find(session) else { return };
        for view in self.parts().into_iter().filter(|view| endpoint.is_seen(view)) {
            let sees_part = |contact: &Contact| {
                contact.from && self.part_for(&contact.address).is_some_and(|own| **own == *view)
            };
            self.route_to_contacts(sees_part, News::Presence(part_of(notice, &view)), effects);
        }
    }

    fn route_to_contacts(&self, told: impl Fn(&Contact) -> bool, news: News, effects: &mut Effects) {
        let to: Vec<_> = self
            .roster
            .iter()
            .filter(|contact| told(contact))
            .map(|contact| contact.address.clone())
            .collect();
        if !to.is_empty() {
            effects.push(Effect::RouteAll { to, news });
        }
    }
}

/// Tells several sessions the same; none is told nothing.
pub(super) fn tell(sessions: Sessions, event: Event, effects: &mut Effects) {
    if !sessions.is_empty() {
        effects.push(Effect::TellAll { sessions, event });
    }
}

/// A session that somebody does not see any more.
fn gone(from: Party, now: Timestamp) -> Arc<PresenceNotice> {
    let gone = Arc::new(Presence::offline(now));
    Arc::new(PresenceNotice::new(from, Arc::clone(&gone), Some(gone)))
}

/// A notice as somebody with this view sees it.
fn part_of(notice: &PresenceNotice, view: &View) -> Arc<PresenceNotice> {
    let aggregate = notice.aggregate.as_ref().map(|aggregate| Arc::new(seen_by(view, aggregate)));
    let presence = Arc::new(seen_by(view, &notice.presence));
    let part = PresenceNotice::new(notice.from.clone(), presence, aggregate);
    Arc::new(part.with_avatar(notice.avatar))
}

fn route_notices(to: &Party, notices: Vec<Arc<PresenceNotice>>, effects: &mut Effects) {
    for notice in notices {
        let signal = Signal::Presence { to: to.clone(), notice };
        effects.push(Effect::Route { signal, reply: None });
    }
}
